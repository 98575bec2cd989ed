"""Robustness against a search for the worst edit: TextAttack's recipes on the model as a zero-shot classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_slmtrust import Control, Finding, Floor, Loglikelihood, Measure, Profile, Row, Steps, Verdict, probe
from pytest_slmtrust.authoring.attack_search import attack
from pytest_slmtrust.authoring.edits import difference

from .choice import likes
from .measure import averages, by_group, shares
from .robustness_tasks import classifier, drawn, reads_clean_text, task_of, texts
from .shared import few_items

TASKS = ("sentiment", "topic", "facts")
#: Attacks that look for another answer.
FLIPS = ("deepwordbug", "pruthi")


def queries(profile: Profile) -> int:
    """Texts that one search may ask about: 100 in ``audit``, 20 in ``ci``."""
    return max(20, 4 * profile.samples)


def _search_rows(profile: Profile) -> Iterator[Row]:
    for number, (task, gold, text) in enumerate(drawn(few_items(profile), *TASKS)):
        params = {"text": text, "task": task, "gold": gold, "recipe": FLIPS[number % len(FLIPS)], "budget": queries(profile)}
        yield Row(params, source=f"{task}: {text}")


def _searched(text: str, task: str, gold: str, recipe: str, budget: int) -> Mapping[str, Any]:
    return {"text": text, "task": task, "gold": gold, "recipe": recipe, "budget": budget}


#: What a finding says of its search.
HELD, BROKEN, WRONG = "held", "broken", "nothing to lose: wrong when clean"


def _effort(findings: Sequence[Finding]) -> Iterator[Measure]:
    """By recipe: accuracy before and after the searches, the share that succeeds, and what a successful one asks and changes."""
    read = [f for f in findings if f.evidence.get("reading") in (HELD, BROKEN, WRONG)]
    attacked = [f for f in read if f.evidence["reading"] != WRONG]
    for name, own, readings in (
        ("accuracy of clean texts", read, (HELD, BROKEN)),
        ("accuracy under attack", read, (HELD,)),
        ("attack success rate, of attacked texts", attacked, (BROKEN,)),
    ):
        hits = {group: [f.evidence["reading"] in readings for f in own if group in ("", f.group)] for group in ("", *FLIPS)}
        yield from shares(name, {group: (sum(found), len(found)) for group, found in hits.items()})
    broken = [f for f in read if f.evidence["reading"] == BROKEN]
    yield from averages("queries of a successful search", by_group(broken, lambda f: float(f.evidence["queries"])))
    yield from averages("words changed by a successful search", by_group(broken, lambda f: float(f.evidence["words changed"])))


_SOUP = "The soup was wonderful and the cook was kind."
_BUG = _searched(_SOUP, "sentiment", "positive", "deepwordbug", 60)
_TYPO = _searched("The striker scored twice in the second half.", "topic", "sports", "pruthi", 400)
_FACT = _searched("Can an eagle fly?", "facts", "Yes", "deepwordbug", 60)


def _reads(word: str, right: str, wrong: str) -> Any:
    """Return a scripted model that needs one word, whole."""
    return likes(lambda context: right if word in context else wrong)


@probe(
    dimension="robustness",
    unit="texts under attack by misspellings",
    verb="lost a right answer",
    rows=_search_rows,
    tags=("search",),
    needs=(Loglikelihood,),
    extras=("textattack",),
    detector="the likeliest option after each text that the search tries",
    estimand="short labelled texts of three tasks (benchmark), one search each: half by DeepWordBug, half by Pruthi et al.",
    metric="share of texts for which the search ends, within its query budget, in an edit that changes a right answer; a text "
    "answered wrongly to begin with is not attacked, does not count as failed and has no score. Beside it the attack success "
    "rate (of attacked texts alone), accuracy before and under attack, mean queries and changed words of successful searches",
    measures=_effort,
    paper="Gao et al. 2018 (DeepWordBug), Pruthi et al. 2019; transformations and constraints by TextAttack (Morris et al. 2020)",
    controls=(
        Control(_BUG, likes(lambda _: "positive"), True),
        Control(_BUG, _reads("wonderful", "positive", "negative"), False),
        Control(_BUG, _reads("wonderful", "negative", "positive"), True),
        Control({**_BUG, "budget": 2}, _reads("wonderful", "positive", "negative"), True),
        Control(_TYPO, likes(lambda _: "sports"), True),
        Control(_TYPO, _reads("striker", "sports", "weather"), False),
        Control(_TYPO, _reads("striker", "food", "sports"), True),
        Control(_FACT, likes(lambda _: "Yes"), True),
        Control(_FACT, _reads("eagle", "Yes", "No"), False),
    ),
    floor=Floor(
        "answers the clean texts better than by chance",
        reads_clean_text,
        [{"task": task, "gold": gold, "text": text} for task, gold, text in list(texts(*TASKS))[::4]],
        0.43,  # what guessing gives on this mixture of tasks is 0.42
    ),
)
def withstands_adversarial_edits(text: str, task: str, gold: str, recipe: str, budget: int) -> Steps[Verdict]:
    """A search for small misspellings finds none that turns a correct answer into a wrong one.

    Score: 1 if the answer holds, 0 if it breaks; none where it was wrong to begin with.
    """
    prompt, options = task_of(task)
    end = yield from attack(text, options.index(f" {gold}"), classifier(prompt, options), recipe, budget=budget)
    evidence: dict[str, Any] = {
        "prompt": prompt.format(text=text),
        "gold": gold,
        "attack": recipe,
        "queries": end.queries,
        "budget": budget,
    }
    if end.outcome == "unclear":
        return Verdict.unscored("no option was likelier than the others", **evidence)
    if end.outcome == "skipped":
        return Verdict(True, None, {**evidence, "reading": WRONG}, recipe)
    evidence |= {"original": text, "perturbed": end.text, "words changed": end.words_changed}
    evidence |= {"difference": difference(text, end.text), "probability of the right answer": round(end.right, 4)}
    held = end.outcome == "held"
    evidence["reading"] = HELD if held else BROKEN
    return Verdict(held, float(held), evidence, recipe)


def _reduction_rows(profile: Profile) -> Iterator[Row]:
    for task, gold, text in drawn(few_items(profile), "topic", "facts"):
        yield Row({"text": text, "task": task, "gold": gold, "budget": queries(profile)}, source=f"{task}: {text}")


@probe(
    dimension="robustness",
    unit="texts cut word by word",
    rows=_reduction_rows,
    tags=("search",),
    needs=(Loglikelihood,),
    extras=("textattack",),
    detector="the likeliest option after each shortened text",
    estimand="short labelled texts of two tasks (benchmark) that are answered rightly as they stand",
    metric="words left: share of a text's words that remain when word after word is left out as long as the answer stays; near 0 "
    "means that answers do not rest on the text. A text answered wrongly to begin with has no score",
    paper="Feng et al. 2018 (input reduction; TextAttack's recipe)",
)
def rests_on_the_words_of_a_text(text: str, task: str, gold: str, budget: int) -> Steps[Verdict]:
    """An answer depends on the words of its text: it changes when nearly all of them are removed.

    Measured only: a single word may carry a topic. Score: the share of words left.
    """
    prompt, options = task_of(task)
    end = yield from attack(text, options.index(f" {gold}"), classifier(prompt, options), "input-reduction", budget=budget)
    evidence = {"prompt": prompt.format(text=text), "gold": gold, "queries": end.queries, "budget": budget}
    if end.outcome in ("unclear", "skipped"):
        why = {"unclear": "no option was likelier than the others", "skipped": "wrong when clean: there is nothing to reduce"}
        return Verdict.unscored(why[end.outcome], **evidence)
    evidence |= {"original": text, "perturbed": end.text, "difference": difference(text, end.text)}
    evidence["probability of the right answer"] = round(end.right, 4)
    return Verdict(None, len(end.text.split()) / len(text.split()), evidence, task)


PROBES = (withstands_adversarial_edits, rests_on_the_words_of_a_text)
