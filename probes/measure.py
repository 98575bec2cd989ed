"""Numbers in addition to a probe's own, each with its interval: of all rows and by group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pytest_slmtrust import Estimate, Finding, Measure

#: What a measure is made of: pairs of a source item and a number, by group.
Values = Mapping[str, Sequence[tuple[str, float]]]


def judged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings with a score."""
    return [f for f in findings if f.score is not None and f.outcome in ("passed", "failed", "measured")]


def by_group(findings: Iterable[Finding], of: Callable[[Finding], float], source: str = "") -> dict[str, list[tuple[str, float]]]:
    """Return each finding's number with its item, of all (``""``) and by group; the item is its source, or that part of its
    evidence."""
    values: dict[str, list[tuple[str, float]]] = {"": []}
    for one in findings:
        pair = (str(one.evidence[source]) if source else one.source, of(one))
        values[""].append(pair)
        if one.group:
            values.setdefault(one.group, []).append(pair)
    return values


def shares(name: str, counts: Mapping[str, tuple[int, int]]) -> Iterator[Measure]:
    """Rates of ``(hits, items)`` by group, exact; all groups' intervals hold at once at 95 % (Bonferroni)."""
    from pytest_slmtrust.stats import exact_interval, rate_items

    groups = sum(bool(group) for group in counts)
    for group, (hits, items) in counts.items():
        if items:
            confidence = 1 - 0.05 / (groups if group else 1)
            ends = exact_interval(hits, items, confidence)
            said = ends.method + _together(group, groups)
            needed = rate_items(hits, items, confidence)
            yield Measure(name, Estimate(hits / items, ends.lower, ends.upper, items, said, confidence, needed), group)


def _together(group: str, groups: int) -> str:
    return ", groups at once" if group and groups > 1 else ""


def means(name: str, values: Values, low: float = 0.0, high: float = 1.0) -> Iterator[Measure]:
    """Yield the mean of numbers in ``[low, high]`` by group: a betting interval over the items' means, widened to hold the mean.

    All groups' intervals hold at once at 95 % (Bonferroni); that of all rows is for itself.
    """
    from pytest_slmtrust.stats import mean_interval

    groups = sum(bool(group) for group in values)
    for group, pairs in values.items():
        if not pairs:
            continue
        confidence = 1 - 0.05 / (groups if group else 1)
        items: dict[str, list[float]] = {}
        for item, value in pairs:
            items.setdefault(item, []).append(value)
        ends = mean_interval([sum(own) / len(own) for own in items.values()], confidence, low=low, high=high)
        mean = sum(value for _, value in pairs) / len(pairs)
        said = "betting interval of a bounded mean" + _together(group, groups)
        yield Measure(name, Estimate(mean, min(ends.lower, mean), max(ends.upper, mean), len(items), said, confidence), group)


def averages(name: str, values: Values) -> Iterator[Measure]:
    """Yield the mean of numbers without a bound by group, with a bootstrap interval (for display)."""
    from pytest_slmtrust.stats import bootstrap_interval

    for group, pairs in values.items():
        if pairs:
            numbers = [value for _, value in pairs]
            mean, ends = sum(numbers) / len(numbers), bootstrap_interval(numbers, [item for item, _ in pairs])
            lower, upper = min(ends.lower, mean), max(ends.upper, mean)
            yield Measure(name, Estimate(mean, lower, upper, len(numbers), "bootstrap over items (approximate)"), group)


def share_of(name: str, values: Sequence[bool], group: str = "") -> Iterator[Measure]:
    """Return the share of True with its exact interval; nothing without values."""
    return shares(name, {group: (sum(values), len(values))})


def mean_of(name: str, values: Sequence[float], group: str = "") -> Iterator[Measure]:
    """Return the mean of values in [0, 1], each an item of its own, with a betting interval; nothing without values."""
    return means(name, {group: [(str(number), value) for number, value in enumerate(values)]})


def calibration_of(name: str, confidences: Sequence[float], right: Sequence[bool], group: str = "") -> Iterator[Measure]:
    """Yield the expected calibration error over ten bins, with a bootstrap interval; nothing without answers."""
    from pytest_slmtrust.stats import ece, ece_interval

    if confidences:
        value, interval = ece(confidences, right), ece_interval(confidences, right)
        ends = min(interval.lower, value), max(interval.upper, value)
        yield Measure(name, Estimate(value, *ends, len(confidences), interval.method), group)
