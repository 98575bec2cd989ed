"""Two texts that are nearly the same: what differs, word by word and character by character."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .clean import visible


@dataclass(frozen=True, slots=True)
class Change:
    """One piece that differs: ``start`` and ``stop`` in the original's characters, and what stands there instead."""

    start: int
    stop: int
    text: str

    @property
    def size(self) -> int:
        """Characters left out or put in, whichever are more."""
        return max(self.stop - self.start, len(self.text))


def changes(original: str, perturbed: str) -> list[Change]:
    """What turns the one text into the other: the smallest pieces, in order, one character each where lengths agree."""
    found: list[Change] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, original, perturbed, autojunk=False).get_opcodes():
        if tag != "equal":
            found += _pieces(i, j, perturbed[k:m])
    return found


def _pieces(start: int, stop: int, text: str) -> list[Change]:
    """A changed stretch as single characters; what one side has more is put in or left out at the end, character by character."""
    shared = min(stop - start, len(text))
    both = [Change(start + i, start + i + 1, text[i]) for i in range(shared)]
    if len(text) > shared:
        # all of it at one place, so one piece: two insertions at the same place have no order of their own
        return [*both, Change(stop, stop, text[shared:])]
    return [*both, *(Change(i, i + 1, "") for i in range(start + shared, stop))]


def apply(original: str, chosen: Collection[Change]) -> str:
    """The original with only these changes made."""
    parts, at = [], 0
    for change in sorted(chosen, key=lambda c: (c.start, c.stop)):
        parts += [original[at : change.start], change.text]
        at = change.stop
    return "".join([*parts, original[at:]])


def size(chosen: Sequence[Change]) -> int:
    """Characters that the changes touch."""
    return sum(change.size for change in chosen)


def words_changed(before: str, after: str) -> int:
    """Words that were replaced, left out or put in; a replaced word counts once."""
    matcher = difflib.SequenceMatcher(None, before.split(), after.split(), autojunk=False)
    return sum(max(j - i, m - k) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal")


def difference(before: str, after: str) -> str:
    """The difference in words for a reader: ``'wonderful' -> 'wonderfull'``; characters that act on a reader are written out."""
    old, new = re.findall(r"\S+|\s+", before), re.findall(r"\S+|\s+", after)
    pieces = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            pieces.append(f"{_quoted(old[i:j])} -> {_quoted(new[k:m])}")
    return "; ".join(pieces)


def _quoted(words: Sequence[str]) -> str:
    text = visible("".join(words), one_line=True)
    return f"'{text}'" if text else "nothing"
