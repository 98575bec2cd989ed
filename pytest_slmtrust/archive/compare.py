"""Compare two saved audits. The result is itself an audit that has paired gates only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..audit.counting import ByGate
from ..audit.dimension import Dimension
from ..audit.merkle import answers_root
from ..audit.model import Audit, AuditError, Baseline, ControlCheck, Finding, GateResult, Status
from ..audit.nodeids import VERSUS, gate_key
from ..audit.sections import RunSettings
from ..audit.units import shared
from ..audit.verdict import SILENT, adjusted, audit_is_red, not_tested, overall, sentence
from ..gates.asked import Asked, differences
from ..gates.baseline import Recorded, noise_floor
from ..gates.paired_gate import Context, PairedGate

#: Differences that a refusal names before it counts the others.
_NAMED = 5


def compare_audits(target: Audit, baseline: Audit, origin: str, margin: float | None = None, noise: Audit | None = None) -> Audit:
    """Return the target of one audit against the target of another.

    ``margin`` holds for every gate; without it the target's profile has one, raised to what the items can show. ``noise``: an
    audit of one of the two models against itself.

    Raises:
        AuditError: the two were not asked the same, or a margin that the items cannot show.
    """
    for audit, place in ((target, "the target's audit"), (baseline, origin)):
        if audit.incomplete:
            raise AuditError(f"{place} is INCOMPLETE ({audit.incomplete}): run it again")
    asked = Asked.of(target)
    found = differences(asked, Asked.of(baseline))
    if found:
        if not set(asked.rows) & set(Asked.of(baseline).rows):
            raise AuditError(f"the audits cannot be compared: {origin} and the target's audit have no probe in common")
        more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        raise AuditError("the audits cannot be compared:\n  " + "\n  ".join([*found[:_NAMED], *more]))
    recorded = Recorded(baseline, origin)
    flips = noise_floor(noise, asked, [a.model.get("fingerprint") for a in (target, baseline)]) if noise else None
    pairs = paired_gates(target, recorded, [g for g in target.gates if not g.versus], margin, flips)
    kept = [one for _, theirs in pairs for one in theirs]
    gates = adjusted([made for made, _ in pairs])
    gates.sort(key=lambda g: (list(Dimension).index(Dimension(g.dimension)), not g.blocking))
    verdict = overall(gates)
    model = target.model.get("name") or "the target"
    note = f"COMPARISON: {model} with {recorded.name}. The gates cover the difference between the two, and nothing else"
    missing = not_tested(gates, {f.dimension for f in target.findings})
    whole = Audit(
        verdict, sentence(verdict, gates, scope=target.scope),
        target.profile, tuple(gates), target.findings, missing, target.model,
        target.scorers, {**_asked_alike(target), "margin": margin}, provenance=target.provenance, notes=(note, *target.notes),
        baseline=Baseline(baseline.model, tuple(kept), origin),
    )  # fmt: skip
    return replace(whole, answers_root=answers_root(whole))


def _asked_alike(target: Audit) -> RunSettings:
    """Return the settings of the target's run without its envelope and bundles, which say nothing of the baseline."""
    settings = target.settings.copy()
    settings.pop("envelope", None)
    settings.pop("bundles", None)
    return settings


def paired_gates(
    target: Audit, recorded: Recorded, gates: Sequence[GateResult], margin: float | None = None,
    noise: Mapping[str, int] | None = None,
) -> list[tuple[GateResult, list[Finding]]]:  # fmt: skip
    """Return gates of the target against a recorded baseline, each with the baseline's findings.

    Raises:
        AuditError: a margin that the items cannot show.
    """
    held = float(target.settings.get("profile", {}).get("margin", 0.05)) if margin is None else margin
    found = ByGate(target.findings)
    return [_one(gate, found.of(gate), recorded, held, margin is not None, noise) for gate in gates]


def _one(
    gate: GateResult, mine: Sequence[Finding], recorded: Recorded, margin: float, chosen: bool, noise: Mapping[str, int] | None
) -> tuple[GateResult, list[Finding]]:
    paired = PairedGate.plan(gate, len({f.source for f in mine}), margin, chosen, shared(mine))
    if chosen and gate.items and paired.margin is None:
        raise AuditError(f"{gate.probe}{VERSUS}: {paired.note}; choose a larger --margin")
    nodeid = f"{gate.nodeid.rpartition('::')[0]}::{paired.label}"
    theirs = recorded.rows(gate.nodeid, [f.nodeid for f in mine])
    if not gate.cases or len(mine) != gate.cases or gate.stopped is not None or theirs is None:
        if gate.status is Status.NOT_TESTED:
            return paired.not_tested(nodeid, gate.reason, gate.missing), []
        return paired.not_run(nodeid, "one of the audits has not asked all of its cases"), []
    flips = noise.get(gate_key(gate.nodeid)) if noise else None
    floors, controls = (gate.floor, recorded.floor(gate.nodeid)), gate.controls or ControlCheck(0)
    context = Context(recorded.name, controls, *floors, recorded.controls(gate.nodeid), flips)
    return paired.check(nodeid, mine, theirs, context), theirs


def comparison_lines(audit: Audit) -> list[str]:
    """Return the comparison as a table for a terminal. Probes without a result in one of the two are only counted."""
    silent = Counter(str(gate.status) for gate in audit.gates if gate.status in SILENT)
    shown = [gate for gate in audit.gates if gate.status not in SILENT]
    width = max([len("probe"), *(len(gate.probe + VERSUS) for gate in shown)])
    head = (
        f"{'probe':{width}} {'items':>6} {'worse':>6} {'better':>6}  {'difference':>10}  {'interval':>18}  {'McNemar':>8}  status"
    )
    left_out = [f"not compared: {', '.join(f'{n} {status}' for status, n in silent.items())}"] if silent else []
    return [head, *(_row(gate, width) for gate in shown), *left_out, audit.sentence]


def _row(gate: GateResult, width: int) -> str:
    paired, estimate = gate.paired, gate.estimate
    flips = f"{paired.judged.worse:6d} {paired.judged.better:6d}" if paired else f"{'':6} {'':6}"
    value = f"{estimate.value:+10.1%}  [{estimate.lower:+7.1%}, {estimate.upper:+7.1%}]" if estimate else f"{'':10}  {'':18}"
    p = f"{paired.mcnemar:8.3g}" if paired and paired.mcnemar is not None else f"{'':8}"
    limit = f" (margin {gate.tolerance:.1%})" if gate.tolerance is not None else ""
    return f"{gate.probe + VERSUS:{width}} {gate.items:6d} {flips}  {value}  {p}  {gate.status}{limit}"


def exit_status(audit: Audit) -> int:
    """0 where no difference is red, 1 else."""
    return int(audit_is_red(audit))
