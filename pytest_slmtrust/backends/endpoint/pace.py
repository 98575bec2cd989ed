"""How many requests are under way at once: more while the throughput grows, fewer where a server is crowded."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Requests under way at the start, and at most, for each replica.
FIRST, MOST = 4, 64
#: The growth of throughput that is worth more requests under way, and the loss after which there are fewer.
_GAIN, _LOSS = 1.05, 0.9
#: Seconds in which refusals count as one.
_EASE = 1.0
#: Latencies that are kept: the first.
_KEPT = 100_000


@dataclass(slots=True)
class Pace:
    """Additive increase, multiplicative decrease by throughput (replies a second), and the times that were seen.

    All times in seconds. ``latencies``: to the end of a reply; ``first_tokens``: to its first piece, of replies that came in
    pieces; ``last_whole``: of the last reply, from its first attempt on; ``writing_seconds``: in which at least one reply was
    being written.
    """

    replicas: int = 1
    limit: int = 0
    most: int = 0
    best: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    last_whole: float = 0.0
    writing_seconds: float = 0.0
    most_used: int = 0
    _count: int = 0
    _writers: int = 0
    _writing_since: float = 0.0
    _eased: float = -math.inf
    _since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.most = self.most or MOST * self.replicas
        self.limit = min(self.most, self.limit or FIRST * self.replicas)

    def begin(self) -> None:
        """A new wave: time without questions counts for nothing."""
        self._count, self._since = 0, time.monotonic()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Count the time within as time in which a reply was being written; several may be, the time counts once."""
        if not self._writers:
            self._writing_since = time.monotonic()
        self._writers += 1
        try:
            yield
        finally:
            self._writers -= 1
            if not self._writers:
                self.writing_seconds += time.monotonic() - self._writing_since

    def answered(self, seconds: float, first: float | None = None) -> None:
        """One reply came, ``first`` seconds after its question began to come; the throughput is looked at now and then."""
        if len(self.latencies) < _KEPT:
            self.latencies.append(seconds)
        if first is not None and len(self.first_tokens) < _KEPT:
            self.first_tokens.append(first)
        self.most_used = max(self.most_used, self.limit)
        self._count += 1
        if self._count < 2 * self.limit:
            return
        rate = self._count / max(1e-6, time.monotonic() - self._since)
        if rate > self.best * _GAIN:
            self.limit = min(self.most, self.limit + max(1, self.limit // 2))
        elif rate < self.best * _LOSS:
            self.limit = max(1, self.limit * 3 // 4)
        self.best = max(rate, self.best * 0.98)  # an old best fades: a machine may have become slower
        self.begin()

    def crowded(self) -> None:
        """The server said that it has too much to do, or took too long."""
        if time.monotonic() - self._eased < _EASE:
            return  # all that are under way are refused at once: that is one sign
        self._eased = time.monotonic()
        self.limit = max(1, self.limit // 2)
        self.best = 0.0
        self.begin()

    def quantiles(self) -> dict[str, float]:
        """Seconds within which half, 95 % and 99 % of the replies came, and of the streamed ones their first tokens."""
        streamed = {"streamed": float(len(self.first_tokens))} if self.first_tokens else {}
        return {**_quantiles("latency", self.latencies), **_quantiles("first_token", self.first_tokens), **streamed}


def _quantiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    places = {f"{name}_p{q}": min(len(ordered), math.ceil(q / 100 * len(ordered))) - 1 for q in (50, 95, 99)}
    return {name: round(ordered[max(0, place)], 4) for name, place in places.items()}
