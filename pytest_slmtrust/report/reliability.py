"""The reliability diagram of a probe whose evidence holds ``confidence`` and ``right``: the places of its marks. No markup."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..audit.model import Finding, GateResult

#: Answers under which a diagram would show chance.
LEAST = 10
#: Bins of equal width, as the expected calibration error of the probes has.
BINS = 10
#: The plot in the picture, in pixels: left, top, and the length of its sides.
LEFT, TOP, SIDE = 60, 10, 240


@dataclass(frozen=True, slots=True)
class Mark:
    """The answers of one bin: the place of their point and interval, in pixels, and their numbers as shares of one."""

    x: float
    y: float
    top: float
    bottom: float
    radius: float
    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Diagram:
    """Confidence against accuracy: marks from the lowest confidence up, the answers, the error and the Brier score of all, and
    where the plot lies in the picture."""

    marks: tuple[Mark, ...]
    n: int
    ece: float
    brier: float
    left: int = LEFT
    top: int = TOP
    side: int = SIDE


def answers(findings: Iterable[Finding]) -> list[tuple[float, bool]]:
    """Confidence and rightness of every finding that says both; any other value under these names is left out."""
    found = []
    for one in findings:
        stated, right = one.evidence.get("confidence"), one.evidence.get("right")
        if isinstance(stated, (int, float)) and not isinstance(stated, bool) and isinstance(right, bool) and 0 <= stated <= 1:
            found.append((float(stated), right))
    return found


def diagram(gate: GateResult, findings: Iterable[Finding]) -> Diagram | None:
    """Return the diagram of one gate's own findings; None with fewer than :data:`LEAST` answers that state a confidence."""
    pairs = answers(findings) if not gate.versus else []
    if len(pairs) < LEAST:
        return None
    from ..stats import brier, ece, reliability

    stated, right = [c for c, _ in pairs], [r for _, r in pairs]
    marks = tuple(
        Mark(
            x=LEFT + SIDE * b.confidence, y=_down(b.accuracy), top=_down(b.interval.upper), bottom=_down(b.interval.lower),
            radius=3 + 5 * math.sqrt(b.n / len(pairs)), low=b.lower, high=b.upper, n=b.n, confidence=b.confidence,
            accuracy=b.accuracy, lower=b.interval.lower, upper=b.interval.upper,
        )
        for b in reliability(stated, right, BINS)
    )  # fmt: skip
    return Diagram(marks, len(pairs), ece(stated, right, BINS), brier(stated, right))


def _down(share: float) -> float:
    return TOP + SIDE * (1 - share)
