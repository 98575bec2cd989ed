"""CycloneDX 1.6 ML-BOM: the model as a component with its files, and its model card with the numbers of the audit."""

from __future__ import annotations

import json
from typing import Any

from ..audit.verdict import SILENT
from .source import TOOL, Row, Source, installed, text, to_json

#: Fairness is assessed here, whatever the status of its gates is.
_FAIRNESS = "fairness"
#: What the number of a gate is, for a reader who sees it alone: a rate of 0.45 could be one of passes.
_NUMBERS = {"rate": "rate of failing items", "mean": "mean score", "gap": "largest gap of failing rates between groups"}


def write(source: Source) -> str:
    """Return the bill of materials."""
    tool = {
        "type": "application",
        "name": TOOL,
        "version": installed(),
    }
    metadata: dict[str, Any] = {"tools": {"components": [tool]}, "component": _model(source)}
    moment = source.moment("ended")
    if moment is not None:
        metadata["timestamp"] = moment.isoformat()
    made = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{source.identity('cyclonedx')}", "version": 1, "metadata": metadata,
    }  # fmt: skip
    return to_json(made)


def _model(source: Source) -> dict[str, Any]:
    model = source.audit.model
    made: dict[str, Any] = {
        "type": "machine-learning-model", "bom-ref": "model", "name": source.model, "modelCard": _card(source),
        "properties": _properties(source),
    }  # fmt: skip
    if source.files:
        made["components"] = [
            {"type": "file", "bom-ref": f"file-{number}", "name": text(name), "hashes": [{"alg": "SHA-256", "content": digest}]}
            for number, (name, digest) in enumerate(source.files.items())
        ]
    if model.get("revision"):
        made["version"] = text(model["revision"])
    return made


def _card(source: Source) -> dict[str, Any]:
    model = source.audit.model
    parameters = {"task": "text-generation"}
    if model.get("architecture"):
        parameters["modelArchitecture"] = text(model["architecture"])
    considerations: dict[str, Any] = {"technicalLimitations": list(_limits(source))}
    tested = [row for row in source.rows if row.gate.dimension == _FAIRNESS and row.gate.status not in SILENT]
    fairness = [_assessment(row) for row in tested]
    if fairness:
        considerations["fairnessAssessments"] = fairness
    return {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": [m for row in source.rows if (m := _metric(row)) is not None]},
        "considerations": considerations,
    }  # fmt: skip


def _metric(row: Row) -> dict[str, Any] | None:
    """Return the number of a gate with its bounds; None for a gate whose numbers say nothing."""
    shown = row.shown
    if shown is None:
        return None
    note = f"; {row.note}" if row.note else ""
    quantity = str(row.facts["quantity"])
    made: dict[str, Any] = {"type": f"{row.name}: {_NUMBERS.get(quantity, quantity)}", "value": repr(shown.value)}
    made["slice"] = f"{row.facts['dimension']}; {row.gate.status}{note}"
    if shown.lower is not None and shown.upper is not None:
        made["confidenceInterval"] = {"lowerBound": repr(shown.lower), "upperBound": repr(shown.upper)}
    return made


def _assessment(row: Row) -> dict[str, str]:
    """Say what a fairness gate found, as a harm only: no audit shows a benefit."""
    groups = ", ".join(text(one.group) for one in row.gate.groups) or "groups that the probe names"
    note = f" ({row.note})" if row.note else ""
    return {"groupAtRisk": groups, "harms": f"{row.name}: {row.gate.status}: {row.reason}{note}"}


def _limits(source: Source) -> list[str]:
    said = [f"Audit: {source.head['sentence']}", *source.head["notes"]]
    return said + [text(f"Not tested: {row.what} ({row.dimension or 'all'}): {row.reason}") for row in source.audit.not_tested]


def _properties(source: Source) -> list[dict[str, str]]:
    """Return every field of every gate, so that a reader of the file needs no audit.json."""
    made = [{"name": f"slmtrust:audit:{name}", "value": _plain(value)} for name, value in source.head.items()]
    return made + [{"name": "slmtrust:gate", "value": json.dumps(row.facts, sort_keys=True)} for row in source.rows]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
