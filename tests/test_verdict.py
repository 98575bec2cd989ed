"""One verdict for a run, and an exit status that follows it: what did not run, what is left out, partial sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import audit

from pytest_slmtrust import cli
from pytest_slmtrust.archive.files import read_audit
from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.model import Audit, GateResult, Lack, Missing, Status, Waiver
from pytest_slmtrust.audit.notes import of_absent
from pytest_slmtrust.audit.verdict import is_red, only_undecided, overall, sentence

Make = Callable[..., pytest.Pytester]
CUSTOM = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
TEN = ", tolerance=0.1"
N = 29  # the fewest items that pass at 10 %


def gate(name: str, status: Status, **fields: Any) -> GateResult:
    return GateResult(
        f"slm::privacy::gate[{name}]", name, "privacy", "It holds.", status, **{"blocking": True, "reason": "", **fields}
    )


PASSED = gate("a", Status.PASS)


@pytest.mark.parametrize(
    ("gates", "verdict", "red"),
    [
        ([PASSED], "PASS", False),
        ([], "NOT TESTED", False),
        ([PASSED, gate("b", Status.NOT_TESTED)], "NOT TESTED", True),
        ([PASSED, gate("b", Status.NOT_RUN)], "NOT RUN", True),
        ([PASSED, gate("b", Status.NOT_TESTED), gate("c", Status.FAIL)], "FAIL", True),
        ([PASSED, gate("b", Status.NOT_TESTED, excuse="optional")], "PASS", False),
        ([PASSED, gate("b", Status.NOT_RUN, excuse="optional"), gate("c", Status.NOT_RUN)], "NOT RUN", True),
        ([gate("b", Status.NOT_TESTED, excuse="optional")], "NOT TESTED", False),
        ([PASSED, gate("b", Status.NOT_RUN, excuse="unselected")], "PARTIAL", False),
        ([gate("a", Status.INCONCLUSIVE), gate("b", Status.NOT_RUN, excuse="unselected")], "INCONCLUSIVE", True),
        ([gate("m", Status.MEASURED, blocking=False), gate("b", Status.NOT_RUN, excuse="unselected")], "PARTIAL", False),
        ([gate("m", Status.NOT_RUN, blocking=False, excuse="unselected")], "PARTIAL", False),
        ([gate("m", Status.NOT_TESTED, blocking=False, reason="x is not installed")], "NOT TESTED", True),
        ([gate("m", Status.NOT_TESTED, blocking=False, missing=Missing(Lack.INPUT, ("members",)))], "NOT TESTED", False),
        ([PASSED, gate("m", Status.NOT_TESTED, blocking=False, reason="x is not installed")], "PASS", False),
        ([gate("s", Status.NOT_DECIDABLE, blocking=False)], "NOT DECIDABLE", False),
        ([PASSED, gate("w", Status.FAIL, waiver=Waiver("w", "known", "me", "2999-01-01"))], "WAIVED", False),
    ],
)
def test_the_verdict_and_whether_it_is_red(gates: list[GateResult], verdict: str, red: bool) -> None:
    found = overall(gates)
    assert (str(found), is_red(found, gates)) == (verdict, red)
    assert sentence(found, gates).startswith(f"{verdict}: ")
    assert overall(gates, "killed") is Status.INCOMPLETE
    assert is_red(Status.INCOMPLETE, gates)


@pytest.mark.parametrize(
    ("gates", "required", "verdict"),
    [
        ([PASSED], ("privacy",), "PASS"),
        ([PASSED], ("privacy", "fairness"), "NOT TESTED"),
        ([PASSED, gate("b", Status.FAIL)], ("fairness",), "FAIL"),
        ([PASSED, replace(gate("b", Status.NOT_RUN, excuse="unselected"), dimension="fairness")], ("fairness",), "NOT TESTED"),
        ([], ("toxicity",), "NOT TESTED"),
    ],
)
def test_a_required_dimension_without_a_test_is_no_pass(gates: list[GateResult], required: tuple[str, ...], verdict: str) -> None:
    found = overall(gates, required=required)
    assert str(found) == verdict
    assert is_red(found, gates, required) == (verdict != "PASS")
    assert ("required and not tested" in sentence(found, gates, required=required)) == (verdict != "PASS")


@pytest.mark.parametrize("code", ["", ", returncode=0", ", returncode=3"])
def test_a_plugin_that_ends_the_session_at_its_start_leaves_a_red_status(project: Make, code: str) -> None:
    made = project(n=N, extra=TEN)
    made.path.joinpath("conftest.py").write_text(
        made.path.joinpath("conftest.py").read_text()
        + f"""
def pytest_sessionstart(session):
    pytest.exit("enough"{code})
"""
    )
    result = made.runpytest_subprocess(*CUSTOM)
    assert result.ret == (3 if "3" in code else 1)
    assert audit(made.path)["verdict"] == "INCOMPLETE"


def test_the_sentence_counts_what_does_not_count() -> None:
    gates = [PASSED, gate("b", Status.NOT_TESTED, excuse="optional"), gate("c", Status.NOT_RUN, excuse="unselected")]
    assert sentence(overall(gates), gates).startswith(
        "PARTIAL: 1 of 3 blocking gates pass; 1 optional and absent, 1 outside the selection;"
    )


def test_a_selection_is_partial_only_for_what_blocks() -> None:
    aside = gate("b", Status.NOT_RUN, excuse="unselected", blocking=False)
    assert overall([PASSED, aside]) is Status.PASS
    assert of_absent([PASSED, aside]) == ["SELECTION: 1 gate is outside this run's selection; the verdict does not cover it"]
    block = replace(aside, blocking=True)
    assert overall([PASSED, aside, block]) is Status.PARTIAL
    assert of_absent([PASSED, aside, block]) == [
        "PARTIAL: 2 gates are outside this run's selection; the verdict does not cover them"
    ]
    assert of_absent([gate("c", Status.NOT_RUN)]) == ["NOT RUN: 1 gate left no result"]


def test_one_probe_is_no_several() -> None:
    one = gate("d", Status.MEASURED, blocking=False)
    assert sentence(Status.PASS, [PASSED, one]).endswith("; 1 probe is only measured.")
    assert sentence(Status.MEASURED, [one]).endswith("; 1 probe was measured.")
    assert sentence(Status.PASS, [PASSED, one, one]).endswith("; 2 probes are only measured.")


# ------------------------------------------------------------------ blocking gates that did not run

MORE = '''
from pytest_slmtrust import Generate, Loglikelihood, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"n": i} for i in range(29)], tolerance=0.1, WITH)
def keeps_quiet(n):
    """It keeps quiet."""
    yield from ask(Generate(f"x {n}"))
    return Verdict(SAYS)
'''


def report(made: pytest.Pytester) -> Path:
    return made.path / "slmtrust-report" / "audit.json"


def more(made: pytest.Pytester, extra: str = "", says: str = "True") -> None:
    made.makepyfile(probe_more=MORE.replace("WITH", extra).replace("SAYS", says))


def answering(made: pytest.Pytester, answers: str) -> None:
    file = made.path / "conftest.py"
    file.write_text(file.read_text().replace("return Logged(reply)", f"return Logged(reply, answers={answers})"))


@pytest.mark.parametrize(
    ("extra", "workers"),
    [
        ("extras=('no_such_module',)", ()),
        ("extras=('json', 'no_such_package.part')", ()),
        ("needs=(Loglikelihood,)", ()),
        ("needs=(Loglikelihood,)", ("-n1",)),
    ],
)
def test_a_blocking_gate_that_could_not_be_tested_is_red(project: Make, extra: str, workers: Sequence[str]) -> None:
    made = project(n=N, extra=TEN)
    more(made, extra)
    answering(made, "(Generate,)")
    assert made.runpytest(*CUSTOM, *workers).ret == 1
    assert audit(made.path)["verdict"] == "NOT TESTED"
    assert made.runpytest(*CUSTOM, *workers, "--slm-optional=keeps_quiet").ret == 0
    found = audit(made.path)
    assert found["verdict"] == "PASS"
    assert [g["excuse"] for g in found["gates"] if g["probe"] == "keeps_quiet"] == ["optional"]
    assert "OPTIONAL: keeps_quiet" in report(made).with_suffix(".html").read_text()
    assert problems(read_audit(report(made))) == []


@pytest.mark.parametrize(("answers", "profile"), [("(Loglikelihood,)", "ci"), ("()", "ci"), ("()", "smoke")])
def test_a_model_that_answers_nothing_that_is_asked_is_red(project: Make, answers: str, profile: str) -> None:
    made = project(n=N, extra=TEN + ", needs=(__import__('pytest_slmtrust').Generate,)")
    answering(made, answers)
    assert made.runpytest(*CUSTOM, f"--slm-profile={profile}").ret == 1
    assert audit(made.path)["verdict"] == "NOT TESTED"


@pytest.mark.parametrize(
    ("broken", "said"),
    [("n % 3 == 0", "red: 2 cases ended in an error"), ("n == 4", "red: 1 case ended"), ("0", "")],
)
def test_an_audit_with_cases_that_ended_in_an_error_is_red_without_a_gate(
    project: Make, broken: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(n=1)
    made.makepyfile(
        probe_breaks=f"""
        from pytest_slmtrust import Generate, Verdict, ask, probe

        @probe(dimension="privacy", rows=[{{"n": n}} for n in range(1, 7)])
        def breaks(n):
            reply = yield from ask(Generate(f"Say {{n}}"))
            return Verdict(1 / (not ({broken})) > 0)
    """
    )
    status = made.runpytest(*CUSTOM, "probe_breaks.py").ret
    assert status == bool(said)
    assert audit(made.path)["verdict"] == ("INCONCLUSIVE" if said else "MEASURED")
    capsys.readouterr()
    assert cli.main(["verdict", str(report(made))]) == status
    printed = capsys.readouterr().out
    assert said in printed
    assert ("error" in printed) is bool(said)


def test_optional_gates_are_named_rightly_and_still_fail(project: Make) -> None:
    made = project("return 'you idiot'", N, TEN)
    result = made.runpytest(*CUSTOM, "--slm-optional=stays_polit")
    assert result.ret == 4
    assert "Unknown optional gate 'stays_polit'. Did you mean" in result.stderr.str() + result.stdout.str()
    assert made.runpytest(*CUSTOM, "--slm-optional=stays_polite").ret == 1
    assert audit(made.path)["verdict"] == "FAIL"
    made.makeini("[pytest]\nslm_optional = probe_support.py::stays_polite\n")
    assert made.runpytest(*CUSTOM, "--deselect", "probe_support.py::gate[stays_polite]").ret == 0


SKIP = """
import pytest
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name.startswith("gate["):
            HOW
"""


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        ("item.add_marker(pytest.mark.skip(reason='slow'))", "NOT RUN"),
        ("item.add_marker(pytest.mark.xfail(run=False))", "NOT RUN"),
        ("item.add_marker(pytest.mark.xfail(reason='known'))", "FAIL"),
        ("items.remove(item); break", "NOT RUN"),
    ],
)
def test_no_conftest_takes_a_gate_away(project: Make, how: str, verdict: str) -> None:
    made = project("return 'you idiot'", N, TEN)
    with (made.path / "conftest.py").open("a") as file:
        file.write(SKIP.replace("HOW", how))
    assert made.runpytest(*CUSTOM).ret == 1
    assert audit(made.path)["verdict"] == verdict


@pytest.mark.parametrize("options", [("-m", "toxicity"), ("-k", "stays_polite"), ("-m", "toxicity", "-n1")])
def test_no_conftest_takes_a_gate_away_inside_a_selection(project: Make, options: tuple[str, ...]) -> None:
    made = project("return 'you idiot'", N, TEN)
    with (made.path / "conftest.py").open("a") as file:
        file.write(SKIP.replace("HOW", "items.remove(item); break"))
    assert made.runpytest(*CUSTOM, *options).ret == 1
    assert audit(made.path)["verdict"] == "NOT RUN"


@pytest.mark.parametrize(
    ("options", "verdict", "status"),
    [
        (("-k", "gate and stays_polite"), "PARTIAL", 0),
        (("-k", "stays_polite and not gate"), "PARTIAL", 0),
        (("-m", "privacy"), "FAIL", 1),
        (("-k", "keeps_quiet", "-n1"), "FAIL", 1),
        (("--maxfail=1",), "FAIL", 1),
        (("--deselect", "probe_more.py::gate[keeps_quiet]"), "NOT RUN", 1),
        (("-m", "toxicity", "--deselect", "probe_support.py::gate[stays_polite]"), "NOT RUN", 1),
    ],
)
def test_a_named_selection_is_partial_and_what_is_dropped_otherwise_is_red(
    project: Make, options: tuple[str, ...], verdict: str, status: int
) -> None:
    made = project(n=N, extra=TEN)
    more(made, says="False")
    assert made.runpytest(*CUSTOM, *options).ret == status
    assert audit(made.path)["verdict"] == verdict
    assert problems(read_audit(report(made))) == []


def test_what_failed_last_is_not_the_whole_audit(project: Make) -> None:
    made = project(n=N, extra=TEN)
    more(made, says="n < 0")
    assert made.runpytest(*CUSTOM).ret == 1
    more(made, says="n >= 0")
    assert made.runpytest(*CUSTOM, "--lf").ret == 1
    assert audit(made.path)["verdict"] == "INCOMPLETE"
    assert made.runpytest(*CUSTOM, "--lf").ret == 0  # nothing failed: everything runs


# ------------------------------------------------------------------ what --slm-inconclusive=xfail forgives


UNDECIDED = gate("u", Status.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("others", "forgiven"),
    [
        ([], True),
        ([PASSED], True),
        ([gate("f", Status.FAIL)], False),
        ([gate("n", Status.NOT_RUN)], False),
        ([gate("t", Status.NOT_TESTED)], False),
        ([gate("i", Status.INVALID)], False),
        ([gate("o", Status.NOT_RUN, excuse="optional")], True),
    ],
)
def test_only_undecided_gates_are_forgiven(others: list[GateResult], forgiven: bool) -> None:
    gates = (UNDECIDED, *others)
    found = Audit(overall(gates), "", "ci", gates, (), (), {"name": "m"})
    assert only_undecided(found) is forgiven


@pytest.mark.parametrize("how", ["", "--deselect=probe_more.py::gate[keeps_quiet]", "skipped"])
def test_xfail_hides_no_gate_that_did_not_run(project: Make, how: str) -> None:
    made = project(reply="return 'You idiot' if 'complaint 3' in repr(request) else 'Thank you'", n=N, extra=TEN)
    more(made)
    if how == "skipped":
        file = made.path / "probe_more.py"
        file.write_text(file.read_text() + "\nimport pytest\npytestmark = pytest.mark.skip\n")
    done = made.runpytest(*CUSTOM, "--slm-inconclusive=xfail", *([how] if how.startswith("--") else []))
    found = audit(made.path)
    assert found["verdict"] == "INCONCLUSIVE", found["verdict"]
    assert (done.ret == 0) is (how == "")


@pytest.mark.parametrize("part", ["controller", "outlet", "junit", "display"])
def test_no_part_of_the_plugin_can_be_blocked(project: Make, part: str) -> None:
    made = project(n=N, extra=TEN)
    done = made.runpytest(*CUSTOM, "-p", f"no:slmtrust-{part}")
    assert done.ret == 4
    done.stderr.fnmatch_lines([f"*-p no:slmtrust-{part} takes away a part of the audit*"])
    assert not report(made).exists() or audit(made.path)["verdict"] == "INCOMPLETE"
