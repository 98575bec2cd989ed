"""Accept an audit: make the lock that later runs must be no worse than."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ..audit.counting import ByGate
from ..audit.model import WAIVABLE, Audit, AuditError, ControlCheck, Finding, GateResult, Status
from ..audit.nodeids import gate_key, gate_names
from ..audit.notes import has_builtin
from ..audit.sections import TaskBar
from ..audit.units import Units
from ..audit.verdict import SILENT
from ..authoring.declarations import Profile
from ..gates.accepted import Accepted, profile_part
from ..gates.asked import Asked
from ..gates.lock import ROW_DIGITS, Lock, LockedProbe, LockedRow, asks_of, counted, row_name
from ..gates.paired_gate import ACCEPTED_POWER, Context, smallest_margin
from ..gates.policy import Policy
from ..report.words import nothing_to_keep

#: What of a model's description a lock holds.
_MODEL = ("name", "architecture", "fingerprint", "parameters", "dtype", "kind")
#: Gates that a line names before it counts the others.
_NAMED = 4
#: In ``how`` questions are put: the identity of the built-in probes' files.
BUILT_IN = "built-in probes"


@dataclass(frozen=True, slots=True)
class Made:
    """A lock, and what a person who accepts it must know, one line each."""

    lock: Lock
    lines: tuple[str, ...]


def accept(audit: Audit, today: date, red_until: date | None = None, keep_red: Lock | None = None) -> Made:
    """Return the lock of a complete audit.

    ``red_until``: failing gates count as waived until then, while they get no worse. ``keep_red``: an older lock whose accepted
    failing gates stay accepted as long as they were.

    Raises:
        AuditError: the audit is INCOMPLETE, covers a part of the gates only, or was written by an older version.
    """
    _check(audit, today, red_until)
    made = lock_of(audit, today.isoformat())
    if not made.probes:
        raise AuditError("nothing was tested in this audit: there is nothing to accept")
    own = [g for g in audit.gates if g.blocking and not g.versus and not g.excuse]
    red = {gate_key(g.nodeid): g for g in own if g.status in (*WAIVABLE, *SILENT)}
    wanted, until = (list(red), red_until.isoformat()) if red_until else ([], "")
    if keep_red is not None and not red_until:
        wanted, until = [key for key in keep_red.red if key in red], keep_red.until
    refused = {key: why for key in wanted if (why := _cannot_be_kept(audit, made, red[key]))}
    accepted = tuple(sorted(set(wanted) - set(refused)))
    lock = replace(made, red=accepted, until=until if accepted else "")
    return Made(lock, tuple(_lines(audit, lock, red, refused)))


def _cannot_be_kept(audit: Audit, lock: Lock, gate: GateResult) -> str:
    """Say why a failing gate would stay red although the lock accepted it; empty if the same answers again would be waived.

    The lock waives a gate while its comparison is PASS. So the audit is compared with its own lock.
    """
    if gate.status in SILENT:
        return f"it has no result that could be kept ({gate.reason}); --slm-optional={gate.probe} accepts that"
    mine = ByGate(audit.findings).of(gate)
    units = Units.of(mine)
    policy = Policy(Profile(**audit.settings["profile"]), {}, margins=audit.settings.get("margins", {}))
    policy = policy.at(gate.nodeid.rpartition("::")[0], gate.probe)
    pair = policy.versus(gate, gate.items, None if units.independent else units.grouping, accepted=True)
    context = Context("then", gate.controls or ControlCheck(0), gate.floor, gate.floor)
    result = pair.check(gate.nodeid, mine, Accepted(lock, "").of(gate.nodeid, mine), context)
    if result.status is Status.PASS:
        return ""
    return f"{nothing_to_keep(result) or result.reason}; a waiver can take it (--slm-waivers)"


def lock_of(audit: Audit, accepted: str) -> Lock:
    """Return what a lock holds of an audit, whatever the audit is worth; ``accepted``: the day of it, empty
    where nobody accepted it.

    Raises:
        AuditError: the audit does not say what each of its rows asked.
    """
    asked, judged = audit.settings.get("asked", {}), audit.settings.get("judged", {})
    found = ByGate(audit.findings)
    probes = {}
    for gate in audit.gates:
        rows = [] if gate.versus or gate.status in SILENT else found.of(gate)
        if rows:
            if gate.nodeid not in asked or gate.nodeid not in judged:
                raise AuditError(f"{gate.name}: the audit does not say what its rows asked")
            bar = audit.settings.get("bars", {}).get(gate.nodeid)
            probes[gate_key(gate.nodeid)] = _probe(gate, rows, asked[gate.nodeid], judged[gate.nodeid], bar)
    digest = hashlib.sha256(audit.to_json().encode()).hexdigest()
    model = {name: audit.model[name] for name in _MODEL if name in audit.model}
    return Lock(accepted, digest, model, profile_part(audit.settings.get("profile", {})), how_of(audit), probes)


def how_of(audit: Audit) -> Mapping[str, Any]:
    """Return how an audit put and judged its questions, as a lock holds it."""
    return how(Asked.of(audit).how, audit.settings.get("packs", ()), str(audit.provenance.get("probes_sha256", "")))


def how(asked: Mapping[str, Any], packs: Any, probes_sha256: str) -> Mapping[str, Any]:
    """Return how questions are put and judged; the built-in probes count where they are asked."""
    return {**asked, BUILT_IN: probes_sha256 if has_builtin(packs) else ""}


def _check(audit: Audit, today: date, red_until: date | None) -> None:
    if red_until is not None and red_until < today:
        raise AuditError(f"--red-until={red_until} is past; expected a day that is still to come")
    if audit.incomplete:
        raise AuditError(f"the audit is INCOMPLETE ({audit.incomplete}): run it again")
    if audit.baseline is not None and all(g.versus for g in audit.gates):
        raise AuditError("this is a comparison of two audits: accept the target's own audit")
    if "asked_by" in audit.provenance:
        raise AuditError("this audit was imported, and no later run asks its rows: accept an audit of this tool")
    if "asked" not in audit.settings:
        raise AuditError("this audit does not say what each row asked (it is of an older version): run it again")
    whole = "accept a whole run"
    for what, names, hint in (
        ("outside the run's selection", [g.name for g in audit.gates if g.excuse == "unselected"], whole),
        ("did not run", [g.name for g in audit.gates if g.status is Status.NOT_RUN and not g.excuse], whole),
        ("ended early (--slm-early-stop), so some rows were not asked", [g.name for g in audit.gates if g.stopped], whole),
        ("ran out of time (--slm-budget)", [gate_names(nodeid)[1] for nodeid in audit.settings.get("unasked", {})], whole),
        ("INVALID", [g.name for g in audit.gates if g.status is Status.INVALID], "mend the detector, and run again"),
    ):
        if names:
            raise AuditError(f"{what}: {_named(names)}; {hint}")


def _probe(
    gate: GateResult, rows: list[Finding], asked: Mapping[str, str], judges: str, bar: TaskBar | None
) -> LockedProbe:  # fmt: skip
    key = gate_key(gate.nodeid)
    strange = [f.case for f in rows if f.case not in asked]
    if strange:
        raise AuditError(f"{gate.name}: the audit does not say what the row {strange[0]!r} asked")
    made = {
        row_name(key, f.case): LockedRow(
            "unscored" if f.outcome == "error" else f.outcome, asked[f.case][:ROW_DIGITS],
            f.score if f.outcome == "measured" else None,
        )
        for f in rows
    }  # fmt: skip
    floor = None if gate.floor is None else gate.floor.passed
    fields = {name: value for name, value in bar.items() if name != "changed"} if bar is not None else None
    return LockedProbe(gate.dimension, asks_of(asked), judges, str(gate.status), gate.items, gate.failures, floor, made, fields)


def _lines(audit: Audit, lock: Lock, red: Mapping[str, GateResult], refused: Mapping[str, str]) -> list[str]:
    names = {k: f"{g.name} ({g.status}: {g.failures} of {g.items})" for k, g in red.items() if g.status not in SILENT}
    lines = [lock.said()]
    if lock.red:
        taken = _named([names[key] for key in lock.red], 20)
        lines.append(f"RED gates accepted until {lock.until}, while they get no worse: {taken}")
    lines += [f"NOT accepted, and red as before: {red[key].name} ({red[key].status}): {why}" for key, why in refused.items()]
    left = [name for key, name in names.items() if key not in lock.red and key not in refused]
    if left:
        more = "; --red-until=DATE accepts them, too, while they get no worse"
        lines.append(f"RED gates that block as before: {_named(left, 20)}{more}")
    if audit.scope:
        lines.append(f"only {', '.join(audit.scope)}: the other dimensions were not asked for")
    bars = audit.settings.get("bars", {})
    moved = [f"{gate_names(nodeid)[1]} ({bar['changed']})" for nodeid, bar in bars.items() if bar["changed"]]
    if moved:
        lines.append(f"BAR CHANGED, and accepted as it is now: {_named(moved, 20)}")
    few = _too_few(audit, lock)
    if few:
        lines.append(
            f"{counted(len(few), 'probe')} with too few items for a comparison that blocks, so measured only: {_named(few)}"
        )
    silent = sum(g.status in SILENT and not g.versus for g in audit.gates)
    if silent:
        lines.append(f"{counted(silent, 'probe')} not tested, and not in the lock")
    return lines


def _too_few(audit: Audit, lock: Lock) -> list[str]:
    """Name the probes whose items cannot show any margin, with how many they have."""
    profile = audit.settings.get("profile", {})
    margin, alpha = profile.get("margin"), profile.get("alpha")
    if not margin or not alpha:
        return []
    counts = {g.name: g.items for g in audit.gates if not g.versus and gate_key(g.nodeid) in lock.probes}
    enough = {n: smallest_margin(n, margin, alpha, None, ACCEPTED_POWER) is not None for n in set(counts.values())}
    return [f"{name} ({n})" for name, n in counts.items() if not enough[n]]


def _named(names: list[str], most: int = _NAMED) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
