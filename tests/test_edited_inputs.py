"""Whatever takes an audit takes no edited one: every command, and the options that name a baseline."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from runs import run
from tampered import AUDIT, Data, audited, edited
from test_versus import OPTIONS

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.cli import main

REFUSED = "does not follow from its own findings"
#: Commands by name. ``bad`` is the edited audit, ``good`` the one that it was made from, ``out`` what must not be written.
COMMANDS = {
    "render": "render {bad} --output {out}",
    "accept": "accept {bad} --output {out}",
    "attest": "attest {bad} --output {out}",
    "verdict": "verdict {bad}",
    "compare an edited target": "compare {bad} {good} --html {out}",
    "compare with an edited baseline": "compare {good} {bad} --html {out}",
    "compare with an edited noise": "compare {good} {good} --noise {bad} --html {out}",
    "compare into a folder": "compare {good} {bad} --report {out}",
    "diff from": "diff {bad} {good}",
    "diff to": "diff {good} {bad}",
    **{f"export to {name}": f"export {{bad}} --to {name} -o {{out}}" for name in ("sarif", "markdown", "csv", "ctrf", "intoto")},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return audited(tmp_path_factory.mktemp("audited"))


@pytest.fixture(scope="module")
def edits(whole: Data) -> dict[str, str]:
    """The text of each edited audit that recomputing finds; a good part of all edits."""
    made = {name: edited(whole, name) for name in AUDIT}
    found = {name: audit.to_json() for name, audit in made.items() if problems(audit)}
    assert len(found) >= 15
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_every_edit_in_one_line_and_writes_nothing(
    command: str, edits: dict[str, str], whole: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, out = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "out"
    good.write_text(Audit.from_json(json.dumps(whole)).to_json())
    for name, text in edits.items():
        bad.write_text(text)
        assert main(COMMANDS[command].format(good=good, bad=bad, out=out).split()) not in (0, 1), name
        said = capsys.readouterr()
        assert said.out == "", name
        lines = [line for line in said.err.splitlines() if not line.startswith("checking ")]
        assert len(lines) == 1, (name, lines)
        assert REFUSED in lines[0], (name, lines)
        assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.json", "good.json"], name


def test_a_history_leaves_edited_audits_out_by_name(
    edits: dict[str, str], whole: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate([Audit.from_json(json.dumps(whole)).to_json(), *edits.values()]):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        (folder / "audit.json").write_text(text)
    assert main(["history", str(tmp_path)]) == 0
    left_out = [line for line in capsys.readouterr().err.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == len(edits)
    assert all(REFUSED in line for line in left_out)


def test_a_run_takes_no_edited_baseline_and_no_audit_for_a_lock(tmp_path: Path) -> None:
    sound = audited(tmp_path)
    project = tmp_path
    (project / "slmtrust-report" / "audit.json").rename(project / "sound.json")
    flipped = copy.deepcopy(sound)
    for one in flipped["findings"][: len(flipped["findings"]) // 2]:
        one["outcome"] = "passed" if one["outcome"] != "passed" else "failed"
    (project / "flipped.json").write_text(Audit.from_json(json.dumps(flipped)).to_json())
    done = run(project, "--slm=conftest:child", "--slm-baseline=flipped.json", *OPTIONS)
    assert done.returncode == 4
    assert REFUSED in done.stdout + done.stderr
    done = run(project, "--slm=conftest:child", "--slm-lock=sound.json", *OPTIONS)
    assert done.returncode == 4
    assert "not a lock" in done.stdout + done.stderr
