"""Credentials in a text: keys, tokens, passwords, and where they are.

Two sets of rules. ``credential_rules.json`` holds those of gitleaks, which know the exact forms of about 120 vendors' tokens
(``tools/credential_rules.py`` makes it). They were written for source code, where a token is whole and quoted; a model cuts
tokens, gets their length wrong, and puts them into prose. The project's own rules are for that: ``tokens.py`` knows how
tokens begin and what looks drawn at random, ``named_secrets.py`` goes by names, headers and addresses.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from .folding import folded, lowered
from .named_secrets import named_secrets
from .tokens import SHORTEST, WORD, Spot, in_word, private_keys, promising

#: Certificates and public keys, which open nothing.
_PUBLIC = re.compile(r"-----BEGIN (?![A-Z0-9 ]{0,40}PRIVATE)[A-Z0-9 ]{1,40}-----[^-]*")
#: Characters before a token in which gitleaks' rules may have their keyword.
_NEAR = 80


def find_credentials(text: str) -> list[Spot]:
    """Return start and end of each credential in a text, in order and without overlap; the whole text is searched.

    Time is linear in the length of the text. What is not found is listed in SECURITY.md.
    """
    whole = folded(text)
    read = whole.text
    lower = lowered(read)
    found = list(named_secrets(read, lower))
    if "private key" in lower or "private-" in lower:
        found += private_keys(read)
    if max(map(len, read.split()), default=0) > SHORTEST:
        public = [block.span() for block in _PUBLIC.finditer(read)] if "-----begin" in lower else []
        words = [word for word in WORD.finditer(read) if promising(word.group()) and not _inside(word.start(), public)]
        found += [spot for word in words for spot in in_word(read, word)]
        if words:
            found += _by_vendors(read, "\n".join(lower[max(0, word.start() - _NEAR) : word.end()] for word in words))
    return [whole.spot(start, end) for start, end in _joined(found)]


def _inside(place: int, spots: Iterable[Spot]) -> bool:
    return any(start <= place < end for start, end in spots)


def _joined(found: Iterable[Spot]) -> list[Spot]:
    joined: list[Spot] = []
    for start, end in sorted(found):
        if start >= end:
            continue
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


# --- the rules of gitleaks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern, its secret's group (0: the first that matched), and the least entropy of the secret in bits a character."""

    pattern: re.Pattern[str]
    group: int
    entropy: float

    def spots(self, text: str) -> Iterator[Spot]:
        for match in self.pattern.finditer(text):
            group = self.group or next((n for n, part in enumerate(match.groups(), 1) if part), 0)
            if _entropy(match.group(group)) >= self.entropy:
                yield match.span(group)


def _by_vendors(text: str, near: str) -> Iterator[Spot]:
    """``near``: the words that may hold a token and what precedes them, in small letters."""
    for keyword, numbers in _vendors():
        if keyword in near:
            for number in numbers:
                yield from vendor_rule(number).spots(text)


@cache
def raw_rules() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(files(__package__).joinpath("credential_rules.json").read_text("utf-8"))["rules"]
    return made


@cache
def _vendors() -> list[tuple[str, list[int]]]:
    """Keywords, and the rules that each of them calls for."""
    made: dict[str, list[int]] = {}
    for number, rule in enumerate(raw_rules()):
        for keyword in rule["keywords"]:
            made.setdefault(keyword, []).append(number)
    return list(made.items())


@cache
def vendor_rule(number: int) -> _Rule:
    rule = raw_rules()[number]
    return _Rule(re.compile(rule["pattern"], re.ASCII), rule.get("group", 0), rule.get("entropy", 0.0))


def _entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
