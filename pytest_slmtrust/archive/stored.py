"""The answers of an audit looked up in a store: whether each is there, and the same."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from ..audit.merkle import SHORT, answers, named
from ..audit.model import Audit, AuditError
from ..engine.store import FILE, SALT, digest_of, opened_to_read


@dataclass(frozen=True, slots=True)
class Stored:
    """How many of an audit's answers are in a store and the same, and one line for each that is not."""

    equal: int
    total: int
    faults: tuple[str, ...]


def look_up(audit: Audit, folder: Path) -> Stored:
    """Look every answer of an audit up in the store of a folder, which is only read.

    Raises:
        AuditError: there is no store, or it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise AuditError(f"{path}: no store; expected the folder that --slm-store names (default: .slmtrust)")
    rests_on = list(named(audit))
    wanted = {short[:SHORT] for _, one in rests_on for short in one.short}
    try:
        with opened_to_read(folder, 10) as db:
            salt = bytes.fromhex(db.execute(SALT).fetchone()[0])
            held: dict[str, tuple[str, str]] = {}
            for key, text in db.execute("SELECT key, answer FROM answers"):
                name = digest_of(str(key), salt)
                if name[:SHORT] in wanted and isinstance(text, str):
                    held[name[:SHORT]] = name, digest_of(text, salt)
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise AuditError(f"{path}: the store cannot be read: {error}") from None
    faults: list[str] = []
    equal = 0
    for name, one in rests_on:
        wrong = [short for short in one.short if held.get(short[:SHORT], ("", ""))[1][:SHORT] != short[SHORT:]]
        equal += len(one.short) - len(wrong)
        faults += (f"{'changed' if s[:SHORT] in held else 'missing'}: {name}: the answer {s[:SHORT]}" for s in wrong)
        if not wrong and answers(dict(held[short[:SHORT]] for short in one.short)) != one:
            faults.append(f"changed: {name}: its answers are not those of its root")
    return Stored(equal, sum(len(one.short) for _, one in rests_on), tuple(faults))
