"""The table of what differs between two locks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sample_audit import sample_audit
from test_lock import _lock

from pytest_slmtrust.archive import lock_diff
from pytest_slmtrust.archive.lock_diff import MOST_LINES, diff_lines, read_side
from pytest_slmtrust.audit.model import AuditError, Status
from pytest_slmtrust.gates.lock import LockedProbe, LockedRow


def test_a_row_that_is_no_longer_scored_is_neither_worse_nor_better() -> None:
    def probe(**outcomes: str) -> LockedProbe:
        rows = {name: LockedRow(outcome, "00") for name, outcome in outcomes.items()}  # type: ignore[arg-type]
        return LockedProbe("privacy", "0" * 64, "0" * 32, "PASS", len(rows), 0, None, rows)

    before = probe(a="passed", b="failed", c="unscored", d="unscored", e="passed", f="failed")
    after = probe(a="unscored", b="unscored", c="passed", d="failed", e="failed", f="passed")
    one = _lock({"slm::privacy::p": before}, model={"name": "m", "fingerprint": "a" * 64, "dtype": "float32"})
    two = _lock({"slm::privacy::p": after}, model={"name": "m2", "fingerprint": "b" * 64, "dtype": "float32"})
    lines = diff_lines(one, two)
    assert "1 worse (e); 1 better (f); 2 no longer scored (a, b); 2 scored now (c, d)" in lines[-1]
    assert "model: other weights, name m to m2" in lines
    assert lines[0].endswith("2 answers could not be scored")


def test_an_audit_is_not_said_to_be_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = LockedProbe("privacy", "0" * 64, "0" * 32, "FAIL", 1, 1, None, {"a": LockedRow("failed", "00")})
    lock = _lock({"slm::privacy::p": probe})
    accepted = replace(lock, red=("slm::privacy::p",), until="2027-01-01")
    lines = diff_lines(accepted, replace(lock, accepted=""))
    assert "not accepted: 1 probe, 1 of 1 items failed" in lines[2]
    assert not any("failing gates accepted" in line for line in lines)
    assert any("failing gates accepted" in line for line in diff_lines(accepted, lock))
    path = tmp_path / "audit.json"
    path.write_text("{}")
    cut = replace(sample_audit(0), verdict=Status.INCOMPLETE, incomplete="it was interrupted")
    monkeypatch.setattr(lock_diff, "read_verified", lambda _: cut)
    with pytest.raises(AuditError, match=r"is INCOMPLETE \(it was interrupted\): run it again"):
        read_side(path)


def test_the_difference_of_two_locks_is_a_short_table_and_no_markup() -> None:
    rows = {f"~{i:012x}": LockedRow("passed", f"{i:012x}") for i in range(40)}
    worse = {**rows, "~000000000003": LockedRow("failed", "000000000003"), "~000000000004": LockedRow("passed", "00000000ffff")}
    one = LockedProbe("fairness", "0" * 64, "0" * 32, "PASS", 40, 0, None, rows)
    two = replace(one, status="FAIL", failed=1, rows=worse)
    name = "probe_x.py::a|b<img src=x>@everyone#1`$(id)`"
    lines = diff_lines(_lock({name: one}), _lock({name: two}, model={"name": "<b>m</b>\n::error::"}))
    table = next(line for line in lines if "img" in line)
    assert "1 worse (\\~000000000003); 1 ask otherwise (\\~000000000004)" in table
    assert not any(mark in "".join(lines) for mark in ("<img", "@everyone", "<b>", "#1`"))
    assert table.replace("\\|", "").count("|") == 5
    assert not any(line.startswith("::") for line in lines)
    many = {f"slm::fairness::p{i}": one for i in range(300)}
    long = diff_lines(_lock({}), _lock(many))
    assert len(long) <= MOST_LINES
    assert "more gates differ" in long[-1]
    assert diff_lines(_lock(many), _lock(many))[-1] == "No gate and no row differs."
