"""Many tests at once: adjusted p-values, and the largest gap between groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import SupportsIndex

import numpy as np

from .interval import Floats, Interval, Numbers, check_share, check_values
from .intervals import exact_interval, mean_interval


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between groups: which ones, how much, its simultaneous interval, and each group's own interval.

    The group intervals hold all at once."""

    highest: str
    lowest: str
    value: float
    interval: Interval
    groups: tuple[tuple[str, Interval], ...]

    @property
    def method(self) -> str:
        """How its interval was made, and between which groups it is, if there is any difference."""
        return f"{self.interval.method}; {self.highest} above {self.lowest}" if self.value else self.interval.method


def holm(p_values: Numbers) -> tuple[float, ...]:
    """p-values adjusted step-down (Holm 1979), in the order given.

    The chance of any false call stays at alpha, whatever the dependence.

    Raises:
        ValueError: no values, NaN, or one outside [0, 1].
    """
    p = check_values("p_values", p_values, 0, 1)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return _restore(adjusted, order)


def benjamini_hochberg(p_values: Numbers) -> tuple[float, ...]:
    """p-values adjusted step-up (Benjamini & Hochberg 1995), in the order given.

    They bound the expected share of false calls among the calls: for exploring, not for gates.

    Raises:
        ValueError: no values, NaN, or one outside [0, 1].
    """
    p = check_values("p_values", p_values, 0, 1)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    return _restore(np.minimum.accumulate(scaled[::-1])[::-1], order)


def _restore(adjusted: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> tuple[float, ...]:
    result = np.empty(adjusted.size)
    result[order] = np.minimum(adjusted, 1)
    return tuple(float(value) for value in result)


def rate_gap(counts: Mapping[str, tuple[SupportsIndex, SupportsIndex]], confidence: float = 0.95) -> Gap:
    """The largest gap between the rates of groups given as ``(failures, items)``, with its interval; see :func:`gap_ends`.

    The groups' own intervals are Clopper-Pearson's at ``1 - (1 - confidence) / groups`` (Bonferroni): they hold all at once.

    Raises:
        ValueError: fewer than two groups, impossible counts, or ``confidence`` outside (0, 1).
    """
    each = _share_out(len(counts), confidence)
    values = {name: int(k) / max(1, int(n)) for name, (k, n) in counts.items()}

    def at(level: float) -> dict[str, Interval]:
        return {name: exact_interval(k, n, level) for name, (k, n) in counts.items()}

    return _gap(values, at, each, confidence)


def mean_gap(scores: Mapping[str, Numbers], confidence: float = 0.95, *, low: float = 0.0, high: float = 1.0) -> Gap:
    """The same for groups' means of numbers in ``[low, high]``, by betting intervals.

    Raises:
        ValueError: fewer than two groups, an empty one, a number outside ``[low, high]``, or ``confidence`` outside (0, 1).
    """
    each = _share_out(len(scores), confidence)

    @cache
    def at(level: float) -> dict[str, Interval]:
        return {name: mean_interval(values, level, low=low, high=high) for name, values in scores.items()}

    at(each)  # which refuses an empty group
    return _gap({name: float(np.mean(values)) for name, values in scores.items()}, at, each, confidence)


def gap_ends(
    groups: int, at: Callable[[float], tuple[Floats, Floats]], most: Floats, least: Floats, alpha: float
) -> tuple[float, float]:
    """One-sided bounds of the largest gap between groups, each at ``1 - alpha``.

    ``at(level)`` gives the groups' lower and upper bounds at that confidence, ``most`` and ``least`` are the shares seen, with
    what could not be judged counted as failed and as passed.

    Upper: whichever two groups lie furthest apart, the largest gap seen is at least theirs, so that the bound of their
    difference holds and nothing is shared out. Lower: every pair has its share of alpha. The bounds of a difference come from
    those of the two rates by squares and roots (Newcombe 1998; Zou & Donner 2008).
    """
    low, high = at(1 - alpha)
    up, down = high - most, least - low
    upper = max((most[i] - least[j]) + math.hypot(up[i], down[j]) for i, j in permutations(range(groups), 2))
    low, high = at(1 - alpha / (groups * (groups - 1) / 2))
    up, down = high - most, least - low
    lower = max((least[i] - most[j]) - math.hypot(down[i], up[j]) for i, j in permutations(range(groups), 2))
    return max(0.0, lower), upper


def _share_out(groups: int, confidence: float) -> float:
    if groups < 2:
        raise ValueError(f"there are {groups} groups; a gap needs at least two")
    return 1 - (1 - check_share("confidence", confidence)) / groups


def _gap(values: Mapping[str, float], at: Callable[[float], Mapping[str, Interval]], each: float, confidence: float) -> Gap:
    # ties go to the name that sorts first, whatever the order of the mapping
    names = sorted(values)
    highest, lowest = max(names, key=values.__getitem__), min(names, key=values.__getitem__)
    own, alpha = at(each), (1 - confidence) / 2

    def ends(level: float) -> tuple[Floats, Floats]:
        found = at(2 * level - 1)
        return np.array([found[n].lower for n in names]), np.array([found[n].upper for n in names])

    seen = np.array([values[n] for n in names])
    least, most = gap_ends(len(names), ends, seen, seen, alpha)
    method = f"bounds of the largest difference of {len(names)} groups from {own[names[0]].method}"
    value = values[highest] - values[lowest]
    interval = Interval(min(least, value), max(most, value), confidence, method)
    return Gap(highest, lowest, value, interval, tuple((n, own[n]) for n in names))
