"""The servers of an endpoint: how each did so far, and how long it is waited for."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for; all times in seconds.

    ``attempts``: of one request, and ``late``: those of them that may end without a reply in time; ``first`` and ``most``: the
    wait before the second, and the longest; ``down``: how long a server may be unreachable before it counts as dead; ``asked``:
    the longest wait that a server may ask for; ``silent``: requests that fail one after another before the server counts as
    answering nothing; ``size``: bytes of a reply; ``request``: for a reply of the model, ``listing``: for what a server says of
    itself, which takes no model.
    """

    attempts: int = 6
    late: int = 6
    first: float = 0.5
    most: float = 8.0
    connect: float = 10.0
    request: float = 600.0
    listing: float = 5.0
    down: float = 20.0
    asked: float = 60.0
    silent: int = 8
    size: int = 32 * 2**20


@dataclass(slots=True)
class Replica:
    """One server, and how it did. ``resting`` and ``down_since``: clock times; ``in_flight``: requests under way.

    ``away`` counts how often it was unreachable or broke a connection, ``known`` how often it had when it was last seen to be
    the same model.
    """

    base: str
    alive: bool = True
    away: int = 0
    known: int = 0
    in_flight: int = 0
    resting: float = 0.0
    down_since: float | None = None
    strikes: int = 0
    said: str = ""

    @property
    def root(self) -> str:
        """Where a server's own paths begin."""
        return self.base.removesuffix("/v1")

    @property
    def host(self) -> str:
        return urlsplit(self.base).netloc

    def well(self) -> None:
        """It answered."""
        self.down_since, self.strikes = None, 0

    def unreachable(self, patience: Patience, why: str) -> None:
        """It took no connection: let it rest, and give it up once it was down for too long."""
        now = time.monotonic()
        self.down_since = self.down_since if self.down_since is not None else now
        self.strikes += 1
        self.away += 1
        self.said = why
        self.resting = now + wait_before(patience, self.strikes)
        if now - self.down_since >= patience.down:
            self.alive = False


def wait_before(patience: Patience, attempt: int) -> float:
    """Seconds before the next attempt: twice as long each time, spread so that requests do not come back together."""
    whole = min(patience.most, patience.first * 2.0 ** min(attempt - 1, 16))
    return whole * random.uniform(0.5, 1.0)
