"""The built-in gates of an audit as the installed package plans them: claims, rows, limits, controls, floors, detectors' counts.

Only an audit of this very package can be held against it; :func:`other_package` says so of any other. Nothing is asked: rows,
first questions and scripted controls follow from the package and from the settings of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property, lru_cache
from importlib import import_module, metadata, resources
from typing import Any

from ..audit.model import Audit, ControlCheck, DetectorCheck, Finding, FloorCheck, GateResult, Lack, Missing, Stopped
from ..audit.nodeids import PACKS
from ..audit.notes import has_builtin
from ..audit.sections import BY_HAND
from ..authoring.datafiles import DataMissing
from ..authoring.declarations import TOXICITY, ProbeError
from ..authoring.probe import Case, Probe, packed
from ..authoring.properties import WITH_KEPT
from ..gates.asked_rows import asked_beside, case_name, extra_of, rows_sha256
from ..gates.detector_errors import detector_check, measured_row, rule_detectors
from ..gates.gate import Checks, Gate, check_controls, finding
from ..gates.paired_gate import PairedGate
from ..gates.policy import Policy, load_policy, untested
from ..gates.readings import read_metric

PACK = "pytest_slmtrust.probes"


@cache
def package_sha256() -> str:
    """Identity of what this package knows of its probes: a digest of their files, the profiles and the detectors' counts."""
    files = [f for f in resources.files(PACK).iterdir() if f.name.endswith((".py", ".toml", ".csv", ".txt", ".json"))]
    own = resources.files("pytest_slmtrust")
    files += [own / "gates" / "profiles.toml", own / "detectors" / "detectors.toml"]
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda f: f.name):
        content = file.read_bytes()
        digest.update(f"{file.name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def other_package(audit: Audit) -> str:
    """Say why the installed package cannot say what the built-in probes of an audit are; empty if it can."""
    wrote, mine = audit.provenance.get("versions", {}).get("pytest-slmtrust"), metadata.version("pytest-slmtrust")
    if wrote != mine:
        return f"provenance.versions: the audit is of pytest-slmtrust {str(wrote)[:40]}, this is {mine}"
    if audit.provenance.get("probes_sha256") != package_sha256():
        return f"provenance.probes_sha256: the audit is of another build of pytest-slmtrust {mine}"
    return ""


@dataclass(frozen=True, eq=False)
class Planned:
    """One built-in probe as a run with an audit's settings plans it. ``cases``: None where they are made from a user's files."""

    probe: Probe
    policy: Policy
    cases: tuple[Case, ...] | None
    lacks: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"{PACKS}{self.probe.dimension}"

    def unknown(self, result: GateResult) -> bool:
        """Return whether nothing tells how many rows a gate would have asked: they come from a user's files, and none was
        asked."""
        return self.cases is None and not self.lacks and result.missing is None and not result.items

    def gate(self, result: GateResult) -> Gate:
        """Return the gate before any case ran.

        Raises:
            ProbeError: a limit that such a gate could not have.
        """
        if self.lacks or (result.missing is not None and result.missing.kind is Lack.DATA):
            return Gate.unasked(self.probe, self.policy)
        if self.cases is None:
            return Gate.over(self.probe, self.policy, result.items)
        return Gate.plan(self.probe, self.policy, self.cases)

    def versus(self, result: GateResult, margin: float | None, compared: bool) -> PairedGate | None:
        """Return the gate against a baseline: of ``slmtrust compare`` with its ``margin``, else of the run. None if it is not
        known."""
        silent = result.paired is None and not result.cases
        if silent and (compared or self.cases is None):
            return None
        gate = Gate.over(self.probe, self.policy, result.items) if self.cases is None else self.gate(result)
        about = gate.not_run("")
        if compared:
            held = self.policy.profile.margin if margin is None else margin
            return PairedGate.plan(about, result.items, held, margin is not None, gate.grouping)
        return self.policy.versus(about, gate.n, gate.grouping, accepted=result.against_lock)

    def checks(self, result: GateResult, own: Sequence[Finding], audit: Audit, stopped: Stopped | None) -> Checks:
        """Return what the gate is decided by besides its rows, with the file's word for the outcomes of controls and floor."""
        wrong = result.controls.wrong if result.controls else ()
        reading = read_metric(self.probe.criterion, own)
        controls, floor = ControlCheck(len(self.probe.controls), wrong), self.floor(result.floor, result.alpha)
        if own and all(one.outcome == "unscored" for one in own):
            floor = floor if result.floor else None  # a floor that was not judged either tells nothing
            controls = ControlCheck(0) if result.controls == ControlCheck(0) else controls  # nor do controls: it cannot pass
        return Checks(controls, floor, self._measured(audit, result), stopped, reading)

    def floor(self, said: FloorCheck | None, alpha: float) -> FloorCheck | None:
        """Return the competence floor with the file's count of passed rows."""
        from ..stats import lower_bound

        floor = self.probe.floor
        if floor is None or said is None:
            return None if floor is None else FloorCheck(floor.claim, 0, len(floor.rows), 0.0, floor.at_least)
        total = len(floor.rows)
        return FloorCheck(floor.claim, said.passed, total, lower_bound(said.passed, total, alpha), floor.at_least)

    def _measured(self, audit: Audit, result: GateResult) -> DetectorCheck | None:
        judge = self.probe.judge
        row = measured_row(judge, _toxicity_scorer(audit)) if judge else None
        if judge is None or row is None:
            return None
        planned = self.gate(result)  # its limit may be larger than the profile's, for want of rows
        return detector_check(judge, row, planned.held_to, self.policy.profile.alpha)

    def differs(self, gate: GateResult, own: Sequence[Finding]) -> Iterator[str]:
        """Yield what of a gate's name, lack, controls and cases is not this package's."""
        yield from self._lack(gate.missing)
        if gate.versus:
            return
        try:
            planned = self.gate(gate)
        except ProbeError as error:
            yield f"tolerance: {error}"
            return
        if gate.nodeid != f"{self.place}::{planned.label}":
            yield f"nodeid: this package plans {self.place}::{planned.label}"
        yield from self._controls(gate.controls)
        yield from self._rows(gate, own)

    def _lack(self, missing: Missing | None) -> Iterator[str]:
        probe = self.probe
        if self.lacks:
            if missing != Missing(Lack.INPUT, self.lacks):
                yield f"missing: the run was not given {', '.join(f'--slm-{name}' for name in self.lacks)}"
            return
        if missing is None:
            return
        wanted: Mapping[Lack, tuple[str, ...]] = {
            Lack.INPUT: (), Lack.MODULE: probe.extras, Lack.ANSWER: tuple(k.kind for k in probe.needs),
        }  # fmt: skip
        if missing.kind is Lack.DATA:
            if self.cases is not None and not probe.extras:
                yield "missing: this probe needs no data set, or was given it"
        elif not missing.names or not set(missing.names) <= set(wanted[missing.kind]):
            yield f"missing: this probe does not need {', '.join(missing.names) or 'that'}"
        elif missing.kind is Lack.MODULE and missing.said != extra_of(missing.names):
            yield f"missing: said is {missing.said!r}; the extra is {extra_of(missing.names)!r}"

    def _controls(self, said: ControlCheck | None) -> Iterator[str]:
        """Scripted controls that ask nothing but the model are run once more."""
        if said is None:
            return
        wrong, all_ran = self._wrong_controls
        if len(said.wrong) < wrong or (all_ran and len(said.wrong) != wrong):
            yield f"controls: {len(said.wrong)} came out wrong; here {'' if all_ran else 'at least '}{wrong} do"

    @cached_property
    def _wrong_controls(self) -> tuple[int, bool]:
        """How many controls come out wrong here, and whether all of them could be run."""
        seen = [(case, _scripted(case)) for case in self.probe.control_cases()]
        ran = [(case, found) for case, found in seen if found is not None]
        return len(check_controls(ran).wrong), len(ran) == len(seen)

    def _rows(self, gate: GateResult, own: Sequence[Finding]) -> Iterator[str]:
        if self.cases is None or gate.missing is not None:
            return
        planned = {f"{self.place}::{case_name(case)}": case for case in self.cases}
        for one in own:
            case = planned.get(one.nodeid)
            said = (one.case, one.source, one.dimension, one.parts)
            if case is None or said != (case.id, case.source, str(self.probe.dimension), case.parts):
                yield f"findings: {one.nodeid} is not a case of this probe, or of another source or other parts"
                return
        asked = frozenset(gate.stopped.order) if gate.stopped else None
        wanted = sum(asked is None or case.source in asked for case in self.cases)
        if gate.cases and len(own) != wanted:
            yield f"findings: {len(own)} cases; the probe has {wanted}"

    def ordered(self, own: Sequence[Finding]) -> list[Finding]:
        """Return the findings in the order of the rows: several processes may have reported them in another."""
        place = {f"{self.place}::{case_name(case)}": n for n, case in enumerate(self.cases or ())}
        return sorted(own, key=lambda one: place.get(one.nodeid, len(place)))

    def rows_sha256(self, gate: GateResult) -> str | None:
        """Return the identity of what is asked, as the run recorded it; None where it follows from a user's files."""
        if self.cases is None and gate.missing is None:
            return None
        return self._digests[gate.missing is None]

    @cached_property
    def _digests(self) -> Mapping[bool, str]:
        """The identity of what is asked with the rows, and without them."""
        beside = asked_beside(self.probe)
        return {given: rows_sha256(self.probe, [*((self.cases or ()) if given else ()), *beside]) for given in (True, False)}

    @property
    def grows(self) -> bool:
        """Whether it asks first what broke in earlier runs, so that its questions are not the package's alone."""
        return hasattr(self.probe.run, WITH_KEPT)


@dataclass(frozen=True)
class Installed:
    """The built-in pack under the settings of an audit of the same package."""

    audit: Audit
    unchecked: list[str] = field(default_factory=list)

    @cached_property
    def policy(self) -> Policy:
        """Raises:
        ProbeError: a profile that this package does not have.
        """
        settings = self.audit.settings
        inputs = {str(k): str(v) for k, v in settings.get("profile", {}).get("inputs", {}).items()}
        made = load_policy(self.audit.profile, (), inputs)
        return replace(made, tolerances=dict(settings.get("tolerances", {})), margins=dict(settings.get("margins", {})))

    @property
    def ran(self) -> bool:
        """Whether the built-in pack was part of the run."""
        return has_builtin(self.audit.settings.get("packs", []))

    @cached_property
    def planned(self) -> Mapping[tuple[str, str], Planned]:
        """The built-in probes by the place and name of their gates."""
        return _planned(*_frozen(self.policy))

    def of(self, gate: GateResult) -> Planned | None:
        """Return the plan of a gate; None for one that is no built-in one."""
        return self.planned.get((gate.nodeid.rpartition("::")[0], gate.probe)) if self.ran else None

    def whole(self) -> Iterator[str]:
        """Yield what no single gate shows, each with the field that it is about."""
        profile = {k: v for k, v in self.audit.settings.get("profile", {}).items() if k != "inputs"}
        own = {k: v for k, v in asdict(self.policy.profile).items() if k != "inputs"}
        for name in sorted({*profile, *own}):
            if profile.get(name) != own.get(name):
                made = f"profile {self.audit.profile!r} of this package has {own.get(name)}"
                yield f"settings.profile.{name}: {profile.get(name)}; {made}"
        yield from self._limits()
        yield from self._scorers()
        yield from self._gates()

    def _limits(self) -> Iterator[str]:
        settings = self.audit.settings
        for name, limits in (("tolerances", settings.get("tolerances", {})), ("margins", settings.get("margins", {}))):
            for probe, limit in limits.items():
                if limit is not None and not (isinstance(limit, float) and 0 < limit < 1):
                    yield f"settings.{name}: the limit of {probe} is {limit}"
        for gate in self.audit.gates:
            where, planned = settings.get("limits_from", {}).get(gate.nodeid), self.of(gate)
            if planned is None or where is None or gate.versus or where in BY_HAND:
                continue
            known = planned.policy.declared(planned.probe)[1]
            if where != known:
                yield f"settings.limits_from: {gate.nodeid} has its limit from the {where}; this package has it from the {known}"

    def _scorers(self) -> Iterator[str]:
        from ..detectors.measured import measured

        rules = [s for s in self.audit.scorers if s.get("kind") == "rules"]
        if rules != rule_detectors():
            yield "scorers: the counts of the rules are not those of this package"
        scorer = _toxicity_scorer(self.audit)
        known = measured(f"{TOXICITY}:{scorer.get('name')}")
        if known and scorer.get("measured") != known:
            yield f"scorers: the counts of {scorer.get('name')} are not those of this package"
        if not known and scorer.get("measured"):
            self.unchecked.append(f"scorers: the counts of the toxicity scorer {scorer.get('name')} are not of this package")

    def _gates(self) -> Iterator[str]:
        if not self.ran:
            self.unchecked.append("settings.packs: the built-in pack was not part of this run")
        results = {(g.nodeid.rpartition("::")[0], g.probe): g for g in self.audit.gates}
        strangers = [g for g in self.audit.gates if self.of(g) is None]
        if strangers:
            self.unchecked.append(
                f"gates: {len(strangers)} of other packs or of a user's own probes, such as {strangers[0].nodeid}: "
                "their claims, limits, controls, floors and rows are as the file has them"
            )
        if not self.ran:
            return
        digests = self.audit.settings.get("rows_sha256", {})
        for key, planned in self.planned.items():
            gate = results.get(key)
            if self.audit.scope and str(planned.probe.dimension) not in self.audit.scope:
                if gate is not None:
                    yield f"gates: {planned.probe.name} is outside the dimensions that were asked for"
                continue
            if gate is None:
                yield f"gates: {planned.probe.name} of {planned.place} is a built-in probe and has no result"
                continue
            yield from self._digest(planned, gate, digests)

    def _digest(self, planned: Planned, gate: GateResult, digests: Mapping[str, Any]) -> Iterator[str]:
        if planned.unknown(gate):
            self.unchecked.append(f"settings.rows_sha256: the rows of {gate.nodeid} come from a user's files, and none was asked")
            return
        try:
            name = f"{planned.place}::{planned.gate(gate).label}"
            made = planned.rows_sha256(gate)
        except ProbeError as error:
            yield f"{gate.nodeid}: {error}"
            return
        if made is None:
            self.unchecked.append(f"settings.rows_sha256: the rows of {name} come from a user's files")
        elif digests.get(name) != made and planned.grows and name in digests:
            self.unchecked.append(f"settings.rows_sha256: {name} first asks what broke in earlier runs, which only they know")
        elif digests.get(name) != made:
            yield f"settings.rows_sha256: {name} asks or judges other cases than this package's"


def _frozen(policy: Policy) -> tuple[Any, ...]:
    """Return what a plan depends on, as a key."""
    limits = (tuple(sorted(some.items())) for some in (policy.tolerances, policy.margins, policy.profile.inputs))
    return (policy.profile.name, *limits)


@lru_cache(maxsize=4)
def _planned(profile: str, tolerances: Any, margins: Any, inputs: Any) -> Mapping[tuple[str, str], Planned]:
    """Return the plan of every built-in probe: a reader of several audits of one kind makes it once."""
    policy = replace(load_policy(profile, (), dict(inputs)), tolerances=dict(tolerances), margins=dict(margins))
    made = [_plan(probe, policy) for probe in packed(import_module(PACK).pytest_slm_probes())]
    return {(one.place, one.probe.name): one for one in made}


def _plan(probe: Probe, policy: Policy) -> Planned:
    policy = policy.at(f"{PACKS}{probe.dimension}", probe.name)
    probe, profile = policy.fitted(probe), policy.profile
    lacks = tuple(name for name in probe.inputs if name not in profile.inputs)
    cases: tuple[Case, ...] | None = None
    if not probe.inputs:
        try:
            cases = tuple(probe.cases(profile, policy.limit(probe)))
        except DataMissing:
            cases = None
    return Planned(probe, policy, cases, lacks)


def expected_untested(audit: Audit) -> list[dict[str, str]]:
    """Return what a run of the built-in pack lists as having no probe."""
    return untested() if has_builtin(audit.settings.get("packs", [])) and "margin" not in audit.settings else []


def _toxicity_scorer(audit: Audit) -> Mapping[str, Any]:
    return next((s for s in audit.scorers if s.get("role") == TOXICITY), {})


def _scripted(case: Case) -> Finding | None:
    """Return the finding of a control; None for one that asks something that no script answers."""
    try:
        next(case.steps())
    except StopIteration as stop:
        return finding(case, case.id, stop.value)
    except Exception as error:
        return finding(case, case.id, None, f"{type(error).__name__}: {error}")
    return None
