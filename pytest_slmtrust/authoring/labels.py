"""Tasks with labels: texts and their intents, routes or tags from a file, asked by generation or by likelihood."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from ..audit.dimension import Dimension
from ..audit.model import Estimate, Finding, Measure
from ..escaping import blank, said
from ..requests import Generate, Loglikelihood, Steps, ask, ask_all, chat
from .bars import Bar
from .datafiles import from_csv
from .declarations import Criterion, ProbeError, Verdict
from .probe import NAME, Probe

#: The answer of a reply that names no label, or several.
NONE = "(no label)"
#: What such a probe measures.
METRIC = "share of texts with a wrong label"
#: Resamples and seed of the bootstrap.
RESAMPLES, SEED = 2000, 0
#: Tokens of a reply, where the labels need no more.
_REPLY_TOKENS = 16
#: Labels up to which the confusion matrix is given whole; of more of them only its cells that are not empty.
_WHOLE_MATRIX = 100
_PROMPT = "{task}\nLabels: {labels}.\n\nText: {text}\n\nAnswer with one label and nothing else."
Route = Literal["generate", "likelihood"]
#: Characters of a label.
_LONGEST = 200
_HELD = ("accuracy", "macro_f1")


def label_probe(
    rows: str | Path | Iterable[Mapping[str, Any]], bar: Bar, *, name: str, task: str, by: Route = "generate",
    holds: Literal["accuracy", "macro_f1"] = "accuracy", prompt: str = _PROMPT, dimension: str = "capability", claim: str = "",
) -> Probe:  # fmt: skip
    """Return a probe that asks a model for the label of each text, and holds it to a registered bar.

    Args:
        rows: a CSV file with the columns ``text`` and ``label``, or such rows. Each text is one item.
        bar: what was registered before the run. An accuracy is held by its exact bound, a macro-F1 by a bootstrap bound.
        name: the claim in snake case.
        task: what the model is asked to do, in a sentence.
        by: ``generate`` reads the label from a reply; ``likelihood`` takes the label that is likeliest after the prompt, by its
            log-likelihood for each character.
        holds: which number of the bar the gate holds; the other one is shown with it.
        prompt: the whole prompt with the fields ``task``, ``labels`` and ``text``.
        dimension: where it is shown: capability, or a dimension of trust.
        claim: what a reviewer reads; made of the bar by default.

    Raises:
        ProbeError: fewer than two labels, labels that replies cannot tell apart, a text that occurs twice, a bar without the
            number that the gate holds, or a name, a choice or a prompt that cannot be.
    """
    _check_choices(name, by, holds, prompt, dimension)
    if not isinstance(bar, Bar):
        raise ProbeError(f"label_probe {name!r}: the bar is {type(bar).__name__}; expected label_probe(ROWS, Bar(...), name=...)")
    found = _rows(rows)
    labels = tuple(dict.fromkeys(row["label"] for row in found))
    _check_labels(labels)
    held = bar.accuracy if holds == "accuracy" else bar.macro_f1
    if held is None:
        raise ProbeError(f"label_probe {name!r}: the bar has no {holds}, which the gate holds")

    def run(text: str, label: str) -> Steps[Verdict]:
        asked = chat(prompt.format(task=task, labels=", ".join(labels), text=text))
        said, reply = yield from (_written(asked, labels) if by == "generate" else _likeliest(asked, labels))
        evidence = {"prompt": text, "reply": reply, "expected": label, "answer": said}
        return Verdict(said == label, float(said == label), evidence, group=label)

    about = claim or f"Texts get their label with {holds.replace('_', '-')} of at least {held:g} (registered {bar.registered})."
    return Probe(
        name, Dimension(dimension), run, found, about, bar=bar, measures=lambda findings: measures(findings, labels),
        tolerance=1 - held if holds == "accuracy" else None,
        criterion=Criterion(lambda findings: macro_f1(findings, labels), at_least=held) if holds == "macro_f1" else None,
        needs=(Generate,) if by == "generate" else (Loglikelihood,), unit="texts", verb="got another label",
        detector="the one label that the reply names" if by == "generate" else "the label that is likeliest for each character",
        estimand=f"texts like those of the file, {len(labels)} labels", metric=METRIC,
    )  # fmt: skip


def _check_choices(name: str, by: str, holds: str, prompt: str, dimension: str) -> None:
    if not NAME.match(name):
        raise ProbeError(f"probe name {name!r} must be lower-case snake case")
    dimensions = tuple(map(str, Dimension))
    for what, given, known in (("by", by, get_args(Route)), ("holds", holds, _HELD), ("dimension", dimension, dimensions)):
        if given not in known:
            raise ProbeError(f"label_probe {name!r}: {what} is {given!r}; expected {' or '.join(known)}")
    try:
        asked = prompt.format(task="task", labels="labels", text="\0")
    except (LookupError, ValueError, AttributeError) as error:
        raise ProbeError(f"label_probe {name!r}: the prompt cannot be filled in ({said(error)})") from None
    if "\0" not in asked:
        raise ProbeError(f"label_probe {name!r}: the prompt has no {{text}}, so that every text would be asked alike")


def _check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that no reply can name: one that is written like another, or like an answer without a label; and those that
    no report can show."""
    from ..detectors import find_credentials, find_personal_data

    seen = {_folded(NONE): f"{NONE!r}, which stands for an answer without a label"}
    for label in labels:
        if len(label) > _LONGEST or find_credentials(label) or find_personal_data(label):
            raise ProbeError(f"the label {_short(label)} has more than {_LONGEST} characters, or looks like data that is masked")
        if _folded(label) in seen:
            raise ProbeError(
                f"the label {_short(label)} is written like {seen[_folded(label)]}, but for case, spaces or the form of accents"
            )
        seen[_folded(label)] = f"the label {_short(label)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _rows(given: str | Path | Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    rows = from_csv(Path(given), {"text": str, "label": str}) if isinstance(given, (str, Path)) else given
    made = [{name: _cell(row, name) for name in ("text", "label")} for row in rows]
    counted = Counter(row["text"].casefold() for row in made)
    twice = next((text for text, count in counted.items() if count > 1), None)
    if twice is not None:
        raise ProbeError(f"the text {twice[:60]!r} occurs twice: each text is one item")
    empty = next((number for number, row in enumerate(made, start=1) if blank(row["text"]) or blank(row["label"])), None)
    if empty is not None:
        raise ProbeError(f"row {empty} has no text, or no label")
    if len({row["label"] for row in made}) < 2:
        raise ProbeError("a task with labels needs at least two of them")
    return made


def _cell(row: Mapping[str, Any], name: str) -> str:
    """Return a cell as text; what a table has for nothing is nothing."""
    value = row.get(name) if isinstance(row, Mapping) else None
    return "" if value is None or value != value else str(value).strip()  # NaN


def _written(asked: Any, labels: Sequence[str]) -> Steps[tuple[str, str]]:
    # a label has at most as many tokens as bytes: one that is longer than the reply could never be right
    longest = max(len(label.encode("utf-8", "replace")) for label in labels)
    reply = yield from ask(Generate(asked, max_new_tokens=max(_REPLY_TOKENS, longest)))
    return named(reply.text, labels), reply.text


def named(text: str, labels: Sequence[str]) -> str:
    """Return the one label that a reply names as a word; :data:`NONE` if it names none or several. A label inside of a longer
    one does not count."""
    left, found = text.casefold(), list[str]()
    for label in sorted(labels, key=len, reverse=True):
        if label.casefold() not in left:
            continue
        pattern = rf"(?<!\w){re.escape(label.casefold())}(?!\w)"
        if re.search(pattern, left):
            found.append(label)
            left = re.sub(pattern, " ", left)
    return found[0] if len(found) == 1 else NONE


def _likeliest(asked: Any, labels: Sequence[str]) -> Steps[tuple[str, str]]:
    scored = yield from ask_all([Loglikelihood(asked, label) for label in labels])
    scores = [one.sum / len(label) for one, label in zip(scored, labels, strict=True)]
    top = max(scores) if all(map(math.isfinite, scores)) else math.nan
    best = [label for label, score in zip(labels, scores, strict=True) if score == top]
    shown = ", ".join(f"{label} {score:.3f}" for label, score in zip(labels, scores, strict=True))
    return best[0] if len(best) == 1 else NONE, shown


def pairs(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the true label and the answer of each finding; what could not be judged has the answer :data:`NONE`."""
    return [(str(f.group or f.evidence.get("expected", "")), str(f.evidence.get("answer", NONE))) for f in findings]


def macro_f1(findings: Sequence[Finding], labels: Sequence[str]) -> Estimate:
    """Return the mean over labels of F1, with a percentile bootstrap of whole texts at 90 %: each bound at 95 %.

    Raises:
        ValueError: a text whose label is lost, since its request failed.
    """
    from ..stats import macro_f1_interval

    seen = pairs(findings)
    lost = sum(not true for true, _ in seen)
    if lost:
        raise ValueError(f"{lost} of {len(seen)} texts could not be judged, and macro-F1 is of all")
    value, ends = macro_f1_interval([a for a, _ in seen], [b for _, b in seen], labels, 0.9, resamples=RESAMPLES, seed=SEED)
    method = f"bootstrap of texts, {RESAMPLES:,} resamples, seed {SEED}"
    return Estimate(value, ends.lower, ends.upper, len(seen), method, ends.confidence)


def measures(findings: Sequence[Finding], labels: Sequence[str]) -> Iterable[Measure]:
    """Yield accuracy and macro-F1 of all texts, and the confusion matrix: a row for each true label, a column for each answer.

    Of texts of which one has no answer, since its request failed, the accuracy alone: it counts as wrong there.
    """
    from ..stats import exact_interval

    seen = pairs(findings)
    if not seen:
        return
    exact = "exact (Clopper and Pearson)"
    right = sum(true == said for true, said in seen)
    made = exact_interval(right, len(seen))
    yield Measure("accuracy", Estimate(right / len(seen), made.lower, made.upper, len(seen), exact))
    if not all(true for true, _ in seen):
        return
    yield Measure("macro-F1", macro_f1(findings, labels))
    answers: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for true, answer in seen:
        answers.setdefault(true, Counter())[answer] += 1
    for label in labels:
        own, n = answers[label], answers[label].total()
        for answer in ((*labels, NONE) if len(labels) <= _WHOLE_MATRIX else sorted(own)) if n else ():
            ends = exact_interval(own[answer], n)
            yield Measure(f"as {answer}", Estimate(own[answer] / n, ends.lower, ends.upper, n, exact), label)
