"""Paired comparison: McNemar by enumeration, Newcombe's interval, non-inferiority."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from pytest_slmtrust.stats import (
    Pairs,
    count_pairs,
    margin_p_values,
    mcnemar,
    non_inferior,
    non_inferiority_power,
    paired_interval,
)

tables = st.builds(Pairs, *[st.integers(0, 60)] * 3, st.integers(1, 300))


@pytest.mark.parametrize("flips", range(9))
def test_mcnemar_equals_enumeration_of_all_directions(flips: int) -> None:
    ups = [sum(signs) for signs in itertools.product((0, 1), repeat=flips)]
    for worse in range(flips + 1):
        better = flips - worse
        at_least = sum(u >= worse for u in ups) / len(ups)
        at_most = sum(u <= worse for u in ups) / len(ups)
        as_far = sum(abs(2 * u - flips) >= abs(worse - better) for u in ups) / len(ups)
        assert mcnemar(worse, better, "worse") == pytest.approx(at_least)
        assert mcnemar(worse, better, "better") == pytest.approx(at_most)
        assert mcnemar(worse, better) == pytest.approx(as_far)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_equals_statsmodels(worse: int, better: int) -> None:
    expected = statsmodels_mcnemar([[5, worse], [better, 9]], exact=True).pvalue if worse + better else 1.0
    assert mcnemar(worse, better) == pytest.approx(min(1.0, expected))


def test_published_examples() -> None:
    # Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 8: complete response before and
    # after consolidation therapy (Cavo et al. 2012)
    interval = paired_interval(Pairs(59, 6, 16, 80))
    assert (round(interval.lower, 4), round(interval.upper, 4)) == (-0.1186, -0.0046)
    # the same book: airway hyper-responsiveness (Bentur et al. 2009), exact McNemar test
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


@settings(deadline=None)
@given(tables, st.floats(0.5, 0.999))
def test_interval_properties(pairs: Pairs, confidence: float) -> None:
    interval = paired_interval(pairs, confidence)
    assert -1 <= interval.lower <= pairs.difference + 1e-12
    assert pairs.difference - 1e-12 <= interval.upper <= 1
    swapped = paired_interval(Pairs(pairs.both, pairs.better, pairs.worse, pairs.neither), confidence)
    assert swapped.lower == pytest.approx(-interval.upper, abs=1e-12)
    assert interval.width < paired_interval(pairs, (1 + confidence) / 2).width


def test_interval_has_width_where_nothing_differs() -> None:
    # square-and-add of two Wilson intervals at 0 of 100, one of whose distances is 0
    assert paired_interval(Pairs(0, 0, 0, 100)).upper == pytest.approx(1.96**2 / (100 + 1.96**2), abs=1e-4)
    assert paired_interval(Pairs(0, 0, 0, 100)).lower < 0


def _chances(n: int, worse: float, better: float) -> np.ndarray:
    """Probability of each pair of flip counts, shape (n + 1, n + 1)."""
    b, c = np.indices((n + 1, n + 1))
    counts = np.stack((b, c, np.maximum(n - b - c, 0)), axis=-1)
    possible = b + c <= n
    rates = (worse, better, max(0.0, 1 - worse - better))
    chances = stats.multinomial.pmf(np.where(possible[..., None], counts, [0, 0, n]), n, rates)
    return np.where(possible, chances, 0.0)


@pytest.mark.parametrize("n", [30, 100, 200])
@pytest.mark.parametrize("margin", [0.02, 0.05, 0.2])
def test_errors_of_non_inferiority_stay_at_alpha(n: int, margin: float) -> None:
    low, high = margin_p_values(n, margin)
    for better in (0.0, 0.0007, 0.0043, 0.011, 0.037, 0.09, 0.21, (1 - margin) / 2):
        at_margin = _chances(n, better + margin, better)
        assert at_margin[low <= 0.05].sum() <= 0.0505
        assert at_margin[high <= 0.05].sum() <= 0.0505
    assert _chances(n, 0.01 + 2 * margin, 0.01)[low <= 0.05].sum() < 0.05
    assert _chances(n, 0.01 + margin / 2, 0.01)[high <= 0.05].sum() < 0.05


@pytest.mark.parametrize(("n", "expected"), [(100, 0.543), (200, 0.834), (400, 0.986)])
def test_power_of_non_inferiority(n: int, expected: float) -> None:
    # a margin of 5 % and flips of 3 % each way
    assert _chances(n, 0.03, 0.03)[margin_p_values(n, 0.05)[0] <= 0.05].sum() == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(("n", "margin"), [(60, 0.5), (60, 0.8), (120, 0.3), (180, 0.9)])
def test_no_power_is_more_than_certain(n: int, margin: float) -> None:
    assert 0.999 < non_inferiority_power(n, margin) <= 1


def test_newcombes_bound_alone_would_pass_too_often() -> None:
    n = 100
    flips = stats.binom.pmf(np.arange(n + 1), n, 0.05)
    # 5 % flip for the worse, none for the better, and half of the others fail with both models
    passes = [paired_interval(Pairs((n - b) // 2, b, 0, n - b - (n - b) // 2), 0.9).upper <= 0.05 for b in range(n + 1)]
    assert flips[passes].sum() > 0.10
    assert flips[margin_p_values(n, 0.05)[0][:, 0] <= 0.05].sum() <= 0.05


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.3])
def test_margin_p_values_by_brute_force(margin: float) -> None:
    n = 5
    flips = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    scores = {}
    for b, c in flips:

        def loss(q: float, b: int = b, c: int = c) -> float:
            return -float(xlogy(b, q + margin) + xlogy(c, q) + xlogy(n - b - c, 1 - margin - 2 * q))

        # the likeliest rate under the margin, by search instead of the closed form
        q = minimize_scalar(loss, bounds=(0, (1 - margin) / 2), method="bounded", options={"xatol": 1e-12}).x
        error = math.sqrt(n * (2 * q + margin * (1 - margin)))
        scores[b, c] = (b - c - n * margin) / error if b + c or margin else 0.0
    low, high = margin_p_values(n, margin)
    tables = [_chances(n, q + margin, q) for q in np.linspace(0, (1 - margin) / 2, 301)]
    for b, c in flips:
        below = tuple(zip(*[pair for pair in flips if scores[pair] <= scores[b, c] + 1e-4], strict=True))
        above = tuple(zip(*[pair for pair in flips if scores[pair] >= scores[b, c] - 1e-4], strict=True))
        for chosen, value in ((below, low[b, c]), (above, high[b, c])):
            assert value == pytest.approx(min(1.0, max(table[chosen].sum() for table in tables)), abs=2e-3)


def test_decisions_and_directions() -> None:
    same = non_inferior(Pairs(0, 0, 0, 400), 0.05)
    assert same.decision == "PASS"
    assert non_inferior(Pairs(0, 80, 0, 320), 0.05).decision == "FAIL"
    assert non_inferior(Pairs(0, 5, 5, 40), 0.05).decision == "INCONCLUSIVE"
    assert 0.95**400 <= same.p_pass < 1e-4
    # many flips in the good direction are no harm
    assert non_inferior(Pairs(0, 0, 150, 250), 0.05).decision == "PASS"
    assert same.upper == paired_interval(Pairs(0, 0, 0, 400), 0.9).upper


def test_count_pairs() -> None:
    pairs = count_pairs([True, True, False, False, True], [True, False, True, False, False])
    assert pairs == Pairs(both=1, worse=2, better=1, neither=1)
    assert (pairs.n, pairs.flips) == (5, 3)
    assert pairs.difference == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Pairs(0, 0, 0, 0), "number of pairs is 0"),
        (lambda: Pairs(0, -1, 0, 5), "worse is -1"),
        (lambda: count_pairs([True], [True, False]), "the same items"),
        (lambda: count_pairs([0.5], [1]), "True"),
        (lambda: mcnemar(-1, 2), "worse is -1"),
        (lambda: mcnemar(1, 2, "up"), "'up'"),  # type: ignore[arg-type]
        (lambda: non_inferior(Pairs(0, 0, 0, 5), -0.1), "margin"),
        (lambda: non_inferior(Pairs(0, 0, 0, 5), math.nan), "margin"),
        (lambda: non_inferior(Pairs(0, 0, 0, 5), 0.1, 0.5), "below 0.5"),
    ],
)
def test_mistakes_are_refused(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()
