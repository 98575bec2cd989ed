"""Whether two values of an audit say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def same(one: Any, two: Any) -> bool:
    """Return whether two values are the same, numbers within what another machine may round."""
    if isinstance(one, float) and isinstance(two, (int, float)) and not isinstance(two, bool):
        return math.isclose(one, two, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def short(value: Any) -> str:
    """Return a value for one line of a message."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
