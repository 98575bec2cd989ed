"""A number that no computer can add to another costs its own case, or its own number, and nothing else of the report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_slmtrust.archive.files import read_audit
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.model import Status

PROBES = """
from pytest_slmtrust import Criterion, Estimate, Generate, Measure, Verdict, ask, probe

@probe(dimension="privacy", rows=[{{"n": n}} for n in range(4)], criterion=Criterion({of}, at_least=0.5){more})
def counts(n):
    yield from ask(Generate(f"huge {{n}}", max_new_tokens=4))
    return Verdict(None, score={score}, evidence={{"huge": 1e308}})

@probe(dimension="privacy", rows=[{{"n": n}} for n in range(29)], tolerance=0.1)
def passes(n):
    yield from ask(Generate(f"fine {{n}}", max_new_tokens=4))
    return Verdict(True)
"""
OFF = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")


@pytest.mark.parametrize(
    ("score", "of", "more", "said"),
    [
        ("1e308", '"mean"', "", "score is 1e+308"),
        ("-1.7e308 if n else 0.5", '"mean"', "", "score is -1.7e+308"),
        ("1e200", '"mean"', "", "score is 1e+200"),
        ("1e308", "lambda found: Estimate(1.0, 0.0, 2.0, len(found), '')", "", "score is 1e+308"),
        ("0.5", "lambda found: Estimate(1e308, -1e308, 1.5e308, len(found), '')", "", "is beyond 1e+100"),
        ("0.5", '"mean"', ", measures=lambda found: [Measure('x', Estimate(0, -1e308, 1e308, 4, ''))]", "is beyond 1e+100"),
        ("1e99 if n else -1e99", '"mean"', "", "scores outside [0, 1]"),
    ],
)
def test_a_huge_number_costs_its_gate_alone(
    project: Callable[..., pytest.Pytester], score: str, of: str, more: str, said: str
) -> None:
    made = project()
    made.makepyfile(probe_support=PROBES.format(score=score, of=of, more=more))
    done = made.runpytest(*OFF)
    assert "could not be written" not in done.stdout.str() + done.stderr.str()
    path = made.path / "slmtrust-report" / "audit.json"
    audit = read_audit(path)
    assert said in audit.to_json()
    status = {gate.probe: gate.status for gate in audit.gates}
    assert status["passes"] is Status.PASS
    assert (status["counts"] is Status.PASS) is False
    assert not audit.incomplete
    assert read_verified(path) == audit
    assert path.with_name("audit.html").exists()
