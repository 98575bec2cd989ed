"""The reliability diagram: computed from the findings of an audit, drawn once, and the same numbers as the statistics give."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, tostring

import html5lib
import pytest
from sample_audit import sample_audit

from pytest_slmtrust.audit.model import Audit, Finding, GateResult, Status
from pytest_slmtrust.report.html import render
from pytest_slmtrust.report.reliability import LEFT, SIDE, TOP, answers, diagram
from pytest_slmtrust.stats import ece

GATE = GateResult(
    "slm::hallucination::measure[sure]", "sure", "hallucination", "It is as sure as right.", Status.MEASURED, False, ""
)


def finding(number: int, confidence: Any, right: Any, probe: str = "sure") -> Finding:
    evidence = {"confidence": confidence, "right": right}
    return Finding(f"slm::hallucination::{probe}[{number}]", probe, "hallucination", str(number), str(number), "measured", 0.1,
                   evidence=evidence)  # fmt: skip


FINDINGS = [finding(i, 0.25 if i < 20 else 0.85, i % 5 != 0) for i in range(60)]


def audit(findings: list[Finding]) -> Audit:
    base = sample_audit()
    return replace(base, gates=(GATE,), findings=tuple(findings), baseline=None, waivers=())


def picture(page: str) -> list[Element]:
    root = html5lib.parse(page, namespaceHTMLElements=False)
    return [e for e in root.iter() if e.tag.rpartition("}")[2] == "svg" and e.get("class") == "reliability"]


def test_marks_stand_where_the_numbers_say() -> None:
    found = diagram(GATE, FINDINGS)
    assert found is not None
    low, high = found.marks
    assert (low.n, high.n, found.n) == (20, 40, 60)
    assert (low.confidence, low.accuracy) == (pytest.approx(0.25), 0.8)
    assert low.x == pytest.approx(LEFT + SIDE * 0.25)
    assert low.y == pytest.approx(TOP + SIDE * 0.2)
    assert low.top < low.y < low.bottom
    assert low.radius < high.radius
    assert found.ece == pytest.approx(ece([f.evidence["confidence"] for f in FINDINGS], [f.evidence["right"] for f in FINDINGS]))


def test_it_is_drawn_with_its_numbers_in_words() -> None:
    page = render(audit(FINDINGS))
    [svg] = picture(page)
    circles = [e for e in svg.iter() if e.tag.rpartition("}")[2] == "circle"]
    assert len(circles) == 2
    assert (svg.get("role"), svg.get("width")) == ("img", str(LEFT + SIDE + 24))
    names = str(svg.get("aria-labelledby")).split()
    texts = {e.get("id"): "".join(e.itertext()) for e in svg.iter()}
    assert "Reliability diagram of sure" in texts[names[0]]
    assert "20 answers with a mean confidence of 25.0\u00a0%: 80.0\u00a0% right." in texts[names[1]]
    assert "Expected calibration error" in page
    assert re.search(r"<th scope=\"row\">20\.0.% – 30\.0.%</th><td class=\"num\">20</td>", page)
    assert render(audit(FINDINGS)) == page


def test_it_comes_from_the_audit_and_from_nothing_else() -> None:
    def drawn(one: Audit) -> list[bytes]:
        return [tostring(svg) for svg in picture(render(one))]

    assert drawn(Audit.from_json(audit(FINDINGS).to_json())) == drawn(audit(FINDINGS)) != []


@pytest.mark.parametrize(
    ("confidence", "right"),
    [
        (None, True), ("0.5", True), (True, True), (math.nan, True), (1.5, True), (-0.1, False), (10**400, True), (0.5, 1),
        (0.5, "yes"), ([0.5], True),
    ],
)  # fmt: skip
def test_what_is_no_answer_with_a_confidence_is_left_out(confidence: Any, right: Any) -> None:
    assert answers([finding(0, confidence, right)]) == []
    assert diagram(GATE, [finding(i, confidence, right) for i in range(30)]) is None


def test_few_answers_another_probe_and_a_comparison_have_none() -> None:
    assert diagram(GATE, FINDINGS[:9]) is None
    assert diagram(replace(GATE, quantity="paired"), FINDINGS) is None
    assert picture(render(audit([]))) == []


@pytest.mark.parametrize(("confidence", "right"), [(0.0, False), (1.0, True)])
def test_ends_of_the_axes_are_inside_the_picture(confidence: float, right: bool) -> None:
    found = diagram(GATE, [finding(i, confidence, right) for i in range(12)])
    assert found is not None
    [mark] = found.marks
    assert LEFT <= mark.x <= LEFT + SIDE
    assert TOP <= mark.top <= mark.bottom <= TOP + SIDE
    assert found.ece == 0
