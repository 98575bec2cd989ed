"""What differs between two locks, or audits: a table for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..audit.model import AuditError
from ..authoring.bars import bar_text
from ..escaping import visible
from ..gates.lock import Lock, LockedProbe, read_lock
from .accept import lock_of
from .verify import read_verified

#: Lines of the whole table: it must fit a pull request.
MOST_LINES = 60
#: Characters that mean something in Markdown, or that name a person or an issue there.
_MARKUP = {ord(mark): f"\\{mark}" for mark in "\\`*_{}[]|#~!"} | {ord(mark): f"&#{ord(mark)};" for mark in "<>@&"}
#: Rows of one gate that are named before they are counted; characters of a value that is shown.
_NAMED, _SHORT = 5, 40


def read_side(path: Path) -> Lock:
    """Return a lock from its file, or from an audit what a lock of it would hold.

    Raises:
        AuditError: the file is neither, was edited, or is an audit that decides nothing.
    """
    if _is_lock(path):
        return read_lock(path)
    audit = read_verified(path)
    if audit.incomplete:
        raise AuditError(f"{path} is INCOMPLETE ({audit.incomplete}): run it again")
    if "asked" not in audit.settings:
        raise AuditError(f"{path}: this audit does not say what each row asked (it is of an older version)")
    return lock_of(audit, "")  # nobody accepted it


def _is_lock(path: Path) -> bool:
    """Return whether a file begins as a lock does, or is named like one."""
    if path.name.endswith(".lock.json") or not path.is_file():
        return True
    with path.open("rb") as file:
        return file.read(32).startswith(b'{\n"accepted":')


def diff_lines(old: Lock, new: Lock) -> list[str]:
    """Return the table as lines of Markdown, at most :data:`MOST_LINES`."""
    head = [f"Before: {_cell(old.said())}", "", f"Now: {_cell(new.said())}", ""]
    head += [f"{_cell(line)}" for line in _about(old, new)]
    rows = [row for key in sorted({*old.probes, *new.probes}) if (row := _row(key, old.probes.get(key), new.probes.get(key)))]
    if not rows:
        return [*head, "No gate and no row differs."]
    table = ["| gate | before | now | rows that differ |", "|-|-|-|-|"]
    room = MOST_LINES - len(head) - len(table) - 2
    shown = rows[:room] if len(rows) > room else rows
    more = ["", f"{len(rows) - len(shown)} more gates differ."] if len(shown) < len(rows) else []
    return [*head, *table, *shown, *more]


def _about(old: Lock, new: Lock) -> Iterator[str]:
    """Yield what differs besides the probes; an empty line ends it, if there is any."""
    red = old.accepted and new.accepted and _red(old) != _red(new)  # an audit has accepted nothing
    found = [
        f"{what}: {', '.join(changes)}"
        for what, changes in (
            ("model", [*_changes(old.model, new.model)]), ("profile", [*_changes(old.profile, new.profile)]),
            ("how questions are put", [*_changes(old.how, new.how)]),
            ("failing gates accepted", [f"{_red(old)} to {_red(new)}"] if red else []),
        )
        if changes
    ]  # fmt: skip
    yield from found
    yield from [""] if found else []


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield each field that differs: both values of a short one, and no more than its name of a long one."""
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            old, new = (str(side.get(name, "nothing")) for side in (before, now))
            label = "weights" if name == "fingerprint" else name
            yield f"{label} {old} to {new}" if max(len(old), len(new)) <= _SHORT else f"other {label}"


def _red(lock: Lock) -> str:
    return f"{', '.join(lock.red)} until {lock.until}" if lock.red else "none"


def _row(key: str, old: LockedProbe | None, new: LockedProbe | None) -> str:
    """Return a row of the table; empty where nothing differs."""
    if old == new:
        return ""
    name = "::".join(key.split("::")[-2:]) if key.startswith("slm::") else key
    return f"| {_cell(name)} | {_cell(_state(old))} | {_cell(_state(new))} | {_cell(_flips(old, new))} |"


def _state(probe: LockedProbe | None) -> str:
    return "not there" if probe is None else f"{probe.status}, {probe.failed} of {probe.items} failed"


def _flips(old: LockedProbe | None, new: LockedProbe | None) -> str:
    if old is None or new is None:
        return ""
    both = sorted(old.rows.keys() & new.rows.keys())
    changed = [name for name in both if old.rows[name].asks != new.rows[name].asks]
    same = [name for name in both if old.rows[name].asks == new.rows[name].asks]
    moves = {name: (old.rows[name].outcome, new.rows[name].outcome) for name in same}
    worse = [name for name, move in moves.items() if move == ("passed", "failed")]
    better = [name for name, move in moves.items() if move == ("failed", "passed")]
    lost = [name for name, (before, now) in moves.items() if before != now == "unscored"]
    scored = [name for name, (before, now) in moves.items() if now != before == "unscored"]
    parts = [
        f"{len(names)} {words} ({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''})"
        for words, names in (
            ("worse", worse), ("better", better), ("no longer scored", lost), ("scored now", scored), ("ask otherwise", changed),
            ("gone", sorted(old.rows.keys() - new.rows.keys())), ("new", sorted(new.rows.keys() - old.rows.keys())),
        )
        if names
    ]  # fmt: skip
    if old.judges != new.judges:
        parts.append("the probe judges otherwise")
    if old.bar != new.bar:
        parts.append(f"bar {_bar(old.bar)} to {_bar(new.bar)}")
    return "; ".join(parts)


def _bar(bar: Mapping[str, Any] | None) -> str:
    return "none" if bar is None else bar_text(bar)


def _cell(text: str) -> str:
    """Return a text that is one cell of a table and no markup, whatever it holds."""
    return visible(text, one_line=True).translate(_MARKUP)
