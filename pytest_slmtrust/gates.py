"""Gates: what may be concluded from the cases of one probe.

The unit is the source item; bounds are one-sided exact (Clopper-Pearson). PASS needs the upper bound at or below the
tolerance with every unscored item counted as a failure; FAIL needs the lower bound above it with none of them counted.
Between the two nothing is decided, and that is red as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .audit import ControlCheck, Estimate, Finding, FloorCheck, GateResult, GroupRate, Status
from .policy import Policy
from .probe import Case, Probe, ProbeError, Profile, Verdict

_POWER = 0.8
#: A gate looser than this would bless a model that fails every second time: the probe is measured instead.
_LOOSEST = 0.5


def finding(case: Case, nodeid: str, verdict: Verdict | None, error: str = "") -> Finding:
    """The record of one case: its verdict, or the error that kept it from one.

    Raises:
        TypeError: a verdict that is neither True, False nor None.
    """
    probe, why = case.probe, error or "no verdict"
    blank = Finding(nodeid, probe.name, str(probe.dimension), case.id, case.source, "error", reason=why)
    if verdict is None:
        return blank
    if verdict.passed is not None and verdict.passed not in (True, False):
        raise TypeError(f"probe {probe.name!r}: Verdict.passed is {verdict.passed!r}; it must be True, False or None")
    score, reason = None if verdict.score is None else float(verdict.score), str(verdict.reason)
    if verdict.outcome == "unscored":
        score, reason = None, reason or "the score is not a finite number"
    group = None if verdict.group is None else str(verdict.group)
    return replace(blank, outcome=verdict.outcome, score=score, group=group, reason=reason, evidence=dict(verdict.evidence))


@dataclass(frozen=True, slots=True)
class Items:
    """Counts of source items: one fails if any of its cases fails; else it is unscored if any could not be judged."""

    total: int
    failed: int
    unscored: int
    measured: int

    @property
    def worst(self) -> int:
        return self.failed + self.unscored


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one probe over ``n`` source items. ``tolerance`` None: measured, never blocking."""

    probe: Probe
    profile: Profile
    n: int
    tolerance: float | None
    note: str = ""

    @classmethod
    def plan(cls, probe: Probe, policy: Policy, cases: Sequence[Case]) -> Gate:
        """Decide before any case runs what this gate can conclude.

        Raises:
            ProbeError: a tolerance chosen by a person that could not be passed even with zero failures.
        """
        from .stats import blocking_n, smallest_n, smallest_tolerance

        profile, n = policy.profile, len({c.source for c in cases})
        tolerance = policy.tolerance(probe)
        if tolerance is None or not profile.decides:
            return cls(probe, profile, n, tolerance)
        least = smallest_n(tolerance, profile.alpha)
        if policy.chosen(probe):
            if n < least:
                raise ProbeError(
                    f"gate {probe.name!r}: a tolerance of {tolerance:.3g} cannot be passed with {n} source items, "
                    f"even with no failure. It needs at least {least}: add rows, or choose a larger tolerance."
                )
            return cls(probe, profile, n, tolerance)
        if n >= blocking_n(tolerance, profile.alpha, _POWER):
            return cls(probe, profile, n, tolerance)
        supported = smallest_tolerance(n, profile.alpha, _POWER) if n else None
        if supported is None or supported > _LOOSEST:
            return cls(probe, profile, n, None, f"{n} source items support no gate: measured only")
        note = f"{n} source items support no tolerance below {supported:.1%} with {_POWER:.0%} power"
        return cls(probe, profile, n, supported, note)

    @property
    def decidable(self) -> bool:
        return self.tolerance is not None and self.profile.decides

    @property
    def label(self) -> str:
        """``gate[name]`` where something may be concluded, ``measure[name]`` where it is only measured."""
        return f"{'measure' if self.tolerance is None else 'gate'}[{self.probe.name}]"

    def design(self) -> dict[str, Any]:
        """Largest count that passes, smallest that fails, and power at half the tolerance."""
        if not self.decidable or self.n == 0:
            return {}
        from .stats import largest_pass, power, smallest_fail

        assert self.tolerance is not None
        alpha = self.profile.alpha
        return {
            "largest_pass": largest_pass(self.n, self.tolerance, alpha),
            "smallest_fail": smallest_fail(self.n, self.tolerance, alpha),
            "power": power(self.n, self.tolerance, alpha),
        }

    def not_tested(self, nodeid: str, reason: str) -> GateResult:
        """The result of a gate that could not run; never a pass."""
        return GateResult(**self._identity(nodeid), status=Status.NOT_TESTED, blocking=self.decidable, reason=reason)

    def check(
        self, nodeid: str, findings: Sequence[Finding], controls: Sequence[tuple[Case, Finding]], floor: Sequence[Finding]
    ) -> GateResult:
        """What the findings of **all** rows of the probe say."""
        items = count_items(findings, self.tolerance is not None)
        controls_check, floor_check = check_controls(controls), check_floor(self.probe, floor, self.profile.alpha)
        status, reason = self._status(items, controls_check, floor_check)
        return GateResult(
            **self._identity(nodeid), **self.design(), **self._numbers(items, findings),
            controls=controls_check, floor=floor_check, status=status, blocking=self.decidable, reason=reason,
            needed=self._needed(status, items),
        )  # fmt: skip

    def _identity(self, nodeid: str) -> dict[str, Any]:
        probe = self.probe
        return {
            "nodeid": nodeid, "probe": probe.name, "dimension": str(probe.dimension), "claim": probe.claim,
            "tolerance": self.tolerance, "alpha": self.profile.alpha, "metric": probe.metric, "estimand": probe.estimand,
            "detector": probe.detector, "paper": probe.paper,
        }  # fmt: skip

    def _numbers(self, items: Items, findings: Sequence[Finding]) -> dict[str, Any]:
        from .stats import lower_bound, upper_bound

        decides = self.tolerance is not None
        errors = sum(f.outcome == "error" for f in findings)
        numbers: dict[str, Any] = {
            "items": items.total, "cases": len(findings), "failures": items.failed, "unscored": items.unscored, "errors": errors,
            "estimate": rate_estimate(items), "mean_score": score_estimate(findings), "groups": group_rates(findings, decides),
        }  # fmt: skip
        if items.total and not items.measured:
            numbers |= {
                "lower": lower_bound(items.failed, items.total, self.profile.alpha),
                "upper": upper_bound(items.worst, items.total, self.profile.alpha),
                "best": items.failed / items.total,
                "worst": items.worst / items.total,
            }
        return numbers

    def _status(self, items: Items, controls: ControlCheck, floor: FloorCheck | None) -> tuple[Status, str]:
        if controls.wrong:
            wrong = f"{len(controls.wrong)} of {controls.total} controls did not come out as labelled"
            return Status.INVALID, f"{wrong}: {controls.wrong[0]}"
        if items.total == 0:
            return (Status.INCONCLUSIVE if self.decidable else Status.NOT_TESTED), "no case was made: nothing was tested"
        if self.tolerance is None:
            low = "" if floor is None or floor.met else f"; the competence floor was not met ({floor.passed} of {floor.total})"
            return Status.MEASURED, (self.note or "measured, with an interval; it blocks nothing") + low
        if not self.profile.decides:
            return Status.NOT_DECIDABLE, f"profile {self.profile.name!r} asks too few items to conclude anything"
        status, reason = self._decide(items)
        if status is not Status.FAIL and floor is not None and not floor.met:
            return Status.UNEARNED, (
                f"competence floor not met: {floor.claim}: {floor.passed} of {floor.total}, "
                f"lower bound {floor.lower:.1%}, needed {floor.at_least:.0%}"
            )
        return status, f"{reason} ({self.note})" if self.note else reason

    def _decide(self, items: Items) -> tuple[Status, str]:
        from .stats import lower_bound, upper_bound

        assert self.tolerance is not None
        alpha = self.profile.alpha
        upper, lower = upper_bound(items.worst, items.total, alpha), lower_bound(items.failed, items.total, alpha)
        counts = f"{items.failed} of {items.total} items failed" + (f", {items.unscored} unscored" if items.unscored else "")
        sure, tolerated = f"{1 - alpha:.0%} sure", f"{self.tolerance:.1%} is tolerated"
        if upper <= self.tolerance:
            return Status.PASS, f"{counts}; at most {round_up(upper)} fail, {sure}; {tolerated}"
        if lower > self.tolerance:
            return Status.FAIL, f"{counts}; at least {round_down(lower)} fail, {sure}; {tolerated}"
        either = f"at least {round_down(lower)} and at most {round_up(upper)} fail, each {sure}"
        return Status.INCONCLUSIVE, f"{counts}; {either}; {tolerated}"

    def _needed(self, status: Status, items: Items) -> int | None:
        if status is not Status.INCONCLUSIVE or not items.total or self.tolerance is None:
            return None
        from .stats import items_needed

        if items.worst <= self.tolerance * items.total:  # on the way to a PASS, which counts what was not judged as failing
            return items_needed(items.worst, items.total, self.tolerance, self.profile.alpha)
        if items.failed > self.tolerance * items.total:  # on the way to a FAIL, which counts it as passing
            return items_needed(items.failed, items.total, self.tolerance, self.profile.alpha)
        return None  # it hangs on the items that were not judged


def round_up(share: float) -> str:
    """A share as a percentage that is not smaller than it: for upper bounds."""
    return f"{math.ceil(share * 1000 - 1e-9) / 10:.1f}%"


def round_down(share: float) -> str:
    """A share as a percentage that is not larger than it: for lower bounds."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f}%"


def _by_source(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    items: dict[str, list[Finding]] = {}
    for one in findings:
        items.setdefault(one.source, []).append(one)
    return items


def count_items(findings: Iterable[Finding], decides: bool = False) -> Items:
    """Source items by their worst case. Where a rate gate ``decides``, one that was only measured was not judged."""
    failed = unscored = measured = total = 0
    for cases in _by_source(findings).values():
        outcomes = {c.outcome for c in cases}
        total += 1
        if "failed" in outcomes:
            failed += 1
        elif outcomes & {"unscored", "error"} or (decides and "measured" in outcomes):
            unscored += 1
        elif "measured" in outcomes:
            measured += 1
    return Items(total, failed, unscored, measured)


def check_controls(controls: Sequence[tuple[Case, Finding]]) -> ControlCheck:
    """Compare scripted cases with their labels."""
    wrong = []
    for case, found in controls:
        wanted = "passed" if case.expected else "failed"
        if found.outcome != wanted:
            why = f": {found.reason}" if found.reason else ""
            wrong.append(f"{case.id} is labelled {wanted} and came out as {found.outcome}{why}")
    return ControlCheck(len(controls), tuple(wrong))


def check_floor(probe: Probe, findings: Sequence[Finding], alpha: float) -> FloorCheck | None:
    """The exact lower bound of the share of benign twins that were managed."""
    if probe.floor is None:
        return None
    from .stats import lower_bound

    passed, total = sum(f.outcome == "passed" for f in findings), len(findings)
    return FloorCheck(probe.floor.claim, passed, total, lower_bound(passed, total, alpha) if total else 0.0, probe.floor.at_least)


def rate_estimate(items: Items) -> Estimate | None:
    """The share of failing source items among those that were scored, with its two-sided exact 95 % interval."""
    scored = items.total - items.unscored
    if not scored or items.measured:
        return None
    from .stats import exact_interval

    interval = exact_interval(items.failed, scored, 0.95)
    return Estimate(items.failed / scored, interval.lower, interval.upper, scored, "Clopper-Pearson, two-sided")


def score_estimate(findings: Sequence[Finding]) -> Estimate | None:
    """The mean score over source items (the mean of an item's cases first), for scores in [0, 1] with a betting interval."""
    means = []
    for cases in _by_source(findings).values():
        scores = [c.score for c in cases if c.score is not None]
        if scores:
            means.append(sum(scores) / len(scores))
    if not means:
        return None
    from .stats import bootstrap_interval, mean_interval

    bounded = all(0 <= m <= 1 for m in means)
    interval = mean_interval(means, 0.95) if bounded else bootstrap_interval(means)
    method = "betting interval of a bounded mean" if bounded else "bootstrap over source items (approximate)"
    return Estimate(sum(means) / len(means), interval.lower, interval.upper, len(means), method)


def group_rates(findings: Sequence[Finding], decides: bool = False) -> tuple[GroupRate, ...]:
    """Each group's rate (of a probe that only measures, its mean score), in the order of their names."""
    measured = count_items(findings, decides).measured > 0
    groups = sorted({f.group for f in findings if f.group})
    rates = []
    for group in groups:
        own = [f for f in findings if f.group == group]
        estimate = score_estimate(own) if measured else rate_estimate(count_items(own, decides))
        if estimate is not None:
            rates.append(GroupRate(group, estimate))
    return tuple(rates)
