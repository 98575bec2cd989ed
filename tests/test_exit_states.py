"""The table of exit statuses in the documentation: each of its rows, brought about and read from the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slmtrust.backends.endpoint import backend
from pytest_slmtrust.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "exit-status.md"
CONFTEST = """
import time
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
class Slow(FakeBackend):
    def run(self, requests):
        for i, r in enumerate(requests):
            time.sleep(0.02)
            yield from ((i, a) for _, a in FakeBackend.run(self, [r]))
def model():
    return FakeBackend("thank you", name="m")
def slow():
    return Slow("thank you", name="m")
"""
SCORER = "def pytest_slm_scorer(config):\n    return WordListScorer()\n"
PROBE = '''
from pytest_slmtrust import Classify, Generate, Judge, Verdict, ask, probe

@probe(dimension="privacy", rows=[{{"i": i}} for i in range({n})], tolerance=0.2{extra})
def keeps(i):
    """A claim."""
    reply = yield from ask(Generate(f"say {{i}}"))
    {more}
    return Verdict(i >= {bad})
'''
RUN = ("--slm=conftest:model", "--slm-packs=none", "-q", "-p", "no:randomly")
Made = Callable[..., tuple[str, ...]]


def project(pytester: pytest.Pytester, bad: int = 0, n: int = 40, extra: str = "", scorer: bool = True) -> None:
    pytester.makeconftest(CONFTEST + (SCORER if scorer else ""))
    pytester.makepyfile(
        probe_a=PROBE.format(bad=bad, n=n, extra=extra, more="pass" if scorer else "yield from ask(Classify(reply.text))")
    )


def accepted(pytester: pytest.Pytester, *options: str) -> None:
    assert pytester.runpytest_inprocess(*RUN).ret in (0, 1)
    pytester.chdir()
    assert main(["accept", *options]) == 0


def passes(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ()


def scope(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ("--slm-dimensions=privacy",)


def waived(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester, bad=40)
    pytester.makefile(".toml", w='[[waiver]]\nprobe = "keeps"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n')
    return ("--slm-waivers=w.toml",)


def fails(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester, bad=40)
    return ()


def rows_failed(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    pytester.makepyfile(probe_b=PROBE.format(bad=4, n=40, extra="", more="pass").replace(", tolerance=0.2", ""))
    return ()


def expired(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    pytester.makefile(".toml", w='[[waiver]]\nprobe = "keeps"\nreason = "r"\nowner = "o"\nexpires = 2020-01-01\n')
    return ("--slm-waivers=w.toml",)


def undecided(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester, bad=8)
    return ()


def late(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester, n=200)
    return ("--slm=conftest:slow", "--slm-budget=0.3s")


def required(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ("--slm-require=fairness",)


def changed(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    accepted(pytester)
    project(pytester, n=38)
    return ()


def interrupted(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    pytester.makepyfile(test_z="def test_z(): raise KeyboardInterrupt")
    return ()


def stopped(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    pytester.makepyfile(test_z="import os, signal, time\ndef test_z():\n os.kill(os.getpid(), signal.SIGTERM)\n time.sleep(9)")
    return ()


def uncollected(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    pytester.makepyfile(probe_b="import no_such_module")
    return ()


def no_model(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ("--slm=./nothing",)


def no_scorer(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester, extra=', judge=Judge("toxicity")', scorer=False)
    return ("--slm-toxicity=hf:./nothing",)


def no_place(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    (pytester.path / "notes.txt").touch()
    return ("--slm-report=notes.txt",)


def foreign(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    (pytester.path / "audit.json").write_text('{"vulnerabilities": {}}')
    return ("--slm-report=.",)


def no_room(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ("--slm-gate=keeps=0.001",)


def no_server(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ("--slm=http://127.0.0.1:9/v1#m",)


def no_lock(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    accepted(pytester)
    path = pytester.path / "slmtrust.lock.json"
    path.write_text(path.read_text().replace('"m"', '"n"', 1))
    return ()


def strange_ini(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    pytester.makeini("[pytest]\nslm_gate = keeps=0.3\n")
    return ()


def part(pytester: pytest.Pytester) -> tuple[str, ...]:
    project(pytester)
    return ("--slm-shard=1/3",)


#: By the words of the documentation: how it comes about, the exit status, and what the terminal says.
STATES: dict[str, tuple[Callable[[pytest.Pytester], tuple[str, ...]], int, str]] = {
    "every blocking gate passed": (passes, 0, r"PASS: the blocking gate passed"),
    "some dimensions only": (scope, 0, r"PASS for privacy \(the only ones asked for\)"),
    "failing gates waived": (waived, 0, r"WAIVED: .*failing but waived \(keeps\)"),
    "a gate failed": (fails, 1, r"FAIL: the blocking gate did not pass \(keeps\)"),
    "rows of a probe without a limit failed": (rows_failed, 1, r"FAIL: the blocking gate passed; keeps: 4 of 40 rows failed\."),
    "a waiver has expired": (expired, 1, r"PASS: .*\. Red all the same: the waiver of keeps expired on 2020-01-01\."),
    "a gate is undecided": (undecided, 1, r"INCONCLUSIVE: the blocking gate did not pass \(keeps\)"),
    "out of time": (late, 1, r"OUT OF TIME \(--slm-budget=0\.3s\): 1 probe was not asked whole: keeps \(\d+ of 200\)"),
    "a required dimension was not tested": (required, 1, r"NOT TESTED: required and not tested: fairness"),
    "rows of the lock changed or are gone": (changed, 1, r"not what was accepted: 2 rows gone"),
    "interrupted": (interrupted, 2, r"INCOMPLETE: the run did not reach its end \(it was interrupted\)"),
    "stopped by SIGTERM": (
        stopped,
        2,
        r"INCOMPLETE: .* \(it was stopped by SIGTERM\)(.|\n)*Stopped: it was stopped by SIGTERM: ",
    ),
    "a file could not be collected": (uncollected, 2, r"INCOMPLETE: .*probe_b\.py could not be collected"),
    "one shard, or the open requests of a batch": (part, 6, r"INCOMPLETE: the run did one part of the work \(shard 1/3"),
    "no model": (no_model, 4, r"ERROR: --slm: \./nothing: no such folder"),
    "an option names a file or folder that is not there": (no_place, 4, r"ERROR: --slm-report notes\.txt: .* name a folder"),
    "the folder of the report has an `audit.json`, `audit.html` or `audit.previous.json` of another tool": (
        foreign,
        4,
        r"ERROR: --slm-report \.: \S*audit\.json: is no report of pytest-slmtrust, and would be lost; name another folder",
    ),
    "an option sets a limit that the items cannot show": (no_room, 4, r"ERROR: --slm-gate: gate 'keeps': a tolerance of 0\.001"),
    "no scorer": (no_scorer, 4, r"ERROR: --slm-toxicity: "),
    "the server does not answer": (no_server, 4, r"ERROR: no server answers: "),
    "the lock is refused": (no_lock, 4, r"ERROR: \S*slmtrust\.lock\.json: changed since it was written"),
    "an ini value that does not exist": (strange_ini, 4, r"ERROR: Unknown ini value 'slm_gate'\. Did you mean 'slm_gates'\?"),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_has_its_status_and_its_line(name: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_START_DOWN", 0.2)  # no server will come
    make, status, said = STATES[name]
    options = make(pytester)
    done = pytester.runpytest_inprocess(*RUN, *options, no_reraise_ctrlc=True)
    text = "\n".join([*done.outlines, *done.errlines])
    assert (int(done.ret), bool(re.search(said, text))) == (status, True), text


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not part of the wheel")
def test_the_table_of_the_documentation_has_these_rows_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## What a run says of each state")[2].partition("##")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")][2:]
    found = {next((name for name in STATES if row[0].startswith(name)), row[0]): int(row[1]) for row in rows}
    assert found == {name: status for name, (_, status, _) in STATES.items()}
