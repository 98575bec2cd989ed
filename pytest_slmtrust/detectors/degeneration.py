"""Is a reply no reply at all: empty, symbols, one thing over and over, gibberish?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from .text import folded

_WORD = re.compile(r"[^\W\d_]+")
_RUN = re.compile(r"(\S)\1{9}")
_CLUSTER = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|[aeiou]{4}|([a-z])\1\1")
_VOWEL = re.compile(r"[aeiouy]")


def degenerate(reply: str) -> str:
    """Say why the reply is no reply at all, or ``""`` if it is one.

    ``empty``; ``no words`` (neither letters nor digits, or mostly symbols); ``repetition`` (one character, word or phrase over
    and over); ``gibberish`` (most of its Latin words cannot be pronounced).
    """
    text = folded(reply).strip()
    if not text:
        return "empty"
    solid = [c for c in text if not c.isspace()]
    if 2 * sum(c.isalnum() for c in solid) < len(solid):
        return "no words"
    words = text.casefold().split()
    if _RUN.search(text) or _repeats(words):
        return "repetition"
    return "gibberish" if _unpronounceable(text) else ""


def _repeats(words: Sequence[str]) -> bool:
    """More than half of eight or more words are one word, or under 0.4 of the word pairs of sixteen or more are different."""
    if len(words) < 8:
        return False
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    if 2 * max(counts.values()) > len(words):
        return True
    return len(words) >= 16 and len(set(pairwise(words))) < 0.4 * (len(words) - 1)


def _unpronounceable(text: str) -> bool:
    words = [w for w in _WORD.findall(text.casefold()) if len(w) >= 4 and w.isascii()]
    odd = sum(1 for w in words if _CLUSTER.search(w) or not _VOWEL.search(w))
    return len(words) >= 3 and 2 * odd > len(words)
