"""Adjusted p-values against statsmodels; the group gap by exact coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_slmtrust.stats import benjamini_hochberg, exact_interval, holm, mean_gap, rate_gap


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_adjusted_values_equal_statsmodels(size: int) -> None:
    rng = np.random.default_rng(size)
    for power in (1, 3, 8):
        # ties, zeros and ones among small and large values
        p = np.where(rng.random(size) < 0.3, rng.choice([0.0, 0.01, 0.05, 1.0], size), rng.random(size) ** power)
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
        assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)


def test_worked_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert benjamini_hochberg(p) == pytest.approx((0.02, 0.04, 0.04, 0.02))


def test_rate_gap_names_the_groups_and_shares_the_error_out() -> None:
    gap = rate_gap({"b": (10, 100), "a": (30, 100), "c": (10, 100)})
    assert (gap.highest, gap.lowest) == ("a", "b")
    assert gap.value == pytest.approx(0.2)
    one = 1 - 0.05 / 3
    high, low = exact_interval(30, 100, one), exact_interval(10, 100, one)
    assert dict(gap.groups)["a"] == high
    # the upper end needs no correction, since the two groups furthest apart are seen no further apart than the largest gap
    a, b = exact_interval(30, 100, 0.95), exact_interval(10, 100, 0.95)
    assert gap.interval.upper == pytest.approx(0.2 + np.hypot(a.upper - 0.3, 0.1 - b.lower))
    assert max(0, high.lower - low.upper) < gap.interval.lower < 0.2 < gap.interval.upper < high.upper - low.lower
    assert "3 groups from Clopper-Pearson" in gap.interval.method
    # the same in any order
    assert rate_gap({"c": (10, 100), "a": (30, 100), "b": (10, 100)}) == gap


@pytest.mark.parametrize(("p", "q"), [(0.0, 0.0), (0.05, 0.05), (0.5, 0.5), (0.1, 0.3), (0.0, 0.2), (0.9, 0.2)])
def test_rate_gap_covers_by_exact_summation(p: float, q: float) -> None:
    n, m, covered = 12, 20, 0.0
    for i in range(n + 1):
        for j in range(m + 1):
            interval = rate_gap({"one": (i, n), "two": (j, m)}, 0.9).interval
            if interval.lower <= abs(p - q) <= interval.upper:
                covered += stats.binom.pmf(i, n, p) * stats.binom.pmf(j, m, q)
    assert covered >= 0.9


def test_mean_gap_covers_and_finds_a_large_gap() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(60):
        interval = mean_gap({"a": rng.beta(1, 3, 40), "b": rng.beta(1, 3, 40), "c": rng.beta(2, 2, 40)}, 0.9).interval
        hits += interval.lower <= 0.25 <= interval.upper
    assert hits / 60 >= 0.9 - 3 * math.sqrt(0.09 / 60)
    gap = mean_gap({"low": [-0.8] * 60, "high": [0.9] * 60}, low=-1, high=1)
    assert (gap.highest, gap.lowest) == ("high", "low")
    assert gap.value == pytest.approx(1.7)
    assert gap.interval.lower > 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: holm([]), "at least one"),
        (lambda: holm([0.1, math.nan]), "NaN"),
        (lambda: benjamini_hochberg([1.1]), "must lie in"),
        (lambda: rate_gap({"a": (1, 2)}), "at least two"),
        (lambda: rate_gap({"a": (1, 2), "b": (0, 0)}), "n is 0"),
        (lambda: mean_gap({"a": [0.1], "b": []}), "at least one"),
    ],
)
def test_mistakes_are_refused(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()
