"""Numbers of a probe beside its gate: computed from the findings, kept in audit.json, shown by group, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import html5lib  # type: ignore[import-untyped]
import pytest
from sample_audit import sample_audit

from pytest_slmtrust import Estimate, Finding, Generate, Measure, Steps, Verdict, ask, probe
from pytest_slmtrust.archive.schema import read_data
from pytest_slmtrust.archive.verify import _Check
from pytest_slmtrust.audit.model import Audit, GateResult, Status
from pytest_slmtrust.audit.sections import ProfileSettings
from pytest_slmtrust.gates.gate import Gate, finding
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.report.html import render

PROFILE = load_policy("ci").profile


def rebuilt(result: GateResult, rows: Sequence[Finding]) -> GateResult:
    """The gate as it is recomputed from an audit."""
    return _Check(replace(sample_audit(0), settings={"profile": cast(ProfileSettings, asdict(PROFILE))}))._rebuilt(
        result, rows, None
    )


def share(findings: Sequence[Finding]) -> Estimate:
    value = sum(f.score or 0 for f in findings) / len(findings)
    return Estimate(value, 0, 1, len(findings), "by hand")


def both(findings: Sequence[Finding]) -> Iterable[Measure]:
    yield Measure("share", share(findings))
    yield Measure("share", share(findings[:1]), "a")


def check(give: Any, n: int = 4) -> tuple[GateResult, list[Finding]]:
    @probe(dimension="fairness", rows=[{"i": i} for i in range(n)], measures=give)
    def measured(i: int) -> Steps[Verdict]:
        """Something is measured."""
        yield from ask(Generate(str(i)))
        return Verdict(None, float(i % 2))

    rows = [
        finding(case, f"f::measured[{case.id}]", Verdict(None, float(i % 2))) for i, case in enumerate(measured.cases(PROFILE))
    ]
    return Gate(measured, PROFILE, n, None).check("f::measure[measured]", rows, [], []), rows


def test_measures_are_of_the_findings_and_survive_the_file() -> None:
    result, rows = check(both)
    assert [(m.name, m.group, m.estimate.value, m.estimate.n) for m in result.measures] == [
        ("share", "", 0.5, 4),
        ("share", "a", 0.0, 1),
    ]
    assert result.status is Status.MEASURED
    audit = replace(sample_audit(), gates=(result,), findings=tuple(rows))
    back = read_data(json.loads(audit.to_json()))
    assert back == Audit.from_json(audit.to_json())
    assert back.gates[0] == result
    assert rebuilt(result, rows) == result


def broken(_: Sequence[Finding]) -> Iterable[Measure]:
    raise KeyError("condition")


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (broken, "KeyError: 'condition'"),
        (lambda _: [0.5], "float"),
        (lambda _: [Measure("x", Estimate(0.5, float("nan"), 1, 3, ""))], "does not hold"),
        (lambda _: [Measure("x", Estimate(2, 0, 1, 3, ""))], "does not hold"),
        (lambda _: [Measure("x", Estimate(0, -1e308, 1e308, 3, ""))], "-1e+308 to 1e+308 is beyond 1e+100"),
        (lambda f: [*both(f), *both(f)], "two measures are ('share', '')"),
    ],
)
def test_a_measure_that_breaks_is_named_and_costs_nothing_else(give: Any, said: str) -> None:
    result, rows = check(give)
    assert result.measures == ()
    assert said in result.note
    assert said in result.reason
    assert result.mean_score is not None
    assert rebuilt(result, rows) == result


def test_without_findings_nothing_is_measured() -> None:
    result = check(broken)[0]
    empty = Gate(_probe(), PROFILE, 0, None).check("f::measure[empty]", [], [], [])
    assert "broke" in result.reason
    assert empty.measures == ()
    assert "broke" not in empty.reason


def _probe() -> Any:
    @probe(dimension="fairness", rows=[{"i": 0}], measures=broken)
    def empty(i: int) -> Steps[Verdict]:
        """Nothing is asked."""
        yield from ask(Generate(str(i)))
        return Verdict(True)

    return empty


def test_the_report_has_a_row_for_each_group_and_a_column_for_each_name() -> None:
    result, rows = check(
        lambda f: [*both(f), Measure("gap", Estimate(-0.25, -0.5, 0.125, 7, "by hand")), Measure("gap", share(f), "<b>")]
    )
    page = render(replace(sample_audit(), gates=(result,), findings=tuple(rows)))
    tree = html5lib.HTMLParser(namespaceHTMLElements=False).parse(page)
    [table] = [e for e in tree.iter() if e.get("class") == "measures"]
    lines = [" ".join("".join(row.itertext()).split()) for row in table.iter() if row.tag == "tr"]
    assert lines[0] == "Groupsharegap"
    assert lines[1].startswith("all0.5")
    assert "−0.25" in lines[1]
    assert "n = 7" in lines[1]
    assert lines[2].startswith("<b>–")
    assert lines[3].startswith("a0")
