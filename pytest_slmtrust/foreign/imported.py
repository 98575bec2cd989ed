"""An audit of what another tool asked: its results with our intervals, gates and report."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from ..archive.installed import package_sha256
from ..audit.merkle import answers_root
from ..audit.model import Audit, AuditError, Finding, GateResult
from ..audit.notes import IMPORTED, NO_PACK, not_asked
from ..audit.sections import AskedBy, ProfileSettings
from ..audit.verdict import adjusted, not_tested, overall, sentence
from ..authoring.declarations import ProbeError, Verdict
from ..authoring.probe import Case, Probe
from ..escaping import one_line
from ..gates.detector_errors import rule_detectors
from ..gates.gate import Gate, finding
from ..gates.policy import Policy, load_policy
from ..redaction import Mask
from ..requests import Steps
from ..session.assemble import now, provenance
from .results import Foreign, Sample, Test

#: The profile of an imported audit: all that the file holds.
PROFILE = "full"
#: Characters of a name, a claim or a note that come from the file.
_LONGEST = 1000
#: Versions and times are not masked: their digits look like a telephone's.
_STAMP = re.compile(r"[\dT:.+\- ]{0,40}Z?")


def imported(foreign: Foreign, path: Path, gates: Sequence[str], mask: Mask) -> Audit:
    """Return the audit of a file of results. ``gates``: ``NAME=TOLERANCE`` as for ``--slm-gate``.

    Raises:
        AuditError: a gate that no test has, or one that the cases cannot decide; two tests of one name.
    """
    foreign = _shown(foreign, mask)
    twice = next((name for name, times in Counter(test.name for test in foreign.tests).items() if times > 1), None)
    if twice is not None:
        raise AuditError(f"{path}: two tests of it have the name {twice} here: give one of them another in the file")
    try:
        policy = load_policy(PROFILE, gates)
        probes = [(test, _probe(test)) for test in foreign.tests]
        policy.check([probe.name for _, probe in probes])
        made = [_judged(test, probe, policy, mask) for test, probe in probes]
    except ProbeError as error:
        raise AuditError(str(error)) from None
    results = adjusted([gate for gate, _ in made])
    findings = tuple(one for _, own in made for one in own)
    verdict = overall(results)
    by = AskedBy(
        tool=foreign.tool, version=foreign.version, file=_said(path.name, mask), sha256=_sha256(path), started=foreign.started
    )  # fmt: skip
    silent = not_tested(results, {f.dimension for f in findings})
    whole = Audit(
        verdict, sentence(verdict, results), PROFILE, tuple(results), findings, silent,
        {"name": foreign.model, "kind": IMPORTED}, rule_detectors(),
        {"profile": cast(ProfileSettings, asdict(policy.profile)), "packs": ["none"], "tolerances": dict(policy.tolerances),
         "rows_sha256": {gate.nodeid: _asked(test) for (gate, _), test in zip(made, foreign.tests, strict=True)}},
        provenance={**provenance(now()), "probes_sha256": package_sha256(), "asked_by": by},
        notes=(not_asked(by), NO_PACK, *foreign.notes),
    )  # fmt: skip
    return replace(whole, answers_root=answers_root(whole))


def _shown(foreign: Foreign, mask: Mask) -> Foreign:
    """Return the results with every text of the file on one line and masked, as its evidence is."""

    def said(text: str) -> str:
        return _said(text, mask)

    tests = [
        replace(
            test, claim=said(test.claim), metric=said(test.metric), verb=said(test.verb),
            measures=[replace(one, name=said(one.name), group=said(one.group)) for one in test.measures],
        )
        for test in foreign.tests
    ]  # fmt: skip
    version, started = (text if _STAMP.fullmatch(text) else said(text) for text in (foreign.version, foreign.started))
    notes = [said(one) for one in foreign.notes]
    return replace(foreign, model=said(foreign.model), version=version, started=started, tests=tests, notes=notes)


def _said(text: str, mask: Mask) -> str:
    shown = one_line(mask.text(text))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _probe(test: Test) -> Probe:
    give = (lambda _: test.measures) if test.measures else None
    return Probe(
        test.name, test.dimension, _nothing, (), test.claim, criterion=test.criterion, measures=give, metric=test.metric,
        unit=test.unit, verb=test.verb, packed=True, foreign=True,
    )  # fmt: skip


def _judged(test: Test, probe: Probe, policy: Policy, mask: Mask) -> tuple[GateResult, list[Finding]]:
    """Return what the gate of a test says, and its findings."""
    cases = [(_case(probe, sample), sample) for sample in test.samples]
    if len({case.id for case, _ in cases}) < len(cases):
        raise AuditError(f"{test.name}: two cases have one id")
    gate = Gate.plan(probe, policy, [case for case, _ in cases])
    findings = [mask.finding(_finding(test, case, sample)) for case, sample in cases]
    return gate.check(f"{test.place}::{gate.label}", findings, (), ()), findings


def _case(probe: Probe, sample: Sample) -> Case:
    return Case(sample.id, probe, {}, sample.source or sample.id)


def _finding(test: Test, case: Case, sample: Sample) -> Finding:
    """Return a sample as the finding of a case."""
    nodeid = f"{test.place}::{test.name}[{case.id}]"
    if sample.outcome == "error":
        return finding(case, nodeid, None, sample.reason or "it ended in an error")
    passed = {"passed": True, "failed": False}.get(sample.outcome)
    reason = sample.reason or ("it has no score" if sample.outcome == "unscored" else "")
    return finding(case, nodeid, Verdict(passed, sample.score, sample.evidence, None, reason))


def _nothing() -> Steps[Verdict]:
    """Ask nothing: the other tool asked."""
    yield []
    return Verdict.unscored("it was not asked here")


def _asked(test: Test) -> str:
    """Return an identity of what was asked: comparisons need the same on both sides."""
    rows = sorted([sample.id, sample.source, sample.asked] for sample in test.samples)
    return hashlib.sha256(json.dumps([test.metric, rows]).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
