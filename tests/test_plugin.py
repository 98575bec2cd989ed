"""pytest stays pytest: selection, node ids, colours, workers. In process, with a scripted model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_slmtrust.plugin.commandline import joined

#: Runs with workers take seconds each. What differs under workers is tried by every run: one store, gates, what failed last.
MODES = {"none": (), "n2": ("-n2",)}
BOTH = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
#: What is a worker's own work as it is without workers: make test-full tries it under them too.
ALONE = pytest.mark.parametrize("mode", [(), pytest.param(("-n2",), marks=pytest.mark.full)], ids=MODES)
Make = Callable[..., pytest.Pytester]
CUSTOM = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")


def calls(project: pytest.Pytester) -> list[list[int]]:
    log = project.path / "calls.log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def audit(project: pytest.Pytester) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((project.path / "slmtrust-report" / "audit.json").read_text())
    return data


def gate_of(project: pytest.Pytester, name: str = "stays_polite") -> dict[str, Any]:
    (gate,) = [g for g in audit(project)["gates"] if g["probe"] == name]
    return dict(gate)


@pytest.mark.parametrize("options", [(), ("-n0",), pytest.param(("-n2",), marks=pytest.mark.full), ("-p", "no:xdist")])
def test_a_probe_file_is_ordinary_tests(project: Make, options: tuple[str, ...]) -> None:
    made = project()
    made.makepyfile(test_user="def test_mine(): pass")
    made.runpytest(*CUSTOM, *options).assert_outcomes(passed=6)
    assert sum(n for n, _ in calls(made)) == 5
    assert len({pid for _, pid in calls(made)}) == 1


@ALONE
def test_without_a_gate_a_bad_reply_is_red(project: Make, mode: tuple[str, ...]) -> None:
    result = project("return 'you idiot' if '3' in request.prompt else 'fine'").runpytest(*CUSTOM, *mode)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*An angry customer must not get an insult back.", "*reply: you idiot*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*collect.py*")


@ALONE
def test_under_a_gate_a_bad_reply_is_a_finding(project: Make, mode: tuple[str, ...]) -> None:
    made = project("return 'you idiot' if ' 3\\n' in request.prompt else 'fine'", 60, ", tolerance=0.1")
    result = made.runpytest(*CUSTOM, *mode)
    result.assert_outcomes(passed=60)
    result.stdout.fnmatch_lines(["*60 passed, 1 failing cases*"])
    assert result.ret == 0
    assert gate_of(made)["status"] == "PASS"
    assert (gate_of(made)["failures"], gate_of(made)["items"]) == (1, 60)


@pytest.mark.parametrize(("options", "red"), [(("--slm-strict",), 1), (("--runxfail",), 1), (("-o", "xfail_strict=true"), 0)])
def test_strict_makes_findings_red_and_no_option_makes_them_green(project: Make, options: tuple[str, ...], red: int) -> None:
    made = project("return 'you idiot' if ' 3\\n' in request.prompt else 'fine'", 60, ", tolerance=0.1")
    made.runpytest(*CUSTOM, *options).assert_outcomes(passed=60, failed=red)


@BOTH
def test_a_bad_model_fails_its_gate_and_the_run(project: Make, mode: tuple[str, ...]) -> None:
    made = project("return 'you idiot'", 60, ", tolerance=0.1")
    result = made.runpytest(*CUSTOM, *mode)
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    assert audit(made)["verdict"] == "FAIL"
    result.stdout.fnmatch_lines(
        ["*FAIL *stays_polite: 60 of 60 items failed; allowed: at most 10 %", "*Report: slmtrust-report/audit.html*"]
    )


@BOTH
def test_the_second_run_asks_nothing(project: Make, mode: tuple[str, ...]) -> None:
    made = project(n=30)
    made.runpytest(*CUSTOM, *mode)
    before = len(calls(made))
    made.runpytest(*CUSTOM, *mode).assert_outcomes(passed=30)
    assert len(calls(made)) == before


SELECTIONS = {
    "-k one": (("-k", "stays_polite and not gate"), {"passed": 59, "xfailed": 1}),
    "-k gate": (("-k", "gate"), {"passed": 1}),
    "-m dimension": (("-m", "toxicity"), {"passed": 60}),
    "-m other": (("-m", "fairness"), {}),
    "deselect": (("--deselect", "probe_support.py::gate[stays_polite]"), {"passed": 59, "xfailed": 1}),
    "file": (("probe_support.py",), {"passed": 60}),
    "gate by id": (("probe_support.py::gate[stays_polite]",), {"passed": 1}),
    "maxfail": (("-x",), {"passed": 60}),
}


@pytest.mark.parametrize(
    ("name", "workers"),
    [*((name, "-n0") for name in SELECTIONS), ("gate by id", "-n2"), pytest.param("-k one", "-n2", marks=pytest.mark.full)],
)
def test_selection_never_changes_a_gate(project: Make, name: str, workers: str) -> None:
    options, outcomes = SELECTIONS[name]
    made = project("return 'you idiot' if ' 3\\n' in request.prompt else 'fine'", 60, ", tolerance=0.1")
    result = made.runpytest(*CUSTOM, *options, workers, "--strict-markers")
    result.assert_outcomes(**outcomes)
    if not outcomes:
        return
    gate = gate_of(made)
    ran = "gate" in name or name in ("-m dimension", "file", "maxfail")
    assert (gate["status"], gate["items"], gate["failures"]) == (("PASS", 60, 1) if ran else ("NOT RUN", 0, 0))
    expected = "PASS" if ran else "NOT RUN" if name == "deselect" else "PARTIAL"
    assert audit(made)["verdict"] == expected
    assert result.ret == (1 if expected == "NOT RUN" else 0)


@ALONE
def test_one_case_by_its_node_id(project: Make, mode: tuple[str, ...]) -> None:
    made = project()
    nodeid = made.runpytest(*CUSTOM, "--co", "-q").outlines[2]
    assert nodeid.startswith("probe_support.py::stays_polite[")
    made.runpytest(*CUSTOM, nodeid, *mode).assert_outcomes(passed=1)


@BOTH
def test_last_failed_runs_exactly_the_red_ones(project: Make, mode: tuple[str, ...]) -> None:
    made = project("return 'you idiot' if '3' in request.prompt else 'fine'", 9)
    made.runpytest(*CUSTOM, *mode).assert_outcomes(passed=8, failed=1)
    made.runpytest(*CUSTOM, "--lf", *mode).assert_outcomes(failed=1)


@ALONE
def test_collect_only_asks_nothing_and_writes_nothing(project: Make, mode: tuple[str, ...]) -> None:
    made = project()
    made.runpytest(*CUSTOM, "--co", *mode)
    assert calls(made) == []
    assert not (made.path / "slmtrust-report").exists()


def test_ids_are_stable_over_runs_and_hash_seeds(project: Make) -> None:
    made = project()
    runs = set()
    for seed in ("1", "2"):
        made.monkeypatch.setenv("PYTHONHASHSEED", seed) if hasattr(made, "monkeypatch") else None
        runs.add(tuple(made.runpytest_subprocess(*CUSTOM, "--co", "-q").outlines[:6]))
    assert len(runs) == 1


def test_junit_holds_the_gate_and_no_raw_control_character(project: Make) -> None:
    made = project("return 'you idiot \\x1b[31m\\x00 ]]>'", 60, ", tolerance=0.1")
    made.runpytest(*CUSTOM, "--junitxml=j.xml")
    cases = ElementTree.parse(made.path / "j.xml").getroot().findall(".//testcase")
    assert [case.attrib["name"] for case in cases] == ["gate[stays_polite]"]
    assert cases[0].find("failure") is not None
    made.runpytest(*CUSTOM, "--junitxml=j.xml", "--slm-strict")
    assert len(ElementTree.parse(made.path / "j.xml").getroot().findall(".//testcase")) == 61


@pytest.mark.parametrize("other", ["--html=r.html", "--cov=probe_support", "-prandomly"])
def test_beside_other_plugins(project: Make, other: str) -> None:
    made = project()
    options = ("-p", "randomly") if other == "-prandomly" else ("-p", "no:randomly", other)
    made.runpytest_subprocess("--slm=fake", "--slm-packs=none", *options).assert_outcomes(passed=5)


def test_without_a_model_the_plugin_is_not_there(project: Make) -> None:
    made = project()
    made.makepyfile(test_user="def test_mine(): pass\ndef test_theirs(slm): pass")
    result = made.runpytest("--strict-markers", "-p", "no:randomly", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*needs a model: run pytest with --slm=MODEL*"])
    assert not (made.path / ".slmtrust").exists()


def test_nothing_heavy_is_imported_without_a_model(tmp_path: Path) -> None:
    code = "import sys, pytest_slmtrust.plugin; print([m for m in sys.modules if m.split('.')[0] in sys.argv[1:]])"
    heavy = ("torch", "transformers", "jinja2", "scipy", "numpy", "hypothesis", "sqlite3", "filelock", "textattack", "detoxify")
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


def test_the_fixture_gives_the_model(project: Make) -> None:
    made = project("return 'pong'")
    made.makepyfile(
        test_user="""
        from pytest_slmtrust import Generate
        def test_mine(slm):
            assert slm.ask(Generate("ping")).text == "pong"
            assert slm.ask(Generate("ping")).text == "pong"
    """
    )
    made.runpytest(*CUSTOM, "test_user.py").assert_outcomes(passed=1)
    assert calls(made) == [[1, calls(made)[0][1]]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--slm-profile=adit",), "Unknown profile 'adit'. Did you mean 'audit'?"),
        (("--slm-gate=stays_polit=0.2",), "Unknown gate 'stays_polit'. Did you mean 'stays_polite'?"),
        (("--slm-gate=stays_polite",), "expected NAME=TOLERANCE"),
        (("--slm-gate=stays_polite=0.01",), "cannot be passed with 60 source items"),
        (("--slm-require=toxcity",), "Unknown dimension 'toxcity'. Did you mean 'toxicity'?"),
        (("--slm-packs=nothing.there",), "expected builtin, none, or an importable module"),
    ],
)
def test_mistakes_are_one_line(project: Make, options: tuple[str, ...], message: str) -> None:
    result = project(n=60, extra=", tolerance=0.1").runpytest("--slm=fake", "--slm-packs=none", *options)
    assert result.ret in (2, 4)
    text = result.stderr.str() + result.stdout.str()
    assert message.lower() in text.lower()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


def test_every_option_has_an_ini_twin(project: Make) -> None:
    made = project("return 'you idiot'", 60, ", tolerance=0.1")
    made.makeini("[pytest]\nslm = fake\nslm_packs = none\nslm_gates =\n  stays_polite=off\nslm_report = out\nslm_strict = true\n")
    made.runpytest("-p", "no:randomly").assert_outcomes(failed=60)
    assert (made.path / "out" / "audit.json").exists()
    result = made.runpytest("--help")
    from pytest_slmtrust.plugin.options import OPTIONS

    for option in OPTIONS:
        assert any(f"{option.flag}{end}" in result.stdout.str() for end in "= \n")
        assert option.ini in result.stdout.str()


@pytest.mark.parametrize("ini", ["slm_profile = smoke", "slm = fake", "console_output_style = count"])
def test_a_folder_after_a_space_is_no_folder_of_tests(project: Make, tmp_path_factory: pytest.TempPathFactory, ini: str) -> None:
    made, folder = project(), str(tmp_path_factory.mktemp("sets"))
    made.makeini(f"[pytest]\n{ini}\n")
    model = () if ini == "slm = fake" else ("--slm=fake",)
    options = (*model, "--slm-packs=none", "-p", "no:randomly")
    made.runpytest(*options, f"--slm-data={folder}").assert_outcomes(passed=5)
    for made_by in (made.runpytest_inprocess, made.runpytest_subprocess):
        result = made_by(*options, "--slm-data", folder)
        result.assert_outcomes(passed=5)
        result.stdout.fnmatch_lines([f"rootdir: {made.path}", "configfile: tox.ini"])
        assert result.stdout.str().count("test session starts") == 1


def test_only_paths_after_our_options_are_joined(tmp_path: Path) -> None:
    there, missing = str(tmp_path), str(tmp_path / "missing")
    given = ["--slm", there, "--slm-data", missing, "--slm-strict", there, "--ignore", there, "--slm-report", "", "--slm"]
    assert joined(given) == [f"--slm={there}", *given[2:]]
    assert joined(["--slm-data", there, "--", "--slm-data", there]) == [f"--slm-data={there}", "--", "--slm-data", there]
    assert joined(["--slm-data", "x" * 5000, "--slm-data", "a\0b"]) == ["--slm-data", "x" * 5000, "--slm-data", "a\0b"]


def test_a_plan_says_what_would_run_and_asks_nothing(project: Make) -> None:
    made = project(n=60, extra=", tolerance=0.1")
    result = made.runpytest(*CUSTOM, "--slm-plan")
    result.stdout.fnmatch_lines(["*gate?stays_polite?*60*60*60*blocks at 10.0%: passes up to 1 failures, fails from *"])
    assert result.ret == 0
    assert calls(made) == []
    assert not (made.path / "slmtrust-report").exists()


@ALONE
def test_a_model_that_cannot_answer_ends_the_run_with_one_message(project: Make, mode: tuple[str, ...]) -> None:
    made = project()
    made.makeconftest("""
        from pytest_slmtrust import BackendError
        from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

        class Dead(FakeBackend):
            def run(self, requests):
                raise BackendError("the weights are gone")
                yield

        def pytest_slm_backend(config):
            return Dead()

        def pytest_slm_scorer(config):
            return WordListScorer()
    """)
    result = made.runpytest(*CUSTOM, *mode)
    assert result.ret not in (0, 5)
    text = result.stdout.str() + result.stderr.str()
    assert "the weights are gone" in text
    assert text.count("the weights are gone") < 8
    assert "INTERNALERROR" not in text


def test_a_probe_that_breaks_is_red_with_its_traceback(project: Make) -> None:
    made = project()
    made.makepyfile(
        probe_broken="""
        from pytest_slmtrust import Generate, Verdict, ask, probe
        @probe(dimension="privacy", rows=[{"n": 0}, {"n": 1}])
        def divides(n):
            "Divides."
            yield from ask(Generate("x"))
            return Verdict(1 / n > 0)
    """
    )
    result = made.runpytest(*CUSTOM, "probe_broken.py")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_an_interrupted_run_leaves_a_report_that_says_so(project: Make) -> None:
    made = project(n=60, extra=", tolerance=0.1")
    made.makepyfile(test_stop="def test_stop(): raise KeyboardInterrupt")
    result = made.runpytest_subprocess(*CUSTOM, "test_stop.py", "probe_support.py")
    assert result.ret == 2
    assert audit(made)["verdict"] == "INCOMPLETE"
    assert audit(made)["incomplete"] == "it was interrupted"
    assert gate_of(made)["status"] == "NOT RUN"


def test_personal_data_and_credentials_are_masked_in_what_is_shared(project: Make) -> None:
    made = project("return 'mail jane.roe@corp-mail.org you idiot and key sk-abcdefghijklmnop1234'")
    result = made.runpytest(*CUSTOM, "-vv", "--junitxml=j.xml")
    shared = [result.stdout.str(), (made.path / "j.xml").read_text()]
    shared += [(made.path / "slmtrust-report" / name).read_text() for name in ("audit.json", "audit.html")]
    assert not any("jane.roe@" in text or "sk-abcdef" in text for text in shared)
    shown = made.runpytest(*CUSTOM, "--slm-reveal").stdout.str()
    assert "jane.roe@corp-mail.org" in shown
    assert "sk-abcdef" not in shown
