"""Bars in a lock: what is accepted, and a run whose bar is another one, or that has none any more."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_lock import _lock

from pytest_slmtrust import Bar, ProbeError
from pytest_slmtrust.archive.accept import accept
from pytest_slmtrust.archive.lock_diff import diff_lines
from pytest_slmtrust.archive.noted import left_out
from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.model import Audit, GateResult, Status
from pytest_slmtrust.cli import main
from pytest_slmtrust.gates.lock import Lock, LockedProbe, LockedRow, LockError, parse_lock
from pytest_slmtrust.session.bars import compared

GATE, KEY = "probe_moods.py::gate[names_moods]", "probe_moods.py::names_moods"
ACCEPTED = Bar("2026-11-01", accuracy=0.85, latency_p95="900ms")


def fields_of(bar: Bar) -> dict[str, Any]:
    return {**asdict(bar), "sha256": bar.sha256}


def locked(bar: Bar | None, key: str = KEY) -> Lock:
    rows = {"~000000000000": LockedRow("passed", "000000000000")}
    one = LockedProbe("capability", "0" * 64, "0" * 32, "PASS", 1, 0, None, rows, None if bar is None else fields_of(bar))
    return _lock({key: one})


def audited(bar: Bar | None, status: Status = Status.PASS, excuse: Any = "") -> Audit:
    gate = GateResult(GATE, "names_moods", "capability", "c", status, True, "r", items=1, excuse=excuse)
    bars: Any = {GATE: {**fields_of(bar), "changed": ""}} if bar else {}
    return Audit(status, "", "ci", (gate,), (), (), {}, settings={"bars": bars} if bar else {})


CHANGES = {
    "looser accuracy": Bar("2026-11-01", accuracy=0.6, latency_p95="900ms"),
    "a later day and the same numbers": Bar("2026-11-20", accuracy=0.85, latency_p95="900ms"),
    "another latency": Bar("2026-11-01", accuracy=0.85, latency_p95="5s"),
    "no latency": Bar("2026-11-01", accuracy=0.85),
    "stricter, and one number more": Bar("2026-11-01", accuracy=0.9, macro_f1=0.9, latency_p95="900ms"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_bar_that_is_not_the_accepted_one_is_flagged(change: str, tmp_path: Path) -> None:
    made = compared(audited(CHANGES[change]), tmp_path / "bars.json", (), locked(ACCEPTED))
    said = "accuracy 0.85, latency_p95 900ms, registered 2026-11-01, accepted on 2026-11-26"
    assert made.settings["bars"][GATE]["changed"] == said
    assert made.notes[0] == f"BAR CHANGED: {GATE} was held to another bar when results existed ({said})"
    assert made.verdict is Status.PASS, "a flag changes no verdict"
    assert any("BAR CHANGED" in fault for fault in left_out(replace(made, notes=())))


def test_the_accepted_bar_is_not_flagged(tmp_path: Path) -> None:
    made = compared(audited(ACCEPTED), tmp_path / "bars.json", (), locked(ACCEPTED))
    assert made.notes == ()
    assert made.settings["bars"][GATE]["changed"] == ""
    other = compared(audited(ACCEPTED), tmp_path / "bars.json", (), locked(CHANGES["no latency"], "probe_x.py::other"))
    assert not any("names_moods" in note for note in other.notes), "a lock that does not know the gate says nothing of it"


def test_a_bar_that_was_added_is_flagged(tmp_path: Path) -> None:
    made = compared(audited(ACCEPTED), tmp_path / "bars.json", (), locked(None))
    assert made.settings["bars"][GATE]["changed"] == "no bar, accepted on 2026-11-26"


def test_a_bar_that_is_gone_is_flagged_within_the_selection(tmp_path: Path) -> None:
    for audit in (audited(None), audited(None, Status.NOT_RUN)):
        made = compared(audit, tmp_path / "bars.json", (), locked(ACCEPTED))
        assert made.settings["bars_gone"] == {
            KEY: "accuracy 0.85, latency_p95 900ms, registered 2026-11-01, accepted on 2026-11-26"
        }
        assert made.notes[0].startswith(f"BAR CHANGED: {KEY} has no bar now")
        assert any("BAR CHANGED" in fault for fault in left_out(replace(made, notes=())))
    unselected = compared(audited(None, Status.NOT_RUN, "unselected"), tmp_path / "bars.json", (), locked(ACCEPTED))
    assert "bars_gone" not in unselected.settings
    assert compared(audited(None), tmp_path / "bars.json", (), locked(None)).notes == ()


def test_a_lock_with_bars_is_read_back_and_guarded() -> None:
    lock = locked(Bar("2026-11-01", macro_f1=0.5))
    text = lock.to_text()
    assert parse_lock(text) == lock
    assert '"bar"' not in locked(None).to_text(), "a lock without bars stays as it was"
    for old, new in (("0.5", "0.1"), ("2026-11-01", "2026-11-02"), ('"accuracy": null', '"accuracy": 0.5')):
        with pytest.raises(LockError, match="changed since"):
            parse_lock(text.replace(old, new, 1))
    for wrong in (text.replace('"bar": {', '"bar": {"more": 1, '), text.replace('"macro_f1": 0.5', '"macro_f1": "0.5"')):
        with pytest.raises(LockError, match="not a lock"):
            parse_lock(wrong)


def test_a_diff_shows_the_bar() -> None:
    table = diff_lines(locked(ACCEPTED), locked(CHANGES["looser accuracy"]))[-1]
    assert "bar accuracy 0.85" in table.replace("\\", "")
    assert "accuracy 0.6" in table
    assert "to none" in diff_lines(locked(ACCEPTED), locked(None))[-1]


PROBES = """
from pytest_slmtrust import Bar, label_probe

MOODS = ("glad", "cross", "calm", "tired")
ROWS = [{"text": f"message {i}", "label": MOODS[i % 4]} for i in range(60)]
names_moods = label_probe(ROWS, Bar(BAR), name="names_moods", task="Name the mood.")
"""
CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

MOODS = ("glad", "cross", "calm", "tired")

def model():
    def reply(request):
        number = int(request.prompt[-1].content.partition("message ")[2].split()[0])
        return MOODS[number % 4]
    return FakeBackend(reply)

def pytest_slm_scorer(config):
    return WordListScorer()
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., tuple[Any, Audit]]:
    pytester.makeconftest(CONFTEST)

    def go(bar: str, *options: str) -> tuple[Any, Audit]:
        (pytester.path / "probe_moods.py").write_text(PROBES.replace("BAR)", f"{bar})"))
        done = pytester.runpytest_inprocess("--slm=conftest:model", "--slm-packs=none", "-q", "-p", "no:randomly", *options)
        return done, read_verified(pytester.path / "slmtrust-report" / "audit.json")

    return go


@pytest.mark.slow
def test_a_run_against_a_lock_flags_the_bar_where_nothing_else_is_left(
    run: Callable[..., tuple[Any, Audit]], pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    done, audit = run('"2026-11-01", accuracy=0.8, latency_p95="30s"')
    assert done.ret == 0, done.outlines
    report, lock = pytester.path / "slmtrust-report", pytester.path / "slmtrust.lock.json"
    assert main(["accept", str(report / "audit.json"), "--output", str(lock)]) == 0
    assert json.loads(lock.read_text())["probes"][KEY]["bar"]["latency_p95"] == "30s"
    for left in (pytester.path / ".slmtrust" / "bars.json", report / "audit.json"):
        left.unlink()
    done, audit = run('"2026-11-01", accuracy=0.5, latency_p95="30s"')
    assert "BAR CHANGED" in done.stdout.str()
    assert "accuracy 0.8" in audit.settings["bars"][GATE]["changed"]
    assert problems(audit) == []
    made = accept(audit, date(2026, 11, 27))
    assert any(line.startswith("BAR CHANGED, and accepted as it is now: names_moods") for line in made.lines)


def renamed(name: str, bar: Bar | None, *arguments: str) -> Audit:
    """The run of a file that has one gate, of this name."""
    made = audited(bar)
    gate = replace(made.gates[0], nodeid=f"probe_moods.py::gate[{name}]", probe=name)
    settings: Any = {"arguments": list(arguments)}
    if bar is not None:
        settings["bars"] = {gate.nodeid: made.settings["bars"][GATE]}
    return replace(made, gates=(gate,), settings=settings)


SAID = "accuracy 0.85, latency_p95 900ms, registered 2026-11-01, result of 2026-11-26"


@pytest.mark.parametrize("bar", [CHANGES["looser accuracy"], ACCEPTED, None])
def test_a_bar_does_not_get_lost_with_the_name_of_its_probe(bar: Bar | None, tmp_path: Path) -> None:
    file = tmp_path / "bars.json"
    first = replace(audited(ACCEPTED), provenance={"started": "2026-11-26T10:00:00+00:00"})
    assert compared(first, file).notes == ()
    for _ in range(2):  # the second run as the first
        made = compared(renamed("tells_moods", bar), file)
        assert made.settings["bars_gone"] == {KEY: SAID}
        assert made.notes[0].startswith(f"BAR CHANGED: {KEY} has no bar now, and had one before ({SAID}")
        assert any("BAR CHANGED" in fault for fault in left_out(replace(made, notes=())))


def test_a_bar_is_missed_only_where_all_of_its_file_ran(tmp_path: Path) -> None:
    file = tmp_path / "bars.json"
    compared(audited(ACCEPTED), file)
    elsewhere = renamed("tells_moods", ACCEPTED)
    gate = replace(elsewhere.gates[0], nodeid="other/probe_moods.py::gate[tells_moods]")
    assert compared(replace(elsewhere, gates=(gate,), settings={}), file).notes == ()
    assert compared(renamed("tells_moods", None, "probe_moods.py::gate[tells_moods]"), file).notes == ()
    assert compared(replace(renamed("tells_moods", None), incomplete="killed"), file).notes == ()
    assert compared(renamed("tells_moods", None), file, (), locked(None, "probe_moods.py::tells_moods")).notes == ()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_file_of_bars_is_a_regular_one(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "bars.json")
    assert compared(audited(ACCEPTED), tmp_path / "bars.json", [tmp_path / "bars.json"]).notes == ()
    assert (tmp_path / "bars.json").is_dir() or "0.85" in (tmp_path / "bars.json").read_text()


def test_a_link_in_the_place_of_the_file_of_bars_is_replaced_and_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("dear")
    (tmp_path / "bars.json").symlink_to(mine)
    compared(audited(ACCEPTED), tmp_path / "bars.json")
    assert mine.read_text() == "dear"
    assert json.loads((tmp_path / "bars.json").read_text())


@pytest.mark.parametrize("number", [np.float32(0.75), np.float64(0.75), np.float16(0.75), Fraction(3, 4)])
def test_a_bar_of_any_kind_of_number_is_that_of_a_float(number: Any) -> None:
    bar = Bar("2026-11-01", accuracy=number, macro_f1=number)
    assert type(bar.accuracy) is type(bar.macro_f1) is float
    assert json.loads(json.dumps(asdict(bar)))["accuracy"] == 0.75
    assert bar.sha256 == Bar("2026-11-01", accuracy=0.75, macro_f1=0.75).sha256


@pytest.mark.parametrize("given", [
    {"accuracy": "0.9"}, {"accuracy": True}, {"accuracy": np.bool_(True)}, {"macro_f1": [0.5]}, {"macro_f1": float("nan")},
    {"accuracy": 0.9j}, {"accuracy": 0.9, "latency_p95": None}, {"accuracy": 0.9, "latency_p95": 0},
    {"accuracy": 0.9, "latency_p95": b""}, {"accuracy": 0.9, "latency_p95": 2000},
])  # fmt: skip
def test_a_bar_of_something_else_is_refused_in_one_line(given: dict[str, Any]) -> None:
    with pytest.raises(ProbeError, match="of a bar is"):
        Bar("2026-11-01", **given)
