"""``make audit``: its exit status and its words follow the audit that the run left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_slmtrust.archive.files import write_reports
from pytest_slmtrust.audit.merkle import EMPTY
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.audit.verdict import not_tested, overall, sentence

SCRIPT = Path(__file__).with_name("audit.sh")
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the script is not part of the wheel")
#: Stands for pytest: leaves the report that is ready in ``left``, if there is one, and exits as it is told.
PYTEST = "#!/bin/sh\nif [ -d left ]; then mkdir -p slmtrust-report && cp left/* slmtrust-report/; fi\nexit {code}\n"
SLMTRUST = """#!/bin/sh
if [ "$1" = prepare ]; then echo profanity-check; exit 0; fi
exec {python} -c 'import sys; from pytest_slmtrust.cli import main; sys.exit(main())' "$@"
"""


def script(folder: Path, code: int) -> subprocess.CompletedProcess[str]:
    programs = folder / "bin"
    programs.mkdir()
    for name, text in (("pytest", PYTEST.format(code=code)), ("slmtrust", SLMTRUST.format(python=sys.executable))):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    command = ["sh", str(SCRIPT), str(programs), "m", "ci"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def empty(folder: Path, incomplete: str = "") -> None:
    """An audit without a gate; its whole dimensions are listed as not tested."""
    verdict = overall((), incomplete)
    words = sentence(verdict, (), incomplete)
    made = Audit(verdict, words, "ci", (), (), not_tested((), set()), {"name": "m"}, incomplete=incomplete, answers_root=EMPTY)
    write_reports(made, folder)


def test_a_run_that_decided_nothing_says_so_and_is_no_pass(tmp_path: Path) -> None:
    empty(tmp_path / "left")
    done = script(tmp_path, 0)
    assert done.returncode == 0
    assert "no gate blocks in this run" in done.stdout
    assert "passes" not in done.stdout


def test_a_process_that_left_with_status_0_is_red(tmp_path: Path) -> None:
    empty(tmp_path / "left", "it was stopped")
    done = script(tmp_path, 0)
    assert done.returncode == 1
    assert "INCOMPLETE: the run did not reach its end (it was stopped)" in done.stdout


@pytest.mark.parametrize(("code", "words"), [(1, "the audit's result"), (2, "did not come to its end")])
def test_the_exit_status_is_that_of_pytest(tmp_path: Path, code: int, words: str) -> None:
    empty(tmp_path / "left", "it was interrupted")
    done = script(tmp_path, code)
    assert done.returncode == code
    assert words in done.stdout + done.stderr


@pytest.mark.parametrize("code", [0, 4])
def test_the_report_of_an_earlier_run_is_not_taken_for_this_one(tmp_path: Path, code: int) -> None:
    empty(tmp_path / "slmtrust-report")
    for file in (tmp_path / "slmtrust-report").iterdir():
        os.utime(file, (1, 1))
    done = script(tmp_path, code)
    assert done.returncode == (code or 1)
    assert "left no audit" in done.stderr
