"""How the requests of a wave are split among engines: dear ones first, in chunks that shrink towards the end of the wave.

An engine that is idle takes the next chunk, a fixed part of the work that is left (guided self-scheduling, Polychronopoulos and
Kuck 1987, https://doi.org/10.1109/TC.1987.5009495). A slow engine takes fewer chunks, and the last ones are single requests.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from ..engine.work_estimate import WRITTEN, efforts
from ..requests import Generate, Loglikelihood, Request, text_of

#: A chunk is the work that is left, over so many times the engines.
SHARE = 3
#: Most requests that stay together because they begin alike: the choices after one context, the draws of one prompt.
_TOGETHER = 16
#: A request that was under way as so many engines died is given up.
DEATHS = 3
#: Most requests of a chunk that an engine died with: one of them may be the cause.
_FEW = 8


class Chunks:
    """The open requests of a wave, by their places in it; each is taken once, unless it is put back.

    ``engines``: how many take chunks. The order depends on the requests alone.
    """

    def __init__(self, requests: Sequence[Request[Any]], engines: int) -> None:
        self._engines = max(1, engines)
        self._blocks = deque(_ordered(requests))
        self._left = sum(cost for cost, _ in self._blocks)
        self._returned: deque[tuple[int, ...]] = deque()
        self._deaths: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._blocks or self._returned)

    def take(self) -> tuple[int, ...]:
        """Return the next chunk for an engine that is idle; empty at the end."""
        if self._returned:
            return self._returned.popleft()
        room, chunk = self._left / (SHARE * self._engines), list[int]()
        while self._blocks and (not chunk or self._blocks[0][0] <= room):
            cost, places = self._blocks.popleft()
            room -= cost
            self._left -= cost
            chunk += places
        return tuple(chunk)

    def put_back(self, places: Sequence[int]) -> None:
        """Take back what an engine did not answer, for the next one that is idle."""
        if places:
            self._returned.append(tuple(places))

    def died(self, places: Sequence[int]) -> tuple[int, ...]:
        """Take back what was under way as an engine died, in small chunks, then singly; return what is given up.

        A request that kills its engine takes few others with it, and costs :data:`DEATHS` engines at most.
        """
        self._deaths.update(places)
        lost = tuple(i for i in places if self._deaths[i] >= DEATHS)
        once = [i for i in places if self._deaths[i] == 1]
        for start in range(0, len(once), _FEW):
            self.put_back(once[start : start + _FEW])
        for i in places:
            if 1 < self._deaths[i] < DEATHS:
                self.put_back([i])
        return lost

    def rest(self) -> Iterator[int]:
        """Take all that is left."""
        while self:
            yield from self.take()


def costs_of(requests: Sequence[Request[Any]]) -> list[float]:
    """Return the work of each request in units; of a reply, as if it were as long as it may be."""
    reading = efforts({str(i): request for i, request in enumerate(requests)})
    written = (WRITTEN * r.max_new_tokens if isinstance(r, Generate) else 0.0 for r in requests)
    return [reading[str(i)] + units for i, units in enumerate(written)]


def _ordered(requests: Sequence[Request[Any]]) -> list[tuple[float, tuple[int, ...]]]:
    """Return blocks of requests that begin alike, with their costs: the dearest first, to within a factor of two.

    Among blocks of about the same cost, texts that share a beginning come one after the other: an engine reads it once.
    """
    costs = costs_of(requests)
    alike: dict[tuple[Any, ...], list[int]] = {}
    for i, request in enumerate(requests):
        alike.setdefault(_beginning(i, request), []).append(i)
    blocks = [
        (sum(costs[i] for i in part), part)
        for places in alike.values()
        for part in (tuple(places[at : at + _TOGETHER]) for at in range(0, len(places), _TOGETHER))
    ]
    return sorted(blocks, key=lambda block: (-math.frexp(block[0])[1], *_beginning(block[1][0], requests[block[1][0]]), block[1]))


def _beginning(place: int, request: Request[Any]) -> tuple[str, str, int]:
    """Return what requests have in common that are best answered by one engine; a place where it is nothing."""
    if isinstance(request, Generate):
        return request.kind, text_of(request.prompt), 0
    if isinstance(request, Loglikelihood) and request.context:
        return request.kind, text_of(request.context), 0
    return request.kind, "", place + 1
