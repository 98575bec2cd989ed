"""Two audits that were written before, compared: an audit of its own, whose gates speak of the difference only."""

from __future__ import annotations

from collections.abc import Mapping

from .assemble import adjusted, overall, sentence
from .audit import Audit, AuditError, Baseline, ControlCheck, Finding, GateResult, Status
from .baseline import Recorded
from .compare import VERSUS, Asked, Context, PairedGate, differences
from .parts import Dimension
from .verify import findings_of


def compare_audits(
    target: Audit, baseline: Audit, origin: str, margin: float | None = None, noise: Mapping[str, int] | None = None
) -> Audit:
    """The target of one audit against the target of another.

    ``margin`` holds for every gate; without it the target's profile has one, raised to what the items can show. ``noise``:
    flips of the model against itself by probe.

    Raises:
        AuditError: the two were not asked the same; what differs.
    """
    found = differences(Asked.of(target), Asked.of(baseline))
    if found:
        raise AuditError("the audits cannot be compared:\n  " + "\n  ".join(found))
    recorded = Recorded(baseline, origin)
    usual = float(target.settings["profile"].get("margin", 0.05))
    gates, kept = [], []
    for gate in target.gates:
        if gate.quantity != "paired":
            made, theirs = _one(gate, target, recorded, usual if margin is None else margin, margin is not None, noise)
            gates.append(made)
            kept += theirs
    gates = adjusted(gates)
    gates.sort(key=lambda g: (list(Dimension).index(Dimension(g.dimension)), not g.blocking))
    verdict = overall(gates)
    model = target.model.get("name") or "the target"
    note = f"COMPARISON: {model} with {recorded.name}. The gates speak of the difference between the two, and of nothing else"
    return Audit(
        verdict, sentence(verdict, gates), target.profile, tuple(gates), target.findings, target.not_tested, target.model,
        target.scorers, target.settings, provenance=target.provenance, notes=(note, *target.notes),
        baseline=Baseline(baseline.model, tuple(kept), origin),
    )  # fmt: skip


def _one(
    gate: GateResult, target: Audit, recorded: Recorded, margin: float, chosen: bool, noise: Mapping[str, int] | None
) -> tuple[GateResult, list[Finding]]:
    paired = PairedGate.plan(gate, gate.items, margin, chosen)
    nodeid = f"{gate.nodeid.rpartition('::')[0]}::{paired.label}"
    mine, theirs = findings_of(gate, target.findings), recorded.rows(gate.nodeid)
    if not gate.cases or len(mine) != gate.cases or theirs is None:
        return paired.not_tested(nodeid, "one of the audits has not asked all of its cases"), []
    if {f.source for f in mine} != {f.source for f in theirs}:
        return paired.not_tested(nodeid, "one of the audits ended this gate early"), []
    flips = noise.get(gate.probe) if noise else None
    controls = gate.controls or ControlCheck(0)
    context = Context(recorded.name, controls, gate.floor, recorded.floor(gate.nodeid), flips)
    return paired.check(nodeid, mine, theirs, context), theirs


def comparison_lines(audit: Audit) -> list[str]:
    """The comparison as a table for a terminal."""
    head = f"{'probe':44} {'items':>6} {'worse':>6} {'better':>6}  {'difference':>10}  {'interval':>18}  {'McNemar':>8}  status"
    lines = [head]
    for gate in audit.gates:
        paired, estimate = gate.paired, gate.estimate
        flips = f"{paired.judged.worse:6d} {paired.judged.better:6d}" if paired else f"{'':6} {'':6}"
        value = f"{estimate.value:+10.1%}  [{estimate.lower:+7.1%}, {estimate.upper:+7.1%}]" if estimate else f"{'':10}  {'':18}"
        p = f"{paired.mcnemar:8.3g}" if paired and paired.mcnemar is not None else f"{'':8}"
        limit = f" (margin {gate.tolerance:.1%})" if gate.tolerance is not None else ""
        lines.append(f"{gate.probe + VERSUS:44.44} {gate.items:6d} {flips}  {value}  {p}  {gate.status}{limit}")
    return [*lines, audit.sentence]


def exit_status(audit: Audit) -> int:
    """0 where no difference is red, 1 else."""
    return 0 if audit.verdict in (Status.PASS, Status.MEASURED, Status.WAIVED) else 1
