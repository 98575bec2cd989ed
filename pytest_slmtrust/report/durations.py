"""Tokens and seconds by probe, as terminal and page show them."""

from __future__ import annotations

from collections.abc import Sequence

from ..audit.model import Audit
from ..audit.sections import Spent

_HEAD = ("seconds", "tokens read", "written", "asked", "stored")
_WIDE = (9, 12, 9, 7, 7)


def spent(audit: Audit) -> Sequence[Spent]:
    """Return what each probe cost, the dearest first; nothing of an audit that did not record it."""
    return audit.provenance.get("spent", [])


def table_lines(rows: Sequence[Spent], most: int) -> list[str]:
    """Return the table of at most ``most`` probes (0: all); the rest is one row, so that the columns add up."""
    if not rows:
        return ["tokens and seconds by probe: nothing was asked"]
    shown, rest = (rows[:most], rows[most:]) if most else (rows, [])
    lines = ["tokens and seconds by probe (a shared beginning is read once, and a request of several probes counted once):"]
    lines.append("".join(f"{name:>{wide}}" for name, wide in zip(_HEAD, _WIDE, strict=True)) + "  probe")
    lines += [_line(row, _name(row)) for row in shown]
    if rest:
        lines.append(_line(_sum(rest), f"{len(rest)} more probes"))
    if len(rows) > 1:
        lines.append(_line(_sum(rows), "in all"))
    return lines


def _name(row: Spent) -> str:
    return f"{row['dimension']}: {row['probe']}" if row["probe"] else "tests of your own"


def _line(row: Spent, name: str) -> str:
    figures = (f"{row['seconds']:.1f}", *(f"{n:,}" for n in (row["read"], row["written"], row["asked"], row["stored"])))
    return "".join(f"{text:>{wide}}" for text, wide in zip(figures, _WIDE, strict=True)) + f"  {name}"


def _sum(rows: Sequence[Spent]) -> Spent:
    return Spent(
        dimension="", probe="", asked=sum(r["asked"] for r in rows), stored=sum(r["stored"] for r in rows),
        read=sum(r["read"] for r in rows), written=sum(r["written"] for r in rows), seconds=sum(r["seconds"] for r in rows),
    )  # fmt: skip
