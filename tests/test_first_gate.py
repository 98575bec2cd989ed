"""The two-minute recipe of ``examples/first_gate``: its commands run in their order, each with the exit status that it names."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from pytest_slmtrust.cli import main

FOLDER = Path(__file__).parents[1] / "examples" / "first_gate"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not part of the wheel")
_COMMAND = re.compile(r"^(slmtrust|pytest) (.*?)\s+# (\d): (.*)$", re.MULTILINE)


@pytest.mark.slow
def test_the_commands_of_the_recipe_do_what_it_says(pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    for path in FOLDER.iterdir():
        if path.is_file():
            shutil.copy(path, pytester.path)
    commands = _COMMAND.findall((FOLDER / "README.md").read_text(encoding="utf-8"))
    assert [program for program, *_ in commands].count("pytest") == 4
    for program, arguments, status, said in commands:
        words = shlex.split(arguments)
        if program == "slmtrust":
            found, text = main(words), capsys.readouterr().out
        else:
            done = pytester.runpytest_inprocess("-q", "-p", "no:randomly", *words)
            found, text = int(done.ret), "\n".join(done.outlines)
        assert found == int(status), text
        verdict = re.match(r"[A-Z]{4,}", said)
        assert verdict is None or f"\n{verdict[0]}: " in text, text
    assert (pytester.path / "slmtrust.lock.json").exists()
