"""The audits of one project over time: each test drawn with its interval, limit and status, and what else changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..audit.model import GateResult, Status
from ..audit.verdict import SILENT
from .frame import csp_hash, environment, glossary, read, trusted
from .front import NOT_STATED, UNKNOWN
from .numbers import number
from .past import Moment, Past
from .shifts import found_text
from .view import DIMENSIONS, Bar, anchor, gate_view, limit_text

#: Top and bottom of the drawing of one test, in CSS pixels, and the share of the width that points take, in per cent.
TOP, BOTTOM = 18, 108
_LEFT, _RIGHT = 6.0, 98.0
#: With more audits than this, statuses are in the table only: their shapes would cover each other.
_SHAPES = 40


@dataclass(frozen=True, slots=True)
class Step:
    """One audit of the list: its number, what changed since the one before, and where it is drawn, in per cent."""

    number: int
    moment: Moment
    changes: tuple[str, ...]
    x: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where the number of one audit, its interval and its limit are drawn, in CSS pixels from the top; None where not at all."""

    y: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """What one audit says of one test. ``rows``: the test was asked or judged otherwise before; ``joined``: a line leads
    here from that place of the point before."""

    step: Step
    gate: GateResult
    found: str
    interval: str
    limit_said: str
    drawn: Drawn
    rows: bool
    joined: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Course:
    """One test over all audits: ``said`` sums it up in words."""

    name: str
    claim: str
    anchor: str
    said: str
    status: Status
    points: tuple[Point, ...]

    @property
    def drawn(self) -> bool:
        """Whether any point has a place on the axis from 0 to 100 %."""
        return any(point.drawn.y is not None for point in self.points)


def render_history(past: Past) -> str:
    """Return the whole page. The same audits give the same bytes."""
    style = read("report.css") + read("side.css")
    steps = steps_of(past)
    dimensions = courses(steps)
    return environment().get_template("history.html.j2").render(
        past=past, steps=steps, notes=notes(past), dimensions=dimensions, top=TOP, bottom=BOTTOM, words=glossary(),
        since=since_last(dimensions, steps),
        half=_half(len(steps)), shapes=len(steps) <= _SHAPES, style=trusted(style), style_hash=csp_hash(style),
    )  # fmt: skip


def history_lines(past: Past) -> list[str]:
    """Return the history as lines for a terminal."""
    steps = steps_of(past)
    lines = [f"{len(steps)} audit{'' if len(steps) == 1 else 's'} below {past.folder}, the oldest first"]
    lines += [f"NOTE: {note}" for note in notes(past)]
    for step in steps:
        moment = step.moment
        passed = f"{moment.passed} of {moment.counted} blocking gates pass{moment.aside}"
        lines.append(f"{moment.date}  {moment.verdict:<13} {passed}  {moment.model}  {moment.place}")
        lines += [f"    changed: {change}" for change in step.changes]
    for dimension, some in courses(steps):
        lines += [f"{dimension}: {course.name}: {course.said}" for course in some if course.points[-1].gate.blocking]
    return lines


def notes(past: Past) -> list[str]:
    """Say what a reader must know before comparing these audits: several models, projects or owners in one folder."""
    said = []
    for what, values in (
        ("models", {m.model for m in past.moments}),
        ("projects, by their probe packs", {", ".join(m.packs) or "none" for m in past.moments}),
        ("owners", {m.owner for m in past.moments if m.owner != NOT_STATED}),
    ):
        if len(values) > 1:
            said.append(f"This folder holds audits of {len(values)} {what}: {'; '.join(sorted(values))}")
    unchecked = sorted({m.unchecked for m in past.moments if m.unchecked})
    return said + [f"NOT CHECKED in {sum(m.unchecked == why for m in past.moments)} of them: {why}" for why in unchecked]


def steps_of(past: Past) -> tuple[Step, ...]:
    """Return the audits with what changed from each to the next."""
    steps = []
    for number_, moment in enumerate(past.moments, 1):
        before = past.moments[number_ - 2] if number_ > 1 else None
        x = _LEFT + (_RIGHT - _LEFT) * (number_ - 0.5) / len(past.moments)
        steps.append(Step(number_, moment, tuple(_changes(before, moment)) if before else (), x))
    return tuple(steps)


def _half(count: int) -> float:
    """Return half of what one audit takes of the width, in per cent."""
    return (_RIGHT - _LEFT) / count / 2


def _changes(before: Moment, now: Moment) -> Iterator[str]:
    if before.model != now.model:
        yield f"model: {before.model}, now {now.model}"
    if UNKNOWN in (before.weights[1], now.weights[1]) or before.weights[0] != now.weights[0]:
        yield "weights: not known, no digest of the same kind"
    elif before.weights != now.weights:
        yield f"other weights: {before.weights[1][:12]}…, now {now.weights[1][:12]}…"
    elif before.parts != now.parts:
        yield "same weights, other settings or parts"
    if before.tool != now.tool:
        yield f"tool: {before.tool}, now {now.tool}"
    if before.build != now.build:
        yield f"built-in probes: {before.build[:8] or UNKNOWN}, now {now.build[:8] or UNKNOWN}"
    if before.profile != now.profile:
        yield f"profile: {before.profile}, now {now.profile}"


def courses(steps: Sequence[Step]) -> tuple[tuple[str, tuple[Course, ...]], ...]:
    """Return each test with a result over all audits, by dimension; those that count in the last audit come first."""
    keys = dict.fromkeys(key for step in steps for key, gate in step.moment.gates.items() if gate.status not in SILENT)
    found: dict[str, list[Course]] = {name: [] for name in DIMENSIONS}
    for key in keys:
        made = _course(key, steps)
        found.setdefault(made.points[-1].gate.dimension, []).append(made)
    for some in found.values():
        some.sort(key=lambda course: not course.points[-1].gate.blocking)
    return tuple((name, tuple(some)) for name, some in found.items() if some)


def _course(key: str, steps: Sequence[Step]) -> Course:
    points: list[Point] = []
    asked: str | None = None
    for step in steps:
        gate = step.moment.gates.get(key)
        if gate is None:
            continue
        rows = False
        if gate.status not in SILENT:
            identity = step.moment.rows.get(key)
            rows = asked is not None and identity != asked
            asked = identity
        points.append(_point(step, gate, rows, points[-1] if points else None))
    last = points[-1].gate
    return Course(last.name, last.claim, anchor("course", key), _said(points, steps), last.status, tuple(points))


def _point(step: Step, gate: GateResult, rows: bool, before: Point | None) -> Point:
    shown = gate_view(gate, {}, ())
    bar: Bar | None = None if gate.status in (*SILENT, Status.UNEARNED, Status.INVALID) else shown.bar
    limit = f"{gate.side} {limit_text(gate)}" if gate.tolerance is not None else "none"
    joined = None
    if before is not None and bar is not None and not rows and before.step.number == step.number - 1:
        joined = None if before.drawn.y is None else (before.step.x, before.drawn.y)
    interval = "" if gate.status in SILENT else shown.interval
    drawn = Drawn() if bar is None else Drawn(_up(bar.point), _up(bar.low), _up(bar.high), _limit(bar))
    return Point(step, gate, found_text(gate), interval, limit, drawn, rows, joined)


def _limit(bar: Bar) -> float | None:
    return None if bar.tolerance is None else _up(bar.tolerance)


def _up(percent: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * percent / 100


def _said(points: Sequence[Point], steps: Sequence[Step]) -> str:
    """Say which status a test has now, since when, and which it had before."""
    last = points[-1]
    since = last
    for point in reversed(points):
        if point.gate.status is not last.gate.status:
            break
        since = point
    gone = "" if last.step is steps[-1] else f"; absent since {steps[last.step.number].moment.day}"
    found = f", last {last.found}" if last.found else ""
    if since is points[0]:
        where = "in the one audit that has it" if len(points) == 1 else f"in all {number(len(points))} audits that have it"
        return f"{last.gate.status} {where}{found}{gone}"
    before = points[points.index(since) - 1]
    rows = "; asked or judged otherwise since then" if since.rows else ""
    return f"{last.gate.status} since {since.step.moment.day}, {before.gate.status} before{found}{rows}{gone}"


@dataclass(frozen=True, slots=True)
class Since:
    """What the last audit says otherwise than the one before: tests with another status, how many have other numbers, and how
    many have equal ones."""

    moved: tuple[tuple[Course, str], ...]
    numbers: int
    equal: int


def since_last(dimensions: Sequence[tuple[str, Sequence[Course]]], steps: Sequence[Step]) -> Since | None:
    """Compare the last audit with the one before; None where there is one only."""
    if len(steps) < 2:
        return None
    moved, numbers, equal = [], 0, 0
    for course in (course for _, some in dimensions for course in some):
        two = [p for p in course.points if p.step.number > len(steps) - 2]
        if len(two) == 2 and two[0].gate.status is not two[1].gate.status:
            rows = "; its rows or its judge changed, too" if two[1].rows else ""
            was, now = (f"{p.gate.status}{f', {p.found}' if p.found else ''}" for p in two)
            moved.append((course, f"{was}, then {now}{rows}"))
        elif len(two) == 2 and (two[0].found, two[0].interval) != (two[1].found, two[1].interval):
            numbers += 1
        else:
            equal += len(two) == 2
    return Since(tuple(moved), numbers, equal)
