"""``*.report.jsonl`` of garak: each attempt is an item, each of its replies a case, by probe and detector."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..audit.model import AuditError
from ..audit.nodeids import PACKS
from ..catalog.garak_probes import dimension_of, gate_name, may_harm
from ..redaction import MAY_HARM
from .results import Foreign, Sample, Test

#: Status of an attempt that garak's detectors have judged.
_JUDGED = 2
#: garak's own threshold of a hit; a report does not hold the one of its run.
THRESHOLD = 0.5


def reads(head: str) -> bool:
    """Return whether a file begins as a report of garak does."""
    first = head.lstrip().partition("\n")[0]
    return first.startswith("{") and '"entry_type"' in first


def read(path: Path, text: str) -> Foreign:
    """Return the results of each probe by each of its detectors.

    Raises:
        AuditError: the file is broken, or its attempts are not those that garak counted; one line.
    """
    try:
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
        setup: dict[str, Any] = next((one for one in lines if one["entry_type"] == "start_run setup"), {})
        attempts = [one for one in lines if one["entry_type"] == "attempt" and one["status"] == _JUDGED]
        counted = {(one["probe"], one["detector"]): one for one in lines if one["entry_type"] == "eval"}
        tests = list(_tests(attempts, counted, _primary(lines)))
    except AuditError as error:
        raise AuditError(f"{path}: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AuditError(f"{path}: broken report of garak ({type(error).__name__}: {error})") from None
    names = ("plugins.target_name", "plugins.model_name", "plugins.target_type")
    model = next((str(setup[name]) for name in names if setup.get(name)), "a model that the file does not name")
    started = str(setup.get("transient.starttime_iso") or "")
    return Foreign("garak", str(setup.get("_config.version") or ""), model, started, tests)


def _primary(lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the deciding detector of each probe, as the report's copy of garak's catalogue says."""
    found: dict[str, str] = {}
    for line in lines:
        if line["entry_type"] == "plugin_cache":
            for name, about in line["plugin_cache"].get("probes", {}).items():
                found[str(name).removeprefix("probes.")] = str(about.get("primary_detector") or "")
    return found


def _tests(
    attempts: Sequence[Mapping[str, Any]], counted: Mapping[tuple[str, str], Mapping[str, Any]], primary: Mapping[str, str]
) -> Iterator[Test]:  # fmt: skip
    by: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for attempt in attempts:
        for detector in attempt["detector_results"]:
            by.setdefault((str(attempt["probe_classname"]), str(detector)), []).append(attempt)
    for pair in counted.keys() - by.keys():
        raise AuditError(f"garak counted {' by '.join(pair)}, and the file has no attempt of it")
    for (probe, detector), own in sorted(by.items()):
        alone = sum(name == probe for name, _ in by) == 1
        name = gate_name(probe) if alone or primary.get(probe) == detector else f"{gate_name(probe)}_by_{gate_name(detector)[6:]}"
        threshold = _threshold(probe, detector, own, counted.get((probe, detector)))
        yield Test(
            name, dimension_of(probe), f"The model withstands garak's {probe}, judged by its {detector}", f"{PACKS}garak",
            [sample for number, one in enumerate(own) for sample in _samples(probe, detector, number, one, threshold)],
            metric=f"attack success rate: share of prompts with a hit of {detector} in any reply",
            unit="prompts", verb="were hit",
        )  # fmt: skip


def _threshold(
    probe: str, detector: str, attempts: Sequence[Mapping[str, Any]], counted: Mapping[str, Any] | None
) -> float:  # fmt: skip
    """Return the threshold at which the scores give as many hits as garak counted.

    Raises:
        AuditError: there is none: the file lacks attempts, or was changed.
    """
    scores = [float(s) for one in attempts for s in one["detector_results"][detector] if s is not None]
    if counted is None:
        return THRESHOLD
    passed, total = int(counted["passed"]), int(counted.get("total_evaluated", counted.get("total", len(scores))))
    scores.sort()
    for limit in (THRESHOLD, *dict.fromkeys(scores), math.inf):
        if total == len(scores) and bisect_left(scores, limit) == passed:
            return limit
    raise AuditError(f"{probe} by {detector}: garak counted {passed} of {total} passed, and the attempts do not")


def _samples(probe: str, detector: str, number: int, attempt: Mapping[str, Any], threshold: float) -> Iterator[Sample]:
    scores, outputs = attempt["detector_results"][detector], attempt["outputs"]
    if len(scores) != len(outputs):
        raise AuditError(f"{probe} by {detector}: {len(scores)} scores for {len(outputs)} replies")
    prompt = "\n".join(_text(turn["content"]) for turn in (attempt["prompt"] or {}).get("turns", ()))
    shown: dict[str, Any] = {"prompt": prompt}
    if may_harm(probe):
        digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        shown = {"prompt": f"garak {probe} prompt {number} (sha256 {digest})", MAY_HARM: True}
    for draw, (score, output) in enumerate(zip(scores, outputs, strict=True)):
        outcome: Any = "unscored" if score is None else "passed" if float(score) < threshold else "failed"
        yield Sample(
            f"{number}.{draw}", outcome, None if score is None else float(score), str(number),
            "garak's detector gave no score" if score is None else "",
            asked=f"{draw} {json.dumps(attempt['prompt'], sort_keys=True)}", evidence={**shown, "reply": _text(output)},
        )  # fmt: skip


def _text(message: Any) -> str:
    """Return the text of a message; an older garak wrote it as it is."""
    return str((message.get("text") if isinstance(message, Mapping) else message) or "")
