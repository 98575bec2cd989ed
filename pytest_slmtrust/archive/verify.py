"""Recompute an audit: every gate by the code that decides gates, the built-in ones as this package plans them, and the verdict.

Nothing here proves who wrote a file: findings that were made up as a whole make a consistent audit, and so does another name or
hash of the model. Only a signature binds those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..audit.counting import ByGate, by_source
from ..audit.merkle import answers_root
from ..audit.model import (
    Audit,
    AuditError,
    ControlCheck,
    Finding,
    GateResult,
    Lack,
    NotTested,
    Status,
)  # fmt: skip
from ..audit.nodeids import VERSUS, gate_key, gate_names
from ..audit.quantities import QUANTITIES
from ..audit.units import shared
from ..audit.verdict import SILENT, adjusted, decided, not_tested, older
from ..authoring.declarations import ProbeError
from ..escaping import visible
from ..gates.gate import Checks, Gate
from ..gates.paired_gate import NEW, Context, PairedGate
from .bars import bar_faults
from .bundles import bundle_faults
from .envelope import envelope_faults
from .installed import Installed, Planned, expected_untested, other_package
from .noted import left_out, misnamed
from .own_words import floor_of, measured_of, recounted, shadow, stopped_of
from .sameness import same, short
from .twice import disagreeing

if TYPE_CHECKING:
    pass

_BROKEN = (ArithmeticError, AttributeError, KeyError, MemoryError, ProbeError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in an audit, one line each: ``problems`` that refuse it, and what is ``unchecked`` by this version.

    ``known``: gates that were held against the built-in probes of this package; ``other``: why none could be.
    """

    problems: tuple[str, ...]
    unchecked: tuple[str, ...] = ()
    known: int = 0
    other: str = ""


def read_verified(path: Path) -> Audit:
    """Return an audit from its file, if it follows from its own findings.

    Raises:
        AuditError: it cannot be read, or a number in it is not what its findings say.
    """
    return read_and_verify(path)[0]


def read_and_verify(path: Path) -> tuple[Audit, Verification]:
    """Return the same with what this version could not check.

    Raises:
        AuditError: it cannot be read, or a number in it is not what its findings say.
    """
    from .files import read_audit

    audit = read_audit(path)
    found = verify(audit)
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        raise AuditError(f"{path}: does not follow from its own findings: {found.problems[0]}{more}")
    return audit, found


def problems(audit: Audit) -> list[str]:
    """Return what does not follow from the findings or is not this package's, one line each; empty if everything does."""
    return list(verify(audit).problems)


def verify(audit: Audit) -> Verification:
    """Check everything that follows from the findings, and from this package where the audit is of the same."""
    check = _Check(audit)
    found: list[str] = []
    try:
        found += check.all()
    except _BROKEN as error:
        found.append(f"{type(error).__name__}: {error}")
    lines = [[visible(line, one_line=True) for line in some] for some in (found, check.unchecked)]
    return Verification(tuple(lines[0]), tuple(lines[1]), check.known, visible(check.other, one_line=True))


class _Check:
    """One audit with its findings by gate, and the built-in pack if it can be held against it."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        self.profile: Mapping[str, Any] = audit.settings.get("profile", {})
        self.unchecked: list[str] = []
        self.known = 0
        self.other = ""

    @cached_property
    def mine(self) -> ByGate:
        return ByGate(self.audit.findings)

    @cached_property
    def theirs(self) -> ByGate:
        return ByGate(self.audit.baseline.findings if self.audit.baseline else ())

    @cached_property
    def installed(self) -> Installed | None:
        if self.audit.incomplete:
            why = "it is one part of a run" if self.audit.part else "the run did not reach its end"
            self.other = f"incomplete: {why}, and its built-in probes are not checked"
            self.unchecked.append(self.other)
            return None
        other = other_package(self.audit)
        if other:
            self.other = f"{other}: the built-in probes could not be checked by this version"
            self.unchecked.append(self.other)
            return None
        return Installed(self.audit, self.unchecked)

    def all(self) -> Iterator[str]:
        yield from self._whole()
        yield from self._names()
        yield from left_out(self.audit)
        yield from envelope_faults(self.audit, self.installed is not None)
        yield from bar_faults(self.audit, self.mine)
        yield from bundle_faults(self.audit, self.installed is not None)
        if self.installed is not None:
            yield from self.installed.whole()
        for gate in self.audit.gates:
            yield from (f"{gate.nodeid}: {what}" for what in self._gate(gate))

    def _whole(self) -> Iterator[str]:
        """Yield what no single gate shows."""
        audit = self.audit
        if audit.profile != self.profile.get("name", audit.profile):
            yield f"profile: {audit.profile}; the settings have {self.profile.get('name')}"
        yield from self._verdict()
        plain = [replace(g, p_holm=None) for g in audit.gates]
        for gate, made in zip(audit.gates, adjusted(plain), strict=True):
            if not same(gate.p_holm, made.p_holm):
                yield f"{gate.nodeid}: the adjusted p-value does not follow from those of all gates"
        silent = not_tested(audit.gates, {f.dimension for f in audit.findings})
        missing = set(silent) - set(audit.not_tested)
        if self.installed is not None:
            unasked = [NotTested(**row) for row in expected_untested(audit)]
            missing |= set(unasked) - set(audit.not_tested)
            if len(audit.not_tested) != len(silent) + len(unasked):
                yield f"not_tested: {len(audit.not_tested)} entries; the gates and this package make {len(silent) + len(unasked)}"
        if audit.answers_root != answers_root(audit):
            yield "answers_root: it is not the root over the answers of the findings"
        if missing:
            yield f"{min(row.what for row in missing)} is not listed as not tested"

    def _verdict(self) -> Iterator[str]:
        """Yield whether the verdict follows, by the rule of this version or of one that left out rows without a gate."""
        if older(self.audit):
            self.unchecked.append("its verdict is of a version that left out the rows of probes without a limit")
            return
        made = decided(self.audit)
        if self.audit.verdict is not made.verdict:
            yield f"the verdict is {self.audit.verdict}; the gates say {made.verdict}"
        if self.audit.sentence != made.sentence:
            yield "the sentence is not what the gates say"

    def _names(self) -> Iterator[str]:
        """Yield every name once, and a result for every gate that was planned."""
        audit = self.audit
        theirs = audit.baseline.findings if audit.baseline else ()
        for what, ids in (("gates", audit.gates), ("findings", audit.findings), ("findings of the baseline", theirs)):
            twice = [nodeid for nodeid, n in Counter(x.nodeid for x in ids).items() if n > 1]
            if twice:
                yield f"two {what} are named {twice[0]}"
        yield from disagreeing(audit, self.mine)
        yield from misnamed(audit, self.installed is not None)
        only_pairs = audit.baseline is not None and all(g.versus for g in audit.gates)
        gates = {gate_key(g.nodeid).removesuffix(VERSUS) if only_pairs else gate_key(g.nodeid) for g in audit.gates}
        for nodeid in audit.settings.get("rows_sha256", {}):
            if (nodeid.startswith("slm::") or "::gate[" in nodeid) and gate_key(nodeid) not in gates:
                yield f"{nodeid} was planned and has no result"

    def _gate(self, gate: GateResult) -> Iterator[str]:
        """Return whether a gate is what the code that decides gates makes of the findings."""
        own = self._own(gate)
        if gate.alpha != self.profile.get("alpha", gate.alpha):
            yield f"its alpha is {gate.alpha:g}, the profile's {self.profile.get('alpha')}"
        if QUANTITIES[gate.quantity].share and gate.tolerance is not None and not 0 < gate.tolerance < 1:
            yield f"its limit is {gate.tolerance:g}"
            return
        items = 0 if gate.status in SILENT else len(by_source(own))
        if gate.items != items:  # before anything is worked out over so many
            yield f"items is {gate.items}; the findings say {items}"
            return
        if gate_names(gate.nodeid)[1] != gate.name:
            yield f"its name is not that of its probe {short(gate.probe)}"
        yield from _waiver(gate, self._waivers, str(self.audit.provenance.get("started", "")))
        planned = self.installed.of(gate) if self.installed is not None else None
        rows = replace(gate, items=len({f.source for f in self.mine.of(gate)}))  # planned with all, asked alike or not
        if planned is not None and planned.unknown(rows):
            planned = None
        if planned is not None:
            self.known += 1
            own = planned.ordered(own)
            yield from planned.differs(rows, own)
        made = self._silent(gate, planned) if gate.status in SILENT else None
        if made is None:
            made = self._paired(rows, own, planned) if gate.versus else self._rebuilt(rows, own, planned)
        else:
            yield from _lack(gate, own, self.profile)
            yield from self._excuse(gate)
        yield from _differences(gate, made, planned)

    def _own(self, gate: GateResult) -> list[Finding]:
        """Return the findings that a gate is about; of one against a lock those of rows that are not new."""
        own = self.mine.of(gate)
        if not gate.against_lock:
            return own
        then = {f.nodeid for f in self.theirs.of(gate)}
        return [f for f in own if f.nodeid in then]

    def _excuse(self, gate: GateResult) -> Iterator[str]:
        """Return whether the run's user made a gate optional, where that is its excuse."""
        options = self.audit.settings.get("options", {})
        named = {name.strip() for name in str(options.get("optional", "")).split(",")}
        if gate.excuse == "optional" and named.isdisjoint(gate_names(gate.nodeid)):
            yield "it is excused as optional, and the run did not name it so"

    @cached_property
    def _waivers(self) -> frozenset[Any]:
        return frozenset(self.audit.waivers)

    def _decider(self, gate: GateResult, planned: Planned | None, own: Sequence[Finding] = ()) -> Gate:
        return planned.gate(gate) if planned is not None else shadow(gate, self.profile, own)

    def _silent(self, gate: GateResult, planned: Planned | None) -> GateResult | None:
        """Return the result of a gate that says nothing; None for one without a case, whose rows say so."""
        missing = gate.missing
        if gate.versus:
            about = planned.gate(replace(gate, quantity="rate")).not_run("") if planned is not None else gate
            accepted = gate.against_lock
            made = PairedGate(about, 0, None, gate.note, accepted=accepted)
            blank = replace(made.not_run(gate.nodeid, gate.reason), missing=missing)
            plan = planned.versus(gate, *self._margin) if planned is not None and gate.note != NEW else None
            if plan is not None:
                return replace(plan.not_run(gate.nodeid, gate.reason), status=gate.status, missing=missing)
            limited = made.misses if accepted else gate.tolerance is not None
            return replace(blank, status=gate.status, tolerance=gate.tolerance, power=gate.power, blocking=limited)
        decider = self._decider(gate, planned)
        if gate.status is Status.NOT_RUN:
            return decider.not_run(gate.nodeid, gate.reason)
        return decider.not_tested(gate.nodeid, missing) if missing is not None else None

    @property
    def _margin(self) -> tuple[float | None, bool]:
        """The margin of ``slmtrust compare``, and whether this is an audit that it made."""
        return self.audit.settings.get("margin"), "margin" in self.audit.settings

    def _rebuilt(self, gate: GateResult, own: Sequence[Finding], planned: Planned | None) -> GateResult:
        stopped = stopped_of(gate, own)
        if planned is not None:
            checks = planned.checks(gate, own, self.audit, stopped)
        else:
            reading = gate.reading if QUANTITIES[gate.quantity].reads else None
            checks = Checks(gate.controls or ControlCheck(0), floor_of(gate), measured_of(gate), stopped, reading)
        return self._decider(gate, planned, own).assess(gate.nodeid, own, checks)

    def _paired(self, gate: GateResult, own: Sequence[Finding], planned: Planned | None) -> GateResult:
        theirs, pair = self.theirs.of(gate), gate.paired
        context = Context(pair.baseline if pair else "", gate.controls or ControlCheck(0), floor_of(gate))
        if pair is not None:
            floor = pair.baseline_floor and recounted(pair.baseline_floor, gate.alpha)
            context = replace(context, baseline_floor=floor, baseline_controls=pair.baseline_controls, noise=pair.noise)
        plan = None
        if planned is not None:
            plan = planned.versus(gate, *self._margin)
            context = _of_package(context, planned, gate)
        every = self.mine.of(gate)  # a lock may not know all of them
        context = replace(context, new=len(every) - len(own))
        plan = plan or PairedGate(gate, gate.items, gate.tolerance, gate.note, shared(every), gate.against_lock)
        return plan.check(gate.nodeid, own, theirs, context)


def _of_package(context: Context, planned: Planned, gate: GateResult) -> Context:
    """Return the floors and numbers of controls as this package has them, with the file's counts."""
    floors = [said and planned.floor(said, gate.alpha) for said in (context.floor, context.baseline_floor)]
    number = len(planned.probe.controls)
    theirs = context.baseline_controls and replace(context.baseline_controls, total=number)
    return replace(
        context, floor=floors[0], baseline_floor=floors[1], controls=replace(context.controls, total=number),
        baseline_controls=theirs,
    )  # fmt: skip


def _lack(gate: GateResult, own: Sequence[Finding], profile: Mapping[str, Any]) -> Iterator[str]:
    """Return whether what a gate lacks was lacking."""
    missing, given = gate.missing, profile.get("inputs", {})
    if gate.status is Status.NOT_TESTED and own and not gate.versus:
        yield "NOT TESTED, with findings"
    if missing is None:
        return
    had = set(missing.names) & set(given) if missing.kind is Lack.INPUT else set()
    if missing.kind is Lack.DATA and gate.tolerance is not None and "data" not in given:
        yield "a data set is missing of a gate with a limit, and no folder of data sets was given"
    if had:
        yield f"it was not tested for want of {', '.join(sorted(had))}, which was given"
    if gate.reason != missing.reason:
        yield f"its reason is {short(gate.reason)}; what is missing says {short(missing.reason)}"


def _differences(gate: GateResult, made: GateResult, planned: Planned | None) -> Iterator[str]:
    whose = "the findings say" if planned is None else "the findings and this package say"
    excuse = gate.excuse if gate.status in SILENT else ""  # a gate with numbers has none
    said, found = (asdict(replace(g, waiver=None, p_holm=None, beside=None)) for g in (gate, replace(made, excuse=excuse)))
    for name in said:
        if not same(said[name], found[name]):
            yield f"{name} is {short(said[name])}; {whose} {short(found[name])}"


def _waiver(gate: GateResult, waivers: frozenset[Any], started: str) -> Iterator[str]:
    waiver = gate.waiver
    if waiver is None:
        return
    if waiver not in waivers or waiver.probe not in gate_names(gate.nodeid):
        yield "its waiver belongs to another gate"
    if not waiver.expired and waiver.expires < started[:10]:
        yield "its waiver had expired when the audit began"
