"""Findings as a table, CSV or Parquet: a row for each finding, with the numbers of its gate.

Each row says the verdict, so that no part of a table is taken for a pass. A gate without findings has one row; so has an audit
without gates.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..audit.counting import ByGate
from ..audit.model import AuditError, Finding
from .source import Source, evidence, text

_GATE = {
    "gate": "gate", "gate_nodeid": "nodeid", "gate_status": "status", "gate_counts_as": "counts_as", "gate_blocking": "blocking",
    "gate_quantity": "quantity", "gate_side": "side", "gate_tolerance": "tolerance", "gate_alpha": "alpha", "gate_items": "items",
    "gate_cases": "cases", "gate_failures": "failures", "gate_unscored": "unscored", "gate_errors": "errors",
    "gate_lower": "lower", "gate_upper": "upper", "gate_best": "best", "gate_worst": "worst",
}  # fmt: skip
_FINDING = ("nodeid", "probe", "dimension", "case", "source", "outcome", "score", "group", "reason", "evidence")
COLUMNS = ("verdict", *_FINDING, *_GATE)
_WHOLE = ("gate_items", "gate_cases", "gate_failures", "gate_unscored", "gate_errors")
_REAL = ("score", "gate_tolerance", "gate_alpha", "gate_lower", "gate_upper", "gate_best", "gate_worst")
#: How a cell begins that a spreadsheet takes for a formula, in full width too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def table(source: Source) -> Iterator[dict[str, Any]]:
    """Yield the rows, cleaned, in the order of gates and of their findings; findings without a gate come last."""
    audit = source.audit
    head = {"verdict": str(audit.verdict)}
    by_gate, seen = ByGate(audit.findings), set()
    for row in source.rows:
        numbers = head | {column: row.facts[name] for column, name in _GATE.items()}
        own = [] if row.gate.versus else by_gate.of(row.gate)
        seen |= {found.nodeid for found in own}
        yield from (numbers | _cells(found) for found in own)
        if not own:
            yield numbers | {"probe": text(row.gate.probe), "dimension": text(row.gate.dimension), "reason": row.reason}
    yield from (head | _cells(found) for found in audit.findings if found.nodeid not in seen)
    if not source.rows and not audit.findings:
        yield head | {"reason": text(audit.sentence)}


def _cells(found: Finding) -> dict[str, Any]:
    made = {name: getattr(found, name) for name in _FINDING}
    made["evidence"] = json.dumps(evidence(found.evidence), sort_keys=True, ensure_ascii=True)
    return {name: text(value) if isinstance(value, str) and name != "evidence" else value for name, value in made.items()}


def write_csv(source: Source) -> str:
    """Return the table as RFC 4180 has it; a text that a spreadsheet takes for a formula has an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row.get(name)) for name in COLUMNS] for row in table(source))
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.lstrip().startswith(_FORMULA) else value
    return str(value).lower() if isinstance(value, bool) else value


def write_parquet(source: Source) -> bytes:
    """Return the table with typed columns; the head of the audit is in the file's metadata, under ``slmtrust``.

    Raises:
        AuditError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise AuditError("--to parquet needs pyarrow, which is not installed: pip install pyarrow, or use --to csv") from None
    kinds: Mapping[str, Any] = {
        **dict.fromkeys(COLUMNS, pyarrow.string()), **dict.fromkeys(_WHOLE, pyarrow.int64()),
        **dict.fromkeys(_REAL, pyarrow.float64()), "gate_blocking": pyarrow.bool_(),
    }  # fmt: skip
    rows = list(table(source))
    made = pyarrow.table(
        {name: pyarrow.array([_real(row.get(name), name) for row in rows], kind) for name, kind in kinds.items()},
        metadata={"slmtrust": json.dumps(source.head)},
    )
    out = io.BytesIO()
    pyarrow.parquet.write_table(made, out)
    return out.getvalue()


def _real(value: Any, name: str) -> Any:
    return float(value) if name in _REAL and value is not None else value
