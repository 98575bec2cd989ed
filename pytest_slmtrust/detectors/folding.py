"""Texts as detectors read them: invisible characters left out, digits, spaces and dashes of other scripts as ASCII."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

#: How a character may have been written out before a text got here: ``\u200b``, ``\x1b``.
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|U([0-9A-Fa-f]{8}))")


#: A number in Chinese digits, long enough to be no word; 幺 is said for 1 on the telephone.
_CHINESE = re.compile("[〇零一幺二三四五六七八九]{7,}")
_DIGITS = str.maketrans("〇零一幺二三四五六七八九", "001123456789")


class Folded(NamedTuple):
    """A text as it is searched, and where each of its characters starts and stops in the original."""

    text: str
    starts: Sequence[int]
    stops: Sequence[int]

    def spot(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of the searched text is in the original."""
        return self.starts[start], self.stops[end - 1]


@lru_cache(maxsize=16)  # a text is searched for credentials, and then for personal data
def folded(text: str) -> Folded:
    """Return the text as it is searched; characters that were escaped are read as themselves."""
    if "\\" in text and _ESCAPE.search(text):
        return _unescaped(text)
    whole = range(len(text)), range(1, len(text) + 1)
    if text.isascii():
        return Folded(text, *whole)
    read = _CHINESE.sub(lambda run: run.group().translate(_DIGITS), text.translate(_TABLE))
    if len(read) == len(text):  # nothing was left out, and no character becomes more than one
        return Folded(read, *whole)
    starts = [place for place, sign in enumerate(text) if _TABLE[ord(sign)]]
    return Folded(read, starts, [start + 1 for start in starts])


def _unescaped(text: str) -> Folded:
    parts = [(match.start(), match.end(), int(match[match.lastindex or 1], 16)) for match in _ESCAPE.finditer(text)]
    read: list[str] = []
    starts: list[int] = []
    stops: list[int] = []
    at = 0
    for start, stop, code in [*parts, (len(text), len(text), -1)]:
        for place, sign in _plainly(text, at, start):
            read.append(sign)
            starts += range(place, place + len(sign))
            stops += range(place + 1, place + len(sign) + 1)
        at = stop
        sign = "" if code < 0 else _TABLE[code] if code <= 0x10FFFF else "?"
        if sign:
            read.append(sign)
            starts.append(start)
            stops.append(stop)
    return Folded("".join(read), starts, stops)


def _plainly(text: str, start: int, end: int) -> list[tuple[int, str]]:
    """Return a part of a text as it is searched, in pieces with their places: one piece where it is ASCII."""
    part = text[start:end]
    if part.isascii():
        return [(start, part)] if part else []
    return [(place, sign) for place, one in enumerate(part, start) if (sign := _TABLE[ord(one)])]


def lowered(text: str) -> str:
    """In small letters, each at its place: the few that grow when they are lowered stay."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


class _Table(dict[int, str]):
    """What each character is read as, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = read = _fold(chr(code))
        return read


_TABLE = _Table()


def _fold(sign: str) -> str:
    """Return one character as it is searched: nothing, or one character."""
    if sign.isascii():
        return sign
    category = unicodedata.category(sign)
    if category == "Nd":
        return str(unicodedata.decimal(sign))
    plain = {"Cf": "", "Zs": " ", "Pd": "-"}.get(category)
    if plain is not None:
        return plain
    same = unicodedata.normalize("NFKC", sign)  # full-width and mathematical letters, circled and raised digits
    return same if len(same) == 1 and same.isascii() else sign
