"""The commands ``slmtrust merge``, ``slmtrust batch`` and ``slmtrust sweep``: their arguments, and what they do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import door
from ..outputs import check_outputs
from .child import run

_STORE = Path(".slmtrust")
#: Exit status of a pytest run that did its part of the work.
_PART = 6


def add_commands(commands: Any) -> Mapping[str, Callable[[argparse.Namespace], int]]:
    """Add the commands to a parser's; return what runs each."""
    merge = commands.add_parser("merge", help="join the stores of the shards of an audit (--slm-shard)")
    merge.add_argument("stores", type=Path, nargs="+", metavar="STORE", help="the folder of a store")
    merge.add_argument("--into", type=Path, default=_STORE, help="the folder of the joined store (default: .slmtrust)")
    merge.add_argument(
        "--keep-first", action="store_true", help="where two stores answer a request differently, keep the first answer"
    )
    batch = commands.add_parser("batch", help="hand open requests over as a file (OpenAI Batch), and take the answers")
    actions = batch.add_subparsers(dest="action", required=True, metavar="ACTION")
    write = actions.add_parser("write", help="write the open requests of the next wave; the rest is what pytest is called with")
    write.add_argument("file", type=Path, help="the file of requests, such as open.jsonl")
    write.add_argument("pytest", nargs=argparse.REMAINDER, metavar="...", help="pytest's arguments: --slm=batch:MODEL and others")
    read = actions.add_parser("read", help="put the answers of a batch into the store")
    read.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="a file of answers; what failed may come in a later one"
    )
    read.add_argument("--store", type=Path, default=_STORE, help="folder of the store (default: .slmtrust)")
    sweep = commands.add_parser("sweep", help="audit a base and its variants, and compare them; goes on after a kill")
    sweep.add_argument("file", type=Path, help="a TOML file: base, profiles, engines, options, and a table [models]")
    sweep.add_argument("--into", type=Path, default=Path("slmtrust-sweep"), help="where audits, stores and the comparison go")
    sweep.add_argument(
        "--ray", default="", metavar="ADDRESS", help="run the audits on a cluster of Ray: as --slm-ray of an audit"
    )
    return {"merge": _merge, "batch": _batch, "sweep": _sweep}


def _merge(chosen: argparse.Namespace) -> int:
    from ..engine.store_merge import merge

    for line in merge(chosen.stores, chosen.into, chosen.keep_first):
        _print(line)
    return 0


def _batch(chosen: argparse.Namespace) -> int:
    return _write(chosen) if chosen.action == "write" else _read(chosen)


def _write(chosen: argparse.Namespace) -> int:
    """Have pytest collect the cases and write what they ask next: only pytest knows them."""
    given = chosen.pytest[1:] if chosen.pytest[:1] == ["--"] else chosen.pytest
    command = [sys.executable, "-m", "pytest", *given, f"--slm-batch={chosen.file}"]
    status = run(command)
    return 0 if status == _PART else status or 1


def _read(chosen: argparse.Namespace) -> int:
    from ..engine.batch import read_batch

    for line in read_batch(chosen.files, chosen.store):
        _print(line)
    return 0


def _sweep(chosen: argparse.Namespace) -> int:
    """0: all audits ended, and no variant is worse; 1: one is, or cannot be compared; 2: a task ended in an error."""
    from .sweep import COMPARISON, alone, read_sweep, run_sweep, write_comparison

    check_outputs([chosen.into / COMPARISON], [chosen.file])
    sweep = read_sweep(chosen.file)
    with alone(chosen.into):
        ended = run_sweep(sweep, chosen.into, _say, chosen.ray)
        for line in write_comparison(ended, sweep.base, chosen.into, _say):
            _print(line)
    if any(one.error for one in ended):
        return 2
    return int(any(one.red for one in ended if one.task.model != sweep.base))


def _say(line: str) -> None:
    sys.stderr.write(f"{door.line(line)}\n")


def _print(line: str) -> None:
    sys.stdout.write(f"{door.line(line)}\n")
