"""Intervals of one rate or of one bounded mean."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import SupportsIndex

import numpy as np
from scipy import special

from .interval import Floats, Interval, Numbers, check_count, check_failures, check_share, check_values

#: Largest share of the stake that the betting interval risks in one round (Waudby-Smith & Ramdas suggest 1/2 or 3/4).
RISK = 0.75
#: Orders that the betting interval averages over: with one alone, coverage of a rate falls to 83 % at some rates.
ORDERS = 16
#: Items that the bootstrap draws at a time.
_DRAWN = 1 << 20


def upper_bound(k: SupportsIndex, n: SupportsIndex, alpha: float = 0.05) -> float:
    """One-sided exact upper bound of a rate at confidence ``1 - alpha`` (Clopper & Pearson 1934): the rate at which ``k`` or
    fewer failures in ``n`` items have probability ``alpha``; 1 if all failed.

    Raises:
        ValueError: impossible counts, or ``alpha`` outside (0, 1).
    """
    k, n = check_failures(k, n)
    check_share("alpha", alpha)
    return 1.0 if k == n else float(special.betainccinv(k + 1, n - k, alpha))


def lower_bound(k: SupportsIndex, n: SupportsIndex, alpha: float = 0.05) -> float:
    """One-sided exact lower bound of a rate at confidence ``1 - alpha``: :func:`upper_bound` mirrored; 0 if none failed.

    Raises:
        ValueError: impossible counts, or ``alpha`` outside (0, 1).
    """
    k, n = check_failures(k, n)
    check_share("alpha", alpha)
    return 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, alpha))


def exact_interval(k: SupportsIndex, n: SupportsIndex, confidence: float = 0.95) -> Interval:
    """Two-sided Clopper-Pearson interval: both one-sided bounds at half of ``1 - confidence``.

    Raises:
        ValueError: impossible counts, or ``confidence`` outside (0, 1).
    """
    half = (1 - check_share("confidence", confidence)) / 2
    return Interval(lower_bound(k, n, half), upper_bound(k, n, half), confidence, "Clopper-Pearson")


def wilson_interval(k: SupportsIndex, n: SupportsIndex, confidence: float = 0.95) -> Interval:
    """Two-sided score interval (Wilson 1927): holds on average over rates, not at every one, so it decides no gate.

    Raises:
        ValueError: impossible counts, or ``confidence`` outside (0, 1).
    """
    k, n = check_failures(k, n)
    z = float(special.ndtri((1 + check_share("confidence", confidence)) / 2))
    rate, weight = k / n, z * z / n
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    # the ends are exact at k = 0 and k = n, where rounding would leave 1e-17
    lower = 0.0 if k == 0 else max(0.0, centre - half)
    upper = 1.0 if k == n else min(1.0, centre + half)
    return Interval(lower, upper, confidence, "Wilson")


def manski(failures: SupportsIndex, unscored: SupportsIndex, n: SupportsIndex) -> Interval:
    """Bounds of the observed rate when ``unscored`` of the ``n`` items are unknown (Manski 1990): all of them passed, all failed.

    They say nothing of sampling, hence confidence 1; :func:`worst_case_interval` adds it.

    Raises:
        ValueError: impossible counts.
    """
    k, u = check_count("failures", failures), check_count("unscored", unscored)
    check_failures(k + u, n)
    total = check_count("n", n, 1)
    return Interval(k / total, (k + u) / total, 1.0, "Manski")


def worst_case_interval(failures: SupportsIndex, unscored: SupportsIndex, n: SupportsIndex, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson's lower end with the unscored items passed, and its upper end with them failed.

    Raises:
        ValueError: impossible counts, or ``confidence`` outside (0, 1).
    """
    k, u = check_count("failures", failures), check_count("unscored", unscored)
    low, high = exact_interval(k, n, confidence), exact_interval(k + u, n, confidence)
    return Interval(low.lower, high.upper, confidence, "Clopper-Pearson, unscored either way")


def exponential_interval(values: Numbers, confidence: float = 0.95) -> Interval:
    """Exact interval of the mean of exponential numbers: twice their sum over the mean has a chi-squared distribution.

    Raises:
        ValueError: no values, NaN, a negative one, or ``confidence`` outside (0, 1).
    """
    tail = (1 - check_share("confidence", confidence)) / 2
    x = check_values("values", values, 0)
    lower, upper = (2 * float(x.sum()) / float(special.chdtri(2 * x.size, share)) for share in (tail, 1 - tail))
    return Interval(lower, upper, confidence, "exact interval of an exponential mean")


def exponential_power(n: SupportsIndex, times: float, alpha: float = 0.05) -> float:
    """Probability that the upper bound of the mean of ``n`` exponential numbers lies below ``times`` their true mean.

    Raises:
        ValueError: no numbers, or ``alpha`` outside (0, 1).
    """
    total = check_count("n", n, 1)
    return float(special.gammainc(total, times * special.chdtri(2 * total, 1 - check_share("alpha", alpha)) / 2))


def mean_interval(values: Numbers, confidence: float = 0.95, *, low: float = 0.0, high: float = 1.0) -> Interval:
    """Interval of the mean of independent numbers in ``[low, high]``, by betting, for every n and distribution.

    Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (2010.09686): hedged capital with predictable
    plug-in bets for a fixed n, cut at 3/4 of what may be risked. The capital at n is averaged over 16 fixed orders of the sorted
    values, so that the interval depends on nothing but the values and no single order decides; the guarantee is that of the mean
    over all orders, to which 16 come close. It is widened, where needed, to hold the mean of the sample.

    Raises:
        ValueError: no values, NaN, a value outside ``[low, high]``, or ``confidence`` outside (0, 1).
    """
    alpha = 1 - check_share("confidence", confidence)
    if not low < high:
        raise ValueError(f"low is {low} and high is {high}; low must be smaller")
    scaled = np.sort((check_values("values", values, low, high) - low) / (high - low))
    mean = float(scaled.mean())
    below, above = _rejected(scaled.tobytes(), alpha)
    lower, upper = min(mean, below), max(mean, 1 - above)
    span = high - low
    return Interval(max(low, low + span * lower), min(high, low + span * upper), confidence, "betting (hedged capital)")


@lru_cache(maxsize=512)
def _rejected(scaled: bytes, alpha: float) -> tuple[float, float]:
    """Return how far from 0 and from 1 the capital rejects means of these numbers; many groups have the same few."""
    numbers = np.frombuffer(scaled)
    x = np.random.default_rng(0).permuted(np.tile(numbers, (ORDERS, 1)), axis=1)
    bets = _plug_in_bets(x, alpha)
    return _lower_end(x, bets, 2 / alpha), _lower_end(1 - x, bets, 2 / alpha)


def _plug_in_bets(x: Floats, alpha: float) -> Floats:
    """Bets before each round from the values before it (2010.09686, predictable plug-in); ``x`` and result (orders, n)."""
    n = x.shape[1]
    rounds = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(x, axis=1)) / (rounds + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2, axis=1)) / (rounds + 1)
    before = np.concatenate((np.full((len(x), 1), 0.25), variances[:, :-1]), axis=1)
    bets: Floats = np.sqrt(2 * math.log(2 / alpha) / (n * before))
    return bets


def _lower_end(x: Floats, bets: Floats, goal: float) -> float:
    """Return the largest mean that the capital against smaller means rejects; it falls as the mean grows, so halving finds it."""
    log_goal = math.log(goal * len(x))
    low, high = 0.0, 1.0
    for _ in range(40):
        mean = (low + high) / 2
        capitals = np.log1p(np.minimum(bets, RISK / mean) * (x - mean)).sum(axis=1)
        low, high = (mean, high) if np.logaddexp.reduce(capitals) >= log_goal else (low, mean)
    return low


def bootstrap_interval(
    values: Numbers, items: Sequence[Hashable] | None = None, confidence: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap of the mean over cases, resampling whole source items: for display only, it decides nothing.

    It has no width where all values are the same, and is too short for few items.

    Args:
        values: one number per case, shape (cases,).
        items: the source item of each case; each case is its own if left out.

    Raises:
        ValueError: no values, NaN, lengths that differ, or ``confidence`` outside (0, 1).
    """
    tail = (1 - check_share("confidence", confidence)) / 2
    x = check_values("values", values)
    names = list(range(x.size)) if items is None else list(items)
    if len(names) != x.size:
        raise ValueError(f"{x.size} values but {len(names)} items; each value needs the item it comes from")
    number: dict[Hashable, int] = {}
    index = np.array([number.setdefault(name, len(number)) for name in names])
    sums, sizes = np.bincount(index, x), np.bincount(index)
    rng = np.random.default_rng(seed)
    means = np.empty(check_count("resamples", resamples, 1))
    step = max(1, _DRAWN // sums.size)
    for start in range(0, means.size, step):
        drawn = rng.integers(0, sums.size, (min(step, means.size - start), sums.size))
        means[start : start + step] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    lower, upper = np.quantile(means, [tail, 1 - tail])
    return Interval(float(lower), float(upper), confidence, "percentile bootstrap over items (display only)")
