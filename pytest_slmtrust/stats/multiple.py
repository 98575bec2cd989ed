"""Many tests at once: adjusted p-values, and the largest gap between groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """Return the largest gap between the rates of groups given as ``(failures, items)``, with a simultaneous interval.

    Each group gets a Clopper-Pearson interval at ``1 - (1 - confidence) / groups`` (Bonferroni). With at least ``confidence`` all
    hold, and then the largest gap lies between the highest lower end less the lowest upper end (or 0) and the highest upper end
    less the lowest lower end. Exact for any number of groups and any dependence between them, and wide for that.

    Raises:
        ValueError: fewer than two groups, impossible counts, or ``confidence`` outside (0, 1).
    """
    each = _share_out(len(counts), confidence)
    values = {name: int(k) / max(1, int(n)) for name, (k, n) in counts.items()}
    return _gap(values, {name: exact_interval(k, n, each) for name, (k, n) in counts.items()}, confidence)


def mean_gap(scores: Mapping[str, Numbers], confidence: float = 0.95, *, low: float = 0.0, high: float = 1.0) -> Gap:
    """Return the same for groups' means of numbers in ``[low, high]``, by betting intervals.

    Raises:
        ValueError: fewer than two groups, an empty one, a number outside ``[low, high]``, or ``confidence`` outside (0, 1).
    """
    each = _share_out(len(scores), confidence)
    intervals = {name: mean_interval(values, each, low=low, high=high) for name, values in scores.items()}
    return _gap({name: float(np.mean(values)) for name, values in scores.items()}, intervals, confidence)


def _share_out(groups: int, confidence: float) -> float:
    if groups < 2:
        raise ValueError(f"there are {groups} groups; a gap needs at least two")
    return 1 - (1 - check_share("confidence", confidence)) / groups


def _gap(values: Mapping[str, float], intervals: Mapping[str, Interval], confidence: float) -> Gap:
    # ties go to the name that sorts first, whatever the order of the mapping
    names = sorted(values)
    highest, lowest = max(names, key=values.__getitem__), min(names, key=values.__getitem__)
    ends = list(intervals.values())
    least = max(0.0, max(i.lower for i in ends) - min(i.upper for i in ends))
    most = max(i.upper for i in ends) - min(i.lower for i in ends)
    method = f"simultaneous over {len(ends)} groups: {ends[0].method} with Bonferroni"
    value = values[highest] - values[lowest]
    return Gap(highest, lowest, value, Interval(least, most, confidence, method), tuple((n, intervals[n]) for n in names))
