"""Types of arguments on the command line. What does not fit raises ``argparse.ArgumentTypeError``, one line."""

from __future__ import annotations

import argparse
from datetime import date


def counts(text: str) -> tuple[int, ...]:
    """Return ``0,1,4`` as numbers."""
    return tuple(int(part) for part in text.split(","))


def day(text: str) -> date:
    """Return a date written as 2030-01-31."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; expected one such as 2030-01-31") from None


def share(text: str) -> float:
    """Return ``0.05`` or ``5%`` as a number between 0 and 1."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0 and 1, such as 0.05 or 5%")
    return value
