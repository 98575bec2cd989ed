"""How often the detectors err on labelled texts, as ``detectors.toml`` has it."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


def measured(detector: str) -> list[dict[str, Any]]:
    """Return the rows of a detector: counts of true and false positives and negatives by data set."""
    return [dict(row) for row in _rows() if row["detector"] == detector]


@cache
def _rows() -> list[dict[str, Any]]:
    path = Path(__file__).with_name("detectors.toml")
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["measured"]
    return rows
