"""Tasks with labels: texts and their intents, routes or tags from a file, asked by generation or by likelihood."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..audit.dimension import Dimension
from ..audit.model import Estimate, Finding, Measure
from ..requests import Generate, Loglikelihood, Steps, ask, ask_all, chat
from .bars import Bar
from .datafiles import from_csv
from .declarations import Criterion, ProbeError, Verdict
from .probe import Probe

#: The answer of a reply that names no label, or several.
NONE = "(no label)"
#: Resamples and seed of the bootstrap.
RESAMPLES, SEED = 2000, 0
_PROMPT = "{task}\nLabels: {labels}.\n\nText: {text}\n\nAnswer with one label and nothing else."
Route = Literal["generate", "likelihood"]


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
        ProbeError: fewer than two labels, a text that occurs twice, or a bar without the number that the gate holds.
    """
    found = _rows(rows)
    labels = tuple(dict.fromkeys(row["label"] for row in found))
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
        estimand=f"texts like those of the file, {len(labels)} labels", metric="share of texts with a wrong label",
    )  # fmt: skip


def _rows(given: str | Path | Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    rows = from_csv(Path(given), {"text": str, "label": str}) if isinstance(given, (str, Path)) else given
    made = [{"text": str(row["text"]).strip(), "label": str(row["label"]).strip()} for row in rows]
    counted = Counter(row["text"].casefold() for row in made)
    twice = next((text for text, count in counted.items() if count > 1), None)
    if twice is not None:
        raise ProbeError(f"the text {twice[:60]!r} occurs twice: each text is one item")
    if len({row["label"] for row in made}) < 2:
        raise ProbeError("a task with labels needs at least two of them")
    if not all(row["text"] and row["label"] for row in made):
        raise ProbeError("a row has no text, or no label")
    return made


def _written(asked: Any, labels: Sequence[str]) -> Steps[tuple[str, str]]:
    reply = yield from ask(Generate(asked, max_new_tokens=16))
    return named(reply.text, labels), reply.text


def named(text: str, labels: Sequence[str]) -> str:
    """Return the one label that a reply names as a word; :data:`NONE` if it names none or several. A label inside of a longer
    one does not count."""
    left, found = text.casefold(), list[str]()
    for label in sorted(labels, key=len, reverse=True):
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
    """Return the mean over labels of F1, with a percentile bootstrap of whole texts at 90 %: each bound at 95 %."""
    from ..stats import macro_f1_interval

    seen = pairs(findings)
    value, ends = macro_f1_interval([a for a, _ in seen], [b for _, b in seen], labels, 0.9, resamples=RESAMPLES, seed=SEED)
    method = f"bootstrap of texts, {RESAMPLES:,} resamples, seed {SEED}"
    return Estimate(value, ends.lower, ends.upper, len(seen), method, ends.confidence)


def measures(findings: Sequence[Finding], labels: Sequence[str]) -> Iterable[Measure]:
    """Yield accuracy and macro-F1 of all texts, and the confusion matrix: a row for each true label, a column for each answer."""
    from ..stats import exact_interval

    seen = pairs(findings)
    if not seen:
        return
    exact = "exact (Clopper and Pearson)"
    right = sum(true == said for true, said in seen)
    made = exact_interval(right, len(seen))
    yield Measure("accuracy", Estimate(right / len(seen), made.lower, made.upper, len(seen), exact))
    yield Measure("macro-F1", macro_f1(findings, labels))
    for label in labels:
        said = [answer for true, answer in seen if true == label]
        for answer in (*labels, NONE):
            k = said.count(answer)
            if said:
                ends = exact_interval(k, len(said))
                yield Measure(f"as {answer}", Estimate(k / len(said), ends.lower, ends.upper, len(said), exact), label)
