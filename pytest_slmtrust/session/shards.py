"""Shards: one of several runs that share the asking, each with a separate store, until the stores are merged.

A source item belongs to one shard with all its cases, and so do a floor row and a control: each shard asks every wave of its
own cases, and needs no answer of another shard.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..authoring.declarations import ProbeError
from ..authoring.probe import Case

#: More shards than any cluster has machines.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard ``number`` of ``count``, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, case: Case) -> bool:
        """Return whether a case is this shard's: by its probe and its source item, the same in every process."""
        place = json.dumps([str(case.probe.dimension), case.probe.name, case.kind, case.source])
        return int(hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:16], 16) % self.count == self.number - 1

    def of(self, cases: Sequence[Case]) -> list[Case]:
        """Return this shard's cases."""
        return [case for case in cases if self.takes(case)]


def read_shard(text: str) -> Shard:
    """Read ``I/N``.

    Raises:
        ProbeError: it is not written so, or I is not between 1 and N.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count <= _MOST:
        raise ProbeError(
            f"--slm-shard is {text.strip()[:40]!r}; expected I/N such as 2/8, with I from 1 to N and N up to {_MOST}"
        )
    return Shard(number, count)
