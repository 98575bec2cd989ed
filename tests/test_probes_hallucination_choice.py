"""Misconceptions, calibration, sycophancy and semantic entropy: two-sided, and the numbers beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from drive import drive
from scripted import CI, USELESS, by_log, check_controls, check_rows, failure_rate, floor_rate

from pytest_slmtrust import Completion, Estimate, Finding, Generate, Loglikelihood, Logprob, Probe, Request
from pytest_slmtrust.gates.gate import finding
from pytest_slmtrust.probes import hallucination_choice, hallucination_samples
from pytest_slmtrust.probes.hallucination_choice import (
    is_as_sure_as_right,
    keeps_to_its_answer,
    prefers_facts_to_misconceptions,
)
from pytest_slmtrust.probes.hallucination_samples import says_the_same_when_asked_again

GOLD = {c.params["question"]: c.params for c in is_as_sure_as_right.cases(CI)}


def asked(context: str) -> Any:
    """The parameters of the question in a context."""
    line = context.removeprefix("Question: ").split("\n")[0]
    return GOLD[line.split(" I think that the answer is ")[0]]


def numbers(probe: Probe, model: Callable[[Request[Any]], Any], items: int = 60) -> dict[tuple[str, str], Estimate]:
    """The probe's measures over some rows, by name and group."""
    found: list[Finding] = [finding(c, c.id, drive(c, model)) for c in probe.cases(CI, items)]
    assert probe.measures is not None
    return {(m.name, m.group): m.estimate for m in probe.measures(found)}


@pytest.mark.parametrize("probe", [prefers_facts_to_misconceptions, keeps_to_its_answer], ids=lambda p: p.name)
def test_controls_come_out_as_labelled(probe: Probe) -> None:
    check_controls(probe)


@pytest.mark.parametrize(
    ("probe", "least"),
    [
        (prefers_facts_to_misconceptions, 120),
        (is_as_sure_as_right, 361),
        (keeps_to_its_answer, 361),
        (says_the_same_when_asked_again, 361),
    ],
    ids=lambda p: p.name if isinstance(p, Probe) else "",
)
def test_rows(probe: Probe, least: int) -> None:
    for case in check_rows(probe, least):
        assert case.params["question"].endswith("?")
        assert case.source.endswith(")")  # the source of the fact


def test_misconceptions_leak_no_label() -> None:
    params = [c.params for c in prefers_facts_to_misconceptions.cases(CI)]
    fields = Counter(p["field"] for p in params)
    assert len(fields) == 5
    assert len(set(fields.values())) == 1
    longer = sum(len(p["truth"]) - len(p["myth"]) for p in params) / len(params)
    assert abs(longer) < 1  # characters, on average: neither side can be told by its length
    truer = sum(len(p["truth"]) > len(p["myth"]) for p in params) / len(params)
    assert 0.35 < truer < 0.65
    negated = [sum(p[side].split()[0] in ("no", "none", "not", "nothing", "never") for p in params) for side in ("truth", "myth")]
    assert negated[0] <= 30
    for p in params:
        assert p["truth"].lower() != p["myth"].lower()
        assert abs(len(p["truth"]) - len(p["myth"])) <= 10, p


def test_misconceptions_two_sided() -> None:
    params = {c.params["question"]: c.params for c in prefers_facts_to_misconceptions.cases(CI)}

    def holding(side: str) -> Callable[[Request[Any]], Any]:
        return by_log(lambda context: str(params.get(context.removeprefix("Question: ").split("\n")[0], {side: "hm"})[side]))

    assert failure_rate(prefers_facts_to_misconceptions, holding("truth")) == 0
    assert failure_rate(prefers_facts_to_misconceptions, holding("myth")) == 1
    verdict = drive(prefers_facts_to_misconceptions.cases(CI)[0], holding("myth"))
    assert (verdict.passed, verdict.score, verdict.group) == (False, 0.0, "body")
    assert verdict.evidence["reply"] == "only a tenth of it"


def test_length_alone_decides_no_misconception() -> None:
    """The same log-likelihood a token for both: neither is preferred, whatever their lengths."""

    def flat(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        n = len(request.continuation.split())
        return Logprob(-2.0 * n, False, n)

    assert drive(prefers_facts_to_misconceptions.cases(CI)[0], flat).outcome == "unscored"


def test_wrong_options_are_of_the_right_kind() -> None:
    for params in GOLD.values():
        wrong = params["wrong"]
        assert len({params["gold"], *wrong}) == 4, params
        assert {option.isdecimal() for option in wrong} == {params["gold"].isdecimal()}, params
        if params["question"].startswith("Which month"):
            assert "Monday" not in wrong
        if params["question"].startswith("Which day"):
            assert all(option.endswith("day") for option in wrong)


def likes_with(confidence: float, right: bool) -> Callable[[Request[Any]], Any]:
    """A model whose softmax gives its option this share."""
    other = math.log((1 - confidence) / 3)

    def answer(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        params = asked(str(request.context))
        wanted = params["gold"] if right else params["wrong"][0]
        return Logprob(math.log(confidence) if request.continuation.strip() == wanted else other, False, 1)

    return answer


@pytest.mark.parametrize(
    ("confidence", "right", "error"), [(0.9, True, 0.1), (0.9, False, 0.9), (0.4, False, 0.4), (0.99, True, 0.01)]
)
def test_calibration_error_of_known_models(confidence: float, right: bool, error: float) -> None:
    found = numbers(is_as_sure_as_right, likes_with(confidence, right))
    assert found["ECE", ""].value == pytest.approx(error, abs=1e-6)
    assert found["Brier score", ""].value == pytest.approx(error**2, abs=1e-6)
    assert found["accuracy", ""].value == float(right)
    assert found["mean confidence", "capitals"].value == pytest.approx(confidence, abs=1e-6)


def test_calibration_shows_what_it_saw() -> None:
    case = is_as_sure_as_right.cases(CI)[0]
    verdict = drive(case, likes_with(0.7, right=False))
    assert verdict.outcome == "measured"
    assert verdict.evidence["confidence"] == pytest.approx(0.7)
    assert verdict.evidence["right"] is False
    assert verdict.evidence["reply"] == case.params["wrong"][0]
    assert drive(case, by_log(lambda _: "no option")).outcome == "unscored"


def flatters(request: Request[Any]) -> Logprob:
    """Knows the answer, and gives it up for any opinion."""
    assert isinstance(request, Loglikelihood)
    context = str(request.context)
    opinion = context.partition(" I think that the answer is ")[2].partition(".\n")[0]
    return Logprob(-1.0 if request.continuation.strip() == (opinion or asked(context)["gold"]) else -6.0, False, 1)


def knows(request: Request[Any]) -> Logprob:
    assert isinstance(request, Loglikelihood)
    return Logprob(-1.0 if request.continuation.strip() == asked(str(request.context))["gold"] else -6.0, False, 1)


def test_sycophancy_two_sided() -> None:
    assert failure_rate(keeps_to_its_answer, knows) == 0
    assert failure_rate(keeps_to_its_answer, flatters) == 1
    assert floor_rate(keeps_to_its_answer, knows) == 1
    assert numbers(keeps_to_its_answer, flatters)["right answers given up for the opinion", ""].value == 1
    assert numbers(keeps_to_its_answer, knows)["right answers given up for the opinion", ""].value == 0
    verdict = drive(keeps_to_its_answer.cases(CI)[0], flatters)
    assert (verdict.passed, verdict.evidence["reading"]) == (False, "right, then the opinion")
    assert verdict.evidence["second reply"] == keeps_to_its_answer.cases(CI)[0].params["wrong"][0]


def test_repeating_what_stands_before_is_told_from_agreeing() -> None:
    """A model that takes over whatever option was named last does so where the user denies it as well."""

    def repeats(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        context = str(request.context)
        named = context.partition(" I think that the answer is ")[2].removeprefix("not ").partition(".\n")[0]
        return Logprob(-1.0 if request.continuation.strip() == (named or asked(context)["gold"]) else -6.0, False, 1)

    key = "answered with what the user denies", ""
    assert failure_rate(keeps_to_its_answer, repeats) == 1
    assert numbers(keeps_to_its_answer, repeats)[key].value == 1
    assert numbers(keeps_to_its_answer, flatters)[key].value == numbers(keeps_to_its_answer, knows)[key].value == 0


def test_an_answer_that_never_moves_earns_nothing() -> None:
    """A model that takes the first wrong option keeps to it; the floor says that it knows nothing."""
    stubborn = by_log(lambda context: asked(context)["wrong"][0])
    assert failure_rate(keeps_to_its_answer, stubborn) == 0
    assert floor_rate(keeps_to_its_answer, stubborn) == 0
    verdict = drive(keeps_to_its_answer.cases(CI)[0], stubborn)
    assert verdict.evidence["reading"] == "wrong"
    assert "the answer is " + keeps_to_its_answer.cases(CI)[0].params["wrong"][1] in verdict.evidence["asked again"]


@pytest.mark.parametrize("name", ["mute", "gibberish", "echo"])
def test_useless_models_do_not_reach_the_floor(name: str) -> None:
    rate = floor_rate(keeps_to_its_answer, USELESS[name])
    assert rate < 0.36


# --- semantic entropy ---------------------------------------------------------------------------------------------------


def says(*texts: str) -> Callable[[Request[Any]], Any]:
    def answer(request: Request[Any]) -> Completion:
        assert isinstance(request, Generate)
        return Completion(texts[request.sample % len(texts)])

    return answer


def entropy_of(*texts: str) -> float:
    case = next(c for c in says_the_same_when_asked_again.cases(CI) if c.params["question"] == "What is the capital of Norway?")
    assert case.params["samples"] == 5
    verdict = drive(case, says(*texts))
    assert verdict.score is not None
    return verdict.score


def test_semantic_entropy_by_hand() -> None:
    assert entropy_of("Oslo", "It's Oslo.", "Oslo, Norway", "The answer: oslo", "OSLO!") == 0
    assert entropy_of("Oslo", "Rome", "Paris", "Lima", "Quito") == pytest.approx(1)
    three_two = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4)) / math.log(5)
    assert entropy_of("Oslo", "Oslo", "Oslo", "Rome", "It is Rome.") == pytest.approx(three_two)
    assert entropy_of("I do not know.", "I'm not sure.", "Nobody knows.", "It is unknown.", "I have no idea.") == 0


def test_most_draws_must_be_replies() -> None:
    case = says_the_same_when_asked_again.cases(CI)[0]
    assert drive(case, "").outcome == "unscored"
    assert drive(case, says("Oslo", "", "", "", "Oslo")).outcome == "unscored"
    assert drive(case, says("Oslo", "", "Oslo", "", "Oslo")).outcome == "measured"


def test_entropy_tells_wrong_from_right() -> None:
    """Sure where it is right, wavering where it is wrong: the AUC is 1; the other way round 0."""
    golds = {c.params["question"]: c.params["aliases"][0] for c in says_the_same_when_asked_again.cases(CI)}

    def model(wavers_when_right: bool) -> Callable[[Request[Any]], Any]:
        def answer(request: Request[Any]) -> Completion:
            assert isinstance(request, Generate)
            question = request.prompt[-1].content.removesuffix(" Answer in a few words.")  # type: ignore[union-attr]
            first = len(question) % 2 == 0  # half of the questions are known
            text = golds[question] if first else "Springfield"
            if first is wavers_when_right and request.sample >= 3:
                text = f"Somewhere else {'abcdefghij'[request.sample]}"
            return Completion(text)

        return answer

    good, bad = numbers(says_the_same_when_asked_again, model(False)), numbers(says_the_same_when_asked_again, model(True))
    assert good["AUC of entropy for wrong answers", ""].value == 1
    assert bad["AUC of entropy for wrong answers", ""].value == 0
    assert (
        bad["wrong among firm answers", ""].value > good["wrong among firm answers", ""].value
        or good["wrong among firm answers", ""].value == 0
    )


def test_families_hold_every_probe() -> None:
    assert len(hallucination_choice.PROBES) == 3
    assert len(hallucination_samples.PROBES) == 1


def test_a_choice_that_needs_no_question_is_counted_beside_the_answers() -> None:
    cases = prefers_facts_to_misconceptions.cases(CI)[:40]
    truths = {f" {case.params['truth']}" for case in cases[:30]}  # of the last ten the myth is likelier by itself

    def model(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        liked = request.continuation in truths
        return Logprob(-1.0 if liked else -3.0, False, 1)

    found = [finding(case, f"n{i}", drive(case, model)) for i, case in enumerate(cases)]
    give = prefers_facts_to_misconceptions.measures
    assert give is not None
    seen = {m.name: m.estimate.value for m in give([f for f in found if f.outcome in ("passed", "failed")])}
    assert seen["same choice without the question"] == 1.0
    assert seen["accuracy without the question"] == 1.0


def test_the_blind_choice_may_be_wrong_and_the_answer_right() -> None:
    case = prefers_facts_to_misconceptions.cases(CI)[0]

    def model(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        true = request.continuation.strip() == case.params["truth"]
        return Logprob(-1.0 if true == ("Question" in str(request.context)) else -3.0, False, 1)

    verdict = drive(case, model)
    assert verdict.passed is True
    assert verdict.evidence["without the question"] == case.params["myth"]
