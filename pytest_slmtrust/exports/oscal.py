"""OSCAL assessment results: an observation for each gate, and a finding for each that decides.

The state of a finding is ``satisfied`` only for a blocking gate that is PASS. The reviewed controls are the clauses of the
report towards which a gate gives evidence, pass or not; no finding is about a clause.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from ..audit.clauses import built_in, fits
from ..audit.verdict import SILENT
from .source import Row, Source, Standing, text, to_json

VERSION = "1.2.1"
_NAMESPACE = "urn:pytest-slmtrust"  # no address: the package has none, and a name of a registry is free to take


def write(source: Source) -> str:
    """Return the assessment results."""
    start = source.moment("started") or datetime.fromtimestamp(0, UTC)
    end = source.moment("ended") or start
    sentence = source.head["sentence"] or source.head["verdict"]
    result: dict[str, Any] = {
        "uuid": source.identity("result"), "title": f"Audit of {source.model}: {source.title}", "description": sentence,
        "start": start.isoformat(), "end": end.isoformat(), "props": _props(source.head),
        "reviewed-controls": _reviewed(source),
    }  # fmt: skip
    if source.rows:
        result["observations"] = [_observation(source, row, end) for row in source.rows]
    findings = [_finding(source, row) for row in source.rows if row.standing in _STATES]
    if findings:
        result["findings"] = findings
    remarks = [
        *source.head["notes"],
        *(f"{row.gate.status}: {row.name}" for row in source.rows if row.standing is Standing.ABSENT),
    ]
    if remarks:
        result["remarks"] = "\n\n".join(remarks)
    made = {
        "uuid": source.identity("oscal"),
        "metadata": {
            "title": f"pytest-slmtrust audit of {source.model}", "last-modified": end.isoformat(), "version": source.digest,
            "oscal-version": VERSION,
        },
        "import-ap": {"href": "#no-assessment-plan"},
        "results": [result],
    }  # fmt: skip
    return to_json({"assessment-results": made})


def _reviewed(source: Source) -> dict[str, Any]:
    """Return the clauses towards which a tested gate gives evidence, each framework by its id."""
    tested = [gate for gate in source.audit.gates if gate.status not in SILENT]
    made = []
    for framework in (*built_in(), *source.audit.settings.get("clauses", ())):
        rows = [row for row in framework.clause if any(fits(row, gate.probe, gate.dimension) for gate in tested)]
        if rows:
            about = f"{framework.title}. {framework.known_from}"
            ids = dict.fromkeys(_token(f"{framework.id}_{row.clause}") for row in rows)
            made.append({"description": text(about), "include-controls": [{"control-id": one} for one in ids]})
    none = {"description": "No gate was tested.", "include-controls": [{"control-id": "none"}]}
    said = "Clauses towards which a gate gives evidence, whatever its result. Evidence is not conformity."
    return {"description": said, "control-selections": made or [none]}


def _token(name: str) -> str:
    """Return a name as OSCAL has ids: letters, digits, dots, dashes; it begins with a letter."""
    plain = re.sub(r"[^a-z0-9.]+", "-", text(name).lower()).strip("-.")
    return f"c-{plain}"[:120]


_STATES = {
    Standing.PASSED: ("satisfied", "pass"),
    Standing.RED: ("not-satisfied", "fail"),
    Standing.WAIVED: ("not-satisfied", "other"),
}


def _observation(source: Source, row: Row, collected: datetime) -> dict[str, Any]:
    note = f" ({row.note})" if row.note else ""
    return {
        "uuid": source.identity("observation", row.gate.nodeid), "title": row.name,
        "description": f"{row.gate.status}: {row.reason}{note}", "props": _props(row.facts), "methods": ["TEST"],
        "types": ["finding" if row.standing in _STATES else "discovery"], "collected": collected.isoformat(),
        "relevant-evidence": [{"description": f"audit.json, sha256 {source.digest}"}],
    }  # fmt: skip


def _finding(source: Source, row: Row) -> dict[str, Any]:
    state, reason = _STATES[row.standing]
    target = f"gate-{hashlib.sha256(row.facts['nodeid'].encode()).hexdigest()[:16]}"
    return {
        "uuid": source.identity("finding", row.gate.nodeid), "title": f"{row.name}: {row.gate.status}",
        "description": row.claim or row.name,
        "target": {
            "type": "objective-id", "target-id": target, "title": row.name,
            "status": {"state": state, "reason": reason, "remarks": f"{row.gate.status}: {row.reason}"},
        },
        "related-observations": [{"observation-uuid": source.identity("observation", row.gate.nodeid)}],
    }  # fmt: skip


def _props(values: Any) -> list[dict[str, str]]:
    """Return values as properties; OSCAL has no empty one."""
    made = []
    for name, value in values.items():
        shown = (value if isinstance(value, str) else repr(value)).strip()
        if shown and value is not None:
            made.append({"name": name.replace("_", "-"), "ns": _NAMESPACE, "value": shown})
    return made
