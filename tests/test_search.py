"""Adversarial search: it ends as it should, keeps to its budget, and as TextAttack's own ``Attack`` does on the same seeds."""

from __future__ import annotations

import hashlib
import logging
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drive import drive

from pytest_slmtrust import Edits, Loglikelihood, Profile, Steps, Verdict, probe
from pytest_slmtrust.authoring.attack_search import RECIPES, Attacked, attack, unavailable
from pytest_slmtrust.backends.fake import FakeBackend, SwapPerturber
from pytest_slmtrust.backends.textattack.attack_steps import ATTACKS, _nobody, build
from pytest_slmtrust.backends.textattack.perturb import TextAttackBackend, available, import_textattack, stop_words
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store

TEXT = "The soup was wonderful and the cook was kind."
CI = Profile("ci", 60, 180, 5, 0.10, 0.05, True)
needs_textattack = pytest.mark.skipif(bool(available()), reason=available() or "TextAttack is there")


def knows(text: str) -> list[float]:
    """A classifier that weighs letters: no class is sure, and every misspelling moves it a little."""
    weights = [int(hashlib.sha256(word.encode()).hexdigest()[:4], 16) / 0xFFFF - 0.5 for word in text.split()]
    share = 1 / (1 + np.exp(-3 * sum(weights) / max(1, len(weights)) ** 0.5))
    return [float(share), float(1 - share)]


def classify(texts: Sequence[str]) -> Steps[list[list[float]]]:
    yield from ()
    return [knows(text) for text in texts]


def finished(steps: Steps[Attacked], perturber: Any) -> tuple[Attacked, int]:
    """Drive a search whose classifier asks nothing; the end, and how often the perturber was asked."""
    asked = 0
    try:
        wave = next(steps)
        while True:
            asked += 1
            wave = steps.send([answer for _, answer in perturber.run(wave)])
    except StopIteration as stop:
        return stop.value, asked


def ends(rule: Any, recipe: str = "deepwordbug", budget: int = 100) -> Attacked:
    def by_rule(texts: Sequence[str]) -> Steps[list[list[float]]]:
        yield from ()
        return [[float(rule(text)), 1 - float(rule(text))] for text in texts]

    return finished(attack(TEXT, 0, by_rule, recipe, budget=budget), SwapPerturber())[0]


@pytest.mark.parametrize("recipe", ["deepwordbug", "pruthi"])
def test_it_finds_the_word_that_matters(recipe: str) -> None:
    found = ends(lambda text: 0.9 if "wonderful" in text else 0.2, recipe)
    assert (found.outcome, found.words_changed, found.right) == ("broken", 1, pytest.approx(0.2))
    assert "wonderful" not in found.text
    assert found.text.replace("wnoderful", "wonderful") == TEXT


def test_it_goes_on_until_enough_words_have_changed() -> None:
    words = TEXT.split()

    def rule(text: str) -> float:
        return 0.95 - 0.2 * sum(a != b for a, b in zip(words, text.split(), strict=True))

    found = ends(rule)
    assert (found.outcome, found.words_changed) == ("broken", 3)
    assert ends(rule, budget=1 + 9 + 2).outcome == "held"
    assert ends(rule, budget=1 + 9 + 3).outcome == "broken"


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_a_text_that_is_wrong_is_not_attacked(recipe: str) -> None:
    found = ends(lambda _: 0.3, recipe)
    assert found.right == pytest.approx(0.3)
    assert replace(found, right=0.3) == Attacked("skipped", TEXT, 1, 0, 0.3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_no_class_is_no_end(value: float) -> None:
    assert ends(lambda _: value).outcome == "unclear"


def test_a_number_that_is_lost_on_the_way() -> None:
    assert ends(lambda text: 0.9 if text == TEXT else float("nan")).outcome == "unclear"


@pytest.mark.parametrize("recipe", list(RECIPES))
@pytest.mark.parametrize("budget", [1, 2, 9, 10, 11, 50])
def test_the_budget_holds(recipe: str, budget: int) -> None:
    found = ends(lambda text: 0.9, recipe, budget)
    assert found.queries <= budget
    if recipe != "input-reduction":
        assert found.outcome == "held"


def test_reduction_leaves_the_words_that_carry_the_answer() -> None:
    found = ends(lambda text: 0.9 if "wonderful" in text else 0.2, "input-reduction")
    assert "wonderful" in found.text
    assert len(found.text.split()) <= 2
    both = ends(lambda text: 0.9 if "wonderful" in text and "cook" in text else 0.2, "input-reduction")
    assert both.outcome == "held"
    assert {"wonderful", "cook"} <= set(both.text.split())


def test_what_cannot_be_searched() -> None:
    with pytest.raises(ValueError, match="unknown attack 'typo'; known: deepwordbug, pruthi, input-reduction"):
        next(attack(TEXT, 0, classify, "typo"))
    with pytest.raises(ValueError, match="must be at least 1"):
        next(attack(TEXT, 0, classify, budget=0))


def test_all_searches_advance_together(tmp_path: Path) -> None:
    words = ("soup", "bread", "salad", "fruit", "honey", "cheese", "pasta", "pizza")

    @probe(dimension="robustness", rows=[{"text": f"The {word} was wonderful and the cook was kind."} for word in words])
    def searched(text: str) -> Steps[Verdict]:
        """Searched."""

        def asked(texts: Sequence[str]) -> Steps[list[list[float]]]:
            answers = yield [Loglikelihood(one, " yes") for one in texts]
            return [[math.exp(a.sum), 1 - math.exp(a.sum)] for a in answers]

        end = yield from attack(text, 0, asked)
        return Verdict(end.outcome == "held", evidence={"queries": end.queries})

    def model(request: Any) -> Any:
        from pytest_slmtrust import Logprob

        return Logprob(math.log(0.9 if "wonderful" in request.context else 0.1), False, 1)

    fake, swap = FakeBackend(model), SwapPerturber()
    store = Store(tmp_path, "x")
    engine = Engine({("loglikelihood", "target"): fake, ("edits", "perturb"): swap}, store)
    cases = searched.cases(CI)
    engine.prefetch(cases)
    together = len(fake.calls)
    assert together <= 11  # the original, the ranking, one call for each of nine words
    assert [engine.run(case).passed for case in cases] == [False] * 8
    assert len(fake.calls) == together
    alone = drive(cases[3], model, perturber=swap)
    assert alone == engine.run(cases[3])
    store.close()


# --- beside TextAttack


def test_the_table_says_what_the_backend_has() -> None:
    assert set(RECIPES) == set(ATTACKS)


@needs_textattack
def test_recipes_search_as_the_table_says() -> None:
    from pytest_slmtrust.backends.textattack.attack_steps import _nobody, build

    textattack = import_textattack()
    for recipe, (order, goal) in RECIPES.items():
        with stop_words():
            own = build(recipe, _nobody(textattack))
        assert type(own.search_method).__name__ == {"importance": "GreedyWordSwapWIR", "anywhere": "GreedySearch"}[order]
        assert type(own.goal_function).__name__ == {"flip": "UntargetedClassification", "reduce": "InputReduction"}[goal]


TEXTS = (
    "The food was wonderful and the waiter was very kind.",
    "A boring film that made me fall asleep.",
    "My children love this game and play it every evening.",
    "We waited in the rain; nobody came, and I'd never go back!",
    "What a brilliant concert",
    "No.",
    "Fast delivery, excellent quality, I am very happy - thank you (all of you).",
)


def theirs(own: Any, text: str, gold: int, recipe: str) -> tuple[bool, str, int]:
    seed = Edits(text, recipe).search_seed
    random.seed(seed)
    np.random.seed(seed)
    result = own.attack(text, gold)
    last = result.perturbed_result
    return type(result).__name__ == "SkippedAttackResult", last.attacked_text.text, last.num_queries


@needs_textattack
@pytest.mark.parametrize("recipe", list(RECIPES))
@pytest.mark.parametrize("texts", [TEXTS[3:6], pytest.param(TEXTS, marks=pytest.mark.full)], ids=["few", "all"])
def test_the_same_as_textattacks_own_attack(recipe: str, texts: tuple[str, ...]) -> None:
    from pytest_slmtrust.backends.textattack.attack_steps import build

    textattack, perturber = import_textattack(), TextAttackBackend()

    class Wrapper(textattack.models.wrappers.ModelWrapper):  # type: ignore[misc, name-defined]
        model = None

        def __init__(self) -> None:
            pass

        def __call__(self, texts: Any) -> Any:
            return [knows(text) for text in texts]

    with stop_words():
        own = build(recipe, Wrapper())
    state, numbers = random.getstate(), np.random.get_state()
    outcomes = set()
    try:
        for budget in (1, 7, 25, 200):
            if (recipe, budget) == ("pruthi", 1):
                continue  # its own search breaks with a ValueError where nothing is left of the budget
            own.goal_function.query_budget = budget
            for text in texts:
                for gold in (0, 1):
                    mine, _ = finished(attack(text, gold, classify, recipe, budget=budget), perturber)
                    outcomes.add(mine.outcome)
                    assert (mine.outcome == "skipped", mine.text, mine.queries) == theirs(own, text, gold, recipe)
    finally:
        random.setstate(state)
        np.random.set_state(numbers)
    assert outcomes == {"skipped", "held", "broken"}


@needs_textattack
def test_edits_are_answered_from_the_request_alone() -> None:
    first = Edits(TEXT, "deepwordbug", word=3)
    backend, other = TextAttackBackend(), TextAttackBackend()
    [(_, edits)] = backend.run([first])
    assert first.decode(first.encode(edits)) == edits
    second = Edits(TEXT, "deepwordbug", ((3, edits[1].text),), 6)
    answers = dict(backend.run([second, first, Edits(TEXT, "deepwordbug", ranking=True)]))
    assert dict(other.run([second]))[0] == answers[0]
    assert answers[1] == edits
    assert all(edits[1].text.split()[3] in one.text.split() for one in answers[0])
    assert [edit.word for edit in answers[2]] == [0, 1, 3, 6, 8]
    assert dict(backend.run([Edits(TEXT, "deepwordbug", word=3, draw=1)]))[0] != edits


@needs_textattack
def test_a_path_that_nobody_went_is_a_failure() -> None:
    [(_, answer)] = TextAttackBackend().run([Edits(TEXT, "deepwordbug", ((3, "Quite another text."),), 4)])
    assert "does not offer there" in answer.message
    [(_, answer)] = TextAttackBackend().run([Edits(TEXT, "textfooler", word=3)])
    assert answer.message == "Unknown attack 'textfooler'. Known: deepwordbug, pruthi, input-reduction."


def test_recipes_without_their_data_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NLTK_DATA", raising=False)
    assert unavailable("char-swap") == ""
    assert unavailable("synonym-embedding").startswith(f"synonym-embedding needs TextAttack's embeddings in {tmp_path}")


@needs_textattack
def test_textattack_says_nothing_of_the_model_that_an_attack_does_not_have() -> None:
    textattack = import_textattack()
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    textattack.shared.logger.addHandler(handler)
    try:
        with stop_words():
            build("deepwordbug", _nobody(textattack))
        textattack.shared.logger.warning("heard")
    finally:
        textattack.shared.logger.removeHandler(handler)
    assert said == ["heard"]
