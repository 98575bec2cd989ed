"""Limits of the resource envelope as a user writes them, and the order statistics that decide them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from pytest_slmtrust.audit.envelope import EnvelopeReading, bounded, decided
from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.stats import quantile_draws, quantile_power, quantile_ranks


@pytest.mark.parametrize(("text", "name", "quantity", "share", "value"), [
    ("memory=600MB", "memory", "memory", 0.5, 600e6), ("size=1.5GiB", "size", "size", 0.5, 1.5 * 2**30),
    ("ttft_p95=300ms", "ttft_p95", "ttft", 0.95, 0.3), ("latency_p50 = 2 s", "latency_p50", "latency", 0.5, 2.0),
    ("decode=20tok/s", "decode", "decode", 0.5, 20.0), ("energy=1500mJ/tok", "energy", "energy", 0.5, 1.5),
    ("energy=250J/1000tok", "energy", "energy", 0.5, 0.25),
])  # fmt: skip
def test_a_limit_is_read(text: str, name: str, quantity: str, share: float, value: float) -> None:
    (found,) = read_limits([text])
    assert (found.name, found.quantity, found.share) == (name, quantity, share)
    assert found.value == pytest.approx(value)


def test_limits_are_repeated_or_parted_by_commas() -> None:
    assert [one.name for one in read_limits(["memory=1GB, size=1MB", "ttft_p99=1s,"])] == ["memory", "size", "ttft_p99"]


@pytest.mark.parametrize(("text", "said"), [
    ("memory", "NAME=VALUE"), ("memory=600", "MB"), ("memory=600ms", "MB"), ("ttft=300ms", "quantile"),
    ("decode_p95=3tok/s", "no quantile"),
    ("tfft_p95=1s", "'ttft'"), ("ttft_p30=1s", "p50"), ("size=-1MB", "number"), ("size=0MB", "above 0"), ("size=nanMB", "number"),
    ("energy=2J", "J/tok"), ("size=1MB,size=2MB", "twice"), ("size=1e400MB", "number"), ("latency_p95=１s", "number"),
])  # fmt: skip
def test_a_limit_that_cannot_be_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ProbeError, match=said) as error:
        read_limits([text])
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ bounds


def test_59_draws_suffice_for_the_95th_percentile() -> None:
    assert [quantile_draws(0.95, 0.05, beyond) for beyond in (0, 1, 2)] == [59, 93, 124]
    assert quantile_draws(0.99, 0.05) == 299
    assert quantile_draws(0.5, 0.05) == 5
    assert quantile_ranks(58, 0.95, 0.05)[1] is None
    assert quantile_ranks(59, 0.95, 0.05)[1] == 59


@pytest.mark.parametrize("n", [5, 17, 59, 60, 93, 200])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.99])
def test_ranks_hold_exactly_and_the_next_ones_do_not(n: int, share: float) -> None:
    low, high = quantile_ranks(n, share, 0.05)
    if high is not None:
        assert binom.sf(high - 1, n, share) <= 0.05
        assert binom.sf(high - 2, n, share) > 0.05
    if low is not None:
        assert binom.cdf(low - 1, n, share) <= 0.05
        assert binom.cdf(low, n, share) > 0.05


def test_draws_without_a_number_count_against_both_sides() -> None:
    draws: list[float | None] = [float(i) for i in range(1, 94)]
    assert bounded(draws, 0.95, 0.05).upper == 92.0
    lost = [None, *draws[1:]]
    assert bounded(lost, 0.95, 0.05).upper == 93.0
    assert bounded([None, None, *draws[2:]], 0.95, 0.05).upper is None
    full, less = bounded(draws, 0.95, 0.05).lower, bounded([*draws[:-3], None, None, None], 0.95, 0.05).lower
    assert full is not None
    assert less is not None
    assert less < full


@pytest.mark.parametrize(("limit", "make"), [
    ("ttft_p95=1s", lambda rng, n: rng.lognormal(0, 0.5, n) / np.exp(0.5 * 1.6448536269514722)),
    ("latency_p90=1s", lambda rng, n: rng.exponential(1 / 2.302585092994046, n)),
    ("decode=1tok/s", lambda rng, n: rng.lognormal(0, 0.3, n)),
    ("energy=1J/tok", lambda rng, n: rng.gamma(2.0, 1 / 1.6783469900166605, n)),
])  # fmt: skip
def test_a_model_at_its_limit_seldom_passes(limit: str, make: Callable[[Any, int], Any]) -> None:
    """Of 2,000 runs of a model whose true quantile is the limit at most 5 % pass and as few fail, but for 3 standard errors."""
    (one,) = read_limits([limit])
    rng, found = np.random.default_rng(7), list[Status]()
    for _ in range(2000):
        reading = EnvelopeReading(one.quantity, one.kind.unit, draws=tuple(map(float, make(rng, 93))))
        found.append(decided(one, reading, 0.05).status)
    assert found.count(Status.PASS) / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
    assert found.count(Status.FAIL) / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


def test_power_is_the_chance_of_a_pass() -> None:
    assert quantile_power(59, 0.95, 0.05, 0.0) == 1.0
    assert quantile_power(59, 0.95, 0.05, 0.01) == pytest.approx(0.99**59)
    assert quantile_power(58, 0.95, 0.05, 0.0) == 0.0
    assert quantile_power(59, 0.95, 0.05, 0.05) <= 0.05
