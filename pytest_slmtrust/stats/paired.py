"""Two models on the same items: exact McNemar test, interval of the paired difference, non-inferiority."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .design import Decision, Ints
from .interval import Floats, Interval, check_count, check_share
from .intervals import wilson_interval

#: Rates of the flips for the better at which the exact test takes its worst case, denser near 0.
NUISANCE = 256
#: With more items the exact test costs minutes and differs little from its limit, which is taken instead.
LARGEST_EXACT = 500


@dataclass(frozen=True, slots=True)
class Pairs:
    """Items by what the target and its baseline did: ``worse`` failed with the target only, ``better`` with the baseline only.

    Raises:
        ValueError: a negative count, or no items.
    """

    both: int
    worse: int
    better: int
    neither: int

    def __post_init__(self) -> None:
        for name in ("both", "worse", "better", "neither"):
            check_count(name, getattr(self, name))
        check_count("the number of pairs", self.n, 1)

    @property
    def n(self) -> int:
        return self.both + self.worse + self.better + self.neither

    @property
    def flips(self) -> int:
        """Items on which the two differ. Their number alone says nothing of harm."""
        return self.worse + self.better

    @property
    def difference(self) -> float:
        """Failure rate of the target less that of the baseline."""
        return (self.worse - self.better) / self.n


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether the target fails at most ``margin`` more often.

    ``lower`` and ``upper`` are approximate one-sided bounds of the difference at ``1 - alpha``; ``p_pass`` and ``p_fail`` are the
    exact p-values that decide."""

    decision: Decision
    difference: float
    lower: float
    upper: float
    p_pass: float
    p_fail: float
    margin: float
    alpha: float
    method: str


def count_pairs(target_failed: Sequence[bool] | NDArray[np.bool_], baseline_failed: Sequence[bool] | NDArray[np.bool_]) -> Pairs:
    """Count items by direction; both rows list the same items in the same order.

    Raises:
        ValueError: rows of different length, empty ones, or values other than True and False.
    """
    target, baseline = np.asarray(target_failed), np.asarray(baseline_failed)
    if target.shape != baseline.shape or target.ndim != 1:
        raise ValueError(f"the rows have shapes {target.shape} and {baseline.shape}; they must list the same items")
    if not (np.isin(target, (0, 1)).all() and np.isin(baseline, (0, 1)).all()):
        raise ValueError("outcomes must be True (the item failed) or False; count unscored items as failed")
    t, b = target.astype(bool), baseline.astype(bool)
    return Pairs(int((t & b).sum()), int((t & ~b).sum()), int((~t & b).sum()), int((~t & ~b).sum()))


def mcnemar(
    worse: SupportsIndex, better: SupportsIndex, alternative: Literal["two-sided", "worse", "better"] = "two-sided"
) -> float:
    """Exact p-value (McNemar 1947, binomial form): with no difference a discordant item is worse or better with probability 1/2.

    ``alternative="worse"`` asks whether the target fails more often; 1 if nothing differs.

    Raises:
        ValueError: a negative count, or an unknown alternative.
    """
    b, c = check_count("worse", worse), check_count("better", better)
    if alternative == "worse":
        return float(special.bdtr(c, b + c, 0.5))
    if alternative == "better":
        return float(special.bdtr(b, b + c, 0.5))
    if alternative != "two-sided":
        raise ValueError(f"alternative is {alternative!r}; it must be 'two-sided', 'worse' or 'better'")
    return min(1.0, 2 * float(special.bdtr(min(b, c), b + c, 0.5)))


def paired_interval(pairs: Pairs, confidence: float = 0.95) -> Interval:
    """Interval of the paired difference of failure rates: square-and-add of two Wilson intervals, with their correlation.

    Newcombe 1998, Statistics in Medicine 17:2635, method 10. It has width where nothing differs, and holds on average only.

    Raises:
        ValueError: ``confidence`` outside (0, 1).
    """
    n, d = pairs.n, pairs.difference
    target, baseline = pairs.both + pairs.worse, pairs.both + pairs.better
    p1, p2 = target / n, baseline / n
    one, two = wilson_interval(target, n, confidence), wilson_interval(baseline, n, confidence)
    phi = _correlation(pairs)
    down1, up1, down2, up2 = p1 - one.lower, one.upper - p1, p2 - two.lower, two.upper - p2
    lower = d - math.sqrt(max(0.0, down1**2 - 2 * phi * down1 * up2 + up2**2))
    upper = d + math.sqrt(max(0.0, up1**2 - 2 * phi * up1 * down2 + down2**2))
    return Interval(max(-1.0, lower), min(1.0, upper), confidence, "Newcombe paired (method 10)")


def _correlation(pairs: Pairs) -> float:
    """Phi of the two outcomes, with method 10's correction where it is positive; 0 where one of them is constant."""
    a, b, c, d = pairs.both, pairs.worse, pairs.better, pairs.neither
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        return 0.0
    cross: float = a * d - b * c
    if cross > 0:
        cross = max(cross - pairs.n / 2, 0.0)
    return cross / math.sqrt(margins)


def non_inferior(pairs: Pairs, margin: float, alpha: float = 0.05) -> NonInferiority:
    """PASS if a target that is worse by the margin or more is refuted at ``alpha``, FAIL if one within it is, else INCONCLUSIVE.

    The decision is that of the exact unconditional test (:func:`margin_p_values`), so each wrong one has probability at most
    ``alpha``; the bounds shown with it are the ends of Newcombe's interval at ``1 - 2 * alpha``, which alone would pass up to
    12 % at 100 items and 6 % at 200 where 5 % are promised.

    Raises:
        ValueError: ``margin`` outside [0, 1), or ``alpha`` outside (0, 0.5).
    """
    if not check_share("alpha", alpha) < 0.5:
        raise ValueError(f"alpha is {alpha}; it must be below 0.5")
    p_pass, p_fail, test = _p_values(pairs, margin)
    decision: Decision = "PASS" if p_pass <= alpha else "FAIL" if p_fail <= alpha else "INCONCLUSIVE"
    ends = paired_interval(pairs, 1 - 2 * alpha)
    return NonInferiority(
        decision, pairs.difference, ends.lower, ends.upper, p_pass, p_fail, margin, alpha,
        f"{test}; bounds: {ends.method}",
    )  # fmt: skip


def _p_values(pairs: Pairs, margin: float) -> tuple[float, float, str]:
    if pairs.n <= LARGEST_EXACT:
        low, high = margin_p_values(pairs.n, margin)
        return (
            float(low[pairs.worse, pairs.better]),
            float(high[pairs.worse, pairs.better]),
            "exact unconditional test, score order",
        )
    # one item against either claim, as a correction for continuity: without it both go up to 9 % at small margins
    against, towards = (_score(np.array([b]), np.array([c]), pairs.n, margin)[0] for b, c in _shifted(pairs))
    return float(special.ndtr(against)), float(special.ndtr(-towards)), "Tango's score test (asymptotic, continuity-corrected)"


def _shifted(pairs: Pairs) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the flips with one more for the worse, and with one less (or one more for the better)."""
    b, c = pairs.worse, pairs.better
    return (min(b + 1, pairs.n - c), c), ((b - 1, c) if b else (0, min(c + 1, pairs.n)))


def non_inferiority_power(n: SupportsIndex, margin: float, alpha: float = 0.05, flips: float = 0.03) -> float:
    """Probability that a target that flips ``flips`` of the items in each direction, and so is no worse, PASSes.

    Exact up to 500 items, above that by the normal approximation of the score test.

    Raises:
        ValueError: no items, ``margin`` outside [0, 1), ``alpha`` outside (0, 0.5), or ``flips`` outside [0, 0.5].
    """
    total = check_count("n", n, 1)
    if not check_share("alpha", alpha) < 0.5:
        raise ValueError(f"alpha is {alpha}; it must be below 0.5")
    if not 0 <= flips <= 0.5:
        raise ValueError(f"flips is {flips}; it must lie in [0, 0.5]")
    if total > LARGEST_EXACT:
        if not flips:
            return float(_p_values(Pairs(0, 0, 0, total), margin)[0] <= alpha)
        spread = math.sqrt(2 * flips / total)
        return float(special.ndtr((margin - 1 / total) / spread + special.ndtri(alpha)))
    low, _ = margin_p_values(total, margin)
    b, c = np.indices((total + 1, total + 1))
    rest = np.maximum(total - b - c, 0)
    ways = special.gammaln(total + 1) - special.gammaln(b + 1) - special.gammaln(c + 1) - special.gammaln(rest + 1)
    logs = ways + special.xlogy(b, flips) + special.xlogy(c, flips) + special.xlogy(rest, 1 - 2 * flips)
    return min(1.0, float(np.exp(logs)[(b + c <= total) & (low <= alpha)].sum()))  # the sum of all may round to more


def margin_p_values(n: SupportsIndex, margin: float) -> tuple[Floats, Floats]:
    """p-values of "worse by at least the margin" and of "worse by at most the margin", for all flips (worse, better).

    Exact unconditional test: outcomes ordered by Tango's score (Statistics in Medicine 1998, 17:891), and the largest probability
    over the nuisance rate, taken on a grid of 256 rates, as in Lloyd & Moldovan 2008 (Statistics in Medicine 27:2540).

    Returns:
        Two arrays of shape (n + 1, n + 1), indexed by flips for the worse and for the better; 1 where these exceed n.

    Raises:
        ValueError: no items, or ``margin`` outside [0, 1).
    """
    total = check_count("n", n, 1)
    if not 0 <= margin < 1:
        raise ValueError(f"margin is {margin}; it must lie in [0, 1)")
    return _tables(total, float(margin))


@lru_cache(maxsize=8)
def _tables(total: int, margin: float) -> tuple[Floats, Floats]:
    b, c = (grid.ravel() for grid in np.indices((total + 1, total + 1)))
    b, c = b[b + c <= total], c[b + c <= total]
    # rounding, so that outcomes that tie do so in floating point too
    ranks = np.unique(np.round(_score(b, c, total, margin), 9), return_inverse=True)[1]
    ways = special.gammaln([total + 1])[0] - special.gammaln(b + 1) - special.gammaln(c + 1) - special.gammaln(total - b - c + 1)
    low, high = np.zeros(ranks.max() + 1), np.zeros(ranks.max() + 1)
    for q in (1 - margin) / 2 * np.linspace(0, 1, NUISANCE) ** 2:
        # a rate of 0 as 1e-300: its logarithm times no flips is still 0, and times one flip vanishes
        log_b, log_c, log_rest = np.log(np.maximum((q + margin, q, 1 - margin - 2 * q), 1e-300))
        by_rank = np.bincount(ranks, np.exp(ways + b * log_b + c * log_c + (total - b - c) * log_rest))
        low, high = np.maximum(low, np.cumsum(by_rank)), np.maximum(high, np.cumsum(by_rank[::-1])[::-1])
    tables = np.ones((2, total + 1, total + 1))
    tables[:, b, c] = np.minimum((low[ranks], high[ranks]), 1)
    tables.flags.writeable = False  # shared by all who ask for this n and margin
    return tables[0], tables[1]


def _score(b: Ints, c: Ints, n: int, margin: float) -> Floats:
    """Tango's statistic: how far ``b`` worse and ``c`` better of ``n`` lie above the margin, in standard errors under it."""
    middle = -b - c + (2 * n - b + c) * margin
    rate = (np.sqrt(np.maximum(0, middle**2 + 8 * n * c * margin * (1 - margin))) - middle) / (4 * n)
    error = np.sqrt(n * (2 * rate + margin * (1 - margin)))
    score: Floats = np.divide(b - c - n * margin, error, out=np.zeros(b.shape), where=error > 0)
    return score
