"""The quantities that a gate may hold to a limit: how each is bounded, decided and shown.

A new quantity is one more class here. Everything else looks its gate's quantity up in :data:`QUANTITIES`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from .bounds import Bounds, gap_bounds, mean_bounds, metric_bounds
from .counting import Items
from .model import ACCEPTED, PAIRED, Estimate, Finding, GateResult, MetricReading, Status
from .units import Units

#: How a number is written: in per cent, in its own unit, or as a difference of shares with its sign.
Unit = Literal["share", "number", "points"]
AT_MOST, AT_LEAST = "at most", "at least"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a report shows of a gate: a value between its ends, in one unit, and how the ends were made.

    ``value`` counts no unscored item as a failure;
    ``band`` is the range that these leave open. ``limited``: the gate's limit belongs on the same axis.
    """

    value: float
    lower: float | None
    upper: float | None
    unit: Unit
    kind: str
    band: tuple[float, float] | None = None
    limited: bool = True


class Quantity:
    """A quantity of a probe's rows that a gate holds to a limit, by its bounds at ``1 - alpha``."""

    name: ClassVar[str]
    #: What the sentence of a decision calls it.
    title: ClassVar[str] = "metric"
    #: What a report calls its limit; empty: the side of the limit that is good.
    limit_name: ClassVar[str] = ""
    #: Sides on which a limit may lie.
    sides: ClassVar[tuple[str, ...]] = (AT_MOST, AT_LEAST)
    #: Whether its limit is a share between 0 and 1, both excluded.
    share: ClassVar[bool] = False
    #: Whether it counts failing items, so that an item that was only measured was not judged.
    judges: ClassVar[bool] = False
    #: Whether counts of items are all that it depends on: it has a design, a p-value, a correction, and may stop early.
    counted: ClassVar[bool] = False
    #: Whether the author of a probe chooses it by its name.
    chosen: ClassVar[bool] = False
    #: Whether a function of the probe says it.
    reads: ClassVar[bool] = False
    #: Whether its method tells of which rows it speaks.
    explained: ClassVar[bool] = True
    #: Whether the mean score of its items says something of it, where it has no estimate.
    scored: ClassVar[bool] = False

    def bounds(self, findings: Sequence[Finding], items: Items, alpha: float, reading: MetricReading | None) -> Bounds:
        """Return the quantity with its one-sided bounds. ``reading``: what a probe's own metric said."""
        raise NotImplementedError

    def sentence(self, status: Status, bounds: Bounds, items: Items, limit: float, side: str, alpha: float) -> str:  # noqa: ARG002
        """Say what was seen and what is required."""
        seen = f"{self.title} {bounds.estimate.value:.4g}" if bounds.estimate else f"{self.title} unknown"
        ends = f" [{bounds.lower:.4g}, {bounds.upper:.4g}], each end {1 - alpha:.0%} sure"
        if bounds.estimate and self.explained:
            ends += f", {bounds.estimate.method}"
        text = seen + (ends if math.isfinite(bounds.lower) else "") + (f"; {bounds.note}" if bounds.note else "")
        return f"{text}; {side} {limit:g} is required"

    def needed(self, items: Items, limit: float, alpha: float) -> int | None:  # noqa: ARG002
        """Return how many more items would decide an INCONCLUSIVE gate; None where nobody can say."""
        return None

    def seen(self, gate: GateResult) -> Estimate | None:
        """Return the number that a gate shows; None where it has none, as of a metric that broke."""
        return gate.estimate or (gate.mean_score if self.scored else None)

    def plainly(self, gate: GateResult) -> str:
        """Say what was seen for a reader who knows no statistics; empty where there are no numbers."""
        e = self.seen(gate)
        if e is None:
            return ""
        explained = f" ({e.method})" if self.explained else ""
        name = "its number is" if self.title == "metric" else self.title
        return f"{name} {e.value:.3g}, between {e.lower:.3g} and {e.upper:.3g}{explained}, over {e.n} {gate.unit}"

    def limit_plainly(self, gate: GateResult) -> str:
        """Say what is allowed, or required."""
        limit = gate.tolerance or 0.0
        shown = share_text(limit) if self.share else f"{limit:g}"
        return f"{'required' if gate.side == AT_LEAST else 'allowed'}: {gate.side} {shown}"

    def shown(self, gate: GateResult) -> Shown | None:
        """Return the numbers of a gate for a report; None where it has none."""
        if gate.estimate is None:
            return of_estimate(self.seen(gate))
        return Shown(gate.estimate.value, gate.lower, gate.upper, "number", f"{self.name}; bounds each {_sure(gate)}")


class Rate(Quantity):
    """The rate of failing source items, with bounds over the parts that they share."""

    name, limit_name = "rate", "tolerance"
    sides = (AT_MOST,)
    share = judges = counted = scored = True

    def bounds(self, findings: Sequence[Finding], items: Items, alpha: float, reading: MetricReading | None) -> Bounds:  # noqa: ARG002
        units = Units.of(findings, decides=True)
        return Bounds(units.estimate(items), *units.bounds(alpha))

    def sentence(self, status: Status, bounds: Bounds, items: Items, limit: float, side: str, alpha: float) -> str:  # noqa: ARG002
        if not math.isfinite(bounds.upper):
            return f"nothing can be concluded: {bounds.note}"
        counts = f"{items.failed} of {items.total} items failed" + (f", {items.unscored} unscored" if items.unscored else "")
        sure, tolerated = f"{1 - alpha:.0%} sure", f"{limit:.1%} is tolerated"
        if status is Status.PASS:
            return f"{counts}; at most {round_up(bounds.upper)} fail, {sure}; {tolerated}"
        if status is Status.FAIL:
            return f"{counts}; at least {round_down(bounds.lower)} fail, {sure}; {tolerated}"
        either = f"at least {round_down(bounds.lower)} and at most {round_up(bounds.upper)} fail, each {sure}"
        return f"{counts}; {either}; {tolerated}"

    def plainly(self, gate: GateResult) -> str:
        if gate.best is None:
            return super().plainly(gate)
        lost = f" ({gate.unscored} could not be judged)" if gate.unscored else ""
        early = f", asked {gate.items} of {gate.stopped.planned} at most" if gate.stopped is not None else ""
        return f"{gate.failures} of {gate.items} {gate.unit} {gate.verb}{lost}{early}"

    def needed(self, items: Items, limit: float, alpha: float) -> int | None:
        from ..stats import items_needed

        if items.worst <= limit * items.total:  # on the way to a PASS, which counts what was not judged as failing
            return items_needed(items.worst, items.total, limit, alpha)
        if items.failed > limit * items.total:  # on the way to a FAIL, which counts it as passing
            return items_needed(items.failed, items.total, limit, alpha)
        return None  # the items that were not judged decide

    def shown(self, gate: GateResult) -> Shown | None:
        best, worst, low, high, seen = gate.best, gate.worst, gate.lower, gate.upper, gate.estimate
        if best is None or worst is None or low is None or high is None:
            return of_estimate(seen or gate.mean_score)
        if gate.status is Status.MEASURED and gate.unscored and seen is not None:
            # where nothing is decided, nothing is counted against the model
            kind = f"of {seen.n} judged; {made_by(seen)}"
            return Shown(seen.value, seen.lower, seen.upper, "share", kind, (best, worst), limited=False)
        band = (best, worst) if best < worst else None
        kind = "confidence sequence, each end" if gate.stopped is not None else f"{_bounds_of(gate)} one-sided bounds, each"
        return Shown(best, low, high, "share", f"{kind} {_sure(gate)}", band)


class Mean(Quantity):
    """The mean of the items' scores in [0, 1], with bounds over the parts that they share."""

    name, title, chosen, explained, scored = "mean", "mean score", True, False, True

    def bounds(self, findings: Sequence[Finding], items: Items, alpha: float, reading: MetricReading | None) -> Bounds:  # noqa: ARG002
        return mean_bounds(findings, alpha)


class Gap(Quantity):
    """The largest difference of failing rates between groups, with simultaneous exact bounds."""

    name, title, chosen = "gap", "largest gap", True
    sides = (AT_MOST,)
    share = judges = True

    def bounds(self, findings: Sequence[Finding], items: Items, alpha: float, reading: MetricReading | None) -> Bounds:  # noqa: ARG002
        return gap_bounds(findings, alpha)

    def plainly(self, gate: GateResult) -> str:
        e = gate.estimate
        return f"groups differ by up to {share_text(e.value)} over {e.n} {gate.unit}" if e else ""


class Metric(Quantity):
    """A number of the probe's own, with the interval that its function gives."""

    name, reads = "metric", True

    def bounds(self, findings: Sequence[Finding], items: Items, alpha: float, reading: MetricReading | None) -> Bounds:  # noqa: ARG002
        return metric_bounds(reading or MetricReading(None, broken="its metric was not read"), findings, alpha)


class Paired(Quantity):
    """The difference of failing rates to a baseline; :class:`~pytest_slmtrust.gates.paired_gate.PairedGate` decides it."""

    name, limit_name = PAIRED, "margin"
    sides = (AT_MOST,)
    share = True

    def plainly(self, gate: GateResult) -> str:
        pair, e = gate.paired, gate.estimate
        if pair is None:
            return "" if e is None else f"scores differ by {e.value:+.3g} from the baseline, over {e.n} {gate.unit}"
        j = pair.judged
        both = j.both + j.worse + j.better + j.neither
        lost = f", {gate.unscored} could not be compared" if gate.unscored else ""
        return f"{j.worse} of {both} {gate.unit} {gate.verb} with this model only, {j.better} with the baseline only{lost}"

    def limit_plainly(self, gate: GateResult) -> str:
        return f"allowed: at most {(gate.tolerance or 0.0) * 100:.3g} points more than the baseline"

    def shown(self, gate: GateResult) -> Shown | None:
        e = gate.estimate
        if e is None:
            return None  # of scores the difference is in their own unit
        return Shown(e.value, e.lower, e.upper, "number" if gate.paired is None else "points", f"difference, {made_by(e)}")


class Accepted(Paired):
    """The same against what a lock accepted."""

    name = ACCEPTED

    def plainly(self, gate: GateResult) -> str:
        pair = gate.paired
        if pair is None:
            return super().plainly(gate)
        j = pair.judged
        both = j.both + j.worse + j.better + j.neither
        start = "no worse than" if gate.status is Status.PASS else "against"
        lost = f", {gate.unscored} could not be compared" if gate.unscored else ""
        return f"{start} {pair.baseline} ({j.worse} of {both} {gate.unit} got worse, {j.better} better{lost})"

    def limit_plainly(self, gate: GateResult) -> str:
        return f"allowed: at most {(gate.tolerance or 0.0) * 100:.3g} points more"


#: Every quantity by its name in an audit.
QUANTITIES: dict[str, Quantity] = {one.name: one for one in (Rate(), Mean(), Gap(), Metric(), Paired(), Accepted())}


def quantity_of(gate: GateResult) -> Quantity:
    """Return the quantity of a gate that is only shown. A name that the schema does not list is shown as a metric."""
    return QUANTITIES.get(gate.quantity, QUANTITIES["metric"])


def made_by(estimate: Estimate) -> str:
    """``DeLong, 95 %``: how an interval was made and at which confidence."""
    return f"{estimate.method}, {estimate.confidence * 100:.3g}\u00a0%"


def of_estimate(estimate: Estimate | None) -> Shown | None:
    """Return an estimate as it is, in its own unit."""
    if estimate is None:
        return None
    return Shown(estimate.value, estimate.lower, estimate.upper, "number", made_by(estimate))


def share_text(share: float) -> str:
    """Return a share for a sentence: ``34 %``, ``8.3 %``, ``0.4 %``."""
    text = f"{share * 100:.0f}" if share == 0 or share >= 0.0995 else f"{share * 100:.1f}"
    return f"{text.removesuffix('.0')} %"


def round_up(share: float) -> str:
    """Return a share as a percentage that is not smaller than it: for upper bounds."""
    return f"{math.ceil(share * 1000 - 1e-9) / 10:.1f}%"


def round_down(share: float) -> str:
    """Return a share as a percentage that is not larger than it: for lower bounds."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f}%"


def _bounds_of(gate: GateResult) -> str:
    return "exact" if gate.effective is None or gate.effective == gate.items else "Gaffke's"


def _sure(gate: GateResult) -> str:
    return f"{1 - gate.alpha:.0%}".replace("%", "\u00a0%")
