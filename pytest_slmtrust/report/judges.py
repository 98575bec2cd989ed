"""What was measured of the judges: counts on labelled texts, as an audit's scorers hold them.

A scorer is what its maker describes, so nothing of it is taken for granted. A row of its ``measured`` has the counts ``tp``,
``fn``, ``tn`` and ``fp`` of flagged texts, and says in ``data``, ``split`` and ``note`` what they were counted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_COUNTS = ("tp", "fn", "tn", "fp")


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of a table: texts that should be flagged, those that should not, and how it was measured."""

    texts: str
    split: str
    note: str
    caught: int
    bad: int
    passed: int
    good: int
    how: str


def rows_of(scorer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rows that say something."""
    rows = scorer.get("measured")
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, (list, tuple)) else []


def has_counts(row: Mapping[str, Any]) -> bool:
    """Return whether a row has its four counts."""
    return all(type(row.get(key)) is int and row[key] >= 0 for key in _COUNTS)


def table(scorer: Mapping[str, Any]) -> tuple[Measured, ...]:
    """Return the rows for a table; none unless all have their counts, so that no row is left out."""
    rows, given = rows_of(scorer), scorer.get("measured")
    if not rows or not all(map(has_counts, rows)) or len(rows) != len(given or ()):
        return ()
    return tuple(_row(row) for row in rows)


def _row(row: Mapping[str, Any]) -> Measured:
    tp, fn, tn, fp = (row[key] for key in _COUNTS)
    said = {key: str(row.get(key) or "") for key in ("data", "split", "note", "date", "versions")}
    threshold = row.get("threshold")
    how = [said["date"], said["versions"], "" if threshold is None else f"threshold {threshold}"]
    return Measured(said["data"], said["split"], said["note"], tp, tp + fn, tn, tn + fp, ", ".join(filter(None, how)))
