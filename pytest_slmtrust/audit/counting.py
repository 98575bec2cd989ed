"""Counting: from findings of cases to source items, and the estimates that are shown of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from .merkle import SHORT
from .model import Estimate, Finding, GateResult

ItemOutcome: TypeAlias = Literal["failed", "unscored", "measured", "passed"]


@dataclass(frozen=True, slots=True)
class Items:
    """Counts of source items: one fails if any of its cases fails; else it is unscored if any could not be judged."""

    total: int
    failed: int
    unscored: int
    measured: int

    @property
    def worst(self) -> int:
        return self.failed + self.unscored


def by_source(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return the findings of each source item. Items that put the very same questions are one, under the name of the first.

    A model answers the same questions in the same way, so that many such items say no more than one of them.
    """
    items: dict[str, list[Finding]] = {}
    for one in findings:
        items.setdefault(one.source, []).append(one)
    first: dict[frozenset[str], str] = {}
    for source, cases in list(items.items()):
        asked = frozenset(one[:SHORT] for case in cases if case.answers is not None for one in case.answers.short)
        known = first.setdefault(asked, source) if asked else source
        if known != source:
            items[known] = [*items[known], *items.pop(source)]
    return items


def as_target(target: Iterable[Finding], baseline: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Return the findings of two models under the same source items: where the target was asked alike, both are one item."""
    items = by_source(target)
    name = {one.source: known for known, cases in items.items() for one in cases}
    mine = [replace(one, source=known, answers=None) for known, cases in items.items() for one in cases]
    return mine, [replace(one, source=name.get(one.source, one.source), answers=None) for one in baseline]


class ByGate:
    """Findings by the place and the probe of their gate: made once, since an audit may hold many of both."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._found: dict[tuple[str, str], list[Finding]] = {}
        for one in findings:
            place = one.nodeid.partition(f"::{one.probe}[")[0]
            self._found.setdefault((place, one.probe), []).append(one)

    def of(self, gate: GateResult) -> list[Finding]:
        """Return the findings of a gate's rows, in their order."""
        return self._found.get((gate.nodeid.rpartition("::")[0], gate.probe), [])


def item_outcomes(findings: Iterable[Finding], decides: bool = False) -> dict[str, ItemOutcome]:
    """Return each source item by its worst case. Where a rate gate ``decides``, one that was only measured was not judged."""
    return {source: _worst({c.outcome for c in cases}, decides) for source, cases in by_source(findings).items()}


def _worst(outcomes: set[str], decides: bool) -> ItemOutcome:
    if "failed" in outcomes:
        return "failed"
    if outcomes & {"unscored", "error"} or (decides and "measured" in outcomes):
        return "unscored"
    return "measured" if "measured" in outcomes else "passed"


def count_items(findings: Iterable[Finding], decides: bool = False) -> Items:
    outcomes = list(item_outcomes(findings, decides).values())
    return Items(len(outcomes), outcomes.count("failed"), outcomes.count("unscored"), outcomes.count("measured"))


def rate_estimate(items: Items) -> Estimate | None:
    """Return the share of failing source items among those that were scored, with its two-sided exact 95 % interval."""
    scored = items.total - items.unscored
    if not scored or items.measured:
        return None
    from ..stats import exact_interval, rate_items

    interval = exact_interval(items.failed, scored, 0.95)
    method, needed = "Clopper-Pearson, two-sided", rate_items(items.failed, scored)
    return Estimate(items.failed / scored, interval.lower, interval.upper, scored, method, needed=needed)


def item_scores(findings: Iterable[Finding]) -> list[float]:
    """Return the mean score of each source item that has one, in the order of the findings."""
    means = []
    for cases in by_source(findings).values():
        scores = [c.score for c in cases if c.score is not None]
        if scores:
            means.append(sum(scores) / len(scores))
    return means


def score_estimate(findings: Sequence[Finding]) -> Estimate | None:
    """Return the mean score over source items (the mean of an item's cases first), for scores in [0, 1] with a betting
    interval."""
    means = item_scores(findings)
    if not means:
        return None
    from ..stats import bootstrap_interval, mean_interval

    bounded = all(0 <= m <= 1 for m in means)
    interval = mean_interval(means, 0.95) if bounded else bootstrap_interval(means)
    method = "betting interval of a bounded mean" if bounded else "bootstrap over source items (approximate)"
    return Estimate(sum(means) / len(means), interval.lower, interval.upper, len(means), method)


def by_group(findings: Iterable[Finding]) -> Mapping[str, list[Finding]]:
    """Return the findings of each group, in the order of the groups' names."""
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        if one.group:
            groups.setdefault(one.group, []).append(one)
    return dict(sorted(groups.items()))
