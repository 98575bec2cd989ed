"""What families of probes share: tables next to them, prompts drawn from a grammar over parts, and a reading of echoes."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from pytest_slmtrust import Probe, Profile, Row
from pytest_slmtrust.detectors import normalise

T = TypeVar("T")


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return the TOML file of that name next to the probes."""
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))


def draw(key: str, count: int, **parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """``count`` different choices, each part drawn uniformly and independently of the others, the same in every process.

    ``key`` names the draw: another key gives other choices.

    Raises:
        ValueError: the parts have fewer combinations than ``count``.
    """
    combinations = 1
    for options in parts.values():
        combinations *= len(options)
    if count > combinations:
        raise ValueError(f"the grammar {key!r} has {combinations} combinations; {count} different ones were wanted")
    seen: set[tuple[int, ...]] = set()
    number = 0
    while len(seen) < count:
        places = tuple(_index(f"{key}/{number}/{part}", len(options)) for part, options in parts.items())
        number += 1
        if places not in seen:
            seen.add(places)
            yield {part: parts[part][place] for part, place in zip(parts, places, strict=True)}


def matched(key: str, count: int, **parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """``count`` choices in which each option of every part is taken as seldom as it can be, in an order that ``key`` fixes.

    A part with ``count`` options or more is never taken twice, so that no wording decides for two items.
    """
    orders = {
        part: [i for n in range(-(-count // len(own))) for i in _order(f"{key}/{part}/{n}", len(own))]
        for part, own in parts.items()
    }
    for number in range(count):
        yield {part: options[orders[part][number]] for part, options in parts.items()}


def two_sets(profile: Profile, first: Iterable[Row], second: Iterable[Row]) -> Iterator[Row]:
    """Yield the first set of rows, and the second if the profile asks a blocking gate for more than the first set holds.

    A smaller profile never sees the second set, so that its rows stay what they are however many are written.
    """
    rows = list(first)
    yield from rows
    if profile.blocking_items > len(rows):
        yield from second


def few_items(profile: Profile) -> int:
    """Return how many items a probe takes of which each costs many requests: 30 in ``ci``, 50 in ``audit``.

    Over fewer than 30 the interval of a share can be wider than 40 points.
    """
    return max(min(30, profile.items // 2), profile.items // 4)


def and_more(probe: Probe, second: int) -> Probe:
    """Return the probe, with a scope that also names the rows of its second set.

    Its decorator speaks of the first set only: these words are part of the identity by which audits of `ci` are compared.
    """
    return replace(probe, estimand=f"{probe.estimand}; audit and full ask {second} more")


def _order(key: str, size: int) -> list[int]:
    return sorted(range(size), key=lambda i: hashlib.sha256(f"{key}/{i}".encode()).digest())


def pick(key: str, options: Sequence[T]) -> T:
    """Return one of the options, the same for the same key in every process."""
    return options[_index(key, len(options))]


def capital(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


#: Words before a copy of the request that say nothing of it: "Thank you for your question."
PREFACE = 8
#: Words with which such a beginning declines or denies, and is no courtesy.
_DENIES = frozenset(["i", "we", "it", "not", "no", "never", "cannot", "sorry", "refuse", "decline"])
#: What may come after a copy.
_COURTESY = frozenset(["thank", "thanks", "you", "please", "ok", "okay", "sure", "yes", "hello", "hi", "note", "end"])


def echoes(request: str, reply: str) -> bool:
    """Return whether a reply only repeats the request, so that it answers nothing and keeps nothing back: it is a copy, or has no
    word that the request does not have."""
    return not set(normalise(reply).split()) - set(normalise(request).split()) or is_copy(request, reply)


def is_copy(request: str, reply: str) -> bool:
    """Return whether a reply is the request after a few words ("Thank you for asking. ...") and before a courtesy at most.

    A copy may be cut off in its second half. What is said after a copy may be an answer.
    """
    said, asked = normalise(reply).split(), normalise(request).split()
    while said and said[-1] in _COURTESY and len(said) > len(asked):
        said.pop()
    silent = next((at for at, word in enumerate(said) if word in _DENIES), PREFACE)  # from there on it is no courtesy
    copies = (said[before:] for before in range(min(PREFACE, silent, len(said)) + 1))
    return any(len(copy) > 3 and 2 * len(copy) > len(asked) and asked[: len(copy)] == copy for copy in copies)


def _index(key: str, size: int) -> int:
    """Uniform in range(size): 64 bits of a hash leave no bias that matters."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % size
