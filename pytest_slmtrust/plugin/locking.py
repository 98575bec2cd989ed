"""The lock of a project in a run: what the header says of it, and writing it anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .. import door
from ..archive.accept import accept
from ..audit.model import Audit, AuditError, Status
from ..gates.lock import MARK, Lock, LockError, read_lock
from ..outputs import OutputError, write_output

if TYPE_CHECKING:
    from .wiring import Setup


@dataclass(frozen=True, slots=True)
class Updated:
    """Whether the lock was written, and what is said of it."""

    written: bool
    lines: tuple[str, ...]


def held_to(setup: Setup) -> list[str]:
    """Return what the header says of the project's lock."""
    settings, path = setup.settings, setup.lock_path
    if setup.lock is not None:
        return [f"slm: held against {path.name}"]
    if settings.update_lock:
        return [f"slm: {path.name} is written anew at the end of a complete run"]
    if path.exists():
        why = "--slm-no-lock" if settings.no_lock else "another baseline is named"
        return [f"slm: {path.name} is left out ({why})"]
    return []


def update_lock(path: Path, audit: Audit) -> Updated:
    """Write the lock of a complete run, whole or not at all; failing gates that the old one accepted stay accepted."""
    name = path.name
    if audit.incomplete or audit.verdict is Status.PARTIAL:
        return Updated(False, (f"{name} was not written: the run is {audit.verdict}, and only a whole one is accepted",))
    try:
        made = accept(audit, datetime.now(UTC).date(), keep_red=_old(path))
        write_output(path, made.lock.to_text(), MARK)
    except (AuditError, OutputError, OSError) as error:
        return Updated(False, (f"{name} was not written: {door.line(error)}",))
    return Updated(True, (f"wrote {name}", *map(door.line, made.lines)))


def _old(path: Path) -> Lock | None:
    try:
        return read_lock(path) if path.exists() else None
    except LockError:
        return None
