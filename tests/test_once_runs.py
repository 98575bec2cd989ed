"""What a run with failing cases works out, it works out once, and looks for garbage where there is some: counts, never times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COUNTING = """
import gc
from pytest_slmtrust.backends.fake import FakeBackend

def pytest_slm_backend(config):
    return FakeBackend("no")

def pytest_configure(config):
    from pytest_slmtrust.plugin import nodes
    told = nodes.describe
    nodes.described = 0
    def describe(found, probe):
        nodes.described += 1
        return told(found, probe)
    nodes.describe = describe

def pytest_sessionfinish(session):
    print("\\nOBJECTS", len(gc.get_objects()))

def pytest_unconfigure(config):
    from pytest_slmtrust.plugin import nodes
    print("DESCRIBED", nodes.described)
"""
FAILING = """
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{"i": i} for i in range(40)], tolerance=0.1)
def says_yes(i):
    reply = yield from ask(Generate(f"say yes {i}, ada@example.org"))
    return Verdict(reply.text == "yes", evidence={"asked": "write to ada@example.org"})
"""
CYCLE = """
class Left:
    def __del__(self):
        raise OSError("left behind")

def test_leaves_a_cycle():
    left = Left()
    left.itself = left
"""


def said_in(folder: Path, *options: str) -> tuple[str, dict[str, int]]:
    """What a run of failing cases printed, and what its conftest counted."""
    files = {"pytest.ini": "[pytest]\n", "conftest.py": COUNTING, "probe_x.py": FAILING, "test_x.py": CYCLE}
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "--slm=fake", "--slm-packs=none", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    pairs = [line.split() for line in text.splitlines() if line.startswith(("OBJECTS ", "DESCRIBED "))]
    return text, {name: int(number) for name, number in pairs}


def test_a_failing_case_is_described_where_somebody_reads_it(tmp_path: Path) -> None:
    assert said_in(tmp_path)[1]["DESCRIBED"] == 0
    text, counted = said_in(tmp_path, "-rx", "--xfail-tb")
    assert counted["DESCRIBED"] == 40
    assert text.count("asked: write to ‹email:") == 40
    assert "ada@" not in text


def test_what_a_run_keeps_is_not_collected_again_as_it_ends(tmp_path: Path) -> None:
    text, counted = said_in(tmp_path, "-p", "no:randomly")
    assert counted["OBJECTS"] < 1000
    assert text.count("PytestUnraisableExceptionWarning: ") == 1  # pytest still hears of what a test left


SEARCHED = """
import gc, sys

SEARCHES = []

def begun(phase, about):
    frame, places = sys._getframe(1), []
    while frame is not None:
        places.append((frame.f_code.co_filename.rpartition("pytest_slmtrust/")[2], frame.f_code.co_name))
        frame = frame.f_back
    imports = ("plugin/controller.py", "<module>") in places or ("plugin/packs.py", "probes_of_packs") in places
    SEARCHES.append(imports)

def pytest_configure(config):
    gc.callbacks.append(begun)

def pytest_unconfigure(config):
    gc.callbacks.remove(begun)
    print("SEARCHES", len(SEARCHES) > 0, sum(SEARCHES), gc.isenabled())
"""


def test_nobody_looks_for_garbage_while_modules_are_imported(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(SEARCHED)
    command = [sys.executable, "-m", "pytest", "--slm=fake", "--collect-only", "-q", "-p", "no:cacheprovider", "slm::privacy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith("SEARCHES")] == ["SEARCHES True 0 True"]


@pytest.mark.parametrize("collects", [True, False])
def test_who_collects_no_garbage_goes_on_so(collects: bool) -> None:
    code = (
        "import gc\nfrom pytest_slmtrust.plugin.kept import kept\n"
        f"gc.enable() if {collects} else gc.disable()\n"
        "try:\n    with kept():\n        inside = gc.isenabled()\n        1 / 0\nexcept ZeroDivisionError:\n    pass\n"
        "print(inside, gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"False {collects}\n"
