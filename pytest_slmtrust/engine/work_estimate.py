"""How much work requests are, estimated from their texts alone: the basis for the remaining time of a run.

The unit is one prefilled token. Paces are measured as the run goes, so only the proportions between requests matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..requests import (
    BESIDE_MODEL,
    CHARACTERS,
    Classify,
    Completion,
    Edits,
    Failure,
    Generate,
    Loglikelihood,
    Perturb,
    Request,
    text_of,
)

#: What a token costs that is written in a batch, and one of a scored text (padding, its template, the head at every scored
#: place), in units. Measured with SmolLM2-135M on two cores.
WRITTEN, SCORED = 5.0, 2.0
#: Kinds with a pace of their own; those that a model answers are near each other in units.
_OWN_PACE = frozenset(request.kind for request in BESIDE_MODEL)
#: A shared beginning of fewer characters is read again.
SHORTEST = 16


@dataclass(slots=True)
class Wave:
    """How far a wave is: ``done`` of ``total`` requests, and by kind the units that are done and that are open.

    ``kind``: that of the latest answer; empty as the wave begins. Of replies apart: ``ended`` counts those that ended by
    themselves, ``written`` their tokens and those of replies under way, ``limits`` the open replies by the most that each may
    write.
    """

    number: int
    total: int
    done: int = 0
    kind: str = ""
    finished: dict[str, float] = field(default_factory=dict)
    open: dict[str, float] = field(default_factory=dict)
    ended: int = 0
    answered: int = 0
    written: int = 0
    limits: Counter[int] = field(default_factory=Counter)

    def book(self, request: Request[Any], units: float, answer: Any, written: int = 0) -> None:
        """One more request has its answer; one that failed was no work, and tells nothing about speed.

        ``written``: tokens that the backend says it wrote in this wave, for replies under way too.
        """
        self.done += 1
        self.kind = request.kind
        self.open[self.kind] = max(0.0, self.open.get(self.kind, 0.0) - units)
        if isinstance(request, Generate):
            self.limits[request.max_new_tokens] -= 1
        if isinstance(answer, Failure):
            return
        self.finished[self.kind] = self.finished.get(self.kind, 0.0) + units
        if isinstance(answer, Completion):
            self.ended += answer.finished
            self.answered += answer.n_tokens
        self.written = max(self.written, written, self.answered)

    def units(self) -> tuple[dict[str, float], dict[str, float]]:
        """Units done and open by kind, written tokens among them.

        The length of open replies is expected from a constant chance of ending at each token: natural ends over all tokens
        written (and one end each), replies under way included: its maximum-likelihood estimate under censoring.
        """
        done, left = dict(self.finished), dict(self.open)
        chance = self.ended / (self.written + self.ended) if self.ended else 0.0
        expected = sum(rows * _length(limit, chance) for limit, rows in self.limits.items())
        if self.limits:
            under_way = min(self.written - self.answered, 0.9 * expected)
            done[Generate.kind] = done.get(Generate.kind, 0.0) + WRITTEN * (self.answered + under_way)
            left[Generate.kind] = left.get(Generate.kind, 0.0) + WRITTEN * (expected - under_way)
        return done, left


#: Called as a wave begins and after every answer.
Progress = Callable[[Wave], None]


def begin(number: int, requests: Mapping[str, Request[Any]]) -> tuple[Wave, dict[str, float]]:
    """Return a wave with all its work open, and the units of each request by its key, without what it will write."""
    each = efforts(requests)
    wave = Wave(number, len(requests))
    for key, request in requests.items():
        wave.open[request.kind] = wave.open.get(request.kind, 0.0) + each[key]
        if isinstance(request, Generate):
            wave.limits[request.max_new_tokens] += 1
    return wave, each


def efforts(requests: Mapping[str, Request[Any]]) -> dict[str, float]:
    """Return the units of reading each request, by its key.

    A scored text costs what it does not share with its neighbour in alphabetical order, as shared beginnings are computed once;
    a prompt that is asked several times is read once.
    """
    found: dict[str, float] = {}
    scored: list[tuple[str, str]] = []
    prompts: set[str] = set()
    for key, request in requests.items():
        if isinstance(request, Loglikelihood):
            scored.append((text_of(request.context) + request.continuation, key))
        elif isinstance(request, Generate):
            text = text_of(request.prompt)
            found[key] = 1.0 if text in prompts else _tokens(len(text))
            prompts.add(text)
        elif isinstance(request, (Classify, Edits, Perturb)):
            found[key] = _tokens(len(request.text))
        else:
            found[key] = 1.0
    before = ""
    for text, key in sorted(scored):
        shared = _common(before, text)
        found[key] = SCORED * _tokens(len(text) - (shared if shared >= SHORTEST else 0))
        before = text
    return found


def seconds_left(wave: Wave, spent: Mapping[str, float], known: Mapping[str, float]) -> tuple[float | None, tuple[str, ...]]:
    """Seconds to the end of a wave, from the ``spent`` seconds by kind, and the kinds that they do not hold.

    Each kind goes on at its own pace in this wave; one that has not begun goes at its pace in earlier waves, ``known`` in
    seconds a unit, else, if a model answers it, at that of the model's kind of which most is done. Of a scorer that has
    not begun nothing is known: a word list takes a thousandth of a model's time. None as long as nothing can be said.
    """
    done, left = wave.units()
    own = pace(wave, spent)
    paces = {**known, **own}
    begun = own.keys() - _OWN_PACE
    if begun:
        usual = own[max(sorted(begun), key=lambda kind: done[kind])]
        paces = dict.fromkeys(left.keys() - _OWN_PACE, usual) | paces
    unknown = tuple(sorted(kind for kind, units in left.items() if units > 0 and kind not in paces))
    if not _OWN_PACE.issuperset(unknown) or not left.keys() & paces.keys():
        return None, unknown
    return sum(units * paces[kind] for kind, units in left.items() if kind in paces), unknown


def pace(wave: Wave, spent: Mapping[str, float]) -> dict[str, float]:
    """Seconds a unit, of the kinds that have begun."""
    return {
        kind: spent.get(kind, 0.0) / units for kind, units in wave.units()[0].items() if units > 0 and wave.finished.get(kind)
    }


def _tokens(characters: int) -> float:
    return 1.0 + characters / CHARACTERS


def _length(limit: int, chance: float) -> float:
    """Expected tokens of a reply that ends before each token with this chance, and at its limit."""
    on = 1 - chance
    return on * (1 - on**limit) / chance if chance > 0 else float(limit)


def _common(a: str, b: str) -> int:
    """Length of the longest common prefix, by bisection: slices compare at the speed of memory."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
