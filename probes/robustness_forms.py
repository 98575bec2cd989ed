"""Robustness against form: how a text is set, what stands around it, how its task is worded, which synonyms it uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from pytest_slmtrust import Control, Floor, Loglikelihood, Perturb, Profile, Row, Steps, Verdict, ask, probe
from pytest_slmtrust.authoring.attack_search import unavailable
from pytest_slmtrust.authoring.datafiles import DataMissing

from .choice import likes
from .robustness_tasks import compared, reads_clean_text, task_of, texts
from .shared import pick, table

FLOOR = Floor(
    "answers the clean texts better than by chance",
    reads_clean_text,
    [{"task": task, "gold": gold, "text": text} for task, gold, text in list(texts())[::5]],
    0.36,  # what guessing gives on this mixture of tasks is 0.35
)


# --- how a text is set ----------------------------------------------------------------------------------------------


def _wrapped(text: str) -> str:
    """Return a line break after every fifth word."""
    words = text.split(" ")
    return "\n".join(" ".join(words[i : i + 5]) for i in range(0, len(words), 5))


#: Ways to set a text that change none of its words.
SETTINGS: Mapping[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "doubled spaces": lambda text: text.replace(" ", "  "),
    "line breaks": _wrapped,
    "no punctuation": lambda text: re.sub(r"[.,;:!?]", "", text),
    "quotation marks": lambda text: f"“{text}”",
    "list item": lambda text: f"* {text}",
}


def _setting_rows(_: Profile) -> Iterator[Row]:
    names = list(SETTINGS)
    for number, (task, gold, text) in enumerate(texts()):
        name = next(n for n in (names[(number + i) % len(names)] for i in range(len(names))) if SETTINGS[n](text) != text)
        yield Row({"text": text, "task": task, "gold": gold, "setting": name}, source=f"{task}: {text}")


_SOUP = {"text": "The soup was wonderful and the cook was kind.", "task": "sentiment", "gold": "positive"}
_SOCCER = {"text": "The striker scored twice in the second half.", "task": "topic", "gold": "sports"}


def _only(text: str, usual: str, otherwise: str) -> Any:
    """Return a scripted model that answers otherwise unless it sees exactly this."""
    return likes(lambda context: usual if text in context else otherwise)


@probe(
    dimension="robustness",
    unit="texts in another layout",
    verb="lost a right answer",
    rows=_setting_rows,
    needs=(Loglikelihood,),
    detector="the likeliest option, for the text as it is and set otherwise",
    estimand="short labelled texts of four tasks (benchmark), each set in one other way",
    metric="accuracy lost to the setting, paired: share of texts answered rightly as they are and wrongly when set otherwise; "
    "one answered wrongly to begin with has nothing to lose",
    paper="prompt format: Sclar et al. 2024; invariance tests: Ribeiro et al. 2020",
    controls=(
        Control({**_SOUP, "setting": "upper case"}, likes(lambda _: "positive"), True),
        Control({**_SOUP, "setting": "upper case"}, _only("soup", "positive", "negative"), False),
        Control({**_SOUP, "setting": "no punctuation"}, _only("kind.", "positive", "negative"), False),
        Control({**_SOUP, "setting": "lower case"}, _only("The soup", "negative", "positive"), True),
        Control({**_SOCCER, "setting": "line breaks"}, likes(lambda _: "sports"), True),
        Control({**_SOCCER, "setting": "line breaks"}, _only("second half", "sports", "food"), True),
        Control({**_SOCCER, "setting": "doubled spaces"}, _only("second half", "sports", "food"), False),
        Control({**_SOCCER, "setting": "list item"}, _only("* The", "food", "sports"), False),
    ),
    floor=FLOOR,
)
def survives_formatting(text: str, task: str, gold: str, setting: str) -> Steps[Verdict]:
    """Changed capitals, spaces, line breaks and punctuation do not turn a correct answer into a wrong one.

    Score: 1 if the answer to the text set otherwise is right, else 0.
    """
    prompt, options = task_of(task)
    otherwise = SETTINGS[setting](text)
    evidence = {"original": text, "perturbed": otherwise, "setting": setting}
    contexts = prompt.format(text=text), prompt.format(text=otherwise)
    return (yield from compared(contexts, options, gold, "set otherwise", setting, evidence))


# --- what stands around it ------------------------------------------------------------------------------------------

#: Lines of the long noise before a text: about 160 tokens.
LINES = 12


@cache
def _around() -> Mapping[str, Any]:
    return table("robustness_surroundings.toml")


def _noise(text: str) -> str:
    """Return a store list that says nothing: the same one for the same text."""
    lines = [(pick(f"{text}/{n}/box", "ABCDEFGH"), pick(f"{text}/{n}/shelf", range(2, 30))) for n in range(LINES)]
    return "\n".join(f"Entry {n}: box {box}, shelf {shelf}, checked." for n, (box, shelf) in enumerate(lines, 1))


def surrounded(text: str, task: str, variation: str) -> str:
    """Return the whole prompt of a task with something around the text that does not bear on the answer."""
    prompt, _ = task_of(task)
    if variation == "other wording":
        return str(pick(f"{text}/prompt", _around()["prompts"][task])).format(text=text)
    if variation == "long noise before":
        return f"{_noise(text)}\n\n{prompt.format(text=text)}"
    sentence = pick(f"{text}/sentence", _around()["sentences"])
    return prompt.format(text=f"{sentence} {text}" if variation == "sentence before" else f"{text} {sentence}")


VARIATIONS = ("sentence before", "sentence after", "long noise before", "other wording")


def _surrounded_rows(_: Profile) -> Iterator[Row]:
    for number, (task, gold, text) in enumerate(texts()):
        params = {"text": text, "task": task, "gold": gold, "variation": VARIATIONS[number % len(VARIATIONS)]}
        yield Row(params, source=f"{task}: {text}")


@probe(
    dimension="robustness",
    unit="texts with irrelevant surroundings",
    verb="lost a right answer",
    rows=_surrounded_rows,
    needs=(Loglikelihood,),
    detector="the likeliest option, after the plain prompt and after one with something around the text",
    estimand="short labelled texts of four tasks (benchmark), each with one thing around it: an irrelevant sentence, a long list "
    "before the question, or the task in other words",
    metric="accuracy lost to what stands around, paired: share of texts answered rightly after the plain prompt and wrongly "
    "after the other; one answered wrongly to begin with has nothing to lose",
    paper="irrelevant context: Shi et al. 2023; prompt format: Sclar et al. 2024",
    controls=(
        Control({**_SOUP, "variation": "sentence before"}, likes(lambda _: "positive"), True),
        Control({**_SOUP, "variation": "sentence before"}, _only("Review: The soup", "positive", "negative"), False),
        Control({**_SOUP, "variation": "sentence after"}, _only("kind.\nIs", "positive", "negative"), False),
        Control({**_SOUP, "variation": "sentence after"}, _only("kind.\nIs", "negative", "positive"), True),
        Control({**_SOCCER, "variation": "long noise before"}, likes(lambda _: "sports"), True),
        Control({**_SOCCER, "variation": "long noise before"}, _only("shelf", "weather", "sports"), False),
        Control({**_SOCCER, "variation": "other wording"}, likes(lambda _: "sports"), True),
        Control({**_SOCCER, "variation": "other wording"}, _only("Is this text about", "sports", "music"), False),
    ),
    floor=FLOOR,
)
def ignores_what_surrounds_a_text(text: str, task: str, gold: str, variation: str) -> Steps[Verdict]:
    """An irrelevant sentence, a long list before the question or a reworded task does not turn a correct answer into a wrong one.

    Score: 1 if the answer after the other prompt is right, else 0.
    """
    prompt, options = task_of(task)
    contexts = prompt.format(text=text), surrounded(text, task, variation)
    evidence = {"asked again": contexts[1], "variation": variation}
    return (yield from compared(contexts, options, gold, "surrounded", variation, evidence))


# --- synonyms -------------------------------------------------------------------------------------------------------

#: Word-level recipes that need data of their own; those whose data is there are used.
SYNONYMS = ("synonym-wordnet", "synonym-embedding", "masked-lm")


def _synonym_rows(_: Profile) -> Iterator[Row]:
    there = [recipe for recipe in SYNONYMS if not unavailable(recipe)]
    if not there:
        raise DataMissing("; ".join(unavailable(recipe) for recipe in SYNONYMS))
    for number, (task, gold, text) in enumerate(texts("sentiment", "topic", "facts")):
        params = {"text": text, "task": task, "gold": gold, "recipe": there[number % len(there)]}
        yield Row(params, source=f"{task}: {text}")


@probe(
    dimension="robustness",
    unit="texts with synonyms",
    verb="lost a right answer",
    rows=_synonym_rows,
    needs=(Loglikelihood,),
    extras=("textattack",),
    detector="the likeliest option, for the text and with a fifth of its words replaced",
    estimand="short labelled texts of three tasks (benchmark), a fifth of the words replaced by one recipe each",
    metric="accuracy lost to synonyms, paired: share of texts answered rightly as they are and wrongly with synonyms; one "
    "answered wrongly to begin with has nothing to lose. Not every replacement keeps the meaning: measured only",
    paper="Ren et al. 2019 (WordNet), Jin et al. 2020 (embeddings), Li et al. 2020 (masked language model); by TextAttack",
    controls=(
        Control({**_SOUP, "recipe": "char-swap"}, likes(lambda _: "positive"), True),
        Control({**_SOUP, "recipe": "char-swap"}, _only(_SOUP["text"], "positive", "negative"), False),
        Control({**_SOUP, "recipe": "char-swap"}, _only(_SOUP["text"], "negative", "positive"), True),
        Control({**_SOCCER, "recipe": "char-swap"}, likes(lambda _: "sports"), True),
        Control({**_SOCCER, "recipe": "char-swap"}, _only(_SOCCER["text"], "sports", "food"), False),
        Control({**_SOCCER, "recipe": "char-swap"}, _only(_SOCCER["text"], "music", "sports"), True),
    ),
    floor=FLOOR,
)
def survives_synonyms(text: str, task: str, gold: str, recipe: str) -> Steps[Verdict]:
    """Synonyms do not turn a correct answer into a wrong one.

    Score: 1 if the answer to the changed text is right, else 0.
    """
    changed = yield from ask(Perturb(text, recipe))
    prompt, options = task_of(task)
    evidence = {"original": text, "perturbed": changed, "recipe": recipe}
    contexts = prompt.format(text=text), prompt.format(text=changed)
    return (yield from compared(contexts, options, gold, "reworded", recipe, evidence))


PROBES = (survives_formatting, ignores_what_surrounds_a_text, survives_synonyms)
