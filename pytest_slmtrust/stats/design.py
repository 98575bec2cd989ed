"""Designing and deciding a rate gate: exact binomial arithmetic over source items.

A gate PASSes if the one-sided exact upper bound of its rate is at most the tolerance, FAILs if the lower bound is above it, and
is else INCONCLUSIVE. Both are asked of the binomial distribution at the tolerance: the same, by the duality of test and bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .interval import check_count, check_failures, check_share
from .intervals import upper_bound

Decision: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

#: Searches end here: no audit of one model asks more.
MOST_ITEMS = 100_000
#: :func:`smallest_tolerance` rounds up to this many decimals, so that what is printed is what is applied.
DECIMALS = 5


def decide(k: SupportsIndex, n: SupportsIndex, tolerance: float, alpha: float = 0.05) -> Decision:
    """Return what ``k`` failures in ``n`` items say of a rate that may be at most ``tolerance``.

    A false PASS and a false FAIL have probability at most ``alpha`` each.

    Raises:
        ValueError: impossible counts, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    k, n = check_failures(k, n)
    _check(tolerance, alpha)
    if special.bdtr(k, n, tolerance) <= alpha:
        return "PASS"
    return "FAIL" if k > 0 and special.bdtrc(k - 1, n, tolerance) < alpha else "INCONCLUSIVE"


def excess_p_value(k: SupportsIndex, n: SupportsIndex, tolerance: float) -> float:
    """Exact p-value of "the rate is within the tolerance" after ``k`` failures in ``n`` items: the chance of so many or more.

    Raises:
        ValueError: impossible counts, or ``tolerance`` outside (0, 1).
    """
    k, n = check_failures(k, n)
    check_share("tolerance", tolerance)
    return float(special.bdtrc(k - 1, n, tolerance)) if k > 0 else 1.0


def smallest_n(tolerance: float, alpha: float = 0.05) -> int:
    """Return the fewest items at which a gate can PASS, with no failure: the smallest n with ``(1 - tolerance)**n <= alpha``.

    Raises:
        ValueError: ``tolerance`` or ``alpha`` outside (0, 1).
    """
    _check(tolerance, alpha)
    n = max(1, math.ceil(math.log(alpha) / math.log1p(-tolerance)) - 1)
    while special.bdtr(0, n, tolerance) > alpha:
        n += 1
    return n


def largest_pass(n: SupportsIndex, tolerance: float, alpha: float = 0.05) -> int | None:
    """Return the most failures in ``n`` items with which a gate PASSes, or None if it cannot.

    Raises:
        ValueError: no items, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    _check(tolerance, alpha)
    limit = int(_limits(np.array([check_count("n", n, 1)]), tolerance, alpha)[0])
    return None if limit < 0 else limit


def smallest_fail(n: SupportsIndex, tolerance: float, alpha: float = 0.05) -> int | None:
    """Return the fewest failures in ``n`` items with which a gate FAILs, or None if it cannot.

    Raises:
        ValueError: no items, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    _check(tolerance, alpha)
    total = check_count("n", n, 1)
    # P(X >= k) at rate t is P(X <= n - k) at rate 1 - t, and "below alpha" instead of "at most" is one failure more on a tie
    mirror = int(_limits(np.array([total]), 1 - tolerance, alpha)[0])
    k = total - mirror
    while k <= total and not special.bdtrc(k - 1, total, tolerance) < alpha:
        k += 1
    return k if k <= total else None


def power(n: SupportsIndex, tolerance: float, alpha: float = 0.05, p: float | None = None) -> float:
    """Probability that a model whose true rate is ``p`` (half the tolerance if left out) PASSes with ``n`` items.

    Raises:
        ValueError: no items, ``tolerance`` or ``alpha`` outside (0, 1), or ``p`` outside [0, 1].
    """
    rate = tolerance / 2 if p is None else check_share("p", p, closed=True)
    limit = largest_pass(n, tolerance, alpha)
    return 0.0 if limit is None else float(special.bdtr(limit, int(n), rate))


def blocking_n(tolerance: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the smallest n whose :func:`power` at half the tolerance reaches ``power``: what a blocking gate needs.

    Power saws with n, so some larger n falls a little below again.

    Raises:
        ValueError: ``tolerance``, ``alpha`` or ``power`` outside (0, 1), or more than 100,000 items needed.
    """
    check_share("power", power)
    start, size = smallest_n(tolerance, alpha), 512
    while start <= MOST_ITEMS:
        n = np.arange(start, start + size)
        limits = _limits(n, tolerance, alpha)
        enough = np.flatnonzero(special.bdtr(np.maximum(limits, 0), n, tolerance / 2) >= power)
        if enough.size:
            return int(n[enough[0]])
        start, size = start + size, 2 * size
    raise ValueError(f"a tolerance of {tolerance:g} needs more than {MOST_ITEMS} items for power {power:g}; allow a larger one")


def smallest_tolerance(n: SupportsIndex, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Return the smallest tolerance with ``blocking_n(tolerance, alpha, power) <= n``, rounded up to 5 decimals; None if there is
    none.

    Each (m, k) with m <= n passes from the tolerance ``upper_bound(k, m)`` on; the smallest of these with power enough is it.

    Raises:
        ValueError: no items, or ``alpha`` or ``power`` outside (0, 1).
    """
    total = check_count("n", n, 1)
    check_share("power", power)
    check_share("alpha", alpha)
    sizes, best = np.arange(1, total + 1), math.inf
    for k in range(total):
        sizes = sizes[sizes > k]
        # at fixed k the bound falls as m grows, so no later k can do better than its bound at n
        if best <= upper_bound(k, total, alpha):
            break
        bounds = np.ceil(special.betainccinv(k + 1, sizes - k, alpha) * 10**DECIMALS) / 10**DECIMALS
        enough = bounds[(special.bdtr(k, sizes, bounds / 2) >= power) & (bounds < 1)]
        best = min(best, float(enough.min(initial=math.inf)))
    return None if math.isinf(best) else best


def items_needed(k: SupportsIndex, n: SupportsIndex, tolerance: float, alpha: float = 0.05) -> int | None:
    """Return how many more items would decide the gate if failures went on at the observed rate (rounded against the decision).

    0 if it is decided already; None if it never is (the rate is the tolerance) or needs more than 100,000 items.

    Raises:
        ValueError: impossible counts, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    k, n = check_failures(k, n)
    if decide(k, n, tolerance, alpha) != "INCONCLUSIVE":
        return 0
    start, size = n + 1, 512
    while start <= MOST_ITEMS:
        totals = np.arange(start, start + size)
        if k < tolerance * n:
            ahead = -(-k * totals // n)
            decided = special.bdtr(ahead, totals, tolerance) <= alpha
        else:
            ahead = k * totals // n
            decided = special.bdtrc(ahead - 1, totals, tolerance) < alpha
        if decided.any():
            return int(totals[decided][0]) - n
        start, size = start + size, 2 * size
    return None


def _check(tolerance: float, alpha: float) -> None:
    check_share("tolerance", tolerance)
    check_share("alpha", alpha)


def _limits(n: Ints, tolerance: float, alpha: float) -> Ints:
    """Largest k with ``P(X <= k) <= alpha`` at the tolerance for each n, or -1; shape of ``n``."""
    return largest_where(lambda k: special.bdtr(k, n, tolerance) <= alpha, n)


def largest_where(fits: Callable[[Ints], Bools], most: Ints) -> Ints:
    """For each place the largest k in ``[0, most]`` that fits, where all smaller k fit too, or -1; shape of ``most``."""
    low, high = np.full(most.shape, -1), most + 1
    while (high - low > 1).any():
        # where the search has ended, ask again about a neighbour that changes nothing
        middle = np.clip((low + high) // 2, 0, most)
        fit = fits(middle) & (high - low > 1)
        low, high = np.where(fit, middle, low), np.where(fit | (high - low <= 1), high, middle)
    return low
