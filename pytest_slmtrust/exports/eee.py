"""Every Eval Ever 0.3: a result for each gate that has a number which says something.

A gate that was not tested, whose detector is INVALID, or whose good answers are UNEARNED has no score here: it is listed, with
all others, in ``eval_library.additional_details``.
"""

from __future__ import annotations

import json
from typing import Any

from ..audit.quantities import AT_LEAST
from .public_sets import public_set
from .source import TOOL, Row, Source, text, to_json

SCHEMA = "0.3.0"


def write(source: Source) -> str:
    """Return one aggregate record."""
    audit = source.audit
    results = [_result(source, row, number) for number, row in enumerate(source.rows)]
    made: dict[str, Any] = {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation_id(source),
        "retrieved_timestamp": _seconds(source),
        "source_metadata": {
            "source_name": TOOL, "source_type": "evaluation_run", "source_organization_name": "unknown",
            "evaluator_relationship": "other", "additional_details": _strings(source.head),
        },
        "eval_library": {
            "name": TOOL, "version": source.version,
            "additional_details": {"gates": json.dumps([dict(row.facts) for row in source.rows], sort_keys=True)},
        },
        "model_info": {
            "name": source.model, "id": model_id(source),
            "additional_details": {
                "deployment_type": "unknown", "model_availability": "unknown", "files": json.dumps(
                    {text(name): digest for name, digest in source.files.items()}),
            },
        },
        "evaluation_results": [one for one in results if one is not None],
    }  # fmt: skip
    if audit.provenance.get("started"):
        made["evaluation_timestamp"] = text(audit.provenance["started"])
    return to_json(made)


def evaluation_id(source: Source) -> str:
    """Return the name of the record, by which its samples refer to it."""
    return f"slmtrust/{source.model}/{_seconds(source)}"


def model_id(source: Source) -> str:
    """Return the model's id of the hub, else its name."""
    return text(source.audit.model.get("hub_id", "") or source.model)


def result_id(row: Row, number: int) -> str:
    """Return the name of a gate's result; ``number`` is its place in the audit."""
    return f"{number}-{row.name}"


def _seconds(source: Source) -> str:
    moment = source.moment("ended")
    return f"{moment.timestamp():.1f}" if moment else "0.0"


def _result(source: Source, row: Row, number: int) -> dict[str, Any] | None:
    shown = row.shown
    if shown is None:
        return None
    details: dict[str, Any] = {"score": shown.value, "details": _strings({**row.facts, "verdict": source.head["verdict"]})}
    details["details"] |= {"note": row.note, "reason": row.reason}
    if row.confidence is not None and shown.lower is not None and shown.upper is not None:
        interval = {
            "lower": shown.lower, "upper": shown.upper, "confidence_level": row.confidence, "method": text(shown.kind),
        }  # fmt: skip
        details["uncertainty"] = {"confidence_interval": interval, "num_samples": row.gate.items}
    share = shown.unit == "share"
    metric = {
        "evaluation_description": row.claim, "metric_id": f"slmtrust.{row.facts['quantity']}",
        "metric_name": text(row.gate.metric) or row.facts["quantity"], "metric_kind": row.facts["quantity"],
        "metric_unit": "proportion" if share else "number", "lower_is_better": row.gate.side != AT_LEAST,
        "score_type": "continuous", "min_score": 0 if share else None, "max_score": 1 if share else None,
    }  # fmt: skip
    return {
        "evaluation_result_id": result_id(row, number), "evaluation_name": row.name, "source_data": _data(source, row),
        "metric_config": metric, "score_details": details,
    }  # fmt: skip


def _data(source: Source, row: Row) -> dict[str, Any]:
    found = public_set(source.audit, row.gate)
    if found is None:
        return {"dataset_name": f"rows of the probe {row.name}", "source_type": "other"}
    return {"dataset_name": found.name, "source_type": "hf_dataset", "hf_repo": found.name, "hf_split": found.split}


def _strings(values: Any) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value, sort_keys=True) for name, value in values.items()}
