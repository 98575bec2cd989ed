"""The items on which two models differ, as the report shows them. No markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..audit.counting import by_source, item_outcomes
from ..audit.model import Finding, GateResult

#: Flips shown in each direction, and characters of each text there.
_FLIPS, _FLIP_TEXT = 5, 400


@dataclass(frozen=True, slots=True)
class Flip:
    """An item that one of two models failed and the other did not: its case, the prompt and both replies."""

    worse: bool
    case: str
    prompt: str
    target: str
    baseline: str


def flip_views(gate: GateResult, target: Sequence[Finding], baseline: Sequence[Finding]) -> tuple[Flip, ...]:
    """Return the first items of a gate on which the target and its baseline differ, those for the worse first."""
    if gate.paired is None:
        return ()
    mine, theirs = by_source(target), by_source(baseline)
    flips = []
    for source in mine:
        one, two = item_outcomes(mine[source])[source], item_outcomes(theirs.get(source, ())).get(source)
        if {one, two} == {"passed", "failed"}:
            flips.append(_flip(mine[source], theirs[source], one == "failed"))
    flips.sort(key=lambda flip: not flip.worse)
    return tuple([f for f in flips if f.worse][:_FLIPS] + [f for f in flips if not f.worse][:_FLIPS])


def _flip(mine: Sequence[Finding], theirs: Sequence[Finding], worse: bool) -> Flip:
    """Return the first case that failed on the one side, with what the other side made of it."""
    failing, other = (mine, theirs) if worse else (theirs, mine)
    case = next(f for f in failing if f.outcome == "failed")
    twin = next((f for f in other if f.case == case.case), other[0])
    target, baseline = (case, twin) if worse else (twin, case)
    return Flip(worse, case.case, _evidence(case, "prompt"), _evidence(target, "reply"), _evidence(baseline, "reply"))


def _evidence(finding: Finding, name: str) -> str:
    text = finding.evidence.get(name, "")
    return (text if isinstance(text, str) else str(text))[:_FLIP_TEXT]
