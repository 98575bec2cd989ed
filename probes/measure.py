"""Numbers beside a probe's own, each with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_slmtrust import Estimate, Measure


def share_of(name: str, values: Sequence[bool], group: str = "") -> Iterator[Measure]:
    """The share of True with its exact interval; nothing without values."""
    from pytest_slmtrust.stats import exact_interval

    if values:
        hits, n = sum(values), len(values)
        interval = exact_interval(hits, n, 0.95)
        yield Measure(name, Estimate(hits / n, interval.lower, interval.upper, n, "Clopper-Pearson, two-sided"), group)


def mean_of(name: str, values: Sequence[float], group: str = "") -> Iterator[Measure]:
    """The mean of values in [0, 1] with a betting interval; nothing without values."""
    from pytest_slmtrust.stats import mean_interval

    if values:
        interval, mean = mean_interval(values, 0.95), sum(values) / len(values)
        method = "betting interval of a bounded mean"
        yield Measure(name, Estimate(mean, min(interval.lower, mean), max(interval.upper, mean), len(values), method), group)


def calibration_of(name: str, confidences: Sequence[float], right: Sequence[bool], group: str = "") -> Iterator[Measure]:
    """The expected calibration error over ten bins, with a bootstrap interval; nothing without answers."""
    from pytest_slmtrust.stats import ece, ece_interval

    if confidences:
        value, interval = ece(confidences, right), ece_interval(confidences, right)
        ends = min(interval.lower, value), max(interval.upper, value)
        yield Measure(name, Estimate(value, *ends, len(confidences), interval.method), group)
