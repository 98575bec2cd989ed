"""``slmtrust import LOG.json``: samples of inspect as an audit, by scorer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.audit.model import Audit, AuditError
from pytest_slmtrust.foreign.imported import imported
from pytest_slmtrust.foreign.results import read_foreign
from pytest_slmtrust.redaction import Mask


def sample(number: int | str, value: Any, epoch: int = 1, scorer: str = "match", **more: Any) -> dict[str, Any]:
    message = {
        "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": f"reply {number}"}],
        "role": "assistant",
    }
    scores = {} if value is None else {scorer: {"value": value, "answer": "a"}}
    return {
        "id": number, "epoch": epoch, "input": [{"role": "user", "content": f"question {number}"}], "target": "a",
        "output": {"model": "m", "choices": [{"message": message, "stop_reason": "stop"}]}, "scores": scores, **more,
    }  # fmt: skip


def log(folder: Path, samples: list[Any], told: float | None = None, ids: list[Any] | None = None, **more: Any) -> Path:
    scores = [] if told is None else [{"name": "match", "scorer": "match", "metrics": {"accuracy": {"value": told}}}]
    there = ids if ids is not None else [s["id"] for s in samples]
    data = {
        "version": 2, "status": "success", "results": {"scores": scores}, "samples": samples,
        "eval": {
            "task_id": "x", "task": "own/sums", "model": "hf/small", "created": "2026-11-01T10:00:00", "config": {"epochs": 1},
            "packages": {"inspect_ai": "0.3.9"}, "dataset": {"sample_ids": there},
        },
    }  # fmt: skip
    for key, value in more.items():
        data["eval"]["config" if key == "config" else key] = value  # type: ignore[index]
    path = folder / "log.json"
    path.write_text(json.dumps(data))
    return path


def audit_of(path: Path, *gates: str) -> Audit:
    return imported(read_foreign(path), path, gates, Mask(b"k" * 16))


def test_right_and_wrong_samples_are_counted(tmp_path: Path) -> None:
    audit = audit_of(log(tmp_path, [sample(n, "C" if n % 4 else "I") for n in range(40)], told=0.75), "inspect_sums=0.5")
    [gate] = audit.gates
    assert (gate.probe, gate.items, gate.failures, gate.status) == ("inspect_sums", 40, 10, "PASS")
    assert audit.model["name"] == "hf/small"
    assert "inspect_ai 0.3.9" in audit.notes[0]
    assert audit.findings[0].evidence["reply"] == "reply 0"
    assert audit.findings[0].evidence["prompt"] == "question 0"


def test_a_mean_that_the_samples_do_not_give_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"match: the log says accuracy 0\.9, and its samples give 0.75"):
        audit_of(log(tmp_path, [sample(n, "C" if n % 4 else "I") for n in range(40)], told=0.9))


def test_what_broke_off_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    broken = sample("b", None, error={"message": "the server is gone", "traceback": ""})
    audit = audit_of(log(tmp_path, [sample("a", "C"), broken, sample("c", None)], ids=["a", "b", "c", "d"]))
    assert {f.case: f.outcome for f in audit.findings} == {"a.1": "passed", "b.1": "error", "c.1": "unscored", "d.1": "error"}
    [gate] = audit.gates
    assert gate.items == 4
    held = log(tmp_path, [sample(n, "C") for n in range(60)], ids=list(range(90)))
    [gate] = audit_of(held, "inspect_sums=0.1").gates
    assert gate.items == 90
    assert gate.status != "PASS"


def test_epochs_are_draws_of_one_item(tmp_path: Path) -> None:
    samples = [sample(n, 1 if (n, epoch) != (0, 2) else 0, epoch) for n in range(10) for epoch in (1, 2)]
    audit = audit_of(log(tmp_path, samples, told=0.95, ids=list(range(10)), config={"epochs": 2}))
    [gate] = audit.gates
    assert (gate.items, gate.cases, gate.failures) == (10, 20, 1)
    assert any(note.startswith("EPOCHS: ") for note in audit.notes)


def test_partly_right_samples_have_a_mean_and_no_count(tmp_path: Path) -> None:
    audit = audit_of(log(tmp_path, [sample(n, "CPI"[n % 3]) for n in range(30)], told=0.5))
    [gate] = audit.gates
    assert gate.status == "MEASURED"
    assert gate.estimate is not None
    assert gate.estimate.value == pytest.approx(0.5)


def test_each_scorer_is_a_test(tmp_path: Path) -> None:
    rows = [sample(n, "C") for n in range(6)]
    for row in rows:
        row["scores"]["own/judge"] = {"value": {"a": 1, "b": 0}}
    audit = audit_of(log(tmp_path, rows))
    outcomes = {(f.probe, f.outcome, f.reason) for f in audit.findings}
    assert outcomes == {
        ("inspect_sums_by_match", "passed", ""), ("inspect_sums_by_judge", "unscored", "its score is no single number"),
    }  # fmt: skip


def test_a_score_that_is_no_share_decides_nothing(tmp_path: Path) -> None:
    audit = audit_of(log(tmp_path, [sample(n, 1e308 if n else 7) for n in range(30)]), "inspect_sums=0.5")
    assert {(f.outcome, f.reason) for f in audit.findings} == {("unscored", "its score does not lie between 0 and 1")}
    [gate] = audit.gates
    assert gate.status != "PASS"


def test_a_log_of_more_epochs_than_anybody_asks_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"in 1e\+09 epochs"):
        audit_of(log(tmp_path, [sample(n, "C") for n in range(3)], config={"epochs": 10**9}))


def test_an_object_that_names_a_value_twice_is_broken(tmp_path: Path) -> None:
    path = log(tmp_path, [sample(1, "I")])
    path.write_text(path.read_text().replace('"value": "I"', '"value": "I", "value": "C"'))
    with pytest.raises(AuditError, match="names 'value' twice"):
        audit_of(path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"samples": None}, "the log holds no samples"),
        ({"samples": [sample(1, None)]}, "no sample has a score"),
        ({"samples": [sample(1, "C"), sample("1", "I")]}, "two samples have one id and epoch"),
        ({"samples": [{"id": 1}]}, "no sample has a score"),
        ({"samples": [{"id": 1, "scores": {"match": {"value": "C"}}}]}, "broken JSON log of inspect_ai"),
        ({"samples": [sample(1, "C", epoch="x")]}, "broken JSON log of inspect_ai"),  # type: ignore[arg-type]
        ({"eval": []}, "broken JSON log of inspect_ai"),
    ],
)
def test_a_broken_log_is_one_line(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    path = log(tmp_path, [sample(1, "C")])
    path.write_text(json.dumps({"task_id": "", **json.loads(path.read_text()), **change}))
    with pytest.raises(AuditError, match=why) as told:
        audit_of(path)
    assert "\n" not in str(told.value)


def test_a_packed_log_names_the_command_that_unpacks_it(tmp_path: Path) -> None:
    path = tmp_path / "x.eval"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(AuditError, match="inspect log convert"):
        read_foreign(path)
