"""Gates and verdicts in words for a reader who knows no statistics: what failed, how often, and how often it may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..audit.model import WAIVABLE, Audit, GateResult, Status
from ..audit.nodeids import VERSUS, gate_key
from ..audit.precision import wanting
from ..audit.quantities import quantity_of, share_text
from ..audit.row_tests import RowTests, listed
from ..audit.sections import InTime
from ..audit.status import Decides
from ..audit.verdict import SILENT, is_red, red_besides, titled, unfinished, untested_of

#: Names that a sentence lists before it counts the others.
_NAMED = 3


def outcome(gate: GateResult) -> str:
    """Say what a gate found and what it allows, in one line."""
    if gate.status in SILENT:
        return _silence(gate)
    if gate.status is Status.INVALID and gate.controls is not None and gate.controls.wrong:
        wrong, total = len(gate.controls.wrong), gate.controls.total
        return f"{wrong} of {total} known examples came out wrong, so its numbers mean nothing: {gate.controls.wrong[0]}"
    if gate.status is Status.UNEARNED and gate.floor is not None:
        floor = gate.floor
        easy = f"the model managed {floor.passed} of {floor.total} easy versions of this task"
        needed = f"{share_text(floor.at_least)} needed, {share_text(1 - gate.alpha)} sure"
        return f"{easy} ({needed}), so its good answers prove nothing"
    quantity = quantity_of(gate)
    said = quantity.plainly(gate)
    if not said:
        return gate.reason
    if gate.status is Status.NOT_DECIDABLE:
        return f"{said}; too few were asked to decide"
    if gate.tolerance is None:
        return said
    kept = nothing_to_keep(gate)
    return f"{said}; {quantity.limit_plainly(gate)}{_undecided(gate)}{f'; it decides nothing: {kept}' if kept else ''}"


def out_of_time(gate: GateResult, late: InTime) -> str:
    """Say what a gate found of which not all items were asked in time."""
    asked = f"out of time: {late['asked']} of {late['planned']} asked"
    if gate.status is not Status.INCONCLUSIVE:
        return f"{outcome(gate)}; {asked}"
    found = f", {gate.failures} of these {gate.verb}" if late["asked"] and quantity_of(gate).counted else ""
    return f"{asked}{found}; {quantity_of(gate).limit_plainly(gate)}"


def _silence(gate: GateResult) -> str:
    if gate.excuse == "unselected":
        return "not selected in this run"
    said = gate.reason if gate.status is Status.NOT_TESTED else "it was not reached, and has no result"
    return f"{said}; the user made it optional" if gate.excuse == "optional" else said


def _undecided(gate: GateResult) -> str:
    """Say why a gate with numbers decided nothing."""
    if gate.status is not Status.INCONCLUSIVE:
        return ""
    if gate.reading is not None and gate.reading.void:
        return f"; {gate.reading.void}"
    if not quantity_of(gate).counted or gate.lower is None or gate.upper is None:
        return "; not enough is known to decide"
    if gate.needed:
        seen = f"the true rate may be {share_text(gate.lower)} to {share_text(gate.upper)}"
        return f"; {seen}, and about {gate.needed} more would decide"
    return f"; the {gate.unscored} that could not be judged decide" if gate.unscored else "; too few to decide"


def nothing_to_keep(gate: GateResult) -> str:
    """Say why a comparison decides nothing; empty if it does."""
    if gate.status is not Status.MEASURED or gate.paired is None:
        return ""
    floor = gate.paired.baseline_floor
    if floor is not None and floor.lower < floor.at_least:
        return "the baseline could not do the easy versions of this task"
    return "hardly an item of the baseline had passed" if gate.tolerance is not None else gate.note


def not_taken(gate: GateResult, audit: Audit) -> str:
    """Say why a failing gate that the lock accepts counts all the same; empty where it is waived, or not accepted."""
    key = gate_key(gate.nodeid)
    named = next((w for w in audit.waivers if w.probe == key and not w.expired), None)
    if named is None or gate.versus or gate.waiver is not None or gate.status not in WAIVABLE:
        return ""
    pair = next((g for g in audit.gates if g.versus and gate_key(g.nodeid) == f"{key}{VERSUS}"), None)
    if pair is None:
        return ""
    why = pair.reason if pair.status in SILENT else nothing_to_keep(pair)
    said = f"{named.owner} accepts it until {named.expires} only while {pair.name} is PASS, and that is {pair.status}"
    return f"{said} ({why})" if why else said


def without_limit(gates: Iterable[GateResult]) -> str:
    """Sum up the gates of a dimension that were only measured: how many, and where most failed."""
    measured = [g for g in gates if g.status is Status.MEASURED and g.tolerance is None]
    own, pairs = [g for g in measured if not g.versus], [g for g in measured if g.versus]
    said = []
    if own:
        rates = sorted(((g.failures / g.items, g) for g in own if _has_rate(g)), key=lambda pair: -pair[0])
        worst = ", ".join(f"{g.name} ({share_text(share)})" for share, g in rates[:2] if share)
        said.append(f"{_count(len(own), 'probe')} without a limit" + (f", most failures: {worst}" if worst else ""))
        wide = sum(narrower(g) != "" for g in own)
        if wide:
            said.append(f"{wide} of them too rough to say much (-v says how many items they need)")
    if pairs:
        shifts = sorted(((g.estimate.value, g) for g in pairs if g.paired and g.estimate), key=lambda pair: -pair[0])
        worst = ", ".join(f"{g.name} ({shift * 100:+.1f} points)" for shift, g in shifts[:1])
        said.append(f"{_count(len(pairs), 'comparison')} without a limit" + (f", largest: {worst}" if worst else ""))
    return "; ".join(said)


def narrower(gate: GateResult) -> str:
    """Say how many items would make the interval of a number without a limit 20 points wide; empty if it is not wider."""
    wide = wanting(gate) if gate.status is Status.MEASURED else None
    if wide is None:
        return ""
    what = "it is" if wide is not gate.gap else "the largest gap between groups is"
    points = f"{(wide.upper - wide.lower) * 100:.0f} points"
    return f"{what} known to within {points} from {wide.n} {gate.unit}; about {wide.needed} would make that 20 points"


def _has_rate(gate: GateResult) -> bool:
    return quantity_of(gate).counted and gate.best is not None and gate.items > 0


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def verdict(audit: Audit) -> str:
    """Say the verdict of an audit in one sentence that needs no glossary; and in a second one what makes it red besides."""
    besides = red_besides(audit)
    if not besides:
        return _verdict(audit)
    also = "" if is_red(audit.verdict, audit.deciding, audit.required) else " all the same"
    return f"{_verdict(audit)} Red{also}: {', '.join(besides)}."


def _verdict(audit: Audit) -> str:
    status, gates, title = audit.verdict, audit.deciding, titled(audit.verdict, audit.scope)
    blocking = [g for g in gates if g.blocking]
    if status is Status.INCOMPLETE:
        tail = "It decides nothing." if audit.part else "It decides nothing; run it again."
        return f"{status}: {unfinished(audit.incomplete, audit.part)}. {tail}"
    if status is Status.NOT_DECIDABLE:
        return f"{title}: profile {audit.profile} asks too few items to decide anything. --slm-profile=ci decides."
    missing = untested_of(gates, audit.required)
    if status is Status.NOT_TESTED and missing:
        return f"{title}: required and not tested: {', '.join(missing)}."
    if status is Status.MEASURED or not blocking:
        advisory = sum(bool(g.advisory) for g in gates)
        aside = f" ({_count(advisory, 'gate')} advisory)" if advisory else ""
        kept = f"; {_count(len(blocking), 'limit')} of the envelope kept" if blocking else ""
        return f"{title}: no gate blocks in this run{aside}, so nothing was decided{kept}."
    return f"{title}: {_of_blocking(blocking)}."


def _of_blocking(deciding: Sequence[Decides]) -> str:
    rows = listed([one.counts for one in deciding if isinstance(one, RowTests)])
    blocking = [one for one in deciding if not isinstance(one, RowTests)]
    counted = [g for g in blocking if not g.waived and not g.excuse]
    bad = [g for g in counted if g.status is not Status.PASS]
    one = len(counted) == 1
    if bad:
        said = [
            f"{'the' if one else f'{len(bad)} of {len(counted)}'} blocking gate{'' if one else 's'} did not pass ({_names(bad)})"
        ]
    else:
        said = (
            ["the blocking gate passed" if one else f"{len(counted)} of {len(counted)} blocking gates passed"] if counted else []
        )
    for words, found in (
        ("not selected", [g for g in blocking if g.excuse == "unselected"]),
        ("optional and not tested", [g for g in blocking if g.excuse == "optional"]),
        ("failing but waived", [g for g in blocking if g.waived]),
    ):
        if found:
            said.append(f"{_count(len(found), 'gate')} {words} ({_names(found)})")
    return "; ".join([*said, *rows])


def _names(gates: Sequence[Decides]) -> str:
    more = f" and {len(gates) - _NAMED} more" if len(gates) > _NAMED else ""
    return ", ".join(g.name for g in gates[:_NAMED]) + more
