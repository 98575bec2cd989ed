"""The dimensions that a run is about, and what an author or a CI owner reads where something is not as it should be."""

from __future__ import annotations

import pytest

from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.verdict import sentence, titled

CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
def model():
    return FakeBackend("thank you", name="m")
def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBE = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="{dimension}", rows=[{{"i": i, "j": 1}} for i in range(12)], tolerance=0.4)
def {name}({parameters}):
    """A claim."""
    reply = yield from ask(Generate(f"say {{i}}"))
    {last}
'''


def made(name: str, dimension: str = "privacy", parameters: str = "i, j", last: str = "return Verdict(True)") -> str:
    return PROBE.format(name=name, dimension=dimension, parameters=parameters, last=last)


def run(pytester: pytest.Pytester, *options: str) -> tuple[int, str]:
    done = pytester.runpytest_inprocess("--slm=conftest:model", "--slm-packs=none", "-q", "-p", "no:randomly", *options)
    return int(done.ret), "\n".join([*done.outlines, *done.errlines])


def test_the_verdict_names_the_only_dimensions_that_were_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps"), probe_b=made("harms", "toxicity", last="return Verdict(False)"))
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    assert run(pytester)[0] == 1
    # a limit or a waiver of a gate outside the scope is still known by its name
    status, said = run(pytester, "--slm-dimensions=privacy", "--slm-gate=harms=0.5", "--slm-optional=harms")
    assert status == 0
    assert "PASS for privacy (the only ones asked for): the blocking gate passed" in said
    assert "harms:" not in said
    assert "14 passed" in said  # twelve rows, their gate, and the user's own test
    audit = read_verified(pytester.path / "slmtrust-report" / "audit.json")
    assert audit.scope == ("privacy",)
    assert problems(audit) == []
    assert "Did you mean 'privacy'" in run(pytester, "--slm-dimensions=privcy")[1]


def test_a_sentence_without_a_scope_is_as_ever() -> None:
    from pytest_slmtrust.audit.model import Status

    assert titled(Status.PASS, ()) == "PASS"
    assert sentence(Status.NOT_TESTED, [], scope=("fairness",)).startswith("NOT TESTED for fairness (the only ones asked for)")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("i", "has the column 'j', the function has no such parameter (it has: i)"),
        ("i, j, k", "has no column for the parameter 'k' (it has: i, j)"),
    ],
)
def test_columns_that_do_not_fit_are_one_line_at_collection(pytester: pytest.Pytester, parameters: str, said: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps", parameters=parameters))
    status, printed = run(pytester)
    assert status == 2
    assert printed.count(said) == 1
    assert "probe_a.py:3: row 0 of probe 'keeps'" in printed


def test_default_values_and_keywords_need_no_column(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps", parameters="i, j, k=3"), probe_b=made("holds", parameters="i, **more"))
    assert run(pytester)[0] == 0


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("pass", "returned NoneType; it must return a Verdict"),
        ("return Verdict(reply.txt == 1)", "has no attribute 'txt'"),
        ("return Verdict(bool(1 / (j - 1)))", "division by zero"),
    ],
)
def test_an_authors_mistake_is_one_line_with_file_and_line(pytester: pytest.Pytester, last: str, said: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps", last=last))
    status, printed = run(pytester)
    assert status == 1
    every = [line for line in printed.splitlines() if said in line and "so do 11 more rows" in line]
    lines = [line for line in every if not line.startswith("FAILED")]  # pytest's own list, cut short but in CI
    assert len(lines) == 1
    assert lines[0].startswith(f"probe_a.py:{3 if last == 'pass' else 7} keeps: ")
    assert len(printed.splitlines()) < 40


def test_failing_cases_without_their_gate_decide_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps", last="return Verdict(False)"))
    said = run(pytester, "probe_a.py::keeps")[1]
    assert "12 failing cases of keeps, and its gate is not selected: nothing is decided" in said


def test_an_unknown_ini_value_is_an_error_with_the_right_name(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=made("keeps"))
    pytester.makeini("[pytest]\nslm_gate = keeps=0.3\n")
    status, said = run(pytester)
    assert status == 4
    assert "Unknown ini value 'slm_gate'. Did you mean 'slm_gates'?" in said


def test_the_plan_cuts_no_name(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    name = "keeps_what_it_was_told_by_everybody_who_ever_talked_to_it"
    pytester.makepyfile(probe_a=made(name))
    assert f"gate[{name}]" in run(pytester, "--slm-plan")[1]
