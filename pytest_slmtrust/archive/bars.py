"""Registered bars in an audit: their digests, and gates that are held to something else."""

from __future__ import annotations

from collections.abc import Iterator

from ..audit.model import Audit
from ..audit.quantities import quantity_of
from ..authoring.bars import digest
from .sameness import same


def bar_faults(audit: Audit) -> Iterator[str]:
    """Yield each bar whose digest is of another bar, and each gate that is held to something else without a word."""
    gates = {gate.nodeid: gate for gate in audit.gates}
    for nodeid, bar in audit.settings.get("bars", {}).items():
        if bar["sha256"] != digest(bar):
            yield f"{nodeid}: the digest of its bar is that of another one"
        gate = gates.get(nodeid)
        if gate is None or bar["changed"]:
            continue
        asked = 1 - (bar["accuracy"] or 0.0) if quantity_of(gate).share else bar["macro_f1"]
        if gate.tolerance is None or not same(gate.tolerance, asked):
            yield f"{nodeid}: its limit is {gate.tolerance}; its bar asks {asked}, and the audit does not say that it was moved"
