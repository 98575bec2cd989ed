"""Tests that start pytest try the package that they import, not one that is installed next to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest_slmtrust

SCRIPT = """
import sys
from pathlib import Path
from runs import run

if __name__ == "__main__":
    print(run(Path(sys.argv[1]), "-s").stdout)
"""
TEST = """
import sys
from pathlib import Path

def test_place():
    print("IMPORTED", sys.modules["pytest_slmtrust"].__file__)
"""


def test_a_forked_run_tries_this_package_wherever_it_was_begun(tmp_path: Path) -> None:
    for name, text in {"pytest.ini": "[pytest]\n", "test_a.py": TEST, "script.py": SCRIPT}.items():
        (tmp_path / name).write_text(text)
    package = Path(pytest_slmtrust.__file__)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(package.parents[1]), str(Path(__file__).parent)))}
    command = [sys.executable, "script.py", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert f"IMPORTED {package}" in done.stdout, done.stdout
