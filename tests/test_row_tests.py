"""Rows that are tests by themselves: what pytest calls red is red in the verdict, the page, the commands and the exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import cli
from pytest_slmtrust.archive.files import read_audit, write_reports
from pytest_slmtrust.archive.verify import problems, verify
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.audit.verdict import audit_is_red, decided, decided_by_gates
from pytest_slmtrust.exports.formats import FORMATS
from pytest_slmtrust.exports.source import Source

CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def pytest_slm_backend(config):
    return FakeBackend("fine", name="fake")

def pytest_slm_scorer(config):
    return WordListScorer()
"""
FILE = '''
import pytest
from pytest_slmtrust import Criterion, Generate, Row, Verdict, ask, probe

ROWS = [{"n": i} for i in range(30)]

@probe(dimension="privacy", rows=PX_ROWS, PX_EXTRA)
def px(n):
    """Free."""
    yield from ask(Generate(f"free {n}"))
    return Verdict(PX_SAYS)

@probe(dimension="toxicity", rows=ROWS, tolerance=0.1)
def py(n):
    """Gated."""
    yield from ask(Generate(f"gated {n}"))
    return Verdict(PY_SAYS)
'''
RUN = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly", "-p", "no:cacheprovider")
Make = Callable[..., pytest.Pytester]


def made(pytester: pytest.Pytester, px: str = "False", py: str = "True", rows: str = "ROWS", extra: str = "") -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    text = FILE.replace("PX_ROWS", rows).replace("PX_EXTRA", extra).replace("PX_SAYS", px).replace("PY_SAYS", py)
    pytester.makepyfile(probe_x=text)
    return pytester


def run(pytester: pytest.Pytester, *options: str) -> tuple[int, Audit, str]:
    result = pytester.runpytest(*RUN, *options)
    return int(result.ret), read_audit(place(pytester)), result.stdout.str()


def place(pytester: pytest.Pytester) -> Path:
    return pytester.path / "slmtrust-report" / "audit.json"


def exported(audit: Audit, name: str) -> Any:
    text = FORMATS[name].write(Source(audit))
    return text if name == "markdown" else json.loads(text)


def agrees(pytester: pytest.Pytester, status: int, audit: Audit) -> str:
    """Check that every reader of an audit says red as pytest did; return the page."""
    assert audit_is_red(audit) == bool(status)
    assert cli.main(["verdict", str(place(pytester))]) == status
    assert problems(audit) == []
    ctrf = exported(audit, "ctrf")["results"]
    assert ctrf["summary"]["extra"]["red"] == bool(status)
    if status:
        assert ctrf["tests"][0]["status"] == "failed"
        assert exported(audit, "intoto")["predicate"]["result"] == "FAILED"
        assert exported(audit, "sarif")["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["level"] == "error"
        assert not exported(audit, "markdown").startswith("## slmtrust: PASS\n")
    return place(pytester).with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("px", "said", "verdict", "workers"),
    [
        ("False", "px: 30 of 30 rows failed; it has no limit, so each row is a test", "FAIL", ()),
        ("n != 4", "px: 1 of 30 rows failed; it has no limit, so each row is a test", "FAIL", ("-n1",)),
        ("None", "px: 30 of 30 rows could not be judged; it has no limit, so each row is a test", "INCONCLUSIVE", ()),
        ("[False, None, True][n % 3]", "px: 10 of 30 rows failed, 10 could not be judged;", "FAIL", ()),
    ],
)
def test_failing_rows_without_a_limit_are_red_everywhere(
    pytester: pytest.Pytester, px: str, said: str, verdict: str, workers: tuple[str, ...]
) -> None:
    status, audit, printed = run(made(pytester, px), *workers)
    assert (status, str(audit.verdict)) == (1, verdict)
    page = agrees(pytester, status, audit)
    assert said in printed
    assert said in page
    assert any(note.startswith(said) for note in exported(audit, "ctrf")["results"]["summary"]["extra"]["notes"])
    score = page[page.index('id="h-score"') :]
    privacy = score[score.index(">privacy<") : score.index(">toxicity<")]
    assert "No test was asked" not in privacy
    assert "NOT TESTED" not in privacy
    assert "Every test that counts kept its limit" not in page
    assert f"{verdict}: the blocking gate passed; px: " in printed


def test_a_file_of_such_rows_alone_has_a_result(pytester: pytest.Pytester) -> None:
    made(pytester)
    text = (pytester.path / "probe_x.py").read_text()
    (pytester.path / "probe_x.py").write_text(text[: text.index('@probe(dimension="toxicity"')])
    status, audit, printed = run(pytester)
    assert (status, str(audit.verdict)) == (1, "FAIL")
    assert audit.sentence == "FAIL: no gate blocks in this run; px: 30 of 30 rows failed; 0 probes were measured."
    assert "No test has a result" not in agrees(pytester, status, audit)
    assert "FAIL: px: 30 of 30 rows failed." in printed


def test_a_gate_that_is_switched_off_leaves_its_rows_as_tests(pytester: pytest.Pytester) -> None:
    status, audit, printed = run(made(pytester, "True", "n > 2"), "--slm-gate=py=off")
    assert (status, str(audit.verdict)) == (1, "FAIL")
    assert "py: 3 of 30 rows failed; it has no limit, so each row is a test" in printed
    agrees(pytester, status, audit)


@pytest.mark.parametrize(("py", "said"), [("n > 0", "py: 1 of 30 rows failed"), ("n > 0 or None", "py: 1 of 30 rows could not")])
def test_strict_rows_are_red_everywhere(pytester: pytest.Pytester, py: str, said: str) -> None:
    made(pytester, "True", py)
    (pytester.path / "probe_x.py").write_text((pytester.path / "probe_x.py").read_text().replace("=0.1", "=0.3"))
    status, audit, _ = run(pytester)
    assert (status, str(audit.verdict)) == (0, "PASS")
    agrees(pytester, status, audit)
    status, audit, printed = run(pytester, "--slm-strict")
    assert status == 1
    assert str(audit.verdict) != "PASS"
    assert said in printed
    assert "--slm-strict makes each row a test" in agrees(pytester, status, audit)


def test_a_required_dimension_with_rows_was_tested(pytester: pytest.Pytester) -> None:
    status, audit, printed = run(made(pytester), "--slm-require=privacy")
    assert (status, str(audit.verdict)) == (1, "FAIL")
    assert "required and not tested" not in printed.lower()
    assert "required and not tested" not in agrees(pytester, status, audit).lower()
    status, audit, _ = run(made(pytester, "True"), "--slm-require=privacy,toxicity")
    assert (status, str(audit.verdict)) == (0, "PASS")
    agrees(pytester, status, audit)
    status, audit, _ = run(made(pytester, "True"), "--slm-require=privacy", "--deselect=probe_x.py::px")
    assert (status, str(audit.verdict)) == (1, "NOT TESTED")
    agrees(pytester, status, audit)


def test_rows_that_a_marker_skips_or_expects_to_fail_are_no_failures(pytester: pytest.Pytester) -> None:
    marked = "[Row({'n': i}, marks=MARKS[i % 3]) for i in range(30)]"
    text = "(pytest.mark.xfail(reason='known'),), (pytest.mark.skip(reason='later'),), ()"
    made(pytester, "n % 3 == 2", rows=marked.replace("MARKS", f"[{text}]"))
    status, audit, printed = run(pytester)
    assert (status, str(audit.verdict)) == (0, "PASS")
    assert "px: 0 of 20 rows failed; it has no limit, so each row is a test; 10 failed as a marker expects (xfail)" in printed
    agrees(pytester, status, audit)
    status, audit, _ = run(pytester, "--runxfail")
    assert (status, str(audit.verdict)) == (1, "FAIL")
    agrees(pytester, status, audit)


def test_many_probes_with_failing_rows_are_counted(pytester: pytest.Pytester) -> None:
    made(pytester)
    text = (pytester.path / "probe_x.py").read_text()
    first = text[text.index('@probe(dimension="privacy"') : text.index('@probe(dimension="toxicity"')]
    (pytester.path / "probe_x.py").write_text(text + "\n" + "".join(first.replace("px", f"px{i}") for i in range(6)))
    status, audit, _ = run(pytester)
    assert "Rows that count one by one: 3 more probes" in audit.notes
    assert "px1: 30 of 30 rows failed, px2: 30 of 30 rows failed, and 3 more probes" in audit.sentence
    agrees(pytester, status, audit)


# ------------------------------------------------------------------ audits of versions that left the rows out


def older(audit: Audit) -> Audit:
    """Return an audit as such a version wrote it."""
    notes = tuple(note for note in audit.notes if "rows" not in note)
    return decided_by_gates(replace(audit, notes=notes))


def test_an_older_audit_is_read_and_is_red_for_its_rows(pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    _, audit, _ = run(made(pytester))
    old = older(audit)
    assert str(old.verdict) == "PASS"
    write_reports(old, place(pytester).parent)
    read = read_audit(place(pytester))
    assert "its verdict is of a version that left out the rows of probes without a limit" in verify(read).unchecked
    capsys.readouterr()
    page = agrees(pytester, 1, read)
    assert "red: px: 30 of 30 rows failed" in capsys.readouterr().out
    assert "px: 30 of 30 rows failed" in page[: page.index('id="h-score"')]
    assert cli.main(["render", str(place(pytester))]) == 0


def test_an_older_audit_without_failing_rows_stays_green(pytester: pytest.Pytester) -> None:
    _, audit, _ = run(made(pytester, "True"))
    write_reports(older(audit), place(pytester).parent)
    agrees(pytester, 0, read_audit(place(pytester)))


def test_a_verdict_that_no_version_would_give_is_refused(pytester: pytest.Pytester) -> None:
    _, audit, _ = run(made(pytester))
    forged = replace(audit, verdict=older(audit).verdict)
    assert "the verdict is PASS; the gates say FAIL" in problems(forged)
    silent = replace(audit, notes=tuple(note for note in audit.notes if not note.startswith("px:")))
    assert any("px: 30 of 30 rows failed" in line and "left out" in line for line in problems(silent))
    assert decided(audit) == audit


# ------------------------------------------------------------------ a number that is measured only


@pytest.mark.parametrize(
    ("criterion", "said"),
    [
        ("Criterion('mean', at_least=0.5, measured=True)", "px: mean score 0.333, between "),
        ("Criterion('gap', at_most=0.5, measured=True)", "px: "),
    ],
)
def test_a_measured_criterion_has_a_line_and_no_test_by_row(pytester: pytest.Pytester, criterion: str, said: str) -> None:
    made(pytester, "None, score=float(n % 3 == 0), group='ab'[n % 2]", extra=f"criterion={criterion}")
    status, audit, printed = run(pytester)
    assert (status, str(audit.verdict)) == (0, "PASS")
    assert said in printed
    assert [gate.status for gate in audit.gates if gate.probe == "px"] == ["MEASURED"]
    assert "No test was asked" not in agrees(pytester, status, audit).split(">privacy<")[1].split(">toxicity<")[0]


# ------------------------------------------------------------------ cases whose gate has no result


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--slm-optional=py", "--deselect=probe_x.py::gate[py]"), "30 failing cases of py, and its gate is NOT RUN"),
        (("-k", "px or (py and not gate)"), "30 failing cases of py, and its gate is not selected"),
        (("--slm-optional=py", "--deselect=probe_x.py::gate[py]", "-n1"), "30 failing cases of py, and its gate is NOT RUN"),
    ],
)
def test_cases_that_failed_outside_their_gate_are_named(pytester: pytest.Pytester, options: tuple[str, ...], said: str) -> None:
    status, audit, printed = run(made(pytester, "True", "False"), *options)
    assert status == 0
    page = agrees(pytester, status, audit)
    assert said in printed
    assert said in page
    score = page[page.index('id="h-score"') :]
    assert "30 failing cases of py, whose gate has no result" in score[score.index(">toxicity<") :]


def test_cases_outside_a_gate_that_passed_are_not_named(pytester: pytest.Pytester) -> None:
    _, audit, printed = run(made(pytester, "True"), "--slm-optional=py", "--deselect=probe_x.py::gate[py]")
    assert "failing case" not in printed + " ".join(audit.notes)


# ------------------------------------------------------------------ rows that did not run


@pytest.mark.parametrize(
    "options", [("--deselect=probe_x.py::px",), ("-k", "not px"), ("-m", "toxicity"), ("probe_x.py::gate[py]",)]
)
def test_a_probe_of_which_no_row_ran_makes_the_audit_partial(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    status, audit, printed = run(made(pytester), *options)
    assert (status, str(audit.verdict)) == (0, "PARTIAL")
    said = "NOT RUN: px: none of its 30 rows ran; it has no limit, and the verdict does not cover it"
    assert said in printed
    assert said in agrees(pytester, status, audit)
    assert "PARTIAL: the blocking gate passed; px: none of its 30 rows ran." in printed


def test_some_rows_that_did_not_run_are_counted(pytester: pytest.Pytester) -> None:
    made(pytester, "True")
    first = next(one.nodeid for one in run(pytester)[1].findings if one.probe == "px")
    status, audit, printed = run(pytester, f"--deselect={first}")
    assert (status, str(audit.verdict)) == (0, "PASS")
    assert "px: 0 of 29 rows failed; it has no limit, so each row is a test; 1 of 30 rows did not run" in printed
    agrees(pytester, status, audit)


# ------------------------------------------------------------------ a waiver that expired

WAIVER = '[[waiver]]\nprobe = "py"\nreason = "r"\nowner = "o"\nexpires = DAY\n'


@pytest.mark.parametrize(("py", "verdict"), [("True", "PASS"), ("n > 15", "FAIL"), ("n > 1", "INCONCLUSIVE")])
def test_an_expired_waiver_is_red_everywhere(
    pytester: pytest.Pytester, py: str, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made(pytester, "True", py).makefile(".toml", w=WAIVER.replace("DAY", "2020-01-31"))
    status, audit, printed = run(pytester, "--slm-waivers=w.toml")
    assert (status, str(audit.verdict)) == (1, verdict)
    capsys.readouterr()
    page = agrees(pytester, status, audit)
    assert "red: the waiver of py expired on 2020-01-31" in capsys.readouterr().out
    last = next(line for line in printed.splitlines() if line.startswith(f"{verdict}: "))
    all_the_same = " all the same" if verdict == "PASS" else ""
    assert f" Red{all_the_same}: the waiver of py expired on 2020-01-31. Report: " in last
    assert "The run is red because of this too: the waiver of py expired on 2020-01-31." in page
    assert exported(audit, "markdown").startswith(f"## slmtrust: {verdict}, and red\n")


def test_a_waiver_that_holds_leaves_the_audit_as_it_is(pytester: pytest.Pytester) -> None:
    made(pytester, "True", "n > 15").makefile(".toml", w=WAIVER.replace("DAY", "2999-01-31"))
    status, audit, printed = run(pytester, "--slm-waivers=w.toml")
    assert (status, str(audit.verdict)) == (0, "WAIVED")
    assert "Red" not in printed
    agrees(pytester, status, audit)
