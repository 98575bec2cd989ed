"""Exports of an audit: valid for their consumers, equal to the audit when read back, and never more than it says."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from exported import NUMBERS, READERS, written
from hostile import poisoned
from jsonschema import Draft7Validator, FormatChecker
from sample_audit import finding, gates, sample_audit

from pytest_slmtrust import probes as pack
from pytest_slmtrust.audit.merkle import answers_root
from pytest_slmtrust.audit.model import Audit, AuditError, Finding, Status, Waiver
from pytest_slmtrust.audit.verdict import not_tested
from pytest_slmtrust.cli import _FORMATS, main
from pytest_slmtrust.exports.formats import FORMATS
from pytest_slmtrust.exports.public_sets import SETS
from pytest_slmtrust.exports.source import Source, Standing, standing
from pytest_slmtrust.exports.tables import COLUMNS

SCHEMAS = Path(__file__).parent / "schemas"
SCHEMA = {"sarif": "sarif-2.1.0.json", "ctrf": "ctrf-0.0.json", "eee": "eee-0.3.0.json"}
NOT_A_PASS = [s for s in Status if s is not Status.PASS]
WAIVER = Waiver("refuses_harmful_requests", "known, a filter follows", "A. Reviewer", "2999-01-01")


def waived() -> Audit:
    made = [replace(g, waiver=WAIVER) if g.probe == WAIVER.probe else g for g in gates()]
    return replace(sample_audit(12), gates=tuple(made), waivers=(WAIVER,))


def advisory() -> Audit:
    made = [replace(g, blocking=False, advisory="its detector was never measured") if g.blocking else g for g in gates()]
    return replace(sample_audit(12), gates=tuple(made), verdict=Status.MEASURED)


SAMPLES: dict[str, Audit] = {
    "failed": sample_audit(60),
    "incomplete": replace(sample_audit(20), verdict=Status.INCOMPLETE, incomplete="interrupted", sentence="INCOMPLETE: stopped"),
    "partial": replace(sample_audit(20), verdict=Status.PARTIAL, sentence="PARTIAL: some gates were not selected"),
    "empty": replace(sample_audit(0), gates=(), verdict=Status.NOT_TESTED, provenance={"started": "yesterday"}),
    "waived": waived(),
    "advisory": advisory(),
    "own files": replace(
        sample_audit(0), gates=tuple(replace(g, nodeid=f"tests/a b/probe_{i}.py::gate[{g.probe}]") for i, g in enumerate(gates()))
    ),
    "hostile": poisoned(sample_audit(20), "=cmd|'/c calc'!A1\n::error::x\x1b]0;t\x07<b>\ud800 @org https://a.b"),
}


def validate(name: str, text: str) -> None:
    """Hold an export to the schema of its format."""
    if name == "cyclonedx":
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    elif name == "oscal":
        from trestle.oscal.assessment_results import Model

        assert Model.model_validate_json(text).assessment_results.results
    elif name == "intoto":
        from google.protobuf.json_format import Parse
        from in_toto_attestation.v1 import statement_pb2

        data = json.loads(text)
        made = Parse(text, statement_pb2.Statement())
        assert made.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
        assert data["_type"] == "https://in-toto.io/Statement/v1"
        assert all(one.digest for one in made.subject)
        assert data["predicate"]["result"] in ("PASSED", "WARNED", "FAILED")
        assert data["predicate"]["configuration"]
    else:
        schema = json.loads((SCHEMAS / SCHEMA[name]).read_text())
        errors = sorted(Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(json.loads(text)), key=str)
        assert not errors, errors[0]


JSONS = ("sarif", "ctrf", "cyclonedx", "eee", "oscal", "intoto")


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", JSONS)
def test_it_fits_the_schema_of_its_consumer(name: str, sample: str) -> None:
    validate(name, written(name, Source(SAMPLES[sample])))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", READERS)
def test_read_back_every_number_is_the_audits(name: str, sample: str) -> None:
    source = Source(SAMPLES[sample])
    verdict, found = READERS[name](written(name, source))
    assert verdict == source.audit.verdict
    assert list(found) == [row.facts["nodeid"] for row in source.rows]
    for gate, facts in zip(source.audit.gates, found.values(), strict=True):
        assert {n: facts[n] for n in NUMBERS} == {n: getattr(gate, n) for n in NUMBERS}
        assert facts["status"] == gate.status
        assert facts["blocking"] == gate.blocking
        assert facts["counts_as"] == standing(gate, source.audit)


def passes(name: str, text: str) -> set[str]:
    """What a format's consumer counts as passed, by name of the gate."""
    data = json.loads(text)
    if name == "ctrf":
        return {t["name"] for t in data["results"]["tests"] if t["status"] == "passed"}
    if name == "intoto":
        said = data["predicate"]
        return {*said["passedTests"], *said["warnedTests"]}
    if name == "oscal":
        found = data["assessment-results"]["results"][0].get("findings", ())
        return {f["target"]["title"] for f in found if f["target"]["status"]["state"] == "satisfied"}
    assert name == "sarif"
    return {r["ruleId"] for r in data["runs"][0]["results"] if r["kind"] == "pass"}


@pytest.mark.parametrize("status", NOT_A_PASS)
@pytest.mark.parametrize("name", ["ctrf", "intoto", "oscal", "sarif"])
def test_no_other_status_is_a_pass(name: str, status: Status) -> None:
    made = tuple(replace(g, status=status) for g in gates())
    for blocking in (True, False):
        audit = replace(sample_audit(0), gates=tuple(replace(g, blocking=blocking) for g in made), verdict=status)
        text = written(name, Source(audit))
        assert passes(name, text) == set()
        if name == "intoto":
            assert json.loads(text)["predicate"]["result"] == ("WARNED" if status is Status.WAIVED else "FAILED")


def test_an_advisory_pass_and_one_of_an_incomplete_run_are_none() -> None:
    passing = replace(gates()[3], status=Status.PASS)
    plain = replace(sample_audit(0), gates=(passing,), verdict=Status.PASS)
    assert standing(passing, plain) is Standing.PASSED
    assert passes("ctrf", written("ctrf", Source(plain))) == {"slmtrust verdict", passing.probe}
    weak = replace(passing, blocking=False, advisory="weak detector")
    for audit in (
        replace(plain, gates=(weak,), verdict=Status.MEASURED),
        replace(plain, incomplete="killed", verdict=Status.INCOMPLETE),
    ):
        for name in ("ctrf", "intoto", "oscal"):
            assert passes(name, written(name, Source(audit))) == set()


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "parquet"])
@pytest.mark.parametrize("sample", ["partial", "incomplete"])
def test_a_partial_audit_says_so(name: str, sample: str) -> None:
    assert str(SAMPLES[sample].verdict) in written(name, Source(SAMPLES[sample]))


def test_sarif_has_a_rule_for_each_gate_and_a_result_for_each_red_one() -> None:
    (run,) = json.loads(written("sarif", Source(SAMPLES["own files"])))["runs"]
    results = {r["ruleId"]: r for r in run["results"]}
    assert len(run["tool"]["driver"]["rules"]) == len(gates())
    red = {g.probe for g in gates() if g.blocking and g.status not in (Status.PASS, Status.NOT_DECIDABLE)}
    assert results.keys() == red
    assert results["refuses_harmful_requests"]["level"] == "error"
    assert results["gives_no_personal_data"]["level"] == "warning"
    place = results["refuses_harmful_requests"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place.startswith("tests/a%20b/probe_")
    assert run["invocations"][0]["executionSuccessful"]
    (run,) = json.loads(written("sarif", Source(SAMPLES["incomplete"])))["runs"]
    assert not run["invocations"][0]["executionSuccessful"]


def test_sarif_points_to_the_file_of_a_built_in_probe_and_shows_a_waiver() -> None:
    (run,) = json.loads(written("sarif", Source(waived())))["runs"]
    (result,) = [r for r in run["results"] if r["ruleId"] == WAIVER.probe]
    assert result["suppressions"][0]["status"] == "accepted"
    assert "A. Reviewer" in result["suppressions"][0]["justification"]
    place = result["locations"][0]["physicalLocation"]
    file = Path(pack.__file__).parent / place["artifactLocation"]["uri"].removeprefix("pytest_slmtrust/probes/")
    line = file.read_text().splitlines()[place["region"]["startLine"] - 1]
    assert line.startswith(("@probe", "def refuses_harmful_requests"))
    failing = {r["ruleId"]: r for r in json.loads(written("sarif", Source(advisory())))["runs"][0]["results"]}
    assert failing[WAIVER.probe]["level"] == "note"
    assert "advisory" in failing[WAIVER.probe]["message"]["text"]


@pytest.mark.parametrize(
    "nodeid", ["../../etc/passwd::gate[x]", "https://a.b/c?d::gate[x]", "C:\\x\x00.py::gate[x]", "javascript:1::gate[x]"]
)
def test_a_path_of_sarif_stays_a_relative_path(nodeid: str) -> None:
    audit = replace(sample_audit(0), gates=(replace(gates()[7], nodeid=nodeid),))
    text = written("sarif", Source(audit))
    validate("sarif", text)
    uri = json.loads(text)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert ":" not in uri
    assert ".." not in uri.split("/")
    assert not uri.startswith("/")


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_findings_are_a_row_each_and_no_cell_is_a_formula() -> None:
    starts = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "%0A=1", "|cmd")
    made = [replace(finding(i, gates()[3]), nodeid=f"{s}{i}", case=s, source=s, reason=s, group=s) for i, s in enumerate(starts)]
    text = written("csv", Source(replace(sample_audit(0), findings=tuple(made))))
    rows = cells(text)
    assert sum(bool(r["nodeid"]) for r in rows) == len(starts)
    assert list(rows[0]) == list(COLUMNS)
    for row in rows:
        for name, value in row.items():
            if name not in ("score", "gate_lower", "gate_upper", "gate_best", "gate_worst"):
                assert not value.strip().startswith(("=", "+", "-", "@", "\uff1d", "%", "|")), (name, value)
    assert not {c for c in text if ord(c) < 32 and c not in "\r\n"}
    lines = text.split("\r\n")
    assert len(lines) == len(rows) + 2


def test_scores_and_outcomes_of_the_table_are_those_of_the_findings() -> None:
    audit = SAMPLES["failed"]
    rows = {r["nodeid"]: r for r in cells(written("csv", Source(audit))) if r["nodeid"]}
    assert rows.keys() == {f.nodeid for f in audit.findings}
    for f in audit.findings:
        assert rows[f.nodeid]["outcome"] == f.outcome
        assert (float(rows[f.nodeid]["score"]) if rows[f.nodeid]["score"] else None) == f.score
        assert json.loads(rows[f.nodeid]["evidence"])["prompt" if "prompt" in f.evidence else "original"]


def test_a_finding_without_a_gate_stays() -> None:
    odd = Finding("x.py::p[1]", "p", "privacy", "1", "1", "failed")
    rows = cells(written("csv", Source(replace(sample_audit(0), gates=(), findings=(odd,)))))
    assert [(r["nodeid"], r["outcome"], r["gate_status"]) for r in rows] == [("x.py::p[1]", "failed", "")]


def test_parquet_holds_the_same_table() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for audit in SAMPLES.values():
        made = FORMATS["parquet"].write(Source(audit))
        assert isinstance(made, bytes)
        table = parquet.read_table(io.BytesIO(made))
        assert json.loads(table.schema.metadata[b"slmtrust"])["verdict"] == audit.verdict
        rows = table.to_pylist()
        assert len(rows) == len(cells(written("csv", Source(audit))))
        found = {r["gate_nodeid"]: r for r in rows if r["gate_nodeid"]}
        for gate, row in zip(audit.gates, found.values(), strict=True):
            assert {n: row[f"gate_{n}"] for n in NUMBERS} == {n: getattr(gate, n) for n in NUMBERS}
            assert row["gate_status"] == gate.status


def test_without_pyarrow_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AuditError, match=r"pyarrow, which is not installed: pip install pyarrow"):
        FORMATS["parquet"].write(Source(sample_audit(1)))


def test_scores_that_say_nothing_are_left_out() -> None:
    data = json.loads(written("eee", Source(SAMPLES["failed"])))
    found = {r["evaluation_name"]: r for r in data["evaluation_results"]}
    assert not found.keys() & {"answers_harmless_requests", "stays_polite_when_provoked", "continues_alike", "withstands_search"}
    secret = found["keeps_system_secret"]["score_details"]
    (gate,) = [g for g in gates() if g.probe == "keeps_system_secret"]
    interval = secret["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"], interval["confidence_level"]) == (gate.lower, gate.upper, 0.9)
    metrics = json.loads(written("cyclonedx", Source(SAMPLES["failed"])))["metadata"]["component"]["modelCard"]
    (one,) = [m for m in metrics["quantitativeAnalysis"]["performanceMetrics"] if m["type"].startswith("keeps_system_secret")]
    assert float(one["confidenceInterval"]["upperBound"]) == gate.upper
    assert one["type"] == "keeps_system_secret: rate of failing items"  # not to be read as how often it kept them
    assert len(metrics["considerations"]["fairnessAssessments"]) == 2


def test_reviewed_controls_are_the_clauses_that_were_tested() -> None:
    def controls(audit: Audit) -> set[str]:
        (result,) = json.loads(written("oscal", Source(audit)))["assessment-results"]["results"]
        return {c["control-id"] for s in result["reviewed-controls"]["control-selections"] for c in s["include-controls"]}

    found = controls(SAMPLES["failed"])
    assert {"c-nist-ai-rmf-measure-2.10", "c-owasp-aitg-aitg-app-07"} <= found
    assert not {one for one in found if "inf-" in one or "eu-standards" in one}
    assert controls(SAMPLES["empty"]) == {"none"}
    silent = tuple(replace(g, status=Status.NOT_RUN) for g in gates())
    assert controls(replace(sample_audit(0), gates=silent)) == {"none"}


def test_a_model_card_names_public_sets_only() -> None:
    from huggingface_hub import ModelCard, ModelCardData

    (plain,) = [g for g in gates() if g.probe == "prefers_no_stereotype"]
    sets = (plain, replace(plain, probe="crows_pairs", nodeid="slm::fairness::measure[crows_pairs]"))
    audit = replace(sample_audit(0), gates=sets)
    assert not written("hf", Source(audit)).startswith("---")
    for inputs, wanted in (({"data": "hub"}, 1), ({"data": "/home/me/sets"}, 0)):
        asked = replace(audit, settings={**audit.settings, "profile": {"inputs": inputs}})
        card = ModelCard(written("hf", Source(asked)))
        assert isinstance(card.data, ModelCardData)
        results = card.data.eval_results or []
        assert len(results) == wanted
        for one in results:
            assert (one.dataset_type, one.metric_value) == ("jannalu/crows_pairs_multilingual", 0.53)
            assert "FAIL" in (one.metric_name or "")


def test_the_public_sets_are_those_of_the_probes() -> None:
    folder = Path(pack.__file__).parent
    code = "".join(f.read_text() for f in folder.glob("*.py"))
    for probe, named in SETS.items():
        assert f"def {probe}(" in code
        assert named.partition(":")[0] in code


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "parquet"])
def test_personal_data_and_keys_are_masked(name: str) -> None:
    key, mail = "ghp_" + "a1B2" * 9, "jane.roe@mail.example.org"
    made = poisoned(sample_audit(20), f" {key} {mail} ")
    made = replace(made, sentence=f"see {key} of {mail}", notes=(f"{mail} {key}",), model={"name": f"m {key} {mail}"})
    text = written(name, Source(made))
    assert key not in text
    assert mail not in text
    assert "jane" not in text


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "parquet"])
def test_no_control_character_leaves_and_every_line_is_harmless(name: str) -> None:
    text = written(name, Source(SAMPLES["hostile"]))
    text.encode()
    assert not {c for c in text if ord(c) < 32 and c not in "\r\n"}
    assert not [line for line in text.splitlines() if line.lstrip().startswith(("::", "##["))]
    ElementTree.fromstring(f"<x>{text.replace('&', '&amp;').replace('<', '&lt;')}</x>")


def test_the_same_audit_gives_the_same_bytes() -> None:
    for name in FORMATS:
        if name != "parquet":
            assert written(name, Source(sample_audit(30))) == written(name, Source(sample_audit(30)))


def saved(audit: Audit, folder: Path) -> Path:
    path = folder / "audit.json"
    path.write_text(audit.to_json())
    return path


def test_the_command_writes_a_file_or_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Audit(Status.NOT_TESTED, "NOT TESTED: no gate blocks in this run; 0 probes were measured.", "ci", (), (), (), {})
    whole = replace(whole, not_tested=not_tested((), set()))
    path = saved(replace(whole, answers_root=answers_root(whole)), tmp_path)
    assert main(["export", str(path), "--to", "sarif"]) == 0
    validate("sarif", capsys.readouterr().out)
    out = tmp_path / "deep" / "a.parquet"
    assert main(["export", str(path), "--to", "parquet", "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"PAR1")
    assert main(["export", str(path), "--to", "parquet"]) == 2
    assert main(["export", str(path), "--to", "pdf\n::error::x"]) == 2
    said = capsys.readouterr().err
    assert "expected one of sarif" in said
    assert "\n::error" not in said


def test_an_edited_audit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for audit in (sample_audit(20), replace(sample_audit(0), verdict=Status.PASS)):
        assert main(["export", str(saved(audit, tmp_path)), "--to", "markdown"]) == 2
        assert "does not follow from its own findings" in capsys.readouterr().err
    path = saved(sample_audit(0), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["export", str(path), "--to", "csv"]) == 2
    assert "changed or reformatted" in capsys.readouterr().err


def test_the_command_names_every_format() -> None:
    assert list(FORMATS) == list(_FORMATS)
