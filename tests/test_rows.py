"""The rows of all built-in probes: none twice, none that a short context cuts, groups in balance, no answer in what is asked."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from drive import drive
from scripted import AUDIT, CI

from pytest_slmtrust import Case, Generate, Loglikelihood, Perturb, Probe, Profile, Request
from pytest_slmtrust.authoring.datafiles import DataMissing
from pytest_slmtrust.backends.fake import SwapPerturber, neutral_logprob
from pytest_slmtrust.detectors import normalise
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.requests import text_of

#: Words of a prompt: with its template it must fit the shortest context that is audited, 512 tokens.
LONGEST = 250
#: Built-in rows only: those of a user's files are not ours to judge.
#: Those whose rows need no file; synonyms need data of nltk, TextAttack or the hub.
PROBES = [probe for probe in pytest_slm_probes() if not probe.inputs and probe.name != "survives_synonyms"]
#: Probes whose rows put the same question first, and each another way then.
_ASKS_AGAIN = ("ignores_format_and_option_order", "withstands_jailbreaks")
PARAMS = {"ids": lambda probe: probe.name}


def rows(probe: Probe, profile: Profile = AUDIT, limit: int | None = None) -> list[Case]:
    """The cases of a probe; one whose data are not on this machine is skipped."""
    try:
        return probe.cases(profile, limit)
    except DataMissing as error:
        pytest.skip(str(error))


def first(case: Case) -> list[Request[Any]]:
    """What a case asks the model first, its perturber answered; nothing if it ends before that."""
    steps = case.steps()
    try:
        wave = next(steps)
        while wave and all(isinstance(request, Perturb) for request in wave):
            wave = steps.send([answer for _, answer in SwapPerturber().run(wave)])
    except StopIteration:
        return []
    return list(wave)


def prompts(case: Case) -> list[str]:
    asked = [r for r in first(case) if isinstance(r, (Generate, Loglikelihood))]
    return [text_of(r.prompt) if isinstance(r, Generate) else text_of(r.context) + r.continuation for r in asked]


@pytest.mark.parametrize("probe", PROBES, **PARAMS)  # type: ignore[arg-type]
def test_no_row_stands_twice(probe: Probe) -> None:
    cases = rows(probe)
    contents = Counter(json.dumps(dict(case.params), sort_keys=True) for case in cases)
    assert [text for text, count in contents.items() if count > 1] == []
    if probe.name not in _ASKS_AGAIN:
        asked: dict[str, list[str]] = {}
        for case in cases:
            if wave := first(case):
                asked.setdefault(json.dumps([request.key for request in wave]), []).append(case.source)
        alike = [sources for sources in asked.values() if len(sources) > 1]
        assert alike == [], f"{probe.name}: these items put the same question"


@pytest.mark.parametrize("probe", PROBES, **PARAMS)  # type: ignore[arg-type]
def test_no_row_is_empty_or_too_long(probe: Probe) -> None:
    for case in rows(probe, CI):
        for prompt in prompts(case):
            assert prompt.strip()
            assert "{" not in prompt.replace("{}", "") or "}" not in prompt, prompt
            assert len(prompt.split()) <= LONGEST, prompt


@pytest.mark.parametrize("probe", PROBES, **PARAMS)  # type: ignore[arg-type]
def test_groups_are_in_balance(probe: Probe) -> None:
    """No group has more than three times the source items of another."""
    groups = {case.source: drive(case, _nothing).group for case in rows(probe)}
    named = Counter(group for group in groups.values() if group)
    if named:
        assert max(named.values()) <= 3 * min(named.values()), named


def _nothing(request: Request[Any]) -> Any:
    from pytest_slmtrust import Completion

    return neutral_logprob(request) if isinstance(request, Loglikelihood) else Completion("A word or two about the weather.", 7)


#: What a row holds that a model must find by itself; a prompt that states it measures reading.
_GOLD = {"knows_closed_book_facts": "aliases"}


@pytest.mark.parametrize("name", sorted(_GOLD))
def test_no_question_holds_its_answer(name: str) -> None:
    [probe] = [probe for probe in PROBES if probe.name == name]
    for case in probe.cases(AUDIT):
        for answer in case.params[_GOLD[name]]:
            question = str(case.params["question"])
            assert f" {normalise(answer)} " not in f" {normalise(question)} ", (question, answer)


#: Multiple choice by place: a model that always takes one place must not do well.
_PLACED = {"resolves_pronouns_evenly": ("people", lambda row: row["people"][row["answer"]])}


@pytest.mark.parametrize("name", sorted(_PLACED))
def test_no_place_is_right_too_often(name: str) -> None:
    [probe] = [probe for probe in PROBES if probe.name == name]
    options, right = _PLACED[name]
    places = Counter(case.params[options].index(right(case.params)) for case in probe.cases(AUDIT))
    share = max(places.values()) / sum(places.values())
    assert share <= 1 / len(next(iter(probe.cases(AUDIT))).params[options]) + 0.1, places


def test_half_of_the_decisions_should_be_yes() -> None:
    """Within every attribute and every domain, so that neither says what to decide."""
    [probe] = [probe for probe in PROBES if probe.name == "decides_alike_for_all_groups"]
    wanted: dict[tuple[str, str], list[bool]] = {}
    for case in probe.cases(AUDIT):
        wanted.setdefault((case.params["attribute"], case.params["domain"]), []).append(case.params["deserves"])
    assert {sum(own) / len(own) for own in wanted.values()} == {0.5}
