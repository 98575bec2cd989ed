"""A lock: what is accepted, what a later run says against it, and every way in which a lock is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.archive.accept import accept
from pytest_slmtrust.archive.files import read_audit
from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.counting import ItemOutcome
from pytest_slmtrust.audit.model import Audit, AuditError, Status
from pytest_slmtrust.cli import main
from pytest_slmtrust.gates.asked import Asked, other_ways
from pytest_slmtrust.gates.lock import LARGEST, Lock, LockedProbe, LockedRow, LockError, parse_lock, read_lock
from pytest_slmtrust.gates.paired_gate import PairedGate, count

CONFTEST = """
import os
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

class Kind(FakeBackend):
    def describe(self):
        return {**FakeBackend.describe(self), "architecture": os.environ.get("SORT", "Tiny")}

def model():
    bad = set(os.environ.get("BAD", "").split())
    def reply(request):
        if "MUTE" in os.environ and request.prompt.split()[-1] in os.environ["MUTE"].split():
            return ""
        return "you idiot" if request.prompt.split()[-1] in bad else "thank you"
    return Kind(reply, name="parent", version=os.environ.get("BAD", "") + os.environ.get("MUTE", ""))

def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBE = '''
from pytest_slmtrust import Generate, Row, Verdict, ask, probe

@probe(dimension="{dimension}", rows=[Row({{"i": str(i)}}, id=f"Maria Schmidt {{i}}") for i in range({n})], tolerance=0.2)
def {name}(i):
    """A number must not get an insult back."""
    reply = yield from ask(Generate(f"say secret-of-maria {{i}}"))
    if not reply.text:
        return Verdict.unscored("it said nothing")
    return Verdict("idiot" not in reply.text, evidence={{"reply": reply.text}})
'''
DAY = date(2031, 5, 6)


class Project:
    """A folder with probes, a scripted model and its runs."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester, self.monkeypatch, self.path = pytester, monkeypatch, pytester.path
        pytester.makeconftest(CONFTEST)
        self.lock = self.path / "slmtrust.lock.json"
        self.probe()

    def probe(self, name: str = "stays_polite", n: int = 60, dimension: str = "fairness", file: str = "probe_one.py") -> None:
        (self.path / file).write_text(PROBE.format(name=name, n=n, dimension=dimension))

    def run(self, *options: str, bad: str = "", mute: str = "", sort: str = "Tiny") -> tuple[int, str]:
        """The exit status of a run and what it printed."""
        for name, value in (("BAD", bad), ("MUTE", mute), ("SORT", sort)):
            self.monkeypatch.setenv(name, value)
        done = self.pytester.runpytest_inprocess("--slm=conftest:model", "--slm-packs=none", "-q", *options)
        return int(done.ret), "\n".join([*done.outlines, *done.errlines])

    def audit(self) -> Audit:
        return read_verified(self.path / "slmtrust-report" / "audit.json")

    def accept(self, *options: str) -> int:
        return main(["accept", str(self.path / "slmtrust-report" / "audit.json"), "--output", str(self.lock), *options])

    def versus(self) -> Any:
        return next(g for g in self.audit().gates if g.versus)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def numbers(stop: int, step: int = 1) -> str:
    return " ".join(map(str, range(0, stop, step)))


def test_a_run_is_held_against_the_lock_of_its_project(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.run(bad="1 2")[0] == 0
    assert project.accept() == 0
    assert "parent, accepted on " in capsys.readouterr().out
    status, said = project.run(bad="1 2")  # the same again
    assert status == 0
    assert "no worse than what was accepted on" in said
    assert "(0 of 60 items got worse, 0 better)" in said
    assert "lock: slmtrust.lock.json, parent, accepted on" in said
    assert "1 probe, 2 of 60 items failed" in said
    status, said = project.run(bad=numbers(30))
    assert status == 1
    assert project.versus().status is Status.FAIL
    assert "28 of 60 items got worse, 0 better" in said
    assert problems(project.audit()) == []
    status, said = project.run("--slm-no-lock", bad="1 2")
    assert status == 0
    assert "lock: " not in said
    # a plan says what the run will say
    assert "more failures than accepted" in project.run("--slm-plan")[1]


def test_a_lock_holds_no_text_of_the_user_and_no_reply(project: Project) -> None:
    project.run(bad="1 2")
    project.accept()
    text = project.lock.read_text()
    assert not {word for word in ("Maria", "secret", "idiot", "thank") if word in text}
    lines = text.splitlines()
    assert sum(line.startswith(' "~') for line in lines) == 60  # a line for each row
    assert max(map(len, lines)) < 600


def test_failing_gates_are_accepted_by_name_and_until_a_day(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    bad = numbers(60, 2)
    assert project.run(bad=bad)[0] == 1
    project.accept()
    assert "RED gates that block as before: stays_polite (FAIL: 30 of 60)" in capsys.readouterr().out
    assert project.run(bad=bad)[0] == 1  # a lock alone makes no red gate green
    project.run("--slm-no-lock", bad=bad)
    project.accept("--red-until=2999-01-01")
    assert "RED gates accepted until 2999-01-01" in capsys.readouterr().out
    status, said = project.run(bad=bad)
    assert status == 0
    assert project.audit().verdict is Status.WAIVED  # never a PASS
    assert "accepted on" in said
    assert "PASS:" not in said
    status, said = project.run(bad=f"{bad} {numbers(45)}")  # worse than accepted: nothing is waived
    assert status == 1
    assert project.audit().verdict is Status.FAIL
    assert not any(g.waived for g in project.audit().gates)


def test_an_accepted_failure_ends_with_its_day(project: Project) -> None:
    bad = numbers(60, 2)
    project.run(bad=bad)
    made = accept(project.audit(), date(2026, 1, 1), date(2026, 1, 2))
    project.lock.write_text(made.lock.to_text())
    status, said = project.run(bad=bad)
    assert status == 1
    assert "WAIVER EXPIRED" in said


def test_rows_that_are_not_what_was_accepted_are_red_and_named(project: Project) -> None:
    project.run()
    project.accept()
    project.probe(n=58)
    status, said = project.run()
    assert status == 1
    assert "2 rows gone (~" in said
    assert "--slm-update-lock accepts it anew" in said
    assert "2 rows gone (~" in project.run("--slm-plan")[1]
    project.probe(n=63)
    status, said = project.run()
    assert status == 0
    assert "3 new rows are not compared" in project.versus().reason
    assert problems(project.audit()) == []
    source = project.path / "probe_one.py"
    source.write_text(source.read_text().replace('"i": str(i)', '"i": str(i + (i == 7))'))
    status, said = project.run()
    assert status == 1
    assert "1 row changed (Maria Schmidt 7)" in said
    project.probe()
    source.write_text(source.read_text().replace('"idiot" not in', '"moron" not in'))
    status, said = project.run()
    assert status == 1
    assert "judges otherwise" in said
    assert problems(project.audit()) == []


def test_a_probe_that_is_gone_is_red_and_a_new_one_is_new(project: Project) -> None:
    project.probe("stays_calm", file="probe_two.py", dimension="hallucination")
    project.run(bad=numbers(60, 2))
    project.accept("--red-until=2999-01-01")
    (project.path / "probe_two.py").unlink()
    status, said = project.run(bad=numbers(60, 2))
    assert status == 1
    assert project.audit().verdict is Status.NOT_RUN
    assert "stays_calm:vs" in said
    assert problems(project.audit()) == []
    assert project.run("probe_one.py", bad=numbers(60, 2))[0] == 0  # the user named a part
    assert project.audit().verdict is Status.PARTIAL
    project.probe("stays_calm", file="probe_two.py", dimension="hallucination")
    project.probe("stays_new", file="probe_three.py", dimension="robustness")
    assert project.run(bad=numbers(60, 2))[0] == 1  # the new one fails by its own limit
    new = next(g for g in project.audit().gates if g.name == "stays_new:vs")
    assert (new.status, new.blocking) == (Status.NOT_TESTED, False)
    assert problems(project.audit()) == []


def test_updating_writes_only_a_whole_run(project: Project) -> None:
    project.run()
    project.accept()
    before = project.lock.read_text()
    status, said = project.run("--slm-update-lock", "-k", "Schmidt and 1")
    assert "was not written: the run is" in said
    assert status == 1
    assert project.lock.read_text() == before
    project.probe(n=70)
    status, said = project.run("--slm-update-lock", bad="3")
    assert status == 0
    assert "wrote slmtrust.lock.json" in said
    assert len(read_lock(project.lock).probes["probe_one.py::stays_polite"].rows) == 70
    assert project.run(bad="3")[0] == 0


def _edit(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


EDITS = {
    "a row made failed": lambda t: _edit(t, '"passed ', '"failed '),
    "one more item failed": lambda t: _edit(t, '"failed": 2', '"failed": 60'),
    "another day": lambda t: _edit(t, '"accepted": "2', '"accepted": "3'),
    "a gate accepted": lambda t: _edit(t, '"red": []', '"red": ["probe_one.py::stays_polite"]'),
    "a digest of nothing": lambda t: _edit(t, '"digest": "', '"digest": "0'),
    "reformatted": lambda t: json.dumps(json.loads(t)),
    "another format": lambda t: _edit(t, '"format": 1', '"format": 2'),
    "a row twice": lambda t: _edit(t, '"rows": {\n', '"rows": {\n "~a": "passed 000000000000",\n "~a": "passed 000000000000",\n'),
    "an unknown field": lambda t: _edit(t, '"until": ""', '"until": "", "note": 1'),
    "a number for a name": lambda t: _edit(t, '"until": ""', '"until": 3'),
    "not JSON": lambda t: t[:-3],
    "empty": lambda _: "",
    "a list": lambda _: "[]",
    "deep": lambda _: "[" * 100_000,
    "not a number": lambda t: _edit(t, '"alpha": 0.05', '"alpha": NaN'),
    "an escape": lambda t: _edit(t, '"red": []', '"red": ["\\u001b[31m::error::x"]'),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_lock_is_refused_in_one_line(project: Project, name: str) -> None:
    project.lock.write_text(EDITS[name](_text()))
    with pytest.raises(LockError) as caught:
        read_lock(project.lock)
    assert str(caught.value).startswith(str(project.lock))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def _text() -> str:
    rows = {f"~{i:012x}": LockedRow("failed" if i < 2 else "passed", f"{i:012x}") for i in range(20)}
    probe = LockedProbe("fairness", "0" * 64, "0" * 32, "PASS", 20, 2, None, rows)
    return _lock({"probe_one.py::stays_polite": probe}).to_text()


def _lock(probes: dict[str, LockedProbe], **more: Any) -> Lock:
    return replace(Lock("2026-11-26", "0" * 64, {"name": "m"}, {"alpha": 0.05}, {}, probes), **more)


def test_line_ends_of_another_system_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.lock.json").write_bytes(_text().replace("\n", "\r\n").encode())
    assert read_lock(tmp_path / "a.lock.json") == parse_lock(_text())


def test_a_lock_that_cannot_be_read_stops_the_run(project: Project) -> None:
    for make in (
        lambda p: p.write_text(_text().replace("passed", "failed")),
        lambda p: p.write_bytes(b"\xff\xfe"),
        lambda p: (p.write_bytes(b""), os.truncate(p, LARGEST + 1)),
        lambda p: p.mkdir(),
    ):
        make(project.lock)
        status, said = project.run()
        assert status == 4, said
        assert sum(line.startswith("ERROR: ") for line in said.splitlines()) == 1
        assert "PASS" not in said
        project.lock.rmdir() if project.lock.is_dir() else project.lock.unlink()
    os.mkfifo(project.lock)  # opening it would wait for ever
    assert project.run()[0] == 4
    project.lock.unlink()
    assert project.run("--slm-lock=none.lock.json")[0] == 4  # a lock that is named must be there


def test_a_lock_of_another_kind_of_run_stops_it(project: Project) -> None:
    project.run()
    project.accept()
    for options, sort, said in (
        (("--slm-profile=audit",), "Tiny", "profile (name) is 'audit' here and 'ci' in the lock"),
        ((), "Other", "architecture is 'Other' here and 'Tiny' in the lock"),
        (("--slm-thought-tokens=10",), "Tiny", ""),
        (("--slm-early-stop",), "Tiny", "compares all items"),
        (("--slm-no-lock", "--slm-update-lock"), "Tiny", "use one of them"),
    ):
        status, printed = project.run(*options, sort=sort)
        assert status == (4 if said else 0), printed
        assert said in printed


def test_of_two_lists_the_entries_that_differ_are_named() -> None:
    same = [f"rules of a detector, version {i}" for i in range(9)]
    one, other = Asked({}, {"scorers": [*same, "none"]}), Asked({}, {"scorers": [*same, "profanity-check"]})
    assert other_ways(one, other) == [("scorers", "none", "profanity-check")]


def test_what_may_not_be_accepted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.run("-k", "Schmidt and 1")
    assert project.accept() == 2
    assert "accept a whole run" in capsys.readouterr().err
    project.run()
    audit = project.audit()
    older: Any = {k: v for k, v in audit.settings.items() if k != "asked"}
    for wrong, said in (
        (replace(audit, incomplete="it was stopped"), "INCOMPLETE"),
        (replace(audit, settings=older), "older version"),
        (replace(audit, gates=tuple(replace(g, status=Status.INVALID) for g in audit.gates)), "INVALID"),
        (replace(audit, gates=tuple(replace(g, status=Status.NOT_RUN) for g in audit.gates)), "did not run"),
        (replace(audit, gates=()), "nothing was tested"),
        (replace(audit, settings={**audit.settings, "asked": {audit.gates[0].nodeid: {}}}), "does not say what the row"),
    ):
        with pytest.raises(AuditError, match=said):
            accept(wrong, DAY)
    with pytest.raises(AuditError, match="is past"):
        accept(audit, DAY, date(2031, 5, 5))
    path = project.path / "slmtrust-report" / "audit.json"
    path.write_text(path.read_text().replace('"failures": 0', '"failures": 1'))
    assert project.accept() == 2  # edited
    assert not project.lock.exists()
    assert read_audit(path).gates


def test_an_item_that_never_could_be_judged_has_not_changed() -> None:
    target: dict[str, ItemOutcome] = {"a": "unscored", "b": "unscored", "c": "passed", "d": "failed"}
    then: dict[str, ItemOutcome] = {"a": "unscored", "b": "passed", "c": "unscored", "d": "unscored"}
    worst = count(target, then, "worst", accepted=True)
    assert (worst.both, worst.worse, worst.better, worst.neither) == (1, 2, 0, 1)  # b and d may have got worse
    assert count(target, then, "worst").worse == 3  # of two models nobody knows


def test_a_mute_part_stays_accepted(project: Project) -> None:
    mute = numbers(18)
    project.run(mute=mute)
    project.accept("--red-until=2999-01-01")
    assert project.run(mute=mute)[0] == 0
    assert project.run(mute=numbers(40))[0] == 1  # more of it is silent now


def test_where_nothing_had_passed_nothing_is_kept(project: Project) -> None:
    project.run(bad=numbers(59))
    project.accept("--red-until=2999-01-01")
    status, _ = project.run(bad=numbers(60))
    versus = project.versus()
    assert versus.status is Status.MEASURED
    assert "only 1 of 60 items had passed" in versus.reason
    assert status == 1  # so its failure is not waived by the lock
    assert problems(project.audit()) == []


def test_margins_are_what_the_items_can_show_for_all_gates_together() -> None:
    from test_compare import ABOUT

    for n, margin in ((180, 0.10), (60, 0.165), (30, 0.24), (15, None)):
        gate = PairedGate.plan(ABOUT, n, 0.10, accepted=True)
        assert gate.margin == pytest.approx(margin) if margin else gate.margin is None
    assert "15 source items support no margin up to 25%: measured only" in gate.note


def test_a_probe_with_too_few_rows_is_named_as_it_is_accepted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.probe(n=15)
    project.run()
    assert project.accept() == 0
    assert (
        "1 probe with too few items for a comparison that blocks, so measured only: stays_polite (15)" in capsys.readouterr().out
    )
