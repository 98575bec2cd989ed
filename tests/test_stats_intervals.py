"""Intervals of a rate and of a mean, against SciPy and statsmodels, published examples and exact coverage."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pytest_slmtrust.stats import (
    bootstrap_interval,
    exact_interval,
    intervals,
    lower_bound,
    manski,
    mean_interval,
    upper_bound,
    wilson_interval,
    worst_case_interval,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.floats(0.001, 0.999)


@pytest.mark.parametrize("n", [1, 2, 7, 30, 59, 361, 5000])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_intervals_equal_statsmodels(n: int, confidence: float) -> None:
    for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        for ours, method in ((exact_interval, "beta"), (wilson_interval, "wilson")):
            lower, upper = proportion_confint(k, n, 1 - confidence, method)
            interval = ours(k, n, confidence)
            # statsmodels leaves NaN or -1e-17 at the ends that are 0 and 1
            assert interval.lower == pytest.approx(0 if k == 0 else lower, abs=1e-10)
            assert interval.upper == pytest.approx(1 if k == n else upper, abs=1e-10)
            assert interval.confidence == confidence


# Newcombe 1998, Statistics in Medicine 17:857, table I: the score method and the Clopper-Pearson method
@pytest.mark.parametrize(
    ("k", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_published_examples(k: int, n: int, wilson: tuple[float, float], exact: tuple[float, float]) -> None:
    for interval, expected in ((wilson_interval(k, n), wilson), (exact_interval(k, n), exact)):
        assert (round(interval.lower, 4), round(interval.upper, 4)) == expected


def test_zero_failures_still_allow_much() -> None:
    assert wilson_interval(0, 30).upper == pytest.approx(0.114, abs=5e-4)
    assert exact_interval(0, 32).upper == pytest.approx(0.109, abs=5e-4)
    assert upper_bound(0, 59) <= 0.05 < upper_bound(0, 58)


@pytest.mark.parametrize("n", [1, 2, 10, 59, 200])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_one_sided_bounds_cover_by_exact_summation(n: int, alpha: float) -> None:
    k = np.arange(n + 1)
    upper, lower = np.array([upper_bound(i, n, alpha) for i in k]), np.array([lower_bound(i, n, alpha) for i in k])
    for p in np.concatenate(([0.0, 1.0], np.linspace(0.001, 0.999, 211))):
        chance = stats.binom.pmf(k, n, p)
        assert chance[upper < p].sum() <= alpha + 1e-12
        assert chance[lower > p].sum() <= alpha + 1e-12
    # and no needless width: just above an upper bound the miss is alpha itself
    for i in k[:-1]:
        assert stats.binom.cdf(i, n, upper[i]) == pytest.approx(alpha, rel=1e-8)


def test_wilson_holds_on_average_but_not_at_every_rate() -> None:
    n, rates = 30, np.linspace(0.005, 0.995, 397)
    ends = [wilson_interval(k, n) for k in range(n + 1)]
    cover = [sum(stats.binom.pmf(k, n, p) for k, i in enumerate(ends) if i.lower <= p <= i.upper) for p in rates]
    assert np.mean(cover) == pytest.approx(0.953, abs=0.005)
    assert min(cover) < 0.9


@settings(deadline=None)
@given(counts, levels)
def test_intervals_are_ordered_and_hold_the_rate(count: tuple[int, int], confidence: float) -> None:
    k, n = count
    for interval in (exact_interval(k, n, confidence), wilson_interval(k, n, confidence)):
        assert 0 <= interval.lower <= k / n <= interval.upper <= 1
        assert interval.width > 0
    assert lower_bound(k, n, confidence / 2) <= k / n <= upper_bound(k, n, confidence / 2)


@settings(deadline=None)
@given(counts, levels)
def test_bounds_are_monotone_and_mirror_each_other(count: tuple[int, int], alpha: float) -> None:
    k, n = count
    assert lower_bound(k, n, alpha) == pytest.approx(1 - upper_bound(n - k, n, alpha), abs=1e-9)
    if k < n:
        assert upper_bound(k, n, alpha) < upper_bound(k + 1, n, alpha)
        assert lower_bound(k, n, alpha) < lower_bound(k + 1, n, alpha)
        assert wilson_interval(k, n, alpha).upper < wilson_interval(k + 1, n, alpha).upper
    assert upper_bound(k, n + 1, alpha) < upper_bound(k, n, alpha) or k == n


@settings(deadline=None)
@given(counts, st.data())
def test_unscored_items_widen_both_ways(count: tuple[int, int], data: st.DataObject) -> None:
    k, n = count
    unscored = data.draw(st.integers(0, n - k))
    bounds, both = manski(k, unscored, n), worst_case_interval(k, unscored, n)
    assert (bounds.lower, bounds.upper, bounds.confidence) == (k / n, (k + unscored) / n, 1.0)
    assert both.lower == exact_interval(k, n).lower
    assert both.upper == exact_interval(k + unscored, n).upper


def _slow_betting_interval(x: list[float], alpha: float, step: float) -> tuple[float, float]:
    """2010.09686, hedged capital with predictable plug-in bets, written as the paper writes it, on a grid of means."""
    n, kept = len(x), []
    for m in np.arange(step, 1, step):
        up = down = 1.0
        mean, variance = 0.5, 0.25
        total, squares = 0.0, 0.0
        for t, value in enumerate(x, 1):
            bet = math.sqrt(2 * math.log(2 / alpha) / (n * variance))
            up *= 1 + min(bet, 0.75 / m) * (value - m)
            down *= 1 - min(bet, 0.75 / (1 - m)) * (value - m)
            total += value
            mean = (0.5 + total) / (t + 1)
            squares += (value - mean) ** 2
            variance = (0.25 + squares) / (t + 1)
        if max(up, down) / 2 < 1 / alpha:
            kept.append(m)
    return min(kept), max(kept)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n", [5, 60])
def test_betting_interval_is_the_papers(value: float, n: int) -> None:
    interval = mean_interval([value] * n, 0.9)
    lower, upper = _slow_betting_interval([value] * n, 0.1, 0.002)
    assert interval.lower == pytest.approx(lower, abs=0.0021)
    assert interval.upper == pytest.approx(upper, abs=0.0021)


@pytest.mark.parametrize(
    ("name", "draw", "mean"),
    [
        ("rare", lambda rng: (rng.random(80) < 0.05).astype(float), 0.05),
        ("even", lambda rng: (rng.random(40) < 0.5).astype(float), 0.5),
        ("skewed", lambda rng: rng.beta(0.2, 2, 50), 0.2 / 2.2),
        ("narrow", lambda rng: rng.beta(50, 50, 50), 0.5),
    ],
)
def test_betting_interval_covers(name: str, draw, mean: float) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(20240)
    hits = sum(i.lower <= mean <= i.upper for i in (mean_interval(draw(rng), 0.9) for _ in range(120)))
    # three standard errors below 90 %
    assert hits / 120 >= 0.9 - 3 * math.sqrt(0.09 / 120), name


@pytest.mark.parametrize("n", [8, 20, 59])
def test_betting_interval_covers_every_rate_by_exact_summation(n: int) -> None:
    ends = [mean_interval([0.0] * (n - k) + [1.0] * k) for k in range(n + 1)]
    lower, upper = np.array([i.lower for i in ends]), np.array([i.upper for i in ends])
    for p in np.linspace(0, 1, 401):
        assert stats.binom.pmf(np.arange(n + 1), n, p)[(lower <= p) & (p <= upper)].sum() >= 0.95


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.5, 0.99))
def test_betting_interval_properties(values: list[float], confidence: float) -> None:
    interval = mean_interval(values, confidence)
    mean = float(np.mean(values))
    assert -1e-12 <= interval.lower <= mean + 1e-12
    assert mean - 1e-12 <= interval.upper <= 1
    assert mean_interval(sorted(values, reverse=True), confidence) == interval
    moved = mean_interval([10 * v - 4 for v in values], confidence, low=-4, high=6)
    assert moved.width <= 10 + 1e-9


def test_betting_interval_shrinks_uses_variance_and_scales() -> None:
    wide, narrow = mean_interval([0.0, 1.0] * 50), mean_interval([0.45, 0.55] * 50)
    assert narrow.width < wide.width / 2
    assert mean_interval([0.0, 1.0] * 500).width < wide.width / 2
    scaled = mean_interval([2.0, 6.0] * 50, low=2, high=6)
    assert scaled.lower == pytest.approx(2 + 4 * wide.lower)
    assert scaled.upper == pytest.approx(2 + 4 * wide.upper)


def test_betting_interval_is_the_same_in_another_process() -> None:
    code = "from pytest_slmtrust.stats import mean_interval as m; print(repr(m([0.1, 0.7, 0.2] * 20)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert run.stdout.strip() == repr(mean_interval([0.1, 0.7, 0.2] * 20))


def test_bootstrap_resamples_items_not_cases() -> None:
    values = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    alone = bootstrap_interval(values)
    repeated = bootstrap_interval(np.repeat(values, 10), np.repeat(np.arange(8), 10).tolist())
    naive = bootstrap_interval(np.repeat(values, 10))
    assert repeated.lower == pytest.approx(alone.lower)
    assert repeated.upper == pytest.approx(alone.upper)
    assert naive.width < 0.5 * alone.width
    assert bootstrap_interval(values) == alone
    assert bootstrap_interval(values, seed=1, resamples=50) != alone
    assert bootstrap_interval([0.0] * 30).width == 0
    assert "display only" in alone.method


@pytest.mark.parametrize("drawn", [1, 24, 1 << 20])
def test_bootstrap_draws_the_same_in_blocks_of_any_size(drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(8)
    rng = np.random.default_rng(0)
    means = [values[rng.integers(0, 8, 8)].sum() / 8 for _ in range(200)]
    monkeypatch.setattr(intervals, "_DRAWN", drawn)
    found = bootstrap_interval(values, resamples=200)
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-15)


@pytest.mark.parametrize("function", [upper_bound, lower_bound, exact_interval, wilson_interval])
@pytest.mark.parametrize(
    ("k", "n", "level", "says"),
    [
        (3, 2, 0.05, "more failures than items"),
        (-1, 2, 0.05, "k is -1"),
        (0, 0, 0.05, "n is 0"),
        (0, 5, 0.0, "between 0 and 1"),
        (0, 5, 1.0, "between 0 and 1"),
        (0, 5, math.nan, "between 0 and 1"),
        (math.nan, 5, 0.05, "whole number"),
        (1.5, 5, 0.05, "whole number"),
    ],
)
def test_impossible_counts_are_refused(function, k, n, level: float, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        function(k, n, level)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: manski(3, 3, 5), "more failures"),
        (lambda: manski(-1, 3, 5), "failures is -1"),
        (lambda: mean_interval([]), "at least one number"),
        (lambda: mean_interval([0.5, math.nan]), "NaN"),
        (lambda: mean_interval([0.5, 1.5]), "must lie in"),
        (lambda: mean_interval([[0.5]]), "shape"),
        (lambda: mean_interval([0.5], low=1, high=0), "low must be smaller"),
        (lambda: bootstrap_interval([0.5, 0.2], ["a"]), "2 values but 1 items"),
        (lambda: bootstrap_interval([0.5], resamples=0), "resamples"),
    ],
)
def test_impossible_values_are_refused(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()
