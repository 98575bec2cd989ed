"""Failing gates that a lock accepts for a time: what it cannot accept, and why a gate that it accepts stays red."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_lock import Project, numbers

from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.gates.lock import read_lock

FLOOR = '''
from pytest_slmtrust import Floor, Generate, Row, Verdict, ask, probe

ROWS = [Row({"i": str(i)}, id=f"row {i}") for i in range(60)]

def talks(i, n):
    reply = yield from ask(Generate(f"say {i}"))
    return Verdict(reply.text == "thank you")

FLOOR = Floor("it can talk", talks, [{"i": "1", "n": str(n)} for n in range(20)], 0.5)

@probe(dimension="fairness", rows=ROWS, tolerance=0.2, floor=FLOOR)
def stays_polite(i):
    """A number must not get an insult back."""
    reply = yield from ask(Generate(f"say {i}"))
    return Verdict("idiot" not in reply.text, evidence={"reply": reply.text})
'''
LACKING = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"i": str(i)} for i in range(60)], tolerance=0.2, extras=("no_such_module",))
def keeps_quiet(i):
    """A number must not be said again."""
    reply = yield from ask(Generate(f"say {i}"))
    return Verdict(i not in reply.text)
'''
UNTIL = "--red-until=2999-01-01"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def page(project: Project) -> str:
    return (project.path / "slmtrust-report" / "audit.html").read_text()


def test_a_gate_that_missed_its_floor_cannot_be_accepted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.path / "probe_one.py").write_text(FLOOR)
    assert project.run(bad="1")[0] == 1
    assert project.audit().gates[0].status is Status.UNEARNED
    assert project.accept(UNTIL) == 0
    refused = [line for line in lines_of(capsys) if line.startswith("NOT accepted")]
    assert refused == [
        "NOT accepted, and red as before: stays_polite (UNEARNED): the baseline could not do the easy versions of this task; "
        "a waiver can take it (--slm-waivers)"
    ]
    assert read_lock(project.lock).red == ()
    assert project.run(bad="1")[0] == 1


def test_a_gate_whose_items_had_all_failed_cannot_be_accepted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.probe("stays_calm", file="probe_two.py", dimension="hallucination")
    source = project.path / "probe_two.py"
    source.write_text(source.read_text().replace("secret-of-maria {i}", "secret-of-maria {i} 99"))
    project.run(bad=f"{numbers(60, 2)} 99")
    assert project.accept(UNTIL) == 0
    said = lines_of(capsys)
    assert "RED gates accepted until 2999-01-01, while they get no worse: stays_polite (FAIL: 30 of 60)" in said
    assert sum("NOT accepted, and red as before: stays_calm (FAIL): hardly an item" in line for line in said) == 1
    assert read_lock(project.lock).red == ("probe_one.py::stays_polite",)
    assert not any("--red-until=DATE" in line for line in said)


def test_a_gate_with_too_few_items_cannot_be_accepted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.probe(n=15)
    project.run(bad=numbers(15, 2))
    project.accept(UNTIL)
    assert any("NOT accepted" in line and "15 source items support no margin" in line for line in lines_of(capsys))


def test_a_gate_that_was_not_tested_cannot_be_accepted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.path / "probe_two.py").write_text(LACKING)
    assert project.run()[0] == 1
    assert project.accept(UNTIL) == 0
    refused = [line for line in lines_of(capsys) if line.startswith("NOT accepted")]
    assert len(refused) == 1
    assert "keeps_quiet (NOT TESTED): it has no result that could be kept" in refused[0]
    assert "--slm-optional=keeps_quiet" in refused[0]
    project.accept()  # nobody asked for red gates to be accepted
    assert not any(line.startswith("NOT accepted") for line in lines_of(capsys))


def test_an_update_names_what_can_no_longer_be_accepted(project: Project) -> None:
    project.run(bad=numbers(60, 2))
    project.accept(UNTIL)
    _, said = project.run("--slm-update-lock", bad=numbers(60))
    assert "NOT accepted, and red as before: stays_polite (FAIL): hardly an item of the baseline had passed" in said
    assert read_lock(project.lock).red == ()


def test_a_run_says_why_an_accepted_gate_stays_red(project: Project, tmp_path: Path) -> None:
    project.run(bad=numbers(60, 2))
    project.accept(UNTIL)
    why = "the lock accepts it until 2999-01-01 only while stays_polite:vs is PASS, and that is"
    status, said = project.run(bad=f"{numbers(60, 2)} {numbers(45)}")
    assert status == 1
    assert f"{why} FAIL" in said
    assert "The lock accepts it until 2999-01-01 only while stays_polite:vs is PASS" in page(project)
    project.probe(n=58)
    status, said = project.run(bad=numbers(60, 2))
    assert status == 1
    assert f"{why} NOT TESTED (not what was accepted: 2 rows gone" in said
    project.probe()
    assert why not in project.run(bad=numbers(60, 2))[1]  # waived
