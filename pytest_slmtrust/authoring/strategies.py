"""Hypothesis strategies: rows and edits drawn from them, the same ones in every process, and edits that a reader sees through."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .edits import Change, apply


def draw(strategy: Any, n: int) -> list[Any]:
    """Up to ``n`` distinct examples, in a reproducible order: derandomised, no database, whatever else is imported."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import HypothesisSideeffectWarning

    rows: list[Any] = []

    once = settings(derandomize=True, database=None, max_examples=n, phases=[Phase.generate], deadline=None)

    @settings(once, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(row: Any) -> None:
        if row not in rows:
            rows.append(row)

    with warnings.catch_warnings(), _of_the_strategy_alone():
        # rows of a baseline are drawn before the session starts; Hypothesis calls that slow at start-up, with the whole strategy
        warnings.simplefilter("ignore", HypothesisSideeffectWarning)
        collect()
    return rows


@contextmanager
def _of_the_strategy_alone() -> Iterator[None]:
    """Keep Hypothesis from preferring numbers and texts that it finds in the source of a project's imported modules.

    It does so since 6.131 and has no setting for it. With them the rows of a probe would change with any file next to it, and
    to read the files takes a second.
    """
    from hypothesis.internal.conjecture import providers

    found = getattr(providers, "_get_local_constants", None)
    if found is None:
        yield
        return
    from hypothesis.internal.constants_ast import Constants

    none = Constants()
    providers.CONSTANTS_CACHE.cache.clear()  # what it chose from earlier, of all modules
    providers._get_local_constants = lambda: none
    try:
        yield
    finally:
        providers._get_local_constants = found
        providers.CONSTANTS_CACHE.cache.clear()


#: Kinds of edit that a reader sees through, and does not always see.
KINDS = ("swap", "double", "look-alike", "invisible", "case", "space")
#: Letters of another alphabet that look the same in most fonts.
_LOOK_ALIKES = dict(zip("aceopxyijs", "асеорхуіјѕ", strict=True))
_INVISIBLE = "\u200b"
_WORD = re.compile(r"\S+")


def unnoticed(text: str, kinds: Sequence[str] = KINDS, share: float = 0.75) -> Any:
    """Edited forms of a text that a reader reads as the same: a strategy of texts, with one change a word at most.

    Many words are changed at once: a large edit breaks more often, and what breaks is shrunk to what a reader does not notice.

    Args:
        kinds: of :data:`KINDS`: two inner letters that change places, a doubled letter, a look-alike letter, a character without
            width inside a word, the case of a first letter, a second space after a word.
        share: the most of the words that are changed, at least one; two thirds of that are the fewest.

    Raises:
        ValueError: an unknown kind, a share outside (0, 1], or a text without a word that could be changed.
    """
    from hypothesis import strategies as st

    strange = sorted(set(kinds) - set(KINDS))
    if strange or not kinds or not 0 < share <= 1:
        raise ValueError(f"kinds={list(kinds)}, share={share}: expected kinds of {', '.join(KINDS)}, and a share in (0, 1]")
    words = {place: options for place, match in enumerate(_WORD.finditer(text)) if (options := _options(match, text, kinds))}
    if not words:
        raise ValueError(f"no word of {text[:60]!r} can be changed by {', '.join(kinds)}")
    most = max(1, round(share * len(words)))
    edit = st.sampled_from([(place, change) for place, options in words.items() for change in options])
    edits = st.lists(edit, min_size=max(1, 2 * most // 3), max_size=most, unique_by=lambda one: one[0])
    return edits.map(lambda chosen: apply(text, [change for _, change in chosen]))


def _options(match: re.Match[str], text: str, kinds: Sequence[str]) -> list[Change]:
    """Return the changes of one word, in the order of ``KINDS``: inner letters only, where they are letters."""
    start, end = match.span()
    letters = [i for i in range(start, end) if text[i].isalpha()]
    inner = letters[1:-1]
    found: list[Change] = []
    for kind in (kind for kind in KINDS if kind in kinds):
        if kind == "swap":
            pairs = [i for i in inner if i + 1 in inner and text[i] != text[i + 1]]
            found += [Change(i, text[i : i + 2], text[i + 1] + text[i]) for i in pairs]
        elif kind == "double":
            found += [Change(i, "", text[i]) for i in inner]
        elif kind == "look-alike":
            found += [Change(i, text[i], _LOOK_ALIKES[text[i]]) for i in inner if text[i] in _LOOK_ALIKES]
        elif kind == "invisible":
            found += [Change(i, "", _INVISIBLE) for i in inner]
        elif kind == "case" and letters and text[letters[0]].swapcase() != text[letters[0]]:
            found.append(Change(letters[0], text[letters[0]], text[letters[0]].swapcase()))
        elif kind == "space" and end < len(text) and text[end] == " ":
            found.append(Change(end, "", " "))
    return found
