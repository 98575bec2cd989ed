"""Gates that hold something else than a rate: means, gaps between groups, a metric of the probe's own."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from test_gates import findings, make

from pytest_slmtrust import Criterion, Estimate, Finding, ProbeError, Verdict
from pytest_slmtrust.audit.bounds import gap_bounds, mean_bounds, status_of
from pytest_slmtrust.audit.model import GateResult, Status
from pytest_slmtrust.gates.gate import Gate, finding
from pytest_slmtrust.gates.policy import load_policy


def scored(scores: Sequence[float | None], groups: Sequence[str] = ()) -> list[Finding]:
    case = make(1).cases(load_policy("full").profile)[0]
    verdicts = [Verdict.unscored("lost") if s is None else Verdict(None, s) for s in scores]
    made = [finding(case, f"n{i}", v) for i, v in enumerate(verdicts)]
    return [Finding(**{**_fields(f), "source": f"s{i}"}) for i, f in enumerate(made)]


def _fields(found: Finding) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Finding.__dataclass_fields__}


def grouped(counts: dict[str, tuple[int, int, int]]) -> list[Finding]:
    """Findings of groups given as (failed, unscored, items)."""
    made = []
    for group, (k, u, n) in counts.items():
        outcomes = ["failed"] * k + ["unscored"] * u + ["passed"] * (n - k - u)
        for i, found in enumerate(findings(outcomes)):
            made.append(Finding(**{**_fields(found), "group": group, "source": f"{group}{i}", "nodeid": f"{group}{i}"}))
    return made


def check(criterion: Criterion, found: Sequence[Finding]) -> GateResult:
    gate = Gate(make(1, criterion=criterion), load_policy("ci").profile, len({f.source for f in found}), criterion.value)
    return gate.check("id", found, [], [])


@pytest.mark.parametrize(
    ("lower", "upper", "side", "status"),
    [
        (0.0, 0.1, "at most", "PASS"), (0.0, 0.11, "at most", "INCONCLUSIVE"), (0.11, 0.2, "at most", "FAIL"),
        (0.1, 0.2, "at most", "INCONCLUSIVE"), (0.1, 0.2, "at least", "PASS"), (0.05, 0.2, "at least", "INCONCLUSIVE"),
        (0.0, 0.09, "at least", "FAIL"), (0.0, 0.1, "at least", "INCONCLUSIVE"),
        (-math.inf, math.inf, "at most", "INCONCLUSIVE"), (-math.inf, math.inf, "at least", "INCONCLUSIVE"),
    ],
)  # fmt: skip
def test_a_bound_on_the_bad_side_decides(lower: float, upper: float, side: str, status: str) -> None:
    assert status_of(lower, upper, 0.1, side) == status


@pytest.mark.parametrize(("mean", "status"), [(0.95, "PASS"), (0.5, "FAIL"), (0.8, "INCONCLUSIVE")])
def test_a_mean_has_three_outcomes(mean: float, status: str) -> None:
    scores = np.random.default_rng(1).beta(20 * mean, 20 * (1 - mean), 200)
    result = check(Criterion("mean", at_least=0.8), scored(list(scores)))
    assert result.status == status, result.reason
    assert result.quantity == "mean"
    assert result.side == "at least"
    assert result.failures == result.unscored == 0


def test_a_lost_score_may_have_been_anything() -> None:
    whole, lost = mean_bounds(scored([0.9] * 100), 0.05), mean_bounds(scored([0.9] * 80 + [None] * 20), 0.05)
    assert lost.lower < whole.lower - 0.1
    assert lost.upper >= whole.upper
    assert check(Criterion("mean", at_least=0.85), scored([0.99] * 200)).status is Status.PASS
    assert check(Criterion("mean", at_least=0.85), scored([0.99] * 160 + [None] * 40)).status is Status.INCONCLUSIVE


def test_scores_without_a_range_have_no_exact_bound() -> None:
    result = check(Criterion("mean", at_most=10), scored([3.0] * 200))
    assert result.status is Status.INCONCLUSIVE
    assert "outside [0, 1]" in result.reason
    assert result.lower is None


def test_a_gap_needs_groups_and_says_which_differ() -> None:
    even = check(Criterion("gap", at_most=0.2), grouped({"a": (5, 0, 200), "b": (6, 0, 200), "c": (4, 0, 200)}))
    assert even.status is Status.PASS
    none = check(Criterion("gap", at_most=0.2), grouped({"a": (5, 0, 200), "b": (5, 0, 200)}))
    assert none.estimate is not None
    assert "above" not in none.estimate.method
    apart = check(Criterion("gap", at_most=0.2), grouped({"a": (5, 0, 200), "b": (120, 0, 200)}))
    assert apart.status is Status.FAIL
    assert apart.estimate is not None
    assert "b above a" in apart.estimate.method
    assert {g.group for g in apart.groups} == {"a", "b"}
    assert apart.gap is not None
    assert apart.gap.value == pytest.approx(apart.estimate.value)
    one = check(Criterion("gap", at_most=0.2), grouped({"a": (5, 0, 200)}))
    assert one.status is Status.INCONCLUSIVE
    assert "two groups" in one.reason


def test_what_was_not_judged_widens_a_gap_on_both_sides() -> None:
    clear, lost = (gap_bounds(grouped({"a": (5, 0, 200), "b": (60, u, 200)}), 0.05) for u in (0, 60))
    assert lost.lower <= clear.lower
    assert lost.upper > clear.upper + 0.2


def test_what_broke_before_it_named_a_group_may_belong_to_any() -> None:
    known = grouped({"a": (0, 0, 200), "b": (0, 0, 200)})
    stray = [Finding(**{**_fields(f), "source": f"x{i}", "nodeid": f"x{i}"}) for i, f in enumerate(findings(["error"] * 60))]
    clear, lost = gap_bounds(known, 0.05), gap_bounds([*known, *stray], 0.05)
    assert lost.upper > clear.upper + 0.2
    assert check(Criterion("gap", at_most=0.1), known).status is Status.PASS
    assert check(Criterion("gap", at_most=0.1), [*known, *stray]).status is Status.INCONCLUSIVE
    many = [Finding(**{**_fields(f), "source": f"x{i}", "nodeid": f"x{i}"}) for i, f in enumerate(findings(["error"] * 200))]
    assert gap_bounds([*known, *many], 0.05).upper == 1.0  # a third group may be among them


@pytest.mark.parametrize(
    "wrong",
    [
        (0.9, 0.6, 0.05, 9, "m", 0.95), (0.1, 0.0, 0.2, -3, "m", 0.95), (0.1, 0.0, 0.2, 9, "m", 1.0),
        (0.1, 0.0, 0.2, 9, "m", math.nan), (10**400, 0, 1, 9, "m", 0.95),
    ],
)  # fmt: skip
def test_an_estimate_that_can_not_be_decides_nothing(wrong: tuple[Any, ...]) -> None:
    result = check(Criterion(lambda found: Estimate(*wrong), at_most=0.5), findings(["passed"] * 10))
    assert result.status is Status.INCONCLUSIVE
    assert "no usable Estimate" in result.reason


def test_numbers_of_numpy_are_numbers() -> None:
    def metric(found: Sequence[Finding]) -> Estimate:
        return Estimate(np.float32(0), np.float64(0), 0.1, np.int64(9), "m")  # type: ignore[arg-type]

    result = check(Criterion(metric, at_most=0.5), findings(["passed"] * 9))
    assert result.status is Status.PASS
    json.dumps(asdict(result))


def test_false_pass_of_a_gap_at_the_limit() -> None:
    """Two groups whose rates differ by the limit: PASS at most alpha of the time."""
    rng = np.random.default_rng(7)
    draws = 200
    passed = 0
    for _ in range(draws):
        a, b = rng.binomial(150, 0.1), rng.binomial(150, 0.3)
        bounds = gap_bounds(grouped({"a": (int(a), 0, 150), "b": (int(b), 0, 150)}), 0.05)
        passed += bounds.upper <= 0.2
    assert passed / draws <= 0.05


def rate(found: Sequence[Finding]) -> Estimate:
    share = sum(f.outcome == "failed" for f in found) / len(found)
    return Estimate(share, max(0.0, share - 0.05), share + 0.05, len(found), "by hand", 0.95)


def test_a_metric_of_ones_own() -> None:
    good = check(Criterion(rate, at_most=0.2), findings(["failed"] * 5 + ["passed"] * 95))
    assert good.status is Status.PASS
    assert good.quantity == "metric"
    bad = check(Criterion(rate, at_most=0.2), findings(["failed"] * 50 + ["passed"] * 50))
    assert bad.status is Status.FAIL
    lost = check(Criterion(rate, at_most=0.2), findings(["failed"] * 5 + ["passed"] * 94 + ["error"]))
    assert lost.status is Status.INCONCLUSIVE
    assert "could not be judged" in lost.reason


def test_a_metric_whose_interval_is_too_short_decides_nothing() -> None:
    def narrow(found: Sequence[Finding]) -> Estimate:
        return Estimate(0.0, 0.0, 0.01, len(found), "by hand", 0.5)

    assert check(Criterion(narrow, at_most=0.2), findings(["passed"] * 10)).status is Status.INCONCLUSIVE

    def endless(found: Sequence[Finding]) -> Estimate:
        return Estimate(math.nan, math.nan, math.nan, len(found), "by hand")

    assert check(Criterion(endless, at_most=0.2), findings(["passed"] * 10)).status is Status.INCONCLUSIVE


def broken(found: Sequence[Finding]) -> Estimate:
    raise ZeroDivisionError("no rows")


def number(found: Sequence[Finding]) -> float:
    return 0.5


@pytest.mark.parametrize(("metric", "said"), [(number, "it must give an Estimate"), (broken, "ZeroDivisionError: no rows")])
def test_a_metric_that_breaks_is_red_and_says_why(metric: object, said: str) -> None:
    result = check(Criterion(metric, at_most=0.2), findings(["passed"] * 10))  # type: ignore[arg-type]
    assert result.status is Status.INCONCLUSIVE
    assert said in result.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"of": "mean"}, {"of": "mean", "at_most": 1, "at_least": 0}, {"of": "median", "at_most": 1}, {"of": "gap", "at_least":
        0.1}, {"of": "mean", "at_most": math.nan},
    ],
)  # fmt: skip
def test_a_criterion_that_says_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ProbeError, match=r"Criterion|gap"):
        Criterion(**wrong)  # type: ignore[arg-type]


def test_a_gate_holds_one_quantity() -> None:
    with pytest.raises(ProbeError, match="one quantity"):
        make(1, tolerance=0.1, criterion=Criterion("mean", at_most=0.1))
