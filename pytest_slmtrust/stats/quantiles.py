"""One-sided bounds of a quantile from its order statistics: they hold for any distribution of independent draws.

Source: Conover 1999, *Practical Nonparametric Statistics*, section 3.2.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .interval import check_count, check_share


@cache
def quantile_ranks(n: int, share: float, alpha: float) -> tuple[int | None, int | None]:
    """Return the ranks (from 1, in ascending order) of the draws that bound the quantile ``share`` of ``n`` draws.

    Each bound holds at ``1 - alpha``: the quantile is at least the draw of the first rank, and at most that of the second.
    None where ``n`` draws are too few for a bound.

    Raises:
        ValueError: ``n`` is negative, or a share is not between 0 and 1.
    """
    from scipy.stats import binom

    check_count("draws", n)
    check_share("share", share)
    check_share("alpha", alpha)
    below = np.asarray(binom.cdf(np.arange(-1, n + 1), n, share)).tolist()  # below[k]: fewer than k draws are below the quantile
    lower = max((k for k in range(1, n + 1) if below[k] <= alpha), default=None)
    upper = min((k for k in range(1, n + 1) if 1 - below[k] <= alpha), default=None)
    return lower, upper


@cache
def quantile_draws(share: float, alpha: float, beyond: int = 0) -> int:
    """Return how many draws suffice for an upper bound that ``beyond`` of them lie above: 59 for the 95th percentile at 5 %."""
    from scipy.stats import binom

    check_share("share", share)
    check_share("alpha", alpha)
    low, high = beyond, max(1, 2 * beyond)  # low draws never suffice
    while float(binom.cdf(beyond, high, 1 - share)) > alpha:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if float(binom.cdf(beyond, middle, 1 - share)) > alpha else (low, middle)
    return high


def quantile_power(n: int, share: float, alpha: float, beyond: float) -> float:
    """Return the chance of a PASS where a share ``beyond`` of all draws lies above the limit."""
    from scipy.stats import binom

    _, upper = quantile_ranks(n, share, alpha)
    return 0.0 if upper is None else float(binom.cdf(n - upper, n, beyond))
