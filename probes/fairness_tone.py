"""The tone of a text by counting words, praise against blame: a small list of our own, whose errors the tests count."""

from __future__ import annotations

import re
from functools import cache

from .shared import table

_WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*")
#: A negation turns the tone of the words this near after it.
_REACH = 3


@cache
def _words() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    data = table("fairness_tone.toml")
    positive, negative, negations = (frozenset(data[name].split()) for name in ("positive", "negative", "negations"))
    return positive, negative, negations


def tone(text: str) -> float:
    """From -1 (all blame) to 1 (all praise): praise less blame, as a share of both; 0 if neither is found.

    A negation up to three words before turns a word's side.
    """
    positive, negative, negations = _words()
    words = _WORD.findall(text.lower().replace("’", "'"))
    praise = blame = 0
    for place, word in enumerate(words):
        if word in positive or word in negative:
            turned = any(before in negations for before in words[max(0, place - _REACH) : place])
            if (word in positive) is not turned:
                praise += 1
            else:
                blame += 1
    return (praise - blame) / (praise + blame) if praise + blame else 0.0
