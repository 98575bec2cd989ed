"""Results of lm-evaluation-harness become an audit that says who asked."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.dimension import Dimension
from pytest_slmtrust.audit.model import Audit, AuditError, Status
from pytest_slmtrust.cli import main
from pytest_slmtrust.foreign import results as foreign_results
from pytest_slmtrust.foreign.imported import imported
from pytest_slmtrust.foreign.results import read_foreign
from pytest_slmtrust.redaction import Mask

STAMP = "_2026-11-01T10-00-00.000000"


def results(folder: Path, scores: list[Any], name: str = "spelling", metric: str = "acc", **more: Any) -> Path:
    """A file of results with the samples of one task; its own number is the mean of the scores."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = [one for one in scores if isinstance(one, (int, float))]
    data = {
        "results": {name: {"alias": name, f"{metric},none": sum(plain) / len(scores), f"{metric}_stderr,none": 0.05}},
        "configs": {name: {"task": name}}, "n-shot": {name: 0}, "higher_is_better": {name: {metric: True}},
        "n-samples": {name: {"original": 900, "effective": len(scores)}}, "lm_eval_version": "0.4.13", "model_name": "org/m",
    }  # fmt: skip
    path = folder / f"results{STAMP}.json"
    path.write_text(json.dumps(data | more), "utf-8")
    rows = [
        {"doc_id": i, "filter": "none", "metrics": [metric], metric: score, "doc_hash": f"h{i}",
         "arguments": {"gen_args_0": {"arg_0": f"question {i} for jo@example.org"}}, "filtered_resps": [["-1.0", "False"]]}
        for i, score in enumerate(scores)
    ]  # fmt: skip
    (folder / f"samples_{name}{STAMP}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def audit_of(path: Path, *gates: str) -> Audit:
    return imported(read_foreign(path), path, gates, Mask(b"0" * 16))


def test_documents_are_cases_with_an_exact_interval(tmp_path: Path) -> None:
    made = audit_of(results(tmp_path, [1.0] * 21 + [0.0] * 9))
    [gate] = made.gates
    assert (gate.nodeid, gate.items, gate.failures, gate.status) == ("slm::lm_eval::measure[spelling]", 30, 9, Status.MEASURED)
    assert gate.dimension == Dimension.CAPABILITY
    assert gate.estimate is not None
    assert gate.estimate.value == pytest.approx(0.3)
    assert (gate.lower, gate.upper) == pytest.approx((0.16633, 0.46507), abs=1e-5)  # Clopper-Pearson, one-sided 95 %
    assert made.notes[0].startswith("NOT ASKED BY THIS TOOL: lm-evaluation-harness 0.4.13")
    assert made.provenance["asked_by"]["file"] == f"results{STAMP}.json"
    assert "jo@example.org" not in made.to_json()
    assert problems(made) == []


def test_the_mark_cannot_be_taken_out(tmp_path: Path) -> None:
    from dataclasses import replace

    made = audit_of(results(tmp_path, [1, 0, 1, 1]))
    assert any("NOT ASKED BY THIS TOOL" in one for one in problems(replace(made, notes=made.notes[1:])))


def test_a_document_without_a_number_counts_against_the_model(tmp_path: Path) -> None:
    made = audit_of(results(tmp_path, [1.0] * 17 + [None, "nan", 0.0]))
    [gate] = made.gates
    assert (gate.items, gate.failures, gate.unscored) == (20, 1, 2)


def test_fractions_are_a_mean(tmp_path: Path) -> None:
    [gate] = audit_of(results(tmp_path, [0.25, 0.5, 0.75, 0.9], "truthfulqa_mc2")).gates
    assert (gate.quantity, gate.dimension, gate.items) == ("mean", "hallucination", 4)


@pytest.mark.parametrize(
    ("metric", "value", "n", "method", "void"),
    [
        ("acc", 0.7, 30, "Clopper-Pearson", ""),
        ("acc", 0.715, 30, "normal, by the standard error in the file", ""),  # no count of 30
        ("word_perplexity", 17.5, 30, "normal, by the standard error in the file", ""),
    ],
)
def test_numbers_without_documents(tmp_path: Path, metric: str, value: float, n: int, method: str, void: str) -> None:
    path = results(tmp_path, [1.0] * n, metric=metric)
    data = json.loads(path.read_text("utf-8"))
    data["results"]["spelling"][f"{metric},none"] = value
    path.write_text(json.dumps(data), "utf-8")
    (tmp_path / f"samples_spelling{STAMP}.jsonl").unlink()
    made = audit_of(path)
    [gate] = made.gates
    assert (gate.quantity, gate.items) == ("metric", 1)
    assert gate.measures[0].estimate.method == method
    assert gate.measures[0].estimate.n == n
    assert any(note.startswith("NO SAMPLES: of spelling") for note in made.notes)
    assert problems(made) == []


def test_a_number_alone_has_no_interval(tmp_path: Path) -> None:
    path = results(tmp_path, [1.0] * 5, metric="bleu")
    data = json.loads(path.read_text("utf-8"))
    data["results"]["spelling"] = {"bleu,none": 31.4, "bleu_stderr,none": "N/A"}
    path.write_text(json.dumps(data), "utf-8")
    (tmp_path / f"samples_spelling{STAMP}.jsonl").unlink()
    [gate] = audit_of(path).gates
    assert gate.reading is not None
    assert gate.reading.void == "the file gives no interval and no count"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "of no known format"),
        ('{"results": [1], "configs": {}}', "broken results"),
        ('{"results": {"a": 1}, "configs": {}}', "broken results"),
        ('{"results": {"a": {"alias": "a"}}, "configs": {}}', "no metric that is a number"),
        ('{"results": {}, "configs": {}}', "no result in it"),
        ('{"results": {"a": ', "of no known format"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.json").write_text(text, "utf-8")
    assert main(["import", str(tmp_path / "r.json"), "--report", str(tmp_path / "out")]) == 2
    out = capsys.readouterr().err
    assert said in out
    assert out.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("head", ['{"configs": {}, "results": {"a": %s}}', '{"entry_type": "attempt", "x": %s}'])
def test_what_is_nested_too_deeply_or_too_large_is_one_line(
    tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    path.write_text(head % ("[" * 200_000 + "]" * 200_000), "utf-8")
    assert main(["import", str(path), "--report", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.endswith("broken: its values are nested too deeply\n")
    monkeypatch.setattr(foreign_results, "LARGEST", 1000)
    assert main(["import", str(path), "--report", str(tmp_path / "out")]) == 2
    assert "has at most 1000" in capsys.readouterr().err


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "r.json")
    assert main(["import", str(tmp_path / "r.json")]) == 2
    assert "a pipe; expected a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0c"])
def test_a_document_may_hold_any_character(tmp_path: Path, mark: str) -> None:
    path = results(tmp_path, [1, 0, 1])
    samples = tmp_path / f"samples_spelling{STAMP}.jsonl"
    rows = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    rows[1]["doc"] = {"text": f"one{mark}two"}
    samples.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    assert audit_of(path).gates[0].items == 3


def test_missing_and_broken_documents_are_refused(tmp_path: Path) -> None:
    path = results(tmp_path, [1, 0, 1])
    samples = tmp_path / f"samples_spelling{STAMP}.jsonl"
    lines = samples.read_text("utf-8").splitlines()
    samples.write_text("\n".join(lines[:2]), "utf-8")
    with pytest.raises(AuditError, match="2 documents; the results are of 3"):
        audit_of(path)
    samples.write_text("\n".join([*lines[:2], "[1]"]), "utf-8")
    with pytest.raises(AuditError, match="line 3 is not a document"):
        audit_of(path)


def test_a_limit_decides_and_audits_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = results(tmp_path / "a", [1] * 60), results(tmp_path / "b", [1] * 20 + [0] * 40)
    assert main(["import", str(good), "--gate", "spelling=0.1", "--report", str(tmp_path / "good")]) == 0
    assert main(["import", str(bad), "--gate", "spelling=0.1", "--report", str(tmp_path / "bad")]) == 1
    assert read_verified(tmp_path / "bad" / "audit.json").verdict is Status.FAIL
    page = (tmp_path / "good" / "audit.html").read_text("utf-8")
    assert "NOT ASKED BY THIS TOOL" in page
    assert re.search(r"^spelling: FAIL: 40 of 60 .* 10.0% is tolerated$", capsys.readouterr().out, re.MULTILINE)
    assert main(["compare", str(tmp_path / "bad" / "audit.json"), str(tmp_path / "good" / "audit.json")]) == 1
    assert "spelling:vs" in capsys.readouterr().out
    assert main(["accept", str(tmp_path / "good" / "audit.json")]) == 2
    assert "this audit was imported" in capsys.readouterr().err
