"""Design and decision of a rate gate, by enumeration and by the numbers that the documentation states."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_slmtrust.stats import (
    blocking_n,
    decide,
    items_needed,
    largest_pass,
    lower_bound,
    power,
    smallest_fail,
    smallest_n,
    smallest_tolerance,
    upper_bound,
)

tolerances = st.floats(0.01, 0.6)
alphas = st.floats(0.001, 0.4)


def test_stated_numbers() -> None:
    assert [smallest_n(t) for t in (0.05, 0.02, 0.01)] == [59, 149, 299]
    assert (blocking_n(0.05), blocking_n(0.10)) == (361, 179)
    # at 59 items a model of half the tolerance passes 0.975**59 of the time
    assert power(59, 0.05) == pytest.approx(0.975**59)
    assert power(400, 0.05) == pytest.approx(0.794, abs=5e-4)
    assert power(361, 0.05) >= 0.8 > power(360, 0.05)
    assert [largest_pass(n, 0.05) for n in (58, 59, 361)] == [None, 0, 11]
    assert smallest_fail(59, 0.05) == 7


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), tolerances, alphas)
def test_limits_and_decisions_equal_enumeration(n: int, tolerance: float, alpha: float) -> None:
    k = np.arange(n + 1)
    below, above = stats.binom.cdf(k, n, tolerance), stats.binom.sf(k - 1, n, tolerance)
    # a tie is decided by the last bit of a sum (n = 1, a third and a third)
    assume(min(abs(below - alpha).min(), abs(above - alpha).min()) > 1e-12)
    passes, fails = np.flatnonzero(below <= alpha).tolist(), np.flatnonzero(above < alpha).tolist()
    assert largest_pass(n, tolerance, alpha) == (passes[-1] if passes else None)
    assert smallest_fail(n, tolerance, alpha) == (fails[0] if fails else None)
    for count in range(n + 1):
        expected = "PASS" if count in passes else "FAIL" if count in fails else "INCONCLUSIVE"
        assert decide(count, n, tolerance, alpha) == expected


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), tolerances, alphas)
def test_decision_is_that_of_the_bounds(count: tuple[int, int], tolerance: float, alpha: float) -> None:
    k, n = count
    upper, lower = upper_bound(k, n, alpha), lower_bound(k, n, alpha)
    if min(abs(upper - tolerance), abs(lower - tolerance)) > 1e-9:
        expected = "PASS" if upper <= tolerance else "FAIL" if lower > tolerance else "INCONCLUSIVE"
        assert decide(k, n, tolerance, alpha) == expected


@pytest.mark.parametrize("tolerance", [0.02, 0.05, 0.10, 0.3])
@pytest.mark.parametrize("n", [10, 59, 100, 179, 361, 1000])
def test_false_pass_and_false_fail_stay_at_alpha(n: int, tolerance: float) -> None:
    k = np.arange(n + 1)
    says = np.array([decide(i, n, tolerance) for i in k])
    for p in (tolerance, 1.2 * tolerance, 2 * tolerance):
        assert stats.binom.pmf(k, n, p)[says == "PASS"].sum() <= 0.05 + 1e-12
    for p in (0.0, tolerance / 2, tolerance):
        assert stats.binom.pmf(k, n, p)[says == "FAIL"].sum() <= 0.05 + 1e-12


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 120), tolerances, st.integers(0, 1000).map(lambda i: i / 1000))
def test_power_is_the_chance_of_pass(n: int, tolerance: float, p: float) -> None:
    chance = sum(stats.binom.pmf(k, n, p) for k in range(n + 1) if decide(k, n, tolerance) == "PASS")
    assert power(n, tolerance, p=p) == pytest.approx(chance, abs=1e-9)


@settings(deadline=None)
@given(tolerances, alphas)
def test_smallest_n_is_smallest(tolerance: float, alpha: float) -> None:
    n = smallest_n(tolerance, alpha)
    assert decide(0, n, tolerance, alpha) == "PASS"
    assert n == 1 or decide(0, n - 1, tolerance, alpha) != "PASS"


@pytest.mark.parametrize(
    ("tolerance", "alpha", "wanted"), [(0.05, 0.05, 0.8), (0.1, 0.05, 0.8), (0.2, 0.1, 0.9), (0.5, 0.01, 0.5)]
)
def test_blocking_n_is_smallest(tolerance: float, alpha: float, wanted: float) -> None:
    n = blocking_n(tolerance, alpha, wanted)
    assert power(n, tolerance, alpha) >= wanted
    assert max(power(m, tolerance, alpha) for m in range(1, n)) < wanted


@pytest.mark.parametrize("n", [6, 10, 20, 37, 60, 100, 179, 200, 361, 400, 1000])
def test_smallest_tolerance_is_smallest(n: int) -> None:
    tolerance = smallest_tolerance(n)
    assert tolerance is not None
    assert tolerance == round(tolerance, 5)
    assert blocking_n(tolerance) <= n
    # the search goes in steps of 1e-5, and looks a little below the answer
    for less in np.linspace(2e-5, 0.2 * tolerance, 40):
        assert blocking_n(tolerance - less) > n


def test_few_items_support_no_tolerance() -> None:
    assert smallest_tolerance(1) is None
    assert smallest_tolerance(361) == pytest.approx(0.05, abs=1e-4)
    assert smallest_tolerance(179) == pytest.approx(0.10, abs=4e-4)


def test_items_needed_at_zero_failures_is_the_rest_of_the_smallest_n() -> None:
    assert items_needed(0, 30, 0.05) == 29
    assert items_needed(0, 59, 0.05) == 0
    assert items_needed(5, 361, 0.05) == 0
    # at the tolerance itself nothing ever decides
    assert items_needed(1, 20, 0.05) is None


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.05, 0.1, 0.2, 0.5]))
def test_items_needed_equals_a_plain_search(count: tuple[int, int], tolerance: float) -> None:
    k, n = count
    more = items_needed(k, n, tolerance)
    if decide(k, n, tolerance) != "INCONCLUSIVE":
        assert more == 0
        return
    up = k < tolerance * n
    failures = {m: -(-k * (n + m) // n) if up else k * (n + m) // n for m in range(1, 3000)}
    expected = next((m for m, k_m in failures.items() if decide(k_m, n + m, tolerance) != "INCONCLUSIVE"), None)
    assert more == expected or (expected is None and (more is None or more >= 3000))


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -0.1, math.nan])
@pytest.mark.parametrize(
    "call",
    [
        lambda t: decide(0, 5, t), smallest_n, lambda t: largest_pass(5, t), lambda t: smallest_fail(5, t),
        lambda t: power(5, t, p=0.1), blocking_n, lambda t: items_needed(0, 5, t), lambda t: decide(0, 5, 0.1, t),
        lambda t: smallest_tolerance(5, t), lambda t: smallest_tolerance(5, 0.05, t), lambda t: blocking_n(0.1, 0.05, t),
    ],
)  # fmt: skip
def test_shares_outside_are_refused(call, tolerance: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        call(tolerance)


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="n is 0"):
        power(0, 0.05)
    with pytest.raises(ValueError, match=r"p is 1\.5"):
        power(10, 0.05, p=1.5)
    with pytest.raises(ValueError, match="more failures"):
        decide(11, 10, 0.05)
    with pytest.raises(ValueError, match="allow a larger one"):
        blocking_n(1e-5)
