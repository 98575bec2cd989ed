"""Registered bars: which ones a run has, and whether an earlier result was held to another one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..audit.model import Audit
from ..audit.nodeids import VERSUS, gate_key
from ..audit.notes import of_changed_bars
from ..audit.sections import TaskBar
from ..audit.verdict import SILENT
from ..authoring.bars import bar_text
from ..escaping import one_line
from ..gates.lock import Lock
from ..plainfile import read_plain_text, write_whole
from .session import AuditSession

#: Beside the store: every bar that a result was held to, by gate.
FILE = "bars.json"
#: Characters of a bar in words, and bytes of a file that is read.
_LONGEST, _LARGEST = 300, 2**28


def bars_of(session: AuditSession) -> dict[str, dict[str, Any]]:
    """Return the bars of a run's probes, by the node ids of their gates."""
    made = {}
    for suite in session.suites.values():
        bar = suite.probe.bar
        if bar is not None:
            held = suite.gate.tolerance
            asked = bar.macro_f1 if suite.probe.criterion is not None else 1 - (bar.accuracy or 0.0)
            moved = held is None or not math.isclose(held, asked or 0.0)
            changed = f"the gate is held to {held:g}, the bar asks {asked:g}" if moved and held is not None else ""
            made[suite.gate_id] = {
                **asdict(bar),
                "sha256": bar.sha256,
                "changed": "the gate has no limit" if held is None else changed,
            }
    return made


def compared(audit: Audit, path: Path, earlier: Sequence[Path] = (), lock: Lock | None = None) -> Audit:
    """Return the audit with every bar flagged that differs from one of an earlier result; keep those of this run.

    ``path``: the file of bars that results were held to. ``earlier``: audits of earlier runs, where they are there. ``lock``:
    what the run is held against, with the bars that were accepted; without one a bar of the file is missed where the run has no
    gate of its name any more.
    """
    bars, known, made = audit.settings.get("bars", {}), _kept(path), dict[str, TaskBar]()
    gone = _gone(audit, lock) if lock is not None else _missed(audit, known)
    if not bars and not gone:
        return audit
    told = {g.nodeid for g in audit.gates if g.status not in SILENT}
    day = str(audit.provenance.get("started", ""))[:10]
    for nodeid, bar in bars.items():
        own = known.get(nodeid, [])
        others = [*own, *_held(earlier, nodeid)]
        changed = next(
            (_said(one) for one in others if one.get("sha256") != bar["sha256"]), _accepted_otherwise(nodeid, bar, lock)
        )
        made[nodeid] = bar if not changed or bar["changed"] else {**bar, "changed": changed}
        if nodeid in told and all(one.get("sha256") != bar["sha256"] for one in own):
            known[nodeid] = [*own, {**bar, "day": day}]
    with suppress(OSError):
        write_whole(path, json.dumps(known, indent=1, sort_keys=True) + "\n")
    settings = audit.settings.copy()
    settings["bars"] = made
    if gone:
        settings["bars_gone"] = gone
    return replace(audit, settings=settings, notes=(*of_changed_bars(made, gone), *audit.notes))


def _accepted_otherwise(nodeid: str, bar: TaskBar, lock: Lock | None) -> str:
    """Say which other bar a lock accepted for a gate; empty if it was this one, or if the lock does not know the gate."""
    probe = lock.probes.get(gate_key(nodeid)) if lock is not None else None
    if lock is None or probe is None or (probe.bar is not None and probe.bar.get("sha256") == bar["sha256"]):
        return ""
    then = "no bar" if probe.bar is None else bar_text(probe.bar)
    return one_line(f"{then}, accepted on {lock.accepted}")[:_LONGEST]


def _gone(audit: Audit, lock: Lock) -> dict[str, str]:
    """Return the bars of a lock that no gate of the run has any more, by their gates; of gates within its selection."""
    if audit.incomplete:
        return {}
    here = {gate_key(nodeid) for nodeid in audit.settings.get("bars", {})}
    ran = {gate_key(g.nodeid).removesuffix(VERSUS) for g in audit.gates if g.excuse != "unselected"}
    return {
        key: one_line(f"{bar_text(probe.bar)}, accepted on {lock.accepted}")[:_LONGEST]
        for key, probe in lock.probes.items() if probe.bar is not None and key in ran - here
    }  # fmt: skip


def _missed(audit: Audit, known: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Return the bars of earlier results whose gates are gone from the files of this run, as after a new name."""
    if audit.incomplete or any("::" in one for one in audit.settings.get("arguments", [])):
        return {}
    here = {gate_key(g.nodeid).removesuffix(VERSUS) for g in audit.gates}
    files = {key.partition("::")[0] for key in here}
    return {
        gate_key(nodeid): _said(own[-1]) for nodeid, own in known.items()
        if own and nodeid.partition("::")[0] in files and gate_key(nodeid) not in here
    }  # fmt: skip


def _held(earlier: Sequence[Path], nodeid: str) -> Iterator[dict[str, Any]]:
    """Yield the bars that earlier audits held a gate to; what cannot be read says nothing."""
    for path in earlier:
        data = _read(path)
        settings, provenance = data.get("settings"), data.get("provenance")
        bars = settings.get("bars") if isinstance(settings, dict) else None
        bar = bars.get(nodeid) if isinstance(bars, dict) else None
        if isinstance(bar, dict):
            started = provenance.get("started") if isinstance(provenance, dict) else ""
            yield {**bar, "day": str(started)[:10]}


def _said(bar: Mapping[str, Any]) -> str:
    return one_line(f"{bar_text(bar)}, result of {bar.get('day') or 'an unknown day'}")[:_LONGEST]


def _kept(path: Path) -> dict[str, list[dict[str, Any]]]:
    return {k: [one for one in v if isinstance(one, dict)] for k, v in _read(path).items() if isinstance(v, list)}


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_plain_text(path, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
