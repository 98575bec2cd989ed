"""Types of arguments on the command line, whose errors are one line (``argparse.ArgumentTypeError``), and names unknown to us."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches

#: argparse's words for a choice that does not exist.
_CHOICE = re.compile(r"invalid choice: '(?P<given>[^']{1,60})' \(choose from (?P<known>.*)\)\Z", re.DOTALL)


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


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """``Unknown dimension 'toxcity'. Did you mean 'toxicity'?``"""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names) or 'none'}."
    return f"Unknown {what} {name!r}. {hint}"


def hinted(message: str) -> str:
    """Return argparse's error with the choice that was meant by a misspelled one, if there is one."""
    found = _CHOICE.search(message)
    near = get_close_matches(found["given"], re.findall(r"[\w-]+", found["known"]), n=1) if found else []
    return (
        f"{message[: found.start()]}{found['given']!r} does not exist. Did you mean {near[0]!r}?" if found and near else message
    )


def reason(error: BaseException) -> str:
    """Return an error in words; one of the system as file and cause, without its number."""
    named = isinstance(error, OSError) and error.filename is not None and error.strerror
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and named else str(error)
