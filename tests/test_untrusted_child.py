"""The child process that reads untrusted files: how its answers are taken, whatever the machine's load."""

import os
import time
from pathlib import Path

import pytest

from pytest_slmtrust.backends.transformers import gguf
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.untrusted.child import Child

pytestmark = pytest.mark.usefixtures("real_readers")
SAYS = "import sys, time; sys.stdin.readline(); sys.stdout.write({}); sys.stdout.flush(); sys.stdin.readline(); {}"


@pytest.mark.parametrize("length", [0, 300_000])
def test_two_answers_that_come_at_once_are_two(length: int) -> None:
    child = Child(SAYS.format(f"""'1\\n{{"b": 2, "long": "' + 'x' * {length} + '"}}\\n'""", "pass"))
    try:
        assert child.ask({}, 30) == 1
        time.sleep(0.2)  # the rest may have come, or not
        assert child.ask({}, 30)["b"] == 2
    finally:
        child.close()


def test_an_answer_that_came_early_in_part_is_completed() -> None:
    child = Child(SAYS.format(repr('1\n{"b"'), "sys.stdout.write(': 2}\\n'); sys.stdout.flush(); sys.stdin.readline()"))
    try:
        assert child.ask({}, 30) == 1
        assert child.ask({}, 30) == {"b": 2}
    finally:
        child.close()


def test_what_came_early_is_not_the_answer_of_the_next_process() -> None:
    child = Child(SAYS.format(repr("1\n2\n"), "pass"))
    assert child.ask({}, 30) == 1
    child.close()
    try:
        assert child.ask({}, 30) == 1
    finally:
        child.close()


def test_a_process_that_ends_within_an_answer_is_an_error() -> None:
    child = Child("import sys; sys.stdin.readline(); sys.stdout.write('1\\n2')")
    assert child.ask({}, 30) == 1
    with pytest.raises((OSError, EOFError)):
        child.ask({}, 30)
    assert not child.running


def test_a_file_that_is_no_gguf_is_refused_before_it_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.gguf"
    path.touch()
    os.truncate(path, 2**36)  # holes only: to read it takes minutes
    monkeypatch.setattr(gguf, "sha256_of", lambda _: pytest.fail("it is hashed"))
    with pytest.raises(ModelError, match="not a GGUF file"):
        gguf.converted(path)


def test_a_child_that_takes_too_much_ends_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    limits = "from pytest_slmtrust.backends.untrusted.child import limit, limit_time\nlimit({}); limit_time(1)\ninput()\n"
    for code in ("x = bytearray(2**30)", "while True: pass", "f = open('made', 'w'); f.write('x'); f.flush()"):
        child = Child(limits.format(64 * 2**20) + code)
        with pytest.raises(EOFError):
            child.ask({}, 30)
        assert child.status
        assert not child.running
    assert Path("made").read_text() == ""


def test_a_child_may_answer_before_it_is_asked() -> None:
    child = Child(
        "import sys\nsys.stdin.readline(); print('[1]\\n[2]\\n[', end='', flush=True)\nsys.stdin.readline(); input()\nprint('3]')"
    )
    assert child.ask({}, 30) == [1]
    assert child.ask({}, 30) == [2]
    assert child.ask({}, 30) == [3]
    child.close()
    assert not child.running
