"""Numbers with a unit as people write them: ``300ms``, ``600MB``, ``20tok/s``."""

from __future__ import annotations

import math
import re

#: What one of each unit is, in the unit in which a quantity is kept.
UNITS: dict[str, dict[str, float]] = {
    "s": {"us": 1e-6, "ms": 1e-3, "s": 1.0},
    "bytes": {
        "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    },
    "tok/s": {"tok/s": 1.0, "tokens/s": 1.0},
    "J/tok": {"J/tok": 1.0, "mJ/tok": 1e-3, "J/1000tok": 1e-3, "kJ/1000tok": 1.0},
}  # fmt: skip
_VALUE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(\S*)")


def amount(text: str, unit: str, example: str) -> float:
    """Return a number above 0 in ``unit``; ``example`` shows in a message how it is written.

    Raises:
        ValueError: no such number, in one line that ends the sentence "it is TEXT: ...".
    """
    found, units = _VALUE.fullmatch(text.strip()), UNITS[unit]
    if found is None or found[2] not in units:
        raise ValueError(f"expected a number with one of the units {', '.join(units)}, such as {example}")
    number = float(found[1]) * units[found[2]]
    if not 0 < number < math.inf:
        raise ValueError("a limit must be above 0 and finite")
    return number
