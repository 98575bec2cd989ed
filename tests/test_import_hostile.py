"""Results of other tools that do not add up, hold what must not leave, or claim more than they show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_foreign_harness import STAMP, audit_of, results
from test_import_garak import SETUP, attempt, counted, made

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.model import AuditError, Status
from pytest_slmtrust.cli import main

Data = dict[str, Any]
TOKEN = "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi"


def changed(path: Path, change: Callable[[Data], object]) -> Path:
    data = json.loads(path.read_text("utf-8"))
    change(data)
    path.write_text(json.dumps(data), "utf-8")
    return path


def entry(data: Data) -> Data:
    found: Data = data["results"]["spelling"]
    return found


# ------------------------------------------------------------------ lm-evaluation-harness


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: entry(d).update({"acc,none": 0.2}), "its documents give 1"),
        (lambda d: entry(d).update({"acc,none": 1e308}), "its documents give 1"),
        (lambda d: d["n-samples"]["spelling"].update(effective=10**400), "results of 1000000"),
        (lambda d: d["n-samples"]["spelling"].update(effective=float("inf")), "results of inf documents"),
        (lambda d: d["n-samples"]["spelling"].update(effective=-30), "results of -30 documents"),
        (lambda d: d["n-samples"]["spelling"].update(effective=0), "results of 0 documents"),
        (lambda d: d["n-samples"]["spelling"].update(effective=29.6), "results of 29.6 documents"),
        (lambda d: d["n-samples"]["spelling"].update(effective=31), "30 documents; the results are of 31"),
        (lambda d: d.update(config=["a list"], model_name=""), "broken results"),
        (lambda d: entry(d).update({"acc,none": 10**400}), "broken results"),
        (lambda d: d.update({"n-samples": 7}), "broken results"),
    ],
)
def test_results_that_do_not_fit_their_documents_are_one_line(
    tmp_path: Path, change: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(results(tmp_path / "in", [1.0] * 30), change)
    assert main(["import", str(path), "--gate", "spelling=0.3", "--report", str(tmp_path / "out")]) == 2
    out = capsys.readouterr().err
    assert said in out
    assert out.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_task_twice_in_a_file_is_not_taken_for_the_last_one(tmp_path: Path) -> None:
    path = results(tmp_path, [1.0] * 30)
    text = path.read_text("utf-8")
    path.write_text(text.replace('{"spelling": {"alias"', '{"spelling": {"acc,none": 0.0}, "spelling": {"alias"'), "utf-8")
    with pytest.raises(AuditError, match="names 'spelling' twice"):
        audit_of(path)


@pytest.mark.parametrize("value", [1e308, 1.5, -0.5])
def test_a_share_outside_of_0_and_1_is_refused_without_documents(tmp_path: Path, value: float) -> None:
    path = changed(results(tmp_path, [1.0] * 30), lambda d: entry(d).update({"acc,none": value}))
    (tmp_path / f"samples_spelling{STAMP}.jsonl").unlink()
    with pytest.raises(AuditError, match="between 0 and 1"):
        audit_of(path, "spelling=0.3")


def test_documents_without_a_single_number_are_no_pass(tmp_path: Path) -> None:
    path = changed(results(tmp_path, [None] * 30), lambda d: entry(d).update({"acc,none": 1.0}))
    with pytest.raises(AuditError, match="acc of spelling is 1"):
        audit_of(path, "spelling=0.3")


@pytest.mark.parametrize("error", [0, -0.1, 1e-320, 1e-15])
def test_an_error_of_nothing_is_no_interval(tmp_path: Path, error: float) -> None:
    path = changed(results(tmp_path, [0.9] * 30, metric="bleu"), lambda d: entry(d).update({"bleu_stderr,none": error}))
    (tmp_path / f"samples_spelling{STAMP}.jsonl").unlink()
    [gate] = audit_of(path, "spelling=0.3").gates
    assert gate.reading is not None
    assert gate.reading.void == "the file gives no interval and no count"
    assert gate.status is not Status.PASS
    assert not gate.blocking


@pytest.mark.parametrize("pair", [("words", "Words"), ("a-b", "a_b"), ("mmlu (de)", "mmlu_de")])
def test_two_tasks_whose_names_are_written_alike_are_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    path = changed(
        results(tmp_path, [1.0] * 5),
        lambda d: d.update(results={one: {"acc,none": float(n)} for n, one in enumerate(pair)}, **{"n-samples": {}}),
    )
    with pytest.raises(AuditError, match="two tests of it have the name"):
        audit_of(path)


@pytest.mark.parametrize(
    "groups",
    [
        {"groups": {"spelling": {}}},
        {"group_subtasks": {"spelling": ["nowhere"]}},
        {"group_subtasks": {"spelling": ["other"], "other": ["spelling"]}},
    ],
)
def test_a_file_cannot_hide_a_task_by_calling_it_a_group(tmp_path: Path, groups: Data) -> None:
    path = changed(results(tmp_path, [0.0] * 30), lambda d: d.update(groups))
    assert [gate.failures for gate in audit_of(path).gates] == [30]


def test_groups_of_groups_are_left_out(tmp_path: Path) -> None:
    more = {"results": {"all": {"acc,none": 1.0}, "some": {"acc,none": 1.0}, "spelling": {"acc,none": 1.0}}}
    path = changed(
        results(tmp_path, [1.0] * 30), lambda d: d.update(more, group_subtasks={"all": ["some"], "some": ["spelling"]})
    )
    assert [gate.probe for gate in audit_of(path).gates] == ["spelling"]


def test_a_name_of_a_built_in_gate_makes_no_gate(tmp_path: Path) -> None:
    made = audit_of(results(tmp_path, [1.0] * 400, name="keeps_system_secret"))
    assert [(gate.blocking, gate.tolerance) for gate in made.gates] == [(False, None)]
    assert made.verdict is Status.MEASURED
    assert problems(made) == []


def test_what_must_not_leave_is_masked_in_every_text_of_the_file(tmp_path: Path) -> None:
    mail, name = "ann.lee@example.org", f"<b>task</b> of ann.lee@example.org\n::error::{TOKEN}"
    path = results(tmp_path, [1.0] * 5, name="spelling")
    changed(path, lambda d: d.update(
        results={name: {f"acc of {mail},none": 0.5, f"acc of {mail}_stderr,none": 0.1}}, model_name="",
        config={"model_args": f"pretrained=org/m,token={TOKEN},base_url=https://ann:{TOKEN}@host/v1"},
        lm_eval_version=f"0.4 {mail}", date=f"{mail}", **{"n-samples": {}},
    ))  # fmt: skip
    other = path.rename(tmp_path / f"results of {mail}.json")
    made = audit_of(other)
    text = made.to_json()
    assert mail not in text
    assert TOKEN not in text
    assert "pretrained=org/m" in text
    assert all("\n" not in one for one in (made.gates[0].claim, made.gates[0].metric, *made.notes))
    assert problems(made) == []


def test_a_time_and_a_version_stay_as_they_are(tmp_path: Path) -> None:
    path = changed(results(tmp_path, [1.0] * 5), lambda d: d.update(date=1730455200.123, lm_eval_version="0.4.13"))
    by = audit_of(path).provenance["asked_by"]
    assert (by["version"], by["started"]) == ("0.4.13", "1730455200.123")


def test_the_second_filter_is_counted_from_its_documents(tmp_path: Path) -> None:
    path = results(tmp_path, [1.0] * 30)
    changed(path, lambda d: d["results"].update(spelling={"acc,strict": 1.0, "acc,loose": 1.0}))
    samples = tmp_path / f"samples_spelling{STAMP}.jsonl"
    rows = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    loose = [{**row, "filter": "loose", "acc": float(n < 20)} for n, row in enumerate(rows)]
    samples.write_text("\n".join(json.dumps(row) for row in [*({**row, "filter": "strict"} for row in rows), *loose]), "utf-8")
    [gate] = audit_of(path).gates
    assert gate.failures == 0
    methods = {one.name: one.estimate.method for one in gate.measures}
    assert methods["acc (strict)"] == "Clopper-Pearson"
    samples.write_text("\n".join(json.dumps({**row, "filter": "strict"}) for row in rows[:-1]), "utf-8")
    with pytest.raises(AuditError, match="29 documents; the results are of 30"):
        audit_of(path)


def test_results_of_many_tasks_are_known_by_their_form(tmp_path: Path) -> None:
    more = {f"task{n}": {"acc,none": 0.5, "acc_stderr,none": 0.1, "alias": "x" * 400} for n in range(300)}
    text = json.dumps({"results": more, "configs": {}})
    assert text.index('"configs"') > 65536
    (tmp_path / "results.json").write_text(text, "utf-8")
    assert len(audit_of(tmp_path / "results.json").gates) == 300


def test_who_asked_cannot_be_taken_out(tmp_path: Path) -> None:
    from dataclasses import replace

    sound = audit_of(results(tmp_path, [1, 0, 1, 1]))
    provenance = sound.provenance.copy()
    del provenance["asked_by"]
    edited = replace(sound, provenance=provenance, notes=sound.notes[1:])
    assert any("asked_by" in one for one in problems(edited))


# ------------------------------------------------------------------ garak

PROBE, DETECTOR = "goodside.Tag", "x.Y"


def rows(scores: list[Any], status: int = 2, probe: str = PROBE) -> list[Data]:
    return [{**attempt(probe, f"p{n}", {DETECTOR: [score]}, status), "uuid": f"u{n}"} for n, score in enumerate(scores)]


def other(*scores: float) -> list[Data]:
    """Attempts of a second probe."""
    return [{**one, "uuid": f"v{one['uuid']}"} for one in rows(list(scores), probe="a.B")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*rows([1.0] * 10), counted(PROBE, DETECTOR, 10, 10)], "garak counted 10 of 10 passed"),
        ([*rows([0.0] * 10), counted(PROBE, DETECTOR, 0, 10)], "garak counted 0 of 10 passed"),
        ([*rows([0.2] * 10), counted(PROBE, DETECTOR, 5, 10)], "garak counted 5 of 10 passed"),
        ([*rows([0.0]), counted(PROBE, DETECTOR, -1, 1)], "'-1' is no count"),
        ([*rows([0.0]), counted(PROBE, DETECTOR, 0.7, 1)], "'0.7' is no count"),  # type: ignore[arg-type]
        ([*rows([0.0]), {**counted(PROBE, DETECTOR, 1, 1), "passed": float("inf")}], "'inf' is no count"),
        ([*rows([0.0]), counted(PROBE, DETECTOR, 1, 1), counted(PROBE, DETECTOR, 0, 1)], "twice, differently"),
        (rows([float("nan")]), "'nan' is no score"),
        (rows([10**400]), "broken report of garak"),
        (rows(["0.0"]), "'0.0' is no score"),
        ([*rows([0.0, 0.0]), *rows([0.0])], "the attempt u0 is in it twice"),
        ([*rows([0.3, 0.8]), counted(PROBE, DETECTOR, 1, 2), *other(0.3), counted("a.B", DETECTOR, 0, 1)], "fits no threshold"),
        ([*other(0.0), *({**one, "uuid": "w", "probe_classname": "a.b"} for one in other(0.0))], "the name garak_a_b"),
    ],
)  # fmt: skip
def test_a_report_of_garak_that_does_not_add_up_is_one_line(
    tmp_path: Path, lines: list[Data], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "garak.report.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in (SETUP, *lines)), "utf-8")
    assert main(["import", str(path), "--report", str(tmp_path / "out")]) == 2
    out = capsys.readouterr().err
    assert said in out
    assert out.count("\n") == 1


def test_one_threshold_is_that_of_the_whole_run(tmp_path: Path) -> None:
    more = (*other(0.1, 0.75), counted("a.B", DETECTOR, 1, 2))
    audit = made(tmp_path, *rows([0.1, 0.6, 0.9]), counted(PROBE, DETECTOR, 2, 3), *more)
    assert {gate.probe: gate.failures for gate in audit.gates} == {"garak_goodside_tag": 1, "garak_a_b": 1}


def test_attempts_that_garak_never_judged_count_against_the_model(tmp_path: Path) -> None:
    """A run that was cut off while its attempts were judged."""
    asked = rows([0.0] * 100, status=1)
    [gate] = made(tmp_path, *asked, *rows([0.0] * 60), gates=("garak_goodside_tag=0.06",)).gates
    assert (gate.items, gate.unscored, gate.failures) == (100, 40, 0)
    assert gate.status is not Status.PASS
    audit = made(tmp_path, *rows([0.0]), {**rows([0.0], 1, "a.B")[0], "uuid": "z"})
    assert any(note.startswith("NOT JUDGED: garak asked a.B") for note in audit.notes)
    assert problems(audit) == []


def test_an_attempt_without_a_reply_is_an_item_that_nobody_judged(tmp_path: Path) -> None:
    silent = {**attempt(PROBE, "p", {DETECTOR: []}), "uuid": "z", "outputs": []}
    [gate] = made(tmp_path, *rows([0.0] * 9), silent, counted(PROBE, DETECTOR, 9, 9)).gates
    assert (gate.items, gate.unscored) == (10, 1)
