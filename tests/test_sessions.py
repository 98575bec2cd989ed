"""Runs that look like an audit and are none, probes that end more than themselves, and files that are read twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROBE_FILE
from runs import audit, run

from pytest_slmtrust.plugin.values import anchored

Make = Callable[..., pytest.Pytester]
CUSTOM = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
MODEL = """
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend
def make(): return FakeBackend("I do not know.", name="made")
def writes(): return FakeBackend("I do not know.", name="made", answers=(Generate,))
def skips():
    import pytest
    pytest.skip("not today")
"""


# ------------------------------------------------------------------ options without a model


@pytest.mark.parametrize(
    "options",
    [
        ("--slm=",),
        ("--slm=", "--slm-require=privacy"),
        ("--slm= \t",),
        ("--slm=fake", "--slm="),
        ("--slm-require=privacy",),
        ("--slm-profile=audit", "-n1"),
        ("--slm-gate=x=0.01",),
        ("--slm-strict",),
        ("--slm=fake", "--slm-require="),
        ("--slm=fake", "--slm-members=  "),
        ("--slm=\u200b",),
        ("--slm=fake", "--slm-require=\u00a0,\u3164"),
        ("--slm=fake", "--slm-require= , "),
        ("--slm=fake", "--slm-limit="),
        ("--slm=fake", "--slm-limit=memory=1GB", "--slm-limit=,"),
    ],
)
def test_an_audit_that_cannot_be_is_a_usage_error(project: Make, options: tuple[str, ...]) -> None:
    made = project()
    made.makepyfile(test_unit="def test_unit(): pass")
    result = made.runpytest("-p", "no:randomly", "test_unit.py", *options)
    assert result.ret == 4
    assert "is empty" in result.stderr.str() or "no model is named" in result.stderr.str()


def test_an_empty_model_in_a_file_or_a_variable_is_a_usage_error(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project()
    made.makepyfile(test_unit="def test_unit(): pass")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--slm=")
    assert made.runpytest("-p", "no:randomly").ret == 4
    monkeypatch.delenv("PYTEST_ADDOPTS")
    made.makeini("[pytest]\nslm =\n")
    result = made.runpytest("-p", "no:randomly")
    assert (result.ret, "ini slm is empty" in result.stderr.str()) == (4, True)
    made.makeini("[pytest]\nslm_profile = audit\nslm_require = privacy\n")  # waits for the run that names a model
    made.runpytest("-p", "no:randomly", "test_unit.py").assert_outcomes(passed=1)


def test_a_refused_command_line_leaves_no_report_of_the_run_before(project: Make) -> None:
    made = project(n=29, extra=", tolerance=0.1")
    assert made.runpytest(*CUSTOM).ret == 0
    assert made.runpytest("--slm=").ret == 4
    assert "is empty" in audit(made.path)["incomplete"]
    assert not (made.path / "out").exists()
    assert made.runpytest("--slm=", "--slm-report=out").ret == 4
    assert not (made.path / "out").exists()


LATE = {
    "a session that another plugin finishes": ("pytest_sessionfinish(session)", "pytest.exit('bye', 0)"),
    "a status that another plugin sets": ("pytest_sessionfinish(session)", "session.exitstatus = 0"),
    "a summary that ends the session": ("pytest_terminal_summary(terminalreporter)", "pytest.exit('bye', 0)"),
    "a process that ends at the end": ("pytest_sessionfinish(session)", "raise SystemExit"),
    "a process that ends after the end": ("pytest_unconfigure(config)", "raise SystemExit(0)"),
}


@pytest.mark.parametrize("what", LATE)
def test_no_late_hook_turns_a_red_audit_green(project: Make, what: str) -> None:
    hook, end = LATE[what]
    made = project(n=29, extra=", tolerance=0.1")
    conftest = made.path / "conftest.py"
    text = conftest.read_text() if conftest.exists() else ""
    conftest.write_text(f"{text}\nimport pytest\n@pytest.hookimpl(trylast=True)\ndef {hook}:\n    {end}\n")
    run = made.runpytest_subprocess if "SystemExit" in end else made.runpytest
    if "exitstatus" in end:
        assert run(*CUSTOM, "-p", "no:randomly").ret == 0  # every gate passes
    holds(made, case="return Verdict(False)")
    assert run(*CUSTOM, "-p", "no:randomly").ret == 1
    assert audit(made.path)["verdict"] != "PASS"


def test_what_pytest_refuses_itself_leaves_through_the_door_too(project: Make) -> None:
    made = project()
    result = made.runpytest(*CUSTOM, "nowhere\x1b[2J\n::error::x")
    assert result.ret == 4
    assert "nowhere\\x1b[2J" in result.stderr.str()
    assert not [line for line in result.stderr.lines if "\x1b" in line or line.startswith("::")]


# ------------------------------------------------------------------ what ends more than one case

PROBE = '''
import sys
import pytest
from pytest_slmtrust import Control, Criterion, Floor, Generate, Row, Verdict, ask, probe

class Stop(BaseException):
    """Neither an Exception nor Ctrl-C."""

def managed(n):
    yield from ask(Generate(f"floor {n}"))
    FLOOR
    return Verdict(True)

@probe(dimension="privacy", rows=ROWS, tolerance=0.1, MORE)
def holds(n):
    """It holds."""
    yield from ask(Generate(f"x {n}"))
    if n in (0, 1, 2):
        pass
        CASE
    return Verdict(True)
'''
ROWS = '[{"n": n} for n in range(40)]'


def holds(made: pytest.Pytester, case: str = "", floor: str = "", more: str = "", rows: str = ROWS) -> None:
    text = PROBE.replace("ROWS", rows).replace("CASE", case).replace("FLOOR", floor).replace("MORE", more)
    made.makepyfile(probe_holds=text)


ENDS = {
    "sys.exit()": "failed",
    "raise SystemExit(0)": "failed",
    "raise Stop": "failed",
    "raise GeneratorExit": "failed",
    "pytest.fail('no')": "failed",
    "pytest.skip('later')": "skipped",
    "pytest.xfail('known')": "",  # a failing case, which the gate counts and pytest does not
    "pytest.importorskip('no_such_module')": "skipped",
}


@pytest.mark.parametrize("how", ENDS)
def test_what_a_probe_raises_ends_its_case_and_counts_against_the_gate(project: Make, how: str) -> None:
    made = project()
    holds(made, case=how)
    result = made.runpytest(*CUSTOM, "probe_holds.py")
    counts = {"passed": 37, **({ENDS[how]: 3} if ENDS[how] else {})}
    counts["failed"] = counts.get("failed", 0) + 1  # the gate
    result.assert_outcomes(**counts)
    assert result.ret == 1
    (gate,) = audit(made.path)["gates"]
    assert (gate["status"], gate["items"], gate["unscored"]) == ("INCONCLUSIVE", 40, 3)


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ({"floor": "pytest.skip('no')", "more": "floor=Floor('It can.', managed, [{'n': 1}] * 9, 0.5)"}, "UNEARNED"),
        ({"more": "controls=[Control({'n': 0}, 'x', True)]", "case": "sys.exit()"}, "INVALID"),
    ],
)
def test_what_floors_and_controls_raise_ends_nothing_else(project: Make, place: dict[str, str], status: str) -> None:
    made = project()
    holds(made, **place)
    assert made.runpytest(*CUSTOM, "probe_holds.py").ret == 1
    assert audit(made.path)["gates"][0]["status"] == status


def test_a_criterion_that_skips_takes_no_gate_away(project: Make) -> None:
    made = project()
    holds(made, more="criterion=Criterion(lambda found: pytest.skip('no'), at_most=0.1)")
    file = made.path / "probe_holds.py"
    file.write_text(file.read_text().replace("tolerance=0.1, ", ""))
    assert made.runpytest(*CUSTOM, "probe_holds.py").ret == 1
    assert audit(made.path)["verdict"] in ("NOT RUN", "INCONCLUSIVE")


@pytest.mark.parametrize("rows", ["lambda profile: pytest.skip('no rows today')", "lambda profile: sys.exit(0)"])
def test_rows_that_skip_hide_no_gate(project: Make, rows: str) -> None:
    made = project(n=29, extra=", tolerance=0.1")
    holds(made, rows=rows)
    result = made.runpytest(*CUSTOM)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*the rows of probe 'holds' broke*"])
    assert audit(made.path)["verdict"] == "INCOMPLETE"


def test_a_probe_file_that_skips_itself_hides_no_gate(project: Make) -> None:
    made = project(n=29, extra=", tolerance=0.1")
    made.makepyfile(probe_later="import pytest\npytest.importorskip('no_such_module')")
    made.makepyfile(test_later="import pytest\npytest.importorskip('no_such_module')")
    assert made.runpytest(*CUSTOM).ret == 1
    assert audit(made.path)["incomplete"] == "probe_later.py could not be collected"
    assert made.runpytest(*CUSTOM, "--ignore=probe_later.py").ret == 0


MARKED = '[pytest.param({"n": n}, id=f"n{n}", marks=[MARK] * (n < 3)) for n in range(40)]'


@pytest.mark.parametrize(
    "mark",
    [
        "pytest.mark.skip(reason='under review')",
        "pytest.mark.skipif(True, reason='here')",
        "pytest.mark.skipif('1 +', reason='x')",
    ],
)
@pytest.mark.parametrize("selected", [(), ("-k", "gate")])
def test_a_case_that_a_marker_skips_is_unscored_in_its_gate(project: Make, mark: str, selected: tuple[str, ...]) -> None:
    made = project()
    holds(made, rows=MARKED.replace("MARK", mark))
    result = made.runpytest(*CUSTOM, "probe_holds.py", *selected)
    assert "INTERNALERROR" not in result.stdout.str()
    (gate,) = audit(made.path)["gates"]
    assert (gate["status"], gate["unscored"]) == ("INCONCLUSIVE", 3)
    assert all(f["outcome"] == "unscored" for f in audit(made.path)["findings"] if f["case"] in ("n0", "n1", "n2"))


def test_a_conftest_that_skips_the_slow_ones_is_no_error(project: Make) -> None:
    made = project(n=40, extra=", tolerance=0.1")
    with (made.path / "conftest.py").open("a") as file:
        file.write(
            "\ndef pytest_addoption(parser): parser.addoption('--runslow', action='store_true')\n"
            "def pytest_collection_modifyitems(config, items):\n    for item in items:\n"
            "        if not config.getoption('--runslow'): item.add_marker(pytest.mark.skip(reason='slow'))\n"
        )
    result = made.runpytest(*CUSTOM, "-rs")
    result.assert_outcomes(skipped=41)
    assert (result.ret, audit(made.path)["verdict"]) == (1, "NOT RUN")
    assert made.runpytest(*CUSTOM, "--runslow").ret == 0


# ------------------------------------------------------------------ factories, paths, probe files


def test_what_a_factorys_model_cannot_answer_is_not_tested_by_name(project: Make) -> None:
    made = project()
    made.makepyfile(own_models=MODEL)
    holds(made, more="needs=(__import__('pytest_slmtrust').Loglikelihood,)")
    made.makeconftest("")
    options = (
        "--slm=own_models:writes",
        "--slm-packs=none",
        "--slm-toxicity=profanity-check",
        "-p",
        "no:randomly",
        "probe_holds.py",
    )
    for workers in ((), ("-n1",)):
        assert made.runpytest(*options, *workers).ret == 1
        (gate,) = audit(made.path)["gates"]
        assert (gate["status"], gate["reason"]) == ("NOT TESTED", "made does not answer loglikelihood")
    made.runpytest(*options, "--co").stdout.fnmatch_lines(["*holds?*"])
    result = made.runpytest("--slm=own_models:skips", *options[1:])
    assert result.ret == 4
    assert "the factory failed (Skipped: not today, at own_models.py:" in result.stderr.str()


def test_ordinary_tests_of_a_probe_file_run_once(project: Make) -> None:
    made = project()
    with (made.path / "probe_support.py").open("a") as file:
        file.write("\n\ndef test_ordinary(): pass\n")
    for arguments in (("probe_support.py",), ("probe_support.py::test_ordinary",), ("-o", "python_files=probe_*.py")):
        passed = 1 if "::" in "".join(arguments) else 6
        made.runpytest(*CUSTOM, *arguments).assert_outcomes(passed=passed)


def test_a_path_after_a_space_in_the_variable_changes_no_root(project: Make, tmp_path: Path) -> None:
    made = project()
    made.makeini("[pytest]\nslm_packs = none\n")
    sets = tmp_path / "sets"
    sets.mkdir()
    for given in (f"--slm-data {sets}", f"--slm-data={sets}", f"-p no:randomly --slm-data '{sets}'"):
        os.environ["PYTEST_ADDOPTS"] = given
        result = made.runpytest("--slm=fake", "-p", "no:randomly")
        assert os.environ.pop("PYTEST_ADDOPTS") == given
        result.assert_outcomes(passed=5)
        result.stdout.fnmatch_lines([f"rootdir: {made.path}"])


def test_a_model_in_an_ini_file_is_seen_from_there(tmp_path: Path) -> None:
    (tmp_path / "models" / "m").mkdir(parents=True)
    (tmp_path / "models" / "m" / "config.json").write_text("{}")
    here = tmp_path / "proj"
    here.mkdir()
    assert anchored("../models/m", here) == str(tmp_path / "models" / "m")
    assert anchored("models/m", tmp_path) == str(tmp_path / "models" / "m")
    assert anchored("m", tmp_path / "models") == str(tmp_path / "models" / "m")
    assert anchored("hf:../models/m", here) == f"hf:{tmp_path / 'models' / 'm'}"
    for name in (
        "org/name",
        "org/name@v1",
        "smollm2-135m-instruct",
        "module:factory",
        "/abs/m",
        "~/m",
        "self",
        "profanity-check",
        "",
    ):
        assert anchored(name, here) == name
    (here / "pytest.ini").write_text("[pytest]\nslm = ../models/m\nslm_packs = none\n")
    (here / "sub").mkdir()
    done = run(here / "sub", "-q", "..")
    assert "no such folder" not in done.stderr + done.stdout
    assert str(tmp_path / "models" / "m") in done.stderr + done.stdout


# ------------------------------------------------------------------ a home that cannot be written


@pytest.mark.parametrize("home", ["file/home", "file", "/proc/nowhere"])
def test_a_run_whose_home_cannot_be_written_goes_on_where_no_cache_is_needed(
    pytester: pytest.Pytester, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(maker=MODEL, probe_support=PROBE_FILE.format(n=5, extra=", tolerance=0.5"))
    (pytester.path / "file").write_text("no folder")
    for name in ("SLMTRUST_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(pytester.path / home))
    options = ("--slm=maker:make", "--slm-packs=none", "-p", "no:cacheprovider", "--slm-toxicity=profanity-check")
    done = run(pytester.path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert audit(pytester.path)["verdict"] == "PASS"
