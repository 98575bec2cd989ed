"""A toy language model: words, and how likely each is after two others."""

from __future__ import annotations

import hashlib
import math
import re

WORDS = (
    " the", " a", " sea", " is", " red", " old", " Paris", " house", " one", " two", " three", " and", " fish", " in", ".", ",",
    " Yes", " No", " cap", "ital", " capital", " of",
)  # fmt: skip
BOS = "<s>"
EOS = 1
_CUT = re.compile(r"<s>| ?[A-Za-z]+|.", re.DOTALL)


def ids_of(text: str) -> list[int]:
    """Pieces of a text as ids: known words, else one for each distinct piece."""
    return [_id(piece) for piece in _CUT.findall(text)]


def _id(piece: str) -> int:
    if piece == BOS:
        return 0
    return WORDS.index(piece) + 2 if piece in WORDS else 1000 + int(hashlib.sha256(piece.encode()).hexdigest()[:6], 16)


PIECES: dict[int, str] = {i + 2: word for i, word in enumerate(WORDS)}


def remember(text: str) -> list[int]:
    found = _CUT.findall(text)
    PIECES.update({_id(piece): piece for piece in found})
    return [_id(piece) for piece in found]


def logprobs_after(before: list[int], seed: str = "") -> dict[int, float]:
    """The toy model: log-probabilities of the known words after two ids; any other piece has -14."""
    context = f"{seed}{before[-2:]}"
    raw = {i + 2: 5 * int(hashlib.sha256(f"{context}{i}".encode()).hexdigest()[:6], 16) / 0xFFFFFF for i in range(len(WORDS))}
    total = math.log(sum(map(math.exp, raw.values())))
    return {i: value - total for i, value in raw.items()}


def logprob(before: list[int], token: int, seed: str = "") -> float:
    return logprobs_after(before, seed).get(token, -14.0)
