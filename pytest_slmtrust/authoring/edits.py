"""Two texts that are nearly the same: what differs, and how much."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..escaping import visible

_TOKEN = re.compile(r"\S+|\s+")


@dataclass(frozen=True, slots=True)
class Change:
    """One piece that differs: where it starts in the original, what is there, and what replaces it."""

    start: int
    old: str
    new: str

    @property
    def stop(self) -> int:
        return self.start + len(self.old)

    @property
    def size(self) -> int:
        """Characters that are left out, put in or replaced by others; two that change places are one put in and one left out."""
        return sum(max(j - i, m - k) for tag, i, j, k, m in _opcodes(self.old, self.new) if tag != "equal")


def changes(original: str, perturbed: str) -> list[Change]:
    """Return what turns the one text into the other, in order: whole words and stretches of white space, so that any part of the
    changes is an edit of the same kind. Words are paired where both sides have equally many."""
    old, new = _TOKEN.findall(original), _TOKEN.findall(perturbed)
    starts = [0, *itertools.accumulate(len(token) for token in old)]
    ways = [_aligned(old, new, starts)]
    if len(old) == len(new):  # word for word, if that is less: equal blanks would align words that have nothing in common
        ways.append([Change(at, a, b) for at, a, b in zip(starts, old, new, strict=False) if a != b])
    return min(ways, key=size)


def _aligned(old: Sequence[str], new: Sequence[str], starts: Sequence[int]) -> list[Change]:
    found: list[Change] = []
    for tag, i, j, k, m in _opcodes(old, new):
        if tag == "replace" and j - i == m - k:
            found += [Change(starts[i + n], old[i + n], new[k + n]) for n in range(j - i) if old[i + n] != new[k + n]]
        elif tag != "equal":
            found.append(Change(starts[i], "".join(old[i:j]), "".join(new[k:m])))
    return found


def apply(original: str, chosen: Collection[Change]) -> str:
    """Return the original with only these changes made; they must not overlap."""
    parts, at = [], 0
    for change in sorted(chosen, key=lambda c: (c.start, c.stop)):
        parts += [original[at : change.start], change.new]
        at = change.stop
    return "".join([*parts, original[at:]])


def size(chosen: Sequence[Change]) -> int:
    """Characters that the changes touch."""
    return sum(change.size for change in chosen)


def _opcodes(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    return [*difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()]


def words_changed(before: str, after: str) -> int:
    """Words that were replaced, left out or put in; a replaced word counts once."""
    return sum(max(j - i, m - k) for tag, i, j, k, m in _opcodes(before.split(), after.split()) if tag != "equal")


def difference(before: str, after: str) -> str:
    """Return the difference in words for a reader: ``'wonderful' -> 'wonderfull'``; characters that act on a reader are written
    out."""
    return "; ".join(f"{_quoted(change.old)} -> {_quoted(change.new)}" for change in changes(before, after))


def _quoted(text: str) -> str:
    return f"'{visible(text, one_line=True)}'" if text else "nothing"
