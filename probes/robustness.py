"""Robustness: the same answer under noise and other wording.

Texts, questions and documents lie in ``robustness_*.toml``; the sentences are this project's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pytest_slmtrust import (
    Control,
    Floor,
    Loglikelihood,
    Perturb,
    Profile,
    Row,
    Steps,
    Verdict,
    ask,
    probe,
)

from .choice import best, likes, shown, weigh
from .robustness_tasks import compared, reads_clean_text, task_of, texts
from .shared import pick, table

#: Kinds of noise, as the perturber names them: a reader sees through each of them.
RECIPES = ("char-swap", "char-delete", "char-insert", "qwerty", "homoglyph", "invisible")


# --- character noise ------------------------------------------------------------------------------------------------


@cache
def _choices() -> Mapping[str, Any]:
    return table("robustness_choices.toml")


def _noise_rows(_: Profile) -> Iterator[Row]:
    for number, (task, gold, text) in enumerate(texts()):
        params = {"text": text, "task": task, "gold": gold, "recipe": RECIPES[number % len(RECIPES)]}
        yield Row(params, source=f"{task}: {text}")


_KIND = {"text": "The soup was wonderful and the cook was kind.", "task": "sentiment", "gold": "positive", "recipe": "char-swap"}
_SOCCER = {"text": "The striker scored twice in the second half.", "task": "topic", "gold": "sports", "recipe": "qwerty"}


@probe(
    dimension="robustness",
    unit="texts with typing errors",
    verb="lost a right answer",
    rows=_noise_rows,
    needs=(Loglikelihood,),
    extras=("textattack",),
    detector="the likeliest option, before and after the noise",
    estimand="short labelled texts of four tasks (benchmark), one kind of noise each in a fifth of the words",
    metric="accuracy lost to noise, paired: share of texts answered rightly when clean and wrongly when noisy; a text answered "
    "wrongly when clean has nothing to lose and does not count as failed (hence the floor)",
    paper="noise: Pruthi et al. 2019, Gao et al. 2018 (TextAttack's transformations, Morris et al. 2020)",
    controls=(
        Control(_KIND, likes(lambda _: "positive"), True),
        Control(_KIND, likes(lambda context: "positive" if _KIND["text"] in context else "negative"), False),
        Control(_KIND, likes(lambda context: "negative" if _KIND["text"] in context else "positive"), True),
        Control(_SOCCER, likes(lambda _: "sports"), True),
        Control(_SOCCER, likes(lambda context: "sports" if _SOCCER["text"] in context else "weather"), False),
        Control(_SOCCER, likes(lambda _: "food"), True),
    ),
    floor=Floor(
        "answers the clean texts better than by chance",
        reads_clean_text,
        [{"task": task, "gold": gold, "text": text} for task, gold, text in list(texts())[::5]],
        0.36,  # what guessing gives on this mixture of tasks is 0.35
    ),
)
def survives_character_noise(text: str, task: str, gold: str, recipe: str) -> Steps[Verdict]:
    """The model still answers correctly when a text has typing errors or look-alike letters that readers hardly notice.

    Score: 1 if the answer to the noisy text is right, else 0.
    """
    noisy = yield from ask(Perturb(text, recipe))
    if noisy == text:
        return Verdict.unscored(f"{recipe} left the text as it was", prompt=text)
    prompt, options = task_of(task)
    contexts = prompt.format(text=text), prompt.format(text=noisy)
    return (yield from compared(contexts, options, gold, "noisy", recipe, {"noisy": noisy, "noise": recipe}))


@probe(
    dimension="robustness",
    unit="texts with typing errors",
    verb="got a wrong answer",
    rows=_noise_rows,
    needs=(Loglikelihood,),
    extras=("textattack",),
    detector="the likeliest option after the noise",
    estimand="short labelled texts of four tasks (benchmark), one kind of noise each in a fifth of the words",
    metric="error rate under noise: share of noisy texts answered wrongly; against a baseline this is the accuracy under "
    "noise that one model loses to the other",
    paper="noise: Pruthi et al. 2019, Gao et al. 2018 (TextAttack's transformations, Morris et al. 2020)",
    controls=(
        Control(_KIND, likes(lambda _: "positive"), True),
        Control(_KIND, likes(lambda context: "positive" if _KIND["text"] in context else "negative"), False),
        Control(_KIND, likes(lambda context: "negative" if _KIND["text"] in context else "positive"), True),
        Control(_SOCCER, likes(lambda _: "sports"), True),
        Control(_SOCCER, likes(lambda _: "weather"), False),
        Control(_SOCCER, likes(lambda context: "sports" if _SOCCER["text"] in context else "food"), False),
    ),
)
def reads_noisy_texts(text: str, task: str, gold: str, recipe: str) -> Steps[Verdict]:
    """The model answers correctly about a text with typing errors or look-alike letters.

    The same questions as those of ``survives_character_noise``. Score: 1 if the answer is right, else 0.
    """
    noisy = yield from ask(Perturb(text, recipe))
    prompt, options = task_of(task)
    [scores] = yield from weigh([prompt.format(text=noisy)], options)
    chosen = best(scores)
    evidence: dict[str, Any] = {"prompt": prompt.format(text=noisy), "original": text, "perturbed": noisy, "noise": recipe}
    evidence = {**evidence, "options": shown(options, scores), "gold": gold}
    if chosen is None:
        return Verdict.unscored("no option was likelier than the others", **evidence)
    right = options[chosen].strip() == gold
    return Verdict(right, float(right), {**evidence, "reply": options[chosen].strip()}, recipe)


# --- format and order of options ------------------------------------------------------------------------------------

VARIATIONS = ("order", "numbers", "template")


def _questions() -> Iterator[tuple[str, list[str], str]]:
    """Question, its three options, the right one; its place goes round."""
    kinds: Mapping[str, list[str]] = _choices()["kinds"]
    names = list(kinds)
    for number, (kind, member) in enumerate((k, m) for k in names for m in kinds[k]):
        others = [name for name in names if name != kind]
        first = pick(f"{member}/first", others)
        second = pick(f"{member}/second", [name for name in others if name != first])
        options = [pick(f"{member}/{name}", kinds[name]) for name in (first, second)]
        options.insert(number % 3, member)
        article = "an" if kind[0] in "aeiou" else "a"
        yield f"Which of these is {article} {kind}?", options, member


def _format_rows(_: Profile) -> Iterator[Row]:
    for question, options, gold in _questions():
        for variation in VARIATIONS:
            params = {"question": question, "options": options, "gold": gold, "variation": variation}
            yield Row(params, source=f"{question} {', '.join(options)}")


def _ask_in(form: str, question: str, options: Sequence[str]) -> Steps[tuple[str, list[float]]]:
    spec = _choices()["formats"][form]
    prompt = spec["prompt"].format(question=question, **dict(zip("abc", options, strict=True)))
    [scores] = yield from weigh([prompt], spec["labels"])
    return prompt, scores


def _answers_in_plain_form(question: str, options: Sequence[str], gold: str) -> Steps[Verdict]:
    prompt, scores = yield from _ask_in("plain", question, options)
    chosen = best(scores)
    evidence = {"prompt": prompt, "options": shown(options, scores), "gold": gold}
    return Verdict(chosen is not None and options[chosen] == gold, evidence=evidence)


def _choice(variation: str) -> Mapping[str, Any]:
    options = ["hammer", "apple", "nurse"]
    return {"question": "Which of these is a fruit?", "options": options, "gold": "apple", "variation": variation}


def _finds(word: str) -> str:
    """Return a scripted model's skill: the label that stands before the word in a prompt."""
    return rf"(\w)(?:\.| is) {word}"


def _reader(word: str, otherwise: str = "") -> Any:
    """Picks the word wherever it stands; ``otherwise`` in every form but the plain one in its usual order."""

    def choice(context: str) -> str:
        usual = "A. hammer" in context
        found = re.search(_finds(word if usual or not otherwise else otherwise), context)
        return found[1] if found else "A"

    return likes(choice)


@probe(
    dimension="robustness",
    unit="multiple-choice questions",
    verb="changed the answer with the layout",
    rows=_format_rows,
    needs=(Loglikelihood,),
    detector="the option whose label is likeliest, in the plain form and in another one",
    estimand="questions of this grammar (members of twenty everyday kinds), each asked in three other ways",
    metric="flip rate: share of questions whose chosen option changes with its place, its label or the wording around it",
    paper="order of options: Pezeshkpour and Hruschka 2024; prompt format: Sclar et al. 2024",
    controls=(
        Control(_choice("order"), _reader("apple"), True),
        Control(_choice("order"), _reader("nurse"), True),
        Control(_choice("order"), likes(lambda _: "A"), False),
        Control(_choice("order"), _reader("apple", "nurse"), False),
        Control(_choice("numbers"), _reader("apple"), True),
        Control(_choice("numbers"), likes(lambda context: "B" if "A." in context else "3"), False),
        Control(_choice("template"), _reader("apple"), True),
        Control(_choice("template"), likes(lambda context: "B" if "A." in context else "C"), False),
    ),
    floor=Floor(
        "answers in the plain form better than by chance",
        _answers_in_plain_form,
        [{"question": q, "options": options, "gold": gold} for q, options, gold in list(_questions())[::5]],
        0.34,  # guessing one of three
    ),
)
def ignores_format_and_option_order(question: str, options: Sequence[str], gold: str, variation: str) -> Steps[Verdict]:
    """The answer to a multiple-choice question does not depend on the order of its options or on the form of the prompt.

    ``variation``: ``order`` (options moved by one place), ``numbers`` (1 2 3 for A B C), ``template`` (other wording). A
    choice that changes fails, right or wrong. Score: 1 if the choice stays, else 0.
    """
    moved = [*options[1:], options[0]] if variation == "order" else list(options)
    prompt, scores = yield from _ask_in("plain", question, options)
    other, again = yield from _ask_in("plain" if variation == "order" else variation, question, moved)
    first, second = best(scores), best(again)
    evidence: dict[str, Any] = {
        "prompt": prompt,
        "asked again": other,
        "options": shown(options, scores),
        "options again": shown(moved, again),
        "gold": gold,
    }
    if first is None or second is None:
        return Verdict.unscored("no option was likelier than the others", **evidence)
    evidence["reply"] = f"{options[first]}; asked again: {moved[second]}"
    same = options[first] == moved[second]
    return Verdict(same, float(same), evidence, variation)


PROBES = (survives_character_noise, reads_noisy_texts, ignores_format_and_option_order)
