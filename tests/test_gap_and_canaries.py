"""Intervals that can say something at the sizes that are asked: gaps between groups, exposures, an early stop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_slmtrust import Finding
from pytest_slmtrust.probes.memorisation import EXPOSURE_LIMIT, canary_reading
from pytest_slmtrust.stats import boundaries, exact_interval, exponential_interval, exponential_power, rate_gap

RUNS = 400


@pytest.mark.parametrize("rates", [(0.3, 0.3), (0.1, 0.5), (0.1, 0.3, 0.3, 0.5), (0.05,) * 8, (0.1,) * 7 + (0.6,)])
def test_the_interval_of_a_gap_covers_and_is_a_tenth_shorter_than_shared_out_ones(rates: tuple[float, ...]) -> None:
    rng, n, gap = np.random.default_rng(4), 20, max(rates) - min(rates)
    held, width, before = 0, 0.0, 0.0
    for _ in range(RUNS):
        counts = {f"g{i}": (int(rng.binomial(n, p)), n) for i, p in enumerate(rates)}
        ends = rate_gap(counts, 0.95).interval
        held += ends.lower <= gap <= ends.upper
        width += ends.upper - ends.lower
        each = [exact_interval(k, n, 1 - 0.05 / len(rates)) for k, n in counts.values()]
        before += max(e.upper for e in each) - min(e.lower for e in each)
        before -= max(0.0, max(e.lower for e in each) - min(e.upper for e in each))
    assert held >= 0.94 * RUNS
    assert width < 0.9 * before


def test_a_large_gap_is_told_from_a_small_one() -> None:
    rng, runs = np.random.default_rng(6), 300
    counts = [{"a": (int(rng.binomial(60, 0.5)), 60), "b": (int(rng.binomial(60, 0.1)), 60)} for _ in range(runs)]
    assert sum(rate_gap(one, 0.9).interval.lower > 0.1 for one in counts) > 0.9 * runs


def _ranked(ranks: list[int], among: int = 10_000) -> list[Finding]:
    return [
        Finding(
            f"n{i}", "learned_no_canary", "privacy", str(i), f"canary {i}", "measured", math.log2(among / rank), "g", "",
            {"inserted": 1, "among": among},
        )
        for i, rank in enumerate(ranks)
    ]  # fmt: skip


@pytest.mark.parametrize(("canaries", "least"), [(15, 0.8), (25, 0.93), (40, 0.97)])
def test_a_clean_model_passes_with_few_canaries(canaries: int, least: float) -> None:
    rng = np.random.default_rng(8)
    readings = [canary_reading(_ranked(rng.integers(1, 10_001, canaries).tolist())) for _ in range(RUNS)]
    passed = sum(reading.estimate.upper <= EXPOSURE_LIMIT for reading in readings)
    assert passed >= least * RUNS
    assert f"passes in {exponential_power(canaries, EXPOSURE_LIMIT * math.log(2)):.0%} of runs" in readings[0].note


def test_a_model_at_the_limit_passes_in_one_of_twenty_runs() -> None:
    rng = np.random.default_rng(9)
    passed = 0
    for _ in range(RUNS):
        bits = rng.exponential(EXPOSURE_LIMIT, 15)
        passed += exponential_interval(bits, 0.9).upper <= EXPOSURE_LIMIT
    assert passed <= 0.075 * RUNS


def test_two_learned_canaries_of_fifteen_do_not_pass() -> None:
    ranks = [1, 1, *(700 * i for i in range(1, 14))]
    assert canary_reading(_ranked(ranks)).estimate.upper > EXPOSURE_LIMIT


@pytest.mark.parametrize(("rate", "least", "most"), [(0.05, 0.8, 1.0), (0.1, 0.0, 0.055)])
def test_stopping_early_keeps_the_power_of_the_gate(rate: float, least: float, most: float) -> None:
    edges, n, runs = boundaries(180, 0.1), 180, 8000
    failed = (np.random.default_rng(3).random((runs, n)) < rate).cumsum(axis=1)
    passes, fails = failed <= edges.passes, failed >= edges.fails
    first_pass = np.where(passes.any(axis=1), passes.argmax(axis=1), n)
    first_fail = np.where(fails.any(axis=1), fails.argmax(axis=1), n)
    assert least <= (first_pass < first_fail).mean() <= most
