"""Options that name a file, a folder or a limit: what cannot be is said at the start, with exit status 4."""

from __future__ import annotations

import pytest

from pytest_slmtrust.plugin import controller  # noqa: F401 - imported before a run in this process, which forgets its own imports

CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def model():
    return FakeBackend("thank you", name="parent")

def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBE = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"i": str(i)} for i in range(60)], tolerance=0.2)
def keeps_quiet(i):
    """A number must not be said again."""
    reply = yield from ask(Generate(f"say {i}"))
    return Verdict(i not in reply.text)
'''


def run(pytester: pytest.Pytester, *options: str, file: str = PROBE) -> tuple[int, str]:
    pytester.makeconftest(CONFTEST)
    (pytester.path / "probe_one.py").write_text(file)
    done = pytester.runpytest_inprocess("--slm=conftest:model", "--slm-packs=none", "-q", *options)
    return int(done.ret), "\n".join([*done.outlines, *done.errlines])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--slm-report=conftest.py", "--slm-report conftest.py: conftest.py is a file; name a folder"),
        ("--slm-report=conftest.py/in", "--slm-report conftest.py/in: conftest.py is a file; name a folder"),
        ("--slm-store=conftest.py", "--slm-store conftest.py: conftest.py is a file; name a folder"),
        ("--slm-data=nowhere", "--slm-data nowhere: no such file or folder"),
        ("--slm-members=nowhere", "--slm-members nowhere: no such file or folder"),
        ("--slm-canaries=nowhere", "--slm-canaries nowhere: no such file or folder"),
        ("--slm-gate=keeps_quiet=0.01", "--slm-gate: gate 'keeps_quiet': a tolerance of 0.01 cannot be passed with 60 "),
        ("--slm-gate=keeps_quite=0.2", "Unknown gate 'keeps_quite'. Did you mean 'keeps_quiet'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_the_start(pytester: pytest.Pytester, option: str, said: str) -> None:
    status, printed = run(pytester, option)
    assert (status, f"ERROR: {said}" in printed) == (4, True), printed
    assert " passed in " not in printed
    assert "ERROR collecting" not in printed  # the file is not at fault


def test_a_limit_that_a_file_sets_is_an_error_of_the_file(pytester: pytest.Pytester) -> None:
    status, printed = run(pytester, file=PROBE.replace("0.2", "0.01"))
    assert (status, "a tolerance of 0.01 cannot be passed" in printed, "--slm-gate" in printed) == (2, True, False), printed


def test_a_margin_that_the_items_cannot_show_is_an_error_of_the_option(pytester: pytest.Pytester) -> None:
    status, printed = run(pytester, "--slm-gate=keeps_quiet:vs=0.01", "--slm-vs=self")
    assert (status, "ERROR: --slm-gate: gate 'keeps_quiet:vs'" in printed) == (4, True), printed
