"""Stopping a gate as soon as it is decided, without paying for the peeking.

A watched gate is decided by e-processes alone (see :mod:`~pytest_slmtrust.stats.sequential`), never by the fixed bound next to
them: two tests of one claim would each take their share of alpha. It asks its source items in rounds, in an order fixed by
their hashes, and ends once it is decided or once nothing that may follow could decide it. Every process works this out anew
from the same answers, so all of them skip the same cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..audit.counting import ItemOutcome
from ..audit.model import DetectorCheck, Stopped
from ..authoring.probe import Case, stable_order
from .detector_errors import fails_at_any_stop

#: Source items a round, whatever the batch size.
ROUND = 32
#: With fewer items planned nothing is saved, and the e-process would only cost power.
FEWEST = 100


@dataclass(frozen=True, slots=True)
class Watch:
    """The cases of one gate by source item, in the order in which they are asked."""

    name: str
    tolerance: float
    alpha: float
    items: Mapping[str, tuple[Case, ...]]

    @classmethod
    def over(cls, name: str, tolerance: float, alpha: float, cases: Sequence[Case]) -> Watch:
        items: dict[str, list[Case]] = {}
        for case in cases:
            items.setdefault(case.source, []).append(case)
        return cls(name, tolerance, alpha, {s: tuple(items[s]) for s in stable_order(name, items)})

    @property
    def planned(self) -> int:
        return len(self.items)

    def round(self, number: int) -> list[Case]:
        """Return the cases of one round, counted from 0."""
        sources = list(self.items)[number * ROUND : (number + 1) * ROUND]
        return [case for source in sources for case in self.items[source]]

    def stopped(self, outcomes: Mapping[str, ItemOutcome], doubted: DetectorCheck | None = None) -> Stopped | None:
        """Return where the gate ends after the items judged so far, a whole number of rounds; None while it is open.

        ``doubted``: the errors of a detector too weak to block. A gate that fails goes on until it fails in spite of them.
        """
        from ..stats import watch

        asked = tuple(outcomes)
        if len(asked) == self.planned:
            return Stopped(self.planned, asked)
        failed, worst = sequences(asked, outcomes)
        seen = watch(failed, worst, self.tolerance, self.planned, self.alpha)
        if seen.decision == "FAIL" and doubted is not None:
            ends = fails_at_any_stop(failed, doubted, self.tolerance, self.alpha)
        else:
            ends = seen.decision != "INCONCLUSIVE" or seen.hopeless
        return Stopped(self.planned, asked) if ends else None


def sequences(order: Sequence[str], outcomes: Mapping[str, ItemOutcome]) -> tuple[list[bool], list[bool]]:
    """For each item in order whether it failed, and whether it counts as failing when the question is PASS."""
    failed = [outcomes[source] == "failed" for source in order]
    return failed, [outcomes[source] in ("failed", "unscored") for source in order]
