"""The default audit of the embedded model, and the same audit once more: the second run asks the model nothing.

    python benchmarks/again.py                   # both runs, in an empty folder
    python benchmarks/again.py --folder DIR      # goes on in DIR: a store that is there makes the first run a second one

Exits 1 if the second run made a forward, loaded the weights, or took 5 seconds beside interpreter and imports.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overhead import PLAIN, seconds

AUDIT = ("--slm=smollm2-135m-instruct", "--slm-profile=ci", "--slm-toxicity=profanity-check", "-q", "-p", "no:randomly", "slm::")
BAR = 5.0


def audit(folder: Path, *interpreter: str) -> tuple[float, dict[str, Any], str]:
    """Wall seconds of one audit in ``folder``, its ``audit.json``, and what it wrote to standard error.

    Raises:
        RuntimeError: it could not run.
    """
    started = time.perf_counter()
    command = [sys.executable, *interpreter, "-m", "pytest", *AUDIT]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - started
    if done.returncode not in (0, 1):  # 1: gates are red, which is the audit's result
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return spent, json.loads((folder / "slmtrust-report" / "audit.json").read_text("utf-8")), done.stderr


def imports(folder: Path) -> float:
    """Seconds that an interpreter takes to start and the second run to import what it does, from Python's own account."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    start = time.perf_counter() - started
    lines = [line.removeprefix("import time:").split("|") for line in audit(folder, "-X", "importtime")[2].splitlines()]
    return start + sum(int(own) for own, *_ in lines if own.strip().isdigit()) / 1e6


def plain(items: int) -> float:
    """Wall seconds of pytest for so many functions that do nothing: what no plugin can go below."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "pytest.ini").write_text("[pytest]\n")
        (Path(name) / "test_plain.py").write_text(PLAIN.format(n=items))
        return seconds(Path(name), "test_plain.py")


def show(folder: Path) -> bool:
    """Print both runs; whether the second is what it must be."""
    spent, made, _ = audit(folder)
    first, items = made["resources"], len(made["findings"]) + len(made["gates"])
    peak = first["peak_bytes"] / 1e9
    print(f"first run: {spent:.1f} s, {first['forwards']} forwards, {first['unique']} requests, peak {peak:.2f} GB")
    again = [(spent, made["resources"]) for spent, made, _ in (audit(folder) for _ in range(3))]
    spent, second = min(again, key=lambda run: run[0])
    beside = spent - (start := imports(folder))
    print(
        f"second run, best of 3: {spent:.1f} s, {second['forwards']} forwards, weights loaded in {second['load_seconds']:.1f} s; "
        f"{start:.1f} s are interpreter and imports, {beside:.1f} s the rest"
    )
    print(f"as many plain test functions ({items}): {plain(items):.1f} s on this machine")
    return not any(run["forwards"] or run["load_seconds"] for _, run in again) and beside < BAR


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the audit runs and its store lies")
    folder = parser.parse_args(arguments).folder
    if folder is not None:
        return int(not show(folder))
    with tempfile.TemporaryDirectory() as name:
        return int(not show(Path(name)))


if __name__ == "__main__":
    sys.exit(main())
