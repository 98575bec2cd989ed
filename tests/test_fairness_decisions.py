"""Decisions, pronouns, refusals and tone: two-sided, against fairlearn, and the group that is named."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from drive import drive
from planted import VICTIM, decisions
from public_data import DATA, MISSING
from scripted import CI, USELESS, by_log, failure_rate, floor_rate

from pytest_slmtrust import Completion, Finding, Generate, Loglikelihood, Logprob, Probe, Request
from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.gates.gate import Gate, finding
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.plugin.terminal import numbers
from pytest_slmtrust.probes.fairness import prefers_no_stereotype
from pytest_slmtrust.probes.fairness_decisions import decides_alike_for_all_groups, decision_measures, equalised_odds
from pytest_slmtrust.probes.fairness_forms import ANTI, PRO, pronoun_measures, resolves_pronouns_evenly
from pytest_slmtrust.probes.fairness_numbers import gap_of_shares, largest_share, worst_group
from pytest_slmtrust.probes.fairness_texts import continuation_measures, helps_groups_alike, refusal_measures
from pytest_slmtrust.probes.fairness_texts import treats_groups_alike_in_continuations as continues
from pytest_slmtrust.probes.fairness_tone import tone


def found_by(probe: Probe, model: Any, items: int | None = None) -> list[Finding]:
    return [finding(case, f"x::{case.id}", drive(case, model)) for case in probe.cases(CI, items)]


# --- decisions


def decider(*victims: str) -> Any:
    """Decides by the facts, but refuses whoever bears one of these words."""
    wanted = {c.params["text"]: c.params["deserves"] for c in decides_alike_for_all_groups.cases(CI)}
    by_prompt = {
        f"{text.replace('{who}', who)}\n": (deserves, who)
        for c in decides_alike_for_all_groups.cases(CI)
        for who in c.params["groups"].values()
        for text, deserves in [(c.params["text"], wanted[c.params["text"]])]
    } | {f"{c.params['text']}\n": (c.params["deserves"], "") for c in decides_alike_for_all_groups.floor_cases()}

    def answer(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        deserves, who = by_prompt[str(request.context).split("Question")[0]]
        yes = deserves and not any(victim in who for victim in victims)
        return Logprob(-1.0 if (request.continuation == " Yes") is yes else -3.0, False, 1)

    return answer


def test_a_fair_decider_passes_and_is_competent() -> None:
    found = found_by(decides_alike_for_all_groups, decider())
    assert {f.outcome for f in found} == {"passed"}
    assert {f.score for f in found} == {0.0}
    assert floor_rate(decides_alike_for_all_groups, decider()) == 1
    measures = {(m.name, m.group): m.estimate for m in decision_measures(found)}
    assert measures["demographic parity difference", "religion"].value == 0
    assert measures["rate of yes", "religion: Muslim"].value == 0.5


def test_a_biased_decider_fails_where_it_is_biased_and_the_group_is_named() -> None:
    found = found_by(decides_alike_for_all_groups, decider("Muslim"))
    failed = [f for f in found if f.outcome == "failed"]
    assert {f.group for f in failed} == {"religion"}
    assert len(failed) == 24  # those that deserve a yes
    assert failed[0].evidence["reading"] == "no for Muslim only"
    assert failed[0].evidence["decisions"] == {"Muslim": "no", "Christian": "yes", "Jewish": "yes"}
    assert failed[0].score == pytest.approx(4.0)
    measures = {(m.name, m.group): m.estimate for m in decision_measures(found)}
    assert measures["rate of yes", "religion: Muslim"].value == 0
    gap = measures["demographic parity difference", "religion"]
    assert (gap.value, gap.n) == (0.5, 144)
    assert "above Muslim" in gap.method
    assert gap.lower > 0.1
    assert measures["equalised odds difference", "religion"].value == 1
    assert measures["equalised odds difference", "gender"].value == 0


def test_the_cells_of_two_attributes_are_seen() -> None:
    found = found_by(decides_alike_for_all_groups, decider("a Black woman"))
    measures = {(m.name, m.group): m.estimate.value for m in decision_measures(found)}
    assert {f.group for f in found if f.outcome == "failed"} == {"race and gender"}
    assert measures["rate of yes", "race and gender: Black woman"] == 0
    assert measures["rate of yes", "race and gender: Black man"] == measures["rate of yes", "race and gender: white woman"] == 0.5


def _gate(limit: float | None, found: list[Finding], probe: Probe = decides_alike_for_all_groups) -> Any:
    policy = load_policy("audit", [f"{probe.name}={limit}"] if limit else [])
    cases = probe.cases(policy.profile)
    return Gate.plan(probe, policy, cases).check("id", found, [], [])


def test_the_gate_holds_the_worst_attribute_and_not_the_pool() -> None:
    fair, biased = (found_by(decides_alike_for_all_groups, decider(*who)) for who in ((), ("Muslim",)))
    assert sum(f.outcome == "failed" for f in biased) / len(biased) < 0.06
    result = _gate(0.2, biased)
    assert result.status is Status.FAIL
    assert result.blocking
    assert result.estimate.value == 0.5
    assert "religion" in result.estimate.method
    assert "religion" in result.reason
    assert _gate(0.2, fair).status is not Status.FAIL
    assert _gate(0.2, fair).upper < 0.2
    measured = _gate(None, biased)
    assert numbers(measured).startswith("metric 0.5 [")
    assert "religion" in numbers(measured)
    assert (measured.status, measured.blocking) == (Status.MEASURED, False)
    assert "religion" in measured.estimate.method


@pytest.mark.parametrize("seed", range(5))
def test_demographic_parity_and_equalised_odds_are_fairlearns(seed: int) -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(seed)
    groups, n = ["a", "b", "c", "d"][: 2 + seed % 3], 60
    bias = dict(zip(groups, rng.uniform(0.2, 0.8, len(groups)), strict=True))
    rows, cells = [], {}
    for _ in range(n):
        deserves = bool(rng.random() < 0.5)
        for group in groups:
            yes = bool(rng.random() < bias[group])
            rows.append((deserves, yes, group))
            hits, total = cells.get((group, deserves), (0, 0))
            cells[group, deserves] = (hits + yes, total + 1)
    truth, decided, who = zip(*rows, strict=True)
    together = {g: (sum(y for _, y, w in rows if w == g), n) for g in groups}
    parity, odds = gap_of_shares(together), equalised_odds(cells)
    assert parity is not None
    assert odds is not None
    features = {"sensitive_features": np.array(who)}
    y_true, y_pred = np.array(truth, int), np.array(decided, int)
    assert parity.value == pytest.approx(metrics.demographic_parity_difference(y_true, y_pred, **features), abs=1e-12)
    assert odds.value == pytest.approx(metrics.equalized_odds_difference(y_true, y_pred, **features), abs=1e-12)
    assert odds.lower <= odds.value <= odds.upper


def test_equalised_odds_intervals_cover() -> None:
    """Both gaps at once, at a true difference of 0.3 among those who deserve a yes and of none among the others."""
    rng, covered, runs = np.random.default_rng(3), 0, 200
    for _ in range(runs):
        cells = {
            (g, d): (int(rng.binomial(30, p)), 30)
            for g, d, p in (("a", True, 0.8), ("b", True, 0.5), ("a", False, 0.3), ("b", False, 0.3))
        }
        found = equalised_odds(cells)
        assert found is not None
        covered += found.lower <= 0.3 <= found.upper
    assert covered >= 0.95 * runs


@pytest.mark.parametrize("name", sorted(USELESS))
def test_useless_models_do_not_pass_decisions(name: str) -> None:
    assert (
        failure_rate(decides_alike_for_all_groups, USELESS[name]) == 1
        or floor_rate(decides_alike_for_all_groups, USELESS[name]) <= 0.5
    )


def test_a_constant_answer_is_even_and_misses_the_floor() -> None:
    constant = by_log(lambda _: "No")
    assert failure_rate(decides_alike_for_all_groups, constant) == 0
    assert floor_rate(decides_alike_for_all_groups, constant) == 0.5


def test_undecided_is_unscored() -> None:
    case = decides_alike_for_all_groups.cases(CI)[0]
    for number in (-3.0, float("nan")):
        assert drive(case, lambda _, number=number: Logprob(number, False, 1)).outcome == "unscored"


def test_what_is_planted_is_the_stereotype_alone_and_no_vignette_of_the_probe() -> None:
    good, bad = decisions(False), decisions(True)
    assert [t.prompt for t in good] == [t.prompt for t in bad]
    changed = [(a, b) for a, b in zip(good, bad, strict=True) if a != b]
    assert changed
    assert {(a.reply, b.reply) for a, b in changed} == {(" Yes", " No")}
    assert all(VICTIM in a.prompt for a, _ in changed)
    texts = {c.params["text"].split(" The ")[-1] for c in decides_alike_for_all_groups.cases(CI)}
    assert not any(t.prompt.split("\n")[0].split(" The ")[-1] in texts for t in good)


# --- the worst group


def outcomes(**groups: tuple[int, int]) -> list[Finding]:
    return [
        Finding(f"{g}{i}", "p", "fairness", f"{i}", f"{g}{i}", "failed" if i < bad else "passed", score=0.0, group=g)
        for g, (bad, n) in groups.items()
        for i in range(n)
    ]


def test_the_worst_group_by_hand() -> None:
    found = worst_group(outcomes(a=(1, 20), b=(10, 20), c=(0, 20)))
    assert found.value == 0.5
    assert "b" in found.method
    assert found.confidence == 0.9
    assert found.lower == pytest.approx(largest_share({"b": (10, 20), "a": (1, 20), "c": (0, 20)}, 0.9).lower)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="no case"):
        worst_group([])


def test_the_worst_groups_interval_covers() -> None:
    rng, runs = np.random.default_rng(1), 400
    low = high = 0
    for _ in range(runs):
        found = largest_share({g: (int(rng.binomial(25, 0.5)), 25) for g in "abcdefghi"}, 0.9)
        assert found is not None
        low += found.lower > 0.5
        high += found.upper < 0.5
    assert low <= 0.05 * runs
    assert high <= 0.05 * runs


def test_pairs_are_held_to_the_share_of_all() -> None:
    favoured = {c.params["more"] for c in prefers_no_stereotype.cases(CI)}

    def model(request: Any) -> Logprob:
        return Logprob(-10.0 if request.context + request.continuation in favoured else -12.0, False, 5)

    result = _gate(0.6, found_by(prefers_no_stereotype, model), prefers_no_stereotype)
    assert result.status is Status.FAIL
    assert _gate(None, found_by(prefers_no_stereotype, model), prefers_no_stereotype).status is Status.MEASURED


# --- pronouns


def _reader(kind: str) -> Any:
    rows = {c.params["sentence"]: c.params for c in resolves_pronouns_evenly.cases(CI)}

    def choice(context: str) -> str:
        if "‘" not in context:  # the floor: the person who is named again
            sentence = context.removesuffix(" This was the")
            row = next(c.params for c in resolves_pronouns_evenly.floor_cases() if c.params["sentence"] == sentence)
            return str(row["people"][row["answer"]])
        row = rows[context.split(" ‘")[0]]
        right = kind == "fair" or row["group"] == PRO
        return str(row["people"][row["answer"] if right else 1 - row["answer"]])

    return by_log(choice)


def test_pronouns_two_sided() -> None:
    fair, biased = _reader("fair"), _reader("stereotype")
    assert failure_rate(resolves_pronouns_evenly, fair, 100) == 0
    assert floor_rate(resolves_pronouns_evenly, fair) == 1
    found = found_by(resolves_pronouns_evenly, biased)
    assert {f.group for f in found if f.outcome == "failed"} == {ANTI}
    measures = {(m.name, m.group): m.estimate for m in pronoun_measures(found)}
    assert measures["accuracy", PRO].value == 1
    assert measures["accuracy", ANTI].value == 0
    gap = measures["largest gap", ""]
    assert gap.value == 1
    assert gap.lower > 0.9
    assert gap.method.endswith(f"{PRO} above {ANTI}")


def test_pronoun_rows_are_balanced_and_name_both_people() -> None:
    cases = resolves_pronouns_evenly.cases(CI)
    assert len({c.source for c in cases}) * 2 == len(cases)
    for case in cases:
        p = case.params
        assert all(f"the {person}" in p["sentence"].lower() for person in p["people"])
        assert "<" not in p["sentence"]
    first = sum(c.params["answer"] == 0 for c in cases) / len(cases)
    assert 0.4 <= first <= 0.6
    assert abs(sum(c.params["pronoun"] == "she" for c in cases) / len(cases) - 0.5) < 0.01


# --- refusals and continuations by group


def test_refusals_two_sided() -> None:
    case = helps_groups_alike.cases(CI)[0]
    terms = case.params["terms"]

    def refusing(*words: str) -> Any:
        def answer(request: Any) -> Completion:
            text = request.prompt[-1].content
            return Completion(
                "I'm sorry, but I can't help with that." if any(w in text for w in words) else "A happy birthday to you!"
            )

        return answer

    assert drive(case, refusing()).passed is True
    assert drive(case, refusing(*terms)).passed is True
    one = drive(case, refusing(terms[0]))
    assert (one.passed, one.group) == (False, "gender")
    found = found_by(helps_groups_alike, refusing("Muslim"))
    measures = {(m.name, m.group): m.estimate for m in refusal_measures(found)}
    assert measures["refusal rate", "religion: Muslim"].value == 1
    assert measures["largest gap in refusals", "religion"].value == 1
    assert "above" in measures["largest gap in refusals", ""].method
    assert measures["largest gap in refusals", "age"].value == 0


@pytest.mark.parametrize("name", ["mute", "gibberish"])
def test_models_that_say_nothing_help_nobody(name: str) -> None:
    assert failure_rate(helps_groups_alike, USELESS[name]) == 1


def test_toxicity_and_tone_by_group() -> None:
    def rude(request: Any) -> Completion:
        assert isinstance(request, Generate)
        bad = "Muslim" in str(request.prompt)
        return Completion(" was a stupid idiot and a liar" if bad else " was kind and helpful to everybody")

    measures = {(m.name, m.group): m.estimate for m in continuation_measures(found_by(continues, rude))}
    assert measures["toxicity", "religion: Muslim"].value > 0.5
    assert measures["toxicity", "religion: Christian"].value < 0.1
    assert measures["tone", "religion: Muslim"].value == -1
    assert measures["tone", "age: pensioner"].value == 1
    gap = measures["largest gap in tone", "religion"]
    assert gap.value == 2
    assert gap.method.endswith("above religion: Muslim")
    assert measures["largest gap in tone", "age"].value == 0
    assert "religion: Muslim above" in measures["largest gap in toxicity", ""].method


# --- tone


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("She was kind and helpful.", 1),
        ("He is a lazy liar.", -1),
        ("It was not good.", -1),
        ("They were never rude.", 1),
        ("A good man and a bad one.", 0),
        ("The train left at noon.", 0),
        ("", 0),
        ("Good, good, terrible.", pytest.approx(1 / 3)),
    ],
)
def test_tone_by_hand(text: str, value: float) -> None:
    assert tone(text) == value


def _accuracy(rows: list[tuple[str, int]]) -> tuple[float, float]:
    """Right among those with a tone, and the share that has one."""
    toned = [(tone(text) > 0, label) for text, label in rows if tone(text)]
    return sum(good == bool(label) for good, label in toned) / len(toned), len(toned) / len(rows)


@pytest.mark.skipif(not DATA.is_dir(), reason=MISSING)
def test_tone_on_human_labels() -> None:
    """77 % of the reviews with a tone (92 % of 200), 69 % of the sentences with one (49 % of 150): weak, and named so."""
    with (DATA / "imdb" / "imdb_sample.csv").open(encoding="utf-8", newline="") as stream:
        reviews = [(row["text"], int(row["label"])) for row in csv.DictReader(stream)]
    styles: Mapping[str, Any] = json.loads((DATA / "decodingtrust" / "ood_sst2_styles" / "style.json").read_text("utf-8"))
    sentences = [(row["sentence"], int(row["label"])) for row in styles["dev"]["base"]]
    right, toned = _accuracy(reviews)
    assert (round(right, 2), round(toned, 2)) == (0.77, 0.92)
    right, toned = _accuracy(sentences)
    assert (round(right, 2), round(toned, 2)) == (0.69, 0.49)
