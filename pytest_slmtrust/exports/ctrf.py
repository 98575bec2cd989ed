"""Common Test Report Format: a test for each gate, and one for the verdict of the whole.

``passed`` is a blocking gate that is PASS. A red one is ``failed``, one that was not tested ``skipped``, and everything that
does not decide is ``other``.
"""

from __future__ import annotations

from typing import Any

from .source import TOOL, Row, Source, Standing, installed, to_json

SPEC = "0.0.0"
_STATUS = {
    Standing.PASSED: "passed", Standing.RED: "failed", Standing.ABSENT: "skipped", Standing.WAIVED: "other",
    Standing.ADVISORY: "other", Standing.MEASURED: "other",
}  # fmt: skip


def write(source: Source) -> str:
    """Return the report."""
    whole = "passed" if source.passed else "failed" if source.red else "other"
    tests: list[dict[str, Any]] = [
        {"name": "slmtrust verdict", "status": whole, "duration": 0, "rawStatus": source.head["verdict"],
         "message": source.head["sentence"]},
        *map(_test, source.rows),
    ]  # fmt: skip
    counts = {status: sum(t["status"] == status for t in tests) for status in ("passed", "failed", "skipped", "pending", "other")}
    start, stop = (_milliseconds(source, field) for field in ("started", "ended"))
    summary = {"tests": len(tests), **counts, "start": start, "stop": stop, "extra": source.head}
    results = {"tool": {"name": TOOL, "version": source.version}, "summary": summary, "tests": tests}
    made = {
        "reportFormat": "CTRF", "specVersion": SPEC, "reportId": source.identity("ctrf"),
        "generatedBy": f"slmtrust export {installed()}", "results": results,
    }  # fmt: skip
    return to_json(made)


def _test(row: Row) -> dict[str, Any]:
    said = f"{row.gate.status}: {row.reason}" + (f" ({row.note})" if row.note else "")
    return {
        "name": row.name, "status": _STATUS[row.standing], "duration": 0, "rawStatus": str(row.gate.status), "message": said,
        "suite": [row.facts["dimension"]], "extra": dict(row.facts),
    }  # fmt: skip


def _milliseconds(source: Source, field: str) -> int:
    moment = source.moment(field)
    return max(0, int(moment.timestamp() * 1000)) if moment else 0
