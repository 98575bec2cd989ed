"""The verdict: what all gates of a run say together, and whether the run is red. Nothing else decides either."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from .dimension import TRUST
from .model import Audit, GateResult, NotTested, Status
from .nodeids import VERSUS, gate_key
from .row_tests import RowTests, listed
from .status import Decides

#: The worst first: the verdict where gates that count disagree.
SEVERITY = (
    Status.INVALID, Status.FAIL, Status.UNEARNED, Status.INCONCLUSIVE, Status.NOT_RUN, Status.NOT_TESTED,
)  # fmt: skip
#: Statuses of a gate that has no numbers.
SILENT = (Status.NOT_TESTED, Status.NOT_RUN)
#: Why a dimension without any result was not tested.
NO_PROBE = "no probe of it ran"
#: Verdicts that leave pytest's exit status as it is.
_NOT_RED = (Status.PASS, Status.PARTIAL, Status.WAIVED, Status.MEASURED, Status.NOT_DECIDABLE)


def overall(gates: Sequence[Decides], incomplete: str = "", required: Sequence[str] = ()) -> Status:
    """Decide the verdict. Every blocking gate of the run counts, selected or not, and so do every limit of the envelope and the
    rows that are tests by themselves.

    1. INCOMPLETE: the run did not reach its end; ``incomplete`` says why.
    2. The worst status of a blocking gate, where one is not PASS. A gate that is NOT TESTED or NOT RUN counts as one. Three
       kinds of gates are left out here: failing ones with a valid waiver, absent ones that the user made optional by name
       (``--slm-optional``), and those outside the selection that the user named (``-k``, ``-m``, node ids).
    3. NOT TESTED: no gate of a ``required`` dimension (``--slm-require``) was tested.
    4. PARTIAL: a blocking gate is outside that selection, or no row of a probe without a gate ran.
       WAIVED: a failing gate is waived.
    5. PASS: every blocking gate passed, but for absent ones that are optional. An intersection-union test: each gate is held
       to alpha, and so is the whole.
    6. Where no gate blocks: INVALID, NOT DECIDABLE, MEASURED, PARTIAL or NOT TESTED, whichever holds first.
    """
    if incomplete:
        return Status.INCOMPLETE
    blocking = [g for g in gates if g.blocking]
    counted = [g.status for g in blocking if not g.waived and not g.excuse]
    for status in SEVERITY:
        if status in counted:
            return status
    if untested_of(gates, required):
        return Status.NOT_TESTED
    if any(g.excuse == "unselected" for g in blocking):
        return Status.PARTIAL
    if any(g.waived for g in blocking):
        return Status.WAIVED
    about_trust = [g for g in gates if g.dimension]  # limits that are kept make no audit pass: they say nothing of trust
    if any(g.status is Status.PASS for g in about_trust if g.blocking and not g.waived and not g.excuse):
        return Status.PASS
    return _without_blocking(about_trust)


def _without_blocking(gates: Sequence[Decides]) -> Status:
    found = {g.status for g in gates}
    for status in (Status.INVALID, Status.NOT_DECIDABLE, Status.MEASURED):
        if status in found:
            return status
    if any(g.advisory for g in gates):
        return Status.MEASURED
    return Status.PARTIAL if any(g.excuse == "unselected" for g in gates) else Status.NOT_TESTED


def bundled(parts: Sequence[GateResult], incomplete: str = "") -> Status:
    """Decide what gates of a bundle say together: :func:`overall`, with each part as one that blocks and that nothing excuses.

    PASS only if every part passes. With a part that is only measured it decides nothing: MEASURED. An advisory part counts by
    its status, as it is shown: a bundle blocks nothing.
    """
    status = overall([replace(g, blocking=True, excuse="", advisory="") for g in parts], incomplete)
    open_ = [g for g in parts if g.status is not Status.PASS]
    return _without_blocking(open_) if status is Status.PASS and open_ else status


def untested_of(gates: Sequence[Decides], required: Sequence[str]) -> list[str]:
    """Return the required dimensions of which no gate was tested."""
    return [d for d in required if dimension_status(gates, d) in (*SILENT, Status.PARTIAL)]


def is_red(verdict: Status, gates: Sequence[Decides], required: Sequence[str] = ()) -> bool:
    """Return whether a verdict makes pytest's exit status 1, whatever its items say.

    NOT TESTED is red, unless only files that the user did not give are missing, or there is no gate at all: then nothing was
    promised.
    """
    if verdict is Status.NOT_TESTED:
        return bool(untested_of(gates, required)) or any(
            g.status in SILENT and not g.excuse and not g.promised_nothing for g in gates
        )
    return verdict not in _NOT_RED


def decided(audit: Audit) -> Audit:
    """Return an audit with the verdict and the sentence that follow from the rest of it."""
    verdict = overall(audit.deciding, audit.incomplete, audit.required)
    return replace(audit, verdict=verdict, sentence=_sentence_of(audit, verdict, audit.deciding))


def decided_by_gates(audit: Audit) -> Audit:
    """Return the same as versions did that left the rows out which are tests by themselves. Whether such an audit is red
    depends on these rows as in any other."""
    verdict = overall(audit.limited, audit.incomplete, audit.required)
    return replace(audit, verdict=verdict, sentence=_sentence_of(audit, verdict, audit.limited))


def older(audit: Audit) -> bool:
    """Return whether an audit has the verdict of such a version, and would have another one now."""
    before, now = decided_by_gates(audit), decided(audit)
    written = (audit.verdict, audit.sentence)
    return written == (before.verdict, before.sentence) and written != (now.verdict, now.sentence)


def _sentence_of(audit: Audit, verdict: Status, deciding: Sequence[Decides]) -> str:
    return sentence(verdict, deciding, audit.incomplete, audit.required, audit.scope, audit.part)


def audit_is_red(audit: Audit) -> bool:
    """Return whether an audit is red: by its verdict, or by what makes any verdict red. pytest's exit status, every command and
    every export follow this."""
    return is_red(audit.verdict, audit.deciding, audit.required) or bool(red_besides(audit))


def red_besides(audit: Audit) -> tuple[str, ...]:
    """Return what makes an audit red whatever its verdict: cases that ended in an error, a waiver that expired, and failed rows
    where the verdict is of a version that left them out."""
    count = errors_in(audit)
    said = [f"{count} case{'s' * (count != 1)} ended in an error"] if count else []
    said += [f"the waiver of {waiver.probe} expired on {waiver.expires}" for waiver in audit.waivers if waiver.expired]
    rows = [one for one in audit.deciding if isinstance(one, RowTests) and one.red]
    covered = audit.incomplete or audit.verdict in (Status.INVALID, Status.FAIL, Status.UNEARNED, Status.INCONCLUSIVE)
    return (*said, *(() if covered else listed([one.counts for one in rows])))


def only_undecided(audit: Audit) -> bool:
    """Return whether an audit is red for nothing but INCONCLUSIVE gates: without these it would not be."""
    undecided = {g.dimension for g in audit.deciding if g.status is Status.INCONCLUSIVE}
    rest = [g for g in audit.deciding if g.status is not Status.INCONCLUSIVE]
    required = [dimension for dimension in audit.required if dimension not in undecided]
    return not is_red(overall(rest, audit.incomplete, required), rest, required) and not errors_in(audit)


def errors_in(audit: Audit) -> int:
    """Return how many cases ended in an error: pytest reports each as failed."""
    return sum(finding.outcome == "error" for finding in audit.findings)


def dimension_status(gates: Sequence[Decides], dimension: str) -> Status:
    """Decide what the gates of one dimension say together."""
    return overall([g for g in gates if g.dimension == dimension])


def titled(verdict: Status, scope: Sequence[str]) -> str:
    """Return a verdict with the dimensions that it is about, where the user asked for some only."""
    return f"{verdict} for {', '.join(scope)} (the only ones asked for)" if scope else str(verdict)


def sentence(
    verdict: Status, gates: Sequence[Decides], incomplete: str = "", required: Sequence[str] = (), scope: Sequence[str] = (),
    part: str = "",
) -> str:  # fmt: skip
    """Say the verdict in one sentence, for a reader who reads no other.

    ``scope``: the only dimensions that were asked for. ``part``: the part of the work that the run was for, if not all.
    """
    if verdict is Status.INCOMPLETE:
        return f"{verdict}: {unfinished(incomplete, part)}; it decides nothing.{'' if part else ' Run it again.'}"
    rows = [g for g in gates if isinstance(g, RowTests)]
    gates = [g for g in gates if not isinstance(g, RowTests)]
    blocking = [g for g in gates if g.blocking]
    measured = sum(g.status is Status.MEASURED for g in gates)
    probes = f"{measured} {'probe' if measured == 1 else 'probes'}"
    were, are = ("was", "is") if measured == 1 else ("were", "are")
    advisory = sum(bool(g.advisory) for g in gates)
    lacking = untested_of([*gates, *rows], required)
    failed = listed([one.counts for one in rows if one.blocking])
    if not blocking:
        aside = f", {advisory} are advisory" if advisory else ""
        aside += f"; required and not tested: {', '.join(lacking)}" if lacking else ""
        aside += f"; {', '.join(failed)}" if failed else ""
        return f"{titled(verdict, scope)}: no gate blocks in this run{aside}; {probes} {were} measured."
    passed = sum(g.status is Status.PASS for g in blocking)
    others = [*_counts(blocking), *([f"{advisory} advisory"] if advisory else [])]
    others += [f"required and not tested: {', '.join(lacking)}"] if lacking else []
    others += failed
    tail = f"; {', '.join(others)}" if others else ""
    said = f"{passed} of {len(blocking)} blocking gates pass{tail}; {probes} {are} only measured."
    return f"{titled(verdict, scope)}: {said}"


def unfinished(incomplete: str, part: str = "") -> str:
    """Say why a run has no result: it was cut short, or it was for one part of the work only."""
    return f"the run did one part of the work ({incomplete})" if part else f"the run did not reach its end ({incomplete})"


def _counts(blocking: Sequence[Decides]) -> list[str]:
    """Return the blocking gates that did not pass, by status, and how many of them do not count."""
    counted = [g for g in blocking if not g.waived and not g.excuse]
    found = [(s, sum(g.status is s for g in counted)) for s in SEVERITY]
    others = [f"{n} {status}" for status, n in found if n]
    for words, n in (
        ("optional and absent", sum(g.excuse == "optional" for g in blocking)),
        ("outside the selection", sum(g.excuse == "unselected" for g in blocking)),
        ("WAIVED", sum(g.waived for g in blocking)),
    ):
        others += [f"{n} {words}"] if n else []
    return others


def adjusted(gates: Sequence[GateResult]) -> list[GateResult]:
    """Return the p-values of all gates that have one adjusted together (Holm 1979): which of those called FAIL hold as a list.

    Advisory gates are among them: whether one is may depend on its outcome."""
    tested = {g.nodeid: g.p_fail for g in gates if g.p_fail is not None}
    if not tested:
        return list(gates)
    from ..stats import holm

    values = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(g, p_holm=values.get(g.nodeid)) for g in gates]


def not_tested(gates: Sequence[GateResult], found: Set[str]) -> tuple[NotTested, ...]:
    """Return what this run does not speak of; ``found`` are the dimensions that have findings, with a gate or without."""
    silent = silent_of(gates)
    rows = [NotTested(g.name, g.dimension, g.reason) for g in silent]
    tested = found | {g.dimension for g in gates if g.status not in SILENT}
    rows += [NotTested("the whole dimension", d, NO_PROBE) for d in TRUST if d not in tested]
    return tuple(rows)


def silent_of(gates: Sequence[GateResult]) -> list[GateResult]:
    """Return the gates without numbers; a comparison is left out where its probe has none either, so that it counts once."""
    silent = [g for g in gates if g.status in SILENT]
    own = {gate_key(g.nodeid) for g in silent if not g.versus}
    return [g for g in silent if not g.versus or gate_key(g.nodeid).removesuffix(VERSUS) not in own]
