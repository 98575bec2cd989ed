"""Does a reply hold the answer, and is it on topic? Readings that need no model.

Every function is linear in the length of the reply and reads at most :data:`MAX_CHARS` of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

#: A reply is read up to this length; what follows cannot change a reading.
MAX_CHARS = 20_000

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2212": "-", "\u2013": " ", "\u2014": " "})
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(r"(?:(?<![\w)])-)?\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)*")
_PREFIX = re.compile(r"\A(?:\W{0,4}(?:answer|assistant|response|reply|ai|bot|agent|a)\W{0,4}[:：]\s*)+", re.IGNORECASE)
_ARTICLES = frozenset({"a", "an", "the"})
_NEGATIONS = frozenset({"not", "never", "nor", "neither", "without", "than", "isnt", "wasnt"})

_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def folded(text: str) -> str:
    """Return the part of a text that is read, in plain signs."""
    plain = unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_QUOTES)
    return _INVISIBLE.sub("", plain)[:MAX_CHARS]


def _tokens(text: str) -> list[str]:
    plain = _THOUSANDS.sub("", _PREFIX.sub("", folded(text).lstrip())).casefold()
    return [t.removesuffix("'s") for t in _TOKEN.findall(plain)]


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Words and numbers in lower case, one space apart: no punctuation, articles, invisible characters, thousands commas or
    prefix such as ``Answer:``. A sign or decimal point stays with its number."""
    return " ".join(t for t in _tokens(text) if t not in _ARTICLES)


def contains_answer(reply: str, aliases: Sequence[str]) -> bool:
    """Return whether the reply states one of the aliases, as whole words and not right after a negation.

    ``Paris`` is in "It's Paris." and not in "Comparison" or "not Paris"; ``12`` is in "twelve" and "12.0", and not in "120",
    "12.5" or "one hundred and twelve". Articles are left out, so that the letter ``A`` is found only where it is the whole reply:
    read the letter of a choice yourself.

    Raises:
        ValueError: no alias, or one without a word or number in it.
    """
    if not aliases:
        raise ValueError("no aliases: there is nothing to look for")
    reply = _stood_by(reply)
    tokens = _said(reply) or _tokens(reply)  # a reply of nothing but an article is the answer "A"
    return any(_states(tokens, _wanted(alias)) and _meant(reply, alias) for alias in aliases)


#: Names that are everyday words as well: written small, or before a verb's partner, they are the word.
_EVERYDAY = frozenset(
    {"may", "march", "august", "turkey", "china", "polish", "nice", "reading", "bath", "will", "mark", "rose", "us"}
)
#: After one of the first words a name written small is meant. After one of the second it is meant if what is said ends there.
_BEFORE = r"in|of|since|until|till|by|during|from|last|next|early|late|mid"
_SAYS_IT = r"month|is|was|answer|then|comes|called|named|say|becomes|follows"
_ENDS = r"(?=\W*(?:\Z|[.,;:!?)\"\n]|\d|(?:is|was|comes|of|and|or|which|follows)\b))"
_NO_VERB = r"(?! (?:be|i|we|you|he|she|it|they|have|not|the|on|to|well|also)\b)"
_WHO_ACTS = r"will|would|can|could|may|might|should|must|let me|i|you|we|they"
#: "lead" and "iron" as verbs, "one" as a pronoun.
_AS_OTHER = {
    "lead": rf"\b(?:{_WHO_ACTS}|that|which|not) +lead\b|\blead +(?:to|you|me|us|him|her|them)\b",
    "iron": rf"\b(?:{_WHO_ACTS}) +iron\b|\biron +(?:it|that|this|them|out|the|my|your)\b",
    "1": r"\b(?:no|any|every|some|this|that|which|each|another|the|the only|not) +one\b(?! is\b| *[.!]? *\Z)"
    r"|\bone +(?:of|moment|more|who|thing|can|could|should|must|might|may|day|another|second|has|needs|or two)\b",
}
#: "44? No, 45.": what is asked back and taken back is not said.
_TAKEN_BACK = re.compile(r"\?(?=\s*(?:no|nope|wrong|not quite)(?:[.,;:!]| [-\u2013\u2014]|\Z))", re.IGNORECASE)


def _stood_by(reply: str) -> str:
    """Return a reply without the questions that it answers with a no."""
    kept, at = [], 0
    for found in _TAKEN_BACK.finditer(reply):
        kept.append(reply[at : max(at, *(reply.rfind(end, at, found.start()) + 1 for end in ".!?\n"))])
        at = found.end()
    return "".join([*kept, reply[at:]])


def _meant(reply: str, alias: str) -> bool:
    """Return whether a name that is an everyday word too is there as the name: "It may be June." holds no May, "they march" no
    March."""
    word, text = alias.strip(), folded(reply)
    other = _AS_OTHER.get(word.casefold())
    if other is not None:
        left = re.sub(other, " ", text, flags=re.IGNORECASE)
        return left == text or _states(_said(left), _wanted(alias))
    if word.casefold() not in _EVERYDAY or word == word.lower():
        return True
    small = word.lower()
    named = rf"\b(?:{word.capitalize()}|{word.upper()})\b(?i:{_NO_VERB})"
    after = rf"(?i:\b(?:{_BEFORE})[ :]+{word}\b|\b(?:{_SAYS_IT})[ :]+{word}\b{_ENDS})"
    alone = rf"(?:\A\W*|\d(?:st|nd|rd|th)? (?:of )?){small}\b{_NO_VERB}"
    return any(re.search(pattern, text) is not None for pattern in (named, after, alone))


# a reply is held against many answers, and an answer against many replies
@lru_cache(maxsize=256)
def _said(reply: str) -> list[str]:
    return _folded([t for t in _tokens(reply) if t not in _ARTICLES])


@lru_cache(maxsize=4096)
def _wanted(alias: str) -> list[str]:
    tokens = [t for t in _tokens(alias) if t not in _ARTICLES] or _tokens(alias)
    if not tokens:
        raise ValueError(f"the alias {alias!r} holds no word or number")
    return _folded(tokens)


def in_figures(text: str) -> str:
    """Return the words and numbers of a text, numbers in figures: "one hundred and eight" is "108"."""
    return " ".join(_folded(_tokens(text)))


def _states(tokens: Sequence[str], wanted: Sequence[str]) -> bool:
    size, first = len(wanted), wanted[0]
    for i, token in enumerate(tokens):
        if token == first and tokens[i : i + size] == wanted:
            before = tokens[max(0, i - 2) : i]
            if not any(b in _NEGATIONS or b.endswith("n't") for b in before):
                return True
    return False


def _folded(tokens: Sequence[str]) -> list[str]:
    """Return the tokens with each number in figures: "one hundred and eight" is 108, and 12.50 is 12.5."""
    made: list[str] = []
    at = 0
    while at < len(tokens):
        value, used = _number_at(tokens, at)
        token = tokens[at]
        figures = token.rstrip("0").rstrip(".") if "." in token else token
        made.append(str(value) if used else figures)
        at += used or 1
    return made


def _number_at(tokens: Sequence[str], start: int) -> tuple[int, int]:
    """Return the number that is written in words from there on, below a million, and how many words it takes: none if there is
    none."""
    thousands, below, last, used = 0, 0, "", 0
    for place in range(start, len(tokens)):
        word = tokens[place]
        if word == "and" and last in ("hundred", "thousand"):
            continue  # it belongs to the number if more of it follows
        if word in _UNITS:
            value = _UNITS.index(word)
            if not (last in ("", "hundred", "thousand") or (last == "ten" and 0 < value < 10)) or (last and not value):
                break
            below, last = below + value, "unit" if value else "zero"
        elif word in _TENS and last in ("", "hundred", "thousand"):
            below, last = below + 20 + 10 * _TENS.index(word), "ten"
        elif word == "hundred" and last in ("", "unit", "ten", "thousand") and below < 100:
            below, last = max(below, 1) * 100, "hundred"
        elif word == "thousand" and not thousands and last != "zero":
            thousands, below, last = max(below, 1), 0, "thousand"
        else:
            break
        used = place - start + 1
    return thousands * 1000 + below, used


# Words that stand in any text.
_ANYWHERE = frozenset(
    ["no", "yes", "not", "time", "people", "person", "thing", "things", "way", "ways", "day", "one", "two", "question", "answer"]
)


def on_topic(reply: str, words: Sequence[str]) -> bool:
    """Return whether the reply has one of the words: whole, or (from four letters on) as the beginning of a word, so that
    ``bake`` finds "baker". A phrase must occur as it is. Words that any text holds ("no", "time", "people") show nothing and are
    left out, unless there are no others.

    Raises:
        ValueError: no words.
    """
    if not words:
        raise ValueError("no words: give a few that a fitting reply would use")
    text = f" {normalise(reply)} "
    normal = [normalise(word) for word in words]
    telling = [word for word in normal if word not in _ANYWHERE] or normal
    return any((f" {w}" if len(w) >= 4 else f" {w} ") in text for w in telling)
