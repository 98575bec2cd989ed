"""What every interval here returns, and the checks that every function makes on its arguments."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
#: Numbers that a function reads as a one-dimensional array.
Numbers: TypeAlias = Sequence[float] | NDArray[np.float64] | NDArray[np.int64] | NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of an interval, the confidence it holds with, and the method that made it.

    ``confidence`` is 1 where the ends are certain (bounds over what could not be scored)."""

    lower: float
    upper: float
    confidence: float
    method: str

    @property
    def width(self) -> float:
        return self.upper - self.lower


def check_count(name: str, value: SupportsIndex, least: int = 0) -> int:
    """Return a whole number of at least ``least``.

    Raises:
        ValueError: anything else.
    """
    try:
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number") from None
    if count < least:
        raise ValueError(f"{name} is {count}; it must be at least {least}")
    return count


def check_share(name: str, value: float, *, closed: bool = False) -> float:
    """Return a number strictly between 0 and 1, or with ``closed`` also one of them.

    Raises:
        ValueError: anything else, NaN included.
    """
    inside = 0 <= value <= 1 if closed else 0 < value < 1
    if not inside:
        raise ValueError(f"{name} is {value}; it must lie {'in [0, 1]' if closed else 'between 0 and 1, both excluded'}")
    return float(value)


def check_failures(k: SupportsIndex, n: SupportsIndex) -> tuple[int, int]:
    """``k`` of ``n``, as whole numbers.

    Raises:
        ValueError: a negative count, no items, or more failures than items.
    """
    total = check_count("n", n, 1)
    failures = check_count("k", k)
    if failures > total:
        raise ValueError(f"k is {failures} of n = {total}; there cannot be more failures than items")
    return failures, total


def check_values(name: str, values: Numbers, low: float = -np.inf, high: float = np.inf) -> Floats:
    """Return a non-empty vector of finite numbers in ``[low, high]``.

    Raises:
        ValueError: another shape, nothing in it, NaN, or a number outside.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; it must be one row of at least one number")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; leave such items out and count them as unscored")
    if array.min() < low or array.max() > high:
        raise ValueError(f"{name} spans [{array.min():g}, {array.max():g}]; every number must lie in [{low:g}, {high:g}]")
    return array
