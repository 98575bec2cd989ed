"""What all tables of the gate benchmark share: their layout, and the bars that they must reach."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that a table must show: ``worst`` is the figure that decides, in words."""

    claim: str
    holds: bool
    worst: str


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> None:
    """Print one table with aligned columns: the first to the left, the rest to the right."""
    cells = [list(head), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))))
        if number == 0:
            print("  " + "  ".join("-" * w for w in widths))
    for line in note.splitlines():
        print(f"  {line}")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def show(bars: Iterable[Bar]) -> list[Bar]:
    """Print bars and give them back."""
    shown = list(bars)
    for bar in shown:
        print(f"  {'holds' if bar.holds else 'FALLS SHORT'}: {bar.claim} ({bar.worst})")
    return shown


def conclude(bars: Sequence[Bar]) -> None:
    """Print how many bars hold, and end the process: 1 if one falls short."""
    short = [bar for bar in bars if not bar.holds]
    print(f"\n{len(bars) - len(short)} of {len(bars)} bars hold")
    for bar in short:
        print(f"  FALLS SHORT: {bar.claim} ({bar.worst})")
    sys.exit(1 if short else 0)
