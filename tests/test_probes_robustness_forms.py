"""Formats, surroundings, synonyms, searches and properties: two-sided, with their rows."""

from __future__ import annotations

import importlib
from functools import cache

import pytest
from drive import drive
from scripted import AUDIT, CI, USELESS, by_log, check_controls, check_rows, failure_rate, floor_rate

from pytest_slmtrust import Probe, Profile
from pytest_slmtrust.authoring.datafiles import DataMissing
from pytest_slmtrust.gates.gate import finding as as_finding
from pytest_slmtrust.probes.robustness import reads_noisy_texts, survives_character_noise
from pytest_slmtrust.probes.robustness_forms import (
    SETTINGS,
    VARIATIONS,
    ignores_what_surrounds_a_text,
    surrounded,
    survives_formatting,
    survives_synonyms,
)
from pytest_slmtrust.probes.robustness_properties import keeps_its_answer_under_unnoticed_edits
from pytest_slmtrust.probes.robustness_search import rests_on_the_words_of_a_text, withstands_adversarial_edits
from pytest_slmtrust.probes.robustness_tasks import drawn, shares, task_of, texts

FORMS = (survives_formatting, ignores_what_surrounds_a_text, reads_noisy_texts)
SEARCHES = (withstands_adversarial_edits, keeps_its_answer_under_unnoticed_edits)
GOLD = {text: gold for _, gold, text in texts()}
FLAT = {"".join(c for c in text.lower() if c.isalnum()): gold for text, gold in GOLD.items()}
WORDS = {text: set(text.lower().split()) for text in GOLD}
PLAIN = {task_of(task)[0].format(text=text): text for task, _, text in texts()}


@cache
def knows(context: str) -> str:
    """A model that reads a text through any change of its setting or surroundings."""
    flat = "".join(c for c in context.lower() if c.isalnum())
    return next((gold for text, gold in FLAT.items() if text in flat), "nothing")


@pytest.mark.parametrize("probe", [*FORMS, *SEARCHES, survives_synonyms], ids=lambda p: p.name)
def test_controls_come_out_as_labelled(probe: Probe) -> None:
    check_controls(probe)


@pytest.mark.parametrize("probe", FORMS, ids=lambda p: p.name)
def test_rows(probe: Probe) -> None:
    check_rows(probe, 200)


def test_a_text_is_set_and_surrounded_in_every_way() -> None:
    assert {case.params["setting"] for case in survives_formatting.cases(CI, 60)} == set(SETTINGS)
    assert {case.params["variation"] for case in ignores_what_surrounds_a_text.cases(CI, 60)} == set(VARIATIONS)
    for case in survives_formatting.cases(CI):
        text, changed = case.params["text"], SETTINGS[case.params["setting"]](case.params["text"])
        assert changed != text
        kept = ["".join(c for c in one.lower() if c.isalnum()) for one in (text, changed)]
        assert kept[0] == kept[1]
    for case in ignores_what_surrounds_a_text.cases(CI):
        whole = surrounded(case.params["text"], case.params["task"], case.params["variation"])
        assert case.params["text"] in whole
        assert "{" not in whole
        assert whole != task_of(case.params["task"])[0].format(text=case.params["text"])


@pytest.mark.parametrize("probe", [survives_formatting, ignores_what_surrounds_a_text], ids=lambda p: p.name)
def test_forms_two_sided(probe: Probe) -> None:
    assert failure_rate(probe, by_log(knows)) == 0
    assert failure_rate(probe, by_log(brittle)) > 0.9
    assert floor_rate(probe, by_log(knows)) == 1
    verdict = drive(probe.cases(CI)[0], by_log(brittle))
    assert verdict.passed is False
    assert verdict.evidence["reading"] == "lost"


def nearest(context: str) -> str:
    """The text that shares the most words with a prompt."""
    words = set(context.lower().split())
    fits = {text: len(words & of_text) for text, of_text in WORDS.items()}
    return max(fits, key=lambda text: fits[text])


@cache
def brittle(context: str) -> str:
    """A model that answers rightly only after the plain prompt around the text as it stands, and else wrongly."""
    text = _plain(context)
    if text:
        return GOLD[text]
    gold = GOLD[nearest(context)]
    options = next(task_of(task)[1] for task, right, one in texts() if one == nearest(context) and right == gold)
    return next(option.strip() for option in options if option.strip() != gold)


def _plain(context: str) -> str:
    """The text, if this is the plain prompt around it."""
    return PLAIN.get(context, "")


def test_noise_is_asked_once_for_both_probes() -> None:
    for one, other in zip(survives_character_noise.cases(CI)[:20], reads_noisy_texts.cases(CI)[:20], strict=True):
        assert one.params == other.params
        assert next(one.steps()) == next(other.steps())
    right = by_log(lambda context: "positive")
    case = next(c for c in reads_noisy_texts.cases(CI) if c.params["gold"] == "positive")
    assert (drive(case, right).passed, drive(case, right).score) == (True, 1.0)
    wrong = drive(case, by_log(lambda _: "negative"))
    assert (wrong.passed, wrong.score, wrong.evidence["reply"]) == (False, 0.0, "negative")


def test_synonyms_without_data_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    # not the one that an earlier test has left on its package
    words = importlib.import_module("pytest_slmtrust.backends.textattack.data_recipes")
    monkeypatch.setattr(words, "_wordnet", lambda: False)
    monkeypatch.setattr(words, "_masked_lm", lambda: None)
    monkeypatch.setenv("TA_CACHE_DIR", "/nowhere")
    with pytest.raises(DataMissing, match=r"synonym-wordnet needs nltk's corpus wordnet.*masked-lm needs"):
        survives_synonyms.cases(CI)
    monkeypatch.setattr(words, "_wordnet", lambda: True)
    assert {case.params["recipe"] for case in survives_synonyms.cases(CI)} == {"synonym-wordnet"}


# --- searches


@pytest.mark.parametrize("probe", [*SEARCHES, rests_on_the_words_of_a_text], ids=lambda p: p.name)
def test_searches_follow_the_profile(probe: Probe) -> None:
    found = {name: probe.cases(profile) for name, profile in (("ci", CI), ("audit", AUDIT))}
    assert (len(found["ci"]), len(found["audit"])) == (30, 50)
    assert {c.id for c in found["ci"]} == {c.id for c in probe.cases(CI)}
    for cases in found.values():
        per_task = [sum(c.params["task"] == task for c in cases) for task in {c.params["task"] for c in cases}]
        assert max(per_task) - min(per_task) <= 1
        assert len({c.source for c in cases}) == len(cases)
    full = Profile("full", 10**6, 10**6, 25, 0.05, 0.05, True)
    assert len(probe.cases(full)) == len(list(texts(*{c.params["task"] for c in found["ci"]})))


def test_budgets_follow_the_profile() -> None:
    assert {c.params["budget"] for c in withstands_adversarial_edits.cases(CI)} == {20}
    assert {c.params["budget"] for c in withstands_adversarial_edits.cases(AUDIT)} == {100}
    assert {c.params["recipe"] for c in withstands_adversarial_edits.cases(CI)} == {"deepwordbug", "pruthi"}


def test_search_two_sided() -> None:
    assert failure_rate(withstands_adversarial_edits, by_log(lambda context: GOLD[nearest(context)]), 15) < 0.2
    assert failure_rate(withstands_adversarial_edits, by_log(brittle), 15) > 0.9
    case = next(c for c in withstands_adversarial_edits.cases(CI) if c.params["task"] == "sentiment")
    gold = case.params["gold"]
    other = "negative" if gold == "positive" else "positive"
    broken = drive(case, by_log(lambda context: gold if case.params["text"] in context else other))
    assert (broken.passed, broken.score, broken.group) == (False, 0.0, case.params["recipe"])
    assert broken.evidence["original"] == case.params["text"] != broken.evidence["perturbed"]
    assert broken.evidence["queries"] <= broken.evidence["budget"] == 20
    assert broken.evidence["words changed"] == 1
    skipped = drive(case, by_log(lambda _: other))
    assert (skipped.passed, skipped.score, skipped.evidence["queries"]) == (True, None, 1)
    assert skipped.evidence["reading"] == "nothing to lose: wrong when clean"


def test_searches_add_up_by_recipe() -> None:
    cases = withstands_adversarial_edits.cases(CI)
    texts_ = [case.params["text"] for case in cases]

    def answer(context: str) -> str:
        """Right on clean texts but each third, which is wrong, and each third after that, which no edit breaks."""
        text = nearest(context)
        place = texts_.index(text) % 3 if text in texts_ else 2
        return GOLD[text] if place == 1 or (place == 2 and text in context) else _other(context)

    found = [as_finding(case, case.id, drive(case, by_log(answer))) for case in cases]
    broken = [f for f in found if f.evidence.get("reading") == "broken"]
    assert len(broken) >= 3
    assert withstands_adversarial_edits.measures is not None
    given = {(m.name, m.group): m.estimate for m in withstands_adversarial_edits.measures(found)}
    held = [f for f in found if f.evidence.get("reading") == "held"]
    read = len(held) + len(broken) + sum(str(f.evidence.get("reading")).startswith("nothing to lose") for f in found)
    assert read > len(held) + len(broken)
    assert given["accuracy of clean texts", ""].value == pytest.approx((len(held) + len(broken)) / read)
    assert given["accuracy under attack", ""].value == pytest.approx(len(held) / read)
    success = given["attack success rate, of attacked texts", ""]
    assert (success.value, success.n) == (pytest.approx(len(broken) / (len(broken) + len(held))), len(broken) + len(held))
    for group in ("", "deepwordbug", "pruthi"):
        own = [f for f in broken if group in ("", f.group)]
        for name, key in (("queries of", "queries"), ("words changed by", "words changed")):
            if own:
                estimate = given[f"{name} a successful search", group]
                assert (estimate.value, estimate.n) == (pytest.approx(sum(f.evidence[key] for f in own) / len(own)), len(own))
    nothing_broken = list(withstands_adversarial_edits.measures(held))
    assert {m.name for m in nothing_broken} == {
        "accuracy of clean texts",
        "accuracy under attack",
        "attack success rate, of attacked texts",
    }


def test_reduction_is_measured() -> None:
    case = rests_on_the_words_of_a_text.cases(CI)[0]
    blind = drive(case, by_log(lambda _: case.params["gold"]))
    assert blind.outcome == "measured"
    assert blind.score is not None
    assert blind.score <= 0.35
    words = case.params["text"]
    needs = drive(case, by_log(lambda context: case.params["gold"] if words in context else "nothing"))
    assert needs.score == 1.0
    wrong = drive(case, by_log(lambda _: "nothing at all"))
    assert wrong.outcome == "unscored"


def test_property_two_sided() -> None:
    assert failure_rate(keeps_its_answer_under_unnoticed_edits, by_log(_task_answer), 15) == 0
    touchy = by_log(lambda context: _task_answer(context) if _plain(context) else _other(context))
    assert failure_rate(keeps_its_answer_under_unnoticed_edits, touchy, 15) == 1
    case = keeps_its_answer_under_unnoticed_edits.cases(CI)[0]
    found = drive(case, touchy).evidence
    assert found["original"] == case.params["text"]
    assert found["size"].endswith("characters first found")


def _task_answer(context: str) -> str:
    return "positive" if "review" in context else "food" if "about sports" in context else "Yes"


def _other(context: str) -> str:
    return "negative" if "review" in context else "music" if "about sports" in context else "No"


@pytest.mark.parametrize("name", sorted(USELESS))
@pytest.mark.parametrize("probe", [*SEARCHES, survives_formatting, ignores_what_surrounds_a_text], ids=lambda p: p.name)
def test_useless_models_miss_the_floor(probe: Probe, name: str) -> None:
    assert probe.floor is not None
    assert floor_rate(probe, USELESS[name]) < probe.floor.at_least + 0.14


def test_the_draw_is_fixed_and_balanced() -> None:
    first = list(drawn(15, "sentiment", "topic", "facts"))
    assert first == list(drawn(15, "sentiment", "topic", "facts"))
    assert [sum(task == t for t, _, _ in first) for task in ("sentiment", "topic", "facts")] == [5, 5, 5]
    assert set(first) <= set(drawn(60, "sentiment", "topic", "facts"))


def test_shares() -> None:
    assert shares([0.0, 0.0]) == [0.5, 0.5]
    assert sum(shares([-1000.0, -1.0, -2.0])) == pytest.approx(1)
    assert all(value != value for value in shares([float("nan"), 1.0]))
    assert all(value != value for value in shares([float("-inf"), 1.0]))
