"""What every export takes from an audit, cleaned once: its verdict, its gates in plain data, and where each gate counts.

Names, claims and replies come from models, packs and users. Each text of an export passes :func:`text` or :func:`evidence`, so
that it is masked, holds no control character, and no terminal or CI service obeys it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from importlib import metadata
from typing import Any

from .. import door
from ..audit.model import Audit, GateResult, Status
from ..audit.quantities import Shown, quantity_of
from ..audit.verdict import SEVERITY, SILENT, audit_is_red, red_besides

TOOL = "pytest-slmtrust"
#: Fields of a gate that every export carries, by their names in ``audit.json``.
FIELDS = (
    "nodeid", "status", "blocking", "dimension", "quantity", "side", "tolerance", "alpha", "items", "cases", "failures",
    "unscored", "errors", "lower", "upper", "best", "worst",
)  # fmt: skip


class Standing(StrEnum):
    """How a gate counts in the verdict. Only ``PASSED`` is a pass, in every format."""

    PASSED = "passed"
    RED = "red"
    WAIVED = "waived"
    ADVISORY = "advisory"
    MEASURED = "measured"
    ABSENT = "absent"


def text(value: object) -> str:
    """Return one line that may leave."""
    return door.line(value)


def evidence(value: Any) -> Any:
    """Return JSON of any shape with each text cleaned; lines are kept."""
    if isinstance(value, str):
        return door.lines(value)
    if isinstance(value, Mapping):
        return {text(key): evidence(one) for key, one in value.items()}
    return [evidence(one) for one in value] if isinstance(value, (list, tuple)) else value


def standing(gate: GateResult, audit: Audit) -> Standing:
    """Decide how a gate counts. In an audit that did not reach its end nothing passes."""
    if gate.blocking and not gate.waived and not gate.excuse:
        if gate.status in SEVERITY:
            return Standing.RED
        if gate.status is Status.PASS:
            return Standing.MEASURED if audit.incomplete else Standing.PASSED
    if gate.waived:
        return Standing.WAIVED
    if gate.status in SILENT:
        return Standing.ABSENT
    return Standing.ADVISORY if gate.advisory else Standing.MEASURED


@dataclass(frozen=True)
class Row:
    """One gate, cleaned. ``facts``: its numbers as ``audit.json`` has them."""

    gate: GateResult
    standing: Standing
    name: str
    claim: str
    reason: str
    facts: Mapping[str, Any]

    @property
    def shown(self) -> Shown | None:
        """The number that the gate holds to its limit, with its bounds; None where it has none that says anything."""
        silent = (*SILENT, Status.INVALID, Status.UNEARNED)
        return None if self.gate.status in silent else quantity_of(self.gate).shown(self.gate)

    @property
    def confidence(self) -> float | None:
        """Confidence of the interval between the bounds. Each bound holds at ``1 - alpha``, so both hold at ``1 - 2 alpha``."""
        shown = self.shown
        if shown is None or shown.lower is None or shown.upper is None:
            return None
        if self.gate.lower is not None and (shown.lower, shown.upper) == (self.gate.lower, self.gate.upper):
            return round(1 - 2 * self.gate.alpha, 12) if self.gate.alpha < 0.5 else None
        estimate = quantity_of(self.gate).seen(self.gate)
        return estimate.confidence if estimate else None

    @property
    def note(self) -> str:
        """What a reader must know before the status: it blocks nothing, or somebody waived it."""
        gate = self.gate
        if self.standing is Standing.WAIVED and gate.waiver is not None:
            return text(f"waived by {gate.waiver.owner} until {gate.waiver.expires}: {gate.waiver.reason}")
        if gate.advisory:
            return text(f"advisory, does not block: {gate.advisory}")
        if gate.excuse:
            return f"{gate.excuse}: does not count"
        return "" if gate.blocking or gate.status in SILENT else "measured only, does not block"


class Source:
    """An audit that is exported. ``digest``: the SHA-256 of its file."""

    def __init__(self, audit: Audit, digest: str = "") -> None:
        self.audit = audit
        self.digest = digest or hashlib.sha256(audit.to_json().encode()).hexdigest()

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._row(gate) for gate in self.audit.gates)

    def _row(self, gate: GateResult) -> Row:
        raw = {name: getattr(gate, name) for name in FIELDS}
        facts = {name: text(value) if isinstance(value, str) else value for name, value in raw.items()}
        where = standing(gate, self.audit)
        facts |= {"gate": text(gate.name), "counts_as": str(where), "note": text(gate.note), "advisory": text(gate.advisory)}
        facts["estimate"] = asdict(gate.estimate) | {"method": text(gate.estimate.method)} if gate.estimate else None
        return Row(gate, where, text(gate.name), text(gate.claim), text(gate.reason), facts)

    @cached_property
    def head(self) -> dict[str, Any]:
        """The verdict and what it is about, for the top of every export."""
        audit = self.audit
        made = {
            "verdict": str(audit.verdict), "red": self.red, "sentence": text(audit.sentence) + self._also,
            "profile": text(audit.profile), "incomplete": text(audit.incomplete), "model": self.model,
            "fingerprint": text(audit.model.get("fingerprint", "")), "audit_sha256": self.digest, "version": self.version,
            "notes": [text(note) for note in audit.notes],
        }  # fmt: skip
        return made | {"counts": {str(s): sum(row.standing is s for row in self.rows) for s in Standing}}

    @property
    def red(self) -> bool:
        return audit_is_red(self.audit)

    @property
    def passed(self) -> bool:
        """Whether the audit passed. Every verdict but PASS says less, and so does a PASS that is red for another reason."""
        return self.audit.verdict is Status.PASS and not self.red

    @property
    def title(self) -> str:
        """The verdict, and that the audit is red besides where its word does not say so."""
        return f"{self.audit.verdict}{', and red' if self._also else ''}"

    @property
    def _also(self) -> str:
        """What makes the audit red besides its verdict, as a sentence; empty where nothing does."""
        found = text(", ".join(red_besides(self.audit)))
        return f" Red: {found}." if found else ""

    @cached_property
    def model(self) -> str:
        return text(self.audit.model.get("name", "") or "unnamed model")

    @cached_property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each of the model's files, by name."""
        return dict(model_files(self.audit))

    @property
    def version(self) -> str:
        """Version of the package that made the audit."""
        return text(self.audit.provenance.get("versions", {}).get(TOOL, "unknown"))

    def identity(self, *parts: str) -> str:
        """Return a UUID that the audit's bytes and some names always give."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(("slmtrust", self.digest, *map(ascii, parts)))))

    def moment(self, field: str) -> datetime | None:
        """Return ``started`` or ``ended`` in UTC; None if the audit has no such time."""
        try:
            made = datetime.fromisoformat(str(self.audit.provenance.get(field, "")))
            return made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None


def model_files(audit: Audit) -> Iterator[tuple[str, str]]:
    """Yield the model's files that an audit names, each with its SHA-256, in their order."""
    files = audit.model.get("files")
    pairs = list(files.items()) if isinstance(files, Mapping) else []
    if isinstance(files, (list, tuple)):
        pairs = [(one.get("path"), one.get("sha256")) for one in files if isinstance(one, Mapping)]
    for name, digest in pairs:
        if isinstance(name, str) and isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef"):
            yield name, digest


def installed() -> str:
    """Return the version of this package."""
    return metadata.version(TOOL)


def to_json(data: Any) -> str:
    """Return JSON text that any reader takes: ASCII, in the order given."""
    return json.dumps(data, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
