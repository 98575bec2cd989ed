"""Two models on the same cases: is the target worse than its baseline by more than a margin?

The baseline is answered in the same run (``--slm-vs``) or read from an audit (``--slm-baseline``, ``slmtrust compare``). The
unit is the source item, as for every gate. An item that could not be judged counts against the target when the question is
PASS, and for it when the question is FAIL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ..audit.counting import ItemOutcome, as_target, by_source, item_outcomes
from ..audit.model import (
    ACCEPTED,
    PAIRED,
    ControlCheck,
    Estimate,
    Finding,
    FloorCheck,
    GateResult,
    Missing,
    PairCounts,
    PairedCheck,
    Status,
)  # fmt: skip
from ..audit.nodeids import VERSUS
from ..audit.precision import with_needed
from ..audit.units import grouping_of
from .shared_pairs import SharedPairs

if TYPE_CHECKING:
    from ..stats import Grouping

#: A model that flips so often in each direction, with no difference in sum, must pass a gate that blocks this often.
FLIPS, POWER = 0.03, 0.8
#: A lock has a gate for every probe, so each must pass more often, or a model that is no worse would seldom pass them all.
ACCEPTED_POWER = 0.99
#: The note of a probe that a lock does not know.
NEW = "new: it is not in the lock"
#: Margins are raised in these steps, up to the largest, to what the items can show.
_STEP, _LOOSEST = 0.005, 0.25

Reading = Literal["judged", "worst", "best"]


@dataclass(frozen=True, slots=True)
class PairedGate:
    """The gate of one probe against a baseline over ``n`` source items. ``margin`` None: the difference is only measured.

    ``about`` is any result of the probe's own gate: its name, claim and detector are taken from there. ``accepted``: the baseline
    is what a lock accepted. An item that could not be judged then and cannot be now has not changed, and where hardly an item
    passed then, nothing can get worse.
    """

    about: GateResult
    n: int
    margin: float | None
    note: str = ""
    grouping: Grouping | None = None
    accepted: bool = False

    @classmethod
    def plan(
        cls, about: GateResult, n: int, margin: float, chosen: bool = False, grouping: Grouping | None = None,
        accepted: bool = False,
    ) -> PairedGate:  # fmt: skip
        """Decide before any case runs what the comparison can show.

        A margin that a person has ``chosen`` is taken at its word, if a model without a flip would pass; another one is raised to
        what ``n`` items can show with enough power. ``grouping``: how the items share parts, None if they share none.
        """
        made = cls(about, n, None, "", grouping, accepted)
        if n == 0:
            return replace(made, note="no case was made", grouping=None)
        if chosen:
            if power_of(n, margin, about.alpha, 0.0, grouping) > 0.5:
                return replace(made, margin=margin)
            return replace(made, note=f"{n} source items cannot show a margin of {margin:.1%}: measured only")
        power = made.power
        supported = smallest_margin(n, margin, about.alpha, grouping, power)
        if supported is None:
            return replace(made, note=f"{n} source items support no margin up to {_LOOSEST:.0%}: measured only")
        raised = f"{n} source items support no margin below {supported:.1%} with {power:.0%} power"
        return replace(made, margin=supported, note=raised if supported > margin else "")

    @property
    def power(self) -> float:
        """The chance of PASS that a margin must give a model whose flips cancel out."""
        return ACCEPTED_POWER if self.accepted else POWER

    @property
    def label(self) -> str:
        return f"{'measure' if self.margin is None else 'gate'}[{self.about.probe}{VERSUS}]"

    def check(self, nodeid: str, target: Sequence[Finding], baseline: Sequence[Finding], context: Context) -> GateResult:
        """Return what the two models' findings of all rows of the probe say together."""
        target, baseline = as_target(target, baseline)
        judges = any(f.outcome in ("passed", "failed") for f in (*target, *baseline))
        mine, theirs = item_outcomes(target, judges), item_outcomes(baseline, judges)
        result = replace(self._blank(nodeid), items=len(mine), cases=len(target), controls=context.controls, floor=context.floor)
        if "measured" in mine.values() or "measured" in theirs.values():  # nothing on either side passes or fails
            shift = score_difference(target, baseline)
            what = "the mean difference of scores; it blocks nothing"
            measured = replace(result, status=Status.MEASURED, blocking=False, tolerance=None, power=None, note="")
            return replace(measured, estimate=with_needed(shift), reason=what)
        counts: dict[Reading, PairCounts] = {r: count(mine, theirs, r, self.accepted) for r in READINGS}
        parts = {source: cases[0].parts for source, cases in by_source(target).items()}
        pairs: CountedPairs | SharedPairs = CountedPairs(counts)
        if any(parts.values()) and not grouping_of(parts).independent:
            shifts: dict[str, dict[str, float]] = {
                r: {s: float(a) - b for s, a, b in _sides(mine, theirs, r, self.accepted)} for r in READINGS
            }
            pairs = SharedPairs(shifts, parts)
        p_pass, p_fail, mcnemar = pairs.test(self.margin or 0.0, self.about.alpha)
        paired = PairedCheck(
            context.baseline, counts["judged"], counts["worst"], counts["best"], p_pass, p_fail, mcnemar, context.noise,
            isinstance(pairs, CountedPairs) and is_exact(len(mine)), context.baseline_floor, context.baseline_controls,
        )  # fmt: skip
        judged, (lower, upper) = counts["judged"], pairs.ends(self.about.alpha)
        status, reason = self._status(paired, context)
        return replace(
            result, status=status, blocking=status is not Status.MEASURED, reason=reason, paired=paired,
            estimate=with_needed(pairs.difference()), lower=lower, upper=upper,
            failures=counts["worst"].both + counts["worst"].worse, unscored=len(mine) - _total(judged),
            errors=sum(f.outcome == "error" for f in target), p_fail=paired.p_fail if self.margin is not None else None,
        )  # fmt: skip

    def not_tested(self, nodeid: str, reason: str, missing: Missing | None = None) -> GateResult:
        """Return the result of a comparison that was not possible; never a pass."""
        return replace(self._blank(nodeid), reason=reason, missing=missing, blocking=self.misses)

    def not_run(self, nodeid: str, reason: str = "its gate did not run") -> GateResult:
        """Return the result of a comparison that was not reached; never a pass."""
        return replace(self._blank(nodeid), status=Status.NOT_RUN, reason=reason, blocking=self.misses)

    @property
    def misses(self) -> bool:
        """Whether a run is red without its result: all that was accepted must be asked again."""
        return self.note != NEW if self.accepted else self.margin is not None

    def _blank(self, nodeid: str) -> GateResult:
        about = self.about
        return GateResult(
            nodeid, about.probe, about.dimension, about.claim, Status.NOT_TESTED, self.margin is not None, "",
            tolerance=self.margin, alpha=about.alpha, estimand=about.estimand, quantity=ACCEPTED if self.accepted else PAIRED,
            detector=about.detector,
            metric="failing source items of the target less those of its baseline, as a share of all", paper=about.paper,
            power=None if self.margin is None else power_of(self.n, self.margin, about.alpha, FLIPS, self.grouping),
            note=self.note, judge=about.judge, unit=about.unit, verb=about.verb,
        )  # fmt: skip

    def _status(self, paired: PairedCheck, context: Context) -> tuple[Status, str]:
        if context.controls.wrong:
            return Status.INVALID, f"a control did not come out as labelled: {context.controls.wrong[0]}"
        if context.baseline_controls is not None and context.baseline_controls.wrong:
            return Status.INVALID, f"a control of the baseline did not come out as labelled: {context.baseline_controls.wrong[0]}"
        if context.floor is not None and context.baseline_floor is not None and not context.baseline_floor.met:
            return (
                Status.MEASURED,
                f"the baseline misses the competence floor ({context.baseline_floor.claim}): nothing to be kept",
            )
        judged = paired.judged
        flips = self._flips(paired, context)
        if self.accepted and self.margin is not None and judged.worse + judged.neither < self.margin * _total(judged):
            few = f"only {judged.worse + judged.neither} of {_total(judged)} items had passed"
            return Status.MEASURED, f"{flips}; {few}: no model could fail {self.margin:.1%} more"
        if self.margin is None:
            return Status.MEASURED, f"{flips}; {self.note or 'measured, it blocks nothing'}"
        if not _total(judged):
            return Status.INCONCLUSIVE, f"{flips}: nothing was compared"
        said = f"{flips}; {self.margin:.1%} more failures are tolerated" + (f" ({self.note})" if self.note else "")
        status = paired_status(paired, self.about.alpha)
        if status is Status.INCONCLUSIVE and within_noise(paired) and paired.p_fail <= self.about.alpha:
            return status, f"{said}; the difference lies inside the noise floor of {paired.noise} flips"
        if status is not Status.FAIL and context.floor is not None and not context.floor.met:
            return (
                Status.UNEARNED,
                f"the target misses the competence floor, its baseline does not: {context.floor.claim}; {said}",
            )
        return status, said

    def _flips(self, paired: PairedCheck, context: Context) -> str:
        judged = paired.judged
        total = _total(judged)
        if self.accepted:
            flips = f"{judged.worse} of {total} items got worse than {context.baseline}, {judged.better} better"
        else:
            flips = f"{judged.worse} of {total} items failed with the target only, {judged.better} with the baseline only"
        lost = _total(paired.worst) - total
        flips += f", {lost} pairs could not be judged" if lost else ""
        return flips + (f"; {context.new} new {'row is' if context.new == 1 else 'rows are'} not compared" if context.new else "")


@dataclass(frozen=True, slots=True)
class Context:
    """What a comparison needs besides the rows: names, controls, both floors, and the flips of the model against itself.

    ``new``: rows of the target that the baseline does not have.
    """

    baseline: str
    controls: ControlCheck
    floor: FloorCheck | None = None
    baseline_floor: FloorCheck | None = None
    baseline_controls: ControlCheck | None = None
    noise: int | None = None
    new: int = 0


def paired_status(paired: PairedCheck, alpha: float) -> Status:
    """PASS and FAIL by the exact test; a FAIL needs more net flips than the model shows against itself."""
    if paired.p_pass <= alpha:
        return Status.PASS
    return Status.FAIL if paired.p_fail <= alpha and not within_noise(paired) else Status.INCONCLUSIVE


def within_noise(paired: PairedCheck) -> bool:
    """Return whether the net flips for the worse are no more than those of the model against itself."""
    return paired.noise is not None and paired.best.worse - paired.best.better <= paired.noise


READINGS: tuple[Reading, ...] = ("judged", "worst", "best")


def count(
    target: Mapping[str, ItemOutcome], baseline: Mapping[str, ItemOutcome], reading: Reading, accepted: bool = False
) -> PairCounts:
    """Items by what the two models did; see :class:`~pytest_slmtrust.audit.model.PairedCheck` for the three readings.

    ``accepted``: an item that neither could be judged with counts as one that both failed.

    Raises:
        ValueError: the two do not list the same items.
    """
    cells = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for _, mine_failed, theirs_failed in _sides(target, baseline, reading, accepted):
        cells[mine_failed, theirs_failed] += 1
    return PairCounts(cells[True, True], cells[True, False], cells[False, True], cells[False, False])


def _sides(
    target: Mapping[str, ItemOutcome], baseline: Mapping[str, ItemOutcome], reading: Reading, accepted: bool = False
) -> Iterator[tuple[str, bool, bool]]:
    """Yield each item that a reading counts, and whether it failed with the target and with the baseline.

    Raises:
        ValueError: the two do not list the same items.
    """
    if target.keys() != baseline.keys():
        raise ValueError(f"the target has {len(target)} items and the baseline {len(baseline)}; they must be the same ones")
    for source, mine in target.items():
        theirs = baseline[source]
        if reading == "judged" and "unscored" in (mine, theirs):
            continue
        if accepted and mine == theirs == "unscored":
            yield source, True, True
            continue
        lost_mine, lost_theirs = ("failed", "passed") if reading == "worst" else ("passed", "failed")
        mine_failed = (lost_mine if mine == "unscored" else mine) == "failed"
        theirs_failed = (lost_theirs if theirs == "unscored" else theirs) == "failed"
        yield source, mine_failed, theirs_failed


@dataclass(frozen=True)
class CountedPairs:
    """Pairs of items that share nothing: their counts say everything."""

    counts: Mapping[Reading, PairCounts]

    def test(self, margin: float, alpha: float) -> tuple[float, float, float | None]:
        return test_pairs(self.counts, margin, alpha)

    def ends(self, alpha: float) -> tuple[float, float]:
        return _ends(self.counts, alpha)

    def difference(self) -> Estimate | None:
        return difference(self.counts["judged"])


def difference(counts: PairCounts) -> Estimate | None:
    """Failure rate of the target less that of the baseline, with Newcombe's interval at 95 %."""
    from ..stats import paired_interval

    if not _total(counts):
        return None
    pairs = _pairs(counts)
    ends = paired_interval(pairs, 0.95)
    return Estimate(pairs.difference, ends.lower, ends.upper, pairs.n, ends.method)


def score_difference(target: Sequence[Finding], baseline: Sequence[Finding]) -> Estimate | None:
    """Return the mean over items of the target's score less the baseline's: a betting interval if scores lie in [0, 1], else a
    bootstrap."""
    from ..stats import bootstrap_interval, mean_interval

    shifts = []
    theirs = by_source(baseline)
    for source, cases in by_source(target).items():
        one, two = _mean_score(cases), _mean_score(theirs.get(source, ()))
        if one is not None and two is not None:
            shifts.append(one - two)
    if not shifts:
        return None
    bounded = all(-1 <= s <= 1 for s in shifts)
    ends = mean_interval(shifts, 0.95, low=-1, high=1) if bounded else bootstrap_interval(shifts)
    method = "betting interval of a bounded mean" if bounded else "bootstrap over source items (approximate)"
    return Estimate(sum(shifts) / len(shifts), ends.lower, ends.upper, len(shifts), f"{method}, paired")


def _mean_score(cases: Sequence[Finding]) -> float | None:
    scores = [c.score for c in cases if c.score is not None]
    return sum(scores) / len(scores) if scores else None


def test_pairs(counts: Mapping[Reading, PairCounts], margin: float, alpha: float) -> tuple[float, float, float | None]:
    """``p_pass``, ``p_fail`` and ``mcnemar`` of :class:`~pytest_slmtrust.audit.model.PairedCheck`."""
    from ..stats import mcnemar, non_inferior

    judged = counts["judged"]
    p_pass = non_inferior(_pairs(counts["worst"]), margin, alpha).p_pass
    p_fail = non_inferior(_pairs(counts["best"]), margin, alpha).p_fail
    return p_pass, p_fail, mcnemar(judged.worse, judged.better) if _total(judged) else None


def _ends(counts: Mapping[Reading, PairCounts], alpha: float) -> tuple[float, float]:
    """Newcombe's bounds next to the exact test, each at ``1 - alpha``, with what was not judged against either claim."""
    from ..stats import paired_interval

    low, high = (paired_interval(_pairs(counts[reading]), 1 - 2 * alpha) for reading in ("best", "worst"))
    return low.lower, high.upper


def is_exact(n: int) -> bool:
    """Return whether so few items are compared that the test is exact."""
    from ..stats.paired import LARGEST_EXACT

    return n <= LARGEST_EXACT


def _total(counts: PairCounts) -> int:
    return counts.both + counts.worse + counts.better + counts.neither


def _pairs(counts: PairCounts) -> Any:
    from ..stats import Pairs

    return Pairs(counts.both, counts.worse, counts.better, counts.neither)


@cache
def paired_power(n: int, margin: float, alpha: float, flips: float = FLIPS) -> float:
    """Probability that a model that flips so often in each direction PASSes over ``n`` items."""
    from ..stats import non_inferiority_power

    return non_inferiority_power(n, margin, alpha, flips)


def power_of(n: int, margin: float, alpha: float, flips: float, grouping: Grouping | None) -> float:
    """:func:`paired_power`; of items that share parts, at a correlation of 0.1 of the flips in one direction."""
    from ..stats import shift_power

    return paired_power(n, margin, alpha, flips) if grouping is None else shift_power(grouping, margin, flips, alpha)


def smallest_margin(
    n: int, least: float, alpha: float, grouping: Grouping | None = None, power: float = POWER
) -> float | None:  # fmt: skip
    """Return the smallest margin from ``least`` on, in steps of half a point, that ``n`` items show with so much ``power``; None
    up to 25 %."""
    for step in range(round((_LOOSEST - least) / _STEP) + 1):
        margin = round(least + step * _STEP, 4)
        if power_of(n, margin, alpha, FLIPS, grouping) >= power:
            return margin
    return None
