"""The items on which two models differ, as a page shows them. No markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..audit.counting import by_source, item_outcomes
from ..audit.model import Finding, GateResult
from ..redaction import offensive
from .examples import ANSWER, OF_MODEL, texts_of

#: Flips shown in each direction.
FLIPS = 5
Texts: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Flip:
    """An item that one of two models failed and the other did not: its case, the question, and what each made of it, as texts
    with labels; ``folded`` where they may offend."""

    worse: bool
    case: str
    question: Texts
    target: Texts
    baseline: Texts
    folded: bool


def flip_views(gate: GateResult, target: Sequence[Finding], baseline: Sequence[Finding], most: int = FLIPS) -> tuple[Flip, ...]:
    """Return the first items of a gate on which the target and its baseline differ, those for the worse first; ``most`` of them
    in each direction."""
    if gate.paired is None:
        return ()
    mine, theirs = by_source(target), by_source(baseline)
    one, two = item_outcomes(target), item_outcomes(baseline)
    left = {True: most, False: most}
    flips = []
    for source in mine:
        worse = one[source] == "failed"
        if {one[source], two.get(source)} == {"passed", "failed"} and left[worse]:
            left[worse] -= 1
            flips.append(_flip(mine[source], theirs[source], worse))
    flips.sort(key=lambda flip: not flip.worse)
    return tuple(flips)


def _flip(mine: Sequence[Finding], theirs: Sequence[Finding], worse: bool) -> Flip:
    """Return the first case that failed on the one side, with what the other side made of it."""
    failing, other = (mine, theirs) if worse else (theirs, mine)
    case = next(f for f in failing if f.outcome == "failed")
    twin = next((f for f in other if f.case == case.case), other[0])
    target, baseline = (case, twin) if worse else (twin, case)
    question = tuple((label, text) for label, text in texts_of(case.evidence) if label not in OF_MODEL)
    return Flip(worse, case.case, question, _answer(target), _answer(baseline), offensive(target) or offensive(baseline))


def _answer(finding: Finding) -> Texts:
    """Return what a model said, and how it was judged; an audit need not hold its replies."""
    texts = tuple((label, text) for label, text in texts_of(finding.evidence) if label in OF_MODEL)
    held = any(label.startswith(ANSWER) for label, _ in texts)
    return texts if held else ((ANSWER, "[this audit holds no reply to this item]"), *texts)
