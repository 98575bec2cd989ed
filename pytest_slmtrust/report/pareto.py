"""Trust against cost: which of several models no other one beats in both. No markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..audit.model import GateResult, Status
from ..audit.quantities import quantity_of
from ..audit.verdict import SILENT
from .numbers import finite, number, percent
from .sides import Side, SideBySide

#: Share of the width in which marks are drawn, in per cent, and the height of the drawing in CSS pixels.
_LEFT, _RIGHT, TOP, BOTTOM = 12.0, 90.0, 16, 216
#: A range wider than this factor is drawn on a logarithmic axis.
_WIDE = 8
#: One label names all marks that would stand in its way: its height and, on a narrow page, a letter's width in per cent.
_LINE, _LETTER = 14.0, 3.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One model: its place (``x`` in per cent of the width, ``y`` in CSS pixels), its numbers as text, whether no other model
    beats it, and its label ("" if the label of a mark close by names it), on its left where there is no room on its right.
    ``worst``: the highest rate of a test that counts."""

    letter: str
    name: str
    x: float
    y: float
    cost: str
    trust: str
    worst: str
    front: bool
    label: str = ""
    left: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Share of the tests that count which passed, against one cost. ``better`` says which end of the cost is good; ``ticks`` are
    places and texts of the axis, ``steps`` the corners of the front, ``absent`` the letters without a number."""

    id: str
    cost: str
    better: str
    logarithmic: bool
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    steps: tuple[tuple[float, float], ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """The plots, the number of tests that count in any of the audits, and for each letter how many of these passed."""

    tests: int
    passed: Mapping[str, int]
    worst: Mapping[str, str]
    plots: tuple[Plot, ...]


def tradeoff(together: SideBySide) -> Tradeoff:
    """Return share of passed tests against size and, where it was measured, speed and memory."""
    counting = [by_letter for by_letter in together.gates.values() if any(g.blocking for g in by_letter.values())]
    ended = [side for side in together.sides if not side.audit.incomplete]
    passed = {side.letter: sum(_passes(by_letter.get(side.letter)) for by_letter in counting) for side in ended}
    costs = (
        ("size", "millions of parameters", "smaller is cheaper", {s.letter: _millions(s) for s in ended}),
        ("speed", "tokens written a second, measured", "faster is better", {s.letter: speed(s) for s in ended}),
        (
            "latency",
            "seconds until half of the replies were there, measured",
            "shorter is better",
            {s.letter: _latency(s) for s in ended},
        ),
        ("memory", "peak memory in MiB, measured", "smaller is cheaper", {s.letter: _memory(s) for s in ended}),
    )
    worst = {side.letter: _worst([found[side.letter] for found in counting if side.letter in found]) for side in ended}
    plots = [_plot(ended, name, cost, better, found, passed, worst, len(counting)) for name, cost, better, found in costs]
    return Tradeoff(len(counting), passed, worst, tuple(p for p in plots if p is not None))


def _worst(gates: Sequence[GateResult]) -> str:
    """Return the highest failure rate, with the name of its test."""
    rates = [(shown.value, g.name) for g in gates if _rated(g) and (shown := quantity_of(g).shown(g)) is not None]
    share, name = max(rates, default=(None, ""))
    return f"{percent(share)} ({name})" if share is not None else "none has a rate"


def _rated(gate: GateResult) -> bool:
    broken = gate.status in (*SILENT, Status.INVALID, Status.UNEARNED)
    return not broken and quantity_of(gate).counted and gate.best is not None


def _passes(gate: GateResult | None) -> bool:
    return gate is not None and gate.blocking and gate.status is Status.PASS


def _positive(value: object) -> float | None:
    """Return a number above 0 that a float holds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value):
        return None
    return float(value) if 0 < value < 1e300 else None


def speed(side: Side) -> float | None:
    """Return the tokens that a model wrote in a second, where the run asked it anything: of its writing, where a server streamed,
    else of all of its time."""
    counters = side.audit.resources
    streamed = _positive(counters.get("tokens_per_second"))
    if streamed:
        return streamed
    written, seconds = _positive(counters.get("generated")), _positive(counters.get("model_seconds", counters.get("seconds")))
    return written / seconds if written and seconds and counters.get("forwards", 1) else None


def _latency(side: Side) -> float | None:
    return _positive(side.audit.resources.get("latency_p50"))


def _millions(side: Side) -> float | None:
    found = _positive(side.audit.model.get("parameters"))
    return None if found is None else found / 1e6


def _memory(side: Side) -> float | None:
    found = _positive(side.audit.resources.get("peak_bytes"))
    return None if found is None else found / 2**20


def _plot(
    sides: Sequence[Side], name: str, cost: str, better: str, found: Mapping[str, float | None], passed: Mapping[str, int],
    worst: Mapping[str, str], n: int,
) -> Plot | None:  # fmt: skip
    """Return a plot where at least two models have different costs; a line of equal ones says nothing."""
    known = {letter: value for letter, value in found.items() if value is not None}
    if n == 0 or len(set(known.values())) < 2:
        return None
    low, high = min(known.values()), max(known.values())
    wide = high / low > _WIDE
    sign = -1 if name == "speed" else 1
    marks: list[Mark] = []
    for side in (s for s in sides if s.letter in known):
        letter, value = side.letter, known[side.letter]
        x, y = _across(value, low, high, wide), _up(passed[letter] / n)
        front = _best(letter, known, passed, sign)
        trust = f"{passed[letter]} of {n}"
        marks.append(Mark(letter, side.name, x, y, number(_short(value)), trust, worst[letter], front))
    ends = [low, math.sqrt(low * high) if wide else (low + high) / 2, high]
    ticks = tuple((_across(v, low, high, wide), number(_short(v))) for v in ends)
    corners = sorted({(m.x, m.y) for m in marks if m.front})
    absent = tuple(s.letter for s in sides if s.letter not in known)
    return Plot(name, cost, better, wide, _labelled(marks), ticks, tuple(corners), absent)


def _labelled(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Return the marks with labels: a mark whose letter would be written over another's is named by that one's label."""
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda m: (m.x, m.y, m.letter)):
        for group in groups:
            if abs(mark.y - group[0].y) < _LINE and mark.x - group[0].x < _LETTER * (len(group) + 1):
                group.append(mark)
                break
        else:
            groups.append([mark])
    told = {}
    for first, *others in groups:
        label = ", ".join(sorted(m.letter for m in (first, *others)))
        told[first.letter] = replace(first, label=label, left=first.x + _LETTER * (len(others) + 2) > 100)
    return tuple(told.get(mark.letter, mark) for mark in marks)


def _best(letter: str, cost: Mapping[str, float], passed: Mapping[str, int], sign: int) -> bool:
    """Return whether no other model costs no more and passes no less, and is better in one of the two."""
    mine = (sign * cost[letter], -passed[letter])
    others = ((sign * cost[one], -passed[one]) for one in cost)
    return not any(o != mine and o[0] <= mine[0] and o[1] <= mine[1] for o in others)


def _across(value: float, low: float, high: float, wide: bool) -> float:
    share = math.log(value / low) / math.log(high / low) if wide else (value - low) / (high - low)
    return _LEFT + (_RIGHT - _LEFT) * share


def _up(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _short(value: float) -> float:
    """Return a number with three significant digits."""
    return float(f"{value:.3g}")
