"""The audit of one pytest process: its suites, its engine, and what its gates say. Knows nothing of pytest."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .audit import Finding, GateResult, Status
from .engine import Engine
from .gates import Gate, finding
from .policy import Policy
from .probe import Case, Probe, ProbeError
from .requests import Backend, BackendError, Classify, Counters, Perturb, RequestFailed
from .sharing import Mask

#: Counters that the model's backend keeps; the engine keeps the others.
_OF_THE_MODEL = ("forwards", "prefilled", "shared", "padded", "generated", "load_seconds", "peak_bytes")


@dataclass(frozen=True, slots=True, eq=False)
class Suite:
    """One probe as it will be tested: its cases and its gate, under the node ids that begin with ``prefix``."""

    probe: Probe
    cases: tuple[Case, ...]
    gate: Gate
    prefix: str
    missing: str = ""

    @property
    def has_gate(self) -> bool:
        """A user's probe without a tolerance is a set of ordinary tests: nothing statistical is claimed."""
        return self.probe.builtin or self.gate.tolerance is not None

    @property
    def gate_id(self) -> str:
        return f"{self.prefix}::{self.gate.label}"

    def case_id(self, case: Case) -> str:
        return f"{self.prefix}::{case_name(case)}"

    def everything(self) -> list[Case]:
        """What its gate needs: all rows, controls and floor."""
        return [*self.cases, *self.probe.control_cases(), *self.probe.floor_cases()]

    def rows_sha256(self) -> str:
        """Identity of what is asked: ids and parameters of all rows, controls and floor."""
        rows = [[c.kind, c.id, dict(c.params)] for c in self.everything()]
        return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def case_name(case: Case) -> str:
    return f"{case.probe.name}[{case.id}]"


class AuditSession:
    """Suites, engine and findings. A case is judged once; gates and items look the finding up."""

    def __init__(self, policy: Policy, engine: Engine, mask: Mask) -> None:
        self.policy = policy
        self.engine = engine
        self.mask = mask
        self.suites: dict[str, Suite] = {}
        self._findings: dict[tuple[str, str], Finding] = {}

    def add(self, probe: Probe, prefix: str) -> Suite:
        """Make a probe's cases and gate.

        Raises:
            ProbeError: rows or a tolerance that cannot be.
        """
        if any(s.prefix == prefix and s.probe.name == probe.name for s in self.suites.values()):
            raise ProbeError(f"two probes of {prefix} are named {probe.name!r}: give one of them another name (name=...)")
        missing = self._missing(probe)
        rows = tuple(probe.cases(self.policy.profile, self.policy.limit(probe)))
        # planned with all rows, so that a gate that cannot be tested keeps its name
        suite = Suite(probe, () if missing else rows, Gate.plan(probe, self.policy, rows), prefix, missing)
        self.suites[suite.gate_id] = suite
        return suite

    def judge(self, suite: Suite, case: Case) -> Finding:
        """The finding of a case, masked for sharing.

        Raises:
            Exception: what the probe's own code raises; a request that failed is a finding with outcome ``error``.
        """
        nodeid = suite.case_id(case)
        key = (case.kind, nodeid)  # a user may give a row the id of a control
        if key not in self._findings:
            try:
                found = finding(case, nodeid, self.engine.run(case))
            except RequestFailed as error:
                found = finding(case, nodeid, None, str(error))
            self._findings[key] = self.mask.finding(found)
        return self._findings[key]

    def gate_result(self, suite: Suite) -> tuple[GateResult, list[Finding]]:
        """What the gate says over all rows of its probe, and the findings it rests on."""
        if suite.missing:
            return suite.gate.not_tested(suite.gate_id, suite.missing), []
        rows = [self._safely(suite, c) for c in suite.cases]
        controls = [(c, self._safely(suite, c)) for c in suite.probe.control_cases()]
        floor = [self._safely(suite, c) for c in suite.probe.floor_cases()]
        return suite.gate.check(suite.gate_id, rows, controls, floor), rows

    def pending(self, suite: Suite) -> GateResult:
        """The result of a gate that was not selected, or that the run did not reach."""
        result = suite.gate.not_tested(suite.gate_id, suite.missing or "its gate did not run")
        return result if suite.missing else _with_status(result, Status.NOT_RUN)

    def _safely(self, suite: Suite, case: Case) -> Finding:
        try:
            return self.judge(suite, case)
        except Exception as error:  # a probe that breaks is a case without a verdict, never a pass
            return self.mask.finding(finding(case, suite.case_id(case), None, f"{type(error).__name__}: {error}"))

    def _missing(self, probe: Probe) -> str:
        absent = [name for name in probe.extras if importlib.util.find_spec(name) is None]
        if absent:
            return f"{', '.join(absent)} is not installed: pip install 'pytest-slmtrust[all]'"
        target = self.engine.backends.get(("generate", "target")) or self.engine.backends.get(("loglikelihood", "target"))
        lacking = [k.kind for k in probe.needs if k not in (Classify, Perturb) and (target is None or k not in target.answers)]
        return f"{target.name if target else 'no model'} does not answer {', '.join(lacking)}" if lacking else ""


def selected_cases(suites: Iterable[tuple[Suite, Case | None]]) -> list[Case]:
    """The cases to answer before the first test: those selected, and everything that a selected gate covers."""
    chosen: dict[int, Case] = {}
    whole: dict[str, Sequence[Case]] = {}
    for suite, case in suites:
        if suite.missing:
            continue
        if case is None:
            whole.setdefault(suite.gate_id, suite.everything())
        else:
            chosen[id(case)] = case
    for cases in whole.values():
        chosen |= {id(c): c for c in cases}
    return list(chosen.values())


def _with_status(result: GateResult, status: Status) -> GateResult:
    return replace(result, status=status)


def describe_engine(engine: Engine) -> dict[str, Any]:
    """Provenance of every backend, and what answering cost, as JSON-able data."""
    backends = {id(b): b for b in engine.backends.values()}
    target = engine.backends.get(("generate", "target"))
    counters = asdict(engine.counters)
    own = getattr(target, "counters", None)
    if isinstance(own, Counters):
        counters |= {name: getattr(own, name) for name in _OF_THE_MODEL}
    return {
        "counters": counters,
        "model": _described(target) if target else {},
        "scorers": [*(_described(b) for b in backends.values() if b is not target), *rule_detectors()],
    }


def _described(backend: Backend) -> dict[str, Any]:
    """What a backend says of itself; of one that could not be made, why."""
    try:
        return backend.describe()
    except BackendError as error:
        return {"error": str(error)}


def rule_detectors() -> list[dict[str, Any]]:
    """The detectors that are rules, not models, with their measured counts."""
    from .backends.toxicity import measured

    return [
        {"name": f"{name} rules", "kind": "rules", "detector": name, "measured": rows}
        for name in ("refusal",)
        if (rows := measured(name))
    ]
