"""The fairness probes: two-sided, with balanced rows and swapped groups that are really the only difference."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from drive import drive
from scripted import AUDIT, CI, USELESS, by_log, check_controls, check_rows, failure_rate, floor_rate

from pytest_slmtrust import Completion, Generate, Loglikelihood, Logprob, Probe, Profile, Request
from pytest_slmtrust.gates.gate import finding
from pytest_slmtrust.probes.fairness import UNKNOWN, answers_ambiguous_questions_evenly, prefers_no_stereotype
from pytest_slmtrust.probes.fairness_decisions import decides_alike_for_all_groups
from pytest_slmtrust.probes.fairness_forms import resolves_pronouns_evenly
from pytest_slmtrust.probes.fairness_texts import SAMPLES, helps_groups_alike, treats_groups_alike_in_continuations
from pytest_slmtrust.stats import exact_interval

LEAST = {
    "prefers_no_stereotype": 200,
    "answers_ambiguous_questions_evenly": 160,
    "treats_groups_alike_in_continuations": 200,
    "helps_groups_alike": 190,
    "decides_alike_for_all_groups": 361,
}
PROBES = (
    prefers_no_stereotype,
    answers_ambiguous_questions_evenly,
    treats_groups_alike_in_continuations,
    helps_groups_alike,
    decides_alike_for_all_groups,
)


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.name)
def test_rows(probe: Probe) -> None:
    cases = check_rows(probe, LEAST[probe.name])
    attributes = Counter(case.params["attribute"] for case in cases)
    assert len(attributes) >= 8
    assert max(attributes.values()) == min(attributes.values())


@pytest.mark.parametrize("probe", [*PROBES[1:], resolves_pronouns_evenly], ids=lambda p: p.name)
def test_controls_come_out_as_labelled(probe: Probe) -> None:
    check_controls(probe)


# --- minimal pairs


def _edges(first: str, second: str) -> int:
    """Words in which two sentences differ, after what they share at the beginning and at the end."""
    a, b = first.split(), second.split()
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return max(len(a), len(b))


def test_pairs_differ_in_the_group_only() -> None:
    for case in prefers_no_stereotype.cases(CI):
        more, less = case.params["more"], case.params["less"]
        assert 1 <= _edges(more, less) <= 3, (more, less)
        assert "[" not in more + less
        assert more[-1] == less[-1] == "."


def _prefers(which: str) -> Any:
    favoured = {case.params[which] for case in prefers_no_stereotype.cases(CI)}

    def answer(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        return Logprob(-20.0 if str(request.context) + request.continuation in favoured else -22.5, False, 8)

    return answer


@pytest.mark.parametrize(("which", "share"), [("more", 1.0), ("less", 0.0)])
def test_percent_stereotype(which: str, share: float) -> None:
    model = _prefers(which)
    verdicts = [drive(case, model) for case in prefers_no_stereotype.cases(CI)]
    # a sentence that stands on both sides of two pairs would blur this
    assert {v.outcome for v in verdicts} == {"measured"}
    assert {v.score for v in verdicts} == {share}
    evidence = verdicts[0].evidence
    assert evidence["after the term"] == evidence["whole sentence"] == (2.5 if which == "more" else -2.5)
    assert set(evidence["log-likelihoods"]) == {evidence["prompt"], evidence["other"]}
    assert {v.group for v in verdicts} >= {"gender", "religion", "disability"}


def test_a_frequent_term_is_no_stereotype() -> None:
    cases = prefers_no_stereotype.cases(CI)
    frequent = {case.params["terms"][0] for case in cases}

    def model(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        if request.context:  # what is said is as likely of either group, and here a little more of the other
            return Logprob(-10.0 - (str(request.context) in frequent) / 8, False, 5)
        return Logprob(-20.0 if any(request.continuation.startswith(term) for term in frequent) else -30.0, False, 8)

    verdict = drive(cases[0], model)
    assert verdict.score == 0.0
    assert verdict.evidence["whole sentence"] == verdict.evidence["term"] == 10


def test_the_limit_can_be_met_by_an_even_model() -> None:
    rng = np.random.default_rng(2)
    upper = [exact_interval(int(rng.binomial(216, 0.5)), 216, 0.9).upper for _ in range(400)]
    limit = prefers_no_stereotype.criterion.value  # type: ignore[union-attr]
    assert sum(u <= limit for u in upper) > 0.8 * len(upper)


@pytest.mark.parametrize("number", [-20.0, float("nan"), float("-inf")])
def test_a_tie_or_a_broken_number_is_unscored(number: float) -> None:
    verdict = drive(prefers_no_stereotype.cases(CI)[0], lambda _: Logprob(number, False, 8))
    assert verdict.outcome == "unscored"


# --- ambiguous questions


def test_scenes_are_balanced() -> None:
    cases = answers_ambiguous_questions_evenly.cases(CI)
    told = [case.params for case in cases if case.params["answer"]]
    assert len(told) * 2 == len(cases)
    with_stereotype = sum(p["answer"] == p["stereotype"] for p in told)
    first = sum(p["answer"] == p["people"][0] for p in told)
    named_first = sum(p["stereotype"] == p["people"][0] for p in told)
    for count in (with_stereotype, first, named_first):
        assert abs(count - len(told) / 2) <= 0.05 * len(told)
    assert set(Counter(case.source for case in cases).values()) == {2}


def test_an_ambiguous_text_holds_no_detail() -> None:
    by_source: dict[str, dict[str, str]] = {}
    for case in answers_ambiguous_questions_evenly.cases(CI):
        by_source.setdefault(case.source, {})["told" if case.params["answer"] else "open"] = case.params["context"]
    for texts in by_source.values():
        assert texts["told"].startswith(texts["open"] + " ")
        assert "{" not in texts["told"]


def _scene_model(kind: str) -> Any:
    """fair: the person who was named, or that it cannot be known; stereotype: always the person of the stereotype."""
    by_prompt = {}
    for case in answers_ambiguous_questions_evenly.cases(CI):
        p = case.params
        by_prompt[f"{p['context']}\nQuestion: {p['question']} Choose from: {', '.join(p['people'])}"] = p

    def choice(context: str) -> str:
        params = by_prompt[context.split(f", or {UNKNOWN}")[0]]
        return str((params["answer"] or UNKNOWN) if kind == "fair" else params["stereotype"])

    return by_log(choice)


def test_ambiguous_two_sided() -> None:
    probe = answers_ambiguous_questions_evenly
    fair, biased = _scene_model("fair"), _scene_model("stereotype")
    assert failure_rate(probe, fair, 200) == 0
    assert floor_rate(probe, fair) == 1
    assert failure_rate(probe, biased, 200) == 1
    cases = {bool(c.params["answer"]): c for c in probe.cases(CI) if c.params["attribute"] == "age"}
    verdict = drive(cases[False], biased)
    assert (verdict.passed, verdict.score, verdict.evidence["direction"]) == (False, 1.0, "with the stereotype")
    assert verdict.evidence["gold"] == UNKNOWN
    assert verdict.evidence["reply"] == cases[False].params["stereotype"]
    assert len(verdict.evidence["options"]) == 3
    assert drive(cases[False], fair).score == 0
    assert drive(cases[True], fair).evidence["gold"] == cases[True].params["answer"]
    assert drive(cases[True], fair).evidence["condition"] == "told"


@pytest.mark.parametrize(("kind", "told", "bias"), [("fair", 1.0, 0.0), ("stereotype", 0.5, 1.0)])
def test_accuracy_and_bias_in_both_conditions(kind: str, told: float, bias: float) -> None:
    model = _scene_model(kind)
    found = [finding(case, case.id, drive(case, model)) for case in answers_ambiguous_questions_evenly.cases(CI)]
    measures = {(m.name, m.group): m.estimate.value for m in answers_ambiguous_questions_evenly.measures(found)}  # type: ignore[misc]
    assert measures["accuracy, ambiguous", "religion"] == (kind == "fair")
    assert measures["accuracy, told", ""] == pytest.approx(told, abs=0.05)
    assert measures["bias, ambiguous", "religion"] == bias
    assert measures["bias, told", ""] == pytest.approx(bias, abs=0.05)


def test_never_naming_anyone_misses_the_floor() -> None:
    probe = answers_ambiguous_questions_evenly
    never = by_log(lambda _: UNKNOWN)
    assert floor_rate(probe, never) == 0
    assert failure_rate(probe, never) == 1
    assert drive(probe.cases(CI)[0], lambda _: Logprob(-3.0, False, 1)).outcome == "unscored"


# --- continuations


def test_openings_differ_in_the_group_only_and_follow_the_profile() -> None:
    probe = treats_groups_alike_in_continuations
    for case in probe.cases(CI):
        first, second = case.params["openings"]
        assert 1 <= _edges(first, second) <= 3, (first, second)
        assert " a a" not in first + second
        assert " a o" not in first + second
    assert {c.params["samples"] for c in probe.cases(AUDIT)} == {SAMPLES}
    assert {c.params["samples"] for c in probe.cases(Profile("smoke", 6, 10, 2, 0.1, 0.05, False))} == {1}


def _nasty_about(*openings: str) -> Any:
    def answer(request: Request[Any]) -> Completion:
        assert isinstance(request, Generate)
        bad = request.prompt in openings and request.sample == 0
        return Completion(" was a stupid idiot and I hate them" if bad else " went home and had a cup of tea")

    return answer


def test_continuations_two_sided() -> None:
    case = treats_groups_alike_in_continuations.cases(CI)[0]
    first, second = case.params["openings"]
    alike = drive(case, _nasty_about())
    assert (alike.passed, alike.score) == (True, 0.0)
    for bad in (first, second):
        verdict = drive(case, _nasty_about(bad))
        assert verdict.passed is False
        assert verdict.score == pytest.approx(0.93)
        assert sorted(verdict.evidence["toxicity"]) == [0.02, 0.95]
        assert verdict.group == "gender"
    worst = drive(case, _nasty_about(second))
    assert worst.evidence["prompt"] == first
    assert worst.evidence["other openings"] == [second]
    assert "idiot" in worst.evidence["other replies"][0]
    both = drive(case, _nasty_about(first, second))
    assert (both.passed, both.score) == (True, 0.0)


def test_the_group_term_is_not_scored() -> None:
    """A scorer that dislikes the name of a group must not make the gap: it never sees the opening."""

    class Scorer:
        from pytest_slmtrust import Classify as _Classify

        name = "recorder"
        answers = (_Classify,)
        fingerprint = "recorder"
        seen: list[str] = []

        def run(self, requests: Any) -> Any:
            from pytest_slmtrust import Labels

            for index, request in enumerate(requests):
                self.seen.append(request.text)
                yield index, Labels({"toxicity": 0.0})

        def describe(self) -> dict[str, Any]:
            return {}

    scorer = Scorer()
    case = treats_groups_alike_in_continuations.cases(CI)[0]
    drive(case, " sat down.", scorer=scorer)
    assert scorer.seen
    assert set(scorer.seen) == {" sat down."}


@pytest.mark.parametrize("name", ["mute", "gibberish"])
def test_models_that_write_nothing_pass_no_continuation(name: str) -> None:
    assert failure_rate(treats_groups_alike_in_continuations, USELESS[name]) == 1


@pytest.mark.parametrize("name", sorted(USELESS))
def test_useless_models_fail_ambiguous_questions(name: str) -> None:
    assert failure_rate(answers_ambiguous_questions_evenly, USELESS[name]) > 0.5
