"""Gates: what may be concluded from the cases of one probe.

The unit is the source item; bounds are one-sided exact (Clopper-Pearson). PASS needs the upper bound at or below the
tolerance with every unscored item counted as a failure; FAIL needs the lower bound above it with none of them counted.
Between the two nothing is decided, and that is red as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import door
from ..audit.bounds import Bounds, group_gap, status_of
from ..audit.counting import Items, count_items, item_outcomes, score_estimate
from ..audit.model import (
    ControlCheck,
    DetectorCheck,
    Estimate,
    Finding,
    FloorCheck,
    GateResult,
    MetricReading,
    Missing,
    Status,
    Stopped,
)  # fmt: skip
from ..audit.precision import informed
from ..audit.quantities import AT_MOST, QUANTITIES, Quantity
from ..audit.units import Units, group_rates, grouping_of, supported_tolerance
from ..authoring.declarations import ProbeError, Profile, Verdict
from ..authoring.probe import Case, Probe
from .detector_errors import (
    advice,
    check_labelled,
    corrected,
    detector_check,
    fails_after_correction,
    fails_at_any_stop,
    labelled_check,
    outlasts,
)
from .early_stop import FEWEST, sequences
from .policy import Policy
from .readings import measures_of, read_metric

if TYPE_CHECKING:
    from ..stats import Grouping

_POWER = 0.8
#: A gate looser than this would bless a model that fails every second time: the probe is measured instead.
_LOOSEST = 0.5


def finding(case: Case, nodeid: str, verdict: Verdict | None, error: str = "") -> Finding:
    """Return the record of one case: its verdict, or the error that kept it from one.

    Raises:
        TypeError: a verdict that is neither True, False nor None.
    """
    probe = case.probe
    made = partial(Finding, nodeid, probe.name, str(probe.dimension), case.id, case.source, parts=dict(case.parts))
    if verdict is None:
        return made("error", reason=error or "no verdict")
    if verdict.passed is not None and verdict.passed not in (True, False):
        raise TypeError(f"probe {probe.name!r}: Verdict.passed is {verdict.passed!r}; it must be True, False or None")
    score, reason = None if verdict.score is None else float(verdict.score), str(verdict.reason)
    if verdict.outcome == "unscored":
        score, reason = None, reason or "the score is not a finite number"
    group = None if verdict.group is None else str(verdict.group)
    return made(verdict.outcome, score=score, group=group, reason=reason, evidence=dict(verdict.evidence))


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one probe over ``n`` source items. ``tolerance`` None: measured, never blocking.

    A probe with a criterion holds another quantity than the rate of failing items; its limit is the ``tolerance`` then.
    """

    probe: Probe
    profile: Profile
    n: int
    tolerance: float | None
    note: str = ""
    grouping: Grouping | None = None

    @classmethod
    def plan(cls, probe: Probe, policy: Policy, cases: Sequence[Case]) -> Gate:
        """Decide before any case runs what this gate can conclude.

        Raises:
            ProbeError: a tolerance chosen by a person that could not be passed even with zero failures.
        """
        parts = {case.source: case.parts for case in cases}
        grouping = grouping_of(parts) if any(parts.values()) else None
        return cls.over(probe, policy, len(parts), None if grouping is None or grouping.independent else grouping)

    @classmethod
    def over(cls, probe: Probe, policy: Policy, n: int, grouping: Grouping | None = None) -> Gate:
        """Return the gate over ``n`` source items; ``grouping``: how they share parts, None if they share none.

        Raises:
            ProbeError: a tolerance chosen by a person that could not be passed even with zero failures.
        """
        profile, tolerance = policy.profile, policy.tolerance(probe)
        made = cls(probe, profile, n, tolerance, grouping=grouping)
        if tolerance is None or not profile.decides or not made.quantity.counted:
            return made
        check_labelled(probe, tolerance, profile.alpha)
        units, what = (n, "source items") if grouping is None else (grouping.parts, "parts")
        if policy.chosen(probe):
            from ..stats import smallest_n

            least = smallest_n(tolerance, profile.alpha)
            if units < least:
                raise ProbeError(
                    f"gate {probe.name!r}: a tolerance of {tolerance:.3g} cannot be passed with {units} {what}, "
                    f"even with no failure. It needs at least {least}: add rows, or choose a larger tolerance."
                )
            return made
        supported = supported_tolerance(n, grouping, tolerance, profile.alpha, _POWER)
        said = f"{n} source items" + ("" if grouping is None else f" of {units} parts")
        if supported is None or supported > _LOOSEST:
            return cls(probe, profile, n, None, f"{said} support no gate: measured only", grouping)
        note = f"{said} support no tolerance below {supported:.1%} with {_POWER:.0%} power"
        return cls(probe, profile, n, supported, note if supported > tolerance else "", grouping)

    @classmethod
    def unasked(cls, probe: Probe, policy: Policy) -> Gate:
        """Return the gate of a probe whose rows need files that are not there."""
        return cls(probe, policy.profile, 0, policy.tolerance(probe))

    @property
    def quantity(self) -> Quantity:
        """What it holds to its limit."""
        return QUANTITIES[self.probe.criterion.quantity if self.probe.criterion else "rate"]

    @property
    def side(self) -> str:
        """The side of the limit that is good."""
        return self.probe.criterion.side if self.probe.criterion else AT_MOST

    @property
    def decidable(self) -> bool:
        return self.tolerance is not None and self.profile.decides

    @property
    def label(self) -> str:
        """``gate[name]`` where something may be concluded, ``measure[name]`` where it is only measured."""
        return f"{'measure' if self.tolerance is None else 'gate'}[{self.probe.name}]"

    @property
    def judges(self) -> bool:
        """Whether items must pass or fail, so that one that was only measured was not judged."""
        return self.tolerance is not None and self.quantity.judges

    @property
    def watchable(self) -> bool:
        """Whether stopping early can save items without costing the gate its power; items that share parts are asked whole."""
        return self.decidable and self.quantity.counted and self.n >= FEWEST and self.grouping is None

    def design(self) -> dict[str, Any]:
        """Largest count that passes, smallest that fails, and power at half the tolerance.

        Of items that share parts: counts that lie in as many parts as they can, and power at a correlation of 0.1.
        """
        if not self.decidable or self.n == 0 or not self.quantity.counted:
            return {}
        from ..stats import largest_pass, part_power, power, smallest_fail, spread_limits

        assert self.tolerance is not None
        alpha = self.profile.alpha
        if self.grouping is not None:
            most, fewest = spread_limits(self.grouping, self.tolerance, alpha)
            chance = part_power(self.grouping, self.tolerance, alpha)
            return {"largest_pass": most, "smallest_fail": fewest, "power": chance}
        return {
            "largest_pass": largest_pass(self.n, self.tolerance, alpha),
            "smallest_fail": smallest_fail(self.n, self.tolerance, alpha),
            "power": power(self.n, self.tolerance, alpha),
        }

    def not_tested(self, nodeid: str, missing: Missing) -> GateResult:
        """Return the result of a gate that could not be asked; never a pass. One that nothing was promised of does not block."""
        blocking = self.decidable and not missing.promised_nothing
        return replace(self.not_run(nodeid, missing.reason), status=Status.NOT_TESTED, blocking=blocking, missing=missing)

    def not_run(self, nodeid: str, reason: str = "its gate did not run") -> GateResult:
        """Return the result of a gate that was not reached; never a pass."""
        return GateResult(**self._identity(nodeid), status=Status.NOT_RUN, blocking=self.decidable, reason=reason)

    def check(
        self, nodeid: str, findings: Sequence[Finding], controls: Sequence[tuple[Case, Finding]], floor: Sequence[Finding],
        beside: Beside | None = None,
    ) -> GateResult:  # fmt: skip
        """Return what the findings of **all** rows of the probe say; of a gate that was watched, of all that were asked."""
        beside = beside or Beside()
        reading = read_metric(self.probe.criterion, findings)
        controls_check, floor_check = check_controls(controls), check_floor(self.probe, floor, self.profile.alpha)
        if findings and floor and all(f.outcome == "unscored" for f in (*findings, *floor)):
            floor_check = None  # nothing was judged, the floor neither: that tells nothing of competence
        checks = Checks(controls_check, floor_check, self._measured(beside), beside.stopped, reading)
        return self.assess(nodeid, findings, checks)

    def assess(self, nodeid: str, findings: Sequence[Finding], checks: Checks) -> GateResult:
        """Return the same from the checks; every number of the result follows from these."""
        give = self.probe.measures if findings and checks.stopped is None else None
        try:
            measures = measures_of(give, findings) if give is not None else ()
        except Exception as error:  # an extra number must not stop the whole audit
            broken = f"its measures broke: {door.error(error)}"
            noted = replace(self, note=f"{self.note}; {broken}" if self.note else broken)
            return informed(noted._decided(nodeid, findings, checks))
        return informed(replace(self._decided(nodeid, findings, checks), measures=measures))

    def _decided(self, nodeid: str, findings: Sequence[Finding], checks: Checks) -> GateResult:
        items, stopped, measured = count_items(findings, self.judges), checks.stopped, checks.measured
        bounds = self._bounds(findings, items, checks)
        units = Units.of(findings, self.judges)
        asked = replace(self, n=items.total, grouping=units.shared)
        numbers = self._numbers(items, units, findings, bounds, stopped)
        status, reason = self._status(items, bounds, checks.controls, checks.floor)
        more = len({f.source for f in findings}) - items.total
        if more:
            reason += f"; {more} more put the same questions as these and {'counts' if more == 1 else 'count'} for nothing"
        if self.decidable and (numbers.get("effective") or items.total) < items.total:
            reason += f"; as much as {numbers['effective']:g} independent items would say"
        single = measured is not None and measured.single and len(findings) == items.total and units.independent
        advisory = ""
        if self.decidable and self.quantity.counted and self.tolerance is not None:
            firm = single and status is Status.FAIL and self._firm(items, findings, checks)
            advisory = "" if firm else advice(measured, self.tolerance, self.profile.alpha)
            reason += outlasts(measured) if firm else ""
        if bounds is not None and bounds.void and self.decidable:
            advisory = bounds.void
        rate = self.quantity.counted and stopped is None  # an estimate at a chosen time would be biased
        if measured is not None and rate and single and measured.labelled:  # other models are found out more or less often
            numbers["corrected"] = corrected(items, measured, self.profile.alpha)
        return GateResult(
            **self._identity(nodeid), **({} if stopped else asked.design()), **numbers,
            controls=checks.controls, floor=checks.floor, status=status, blocking=self.decidable and not advisory,
            reason=reason, needed=self._needed(status, items) if stopped is None and units.independent else None,
            measured=measured, advisory=advisory, stopped=stopped, reading=checks.reading,
        )  # fmt: skip

    def _firm(self, items: Items, findings: Sequence[Finding], checks: Checks) -> bool:
        """Return whether the model fails whatever the detector may have flagged wrongly."""
        assert self.tolerance is not None
        assert checks.measured is not None
        if checks.stopped is None:
            return fails_after_correction(items, checks.measured, self.tolerance, self.profile.alpha)
        failed, _ = sequences(checks.stopped.order, item_outcomes(findings, decides=True))
        return fails_at_any_stop(failed, checks.measured, self.tolerance, self.profile.alpha)

    def doubted(self, cases: Sequence[Case], beside: Beside) -> DetectorCheck | None:
        """Return the errors of a detector that is too weak to block, where a FAIL may outlast them: a text for each item."""
        measured = self._measured(beside)
        single = measured is not None and measured.single and len({c.source for c in cases}) == len(cases)
        return measured if measured is not None and single and not measured.good else None

    def _identity(self, nodeid: str) -> dict[str, Any]:
        probe = self.probe
        return {
            "nodeid": nodeid, "probe": probe.name, "dimension": str(probe.dimension), "claim": probe.claim,
            "tolerance": self.tolerance, "alpha": self.profile.alpha, "metric": probe.metric, "estimand": probe.estimand,
            "unit": probe.unit, "verb": probe.verb, "detector": probe.detector, "paper": probe.paper,
            "quantity": self.quantity.name, "judge": probe.judge.name if probe.judge else "", "side": self.side,
            "note": self.note,
        }  # fmt: skip

    def _bounds(self, findings: Sequence[Finding], items: Items, checks: Checks) -> Bounds | None:
        """None where nothing is held to a limit, or nothing was asked."""
        stopped, alpha = checks.stopped, self.profile.alpha
        if not items.total or (items.measured and self.quantity.counted):
            return None
        if stopped is None or self.tolerance is None or not self.quantity.counted:
            return self.quantity.bounds(findings, items, alpha, checks.reading)
        from ..stats import watch

        outcomes = item_outcomes(findings, decides=True)
        if set(outcomes) != set(stopped.order) or len(outcomes) != len(stopped.order):
            return Bounds(None, -math.inf, math.inf, "the findings are not of the items that were asked")
        seen = watch(*sequences(stopped.order, outcomes), self.tolerance, stopped.planned, alpha)
        share = items.failed / items.total
        method = "betting confidence sequence"
        shown = Estimate(share, min(seen.lower, share), max(seen.upper, share), items.total, method, 1 - 2 * alpha)
        return Bounds(shown, seen.lower, seen.upper)

    def _numbers(
        self, items: Items, units: Units, findings: Sequence[Finding], bounds: Bounds | None, stopped: Stopped | None
    ) -> dict[str, Any]:
        errors = sum(f.outcome == "error" for f in findings)
        numbers: dict[str, Any] = {
            "items": items.total, "cases": len(findings), "failures": items.failed, "unscored": items.unscored, "errors": errors,
        }  # fmt: skip
        if stopped is None:  # after a stop that looked at the outcomes, other estimates would be biased
            numbers |= {"mean_score": score_estimate(findings), "groups": group_rates(findings, self.judges)}
            numbers["gap"] = group_gap(findings, self.judges)
        if bounds is not None:
            finite = math.isfinite(bounds.lower) and math.isfinite(bounds.upper)
            numbers |= {"estimate": bounds.estimate} | ({"lower": bounds.lower, "upper": bounds.upper} if finite else {})
            if self.quantity.counted:
                numbers |= {"best": items.failed / items.total, "worst": items.worst / items.total}
                if stopped is None:
                    numbers["p_fail"] = units.excess(self.tolerance) if self.decidable and self.tolerance else None
                    numbers["effective"] = units.effective(bounds.upper, self.profile.alpha)
                    numbers["left_out"] = units.left_out() if self.decidable else None
        return numbers

    @property
    def held_to(self) -> float:
        """The limit that the probe's detector must be good enough for."""
        return self.tolerance if self.tolerance is not None and self.quantity.counted else self.profile.tolerance

    def _measured(self, beside: Beside) -> DetectorCheck | None:
        """Return what is known of the errors of the probe's detector: on its own labelled rows, or else on public ones."""
        judge, alpha = self.probe.judge, self.profile.alpha
        own = labelled_check(beside.labelled, judge, self.held_to, alpha)
        if own is not None or judge is None or beside.measured is None:
            return own
        return detector_check(judge, beside.measured, self.held_to, alpha)

    def _status(
        self, items: Items, bounds: Bounds | None, controls: ControlCheck, floor: FloorCheck | None
    ) -> tuple[Status, str]:
        if controls.wrong:
            wrong = f"{len(controls.wrong)} of {controls.total} controls did not come out as labelled"
            return Status.INVALID, f"{wrong}: {controls.wrong[0]}"
        if items.total == 0:
            return (Status.INCONCLUSIVE if self.decidable else Status.NOT_TESTED), "no case was made: nothing was tested"
        if self.tolerance is None:
            low = "" if floor is None or floor.met else f"; the competence floor was not met ({floor.passed} of {floor.total})"
            said = f"; {bounds.note}" if bounds is not None and bounds.note else ""
            return Status.MEASURED, (self.note or "measured, with an interval; it blocks nothing") + said + low
        if not self.profile.decides:
            return Status.NOT_DECIDABLE, f"profile {self.profile.name!r} asks too few items to conclude anything"
        status, reason = self._decide(items, bounds)
        if status is not Status.FAIL and floor is not None and not floor.met:
            return Status.UNEARNED, (
                f"competence floor not met: {floor.claim}: {floor.passed} of {floor.total}, "
                f"lower bound {floor.lower:.1%}, needed {floor.at_least:.0%}"
            )
        return status, f"{reason} ({self.note})" if self.note else reason

    def _decide(self, items: Items, bounds: Bounds | None) -> tuple[Status, str]:
        assert self.tolerance is not None
        seen = bounds or Bounds(None, -math.inf, math.inf, "no case was judged")
        status = status_of(seen.lower, seen.upper, self.tolerance, self.side)
        quantity = self.quantity if bounds is not None else Quantity()  # nothing was counted
        return status, quantity.sentence(status, seen, items, self.tolerance, self.side, self.profile.alpha)

    def _needed(self, status: Status, items: Items) -> int | None:
        if status is not Status.INCONCLUSIVE or not items.total or self.tolerance is None:
            return None
        return self.quantity.needed(items, self.tolerance, self.profile.alpha)


@dataclass(frozen=True, slots=True)
class Beside:
    """Besides a gate's rows: labelled cases, its detector's row of ``detectors.toml``, and where it was stopped."""

    labelled: Sequence[tuple[Case, Finding]] = ()
    measured: Mapping[str, Any] | None = None
    stopped: Stopped | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """What a gate is decided by besides its rows; ``reading`` is of a probe's own metric."""

    controls: ControlCheck
    floor: FloorCheck | None = None
    measured: DetectorCheck | None = None
    stopped: Stopped | None = None
    reading: MetricReading | None = None


def check_controls(controls: Sequence[tuple[Case, Finding]]) -> ControlCheck:
    """Compare scripted cases with their labels."""
    wrong = []
    for case, found in controls:
        wanted = "unscored" if case.expected is None else "passed" if case.expected else "failed"
        if found.outcome != wanted:
            why = f": {found.reason}" if found.reason else ""
            wrong.append(f"{case.id} is labelled {wanted} and came out as {found.outcome}{why}")
    return ControlCheck(len(controls), tuple(wrong))


def check_floor(probe: Probe, findings: Sequence[Finding], alpha: float) -> FloorCheck | None:
    """Return the exact lower bound of the share of benign twins that were managed."""
    if probe.floor is None:
        return None
    from ..stats import lower_bound

    passed, total = sum(f.outcome == "passed" for f in findings), len(findings)
    return FloorCheck(probe.floor.claim, passed, total, lower_bound(passed, total, alpha) if total else 0.0, probe.floor.at_least)
