"""SARIF 2.1.0: a rule for each gate, and a result for each gate that does not hold.

A red gate is an ``error`` if it FAILs or its detector is INVALID, else a ``warning``. A failing gate that does not block is a
``note``, and a waived one has a suppression. No result is ever of kind ``pass``.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..audit.model import Status
from ..audit.nodeids import PACKS
from .source import TOOL, Row, Source, Standing, installed, text, to_json

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PROBES = "pytest_slmtrust.probes"


def write(source: Source) -> str:
    """Return the whole log of one run."""
    names = Counter(row.name for row in source.rows)
    ids = [row.name if names[row.name] == 1 else row.facts["nodeid"] for row in source.rows]
    results = [r for index, row in enumerate(source.rows) if (r := _result(row, ids[index], index)) is not None]
    driver = {
        "name": TOOL, "version": source.version,
        "rules": [_rule(row, name) for row, name in zip(source.rows, ids, strict=True)],
    }  # fmt: skip
    run = {
        "tool": {"driver": driver},
        "conversion": {"tool": {"driver": {"name": "slmtrust export", "version": installed()}}},
        "invocations": [_invocation(source)],
        "results": results,
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SITE_PACKAGES": {"description": {"text": "The folder that pytest_slmtrust is installed in."}}},
        "properties": source.head,
    }
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(row: Row, name: str) -> dict[str, Any]:
    return {
        "id": name, "name": row.name, "shortDescription": {"text": row.claim or row.name},
        "defaultConfiguration": {"level": "error" if row.gate.blocking else "note"}, "properties": dict(row.facts),
    }  # fmt: skip


def _result(row: Row, rule: str, index: int) -> dict[str, Any] | None:
    status, failing = row.gate.status, row.gate.status in (Status.FAIL, Status.INVALID)
    if row.standing is Standing.RED or row.standing is Standing.WAIVED:
        level = "error" if failing else "warning"
    elif failing:
        level = "note"
    else:
        return None
    said = f"{status}: {row.reason}" + (f" ({row.note})" if row.note else "")
    made = {
        "ruleId": rule, "ruleIndex": index, "kind": "fail", "level": level, "message": {"text": said},
        "locations": [_location(row)], "partialFingerprints": {"gate/v1": _fingerprint(row)},
        "properties": {"status": str(status), "counts_as": str(row.standing)},
    }  # fmt: skip
    if row.standing is Standing.WAIVED:
        made["suppressions"] = [{"kind": "external", "status": "accepted", "justification": row.note}]
    return made


def _fingerprint(row: Row) -> str:
    """Return what is the same for a gate in every run, so that a service follows it from run to run."""
    return hashlib.sha256(row.facts["nodeid"].encode()).hexdigest()


def _location(row: Row) -> dict[str, Any]:
    """Return the file of the probe: a user's own from the gate's name, a built-in one's in the installed package."""
    nodeid = row.gate.nodeid
    logical = [{"fullyQualifiedName": row.facts["nodeid"], "kind": "function"}]
    if not nodeid.startswith(PACKS):
        path = text(nodeid.partition("::")[0])
        return {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}}, "logicalLocations": logical}
    file, line = _built_in().get((row.gate.dimension, row.gate.probe), ("audit.json", 1))
    base = {"uriBaseId": "SITE_PACKAGES"} if file != "audit.json" else {}
    place = {"artifactLocation": {"uri": file, **base}, "region": {"startLine": line}}
    return {"physicalLocation": place, "logicalLocations": logical}


def _uri(path: str) -> str:
    """Return a relative reference: no scheme, no host, no way out of the folder."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return quote("/".join(parts), safe="/") or "unknown"


@cache
def _built_in() -> dict[tuple[str, str], tuple[str, int]]:
    """Return file and line of each built-in probe, from the folder that the package is installed in."""
    found = {}
    for probe in import_module(_PROBES).pytest_slm_probes():
        code = inspect.unwrap(probe.run).__code__
        found[str(probe.dimension), probe.name] = f"pytest_slmtrust/probes/{Path(code.co_filename).name}", code.co_firstlineno
    return found


def _invocation(source: Source) -> dict[str, Any]:
    notes = [{"level": "error" if source.red else "note", "message": {"text": source.head["sentence"]}}]
    notes += [{"level": "warning", "message": {"text": note}} for note in source.head["notes"]]
    notes += [
        {"level": "warning", "message": {"text": f"{row.gate.status}: {row.name}: {row.reason}"}}
        for row in source.rows
        if row.standing is Standing.ABSENT
    ]
    made: dict[str, Any] = {"executionSuccessful": not source.audit.incomplete, "toolExecutionNotifications": notes}
    for field, name in (("started", "startTimeUtc"), ("ended", "endTimeUtc")):
        moment = source.moment(field)
        if moment is not None:
            made[name] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return made
