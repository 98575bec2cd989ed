"""What each probe cost in this run: tokens read, tokens written and seconds, of requests that were answered now.

A request that several probes ask is answered once and counted once, for the first of them. Tokens written are those of the
answers. A backend counts the tokens that it reads for whole batches, shared beginnings once: they are parted among the requests
of a batch by the length of what each adds. Its seconds are parted by the work of each request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..authoring.probe import Probe
from ..requests import Completion, Loglikelihood, Request
from .work_estimate import SCORED, WRITTEN

#: Dimension and name of a probe.
Owner = tuple[str, str]
#: What is asked outside a probe, by a test of the user.
NOBODY: Owner = ("", "")


@dataclass(slots=True)
class Cost:
    """``asked`` requests were answered now, ``stored`` ones before; the other numbers are of the former."""

    asked: int = 0
    stored: int = 0
    read: float = 0.0
    written: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Ledger:
    """Costs by probe. ``owners`` says whose a request is, by its key in the store."""

    owners: dict[str, Owner] = field(default_factory=dict)
    costs: dict[Owner, Cost] = field(default_factory=dict)
    booked: set[str] = field(default_factory=set)

    def own(self, probe: Probe, keys: Sequence[str]) -> None:
        """Say which probe asks these; the first one keeps them."""
        for key in keys:
            self.owners.setdefault(key, (str(probe.dimension), probe.name))

    def stored(self, keys: Sequence[str]) -> None:
        """Book answers that were there already."""
        for key in keys:
            if key not in self.booked:
                self.booked.add(key)
                self._of(key).stored += 1

    def answered(
        self, requests: Mapping[str, Request[Any]], answers: Mapping[str, Any], units: Mapping[str, float], read: int,
        seconds: float,
    ) -> None:  # fmt: skip
        """Book one bulk call. ``units``: the work of reading each request; ``read`` and ``seconds``: those of the whole call."""
        written = {key: _written(answers.get(key)) for key in requests}
        reading = {key: units[key] / (SCORED if isinstance(r, Loglikelihood) else 1.0) for key, r in requests.items()}
        work = {key: units[key] + WRITTEN * written[key] for key in requests}
        tokens, effort = max(sum(reading.values()), 1e-9), max(sum(work.values()), 1e-9)
        for key in requests:
            cost = self._of(key)
            if key not in self.booked:
                self.booked.add(key)
                cost.asked += 1
            cost.read += read * reading[key] / tokens
            cost.written += written[key]
            cost.seconds += seconds * work[key] / effort

    def count(self) -> tuple[int, int]:
        """Return how many requests were answered now, and how many before."""
        return sum(one.asked for one in self.costs.values()), sum(one.stored for one in self.costs.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each probe that asked something, the dearest first."""
        rows: list[dict[str, Any]] = [
            {"dimension": dimension, "probe": name, "asked": c.asked, "stored": c.stored, "read": round(c.read),
             "written": c.written, "seconds": round(c.seconds, 3)}
            for (dimension, name), c in self.costs.items()
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (-row["seconds"], row["dimension"], row["probe"]))

    def _of(self, key: str) -> Cost:
        owner = self.owners.get(key, NOBODY)
        found = self.costs.get(owner)
        if found is None:
            found = self.costs[owner] = Cost()
        return found


def _written(answer: Any) -> int:
    return answer.n_tokens + answer.thought_tokens if isinstance(answer, Completion) else 0


def added(processes: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the rows of several processes as one table. What one process answered is stored for the others."""
    total: dict[Owner, dict[str, Any]] = {}
    for row in (row for rows in processes for row in rows):
        known = total.setdefault((row["dimension"], row["probe"]), {**row, "asked": 0, "read": 0, "written": 0, "seconds": 0.0})
        requests = max(known["asked"] + known["stored"], row["asked"] + row["stored"])
        for name in ("asked", "read", "written", "seconds"):
            known[name] += row[name]
        known["stored"] = max(0, requests - known["asked"])
    return sorted(total.values(), key=lambda row: (-row["seconds"], row["dimension"], row["probe"]))
