"""The published JSON Schema of ``audit.json``: what fits it, and how a fault is named."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sample_audit import sample_audit

from pytest_slmtrust.archive.schema import check_schema
from pytest_slmtrust.audit.model import Audit, AuditError, Status
from pytest_slmtrust.report import html as report
from pytest_slmtrust.report.html import render

REPORTS = Path(report.__file__).parents[2] / "reports"


@pytest.fixture(scope="module")
def audit() -> Audit:
    return sample_audit()


def test_sample_audits_fit_the_schema(audit: Audit) -> None:
    check_schema(json.loads(audit.to_json()))
    check_schema(json.loads(Audit(Status.NOT_TESTED, "", "smoke", (), (), (), {}).to_json()))


def test_schema_names_every_field_of_our_types(audit: Audit) -> None:
    schema = json.loads((REPORTS / "audit.schema.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(asdict(audit))
    assert set(schema["$defs"]["gate"]["properties"]) == set(asdict(audit.gates[0]))
    assert set(schema["$defs"]["finding"]["properties"]) == set(asdict(audit.findings[0]))
    assert set(schema["$defs"]["status"]["enum"]) == {s.value for s in Status}


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("gates", 3, "failures"), -1, "$.gates[3].failures"),
        (("gates", 0, "tolerance"), "5 %", "$.gates[0].tolerance"),
        (("gates", 1, "status"), "GREAT", "$.gates[1].status"),
        (("gates", 2, "estimate", "value"), "0.1", "$.gates[2].estimate.value"),
        (("gates", 0, "extra"), 1, "$.gates[0]"),
        (("findings", 5, "outcome"), "fine", "$.findings[5].outcome"),
        (("findings", 5, "dimension"), "taste", "$.findings[5].dimension"),
        (("model",), [], "$.model"),
        (("format",), 1, "$.format"),
        (("verdict",), None, "$.verdict"),
        (("surprise",), 1, "$"),
        (("notes", 0), "\x1b[2J", None),
    ],
)
def test_a_fault_is_named_by_its_path(audit: Audit, path: tuple[Any, ...], value: Any, where: str | None) -> None:
    data = json.loads(audit.to_json())
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    if where is None:
        check_schema(data)
        return
    with pytest.raises(AuditError) as caught:
        check_schema(data)
    assert str(caught.value).startswith(where + ":")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("field", ["gates", "findings", "model", "verdict", "sentence", "profile"])
def test_a_missing_field_is_a_fault(audit: Audit, field: str) -> None:
    data = json.loads(audit.to_json())
    del data[field]
    with pytest.raises(AuditError, match=field):
        check_schema(data)


def test_what_has_no_json_form_becomes_text(audit: Audit) -> None:
    strange = {"class": Audit, "path": Path("a"), "inside": [audit.gates[0].status]}
    written = json.loads(replace(audit, provenance=strange).to_json())["provenance"]
    assert written == {"class": str(Audit), "path": "a", "inside": [str(audit.gates[0].status)]}


def test_an_audit_without_json_form_is_refused() -> None:
    with pytest.raises(AuditError, match="no JSON form"):
        render(replace(sample_audit(0), resources={"seconds": float("nan")}))
