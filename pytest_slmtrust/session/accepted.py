"""What a lock says of one probe of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..audit.model import Finding, GateResult, Status, Waiver
from ..audit.nodeids import VERSUS
from ..gates.accepted import OWNER, Accepted, Matched
from ..gates.asked_rows import judged_sha256, row_digests
from ..gates.gate import check_controls
from ..gates.lock import Lock, LockedProbe
from ..gates.paired_gate import Context, PairedGate
from .session import AuditSession, Suite


def matched(session: AuditSession, reference: Accepted, suite: Suite) -> Matched:
    """Compare what a probe asks with what was accepted."""
    judges = judged_sha256(suite.probe, suite.beside())
    return reference.matched(suite.gate_id, judges, row_digests(suite.cases, session.first_questions()))


def accepted_result(session: AuditSession, reference: Accepted, suite: Suite) -> tuple[GateResult, list[Finding], list[Finding]]:
    """Return what the comparison with the lock says, and the findings that it rests on: of this run, and as accepted."""
    versus = suite.versus
    assert versus is not None
    if not reference.knows(suite.gate_id):
        return versus.not_tested(suite.versus_id, "new: it is not in the lock"), [], []
    found = matched(session, reference, suite)
    if found.refusal:
        return versus.not_tested(suite.versus_id, found.refusal), [], []
    rows = session.rows(suite)
    theirs = reference.of(suite.gate_id, rows)
    then = {f.nodeid for f in theirs}
    now = session.floor(suite)
    context = Context(
        reference.name, check_controls(session.controls(suite)), now, reference.floor_of(suite.gate_id, now), new=found.new
    )
    result = versus.check(suite.versus_id, [f for f in rows if f.nodeid in then], theirs, context)
    return replace(result, waiver=session.waiver(result)), rows, theirs


def lock_waivers(lock: Lock, today: str) -> tuple[Waiver, ...]:
    """Return the waivers of the failing gates that a lock accepts, by place and name."""
    reason = f"accepted on {lock.accepted}, and no worse since"
    return tuple(Waiver(key, reason, OWNER, lock.until, lock.until < today) for key in lock.red)


def vanished(session: AuditSession, reference: Accepted) -> list[GateResult]:
    """Return a red result for each accepted probe that is not in this run."""
    return [_gone(key, probe) for key, probe in reference.gone(list(session.suites)).items() if key not in session.left_out]


def _gone(key: str, probe: LockedProbe) -> GateResult:
    place, _, name = key.rpartition("::")
    about = GateResult(f"{place}::gate[{name}]", name, probe.dimension, "It was accepted, and is gone.", Status.NOT_RUN, True, "")
    reason = "it was accepted, and is not in this run; --slm-update-lock accepts that it is gone"
    return PairedGate(about, 0, None, accepted=True).not_run(f"{place}::measure[{name}{VERSUS}]", reason)


def asked_of(session: AuditSession) -> Mapping[str, Mapping[str, str]]:
    """Return what each row of each probe asks, by its gate."""
    first = session.first_questions()
    return {s.gate_id: row_digests(s.cases, first) for s in session.suites.values() if not s.missing}


def judged_of(session: AuditSession) -> Mapping[str, str]:
    """Return how each probe judges, by its gate."""
    return {s.gate_id: judged_sha256(s.probe, s.beside()) for s in session.suites.values() if not s.missing}
