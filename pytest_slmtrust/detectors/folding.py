"""Texts as detectors read them: invisible characters left out, digits, spaces and dashes of other scripts as ASCII."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def folded(text: str) -> tuple[str, Sequence[int]]:
    """Return the text as it is searched, and the place of each of its characters in the original."""
    if text.isascii():
        return text, range(len(text))
    read = text.translate(_TABLE)
    if len(read) == len(text):  # nothing was left out, and no character becomes more than one
        return read, range(len(text))
    return read, [place for place, sign in enumerate(text) if _TABLE[ord(sign)]]


class _Table(dict[int, str]):
    """What each character is read as, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = read = _fold(chr(code))
        return read


_TABLE = _Table()


def _fold(sign: str) -> str:
    """One character as it is searched: nothing, or one character."""
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
