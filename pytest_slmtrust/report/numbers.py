"""Numbers as the report writes them: bounds are rounded outwards, whole numbers of any size are shown. Long texts are cut."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

#: From here on numbers are written with a power of ten: nobody reads the digits, and a float may not hold them.
HUGE = 10**15
_ROUNDING = {"near": ROUND_HALF_EVEN, "up": ROUND_CEILING, "down": ROUND_FLOOR}


def percent(value: float | None, rounding: str = "near") -> str:
    """Return a fraction as text: one decimal from 1 %, two below; upper bounds go ``up``, lower bounds ``down``."""
    if value is None or not finite(value):
        return "–"
    if abs(value) >= HUGE:
        return f"{number(value)} × 100\u00a0%"
    exact = Decimal(repr(value)) * 100
    places = Decimal("0.01") if abs(exact) < 1 else Decimal("0.1")
    rounded = exact.quantize(places, _ROUNDING[rounding])
    return f"{rounded.normalize():f}\u00a0%" if rounded in (0, 100) else f"{rounded}\u00a0%"


def finite(value: float | int) -> bool:
    """``math.isfinite`` that takes whole numbers of any size."""
    return isinstance(value, int) or math.isfinite(value)


def number(value: float | int | None) -> str:
    """Whole numbers with thin groups of three, others with three significant digits."""
    if value is None:
        return "–"
    if not finite(value):
        return str(value)
    if abs(value) >= HUGE:
        return f"{Decimal(value):.2e}".replace("-", "\u2212", 1)
    whole = float(value).is_integer()
    text = f"{int(value):,}" if whole else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.1f}"
    return text.replace(",", "\u202f").replace("-", "\u2212", 1) if abs(value) >= 1e-4 or whole else text


def size(count: float | int) -> str:
    """Bytes for people."""
    if not finite(count) or abs(count) >= HUGE:
        return f"{number(count)}\u00a0bytes"
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:.1f}\u00a0{unit}"
    return f"{int(count)}\u00a0bytes"


def points(value: float, rounding: str = "near") -> str:
    """Return a difference of two shares in percentage points, with its sign."""
    rounded = (Decimal(repr(value)) * 100).quantize(Decimal("0.1"), _ROUNDING[rounding])
    sign = "+" if rounded > 0 else "\u2212" if rounded < 0 else "±"
    return f"{sign}{abs(rounded)}\u00a0points"


def cut_text(text: str, limit: int) -> str:
    """Return at most so many characters of a text, with a note of how many are missing."""
    return text if len(text) <= limit else f"{text[:limit]} … [{len(text) - limit} more characters]"
