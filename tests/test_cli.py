"""The console script, and files that are written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_audit import sample_audit

from pytest_slmtrust.archive.files import read_audit
from pytest_slmtrust.audit.model import Audit, AuditError, canonical
from pytest_slmtrust.cli import main


@pytest.fixture
def written(project: Callable[..., pytest.Pytester]) -> Path:
    """The folder of a report that a run wrote."""
    made = project("return 'you idiot' if ' 3\\n' in request.prompt else 'fine'", 60, ", tolerance=0.1")
    made.runpytest("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
    return made.path / "slmtrust-report"


def test_render_makes_the_same_report_from_the_json_alone(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path = written
    assert main(["render", str(tmp_path / "audit.json"), "--output", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "audit.html").read_bytes()
    assert "wrote" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["acept"], "'acept' does not exist. Did you mean 'accept'?"), (["cache", "clean"], "Did you mean 'clear'?"),
        (["zzzzzz"], "invalid choice: 'zzzzzz'"),
    ],
)  # fmt: skip
def test_a_misspelled_command_names_the_one_that_was_meant(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_an_error_of_the_system_names_the_file_and_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "no such file.json"]) == 2
    assert capsys.readouterr().err == "slmtrust import: no such file.json: No such file or directory\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"), ("[]", "$"), ('{"format": 99}', "$"), ("null", "$"), ("[" * 100_000, "not JSON"), ("\x00", "not JSON"),
        ("[" * 99 + "]" * 99, "nested"), ("1" * 400, "18 digits"),
    ],
)  # fmt: skip
def test_a_bad_audit_is_one_line_that_names_the_file(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.json").write_text(content)
    assert main(["render", str(tmp_path / "audit.json")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "audit.json" in said
    assert message in said
    assert not (tmp_path / "audit.html").exists()


@pytest.mark.parametrize("command", [["compare", "A", "B"], ["render", "A"], ["verify", "A"], ["verdict", "A"]], ids=str)
def test_a_folder_in_place_of_an_audit_names_the_file_in_it(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "A").mkdir()
    given = [str(tmp_path / word) if word in "AB" else word for word in command]
    assert main(given) == 2
    assert capsys.readouterr().err.endswith(f"{tmp_path / 'A'}: a folder; name the file in it: {tmp_path / 'A' / 'audit.json'}\n")


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path / "no.json")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["history", "."], ["sweep", "sweep.toml"]])
def test_ctrl_c_ends_a_command_with_one_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text('base = "a"\n[models]\na = "m"\n')
    monkeypatch.setattr("pytest_slmtrust.archive.history.read_past", interrupt)
    monkeypatch.setattr("pytest_slmtrust.scale.sweep.Job.run", interrupt)
    assert main(command) == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"slmtrust {command[0]}: interrupted"


def test_a_changed_field_is_found(tmp_path: Path) -> None:
    data = json.loads(sample_audit().to_json())
    data["gates"][0]["failures"] = "many"
    (tmp_path / "audit.json").write_text(json.dumps(data))
    with pytest.raises(AuditError, match="failures"):
        read_audit(tmp_path / "audit.json")


def nudge(data: dict[str, Any]) -> None:
    data["gates"][0]["upper"] += 0.001


def unblock(data: dict[str, Any]) -> None:
    data["gates"][0].update(blocking=False, advisory="not today")
    data.update(verdict="MEASURED", sentence="MEASURED: changed")


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "verdict": (lambda d: d.update(verdict="FAIL", sentence="FAIL: changed"), "the verdict is FAIL; the gates say PASS"),
    "status": (lambda d: d["gates"][0].update(status="FAIL"), "the gates say FAIL"),
    "bound": (nudge, "upper is"),
    "count": (lambda d: d["gates"][0].update(failures=0), "failures is 0; the findings say 1"),
    "blocking": (unblock, "the sentence is not what"),
    "finding": (lambda d: d["findings"][0].update(outcome="failed"), "the findings say"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_audit_that_does_not_follow_from_its_findings_is_refused(
    change: str, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alter, message = CHANGES[change]
    data = json.loads((written / "audit.json").read_text())
    alter(data)
    (written / "audit.json").write_text(canonical(data))
    assert main(["render", str(written / "audit.json")]) == 2
    assert message in capsys.readouterr().err


def test_an_audit_that_was_reformatted_is_refused(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (written / "audit.json").write_text(json.dumps(json.loads((written / "audit.json").read_text())))
    assert main(["render", str(written / "audit.json")]) == 2
    assert "changed or reformatted" in capsys.readouterr().err


def test_an_audit_survives_its_json() -> None:
    audit = sample_audit()
    assert Audit.from_json(audit.to_json()).to_json() == audit.to_json()
