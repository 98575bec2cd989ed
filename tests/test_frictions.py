"""What a CI owner and an author meet first: words for a mistake, a plan that says what a run says, a JUnit file of gates."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from test_scope import CONFTEST, made, run

from pytest_slmtrust.authoring.mistakes import explained
from pytest_slmtrust.plugin.options import OPTIONS
from pytest_slmtrust.plugin.spelling import check_spelling, unknown_ini
from pytest_slmtrust.session.session import AuditSession


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("probe() got an unexpected keyword argument 'tolerence'", "Did you mean 'tolerance'?"),
        ("Generate.__init__() got an unexpected keyword argument 'max_tokens'", "Did you mean 'max_new_tokens'?"),
        ("Verdict.__init__() got an unexpected keyword argument 'passes'", "Did you mean 'passed'?"),
        ("Control.__init__() got an unexpected keyword argument 'replies'", "Did you mean 'reply'?"),
        ("Row.__init__() got an unexpected keyword argument 'zzz'", "Known: id, marks, params, parts, source."),
        ("own() got an unexpected keyword argument 'x'", ""),
        ("unsupported operand", ""),
    ],
)
def test_an_unknown_argument_names_the_one_that_was_meant(said: str, wanted: str) -> None:
    shown = str(explained(TypeError(said)))
    assert wanted in shown
    assert (shown == said) is not bool(wanted)
    assert str(explained(ValueError(said))) == said


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("--slm-toxcity=profanity-check", "Did you mean --slm-toxicity?"), ("--slm-budjet", "Did you mean --slm-budget?"),
        ("--slm_profile=smoke", "Did you mean --slm-profile?"), ("--slm-zzzzz=1", "pytest --help lists all"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_exist_names_the_one_that_was_meant(word: str, hint: str) -> None:
    flags = [option.flag for option in OPTIONS]
    with pytest.raises(pytest.UsageError, match=re.escape(hint)):
        check_spelling(["-x", word], flags)
    check_spelling(["--cov=x", "tests", "-k", "slm"], flags)


def test_an_ini_name_with_hyphens_is_no_warning_but_an_error(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nslm-budget = 5m\n")
    said = unknown_ini(pytester.parseconfig(), [option.ini for option in OPTIONS])
    assert said == "Unknown ini value 'slm-budget'. Did you mean 'slm_budget'?"


def test_a_mistake_at_import_is_one_line_with_its_place(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps").replace("tolerance=", "tolerence="))
    status, said = run(pytester)
    assert status == 2
    assert "probe_a.py:3: TypeError: Unknown argument of probe 'tolerence'. Did you mean 'tolerance'?" in said
    assert "@probe(" not in said
    assert "@probe(" in run(pytester, "-vv")[1]


@pytest.mark.parametrize("expression", ["privcy", "fairnes or privacy", "not toxicty"])
def test_a_marker_that_is_nearly_a_dimension_is_refused(pytester: pytest.Pytester, expression: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps"))
    status, said = run(pytester, "-m", expression)
    assert status == 4
    assert "-m: Unknown marker" in said
    assert "Did you mean" in said


def test_markers_of_the_user_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps"), test_b="import pytest\n@pytest.mark.private\ndef test_b(): pass\n")
    pytester.makeini("[pytest]\nmarkers = fairy: of a tale\n")
    assert run(pytester, "-m", "private", "-W", "ignore")[0] == 0
    assert run(pytester, "-m", "not slow and not fairy", "-W", "ignore")[0] == 0


def test_help_names_the_dimensions_and_some_gates() -> None:
    said = {o.name: o.help for o in OPTIONS}
    assert "robustness, privacy, toxicity, hallucination, fairness" in said["dimensions"]
    from pytest_slmtrust.gates.policy import load_policy

    named = {word.strip(",:") for word in said["gate"].split()} & load_policy("ci").blocking.keys()
    assert len(named) >= 3


PLANNED = '''
from pytest_slmtrust import Classify, Generate, Judge, Verdict, ask, probe

@probe(dimension="{dimension}", rows=[{{"i": i}} for i in range(180)], tolerance=0.1, judge=Judge("{judge}"))
def keeps(i):
    """A claim."""
    reply = yield from ask(Generate(f"say {{i}}"))
    return Verdict(True)
'''


def test_a_plan_says_what_a_run_would_say_of_the_scorer(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_slmtrust.backends.toxicity import scorer

    monkeypatch.setattr(scorer, "available", lambda spec: "" if spec == "profanity-check" else f"{spec} cannot be fetched")
    pytester.makeconftest(CONFTEST.split("def pytest_slm_scorer")[0])
    pytester.makepyfile(probe_a=PLANNED.format(dimension="toxicity", judge="toxicity"), probe_b=made("keeps"))
    status, said = run(pytester, "--slm-plan", "--slm-toxicity=detoxify:unbiased")
    assert status == 4
    assert "probe_a.py::gate[keeps]" in said  # the plan itself is printed all the same
    assert "ERROR: a run would stop here: --slm-toxicity: detoxify:unbiased cannot be fetched" in said
    assert run(pytester, "--slm-plan", "--slm-toxicity=profanity-check")[0] == 0
    assert run(pytester, "--slm-plan", "probe_b.py")[0] == 0  # nobody asks the scorer


def test_a_plan_says_that_a_gate_will_be_advisory(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=PLANNED.format(dimension="privacy", judge="leak"))
    monkeypatch.setattr(AuditSession, "weak", lambda self, suite: True)
    assert "advisory at 10.0%, unless it fails even after correction for its detector's errors" in run(pytester, "--slm-plan")[1]
    monkeypatch.setattr(AuditSession, "weak", lambda self, suite: False)
    assert "blocks at 10.0%: passes up to 11 failures" in run(pytester, "--slm-plan")[1]


def junit(pytester: pytest.Pytester, *options: str) -> dict[str, ET.Element]:
    run(pytester, "--junitxml=j.xml", *options)
    return {case.attrib["name"]: case for case in ET.parse(pytester.path / "j.xml").getroot().iter("testcase")}


def test_a_junit_file_has_gates_with_their_numbers_and_no_skipped_cases(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    text = made("keeps", last="return Verdict(i > 1)")
    pytester.makepyfile(probe_a=text, test_b="def test_b():\n    pass\n", probe_c=made("plain").replace(", tolerance=0.4", ""))
    cases = junit(pytester)
    assert not any(case.find("skipped") is not None for case in cases.values())
    assert {name.partition("[")[0] for name in cases} == {"gate", "test_b", "plain"}
    properties = {one.attrib["name"]: one.attrib["value"] for one in cases["gate[keeps]"].iter("property")}
    assert (properties["items"], properties["failures"], properties["limit"]) == ("12", "2", "at most 0.4")
    assert len(properties["failing cases"].split(", ")) == 2
    # without the gate, or with --slm-strict, a case is a test like any other
    strict = junit(pytester, "--slm-strict")
    assert sum(case.find("failure") is not None for name, case in strict.items() if name.startswith("keeps[")) == 2


def test_the_last_line_counts_failing_cases_as_such(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps", last="return Verdict(i > 0)"))
    said = run(pytester, "-rx")[1]
    assert re.search(r"12 passed,(?: \d+ warnings?,)? 1 failing cases", said), said[-500:]
    assert "xfailed" not in said
    assert said.count("COUNTED probe_a.py::keeps[") == 1


def test_a_verdict_is_explained(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps", last="return Verdict(i > 4)"))
    assert "INCONCLUSIVE means: At least one test that counts could not be decided, and none failed." in run(pytester)[1]
    pytester.makefile(".toml", w='[[waiver]]\nprobe = "keeps"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n')
    said = run(pytester, "--slm-waivers=w.toml")[1]
    assert "WAIVED means: A test that counts did not pass, and a named person has taken that on. This is not a pass." in said


PROPERTY = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{"i": i} for i in range(3)])
def stays(i):
    """Stays."""
    yield from ask(Generate(f"say {i}"))
    return Verdict(i > 0, evidence={"original": "a", "perturbed": "b"})
'''


def test_a_probe_without_a_limit_says_how_many_failed_and_where_counterexamples_are(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=PROPERTY, probe_b=made("fine", last="return Verdict(i > 1)"))
    kept = pytester.mkdir(".slmtrust") / "corpus" / "stays"
    kept.mkdir(parents=True)
    (kept / "abc.json").write_text("{}")
    said = run(pytester)[1]
    assert "stays: 1 of 3 rows failed; it has no limit, so each row is a test" in said
    assert "1 counterexample of stays, kept in .slmtrust/corpus/stays: the next run tries them first" in said
    assert "fine: 2 of 12 rows failed" not in said  # its gate says it
