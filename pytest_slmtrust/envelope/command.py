"""``slmtrust envelope MODEL``: the envelope alone, without an audit."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from .. import door
from ..outputs import check_kind, check_outputs, write_output
from ..report.envelope import LimitRow

#: Functions of commands by name.
Commands: TypeAlias = dict[str, Callable[[argparse.Namespace], int]]
#: The key of a server, as in an audit.
_KEY = "SLMTRUST_API_KEY"


def add_envelope(commands: Any) -> Commands:
    """Add the command's arguments; return it by its name."""
    own = commands.add_parser("envelope", help="measure time, memory, size and energy of a model; exit 1 if a limit is not kept")
    own.add_argument("model", help="a model as in pytest --slm=MODEL")
    own.add_argument("--limit", action="append", default=[], metavar="NAME=VALUE", help="as --slm-limit of an audit; repeatable")
    own.add_argument("--optional", default="", metavar="NAMES", help="limits that may be NOT TESTED, separated by commas")
    own.add_argument("--seconds", type=float, default=60.0, help="how long the measured replies may take (default: 60)")
    own.add_argument("--dtype", default="float32", help="as --slm-dtype")
    own.add_argument("--device", default="auto", help="as --slm-device")
    own.add_argument("--engine", default="fast", help="as --slm-engine")
    own.add_argument("--json", type=Path, metavar="FILE", help="also write everything, draws too, into this file")
    return {"envelope": measure_alone}


def measure_alone(chosen: argparse.Namespace) -> int:
    """Measure and print; the status is 1 if a limit is not shown to be kept, and is not optional.

    Raises:
        ValueError, BackendError: a limit or a model that cannot be used; one line.
    """
    from dataclasses import asdict, fields

    from ..audit.envelope import KINDS, PREFIX, Envelope
    from ..audit.verdict import SILENT
    from ..backends.load import ModelSpec, load_backend
    from ..gates.waivers import check_gate_names
    from ..report.envelope import limit_rows, load_text, noise_lines
    from .limits import read_limits
    from .measure import measure

    limits = read_limits(chosen.limit)
    optional = [name.strip() for name in chosen.optional.split(",") if name.strip()]
    check_gate_names("optional limit", optional, [f"{PREFIX}::{one.name}" for one in limits])
    if not 0 < chosen.seconds <= 86_400:
        raise ValueError(f"--seconds is {chosen.seconds:g}; expected more than 0, and at most 86400")
    if chosen.json:  # before the minutes that measuring takes
        check_outputs([chosen.json], [Path(chosen.model)])
        check_kind(chosen.json, json.dumps(dict.fromkeys(one.name for one in fields(Envelope))))
    spec = ModelSpec(chosen.model, dtype=chosen.dtype, device=chosen.device, engine=chosen.engine,
                     key=os.environ.get(_KEY, "").strip())  # fmt: skip
    found = measure(load_backend(spec, _say), limits, wanted=tuple(KINDS), optional=optional, seconds=chosen.seconds, note=_say)
    _print([load_text(found.load), *map(_line, limit_rows(found)), *noise_lines(found)])
    if chosen.json:
        write_output(chosen.json, json.dumps(asdict(found), indent=1) + "\n")
        _say(f"wrote {chosen.json}")
    return int(any(one.status != "PASS" and not (one.excuse and one.status in SILENT) for one in found.limits))


def _line(row: LimitRow) -> str:
    bounds = f", bounds {row.bounds}" if row.bounds != "–" else ""
    held = f"{row.status} ({row.limit})" if row.status is not None else "no limit"
    draws = f", {row.draws} draws" if row.draws.isdigit() else ""
    return f"  {row.name:<12} {row.value}{bounds}{draws}; {held}" + (f": {row.reason}" if row.value == "–" else "")


def _print(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{door.line(line)}\n" for line in lines))


def _say(text: str) -> None:
    sys.stderr.write(f"{door.line(text)}\n")
