"""A section for a model card of the hub: ``model-index`` metadata for public data sets, and a table of all gates that decide.

Results in the metadata are those of gates over a data set of the hub (:mod:`.public_sets`); the hub cannot name any other.
"""

from __future__ import annotations

import json
from typing import Any

from . import markdown
from .public_sets import public_set
from .source import TOOL, Row, Source


def write(source: Source) -> str:
    """Return the metadata block, if any gate has a public data set, and the section."""
    results = [made for row in source.rows if (made := _result(source, row)) is not None]
    index = [{"name": source.model, "results": results}]
    # JSON is YAML, but for pairs of surrogates in escapes: every text here can be written as it is
    head = f"---\nmodel-index: {json.dumps(index, ensure_ascii=False)}\n---\n\n" if results else ""
    return f"{head}{markdown.write(source)}"


def _result(source: Source, row: Row) -> dict[str, Any] | None:
    found, shown = public_set(source.audit, row.gate), row.shown
    if found is None or shown is None:
        return None
    dataset = {
        "name": found.name,
        "type": found.name,
        "config": found.configuration or "default",
        "split": found.split or "default",
    }
    verdict = f"{row.gate.status}; audit {source.head['verdict']}"
    metric: dict[str, Any] = {
        "type": row.facts["quantity"], "value": shown.value, "name": f"{row.name} ({verdict})",
        "args": {"lower": shown.lower, "upper": shown.upper, "items": row.gate.items, "status": str(row.gate.status),
                 "tool": f"{TOOL} {source.version}"},
    }  # fmt: skip
    return {
        "task": {"type": "text-generation"}, "dataset": dataset, "metrics": [metric],
    }  # fmt: skip
