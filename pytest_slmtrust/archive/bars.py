"""Registered bars in an audit: their digests, gates that are held to something else, and the numbers of tasks with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from ..audit.counting import ByGate
from ..audit.model import Audit, Finding, GateResult
from ..audit.precision import with_needed
from ..audit.quantities import quantity_of
from ..audit.verdict import SILENT
from ..authoring.bars import digest
from ..authoring.labels import METRIC, measures
from .sameness import same, short


def bar_faults(audit: Audit, found: ByGate) -> Iterator[str]:
    """Yield each bar whose digest is of another bar, and each gate that is held to something else without a word."""
    gates = {gate.nodeid: gate for gate in audit.gates}
    bars = audit.settings.get("bars", {})
    if not audit.incomplete and "margin" not in audit.settings:
        numbers = [gate for gate in audit.gates if gate.status not in SILENT and not gate.versus]
        without = [gate.nodeid for gate in numbers if gate.metric == METRIC and gate.nodeid not in bars]
        yield from (f"{nodeid}: it is of a task with labels, and the audit has no bar of it" for nodeid in without)
    for nodeid, bar in bars.items():
        if bar["sha256"] != digest(bar):
            yield f"{nodeid}: the digest of its bar is that of another one"
        gate = gates.get(nodeid)
        if gate is None and not audit.incomplete and "margin" not in audit.settings:
            yield f"{nodeid}: it has a bar and no result"
        if gate is not None and gate.status not in SILENT:
            yield from (f"{nodeid}: {what}" for what in _labels(gate, found.of(gate)))
        if gate is None or bar["changed"]:
            continue
        asked = 1 - (bar["accuracy"] or 0.0) if quantity_of(gate).share else bar["macro_f1"]
        if gate.tolerance is None or not same(gate.tolerance, asked):
            yield f"{nodeid}: its limit is {gate.tolerance}; its bar asks {asked}, and the audit does not say that it was moved"


def _labels(gate: GateResult, own: Sequence[Finding]) -> Iterator[str]:
    """Yield what of a task with labels does not follow from the labels and answers of its texts."""
    for one in own:
        if one.outcome in ("passed", "failed") and (one.outcome == "passed") != (one.evidence.get("answer") == one.group):
            answer = short(one.evidence.get("answer"))
            yield f"{short(one.nodeid)} {one.outcome}; its label is {short(one.group)} and the answer {answer}"
            return
    recomputed = measures(own, sorted({one.group for one in own if one.group}))
    made = {(m.name, m.group): with_needed(m.estimate) for m in recomputed}
    said = {(m.name, m.group): m.estimate for m in gate.measures}
    if gate.stopped is None and (
        made.keys() != said.keys() or not all(same(asdict(made[key]), asdict(said[key])) for key in made)
    ):
        yield "its accuracy, macro-F1 or confusion matrix is not what its findings say"
    read, whole = gate.reading, made.get(("macro-F1", ""))
    mine = with_needed(read.estimate) if read is not None else None
    if mine is not None and (whole is None or not same(asdict(mine), asdict(whole))):
        yield f"its macro-F1 is {mine.value:g}; the findings say {'nothing' if whole is None else f'{whole.value:g}'}"
