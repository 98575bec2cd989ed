"""Several audits on one self-contained page: models, tests next to each other, items that differ, trust against cost.

It follows the rules of the report: text of others is escaped and cut, the policy allows one style and nothing else, and no
script is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..audit.model import GateResult, Status
from ..audit.verdict import SILENT
from .account import limit
from .flips import FLIPS
from .frame import csp_hash, environment, glossary, read, trusted
from .front import UNKNOWN, digest, precision, size, started, tool
from .pareto import BOTTOM, TOP, speed, tradeoff
from .shifts import found_text, pair_views
from .sides import Side, SideBySide
from .view import DIMENSIONS, Bar, anchor, gate_view


@dataclass(frozen=True, slots=True)
class Column:
    """One model with what identifies it. ``same`` are the letters of the other audits of the same weights."""

    side: Side
    status: Status
    passed: int
    counted: int
    facts: tuple[tuple[str, str, str], ...]
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one audit says of one test: its gate, what was found, the interval, a bar and the same in words."""

    letter: str
    gate: GateResult
    found: str
    interval: str
    bar: Bar | None
    summary: str


@dataclass(frozen=True, slots=True)
class Row:
    """One test, and its cell for each audit: None where an audit has no such test. ``differs``: not all say the same status."""

    name: str
    claim: str
    unit: str
    anchor: str
    limit: str
    cells: tuple[tuple[str, Cell | None], ...]
    differs: bool


def render_comparison(together: SideBySide) -> str:
    """Return the whole page. The same audits in the same order give the same bytes."""
    style = read("report.css") + read("side.css")
    rows = _rows(together)
    return environment().get_template("comparison.html.j2").render(
        together=together, columns=[_column(side, together.sides) for side in together.sides], rows=rows,
        pairs=pair_views(together), tradeoff=tradeoff(together), top=TOP, bottom=BOTTOM, words=glossary(),
        changed=_changed(together),
        untested=sorted(key for key, found in together.gates.items() if all(g.status in SILENT for g in found.values())),
        title=_title(together.sides), style=trusted(style), style_hash=csp_hash(style), most=FLIPS,
    )  # fmt: skip


def _title(sides: Sequence[Side]) -> str:
    return f"{sides[0].name} and {sides[1].name}" if len(sides) == 2 else f"{len(sides)} audits side by side"


def _column(side: Side, sides: Sequence[Side]) -> Column:
    audit, mine = side.audit, digest(side.audit.model)
    counted = [g for g in audit.gates if g.blocking and not g.versus]
    measured = speed(side)
    pace = f"{measured:.1f} tokens written a second" if measured else "not measured: the run asked the model nothing anew"
    facts = [
        mine,
        ("Size", size(audit.model), "parameters"),
        ("Precision", precision(audit.model), "precision"),
        ("Date", started(audit), ""),
        ("Tool", tool(audit), ""),
        ("Profile", audit.profile, "profile"),
        ("Speed", pace, ""),
    ]
    same = tuple(o.letter for o in sides if o is not side and mine[1] != UNKNOWN and digest(o.audit.model) == mine)
    return Column(side, audit.verdict, sum(g.status is Status.PASS for g in counted), len(counted), tuple(facts), same)


def _rows(together: SideBySide) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Return the tests of each dimension that any audit has a result of; those whose statuses differ come first."""
    found: dict[str, list[Row]] = {name: [] for name in DIMENSIONS}
    letters = [side.letter for side in together.sides]
    for key, by_letter in together.gates.items():
        told = [g for g in by_letter.values() if g.status not in SILENT]
        if not told:
            continue
        one = told[0]
        cells = tuple((letter, _cell(letter, by_letter[letter]) if letter in by_letter else None) for letter in letters)
        statuses = {cell.gate.status if cell else None for _, cell in cells}
        row = Row(one.name, one.claim, one.unit, anchor("test", key), _limit(told), cells, len(statuses) > 1)
        found.setdefault(one.dimension, []).append(row)
    return tuple((name, tuple(sorted(rows, key=lambda row: not row.differs))) for name, rows in found.items() if rows)


def _limit(gates: Sequence[GateResult]) -> str:
    """Return the limit of a test, where all audits have the same one."""
    limits = {(g.side, g.tolerance) for g in gates}
    if len(limits) > 1:
        return "the audits have different limits"
    return "no limit" if gates[0].tolerance is None else f"limit: {limit(gates[0])}"


def _cell(letter: str, gate: GateResult) -> Cell:
    shown = gate_view(gate, {}, ())
    bar = None if gate.status in (Status.UNEARNED, Status.INVALID) else shown.bar
    return Cell(letter, gate, found_text(gate), shown.interval, bar, shown.summary)


def _changed(together: SideBySide) -> tuple[tuple[str, str], ...]:
    """Name the tests that were not asked alike, and which audits agree on them."""
    return tuple(
        (key, "; ".join(" and ".join(letters) for letters in groups)) for key, groups in sorted(together.changed.items())
    )
