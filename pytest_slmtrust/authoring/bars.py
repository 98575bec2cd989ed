"""A bar that was registered before the run: what a model must reach on a task, with the day on which that was decided."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from numbers import Real
from typing import Any

from ..audit.amounts import amount
from .declarations import ProbeError


@dataclass(frozen=True, slots=True)
class Bar:
    """What a task asks of a model. ``registered``: an ISO date, such as ``2026-11-01``, not after today.

    ``accuracy`` and ``macro_f1`` lie between 0 and 1; ``latency_p95`` is a time such as ``2000ms``: 95 % of the
    texts get their label within it, as the probe asks for it. None or empty: not asked.

    Raises:
        ProbeError: a value that cannot be, or a bar that asks nothing.
    """

    registered: str
    accuracy: float | None = None
    macro_f1: float | None = None
    latency_p95: str = ""

    def __post_init__(self) -> None:
        try:
            day = date.fromisoformat(self.registered)
        except (TypeError, ValueError):
            raise ProbeError(f"registered is {self.registered!r}; expected a date such as 2026-11-01") from None
        if day > datetime.now(UTC).date():
            raise ProbeError(f"a bar registered on {day} lies in the future: it is registered before the run")
        for name in ("accuracy", "macro_f1"):
            value = getattr(self, name)
            if value is None:
                continue
            number = _number(value)
            if not 0 < number < 1:
                raise ProbeError(f"{name} of a bar is {value!r}; it must be a number between 0 and 1")
            object.__setattr__(self, name, number)  # of NumPy, too: its scalars have no JSON form
        if self.latency_p95 or not isinstance(self.latency_p95, str):
            try:
                amount(self.latency_p95, "s", "2000ms")
            except (AttributeError, TypeError, ValueError) as error:
                why = error if isinstance(self.latency_p95, str) else "expected a text such as '2000ms'"
                raise ProbeError(f"latency_p95 of a bar is {self.latency_p95!r}: {why}") from None
        if self.accuracy is None and self.macro_f1 is None:
            raise ProbeError("a bar needs an accuracy or a macro_f1")

    @property
    def sha256(self) -> str:
        """The digest of all that it asks."""
        return digest(asdict(self))


def _number(value: object) -> float:
    """Return a real number of any kind as a float; NaN for anything else, a bool among it."""
    try:
        return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.nan


def bar_text(bar: Mapping[str, Any]) -> str:
    """Return what a bar's fields ask in one line, with its day."""
    asked = [f"{name} {bar[name]}" for name in ("accuracy", "macro_f1", "latency_p95") if bar.get(name)]
    return f"{', '.join(asked)}, registered {bar.get('registered')}"


def digest(bar: Mapping[str, Any]) -> str:
    """Return the digest of a bar's fields."""
    asked = {name: bar[name] for name in ("accuracy", "latency_p95", "macro_f1", "registered")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
