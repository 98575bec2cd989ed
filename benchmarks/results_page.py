"""A page of docs/results/ written by the benchmark that measured it: date, commit, machine and command stand at its head."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path


def page(
    path: Path, title: str, about: str, script: str, head: Sequence[str], rows: Iterable[Sequence[object]], *notes: str
) -> None:  # fmt: skip
    """Write a page with one table; ``about`` and ``notes`` are paragraphs before and after it."""
    arguments = " ".join(word for word in sys.argv[1:])
    lines = [f"# {title}", "", about, "", f"{origin()} Command: `python {script} {arguments}`".rstrip() + ".", ""]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in (head,)]
    lines += ["|" + "-|" * len(head), *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)]
    for note in notes:
        lines += ["", note]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def origin() -> str:
    """One sentence: when, at which commit, and on what it was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    where = f"{_processor()}, {os.cpu_count()} cores{load}"
    return f"Measured on {datetime.now(UTC).date()} at {commit or 'an unknown commit'}: {where}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
