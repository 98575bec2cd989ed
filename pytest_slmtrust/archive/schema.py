"""The published JSON Schema of an audit, made from the classes that hold one, and reading by the same."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from ..audit.encoding import read
from ..audit.model import FORMAT, Audit, AuditError
from ..audit.quantities import QUANTITIES
from ..audit.sections import ProfileSettings, Provenance, RunSettings
from ..escaping import visible

#: With more gates a page is of no use to a reader, and each takes milliseconds to check.
MOST_GATES = 2_000
#: Parts whose fields may be absent: a run that was refused early has not all of them.
_OPEN = tuple(part.__name__ for part in (ProfileSettings, Provenance, RunSettings))
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`|``([^`]+)``")


def read_data(data: Any) -> Audit:
    """Make an audit of parsed JSON that fits the published schema.

    Raises:
        AuditError: the data do not fit; the message begins with the JSON path of the first fault.
    """
    gates = data.get("gates") if isinstance(data, dict) else None
    if isinstance(gates, list) and len(gates) > MOST_GATES:
        raise AuditError(f"$.gates: {len(gates)} gates; a report of more than {MOST_GATES} is of no use to a reader")
    audit = read(Audit, data)
    for number, gate in enumerate(audit.gates):
        if gate.quantity not in QUANTITIES:
            named = visible(gate.quantity[:60], one_line=True)
            raise AuditError(f"$.gates[{number}].quantity: {named!r}; expected {', '.join(QUANTITIES)}")
    return audit


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``audit.json``: no field is allowed that our classes lack."""
    import msgspec

    (_, parts) = msgspec.json.schema_components([Audit], ref_template="#/$defs/{name}")
    for name, part in parts.items():
        if "properties" in part:
            _close(part, name not in _OPEN)
        if "description" in part:
            part["description"] = _ROLE.sub(lambda found: found[1] or found[2], inspect.cleandoc(part["description"]))
        if name == "GateResult":
            part["properties"]["quantity"]["enum"] = list(QUANTITIES)
    whole = parts.pop("Audit")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:pytest-slmtrust:audit:{FORMAT}",
        "title": f"pytest-slmtrust audit, format {FORMAT}",
    }  # fmt: skip
    return {**whole, **head, "$defs": dict(sorted(parts.items()))}


def schema_text() -> str:
    """Return the schema as it is published."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _close(part: dict[str, Any], whole: bool) -> None:
    part["required"], part["additionalProperties"] = sorted(part["properties"]) if whole else [], False
    for one in part["properties"].values():
        one.pop("default", None)  # a reader needs none: every field is there
