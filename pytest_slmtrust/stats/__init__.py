"""Exact statistics over counts and arrays; imports SciPy, and nothing else of this package."""

from .design import (
    Decision,
    blocking_n,
    decide,
    items_needed,
    largest_pass,
    power,
    smallest_fail,
    smallest_n,
    smallest_tolerance,
)
from .interval import Interval
from .intervals import (
    bootstrap_interval,
    exact_interval,
    lower_bound,
    manski,
    mean_interval,
    upper_bound,
    wilson_interval,
    worst_case_interval,
)

__all__ = [
    "Decision", "Interval", "blocking_n", "bootstrap_interval", "decide", "exact_interval", "items_needed", "largest_pass",
    "lower_bound", "manski", "mean_interval", "power", "smallest_fail", "smallest_n", "smallest_tolerance", "upper_bound",
    "wilson_interval", "worst_case_interval",
]  # fmt: skip
