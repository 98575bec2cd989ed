"""Recompute an audit from its own findings: every gate by the code that decides gates, and the verdict.

Nothing here proves who wrote a file: findings that were made up make a consistent audit. What is shown is that its numbers and
its verdict are those of its findings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..audit.dimension import Dimension
from ..audit.model import NEEDS, Audit, AuditError, ControlCheck, DetectorCheck, Finding, FloorCheck, GateResult, Status, Stopped
from ..audit.nodeids import VERSUS, gate_key, gate_names
from ..audit.verdict import SILENT, adjusted, not_tested, overall, sentence
from ..authoring.declarations import NEEDED_DATA, Criterion, Profile, Reading
from ..authoring.probe import Probe, stable_order
from ..escaping import visible
from ..gates.detector_errors import checked
from ..gates.gate import Checks, Gate
from ..gates.paired_gate import Context, PairedGate
from ..requests import Steps

#: A run that asks more of one gate is none of ours.
_MOST_PLANNED = 100_000


def read_verified(path: Path) -> Audit:
    """An audit from its file, if it follows from its own findings.

    Raises:
        AuditError: it cannot be read, or a number in it is not what its findings say.
    """
    from .files import read_audit

    audit = read_audit(path)
    wrong = problems(audit)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise AuditError(f"{path}: does not follow from its own findings: {wrong[0]}{more}")
    return audit


def problems(audit: Audit) -> list[str]:
    """What does not follow from the findings, one line each; empty if everything does."""
    try:
        found = [*_whole(audit), *(f"{gate.nodeid}: {what}" for gate in audit.gates for what in _gate(gate, audit))]
    except (ArithmeticError, AttributeError, KeyError, MemoryError, TypeError, ValueError) as error:
        found = [f"{type(error).__name__}: {error}"]
    return [visible(line, one_line=True) for line in found]


def findings_of(gate: GateResult, findings: Iterable[Finding]) -> list[Finding]:
    """The findings of a gate's rows."""
    prefix = gate.nodeid.rpartition("::")[0]
    return [f for f in findings if f.probe == gate.probe and f.nodeid.startswith(f"{prefix}::{gate.probe}[")]


def _whole(audit: Audit) -> Iterator[str]:
    """What no single gate shows."""
    yield from _names(audit)
    verdict = overall(audit.gates, audit.incomplete)
    if audit.verdict is not verdict:
        yield f"the verdict is {audit.verdict}; the gates say {verdict}"
    if audit.sentence != sentence(verdict, audit.gates, audit.incomplete):
        yield "the sentence is not what the gates say"
    plain = [replace(g, p_holm=None) for g in audit.gates]
    for gate, made in zip(audit.gates, adjusted(plain), strict=True):
        if not _same(gate.p_holm, made.p_holm):
            yield f"{gate.nodeid}: the adjusted p-value does not follow from those of all gates"
    missing = set(not_tested(audit.gates, {f.dimension for f in audit.findings})) - set(audit.not_tested)
    if missing:
        yield f"{missing.pop().what} is not listed as not tested"


def _names(audit: Audit) -> Iterator[str]:
    """Every name once, and a result for every gate that was planned."""
    theirs = audit.baseline.findings if audit.baseline else ()
    for what, ids in (("gates", audit.gates), ("findings", audit.findings), ("findings of the baseline", theirs)):
        twice = [nodeid for nodeid, n in Counter(x.nodeid for x in ids).items() if n > 1]
        if twice:
            yield f"two {what} are named {twice[0]}"
    only_pairs = audit.baseline is not None and all(g.quantity == "paired" for g in audit.gates)
    gates = {gate_key(g.nodeid).removesuffix(VERSUS) if only_pairs else gate_key(g.nodeid) for g in audit.gates}
    for nodeid in audit.settings.get("rows_sha256", {}):
        if (nodeid.startswith("slm::") or "::gate[" in nodeid) and gate_key(nodeid) not in gates:
            yield f"{nodeid} was planned and has no result"


def _gate(gate: GateResult, audit: Audit) -> Iterator[str]:
    """Whether a gate is what the code that decides gates makes of the findings."""
    profile = audit.settings.get("profile", {})
    own = findings_of(gate, audit.findings)
    if gate.alpha != profile.get("alpha", gate.alpha):
        yield f"its alpha is {gate.alpha:g}, the profile's {profile.get('alpha')}"
    if gate.quantity in ("rate", "gap", "paired") and gate.tolerance is not None and not 0 < gate.tolerance < 1:
        yield f"its limit is {gate.tolerance:g}"
        return
    yield from _waiver(gate, audit)
    decides = bool(profile.get("decides", True))
    if gate.status in SILENT:
        promised = gate.tolerance is not None and decides and not _lacks_input(gate, profile)
        if gate.blocking != promised and gate.quantity != "paired":
            yield "whether it blocks does not follow from its limit and the profile"
        if gate.status is Status.NOT_TESTED and own and gate.quantity != "paired":
            yield "NOT TESTED, with findings"
        if gate.excuse == "optional" and set(_optional(audit)).isdisjoint(gate_names(gate.nodeid)):
            yield "it is excused as optional, and the run did not name it so"
        return
    paired = gate.quantity == "paired"
    made = _paired(gate, own, audit) if paired else _rebuilt(gate, own, decides)
    yield from _differences(gate, made)


def _differences(gate: GateResult, made: GateResult) -> Iterator[str]:
    said, found = (asdict(replace(g, waiver=None, p_holm=None)) for g in (gate, made))
    silent = gate.estimate is None or gate.status is Status.MEASURED
    skipped = {"reason"} if gate.quantity == "metric" and silent else set()
    for name in said:
        if name not in skipped and not _same(said[name], found[name]):
            yield f"{name} is {_short(said[name])}; the findings say {_short(found[name])}"


def _rebuilt(gate: GateResult, own: Sequence[Finding], decides: bool) -> GateResult:
    limit = 0.0 if gate.tolerance is None else gate.tolerance  # nothing is held to it then
    side = {"at_least": limit} if gate.side == "at least" else {"at_most": limit}
    criterion = None
    if gate.quantity in ("mean", "gap"):
        criterion = Criterion(gate.quantity, **side)  # type: ignore[arg-type]
    elif gate.quantity == "metric":  # its code is not in the audit: its estimate is taken as it stands
        criterion = Criterion(lambda _: _reading(gate), **side)  # type: ignore[arg-type, return-value]
    probe = Probe(
        gate.probe, Dimension(gate.dimension), _nothing, (), gate.claim, criterion=criterion, detector=gate.detector,
        estimand=gate.estimand, metric=gate.metric, paper=gate.paper,
        measures=(lambda _: gate.measures) if gate.measures else None,
    )  # fmt: skip
    profile = Profile(_profile_name(gate), 0, 0, 0, 0.05, gate.alpha, decides)
    tolerance = gate.tolerance
    shadow = Gate(probe, profile, gate.items, tolerance, gate.note)
    checks = Checks(gate.controls or ControlCheck(0), _floor(gate), _measured(gate), _stopped(gate, own))
    return shadow.assess(gate.nodeid, own, checks)


def _optional(audit: Audit) -> list[str]:
    """The gates that the run's user made optional."""
    options = audit.settings.get("options", {})
    return [name.strip() for name in str(options.get("optional", "")).split(",")]


def _lacks_input(gate: GateResult, profile: Mapping[str, Any]) -> bool:
    """Whether a gate was not tested for want of files that the run had not been given."""
    if gate.status is not Status.NOT_TESTED or not gate.reason.startswith(NEEDS):
        return False
    needs, prefix, given = gate.reason.removeprefix(NEEDS), "--slm-", profile.get("inputs", {})
    if needs.startswith(NEEDED_DATA):
        return "data" in given
    return all(name.startswith(prefix) and name.removeprefix(prefix) not in given for name in needs.split(", "))


def _reading(gate: GateResult) -> Reading | None:
    """What a metric said: its estimate, what its gate is advisory for, and what else stands in its reason."""
    if gate.estimate is None:
        return None
    said = gate.reason.partition("; ")[2].rpartition(f"{gate.side} ")[0].removesuffix("; ")
    return Reading(gate.estimate, said.removeprefix(gate.advisory).removeprefix("; "), gate.advisory)


def _profile_name(gate: GateResult) -> str:
    """As the reason of a gate that decides nothing names it."""
    return gate.reason.partition("'")[2].partition("'")[0] if gate.status is Status.NOT_DECIDABLE else ""


def _floor(gate: GateResult) -> FloorCheck | None:
    return gate.floor and _recounted(gate.floor, gate.alpha)


def _recounted(floor: FloorCheck, alpha: float) -> FloorCheck:
    from ..stats import lower_bound

    return replace(floor, lower=lower_bound(floor.passed, floor.total, alpha) if floor.total else 0.0)


def _measured(gate: GateResult) -> DetectorCheck | None:
    m = gate.measured
    if m is None:
        return None
    tolerance = gate.tolerance if gate.tolerance is not None and gate.quantity == "rate" else None
    made = checked(m.name, m.data, (m.tp, m.fn, m.tn, m.fp), tolerance or 0.05, gate.alpha, m.single)
    return made if tolerance is not None else replace(made, good=m.good)  # nothing hangs on it


def _stopped(gate: GateResult, own: Sequence[Finding]) -> Stopped | None:
    """Where a gate stopped, if it asked the items that it would ask: the first ones in its order, and each once."""
    s = gate.stopped
    if s is None:
        return None
    if not 0 < len(s.order) <= s.planned <= _MOST_PLANNED:
        raise ValueError(f"{len(s.order)} of {s.planned} items asked")
    if list(s.order) != stable_order(gate.probe, {f.source for f in own}):
        raise ValueError("its items are not those of its findings, in the order of their hashes")
    return s


def _paired(gate: GateResult, own: Sequence[Finding], audit: Audit) -> GateResult:
    theirs = findings_of(gate, audit.baseline.findings if audit.baseline else ())
    pair = gate.paired
    context = Context(pair.baseline if pair else "", gate.controls or ControlCheck(0), _floor(gate))
    if pair is not None:
        floor = pair.baseline_floor and _recounted(pair.baseline_floor, gate.alpha)
        context = replace(context, baseline_floor=floor, baseline_controls=pair.baseline_controls, noise=pair.noise)
    return PairedGate(gate, gate.items, gate.tolerance, gate.note).check(gate.nodeid, own, theirs, context)


def _waiver(gate: GateResult, audit: Audit) -> Iterator[str]:
    waiver = gate.waiver
    if waiver is None:
        return
    if waiver not in audit.waivers or waiver.probe not in gate_names(gate.nodeid):
        yield "it bears a waiver that is not its own"
    if not waiver.expired and waiver.expires < str(audit.provenance.get("started", ""))[:10]:
        yield "its waiver had expired when the audit began"


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, (int, float)) and not isinstance(two, bool):
        return math.isclose(one, two, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(_same(one[k], two[k]) for k in one)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(map(_same, one, two))
    return bool(one == two)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _nothing() -> Steps[Any]:
    yield []
