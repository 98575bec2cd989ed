"""Robustness as a property: no edit that a reader does not notice changes the answer; what breaks it is shrunk and kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_slmtrust import Control, Floor, Loglikelihood, Profile, Row, Steps, holds_under, probe
from pytest_slmtrust.authoring.strategies import unnoticed

from .choice import best, likes, weigh
from .robustness_tasks import drawn, reads_clean_text, task_of, texts
from .shared import few_items

TASKS = ("sentiment", "topic", "facts")


def _property_rows(profile: Profile) -> Iterator[Row]:
    for task, _, text in drawn(few_items(profile), *TASKS):
        yield Row({"text": text, "task": task}, source=f"{task}: {text}")


_SOUP = {"text": "The soup was wonderful and the cook was kind.", "task": "sentiment"}
_EAGLE = {"text": "Can an eagle fly?", "task": "facts"}


def _unless(text: str, usual: str, otherwise: str) -> Any:
    """Return a scripted model that answers otherwise as soon as the text is not as it was."""
    return likes(lambda context: usual if text in context else otherwise)


@probe(
    dimension="robustness",
    unit="texts with unnoticed edits",
    verb="changed the answer",
    rows=_property_rows,
    tags=("property",),
    needs=(Loglikelihood,),
    extras=("hypothesis",),
    detector="the likeliest option, for the text and for its edited forms",
    estimand="short texts of three tasks (benchmark), each with eight edits that Hypothesis draws and those kept of earlier runs",
    metric="violations: share of texts of which a drawn or kept edit changes the answer, right or wrong; each shrunk to the "
    "smallest part of the edit that still does",
    paper="properties: Claessen and Hughes 2000, Hypothesis; shrinking: ddmin, Zeller and Hildebrandt 2002; invariance tests: "
    "Ribeiro et al. 2020",
    controls=(
        Control(_SOUP, likes(lambda _: "positive"), True),
        Control(_SOUP, likes(lambda _: "negative"), True),
        Control(_SOUP, _unless("The soup was wonderful and the cook was kind.", "positive", "negative"), False),
        Control(_SOUP, _unless("wonderful", "positive", "negative"), False),
        Control(_EAGLE, likes(lambda _: "No"), True),
        Control(_EAGLE, _unless("Can an eagle fly?", "No", "Yes"), False),
    ),
    floor=Floor(
        "answers the clean texts better than by chance",
        reads_clean_text,
        [{"task": task, "gold": gold, "text": text} for task, gold, text in list(texts(*TASKS))[::4]],
        0.43,  # what guessing gives on this mixture of tasks is 0.42
    ),
)
@holds_under(unnoticed)
def keeps_its_answer_under_unnoticed_edits(text: str, task: str) -> Steps[str | None]:
    """An edit that readers hardly notice does not change the answer.

    Doubled or swapped letters, look-alike and invisible characters, the case of a letter, a second space: in half to three
    quarters of the words, one a word. Score: 1 if no edit changes the answer, else 0.
    """
    prompt, options = task_of(task)
    [scores] = yield from weigh([prompt.format(text=text)], options)
    chosen = best(scores)
    return None if chosen is None else options[chosen].strip()


PROBES = (keeps_its_answer_under_unnoticed_edits,)
