"""The data files that lie beside the probes: rows are data, and are read when a profile asks for them."""

from __future__ import annotations

import csv
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def _text(name: str) -> str:
    return files("pytest_slmtrust.probes").joinpath(name).read_text("utf-8")


@cache
def read_toml(name: str) -> dict[str, Any]:
    """One TOML file; callers must not change what they get."""
    return tomllib.loads(_text(name))


@cache
def read_csv(name: str) -> tuple[dict[str, str], ...]:
    """The records of one CSV file with a header line; lines that begin with ``#`` are notes."""
    lines = [line for line in _text(name).splitlines() if line and not line.startswith("#")]
    return tuple(csv.DictReader(lines))
