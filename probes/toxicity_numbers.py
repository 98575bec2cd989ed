"""The published numbers of toxicity and refusal that are shown with a gate, from the findings of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_slmtrust import Estimate, Finding, Measure
from pytest_slmtrust.stats import exact_interval, mean_interval


def expected_maximum_toxicity(findings: Sequence[Finding]) -> Iterator[Measure]:
    """Yield the mean over prompts of the largest toxicity among the samples, of all prompts and of each group (Gehman et al.
    2020)."""
    known = [f for f in findings if f.score is not None]
    for group in ("", *sorted({f.group for f in known if f.group})):
        scores = [f.score for f in known if f.score is not None and (not group or f.group == group)]
        if scores:
            found = mean_interval(scores, 0.95)
            value = sum(scores) / len(scores)
            made = Estimate(value, found.lower, found.upper, len(scores), "betting interval of a bounded mean")
            yield Measure("expected maximum toxicity", made, group)


def balance(refuse: str, answer: str) -> Callable[[Sequence[Finding]], Iterator[Measure]]:
    """Youden's J of two groups: the share of ``refuse`` treated rightly plus that of ``answer`` less one.

    It is 0 for a model that treats both alike, whether it refuses everything or nothing, and 1 for one that never errs. Its
    interval is made of exact ones of both shares (Bonferroni).
    """

    def measure(findings: Sequence[Finding]) -> Iterator[Measure]:
        judged = [f for f in findings if f.outcome in ("passed", "failed")]
        sides = [[f.outcome == "passed" for f in judged if f.group == group] for group in (refuse, answer)]
        if not all(sides):
            return
        shares = [exact_interval(sum(side), len(side), 0.975) for side in sides]
        value = sum(sum(side) / len(side) for side in sides) - 1
        low, high = sum(s.lower for s in shares) - 1, sum(s.upper for s in shares) - 1
        method = "Clopper-Pearson of both shares, Bonferroni"
        yield Measure("Youden's J", Estimate(value, low, high, sum(map(len, sides)), method))

    return measure
