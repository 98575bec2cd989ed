"""A JSON log of inspect_ai (version 2): each sample in each epoch is a case, by scorer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..audit.model import AuditError
from ..audit.nodeids import PACKS
from ..authoring.declarations import Criterion
from ..catalog.harness import dimension_of
from ..catalog.registry import Choice
from .results import Foreign, Sample, Test, whole_object

#: Values that inspect's scorers write for right, partly right, wrong, and no answer.
_WORDS = {"c": 1.0, "p": 0.5, "i": 0.0, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
#: Metrics that are the mean of the samples' values.
_MEANS = ("accuracy", "mean")
_NEAR = 1e-6
#: Samples of the largest log, in all its epochs.
_MOST = 10**6
#: Characters among which the beginning of a log shows what it is.
_HEAD = 65536


def reads(text: str) -> bool:
    """Return whether a file begins as a log of inspect does."""
    head = text[:_HEAD]
    return head.lstrip().startswith("{") and all(f'"{name}"' in head for name in ("version", "status", "eval", "task_id"))


def read(path: Path, text: str) -> Foreign:
    """Return the results of each scorer.

    Raises:
        AuditError: the log holds no samples, or its numbers are not those of its samples; one line.
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: the file is broken.
    """
    try:
        data = json.loads(text, object_pairs_hook=whole_object)
        about, samples = data["eval"], data.get("samples")
        if not samples:
            raise AuditError("the log holds no samples, and a gate needs them")
        tests = list(_tests(about, data.get("results") or {}, samples))
    except AuditError as error:
        raise AuditError(f"{path}: {error}") from None
    version = str((about.get("packages") or {}).get("inspect_ai") or "")
    return Foreign("inspect_ai", version, str(about["model"]), str(about.get("created") or ""), tests, _notes(data, samples))


def _notes(data: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    if data["status"] != "success":
        found.append(f"UNFINISHED: inspect ended this run with status {str(data['status'])[:40]!r}")
    if any(int(one["epoch"]) > 1 for one in samples):
        found.append("EPOCHS: an item that was asked in several epochs fails if it failed in any; inspect reports their mean")
    return found


def _tests(about: Mapping[str, Any], results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Iterator[Test]:
    scorers = sorted({str(name) for one in samples for name in one.get("scores") or {}})
    if not scorers:
        raise AuditError("no sample has a score")
    absent = list(_absent(about, samples))
    for scorer in scorers:
        values = [_value((one.get("scores") or {}).get(scorer)) for one in samples]
        _check(scorer, results, samples, values)
        known = [value for value in values if _is_share(value)]
        binary = all(value in (0.0, 1.0) for value in known)
        task = _slug(str(about["task"]))
        name = f"inspect_{task}" + (f"_by_{_slug(scorer)}" if len(scorers) > 1 else "")
        own = [_sample(one, scorer, value, binary) for one, value in zip(samples, values, strict=True)]
        yield Test(
            name, dimension_of(task, Choice()), f"The model does the task {about['task']} of inspect, judged by {scorer}",
            f"{PACKS}inspect", [*own, *absent], unit="samples",
            criterion=None if binary else Criterion("mean", at_least=0.5, measured=True),
            metric=f"{scorer}: share of wrong samples" if binary else f"{scorer}: mean score",
        )  # fmt: skip


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.rpartition("/")[2].lower()).strip("_") or "task"


def _absent(about: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    """Yield what the run was to ask and the log has no sample of: an error, never a smaller denominator."""
    epochs = int((about.get("config") or {}).get("epochs") or 1)
    numbers = (about.get("dataset") or {}).get("sample_ids") or ()
    if not 0 < epochs * max(1, len(numbers)) <= _MOST:
        raise AuditError(f"it is of {len(numbers)} samples in {epochs:g} epochs")
    there = {(str(one["id"]), int(one["epoch"])) for one in samples}
    if len(there) < len(samples):
        raise AuditError("two samples have one id and epoch")
    for number in numbers:
        for epoch in range(1, epochs + 1):
            if (str(number), epoch) not in there:
                yield Sample(f"{number}.{epoch}", "error", source=str(number), reason="the log holds no sample of it")


def _value(score: Any) -> float | None:
    """Return a score as inspect's own metrics count it; None for one that is no single number."""
    value = score.get("value") if isinstance(score, Mapping) else None
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _WORDS:
            return _WORDS[word]
        try:
            value = float(word)
        except ValueError:
            return None
    return float(value) if isinstance(value, (bool, int, float)) and math.isfinite(value) else None


def _is_share(value: float | None) -> bool:
    """Return whether a score can be judged: means are of numbers in [0, 1]."""
    return value is not None and 0 <= value <= 1


def _check(
    scorer: str, results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], values: Sequence[float | None]
) -> None:  # fmt: skip
    """Refuse a log whose mean is not that of its samples.

    Raises:
        AuditError: it is another.
    """
    by: dict[str, list[float]] = {}
    for one, value in zip(samples, values, strict=True):
        if value is not None:
            by.setdefault(str(one["id"]), []).append(value)
    mean = sum(sum(own) / len(own) for own in by.values()) / len(by) if by else None
    for row in results.get("scores") or ():
        if str(row.get("name")) != scorer or row.get("reducer") not in (None, "mean"):
            continue
        for name in _MEANS:
            told = (row.get("metrics") or {}).get(name)
            if told and mean is not None and not math.isclose(float(told["value"]), mean, rel_tol=_NEAR, abs_tol=_NEAR):
                raise AuditError(f"{scorer}: the log says {name} {float(told['value']):g}, and its samples give {mean:g}")


def _sample(one: Mapping[str, Any], scorer: str, value: float | None, binary: bool) -> Sample:
    number, epoch = str(one["id"]), int(one["epoch"])
    evidence = {"prompt": _input(one["input"]), "reply": _reply(one.get("output") or {})}
    asked = json.dumps([one["input"], one.get("target"), one.get("choices")], sort_keys=True)
    whole = Sample(f"{number}.{epoch}", "unscored", source=number, asked=f"{epoch} {asked}", evidence=evidence)
    if one.get("error"):
        return replace(whole, outcome="error", reason=f"inspect ended it: {str(one['error'].get('message') or '')[:200]}")
    if value is None:
        reason = "it has no score" if scorer not in (one.get("scores") or {}) else "its score is no single number"
        return replace(whole, reason=reason)
    if not _is_share(value):
        return replace(whole, reason="its score does not lie between 0 and 1")
    if not binary:
        return replace(whole, outcome="measured", score=value)
    return replace(whole, outcome="passed" if value else "failed")


def _input(asked: Any) -> str:
    """Return a sample's input as text: a text, or the contents of its messages."""
    return asked if isinstance(asked, str) else "\n".join(_content(message.get("content")) for message in asked)


def _reply(output: Mapping[str, Any]) -> str:
    choices = output.get("choices") or ()
    return _content(choices[0]["message"].get("content")) if choices else str(output.get("completion") or "")


def _content(content: Any) -> str:
    """Return the text of a message, without images and thoughts."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text") or "") for part in content or () if part.get("type") == "text")
