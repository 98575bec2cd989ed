"""Detector quality, corrected rates, and separation of scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_slmtrust.stats import (
    Confusion,
    auc,
    auc_interval,
    confusion,
    corrected_rate,
    exact_interval,
    may_block,
    sensitivity_interval,
    specificity_interval,
    tpr_at_fpr,
)

scores = st.lists(st.integers(0, 8).map(float), min_size=1, max_size=30)


def test_counts_and_exact_intervals() -> None:
    table = confusion([1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 1])
    assert table == Confusion(true_positive=2, false_negative=1, true_negative=3, false_positive=1)
    assert (table.sensitivity, table.specificity) == (2 / 3, 0.75)
    assert sensitivity_interval(table) == exact_interval(2, 3)
    assert specificity_interval(table, 0.9) == exact_interval(3, 4, 0.9)


def test_a_detector_may_block_only_with_counts_enough() -> None:
    # specificity must reach 1 - tolerance / 2 = 0.975 with confidence: 119 of 119, not 118 of 118
    assert may_block(Confusion(50, 5, 119, 0), 0.05)
    assert not may_block(Confusion(50, 5, 118, 0), 0.05)
    assert not may_block(Confusion(5, 0, 400, 0), 0.05)
    assert may_block(Confusion(9, 0, 400, 0), 0.05)
    assert not may_block(Confusion(500, 0, 390, 10), 0.05)
    assert may_block(Confusion(500, 0, 390, 10), 0.10)


def test_corrected_rate_worked_by_hand() -> None:
    result = corrected_rate(20, 200, Confusion(80, 20, 95, 5))
    assert result.value == pytest.approx((0.10 - 0.05) / 0.75)
    # Lang & Reiczigel 2014, equations 6, 7, 16 and 17, step by step
    z = 1.959964
    n, se, sp = 200 + z**2, 81 / 102, 96 / 102
    p = (20 + z**2 / 2) / n
    centre = (p + sp - 1) / (se + sp - 1)
    shift = 2 * z**2 * (centre * se * (1 - se) / 102 - (1 - centre) * sp * (1 - sp) / 102)
    variance = p * (1 - p) / n + centre**2 * se * (1 - se) / 102 + (1 - centre) ** 2 * sp * (1 - sp) / 102
    assert result.interval.upper == pytest.approx(centre + shift + z * math.sqrt(variance) / (se + sp - 1), abs=1e-6)
    assert result.interval.lower == 0


@pytest.mark.parametrize(("rate", "sensitivity", "specificity"), [(0.05, 0.8, 0.97), (0.3, 0.9, 0.9), (0.0, 0.8, 0.97)])
def test_corrected_rate_covers(rate: float, sensitivity: float, specificity: float) -> None:
    rng = np.random.default_rng(11)
    flagged = rate * sensitivity + (1 - rate) * (1 - specificity)
    hits = 0
    for _ in range(800):
        tp, tn = int(rng.binomial(80, sensitivity)), int(rng.binomial(120, specificity))
        interval = corrected_rate(int(rng.binomial(300, flagged)), 300, Confusion(tp, 80 - tp, tn, 120 - tn)).interval
        hits += interval.lower <= rate <= interval.upper
    assert hits / 800 >= 0.93


def test_a_near_perfect_detector_corrects_nothing() -> None:
    result = corrected_rate(30, 300, Confusion(10**6, 0, 10**6, 0))
    assert result.value == pytest.approx(0.1)
    exact = exact_interval(30, 300)
    assert result.interval.lower == pytest.approx(exact.lower, abs=0.005)
    assert result.interval.upper == pytest.approx(exact.upper, abs=0.005)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(6, 40), st.integers(6, 40))
def test_corrected_rate_is_ordered(k: int, tp: int, tn: int) -> None:
    result = corrected_rate(k, 50, Confusion(tp, 5, tn, 5))
    assert 0 <= result.interval.lower <= result.value <= result.interval.upper <= 1


@settings(deadline=None)
@given(scores, scores)
def test_auc_is_mann_whitney(positive: list[float], negative: list[float]) -> None:
    area, pairs = auc(positive, negative), len(positive) * len(negative)
    # SciPy divides by zero where all scores are the same
    u = stats.mannwhitneyu(positive, negative).statistic if len({*positive, *negative}) > 1 else pairs / 2
    assert area == pytest.approx(u / pairs)
    interval = auc_interval(positive, negative)
    assert 0 <= interval.lower <= area + 1e-12
    assert area - 1e-12 <= interval.upper <= 1
    assert auc(negative, positive) == pytest.approx(1 - area)


def test_delong_variance_by_its_definition() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 1, 25).round(1), rng.normal(0, 1, 40).round(1)
    kernel = (x[:, None] > y).astype(float) + 0.5 * (x[:, None] == y)
    area = kernel.mean()
    variance = kernel.mean(axis=1).var(ddof=1) / 25 + kernel.mean(axis=0).var(ddof=1) / 40
    half = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    interval = auc_interval(x, y)
    for end, sign in ((interval.lower, -1), (interval.upper, 1)):
        assert math.log(end / (1 - end)) == pytest.approx(math.log(area / (1 - area)) + sign * half, abs=1e-5)


def test_auc_covers() -> None:
    rng, hits = np.random.default_rng(8), 0
    true = float(stats.norm.cdf(1.5 / math.sqrt(2)))
    for _ in range(800):
        interval = auc_interval(rng.normal(1.5, 1, 30), rng.normal(0, 1, 40))
        hits += interval.lower <= true <= interval.upper
    assert 0.93 <= hits / 800 <= 0.98


def test_perfect_separation_is_not_certainty() -> None:
    interval = auc_interval([2.0, 3.0, 4.0] * 4, [0.0, 1.0] * 10)
    assert interval.upper == 1
    assert interval.lower == exact_interval(12, 12).lower
    assert auc_interval([0.0] * 12, [1.0] * 12).upper == exact_interval(0, 12).upper
    assert auc_interval([1.0] * 5, [1.0] * 5).width == 1
    assert auc_interval([1.0], [0.5, 2.0]).width == 1


@settings(deadline=None)
@given(scores, scores, st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 1.0]))
def test_operating_point_equals_a_search(positive: list[float], negative: list[float], fpr: float) -> None:
    point = tpr_at_fpr(positive, negative, fpr)
    best = max(
        np.mean(np.array(positive) > t)
        for t in [-math.inf, *positive, *negative]
        if np.mean(np.array(negative) > t) <= fpr + 1e-12
    )
    assert point.tpr == pytest.approx(best)
    assert point.fpr <= fpr + 1e-12
    assert point.tpr_interval == exact_interval(round(point.tpr * len(positive)), len(positive))


def test_a_small_false_positive_rate_needs_many_negatives() -> None:
    point = tpr_at_fpr([5.0, 6.0, 1.0], list(np.arange(50) / 50), 0.01)
    assert (point.threshold, point.fpr) == (0.98, 0)
    assert point.tpr == 1
    assert point.fpr_interval.upper > 0.05


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Confusion(0, 0, 1, 1), "positives is 0"),
        (lambda: Confusion(1, 0, 0, 0), "negatives is 0"),
        (lambda: Confusion(1, -1, 1, 1), "false_negative is -1"),
        (lambda: confusion([1, 0], [1]), "same examples"),
        (lambda: confusion([1, 0], [1, 0.5]), "True or False"),
        (lambda: corrected_rate(1, 10, Confusion(5, 5, 5, 5)), "no better than chance"),
        (lambda: corrected_rate(11, 10, Confusion(9, 1, 9, 1)), "more failures"),
        (lambda: auc([], [1.0]), "at least one"),
        (lambda: auc_interval([math.nan], [1.0]), "NaN"),
        (lambda: tpr_at_fpr([1.0], [0.0], 1.5), "fpr is 1.5"),
        (lambda: may_block(Confusion(9, 1, 9, 1), 0), "tolerance is 0"),
    ],
)
def test_mistakes_are_refused(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()
