"""How many items an interval needs to be 20 points wide, by the method that made it; None where it is not wider."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import SupportsIndex

import numpy as np
from scipy import special

from .interval import Floats, check_failures, check_share, check_values
from .intervals import exact_interval
from .multiple import gap_ends

#: The width of an interval that informs: 20 points.
INFORMS = 0.2
#: Nobody asks so many times as many items.
_MOST = 10_000.0


def rate_items(k: SupportsIndex, n: SupportsIndex, confidence: float = 0.95, width: float = INFORMS) -> int | None:
    """Return the fewest items from which on Clopper-Pearson's interval of this rate is at most ``width`` wide; None if it is now.

    Raises:
        ValueError: impossible counts, or ``confidence`` or ``width`` outside (0, 1).
    """
    failures, total = check_failures(k, n)
    tail = (1 - check_share("confidence", confidence)) / 2
    if exact_interval(k, n, confidence).width <= check_share("width", width):
        return None
    z = float(special.ndtri(1 - tail))
    # at a rate of one half the width is about z / sqrt(n), and the steps of a discrete count add about 2 / n
    m = np.arange(1.0, math.ceil((z / width) ** 2 + 8 / width) + 1)
    hits = np.round(failures / total * m)
    low, high = _ends(hits, m, tail)
    wide = np.flatnonzero(high - low > width)
    return int(m[wide[-1]]) + 1 if wide.size else 1


def gap_items(
    counts: Mapping[str, tuple[SupportsIndex, SupportsIndex]], confidence: float = 0.95, width: float = INFORMS
) -> int | None:
    """Return the items at which the interval of :func:`~pytest_slmtrust.stats.rate_gap` is ``width`` wide, if every group grows
    alike and keeps its rate; None if it is no wider now, or if there is no such number below 10,000 times as many.

    Raises:
        ValueError: fewer than two groups, impossible counts, or ``confidence`` or ``width`` outside (0, 1).
    """
    if len(counts) < 2:
        raise ValueError(f"there are {len(counts)} groups; a gap needs at least two")
    pairs = [check_failures(k, n) for k, n in counts.values()]
    k, n = np.array([pairs], dtype=np.float64).reshape(-1, 2).T
    alpha = (1 - check_share("confidence", confidence)) / 2
    check_share("width", width)

    def wide(times: float) -> bool:
        lower, upper = gap_ends(len(k), lambda level: _ends(times * k, times * n, 1 - level), k / n, k / n, alpha)
        return upper - lower > width

    if not wide(1.0):
        return None
    low, high = 1.0, 2.0
    while wide(high):
        low, high = high, 2 * high
        if high > _MOST:
            return None
    total = float(n.sum())
    for _ in range(24):
        if math.ceil(low * total - 1e-6) == math.ceil(high * total - 1e-6):
            break  # what lies between them is the same number of items
        middle = (low + high) / 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return math.ceil(high * total - 1e-6)


def root_items(n: SupportsIndex, seen: float, width: float = INFORMS) -> int | None:
    """Return the items at which an interval that is ``seen`` wide over ``n`` would be ``width`` wide; None if it is no wider.

    Widths of means, areas and correlations shrink with the square root of the items.

    Raises:
        ValueError: ``seen`` negative or not finite, or ``width`` outside (0, 1).
    """
    check_values("seen", [seen], 0)
    return math.ceil(int(n) * (seen / width) ** 2 - 1e-9) if seen > check_share("width", width) else None


def _ends(k: Floats, n: Floats, tail: float) -> tuple[Floats, Floats]:
    """Clopper-Pearson's bounds of counts that need not be whole, each at ``1 - tail``."""
    low = np.where(k > 0, special.betaincinv(np.maximum(k, 1e-12), n - k + 1, tail), 0.0)
    high = np.where(k < n, special.betaincinv(k + 1, np.maximum(n - k, 1e-12), 1 - tail), 1.0)
    return low, high
