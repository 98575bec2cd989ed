"""From the documents of a task to a probe: its cases, its verdicts, and what its gate holds to a limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...audit.dimension import Dimension
from ...audit.model import Estimate, Finding, Measure
from ...authoring.datafiles import NotAskable
from ...authoring.declarations import Criterion, Profile, Row, Verdict
from ...authoring.probe import Probe
from ...escaping import said
from ...requests import Generate, Loglikelihood, Request, Steps, ask_all
from .documents import Documents, Scores, questions, shown
from .numbers import Kind, Main, estimates, main_of


def probe_of(documents: Documents, name: str, dimension: Dimension, claim: str) -> Probe:
    """Return the probe of a task. Nothing is asked here but its own code, on made-up answers.

    Raises:
        Exception: whatever the task's own code raises.
    """
    main = main_of(documents)
    needs: type[Request[Any]] = Generate if documents.task.OUTPUT_TYPE == "generate_until" else Loglikelihood

    def rows(profile: Profile) -> list[Row]:  # noqa: ARG001
        try:
            digests = documents.digests()
        except Exception as error:  # the task's own documents
            raise NotAskable(f"its documents cannot be read: {said(error)}") from None
        return [Row({"document": n, "sha256": digest}, str(n), str(n)) for n, digest in enumerate(digests)]

    def run(document: int, sha256: str = "") -> Steps[Verdict]:  # noqa: ARG001 - it tells the row from one of another gold
        """Ask what a document asks, and let the task judge."""
        instances = documents.instances(document)
        asked = [questions(one) for one in instances]
        flat = yield from ask_all([question for some in asked for question in some])
        answers = iter(flat)
        grouped = [[next(answers) for _ in some] for some in asked]
        scores = documents.judge(document, instances, grouped)
        return _verdict(scores, main, _evidence(instances, grouped, scores))

    return Probe(
        name, dimension, run, rows, claim, criterion=_criterion(documents, main), needs=(needs,),
        measures=lambda findings: _measures(documents, findings),
        detector=f"{documents.name} of lm-evaluation-harness, version {documents.version or 'not given'}, "
        f"sha256 {documents.judge_sha256}",
        metric=main.title, unit="documents", verb=f"failed ({main.title})",
    )  # fmt: skip


def _verdict(scores: Scores, main: Main, evidence: Mapping[str, Any]) -> Verdict:
    value = scores.get(main.key)
    if main.kind is Kind.METRIC:  # the task's number is of all documents
        return Verdict(None, 1.0 if main.key in scores else None, evidence, None, "" if main.key in scores else _no_value(main))
    if not isinstance(value, (int, float)) and not hasattr(value, "item"):
        return Verdict.unscored(_no_value(main), **evidence)
    number = float(value)  # type: ignore[arg-type]
    if main.kind is Kind.MEAN:
        return Verdict(None, number, evidence)
    if number not in (0.0, 1.0):
        return Verdict.unscored(f"{main.title} is {number:g}; it was expected to be 0 or 1", **evidence)
    return Verdict((number == 1.0) is main.higher, None, evidence)


def _no_value(main: Main) -> str:
    return f"the task gave no value of {main.title} for this document"


def _evidence(instances: Sequence[Any], answers: Sequence[Sequence[Any]], scores: Scores) -> dict[str, Any]:
    """Return what a reader needs: prompt, replies or log-likelihoods, and the values that are plain numbers."""
    first = questions(instances[0])[0]
    made: dict[str, Any] = {}
    if isinstance(first, Generate):
        made["prompt"] = shown(first.prompt)
        replies = [one.text for own in answers for one in own]
        made |= {"reply": replies[0]} if len(replies) == 1 else {"replies": replies}
    elif isinstance(first, Loglikelihood):
        made["prompt"] = shown(first.context) if first.context else first.continuation
        asked = [questions(one)[0] for one in instances]
        texts = [one.continuation for one in asked if isinstance(one, Loglikelihood)]
        sums = [round(own[0].sum, 4) for own in answers]
        made["log_likelihoods"] = [[text if first.context else text[:80], total] for text, total in zip(texts, sums, strict=True)]
    values = {_named(key): _plain(value) for key, value in scores.items()}
    return made | {"values": {name: value for name, value in values.items() if value is not None}}


def _named(key: tuple[str, str]) -> str:
    metric, name = key
    return metric if name == "none" else f"{metric} ({name})"


def _plain(value: Any) -> float | None:
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return round(number, 6) if math.isfinite(number) else None


def _criterion(documents: Documents, main: Main) -> Criterion | None:
    """Return what the gate holds to a limit; None for the rate of failing documents. It decides where a user sets a limit."""
    if main.kind is Kind.RATE:
        return None
    if main.kind is Kind.MEAN:
        of: Any = "mean"
    else:

        def of(findings: Sequence[Finding]) -> Estimate:
            found = dict(estimates(documents, _judged(documents, findings)))
            if main.key not in found:
                raise ValueError(f"{main.title} is no finite number")
            return found[main.key]

    return Criterion(of, at_least=0.5, measured=True) if main.higher else Criterion(of, at_most=0.5, measured=True)


def _measures(documents: Documents, findings: Sequence[Finding]) -> list[Measure]:
    """Return the task's own numbers, by metric and filter; none where a document has no value: they are of all or of none."""
    if any(one.outcome == "error" or int(one.case) not in documents.scores for one in findings):
        return []
    return [Measure(_named(key), estimate) for key, estimate in estimates(documents, _judged(documents, findings))]


def _judged(documents: Documents, findings: Sequence[Finding]) -> list[int]:
    """Return the documents of findings in their order.

    Raises:
        ValueError: one of them has no value.
    """
    numbers = sorted(int(one.case) for one in findings)
    lost = sum(number not in documents.scores for number in numbers)
    if lost:
        raise ValueError(f"{lost} of {len(numbers)} documents have no value, and the task's number is of all")
    return numbers
