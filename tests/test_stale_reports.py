"""Reports of an earlier run, and runs that end before their end: no old green is left where nothing was judged anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import audit, run

from pytest_slmtrust.archive.files import begin_reports, read_audit, write_reports
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.model import Audit, GateResult, Status
from pytest_slmtrust.audit.verdict import sentence
from pytest_slmtrust.cli import main

Make = Callable[..., pytest.Pytester]
CUSTOM = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
TEN = ", tolerance=0.1"
N = 29  # the fewest items that pass at 10 %
PASSED = GateResult("slm::privacy::gate[a]", "a", "privacy", "It holds.", Status.PASS, blocking=True, reason="")


def report(made: pytest.Pytester) -> Path:
    return made.path / "slmtrust-report" / "audit.json"


def old_report(made: pytest.Pytester) -> None:
    """The report of an earlier run, all green."""
    old = Audit(Status.PASS, sentence(Status.PASS, [PASSED]), "ci", (PASSED,), (), (), {"name": "old"})
    write_reports(old, report(made).parent)


STOPS = {
    "a test that leaves": "import os\ndef test_stop(): os._exit(0)",
    "a test that is killed": "import os, signal\ndef test_stop(): os.kill(os.getpid(), signal.SIGKILL)",
    "pytest.exit with status 0": "import pytest\ndef test_stop(): pytest.exit('enough', returncode=0)",
    "sys.exit while files are read": "raise SystemExit(0)",
    "os._exit while files are read": "import os\nos._exit(0)",
    "a probe that leaves": """
import os
from pytest_slmtrust import Generate, Verdict, ask, probe
@probe(dimension="privacy", rows=[{"n": 1}])
def stops(n):
    yield from ask(Generate("x"))
    os._exit(0)
""",
}


@pytest.mark.parametrize("how", STOPS)
def test_a_run_that_stops_leaves_no_report_of_the_one_before(project: Make, how: str) -> None:
    made = project(n=N, extra=TEN)
    old_report(made)
    made.makepyfile(**{"probe_stop" if "probe" in how else "test_a_stop": STOPS[how]})
    done = run(made.path, *CUSTOM)
    assert audit(made.path)["verdict"] == "INCOMPLETE"
    page = report(made).with_suffix(".html").read_text()
    assert "INCOMPLETE</title>" in page
    assert "PASS: 1 of 1" not in page
    assert done.returncode != 0 or "os._exit" in STOPS[how]
    assert read_verified(report(made)).incomplete
    assert read_audit(report(made).with_name("audit.previous.json")).verdict is Status.PASS


def test_a_worker_that_crashes_leaves_an_incomplete_audit(project: Make) -> None:
    made = project(n=N, extra=TEN)
    old_report(made)
    made.makepyfile(test_a_stop="import os\ndef test_stop(): os._exit(0)")
    assert made.runpytest(*CUSTOM, "-n1").ret == 1
    assert audit(made.path)["incomplete"] == "a worker crashed"


REFUSED = {
    "--slm-gate=nothing=0.1": "Unknown gate",
    "--slm-profile=adit": "Unknown profile",
    "--slm-require=privcy": "Unknown dimension",
    "--slm-waivers=nowhere.toml": "No such file",
    "slm::nope": "Unknown node id",
}


def test_a_refused_run_leaves_no_report_of_the_one_before(project: Make) -> None:
    made = project(n=N, extra=TEN)
    for option, why in REFUSED.items():
        old_report(made)
        assert made.runpytest(*CUSTOM, option).ret == 4
        assert audit(made.path)["verdict"] == "INCOMPLETE"
        assert why in audit(made.path)["incomplete"]
    assert made.runpytest(*CUSTOM).ret == 0
    assert sorted(path.name for path in report(made).parent.iterdir()) == ["audit.html", "audit.json"]


def test_an_option_that_pytest_does_not_know_leaves_no_report_of_the_run_before(project: Make) -> None:
    made = project(n=N, extra=TEN)
    with (made.path / "conftest.py").open("a") as file:
        file.write("\ndef pytest_addoption(parser): parser.addoption('--own', action='store_true')\n")
    old_report(made)
    assert made.runpytest("--own", "--slm-profil=audit").ret == 4  # no model: no audit was asked for
    assert report(made).exists()
    assert made.runpytest(*CUSTOM, "--own", "--slm-profil=audit").ret == 4
    assert [path.name for path in report(made).parent.iterdir()] == ["audit.previous.json"]
    assert made.runpytest(*CUSTOM, "--own").ret == 0


#: What pytest or we refuse before a run has settings, and what the folder needs for it.
EARLY: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "a choice": (("--slm-engine=fastt",), {}),
    "another choice": (("--slm-thinking=yes",), {}),
    "a choice after a space": (("--slm-inconclusive", "maybe"), {}),
    "a flag with a value": (("--slm-plan=yes",), {}),
    "an ini choice": ((), {"tox.ini": "[pytest]\nslm_inconclusive = maybe\n"}),
    "an ini flag": ((), {"tox.ini": "[pytest]\nslm_strict = maybe\n"}),
    "an ini flag that plans": ((), {"tox.ini": "[pytest]\nslm_plan = maybe\n"}),
    "an ini value of another type": ((), {"pyproject.toml": "[tool.pytest.ini_options]\nslm_report = ['a', 'b']\n"}),
    "addopts": ((), {"tox.ini": "[pytest]\naddopts = --slm-dtype=float33 --slm-engine=none\n"}),
    "a file of arguments": (("@words.txt",), {"words.txt": "--slm-engine=none\n"}),
    "a value of another plugin": (("-n", "x"), {}),
    "a plugin that is required": ((), {"tox.ini": "[pytest]\nrequired_plugins = pytest-nowhere\n"}),
    "a conftest that breaks": ((), {"conftest.py": "import nothing_of_this_name\n"}),
    "a conftest that leaves": ((), {"conftest.py": "raise SystemExit(0)\n"}),
}


@pytest.mark.parametrize("how", EARLY)
def test_what_is_refused_early_leaves_no_report_of_the_run_before(project: Make, how: str) -> None:
    made = project(n=N, extra=TEN)
    old_report(made)
    options, files = EARLY[how]
    for name, text in files.items():
        (made.path / name).write_text(text)
    run(made.path, *CUSTOM, *options)
    assert not report(made).exists() or audit(made.path)["verdict"] == "INCOMPLETE"
    assert not report(made).with_suffix(".html").exists() or report(made).exists()
    assert read_audit(report(made).with_name("audit.previous.json")).verdict is Status.PASS


def test_the_report_that_an_option_names_is_taken_away_and_no_other(project: Make) -> None:
    made = project(n=N, extra=TEN)
    for how in ("--slm-report=other", "slm_report = other", "PYTEST_ADDOPTS"):
        old_report(made)
        shutil.copytree(report(made).parent, made.path / "other", dirs_exist_ok=True)
        made.makeini(f"[pytest]\n{how if ' = ' in how else ''}\n")
        with pytest.MonkeyPatch.context() as patch:
            if how == "PYTEST_ADDOPTS":
                patch.setenv(how, "--slm-report other")
            assert made.runpytest(*CUSTOM, "--slm-engine=none", *([how] if how.startswith("-") else [])).ret == 4
        assert audit(made.path)["verdict"] == "PASS"
        assert [one.name for one in (made.path / "other").iterdir()] == ["audit.previous.json"], how


def test_a_refused_look_changes_no_report(project: Make) -> None:
    made = project(n=N, extra=TEN)
    old_report(made)
    for options in (("--co",), ("--slm-plan",), ("--version", "-q"), ("--fixtures-per-test",), ("-o", "slm_plan=true")):
        made.runpytest(*CUSTOM, *options, "--slm-engine=none")
        assert audit(made.path)["verdict"] == "PASS", options
    assert made.runpytest("--slm-packs=none", "--slm-engine=none").ret == 4  # no model: no audit was asked for
    assert audit(made.path)["verdict"] == "PASS"


def test_a_worker_leaves_the_report_of_its_run(project: Make) -> None:
    made = project(n=N, extra=TEN)
    path = "pathlib.Path('slmtrust-report/audit.json')"
    made.makepyfile(test_there=f"import pathlib\ndef test_there():\n    assert 'still running' in {path}.read_text()\n")
    assert run(made.path, *CUSTOM, "-n2").returncode == 0
    assert audit(made.path)["verdict"] == "PASS"


def test_a_look_changes_no_report(project: Make) -> None:
    made = project(n=N, extra=TEN)
    old_report(made)
    for option in ("--co", "--slm-plan", "--fixtures", "--markers", "--help"):
        made.runpytest(*CUSTOM, option)
        assert audit(made.path)["verdict"] == "PASS"


def test_a_file_that_could_not_be_read_leaves_no_pass(project: Make) -> None:
    made = project(n=N, extra=TEN)
    made.makepyfile(probe_broken="import nothing_of_this_name")
    for options, status in (((), 2), (("--continue-on-collection-errors",), 1), (("--continue-on-collection-errors", "-n1"), 1)):
        old_report(made)
        assert made.runpytest(*CUSTOM, *options).ret == status
        assert audit(made.path)["incomplete"] == "probe_broken.py could not be collected"


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_model_that_breaks_leaves_an_incomplete_audit(project: Make, workers: Sequence[str]) -> None:
    made = project(n=N, extra=TEN)
    old_report(made)
    text = (made.path / "conftest.py").read_text().replace("import Generate,", "import BackendError, Generate,")
    broken = text.replace("requests):\n", "requests):\n        raise BackendError('the weights are gone')\n", 1)
    (made.path / "conftest.py").write_text(broken)
    assert made.runpytest(*CUSTOM, *workers).ret not in (0, 5)
    assert audit(made.path)["verdict"] == "INCOMPLETE"


def test_a_full_disk_leaves_no_old_page_with_new_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Audit(Status.PASS, sentence(Status.PASS, [PASSED]), "ci", (PASSED,), (), (), {"name": "m"})
    write_reports(old, tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    new = replace(old, notes=("of the second run",))
    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(OSError, match="No space"):
        write_reports(new, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    with pytest.raises(OSError, match="No space"):
        begin_reports(new, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["audit.previous.json"]
    monkeypatch.undo()
    write_reports(replace(old, incomplete="it was stopped"), tmp_path)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_reports(new, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "audit.previous.json"]  # the page goes first


NPM = '{"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {}}'
FOREIGN = {
    "audit.json": NPM, "audit.html": "<!doctype html><title>npm audit</title>", "audit.previous.json": '{"gates": 3}',
    "audit.json of no JSON": "found 0 vulnerabilities\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("options", [(), ("--slm-profile=none",), ("-n2",)])
def test_files_of_other_tools_are_not_lost(project: Make, name: str, options: tuple[str, ...]) -> None:
    made, (file, *_) = project(n=N, extra=TEN), name.split()
    old_report(made)
    path = report(made).with_name(file)
    path.write_text(FOREIGN[name])
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    done = made.runpytest(*CUSTOM, *options)
    assert done.ret == 4
    if "--slm-profile=none" not in options:
        said = f"ERROR: --slm-report slmtrust-report: {path}: is no report of pytest-slmtrust, and would be lost; name another"
        assert next(line for line in done.stderr.lines if line.startswith("ERROR")).startswith(said)
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before
    assert made.runpytest(*CUSTOM, "--slm-report=other").ret == 0


def test_a_folder_a_link_and_an_empty_file_in_the_place_of_a_report(project: Make) -> None:
    made = project(n=N, extra=TEN)
    folder = report(made).parent
    (folder / "audit.json").mkdir(parents=True)
    assert made.runpytest(*CUSTOM).ret == 4
    (folder / "audit.json").rmdir()
    (made.path / "npm.json").write_text(NPM)
    (folder / "audit.json").symlink_to(made.path / "npm.json")
    assert made.runpytest(*CUSTOM).ret == 4
    assert (folder / "audit.json").is_symlink()
    (folder / "audit.json").unlink()
    for name in ("audit.json", "audit.html", "audit.previous.json"):
        (folder / name).touch()
    assert made.runpytest(*CUSTOM).ret == 0
    assert read_verified(folder / "audit.json").verdict is Status.PASS


def test_a_look_and_a_refused_command_line_leave_files_of_other_tools(project: Make) -> None:
    made = project(n=N, extra=TEN)
    report(made).parent.mkdir()
    report(made).write_text(NPM)
    made.runpytest(*CUSTOM, "--collect-only")
    assert made.runpytest("--slm=").ret == 4
    assert made.runpytest(*CUSTOM, "--slm-profil=audit").ret == 4
    assert report(made).read_text() == NPM


@pytest.mark.parametrize("command", [("compare", "a.json", "b.json", "--report", "out"), ("import", "x.json", "--report", "out")])
def test_a_command_leaves_reports_of_other_tools(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "audit.html").write_text("<html>mine</html>")
    assert main(command) == 4
    assert (tmp_path / "out" / "audit.html").read_text() == "<html>mine</html>"
