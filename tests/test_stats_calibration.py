"""Calibration numbers, worked by hand and by their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slmtrust.stats import brier, ece, ece_interval, exact_interval, reliability

answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_worked_by_hand() -> None:
    confidences, correct = [0.1, 0.3, 0.9, 0.9, 0.95], [False, True, True, True, False]
    rows = reliability(confidences, correct)
    assert [(row.lower, row.upper, row.n) for row in rows] == [(0.0, 0.1, 1), (0.2, 0.3, 1), (0.8, 0.9, 2), (0.9, 1.0, 1)]
    assert [row.accuracy for row in rows] == [0, 1, 1, 0]
    assert rows[2].interval == exact_interval(2, 2)
    # (0.1 + 0.7 + 2 * 0.1 + 0.95) / 5 and (0.01 + 0.49 + 0.01 + 0.01 + 0.9025) / 5
    assert ece(confidences, correct) == pytest.approx(0.39)
    assert brier(confidences, correct) == pytest.approx(0.2845)


def test_perfect_and_worst() -> None:
    assert ece([1.0, 1.0, 0.0], [True, True, False]) == 0
    assert brier([1.0, 0.0], [True, False]) == 0
    assert brier([1.0, 0.0], [False, True]) == 1
    assert brier([0.5] * 4, [True, False, False, False]) == 0.25


@settings(deadline=None)
@given(answers, st.integers(1, 20))
def test_properties(pairs: list[tuple[float, bool]], bins: int) -> None:
    p, y = [c for c, _ in pairs], [right for _, right in pairs]
    rows = reliability(p, y, bins)
    assert sum(row.n for row in rows) == len(p)
    for row in rows:
        inside = [(c, right) for c, right in pairs if row.lower < c <= row.upper or (c == 0 == row.lower)]
        assert row.n == len(inside)
        assert row.accuracy == pytest.approx(np.mean([right for _, right in inside]))
    # one bin sees only the averages, and no binning sees less
    assert ece(p, y, 1) == pytest.approx(abs(np.mean(p) - np.mean(y)), abs=1e-12)
    assert ece(p, y, bins) >= ece(p, y, 1) - 1e-12
    assert ece(p, y, bins) <= 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ece([], []), "at least one"),
        (lambda: ece([0.5], [True, False]), "needs both"),
        (lambda: brier([1.5], [True]), "must lie in"),
        (lambda: brier([math.nan], [True]), "NaN"),
        (lambda: reliability([0.5], [2]), "True or False"),
        (lambda: reliability([0.5], [True], 0), "bins is 0"),
    ],
)
def test_mistakes_are_refused(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()


def test_bootstrap_interval_of_the_error() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.3, 1, 400)
    sure = rng.uniform(size=400) < p  # calibrated, and then over-confident by 0.2
    off = rng.uniform(size=400) < p - 0.2
    good, bad = ece_interval(p, sure), ece_interval(p, off)
    assert good.lower <= ece(p, sure) <= good.upper
    assert bad.lower > good.upper
    assert bad.lower <= ece(p, off) <= bad.upper
    assert ece_interval(p, sure) == good  # seeded
    narrow = ece_interval(p, sure, confidence=0.5)
    assert narrow.upper - narrow.lower < good.upper - good.lower
    perfect = ece_interval([1.0, 0.0], [True, False])
    assert (perfect.lower, perfect.upper) == (0, 0)


@pytest.mark.parametrize(
    ("p", "y", "confidence"), [([], [], 0.95), ([0.5], [True, False], 0.95), ([1.2], [True], 0.95), ([0.5], [True], 1.0)]
)
def test_bootstrap_interval_refuses(p: list[float], y: list[bool], confidence: float) -> None:
    with pytest.raises(ValueError, match=r"confidence|correct|values|answers|empty|at least"):
        ece_interval(p, y, confidence=confidence)
