"""Read all audits below a folder, in the order of their dates."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from ..audit.model import Audit, AuditError, Status
from ..audit.nodeids import gate_key
from ..audit.row_tests import listed, row_tests
from ..audit.verdict import red_besides, untested_of
from ..report.front import digest, moment, stated, tool
from ..report.past import Moment, Past
from .files import DATA
from .verify import read_and_verify

#: More audits than this are not one project that a person reads.
MOST = 500


def read_past(folder: Path, say: Callable[[str], None]) -> Past:
    """Return all audits below a folder that can be read and follow from their findings. ``say`` names each as it is read.

    Files that are left out are named in the result: unreadable or edited ones, INCOMPLETE ones, comparisons, audits without a
    date, and second copies.

    Raises:
        AuditError: no folder, more than :data:`MOST` audits, or none that can be shown.
    """
    if not folder.is_dir():
        raise AuditError(f"{folder}: no such folder; name one that holds {DATA} files, in folders of any depth")
    paths = sorted(_below(folder))
    if len(paths) > MOST:
        raise AuditError(f"{folder}: {len(paths)} files named {DATA}; expected at most {MOST}. Name a smaller folder")
    moments, left_out = [], []
    seen: dict[str, str] = {}
    for number, path in enumerate(paths, 1):
        place = path.relative_to(folder).as_posix()
        say(f"checking {number} of {len(paths)}: {place}")
        try:
            moments.append(_moment(path, place, seen))
        except (AuditError, OSError) as error:
            left_out.append((place, str(error).removeprefix(f"{path}: ")))
    if not moments:
        why = "; ".join(f"{place}: {reason}" for place, reason in left_out[:3]) or f"there is no file named {DATA}"
        raise AuditError(f"{folder}: no audit can be shown: {why}")
    moments.sort(key=lambda one: (one.started, one.place))
    return Past(str(folder), tuple(moments), tuple(left_out))


def _below(folder: Path) -> Iterator[Path]:
    """Yield the audits below a folder; links to folders are not followed."""
    for place, _, names in os.walk(folder):
        if DATA in names:
            yield Path(place) / DATA


def _moment(path: Path, place: str, seen: dict[str, str]) -> Moment:
    """Return the audit of a file; ``seen`` holds the places of those before, by the SHA-256 of their files."""
    audit, found = read_and_verify(path)
    same = hashlib.sha256(audit.to_json().encode()).hexdigest()
    if same in seen:
        raise AuditError(f"the same audit as {seen[same]}")
    made = moment_of(audit, place, found.other)
    seen[same] = place
    return made


def moment_of(audit: Audit, place: str, unchecked: str = "") -> Moment:
    """Return what a history shows of an audit.

    Raises:
        AuditError: it is INCOMPLETE, a comparison, or has no date.
    """
    if audit.incomplete:
        raise AuditError(f"INCOMPLETE: {audit.incomplete}; it decides nothing")
    if audit.gates and all(gate.versus for gate in audit.gates):
        raise AuditError("holds differences between two models only")
    rows = audit.settings.get("rows_sha256", {})
    counted = [g for g in audit.limited if g.blocking]
    passed = sum(g.status is Status.PASS for g in counted)
    return Moment(
        place, _started(audit), str(audit.model.get("name") or "unnamed model"), digest(audit.model)[:2],
        str(audit.model.get("fingerprint") or ""), tool(audit), audit.provenance.get("probes_sha256", ""), audit.profile,
        tuple(audit.settings.get("packs", ())), dict(stated(audit))["Owner"], audit.verdict,
        passed, len(counted), tuple(untested_of(audit.deciding, audit.required)),
        {gate_key(gate.nodeid): gate for gate in audit.gates if not gate.versus},
        {gate_key(nodeid): identity for nodeid, identity in rows.items()}, unchecked,
        _besides(audit),
    )  # fmt: skip


def _besides(audit: Audit) -> tuple[str, ...]:
    """Return which rows failed that are tests by themselves, and what makes an audit red whatever its verdict."""
    rows = listed([one.counts for one in row_tests(audit) if one.blocking])
    return tuple(dict.fromkeys((*rows, *(f"red: {said}" for said in red_besides(audit) if said not in rows))))


def _started(audit: Audit) -> datetime:
    """Return when a run began, in UTC.

    Raises:
        AuditError: the audit does not say it.
    """
    found = moment(audit)
    if found is None:
        text = str(audit.provenance.get("started", ""))
        raise AuditError(f"its date is {text[:40]!r}; expected one such as 2026-11-20T08:00:00+00:00")
    return found
