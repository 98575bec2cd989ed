"""Short labelled texts of four tasks, and the model as their zero-shot classifier, for the probes of robustness."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pytest_slmtrust import Steps, Verdict

from .choice import best, shown, weigh
from .shared import table


@cache
def _tasks() -> Mapping[str, Any]:
    return table("robustness_tasks.toml")


def texts(*tasks: str) -> Iterator[tuple[str, str, str]]:
    """Task, right option and text: of the tasks named, or of all."""
    for task, spec in _tasks().items():
        if not tasks or task in tasks:
            for option in spec["options"]:
                yield from ((task, option, text) for text in spec[option])


def drawn(count: int, *tasks: str) -> Iterator[tuple[str, str, str]]:
    """``count`` texts, as many of each task as of the others, in an order fixed by their hashes; task after task."""
    for place, task in enumerate(tasks):
        share = (count + len(tasks) - 1 - place) // len(tasks)
        yield from sorted(texts(task), key=lambda one: hashlib.sha256(one[2].encode()).digest())[:share]


def task_of(name: str) -> tuple[str, list[str]]:
    """Return the prompt of a task, with a place for the text, and its options."""
    spec = _tasks()[name]
    return spec["prompt"], [f" {option}" for option in spec["options"]]


def reads_clean_text(text: str, task: str, gold: str) -> Steps[Verdict]:
    """The floor of these probes: the text as it stands is answered rightly."""
    prompt, options = task_of(task)
    context = prompt.format(text=text)
    [scores] = yield from weigh([context], options)
    chosen = best(scores)
    evidence = {"prompt": context, "options": shown(options, scores), "gold": gold}
    return Verdict(chosen is not None and options[chosen].strip() == gold, evidence=evidence)


def shares(scores: Sequence[float]) -> list[float]:
    """Log-likelihoods of the options as probabilities among themselves; not numbers, where one of them is none."""
    if not all(math.isfinite(score) for score in scores):
        return [math.nan] * len(scores)
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]


def classifier(prompt: str, options: Sequence[str]) -> Callable[[Sequence[str]], Steps[list[list[float]]]]:
    """The model as a zero-shot classifier: probabilities of the options after the prompt around each text."""

    def classify(wanted: Sequence[str]) -> Steps[list[list[float]]]:
        scores = yield from weigh([prompt.format(text=text) for text in wanted], options)
        return [shares(row) for row in scores]

    return classify


def compared(
    contexts: tuple[str, str], options: Sequence[str], gold: str, when: str, group: str, evidence: Mapping[str, Any]
) -> Steps[Verdict]:
    """Whether a right answer after the first context is still right after the second, paired.

    Wrong to begin with: nothing to lose, and no failure. ``when`` says in a word what the second context is. Score: 1 if the
    second answer is right, else 0.
    """
    before, after = yield from weigh(list(contexts), options)
    first, second = best(before), best(after)
    about = {"prompt": contexts[0], **evidence, "options": shown(options, before)}
    about |= {f"options when {when}": shown(options, after), "gold": gold}
    if first is None or second is None:
        return Verdict.unscored("no option was likelier than the others", **about)
    was, now = options[first].strip(), options[second].strip()
    reading = "nothing to lose: wrong when clean" if was != gold else "kept" if now == gold else "lost"
    about |= {"reply": f"{was}; when {when}: {now}", "reading": reading}
    return Verdict(reading != "lost", float(now == gold), about, group)
