"""Bounds of a mean over items that share parts, whatever the correlation inside a part.

The outcome of an item may depend on the phrase, the document or the person that it was made from. Items of one part then say less
than as many independent ones; where a phrase decides alone, they say what one says. So the parts are the independent units here.

One grouping: Gaffke's bound over the parts (Gaffke 2005; Learned-Miller & Thomas, arXiv 1905.06208): give every part an
independent exponential weight, add one part more that fails as a whole, and take the quantile of the weighted mean. Where every
part is one item this is Clopper & Pearson's bound exactly. Several crossed groupings: the deviations that each of them gives are
added, which overstates the variance by that of single items (compare Cameron, Gelbach & Miller 2011, who subtract it).
``benchmarks/clusters.py`` simulates both.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .interval import Floats, check_share

Labels: TypeAlias = NDArray[np.int64]

#: Correlation inside a part at which the power of a gate is worked out, and by which two ways to group are compared.
CORRELATION = 0.1
#: Runs that the power of a gate over parts is simulated with.
RUNS = 1000
#: Tolerances are raised in these steps.
_TOLERANCES = 0.005
#: Places and reach of the rule that inverts a Laplace transform: the error is below 1e-9 from two parts on.
_STEP, _REACH = 0.05, 9.0
#: Runs times levels that are worked out at a time.
_AT_ONCE = 4096


@dataclass(frozen=True)
class Grouping:
    """How items share parts: ``labels`` holds the part of each item, shape (ways, items).

    There is no way at all where every item is its own part; two or more where parts are crossed.
    """

    labels: Labels

    @classmethod
    def of(cls, items: Sequence[Mapping[str, str]]) -> Grouping:
        """From the named parts of each item; an item without a part of some kind is its own part of that kind.

        A way to group that is finer than another one is left out. Crossed ways become one, the connected items, where that
        leaves more to say.
        """
        kinds = sorted({kind for parts in items for kind in parts})
        ways = [_numbered([parts.get(kind, (kind, i)) for i, parts in enumerate(items)]) for kind in kinds]
        kept: list[Labels] = []
        for way in sorted(ways, key=lambda w: int(w.max(initial=-1))):
            if way.size and way.max() + 1 < way.size and not any(_finer(way, other) for other in kept):
                kept.append(way)
        if len(kept) > 1:
            joined = _connected(kept)
            if _effect([joined]) <= _effect(kept):
                kept = [joined]
        return cls(np.array(kept, dtype=np.int64).reshape(len(kept), len(items)))

    @property
    def independent(self) -> bool:
        """Whether no two items share a part."""
        return not len(self.labels)

    @property
    def parts(self) -> int:
        """The number of parts, of the way with the fewest."""
        return int(min((way.max(initial=-1) + 1 for way in self.labels), default=self.labels.shape[1]))

    @cached_property
    def sizes(self) -> tuple[NDArray[np.float64], ...]:
        """How many items each part has, for each way."""
        return tuple(np.bincount(way).astype(float) for way in self.labels)

    @property
    def key(self) -> tuple[tuple[int, ...], ...]:
        return tuple(map(tuple, self.labels.tolist()))


def excess_chance(values: Floats, grouping: Grouping, limit: float, most: float = 1.0) -> Floats:
    """The p-value of "the mean is above the limit" for items with these values up to ``most``; shape (runs,).

    ``values`` has the shape (runs, items). A mean is below the limit with confidence ``1 - p``.
    """
    away = np.atleast_2d(values) - limit
    ways = grouping.labels if len(grouping.labels) else np.arange(away.shape[1])[None]
    sizes = grouping.sizes or (np.ones(away.shape[1]),)
    terms = [_summed(away, way) for way in ways]
    worst = [np.full((len(away), 1), size.max() * (most - limit)) for size in sizes]
    shift = (1 - len(ways)) * away.sum(axis=1)
    return _chance(np.concatenate([*terms, *worst], axis=1), shift)


def mean_upper(values: Floats, grouping: Grouping, alpha: float = 0.05, least: float = 0.0, most: float = 1.0) -> float:
    """One-sided upper bound of the mean of items with values in ``[least, most]``, at confidence ``1 - alpha``.

    Raises:
        ValueError: no items, or ``alpha`` outside (0, 1).
    """
    check_share("alpha", alpha)
    if not len(values):
        raise ValueError("there are no items: a mean needs at least one")
    x = np.asarray(values, dtype=float)
    mean = float(x.mean())
    if mean >= most:
        return most

    def excess(limit: float) -> float:
        return float(excess_chance(x, grouping, limit, most)[0]) - alpha

    from scipy import optimize  # a third of what importing all of this package takes, for a bound that few gates have

    tiny = 1e-12 * (most - least)
    found = optimize.brentq(excess, mean, most - tiny, xtol=tiny) if excess(most - tiny) < 0 < excess(mean) else most
    return float(found)


def mean_lower(values: Floats, grouping: Grouping, alpha: float = 0.05, least: float = 0.0, most: float = 1.0) -> float:
    """One-sided lower bound: :func:`mean_upper` mirrored."""
    mirrored = least + most - np.asarray(values, dtype=float)
    return least + most - mean_upper(mirrored, grouping, alpha, least, most)


def effective_n(rate: float, upper: float, n: int, alpha: float = 0.05) -> float:
    """Return the number of independent items with the same failing rate whose exact upper bound is this one; at most ``n``.

    Raises:
        ValueError: ``alpha`` outside (0, 1).
    """
    check_share("alpha", alpha)
    if upper >= 1.0 or rate >= 1.0:
        return 1.0 if upper >= 1.0 and rate < 1.0 else float(n)
    low, high = 0.0, float(n)
    for _ in range(44):
        middle = (low + high) / 2
        bound = special.betainccinv(rate * middle + 1, max(middle - rate * middle, 1e-12), alpha)
        low, high = (low, middle) if bound <= upper else (middle, high)
    return high


def part_power(grouping: Grouping, tolerance: float, alpha: float = 0.05, rate: float | None = None) -> float:
    """Return the chance that a model with this failing rate (half the tolerance if left out) PASSes, at a correlation of 0.1.

    Raises:
        ValueError: ``tolerance`` or ``alpha`` outside (0, 1).
    """
    check_share("tolerance", tolerance)
    check_share("alpha", alpha)
    return _power(grouping.key, grouping.labels.shape[1], tolerance, alpha, tolerance / 2 if rate is None else rate)


@lru_cache(maxsize=256)
def _power(key: tuple[tuple[int, ...], ...], n: int, tolerance: float, alpha: float, rate: float) -> float:
    grouping = Grouping(np.array(key, dtype=np.int64).reshape(len(key), n))
    runs = draw(grouping.labels, rate, CORRELATION, RUNS, np.random.default_rng(0))
    return float((excess_chance(runs.astype(float), grouping, tolerance) <= alpha).mean())


def shift_power(grouping: Grouping, margin: float, flips: float, alpha: float = 0.05) -> float:
    """Return the chance that a model is shown to be worse by less than the margin, if items flip so often in each direction, at a
    correlation of 0.1 of the flips in one direction.

    Raises:
        ValueError: ``margin`` or ``alpha`` outside (0, 1).
    """
    check_share("margin", margin)
    check_share("alpha", alpha)
    return _shift_power(grouping.key, grouping.labels.shape[1], margin, flips, alpha)


@lru_cache(maxsize=256)
def _shift_power(key: tuple[tuple[int, ...], ...], n: int, margin: float, flips: float, alpha: float) -> float:
    grouping = Grouping(np.array(key, dtype=np.int64).reshape(len(key), n))
    rng = np.random.default_rng(0)
    worse, better = (draw(grouping.labels, flips, CORRELATION, RUNS, rng).astype(float) for _ in range(2))
    return float((excess_chance(worse - better, grouping, margin) <= alpha).mean())


def spread_limits(grouping: Grouping, tolerance: float, alpha: float = 0.05) -> tuple[int | None, int | None]:
    """Return the most failures that PASS and the fewest that FAIL, if they lie in as many parts as they can; None if there are
    none.

    Raises:
        ValueError: ``tolerance`` or ``alpha`` outside (0, 1).
    """
    check_share("tolerance", tolerance)
    check_share("alpha", alpha)
    n = grouping.labels.shape[1]
    way = grouping.labels[0] if len(grouping.labels) else np.arange(n)
    order = np.argsort(way, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(way))[:-1]))
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n) - starts[way[order]]
    place = np.empty(n, dtype=np.int64)
    place[np.lexsort((way, rank))] = np.arange(n)

    def chance(k: int, mirrored: bool) -> float:
        failed = (place < k).astype(float)
        return float(excess_chance(1 - failed if mirrored else failed, grouping, 1 - tolerance if mirrored else tolerance)[0])

    passes = bisect_left(range(n + 1), True, key=lambda k: chance(k, False) > alpha) - 1
    fails = bisect_left(range(n + 1), True, key=lambda k: chance(k, True) <= alpha)
    return passes if passes >= 0 else None, fails if fails <= n else None


def part_tolerance(grouping: Grouping, least: float, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Return the smallest tolerance from ``least`` on, in steps of half a point, with so much power; None if there is none to one
    half.

    Raises:
        ValueError: ``alpha`` or ``power`` outside (0, 1).
    """
    check_share("power", power)
    low, high = -1, int((0.5 - least) / _TOLERANCES) + 1
    while high - low > 1:
        middle = (low + high) // 2
        enough = part_power(grouping, round(least + _TOLERANCES * middle, 5), alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    tolerance = round(least + _TOLERANCES * high, 5)
    return tolerance if tolerance < 0.5 else None


def draw(labels: Labels, rate: float, correlation: float, runs: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Failing items at a rate, shape (runs, items), with so much correlation inside each part of each way.

    An item fails by itself, or with one of its parts, all of whose items then fail. Crossed ways have at most the correlation at
    which no item fails by itself.
    """
    n = labels.shape[1]
    by_part = correlation * rate / (1 - rate + correlation * rate)
    by_part = min(by_part, 1 - (1 - rate) ** (1 / max(1, len(labels))))
    alone = 1 - (1 - rate) / (1 - by_part) ** len(labels)
    failed: NDArray[np.bool_] = rng.random((runs, n)) < alone
    for way in labels:
        failed = np.logical_or(failed, (rng.random((runs, int(way.max()) + 1)) < by_part)[:, way])
    return failed


def _chance(terms: Floats, shift: Floats) -> Floats:
    """``P(sum_j terms_j * E_j + shift >= 0)`` for independent standard exponentials; ``terms`` has the shape (runs, n).

    Equal terms are taken together, and equal runs are worked out once.
    """
    scale = float(np.abs(terms).max())
    keys = np.round(np.concatenate([np.sort(terms, axis=1), shift[:, None]], axis=1) / scale, 12)
    distinct, back = np.unique(keys, axis=0, return_inverse=True)
    levels, place = np.unique(distinct[:, :-1], return_inverse=True)
    counts = np.zeros((len(distinct), levels.size))
    np.add.at(counts, (np.arange(len(distinct))[:, None], place.reshape(distinct[:, :-1].shape)), 1)
    rows = max(1, _AT_ONCE // levels.size)
    found = [_inverted(levels, counts[i : i + rows], distinct[i : i + rows, -1]) for i in range(0, len(distinct), rows)]
    result: Floats = np.concatenate(found)[back.reshape(-1)]
    return result


def _inverted(c: Floats, counts: Floats, shift: Floats) -> Floats:
    """Return the same for terms ``c`` that come ``counts`` times; shapes (levels,), (runs, levels) and (runs,).

    By the inverse Laplace transform along the line through the saddle point, with a trapezoidal rule in the logarithm of the
    height.
    """
    low, high = np.zeros(len(counts)), np.full(len(counts), 1 / float(c.max()))
    for _ in range(50):
        s = (low + high) / 2
        rising = (counts * (c / (1 - c * s[:, None]))).sum(axis=1) + shift - 1 / s > 0
        low, high = np.where(rising, low, s), np.where(rising, s, high)
    s = (low + high) / 2
    width = 1 / np.sqrt((counts * (c / (1 - c * s[:, None])) ** 2).sum(axis=1) + 1 / s**2)
    u = np.arange(0, _REACH, _STEP)
    line = s[:, None] + 1j * width[:, None] * np.sinh(u)
    logs = shift[:, None] * line
    for level, many in zip(c, counts.T, strict=True):
        logs -= many[:, None] * np.log(1 - level * line)
    heights = (np.exp(logs) / line).real * width[:, None] * np.cosh(u)
    heights[:, 0] /= 2
    chances: Floats = np.clip(heights.sum(axis=1) * _STEP / math.pi, 0.0, 1.0)
    return chances


def _summed(values: Floats, way: Labels) -> Floats:
    """Return the sum over each part; shape (runs, parts)."""
    sums = np.zeros((int(way.max()) + 1, len(values)))
    np.add.at(sums, way, values.T)
    return sums.T


def _numbered(names: Sequence[Any]) -> Labels:
    number: dict[Any, int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int64)


def _finer(way: Labels, other: Labels) -> bool:
    """Return whether every part of ``way`` lies inside one part of ``other``."""
    return len(set(zip(way.tolist(), other.tolist(), strict=True))) == int(way.max()) + 1


def _connected(ways: Sequence[Labels]) -> Labels:
    """Return the items that are joined by a chain of shared parts, as one way."""
    joined = ways[0].copy()
    changed = True
    while changed:
        before = joined
        for way in (*ways[1:], ways[0]):
            least = np.full(int(way.max()) + 1, joined.size)
            np.minimum.at(least, way, joined)
            joined = least[way]
        changed = bool((joined != before).any())
    return _numbered(joined.tolist())


def _effect(ways: Sequence[Labels]) -> float:
    """Return how much the variance of a mean grows by shared parts (Kish), at the correlation that power is worked out for."""
    n = ways[0].size
    return sum(1 + CORRELATION * (float((np.bincount(way) ** 2).sum()) / n - 1) for way in ways)
