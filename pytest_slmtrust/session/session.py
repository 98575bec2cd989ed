"""The audit of one pytest process: its suites, its engine, and what its gates say. Knows nothing of pytest."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..audit.merkle import answers as answers_of
from ..audit.model import Answers, Finding, FloorCheck, GateResult, Lack, Missing, Status, Stopped, Waiver, as_written
from ..audit.nodeids import gate_key, gate_names
from ..audit.notes import NOT_IN_TIME
from ..audit.routes import ANSWERED_BY
from ..audit.row_tests import SKIPPED
from ..audit.verdict import SILENT
from ..authoring.datafiles import DataMissing, NotAskable
from ..authoring.declarations import LimitError, ProbeError, Verdict
from ..authoring.mistakes import explained
from ..authoring.probe import Case, Probe
from ..engine.engine import Engine
from ..escaping import said
from ..gates.accepted import Accepted
from ..gates.asked_rows import asked_beside, case_name, first_questions_of, rows_sha256
from ..gates.baseline import Reference
from ..gates.detector_errors import detector_check, measured_row
from ..gates.gate import Beside, Gate, check_controls, check_floor, finding
from ..gates.paired_gate import NEW, Context, PairedGate
from ..gates.policy import Policy
from ..redaction import Mask
from ..requests import RequestFailed, ThoughtUnfinished
from ..thinking import shortened, with_thoughts
from .corpus import Corpus
from .describing import described
from .lacking import lack_of, unanswered
from .prose import shareable


@dataclass(frozen=True, slots=True, eq=False)
class Suite:
    """One probe as it will be tested: its cases and its gate, under the node ids that begin with ``prefix``; ``others`` are its
    controls, labelled cases and floor."""

    probe: Probe
    cases: tuple[Case, ...]
    gate: Gate
    prefix: str
    missing: Missing | None = None
    versus: PairedGate | None = None
    others: tuple[Case, ...] = ()

    @property
    def has_gate(self) -> bool:
        """A user's probe without a tolerance is a set of ordinary tests: nothing statistical is claimed. One that cannot be asked
        has a gate all the same, that says so; and so has one with a criterion, which shows its number where it has no limit."""
        measured = self.probe.packed or self.probe.criterion is not None
        return measured or self.gate.tolerance is not None or self.missing is not None

    @property
    def gate_id(self) -> str:
        return f"{self.prefix}::{self.gate.label}"

    @property
    def key(self) -> str:
        """Its place and the name of its probe, whatever its gate is called."""
        return f"{self.prefix}::{self.probe.name}"

    @property
    def versus_id(self) -> str:
        """The node id of the comparison with a baseline; there is none without one."""
        return f"{self.prefix}::{self.versus.label}" if self.versus else ""

    def case_id(self, case: Case) -> str:
        return f"{self.prefix}::{case_name(case)}"

    def everything(self) -> list[Case]:
        """Return what its gate needs: all rows, controls, labelled cases and floor."""
        return [*self.cases, *self.beside()]

    def beside(self) -> list[Case]:
        """Return the cases that are asked in addition to the rows; the same objects each time, as their questions are known by
        these."""
        return list(self.others)

    def rows_sha256(self, asked: Mapping[Case, Sequence[str]]) -> str:
        """Identity of what is asked and how it is judged."""
        return rows_sha256(self.probe, self.everything(), asked)


class AuditSession:
    """Suites, engine and findings. A case is judged once; gates and items look the finding up.

    ``reference`` is the baseline that the target is compared with; ``noise`` holds its flips against itself by probe; ``corpus``
    the counterexamples of earlier runs; ``optional`` the names of gates whose absence the user accepts; ``left_out`` the probes
    outside the dimensions asked for, by the keys of their gates; ``marked`` the cases that a marker skips, by node id, with the
    reason: a gate counts them as unscored, and nobody asks them. ``unasked`` holds the cases for which there was no time, by kind
    and node id, ``late`` the number of such items by gate.
    """

    def __init__(
        self, policy: Policy, engine: Engine, mask: Mask, *, reference: Reference | None = None,
        noise: Mapping[str, int] | None = None, waivers: Sequence[Waiver] = (), corpus: Corpus | None = None,
        optional: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.policy = policy
        self.engine = engine
        self.mask = mask
        self.reference = reference
        self.noise = noise
        self.waivers = {w.probe: w for w in waivers}
        self.corpus = corpus
        self.optional = frozenset(optional)
        self.suites: dict[str, Suite] = {}
        self.left_out: dict[str, Probe] = {}
        self.marked: dict[str, str] = {}
        self.stopped: dict[str, Stopped] = {}
        self.unasked: set[tuple[str, str]] = set()
        self.late: dict[str, int] = {}
        self._first: dict[Case, list[str]] | None = None
        self._findings: dict[tuple[str, str], Finding] = {}
        self._written: dict[str, tuple[Finding, Finding]] = {}
        self._answered: dict[tuple[str, str], Mapping[str, str]] = {}

    def add(self, probe: Probe, prefix: str) -> Suite:
        """Make a probe's cases and gates.

        Raises:
            ProbeError: rows or a tolerance that cannot be; a LimitError where an option set the tolerance.
        """
        if any(s.prefix == prefix and s.probe.name == probe.name for s in self.suites.values()):
            raise ProbeError(f"two probes of {prefix} are named {probe.name!r}: give one of them another name (name=...)")
        policy = self.policy.at(prefix, probe.name)
        probe = policy.fitted(shareable(self.corpus.attach(probe) if self.corpus else probe))
        missing = lack_of(probe, policy, self.engine)
        given, rows = all(name in policy.profile.inputs for name in probe.inputs), tuple[Case, ...]()
        try:
            rows = self._cases(probe, policy) if given else ()
        except DataMissing as error:
            said = str(error).replace(str(Path.home()), "~")  # no report says whose home it is
            lack = Lack.TEST if isinstance(error, NotAskable) else Lack.DATA
            given, missing = False, missing or Missing(lack, said=said)
        missing = missing or unanswered(probe, rows, self.engine)
        try:
            # planned with all rows, so that a gate that cannot be tested keeps its name
            gate = Gate.plan(probe, policy, rows) if given else Gate.unasked(probe, policy)
            suite = Suite(probe, () if missing else rows, gate, prefix, missing, None, tuple(asked_beside(probe)))
            suite = replace(suite, versus=self._versus(suite, policy))
        except ProbeError as error:
            by_hand = probe.name in policy.tolerances or probe.name in policy.margins
            raise LimitError(f"--slm-gate: {error}") if by_hand else error from None
        self.suites[suite.gate_id] = suite
        return suite

    def leave_out(self, probe: Probe, prefix: str) -> None:
        """Take note of a probe outside the dimensions that the user asked for: its name is known, and nothing of it is asked."""
        self.left_out[f"{prefix}::{probe.name}"] = probe

    def _versus(self, suite: Suite, policy: Policy) -> PairedGate | None:
        """Return the plan of the comparison with the baseline; None without one, and for a new set of ordinary tests."""
        gate, lock = suite.gate, self.lock
        if self.reference is None:
            return None
        if lock is not None and not lock.knows(suite.gate_id):
            new = PairedGate(gate.not_run(""), gate.n, None, NEW, gate.grouping, accepted=True)
            return new if suite.has_gate else None
        return policy.versus(gate.not_run(""), gate.n, gate.grouping, accepted=lock is not None)

    @property
    def lock(self) -> Accepted | None:
        """The baseline, where it is a lock."""
        return self.reference if isinstance(self.reference, Accepted) else None

    def first_questions(self) -> dict[Case, list[str]]:
        """Return what every case asks first, whether it was asked or not."""
        if self._first is None:
            cases = [case for suite in self.suites.values() for case in suite.everything()]
            self._first = first_questions_of(cases, self.engine.first)
        return self._first

    def _cases(self, probe: Probe, policy: Policy) -> tuple[Case, ...]:
        try:
            return tuple(probe.cases(policy.profile, policy.limit(probe)))
        except (ProbeError, DataMissing, KeyboardInterrupt):
            raise
        except BaseException as error:  # a skip, too: its gate must not vanish without a word
            raise ProbeError(f"the rows of probe {probe.name!r} broke: {said(error)}") from None

    def judge(self, suite: Suite, case: Case) -> Finding:
        """Return the finding of a case, masked for sharing.

        Raises:
            Exception: what the probe's own code raises; a request that failed is a finding with outcome ``error``.
        """
        nodeid = suite.case_id(case)
        if case.kind == "case" and nodeid in self.marked:
            skipped = Verdict.unscored(f"{SKIPPED}: {self.marked[nodeid]}")
            return self.mask.finding(finding(case, nodeid, skipped))
        if (case.kind, nodeid) in self.unasked:
            return self.mask.finding(finding(case, nodeid, Verdict.unscored(NOT_IN_TIME)))
        key = (case.kind, nodeid)  # a user may give a row the id of a control
        if key not in self._findings:
            asked: list[str] = []
            try:
                verdict = self.engine.run(case, asked)
                found = finding(case, nodeid, verdict)
                if self.corpus is not None:
                    self.corpus.keep(case, verdict)
            except ThoughtUnfinished as error:
                found = finding(case, nodeid, Verdict.unscored(str(error), **with_thoughts({}, error.thoughts)))
            except RequestFailed as error:
                found = finding(case, nodeid, None, str(error))
            route = self.engine.answered_by(asked)
            found = replace(found, evidence={**found.evidence, ANSWERED_BY: route}) if route else found
            found = self.mask.finding(found)
            rests_on = answers_of(self.engine.answered(asked))
            self._findings[key] = replace(found, evidence=shortened(found.evidence), answers=rests_on)
            self._answered[key] = self.engine.answered(asked) if case.kind != "case" else {}
        return self._findings[key]

    def watchable(self, suite: Suite) -> bool:
        """Return whether a gate may end early: items that ask alike say less than their number, and are asked whole."""
        if not suite.gate.watchable or suite.missing:
            return False
        first = first_questions_of(suite.cases, self.engine.first)
        asked: dict[str, set[str]] = {}
        for case in suite.cases:
            asked.setdefault(case.source, set()).update(first[case])
        known = [frozenset(keys) for keys in asked.values() if keys]
        return len(set(known)) == len(known)

    def weak(self, suite: Suite) -> bool:
        """Return whether the detector of a gate is not known to be good enough to block."""
        judge, row, gate = suite.probe.judge, self._measured(suite.probe), suite.gate
        if judge is None or row is None or gate.tolerance is None:
            return False
        return not detector_check(judge, row, gate.tolerance, gate.profile.alpha).good

    def skipped(self, suite: Suite, case: Case) -> bool:
        """Return whether a case was not asked because its gate had ended."""
        stopped = self.stopped.get(suite.gate_id)
        return stopped is not None and case.kind == "case" and case.source not in stopped.order

    def rows(self, suite: Suite) -> list[Finding]:
        """Return the findings of all rows that are asked; a probe that breaks is a case without a verdict."""
        return [self._as_written(self.safely(suite, c)) for c in suite.cases if not self.skipped(suite, c)]

    def _as_written(self, found: Finding) -> Finding:
        """Return the finding of a row as it is read back; a gate, its comparison and a JUnit file look at the same rows."""
        if self._written.get(found.nodeid, (None,))[0] is not found:
            self._written[found.nodeid] = found, as_written(found)
        return self._written[found.nodeid][1]

    def floor(self, suite: Suite) -> FloorCheck | None:
        found = [self.safely(suite, c) for c in suite.probe.floor_cases()]
        return check_floor(suite.probe, found, self.policy.profile.alpha)

    def gate_result(self, suite: Suite) -> tuple[GateResult, list[Finding]]:
        """Return what the gate says over all rows of its probe, and the findings it rests on."""
        if suite.missing:
            return self._excused(suite.gate.not_tested(suite.gate_id, suite.missing)), []
        rows = self.rows(suite)
        floor = [self.safely(suite, c) for c in suite.probe.floor_cases()]
        result = suite.gate.check(suite.gate_id, rows, self.controls(suite), floor, self.grounds(suite))
        return replace(result, waiver=self._held(suite, result), beside=self._beside(suite)), rows

    def grounds(self, suite: Suite) -> Beside:
        """Return what a gate rests on in addition to its rows."""
        labelled = [(c, self.safely(suite, c)) for c in suite.probe.labelled_cases() if not self._left_out(suite, c)]
        return Beside(labelled, self._measured(suite.probe), self.stopped.get(suite.gate_id))

    def _beside(self, suite: Suite) -> Answers | None:
        """Return the answers that controls, labelled cases and floor rest on."""
        pairs: dict[str, str] = {}
        for case in suite.beside():
            pairs |= self._answered.get((case.kind, suite.case_id(case)), {})
        return answers_of(pairs)

    def versus_result(self, suite: Suite) -> tuple[GateResult, list[Finding], list[Finding]]:
        """Return what the comparison with the baseline says, and the findings of both models that it rests on."""
        versus, reference = suite.versus, self.reference
        assert versus is not None
        assert reference is not None
        if suite.missing:
            return self._excused(self._lacking(suite, versus, suite.missing)), [], []
        if self.lock is not None:
            from .accepted import accepted_result

            result, rows, then = accepted_result(self, self.lock, suite)
            return self._excused(result) if result.status in SILENT else result, rows, [self.mask.finding(f) for f in then]
        if not reference.knows(suite.gate_id):
            return self._excused(versus.not_tested(suite.versus_id, f"{reference.origin} was not asked this")), [], []
        rows = self.rows(suite)
        theirs = reference.rows(suite.gate_id, [f.nodeid for f in rows])
        if theirs is None:
            reason = f"{reference.origin} has not answered all of these cases"
            return self._excused(versus.not_run(suite.versus_id, reason)), [], []
        noise = self.noise.get(gate_key(suite.gate_id)) if self.noise is not None else None
        floors = self.floor(suite), reference.floor(suite.gate_id)
        context = Context(reference.name, check_controls(self.controls(suite)), *floors, reference.controls(suite.gate_id), noise)
        result = versus.check(suite.versus_id, rows, theirs, context)
        return replace(result, waiver=self.waiver(result)), rows, [self.mask.finding(f) for f in theirs]

    def waiver(self, gate: GateResult) -> Waiver | None:
        """Return the waiver of a gate, by its name or by its place and name."""
        return next((self.waivers[name] for name in gate_names(gate.nodeid) if name in self.waivers), None)

    def _lacking(self, suite: Suite, versus: PairedGate, missing: Missing) -> GateResult:
        """Return the result of a comparison of a probe that cannot be asked; what a lock accepted must be."""
        if self.lock is not None and self.lock.knows(suite.gate_id):
            return versus.not_tested(suite.versus_id, f"it was accepted, and cannot be asked now: {missing.reason}")
        return versus.not_tested(suite.versus_id, missing.reason, missing)

    def _held(self, suite: Suite, result: GateResult) -> Waiver | None:
        """Return the waiver of a probe's own gate; that of a lock only while the gate is no worse than accepted."""
        waiver = self.waiver(result)
        if waiver is None or self.lock is None or waiver.probe not in self.lock.lock.red:
            return waiver
        return waiver if self.versus_result(suite)[0].status is Status.PASS else None

    def _excused(self, gate: GateResult, unselected: Collection[str] = ()) -> GateResult:
        """Return a gate without numbers, with the reason why it does not count, if there is one."""
        if not self.optional.isdisjoint(gate_names(gate.nodeid)):
            return replace(gate, excuse="optional")
        return replace(gate, excuse="unselected") if gate.nodeid in unselected else gate

    def pending(self, unselected: Collection[str] = ()) -> list[GateResult]:
        """Return the results of gates that were not selected, or that the run did not reach.

        ``unselected``: node ids of gates outside the selection that the user named.
        """
        found = []
        for suite in self.suites.values():
            gate, versus, missing = suite.gate, suite.versus, suite.missing
            if suite.has_gate:
                found.append(gate.not_tested(suite.gate_id, missing) if missing else gate.not_run(suite.gate_id))
            if versus is not None and missing:
                found.append(self._lacking(suite, versus, missing))
            elif versus is not None:
                found.append(versus.not_run(suite.versus_id))
        if self.lock is not None:
            from .accepted import vanished

            found += vanished(self, self.lock)
        return [self._excused(gate, unselected) for gate in found]

    def controls(self, suite: Suite) -> list[tuple[Case, Finding]]:
        """Return the findings of a probe's scripted controls."""
        return [(c, self.safely(suite, c)) for c in suite.probe.control_cases() if not self._left_out(suite, c)]

    def _left_out(self, suite: Suite, case: Case) -> bool:
        """Return whether there was no time for a scripted case: its gate was not begun, and decides nothing."""
        return (case.kind, suite.case_id(case)) in self.unasked

    def _measured(self, probe: Probe) -> Mapping[str, Any] | None:
        """Return the row of labelled data that speaks for a probe's detector, if there is one."""
        scorer = self.engine.backends.get(("classify", "toxicity"))
        return None if probe.judge is None else measured_row(probe.judge, described(scorer) if scorer else {})

    def safely(self, suite: Suite, case: Case) -> Finding:
        try:
            return self.judge(suite, case)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a probe that breaks, skips or exits is a case without a verdict, never a pass
            return self.mask.finding(finding(case, suite.case_id(case), None, said(explained(error))))


def selected_cases(suites: Iterable[tuple[Suite, Case | None]], marked: Container[str] = ()) -> list[Case]:
    """Return the cases to answer before the first test: those selected, and everything that a selected gate covers.

    ``marked``: node ids of cases that a marker skips.
    """
    chosen: dict[int, Case] = {}
    whole: dict[str, Sequence[Case]] = {}
    for suite, case in suites:
        if suite.missing:
            continue
        if case is None:
            whole.setdefault(suite.gate_id, [c for c in suite.everything() if c.kind != "case" or suite.case_id(c) not in marked])
        elif suite.case_id(case) not in marked:
            chosen[id(case)] = case
    for cases in whole.values():
        chosen |= {id(c): c for c in cases}
    return list(chosen.values())
