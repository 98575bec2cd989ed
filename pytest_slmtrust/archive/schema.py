"""The published JSON Schema of an audit, checked in a time that grows with its size alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from ..audit.dimension import Dimension
from ..audit.model import AuditError
from ..escaping import visible

#: With more gates a page is of no use to a reader, and each takes milliseconds to check.
MOST_GATES = 2_000
_FINDING = frozenset(
    ("answers", "case", "dimension", "evidence", "group", "nodeid", "outcome", "probe", "reason", "score", "source")
)
_OUTCOMES = frozenset(("passed", "failed", "measured", "unscored", "error"))
_DIMENSIONS = frozenset(map(str, Dimension))
_ROOT, _SHORT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")


def check_schema(data: Any) -> None:
    """Check parsed JSON against ``audit.schema.json``.

    Findings are many and alike: those that are plainly sound are not put before the general checker, which takes half a
    millisecond for each.

    Raises:
        AuditError: the data do not fit; the message begins with the JSON path of the first fault.
    """
    if not isinstance(data, dict):
        _check(data, "$")
        return
    gates = data.get("gates")
    if isinstance(gates, list) and len(gates) > MOST_GATES:
        raise AuditError(f"$.gates: {len(gates)} gates; a report of more than {MOST_GATES} is of no use to a reader")
    thin = {**data}
    for place, holder in (("$", thin), ("$.baseline", thin.get("baseline"))):
        if isinstance(holder, dict) and isinstance(holder.get("findings"), list):
            findings = holder["findings"]
            for number, one in _doubtful(findings):
                _check(one, f"{place}.findings[{number}]", "finding")
            if place == "$":
                thin["findings"] = []
            else:
                thin["baseline"] = {**holder, "findings": []}
    _check(thin, "$")


def _doubtful(findings: list[Any]) -> Iterator[tuple[int, Any]]:
    for number, one in enumerate(findings):
        if not _sound(one):
            yield number, one


def _sound(one: Any) -> bool:
    """Whether a finding is what the schema says, without a doubt."""
    return (
        isinstance(one, dict)
        and one.keys() == _FINDING
        and all(isinstance(one[name], str) for name in ("nodeid", "probe", "case", "source", "reason"))
        and bool(one["nodeid"] and one["probe"])
        and one["dimension"] in _DIMENSIONS
        and one["outcome"] in _OUTCOMES
        and (one["score"] is None or (isinstance(one["score"], (int, float)) and not isinstance(one["score"], bool)))
        and (one["group"] is None or isinstance(one["group"], str))
        and isinstance(one["evidence"], dict)
        and (one["answers"] is None or _answers(one["answers"]))
    )


def _answers(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.keys() == {"root", "short"}
        and isinstance(one["root"], str)
        and _ROOT.fullmatch(one["root"]) is not None
        and isinstance(one["short"], list)
        and all(isinstance(short, str) and _SHORT.fullmatch(short) for short in one["short"])
    )


def _check(data: Any, place: str, part: str = "") -> None:
    """Put data before the general checker: the whole schema, or one of its parts."""
    from jsonschema.exceptions import relevance

    errors = list(_validator(part).iter_errors(data))
    if errors:
        first = max(errors, key=relevance)
        while first.context:  # of the alternatives, the one that got furthest
            first = max(first.context, key=lambda error: len(error.absolute_path))
        path = visible(first.json_path.replace("$", place, 1), one_line=True)
        message = first.message if len(first.message) <= 300 else f"{first.message[:300]} …"
        raise AuditError(f"{path}: {visible(message, one_line=True)}")


@cache
def _validator(part: str) -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(resources.files("pytest_slmtrust.reports").joinpath("audit.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]} if part else schema)
