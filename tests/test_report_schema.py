"""The published JSON Schema of ``audit.json``: what fits it, and how a fault is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast, get_type_hints

import jsonschema
import pytest
from sample_audit import sample_audit

from pytest_slmtrust.archive.files import read_audit, write_reports
from pytest_slmtrust.archive.schema import read_data, schema_text
from pytest_slmtrust.audit.model import Audit, AuditError, Status
from pytest_slmtrust.audit.quantities import QUANTITIES
from pytest_slmtrust.audit.sections import ProfileSettings, Provenance
from pytest_slmtrust.authoring.declarations import Profile
from pytest_slmtrust.report import html as report
from pytest_slmtrust.report.html import render

GONE = object()
REPORTS = Path(report.__file__).parents[2] / "reports"


@pytest.fixture(scope="module")
def audit() -> Audit:
    return sample_audit()


def test_sample_audits_fit_the_schema(audit: Audit) -> None:
    read_data(json.loads(audit.to_json()))
    read_data(json.loads(Audit(Status.NOT_TESTED, "", "smoke", (), (), (), {}).to_json()))


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((REPORTS / "audit.schema.json").read_text(encoding="utf-8"))
    return schema


@pytest.fixture(scope="module")
def by_schema(published: dict[str, Any], audit: Audit) -> jsonschema.Draft202012Validator:
    """A validator by the published schema, which takes the sample audit."""
    made = jsonschema.Draft202012Validator(published)
    made.validate(json.loads(audit.to_json()))
    return made


def test_the_published_schema_is_made_from_the_classes() -> None:
    said = "run python tools/audit_schema.py"
    assert (REPORTS / "audit.schema.json").read_text(encoding="utf-8") == schema_text(), said


def test_the_schema_names_every_field_of_our_types(audit: Audit, published: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(published)
    parts = published["$defs"]
    assert set(published["properties"]) == set(published["required"]) == set(asdict(audit))
    assert set(parts["GateResult"]["properties"]) == set(parts["GateResult"]["required"]) == set(asdict(audit.gates[0]))
    assert set(parts["Finding"]["properties"]) == set(asdict(audit.findings[0]))
    assert set(parts["Status"]["enum"]) == {s.value for s in Status}
    assert parts["GateResult"]["properties"]["quantity"]["enum"] == list(QUANTITIES)
    assert all(part["additionalProperties"] is False for part in parts.values() if "properties" in part)


def test_the_profile_of_an_audit_is_that_of_a_run() -> None:
    assert get_type_hints(ProfileSettings) == get_type_hints(Profile)


def changed(data: dict[str, Any], path: Sequence[Any], value: Any) -> dict[str, Any]:
    """A copy with one value put in place, or taken out."""
    copy: dict[str, Any] = deepcopy(data)
    at: Any = copy
    for step in path[:-1]:
        at = at[step]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("gates", 0, "alpha"), 0), (("gates", 0, "alpha"), 1), (("gates", 0, "items"), 1.5), (("gates", 0, "best"), 1.1),
        (("gates", 0, "excuse"), "selected"), (("gates", 0, "quantity"), "median"), (("gates", 0, "side"), "below"),
        (("gates", 0, "dimension"), "privacy\n"), (("gates", 0, "floor"), {}), (("gates", 0, "groups"), [{"group": "a"}]),
        (("gates", 0, "stopped"), {"planned": 0, "order": []}), (("gates", 0, "blocking"), 1), (("gates", 0, "beside"), GONE),
        (("findings", 0, "score"), True), (("findings", 0, "nodeid"), ""), (("findings", 0, "answers"), {"root": "0" * 63}),
        (("settings", "profile"), {"alpha": 2}), (("settings", "profile"), {"alpha": 0.05, "beta": 1}),
        (("settings", "packs"), "builtin"), (("settings", "tolerances"), {"p": "0.1"}), (("settings", "colour"), "red"),
        (("provenance", "versions"), []), (("provenance", "versions"), {"torch": 2}), (("resources", "seconds"), "3"),
        (("resources", "peak_bytes"), [1]), (("waivers",), [{"probe": "p"}]),
        (("answers_root",), "0" * 65), (("answers_root",), "0" * 64 + "\n"),
        (("findings", 0, "outcome"), "passed\n"),
        (("baseline",), {"model": {}, "findings": []}), (("not_tested", 0, "what"), ""), (("format",), 3.5),
    ],
)  # fmt: skip
def test_the_reader_and_the_published_schema_refuse_the_same(
    audit: Audit, by_schema: jsonschema.Draft202012Validator, path: tuple[Any, ...], value: Any
) -> None:
    faulty = changed(json.loads(audit.to_json()), path, value)
    assert not by_schema.is_valid(faulty)
    with pytest.raises(AuditError, match=rf"\A\$\.{path[0]}"):
        read_data(faulty)


def test_a_whole_number_for_a_fraction_is_written_as_one(audit: Audit, tmp_path: Path) -> None:
    whole = replace(audit, gates=(replace(audit.gates[0], tolerance=1, upper=1), *audit.gates[1:]))
    write_reports(whole, tmp_path)
    assert read_audit(tmp_path / "audit.json").gates[0].tolerance == 1.0


@pytest.mark.parametrize("text", ["lone \ud800", "zero \x00", "wide \U0001f600"])
def test_any_text_is_read_as_it_was_written(audit: Audit, text: str) -> None:
    odd = replace(audit, findings=(replace(audit.findings[0], reason=text, evidence={text: [text, None, 1, 10**17]}),))
    back = Audit.from_json(odd.to_json())
    assert (back.findings, back.to_json()) == (odd.findings, odd.to_json())


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
    data = changed(json.loads(audit.to_json()), path, value)
    if where is None:
        read_data(data)
        return
    with pytest.raises(AuditError) as caught:
        read_data(data)
    assert str(caught.value).startswith(where + ":")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("field", ["gates", "findings", "model", "verdict", "sentence", "profile"])
def test_a_missing_field_is_a_fault(audit: Audit, field: str) -> None:
    data = json.loads(audit.to_json())
    del data[field]
    with pytest.raises(AuditError, match=field):
        read_data(data)


def test_what_has_no_json_form_becomes_text(audit: Audit) -> None:
    strange = {"class": Audit, "path": Path("a"), "inside": [audit.gates[0].status]}
    written = json.loads(replace(audit, provenance=cast(Provenance, strange)).to_json())["provenance"]
    assert written == {"class": str(Audit), "path": "a", "inside": [str(audit.gates[0].status)]}


def test_an_audit_without_json_form_is_refused() -> None:
    with pytest.raises(AuditError, match="no JSON form"):
        render(replace(sample_audit(0), resources={"seconds": float("nan")}))
