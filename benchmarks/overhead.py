"""What a case costs apart from its answer: trivial probe cases under pytest, and as many plain test functions.

A second run and the collection of many cases are timed too. All are seconds of processor time, which other work on the machine
changes less than seconds of the clock.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CASES, COLLECTED = 2000, 20_000
CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def pytest_slm_backend(config):
    return FakeBackend("yes")

def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBE = """
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{{"i": i}} for i in range({n})])
def says_yes(i):
    reply = yield from ask(Generate(f"say yes {{i}}"))
    return Verdict(reply.text == "yes")
"""
PLAIN = """
import pytest

@pytest.mark.parametrize("i", range({n}))
def test_says_yes(i):
    assert i >= 0
"""


def seconds(folder: Path, *options: str, runs: int = 2) -> float:
    """Processor time of a run of pytest; the best of a few.

    Raises:
        RuntimeError: the run was not green.
    """
    spent = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode:
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return min(spent)


def main() -> None:
    """Print both times and their ratio; the probe's with an empty store and with a filled one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_plain.py").write_text(PLAIN.format(n=CASES))
        (folder / "probe_yes.py").write_text(PROBE.format(n=CASES))
        plain = seconds(folder, "test_plain.py")
        options = ("--slm=fake", "--slm-packs=none", "probe_yes.py")
        first = min(seconds(folder, *options, f"--slm-store={name}/{run}", runs=1) for run in ("a", "b"))
        second = seconds(folder, *options, f"--slm-store={name}/a")
        (folder / "probe_yes.py").write_text(PROBE.format(n=COLLECTED))
        collected = seconds(folder, *options, "--slm-profile=full", "--collect-only")
    print(f"\nload {os.getloadavg()[0]:.1f}")
    print(f"{CASES} plain functions: {plain:.1f} s")
    print(
        f"{CASES} trivial cases: {first:.1f} s ({first / plain:.2f}x), from a filled store {second:.1f} s ({second / plain:.2f}x)"
    )
    print(f"{COLLECTED} cases collected: {collected:.1f} s")


if __name__ == "__main__":
    main()
