"""What is shown of a row of a public data set: a report must not republish a benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: Rows of a set whose text an audit quotes, those that stand first in its file; the others are named by their number.
SHOWN = 20


def about(row: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence about one row, counted from 1: in full for the first ones, else without the set's own words."""
    return {"row": row, **said} if row <= SHOWN else {"row": row, "prompt": f"row {row} of the file; its text is left out"}


def plain_number(value: float) -> float | str:
    """Return a log-likelihood as JSON can hold it."""
    return round(value, 4) if math.isfinite(value) else str(value)
