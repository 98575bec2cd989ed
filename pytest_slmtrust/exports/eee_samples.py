"""Every Eval Ever 0.3, instance level: one line of JSON for each case that was judged, next to the record of :mod:`.eee`.

The format has no place for a case that could not be judged, or was only measured: it must be right or wrong. Such cases are left
out. A case that failed has the score 1 where its gate's number is a rate of failures, so that the lines add up to that number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..audit.counting import ByGate
from ..audit.model import Finding
from ..audit.quantities import quantity_of
from .eee import SCHEMA, evaluation_id, model_id, result_id
from .source import Row, Source, evidence, text

#: Keys of an evidence that hold the question, and those that hold what the model wrote, the first one present.
_QUESTION, _REPLY = ("prompt", "original", "request", "question"), ("reply", "replies", "original_reply")


def write(source: Source) -> str:
    """Return the lines, in the order of gates and of their findings."""
    by_gate = ByGate(source.audit.findings)
    return "".join(
        json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n"
        for number, row in enumerate(source.rows)
        if row.shown is not None and not row.gate.versus
        for line in _lines(source, row, number, by_gate.of(row.gate))
    )


def _lines(source: Source, row: Row, number: int, findings: list[Finding]) -> Iterator[dict[str, Any]]:
    rate = quantity_of(row.gate).counted
    for found in findings:
        score = float(found.outcome == "failed") if rate else found.score
        if found.outcome in ("passed", "failed") and score is not None:
            yield _line(source, row, number, found) | {"evaluation": {"score": score, "is_correct": found.outcome == "passed"}}


def _line(source: Source, row: Row, number: int, found: Finding) -> dict[str, Any]:
    held = evidence(found.evidence)
    asked = {"raw": _first(held, _QUESTION), "reference": _texts(held.get("gold"))}
    judged = _first(held, ("reading", "why"))
    drawn = {
        "turn_idx": 0, "source": "output.raw", "extracted_value": judged,
        "extraction_method": text(row.gate.detector) or "custom", "is_terminal": True,
    }  # fmt: skip
    return {
        "schema_version": SCHEMA, "evaluation_id": evaluation_id(source), "model_id": model_id(source),
        "evaluation_name": row.name, "evaluation_result_id": result_id(row, number), "sample_id": text(found.nodeid),
        "sample_hash": _hash(asked), "interaction_type": "single_turn", "input": asked,
        "output": {"raw": _texts(next((held[key] for key in _REPLY if held.get(key)), None))},
        "answer_attribution": [drawn] if judged else [],
        "metadata": {"item": text(found.source), "group": text(found.group or ""), "verdict": source.head["verdict"],
                     "gate_status": str(row.gate.status), "counts_as": str(row.standing)},
    }  # fmt: skip


def _first(held: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((_text(held[key]) for key in keys if held.get(key) not in (None, "", [], {})), "")


def _texts(value: Any) -> list[str]:
    """Return a text or a list of any values as texts; nothing as none."""
    if value is None:
        return []
    return [_text(one) for one in value] if isinstance(value, list) else [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=True)


def _hash(asked: Mapping[str, Any]) -> str:
    """Return the SHA-256 by which the format knows the same sample of several models again."""
    said = json.dumps({"raw": asked["raw"], "reference": asked["reference"]}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()
