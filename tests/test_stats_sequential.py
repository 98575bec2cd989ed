"""Early stopping: the e-process by its definition, its errors by exact recursion and by simulation, and what it saves."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_slmtrust.stats import (
    Boundaries,
    blocking_n,
    boundaries,
    curtailed,
    decide,
    follow_benchmark,
    follow_rate,
    power,
    upper_bound,
)
from pytest_slmtrust.stats.sequential import BETTER, FULL_RUN, WORSE


def _run(edges: Boundaries, p: float) -> tuple[float, float, float]:
    """P(PASS), P(FAIL) and the mean number of items of a gate watched after every item, by recursion over the failures so far."""
    n = edges.passes.size
    open_, passed, failed, items = np.zeros(n + 2), 0.0, 0.0, 0.0
    open_[0] = 1.0
    for t in range(1, n + 1):
        items += open_.sum()
        open_[1:] = open_[1:] * (1 - p) + open_[:-1] * p
        open_[0] *= 1 - p
        most, fewest = int(edges.passes[t - 1]), int(edges.fails[t - 1])
        passed += open_[: most + 1].sum()
        failed += open_[fewest:].sum()
        open_[: most + 1] = 0
        open_[fewest:] = 0
    return passed, failed, items


@pytest.mark.parametrize("tolerance", [0.02, 0.05, 0.10, 0.3])
@pytest.mark.parametrize("horizon", [59, 100, 361, 1000])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_errors_stay_at_alpha_when_watched_after_every_item(tolerance: float, horizon: int, alpha: float) -> None:
    edges = boundaries(horizon, tolerance, alpha)
    for p in (tolerance, 1.1 * tolerance, 2 * tolerance):
        assert _run(edges, p)[0] <= alpha
    for p in (0.0, tolerance / 2, tolerance):
        assert _run(edges, p)[1] <= alpha


def test_errors_by_simulation_and_the_naive_gate_beside_it() -> None:
    start = time.perf_counter()
    rng = np.random.default_rng(2024)
    failures = np.cumsum(rng.random((10_000, 361)) < 0.05, axis=1)
    edges = boundaries(361, 0.05)
    false_pass = (failures <= edges.passes).any(axis=1).mean()
    false_fail = (failures >= edges.fails).any(axis=1).mean()
    assert 0.02 < false_pass <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 10_000)
    assert false_fail <= 0.05
    assert false_pass == pytest.approx(_run(edges, 0.05)[0], abs=0.008)
    # the fixed-n bound, read after every item and stopped at the first PASS, breaks its promise
    limits = np.array([max([k for k in range(13) if k < t and upper_bound(k, t) <= 0.05], default=-1) for t in range(1, 362)])
    assert (failures <= limits).any(axis=1).mean() > 0.10
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("tolerance", [0.05, 0.10, 0.02])
def test_what_early_stopping_saves_and_costs(tolerance: float) -> None:
    horizon = blocking_n(tolerance)
    edges = boundaries(horizon, tolerance)
    saved = {p: 1 - _run(edges, p)[2] / horizon for p in (0.0, tolerance / 4, 4 * tolerance)}
    assert saved[0.0] >= 0.65
    assert saved[tolerance / 4] >= 0.45
    assert saved[4 * tolerance] >= 0.70
    # power at half the tolerance, beside the 0.80 of the fixed gate
    assert 0.70 <= _run(edges, tolerance / 2)[0] <= power(horizon, tolerance)
    assert _run(edges, tolerance / 4)[0] >= 0.99


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9).map(lambda d: d == 0), min_size=1, max_size=90), st.sampled_from([0.05, 0.1, 0.3]))
def test_capital_by_its_definition(outcomes: list[bool], tolerance: float) -> None:
    horizon = 120
    result = follow_rate(outcomes, tolerance, horizon)
    seen = outcomes[: result.items]
    bettors = dict.fromkeys((*BETTER, *WORSE), 1.0)
    for x in seen:
        for c in bettors:
            bet = (1 - c) / (1 - tolerance + c * tolerance)
            assert (0 <= bet < 1 / (1 - tolerance)) if c < 1 else (-1 / tolerance < bet <= 0)
            bettors[c] *= 1 + bet * (tolerance - x)
    worse = np.mean([bettors[c] for c in WORSE])
    assert result.worse == pytest.approx(worse)
    # the bet on a full run: the chance of at most `target` failures in all, now and at the start
    edge = int(boundaries(horizon, tolerance).passes[-1])
    left, mixed = horizon - len(seen), np.mean([bettors[c] for c in BETTER])
    chance = stats.binom.cdf(edge - sum(seen), left, tolerance) / stats.binom.cdf(edge, horizon, tolerance)
    assert result.better == pytest.approx((1 - FULL_RUN) * mixed + FULL_RUN * chance)


def test_the_full_run_bet_is_a_martingale_and_pays_at_the_horizon() -> None:
    edges = boundaries(361, 0.05)
    most = int(edges.passes[-1])
    ending = follow_rate([False] * 200 + [True] * most + [False] * (161 - most), 0.05, 361)
    assert ending.decision == "PASS"
    assert most >= 9
    # two failures more, evenly spread, do not pass
    crowded = [True] * (most + 1) + [False] * (361 - most - 1)
    assert follow_rate(sorted(crowded), 0.05, 361).decision == "PASS"
    spread = np.zeros(361, bool)
    spread[np.linspace(5, 355, most + 2).astype(int)] = True
    assert follow_rate(spread, 0.05, 361).decision == "INCONCLUSIVE"


def test_clean_and_bad_runs_stop_where_stated() -> None:
    clean = follow_rate([False] * 361, 0.05, 361)
    assert (clean.decision, clean.items, clean.failures) == ("PASS", 114, 0)
    assert clean.better >= 20
    bad = follow_rate([True] * 361, 0.05, 361)
    assert (bad.decision, bad.items) == ("FAIL", 3)
    assert bad.worse >= 20
    assert follow_rate([False] * 58, 0.05, 58).decision == "INCONCLUSIVE"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]), st.integers(1, 200))
def test_decision_and_interval_agree(seed: int, p: float, items: int) -> None:
    outcomes = np.random.default_rng(seed).random(items) < p
    for result, cap in ((follow_rate(outcomes, 0.1, 200), 200), (follow_benchmark(outcomes, 0.1, 200), 200)):
        low, high = result.interval.lower, result.interval.upper
        assert 0 <= low <= result.failures / result.items <= high <= 1
        assert result.items <= min(items, cap)
        assert result.failures == outcomes[: result.items].sum()
        if result.decision == "PASS":
            assert high <= 0.1 + 1e-9
        elif result.decision == "FAIL":
            assert low >= 0.1 - 1e-9
        else:
            assert result.items == items
            assert low <= 0.1 + 1e-9 <= high + 2e-9
            assert max(result.better, result.worse) < 20


@pytest.mark.parametrize("p", [0.0, 0.03, pytest.param(0.1, marks=pytest.mark.full), 0.5])
def test_confidence_sequence_covers_at_the_time_it_stops(p: float) -> None:
    rng = np.random.default_rng(77)
    runs = 100 if p else 1  # without failures all are the same
    intervals = [follow_rate(rng.random(100) < p, 0.1, 100).interval for _ in range(runs)]
    assert np.mean([i.lower <= p <= i.upper for i in intervals]) >= 0.9 - 3 * math.sqrt(0.09 / 100)


@pytest.mark.parametrize(("n", "failing"), [(12, 3), (12, 2), (14, 4), (14, 0), (10, 10)])
def test_errors_without_replacement_over_all_orders(n: int, failing: int) -> None:
    tolerance, alpha, wrong, orders = 0.2, 0.2, 0, 0
    bad = "PASS" if failing > tolerance * n else "FAIL"
    for places in itertools.combinations(range(n), failing):
        outcomes = np.zeros(n, bool)
        outcomes[list(places)] = True
        result = follow_benchmark(outcomes, tolerance, n, alpha)
        wrong += result.decision == bad
        orders += 1
        # after all items the truth is known
        assert result.decision != "INCONCLUSIVE"
    assert wrong / orders <= alpha


@pytest.mark.parametrize(("failing", "wrong"), [(21, "PASS"), (20, "FAIL")])
def test_errors_without_replacement_by_simulation(failing: int, wrong: Any) -> None:
    rng = np.random.default_rng(1)
    population = np.arange(200) < failing
    decisions = [follow_benchmark(rng.permutation(population)[:150], 0.1, 200).decision for _ in range(300)]
    assert decisions.count(wrong) / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_without_replacement_is_faster_and_knows_the_end() -> None:
    assert follow_benchmark([False] * 361, 0.05, 361).items < follow_rate([False] * 361, 0.05, 361).items
    done = follow_benchmark([False, False], 0.5, 4)
    assert (done.decision, done.better) == ("PASS", math.inf)
    some = np.zeros(100, bool)
    some[40:45] = True
    whole = follow_benchmark(some, 0.05, 100)
    assert whole.decision == "PASS"
    # one item more that fails is one too many
    some[99] = True
    assert follow_benchmark(some, 0.05, 100).decision in ("FAIL", "PASS")
    assert follow_benchmark([False] * 5 + [True] * 95, 0.05, 100).decision == "FAIL"


@pytest.mark.parametrize(("n", "tolerance"), [(8, 0.4), (10, 0.3), (12, 0.5), (3, 0.05)])
def test_curtailed_is_what_every_completion_says(n: int, tolerance: float) -> None:
    for seen in range(n + 1):
        for k in range(seen + 1):
            ends = {decide(k + more, n, tolerance) for more in range(n - seen + 1)}
            assert curtailed(k, seen, n, tolerance) == (ends.pop() if len(ends) == 1 else None)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: follow_rate([], 0.05, 10), "non-empty"),
        (lambda: follow_rate([0.5], 0.05, 10), "non-empty row of True"),
        (lambda: follow_rate([True] * 5, 0.05, 4), "horizon is 4"),
        (lambda: follow_benchmark([True] * 5, 0.05, 4), "n is 4"),
        (lambda: follow_benchmark([True], 0.0, 4), "tolerance"),
        (lambda: boundaries(10, 0.05, 1.0), "alpha"),
        (lambda: boundaries(0, 0.05), "horizon is 0"),
        (lambda: curtailed(3, 2, 5, 0.1), "must not decrease"),
        (lambda: curtailed(1, 6, 5, 0.1), "must not decrease"),
    ],
)
def test_mistakes_are_refused(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()
