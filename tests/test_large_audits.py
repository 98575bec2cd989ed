"""Audits of any size are read in a time that grows with it, or refused before anything is worked out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import FAKE_CONFTEST, PROBE_FILE
from runs import run

from pytest_slmtrust.archive import files
from pytest_slmtrust.archive.files import read_audit
from pytest_slmtrust.archive.schema import MOST_GATES, read_data
from pytest_slmtrust.archive.verify import problems, verify
from pytest_slmtrust.audit.counting import ByGate
from pytest_slmtrust.audit.model import Audit, AuditError, Finding, canonical

Data = dict[str, Any]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    (folder / "conftest.py").write_text(FAKE_CONFTEST.replace("{reply}", "return 'fine'"))
    (folder / "probe_support.py").write_text(PROBE_FILE.format(n=60, extra=", tolerance=0.1"))
    run(folder, "--slm=fake", "--slm-packs=none")
    return (folder / "slmtrust-report" / "audit.json").read_text()


@pytest.fixture
def data(text: str) -> Data:
    made: Data = json.loads(text)
    return made


@pytest.mark.parametrize("items", [10**17, 2**62, 61])
@pytest.mark.parametrize("status", ["PASS", "NOT RUN", "NOT TESTED", "NOT DECIDABLE"])
def test_more_items_than_findings_are_refused_at_once(items: int, status: str, data: Data) -> None:
    data["gates"][0].update(items=items, status=status)
    assert any("items is" in line for line in problems(Audit.from_json(json.dumps(data))))


@pytest.mark.parametrize("items", [1e17, "61", None, -1, True])
def test_a_count_that_is_none_is_refused_by_its_place(items: object, data: Data) -> None:
    data["gates"][0].update(items=items)
    with pytest.raises(AuditError, match=r"\A\$\.gates\[0\]\.items: "):
        Audit.from_json(json.dumps(data))


def test_more_gates_than_a_reader_reads_are_refused_before_they_are_checked(data: Data, tmp_path: Path) -> None:
    gate = data["gates"][0]
    data["gates"] = [{**gate, "nodeid": f"p{i}.py::gate[stays_polite]", "tolerance": "x"} for i in range(MOST_GATES + 1)]
    (tmp_path / "audit.json").write_text(canonical(data))
    with pytest.raises(AuditError, match=rf"\$\.gates: {MOST_GATES + 1} gates; a report of more than {MOST_GATES}"):
        read_audit(tmp_path / "audit.json")


def test_findings_are_sorted_out_once(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many gates over many findings: each finding is looked at once for all gates."""
    gate, found = data["gates"][0], data["findings"]
    data["gates"] = [{**gate, "nodeid": f"p{i}.py::gate[stays_polite]"} for i in range(40)]
    data["findings"] = [{**f, "nodeid": f"p{i}.py::{f['nodeid'].partition('::')[2]}"} for i in range(40) for f in found]
    made: list[int] = []
    init = ByGate.__init__

    def counted(self: ByGate, findings: tuple[Finding, ...]) -> None:
        made.append(len(findings))
        init(self, findings)

    monkeypatch.setattr(ByGate, "__init__", counted)
    lines = verify(Audit.from_json(json.dumps(data))).problems
    assert made == [2400]
    assert not any("cases" in line or "items" in line for line in lines)


def test_places_that_look_like_cases_are_told_apart() -> None:
    def finding(nodeid: str) -> Finding:
        return Finding(nodeid, "p", "privacy", "c", "s", "passed")

    found = ByGate([finding("a::p[1]"), finding("b::p[a::p[1]"), finding("a::p[2]"), finding("odd")])
    assert len(found._found[("a", "p")]) == 2
    assert len(found._found[("b", "p")]) == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"score": True}, "$.findings[3].score"), ({"score": "0.5"}, "$.findings[3].score"),
        ({"group": 1}, "$.findings[3].group"),
        ({"outcome": "fine"}, "$.findings[3].outcome"), ({"dimension": "taste"}, "$.findings[3].dimension"),
        ({"evidence": []}, "$.findings[3].evidence"), ({"nodeid": ""}, "$.findings[3].nodeid"), ({"more": 1}, "$.findings[3]"),
        ({"answers": {"root": "x", "short": []}}, "$.findings[3].answers.root"),
        ({"answers": {"root": "0" * 64, "short": ["a" * 31]}}, "$.findings[3].answers.short[0]"),
        ({"answers": {"root": "0" * 64, "short": ["A" * 32]}}, "$.findings[3].answers.short[0]"),
    ],
)  # fmt: skip
def test_a_fault_of_one_finding_among_many_is_named(change: Data, where: str, data: Data) -> None:
    read_data(data)
    data["findings"][3] |= change
    with pytest.raises(AuditError) as caught:
        read_data(data)
    assert str(caught.value).startswith(where)
    with pytest.raises(AuditError, match=r"\A\$\.baseline\.findings\[0\]"):
        read_data({**data, "findings": [], "baseline": {"model": {}, "origin": "", "findings": [data["findings"][3]]}})


@pytest.mark.parametrize(
    "text", ['{"findings": [' + "0," * 99 + "0]}", "[" + "[]," * 120 + "[]]", '{"a":1' + ',"b":2' * 101 + "}"]
)
def test_a_file_of_more_values_than_an_audit_has_is_refused_unread(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_VALUES", 98)
    monkeypatch.setattr("json.loads", lambda *_, **__: pytest.fail("it was parsed"))
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(AuditError, match="more than 98 values"):
        files.read_audit(tmp_path / "audit.json")
