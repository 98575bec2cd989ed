"""Refusal and over-refusal in one verdict: neither a model that refuses everything nor one that refuses nothing passes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from drive import drive
from sessions import gate_results
from useless import AUDIT, CI, wrong_controls

from pytest_slmtrust import Completion, Generate, Request, chat
from pytest_slmtrust.audit.model import GateResult, Status
from pytest_slmtrust.probes.toxicity import answers_harmless_requests, refuses_harmful_requests, twins
from pytest_slmtrust.probes.toxicity_pairs import refuses_harm_and_nothing_else

NO = "I'm sorry, but I can't help with that."
NAME = refuses_harm_and_nothing_else.name
HARMFUL = {chat(c.params["request"]) for c in refuses_harmful_requests.cases(CI)}
MATTER = {chat(c.params["request"]): c.params["words"][-1] for c in answers_harmless_requests.cases(CI)}
TWINS = {chat(row["question"]): row["words"][-1] for row in twins()}


def _gate(reply: Any) -> GateResult:
    return gate_results(reply, [refuses_harm_and_nothing_else])[NAME]


def _model(harmful: str, harmless: str = "") -> Any:
    """It says ``harmful`` to harmful requests and ``harmless`` (or something of the matter) to look-alikes; twins it answers."""

    def answer(request: Request[Any]) -> Completion:
        assert isinstance(request, Generate)
        if request.prompt in HARMFUL:
            return Completion(harmful)
        matter = TWINS.get(request.prompt)  # type: ignore[arg-type]
        return Completion(f"Think of {matter or MATTER[request.prompt]}." if matter or not harmless else harmless)  # type: ignore[index]

    return answer


def _rates(gate: GateResult) -> dict[str, float]:
    return {g.group: g.estimate.value for g in gate.groups}


def test_pairs_ask_nothing_that_is_not_asked_already() -> None:
    for profile in (CI, AUDIT):
        cases = refuses_harm_and_nothing_else.cases(profile, profile.blocking_items)
        assert set(Counter(c.source for c in cases).values()) == {2}
        assert len({c.source for c in cases}) == (180 if profile is CI else 240)
        asked = {
            c.params["request"]
            for p in (refuses_harmful_requests, answers_harmless_requests)
            for c in p.cases(profile, profile.blocking_items)
        }
        assert {c.params["request"] for c in cases} == asked


def test_a_model_that_tells_them_apart_passes() -> None:
    gate = _gate(_model(NO))
    assert gate.status is Status.PASS, gate.reason
    assert _rates(gate) == {"harmful": 0.0, "harmless": 0.0}
    [youden] = gate.measures
    assert youden.estimate.value == 1.0
    assert 0.95 < youden.estimate.lower < 1.0


@pytest.mark.parametrize(
    ("harmful", "harmless", "rates"),
    [
        (NO, NO, {"harmful": 0.0, "harmless": 1.0}),
        ("Of course: begin tonight and tell nobody.", "", {"harmful": 1.0, "harmless": 0.0}),
        ("Of course: begin tonight and tell nobody.", NO, {"harmful": 1.0, "harmless": 1.0}),
    ],
)
def test_neither_side_alone_passes(harmful: str, harmless: str, rates: dict[str, float]) -> None:
    gate = _gate(_model(harmful, harmless))
    assert gate.status is Status.FAIL
    assert gate.failures == gate.items == 180
    assert _rates(gate) == rates
    assert "180 of 180 items failed" in gate.reason
    [youden] = gate.measures
    assert youden.estimate.value == (-1.0 if sum(rates.values()) == 2 else 0.0)
    assert youden.estimate.lower <= youden.estimate.value <= youden.estimate.upper


def test_failures_of_both_sides_add_up() -> None:
    """Six per cent on either side pass a gate of 10 % each, and fail together."""
    one, other = sorted(HARMFUL, key=str), sorted(MATTER, key=str)
    slips = set(one[::9]) | set(other[::9])
    good = _model(NO)

    def answer(request: Request[Any]) -> Any:
        assert isinstance(request, Generate)
        if request.prompt in slips:
            return Completion("Begin tonight." if request.prompt in HARMFUL else NO)
        return good(request)

    found = gate_results(answer, [refuses_harmful_requests, answers_harmless_requests, refuses_harm_and_nothing_else])
    both = found[NAME]
    sides = [found[p.name] for p in (refuses_harmful_requests, answers_harmless_requests)]
    assert max(s.failures for s in sides) <= both.failures <= sum(s.failures for s in sides)
    assert both.failures > max(s.failures for s in sides)
    assert both.status is not Status.PASS


def test_a_pair_with_a_half_that_cannot_be_judged_is_unscored() -> None:
    def answer(request: Request[Any]) -> Any:
        assert isinstance(request, Generate)
        return Completion("" if request.prompt in HARMFUL else NO if request.prompt in MATTER else "x")

    gate = _gate(answer)
    assert (gate.failures, gate.unscored) == (180, 0)  # the other half failed
    silent = _gate("")
    assert (silent.failures, silent.unscored, silent.status) == (0, 180, Status.UNEARNED)


def test_controls_of_both_sides() -> None:
    assert wrong_controls(refuses_harm_and_nothing_else) == []
    sides = Counter((c.params["side"], c.expected) for c in refuses_harm_and_nothing_else.control_cases())
    assert min(sides[side, label] for side in ("harmful", "harmless") for label in (True, False)) >= 5


def test_evidence_says_which_side_and_why() -> None:
    case = refuses_harm_and_nothing_else.cases(CI, 1)[0]
    verdict = drive(case, NO)
    assert (verdict.group, verdict.passed, verdict.evidence["why"]) == ("harmful", True, "refuses")
