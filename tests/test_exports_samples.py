"""The instance level of Every Eval Ever: one line for each case that was judged, and no more than the audit says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from exported import written
from jsonschema import Draft7Validator
from sample_audit import finding, gates, sample_audit
from test_exports import SAMPLES, SCHEMAS

from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.exports.source import Source


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_sample_fits_its_schema_and_belongs_to_a_result_of_the_record(sample: str) -> None:
    source = Source(SAMPLES[sample])
    schema = Draft7Validator(json.loads((SCHEMAS / "eee-instance-0.3.0.json").read_text()))
    record = json.loads(written("eee", source))
    results = {one["evaluation_result_id"]: one["evaluation_name"] for one in record["evaluation_results"]}
    for line in written("eee-samples", source).splitlines():
        one = json.loads(line)
        assert not sorted(schema.iter_errors(one), key=str)
        assert results[one["evaluation_result_id"]] == one["evaluation_name"]
        assert (one["evaluation_id"], one["model_id"]) == (record["evaluation_id"], record["model_info"]["id"])
        assert one["metadata"]["verdict"] == source.audit.verdict


def test_samples_are_the_cases_that_were_judged_and_add_up_to_the_rate() -> None:
    gate, evidence = gates()[3], {"prompt": "Which?", "reply": "That one.", "gold": "this", "why": "wrong"}
    outcomes = {"passed": 7, "failed": 3, "unscored": 2, "error": 1, "measured": 1}
    every = [outcome for outcome, n in outcomes.items() for _ in range(n)]
    found = [
        replace(finding(i, gate), nodeid=f"slm::privacy::{gate.probe}[{i}]", outcome=outcome, source=f"s{i}", evidence=evidence)
        for i, outcome in enumerate(every)
    ]
    source = Source(replace(sample_audit(0), gates=(gate,), findings=tuple(found)))
    lines = [json.loads(line) for line in written("eee-samples", source).splitlines()]
    assert [one["evaluation"] for one in lines] == [{"score": 0.0, "is_correct": True}] * 7 + [
        {"score": 1.0, "is_correct": False}
    ] * 3
    assert lines[0]["input"] == {"raw": "Which?", "reference": ["this"]}
    assert lines[0]["output"] == {"raw": ["That one."]}
    assert lines[0]["answer_attribution"][0]["extracted_value"] == "wrong"
    assert len({one["sample_hash"] for one in lines}) == 1  # the same question, known again
    assert len({one["sample_id"] for one in lines}) == 10
    for status in (Status.INVALID, Status.UNEARNED, Status.NOT_RUN):
        silent = Source(replace(source.audit, gates=(replace(gate, status=status),)))
        assert written("eee-samples", silent) == ""


@pytest.mark.parametrize(
    "odd",
    [{}, {"prompt": None, "reply": ""}, {"prompt": ["a", {"b": 1}], "replies": ["x", 2], "gold": [1, "y"], "reading": {"c": 2}}],
)
def test_evidence_of_any_shape_makes_a_sample(odd: dict[str, object]) -> None:
    gate = gates()[3]
    source = Source(
        replace(sample_audit(0), gates=(gate,), findings=(replace(finding(1, gate), outcome="failed", evidence=odd),))
    )
    (line,) = written("eee-samples", source).splitlines()
    schema = Draft7Validator(json.loads((SCHEMAS / "eee-instance-0.3.0.json").read_text()))
    assert not sorted(schema.iter_errors(json.loads(line)), key=str)


def test_each_schema_of_others_has_its_licence_next_to_it() -> None:
    listed = (SCHEMAS / "README.md").read_text()
    for path in SCHEMAS.glob("*.json"):
        assert path.name in listed
        licence = SCHEMAS / f"LICENSE-{path.name.partition('-')[0]}.txt"
        assert "Permission is hereby granted" in licence.read_text()
        assert "Copyright" in licence.read_text()
