"""The lock: what of an audit was accepted, in a file that a project keeps and reviews like code.

JSON, a line for each row. It holds outcomes and digests: no prompt, no reply, no evidence. Ids of rows are digests, unless a row
of a pack has a digest of its content for an id. The text has one form and a digest over it, so an edit by hand is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from ..audit.model import AuditError
from ..audit.nodeids import PACKS
from ..escaping import visible

NAME = "slmtrust.lock.json"
#: What the file of each lock holds.
MARK = '"probes"'
FORMAT = 1
#: A file beyond this is none of ours: a row takes about 40 bytes.
LARGEST = 16 * 1024 * 1024
#: Hexadecimal digits of what a row asks, and of the digest that stands for an id.
ROW_DIGITS = 12
LockOutcome = Literal["passed", "failed", "unscored", "measured"]
_OUTCOMES = get_args(LockOutcome)
_CONTENT_ID = re.compile(r"[0-9a-f]{6,64}\Z")
_ROW = re.compile(rf"({'|'.join(_OUTCOMES)}) ([0-9a-f]{{{ROW_DIGITS}}})(?: (-?[0-9.e+-]{{1,24}}))?\Z")


class LockError(AuditError):
    """A lock that cannot be used; one line that says why, and what to do."""


@dataclass(frozen=True, slots=True)
class LockedRow:
    """What one row did when it was accepted; ``asks`` begins the identity of what it asks. ``score``: of a row that was only
    measured."""

    outcome: str
    asks: str
    score: float | None = None

    def __str__(self) -> str:
        return f"{self.outcome} {self.asks}" + ("" if self.score is None else f" {self.score:.6g}")


@dataclass(frozen=True, slots=True)
class LockedProbe:
    """One probe: the identities of all that it ``asks`` and of how it ``judges``, its gate's ``status``, source ``items`` and
    ``failed`` among them, rows of its competence ``floor`` that were managed, and its rows by their names in a lock. ``bar``: the
    fields of its registered bar with their digest; None where it has none."""

    dimension: str
    asks: str
    judges: str
    status: str
    items: int
    failed: int
    floor: int | None
    rows: Mapping[str, LockedRow]
    bar: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """What was accepted: ``accepted`` on which day, of which ``audit`` (the digest of its text) and ``model``, under which
    ``profile``; ``how`` the questions were put and judged. Failing gates in ``red`` count as waived ``until`` a day, while they
    get no worse."""

    accepted: str
    audit: str
    model: Mapping[str, Any]
    profile: Mapping[str, Any]
    how: Mapping[str, Any]
    probes: Mapping[str, LockedProbe]
    red: tuple[str, ...] = ()
    until: str = ""
    digest: str = field(default="", compare=False)

    def to_text(self) -> str:
        """Return the file's text, with the digest over everything else in it."""
        blank = self._text("")
        return self._text(hashlib.sha256(blank.encode()).hexdigest())

    def _text(self, digest: str) -> str:
        head = {
            "accepted": self.accepted, "audit_sha256": self.audit, "digest": digest, "format": FORMAT, "how": self.how,
            "model": self.model, "profile": self.profile, "red": list(self.red), "until": self.until,
        }  # fmt: skip
        lines = [f"{_json(name)}: {_json(value)}" for name, value in head.items()]
        lines.append('"probes": {\n' + ",\n".join(_probe(key, self.probes[key]) for key in sorted(self.probes)) + "\n}")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def said(self) -> str:
        """Say in one line what was accepted, so that nobody accepts a model that fails everything unseen."""
        items, failed = (sum(getattr(p, name) for p in self.probes.values()) for name in ("items", "failed"))
        probes = counted(len(self.probes), "probe")
        when = f"accepted on {self.accepted}" if self.accepted else "not accepted"
        text = f"{self.model.get('name')}, {when}: {probes}, {failed} of {items} items failed"
        unscored = sum(row.outcome == "unscored" for p in self.probes.values() for row in p.rows.values())
        unearned = sum(p.status == "UNEARNED" for p in self.probes.values())
        text += f", {counted(unscored, 'answer')} could not be scored" if unscored else ""
        text += f", {counted(unearned, 'probe')} UNEARNED" if unearned else ""
        return text + (f"; {counted(len(self.red), 'failing gate')} accepted until {self.until}" if self.red else "")


def counted(n: int, what: str) -> str:
    """Return ``1 row``, ``2 rows``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def row_name(key: str, case: str) -> str:
    """Return how a lock names a row: by its id where that is a digest of a pack's row, or else by a digest of it."""
    if key.startswith(PACKS) and _CONTENT_ID.match(case):
        return case
    return f"~{hashlib.sha256(f'{key}[{case}]'.encode('utf-8', 'surrogatepass')).hexdigest()[:ROW_DIGITS]}"


def asks_of(rows: Mapping[str, str]) -> str:
    """Return the identity of all that a probe asks, from those of its rows by their ids."""
    return hashlib.sha256(_json(dict(rows)).encode()).hexdigest()


def read_lock(path: Path) -> Lock:
    """Return a lock from its file.

    Raises:
        LockError: no such file, not a lock, of another format, or changed since it was written.
    """
    try:
        if path.exists() and not path.is_file():
            raise LockError(f"{path}: not a file")  # opening a pipe would wait for ever
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise LockError(f"{path}: {error.strerror or error}") from None
    if len(content) > LARGEST:
        raise LockError(f"{path}: larger than {LARGEST // 1024**2} MB: not a lock")
    try:
        return parse_lock(content.decode("utf-8").replace("\r\n", "\n"))
    except LockError as error:
        raise LockError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise LockError(f"{path}: not a lock: {visible(str(error)[:200], one_line=True)}") from None


def parse_lock(text: str) -> Lock:
    """Return a lock from its text.

    Raises:
        LockError: not a lock, of another format, or changed since it was written.
    """
    data = json.loads(text, object_pairs_hook=_once)
    if not isinstance(data, dict) or "probes" not in data or "format" not in data:
        raise LockError(f"not a lock: expected the file that slmtrust accept writes, with 'format': {FORMAT} and 'probes'")
    if data["format"] != FORMAT or isinstance(data["format"], bool):
        said = visible(str(data["format"])[:40], one_line=True)
        raise LockError(f"a lock of format {said}; this version reads format {FORMAT}: accept an audit again")
    try:
        raw = msgspec.convert({name: value for name, value in data.items() if name != "format"}, _File, strict=True)
    except msgspec.ValidationError as error:
        raise LockError(f"not a lock: {visible(str(error)[:200], one_line=True)}") from None
    probes = {key: _read_probe(key, one) for key, one in raw.probes.items()}
    lock = Lock(
        raw.accepted, raw.audit_sha256, raw.model, raw.profile, raw.how, probes, tuple(raw.red), raw.until, raw.digest
    )  # fmt: skip
    try:
        same = lock.to_text() == text
    except ValueError:
        same = False
    if not same:
        raise LockError("changed since it was written (its digest differs): restore it, or accept an audit again")
    return lock


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A lock as it is in its file."""

    accepted: str
    audit_sha256: str
    digest: str
    how: dict[str, Any]
    model: dict[str, Any]
    profile: dict[str, Any]
    red: list[str]
    until: str
    probes: dict[str, _FileProbe]


class _FileBar(msgspec.Struct, forbid_unknown_fields=True):
    registered: str
    accuracy: float | None
    macro_f1: float | None
    latency_p95: str
    sha256: str


class _FileProbe(msgspec.Struct, forbid_unknown_fields=True):
    dimension: str
    asks: str
    judges: str
    status: str
    items: int
    failed: int
    floor: int | None
    rows: dict[str, str]
    bar: _FileBar | None = None


def _read_probe(key: str, raw: _FileProbe) -> LockedProbe:
    rows = {}
    for name, text in raw.rows.items():
        found = _ROW.match(text)
        if found is None:
            place = visible(f"{key}[{name}]"[:120], one_line=True)
            raise LockError(f"not a lock: {place} is {visible(text[:60], one_line=True)!r}; expected an outcome and a digest")
        rows[name] = LockedRow(found[1], found[2], None if found[3] is None else float(found[3]))
    bar = None if raw.bar is None else msgspec.structs.asdict(raw.bar)
    return LockedProbe(raw.dimension, raw.asks, raw.judges, raw.status, raw.items, raw.failed, raw.floor, rows, bar)


def _probe(key: str, probe: LockedProbe) -> str:
    about = {
        "asks": probe.asks, "dimension": probe.dimension, "failed": probe.failed, "floor": probe.floor, "items": probe.items,
        "judges": probe.judges, "status": probe.status, **({} if probe.bar is None else {"bar": dict(probe.bar)}),
    }  # fmt: skip
    rows = ",\n".join(f" {_json(name)}: {_json(str(probe.rows[name]))}" for name in sorted(probe.rows))
    return f'{_json(key)}: {_json(about)[:-1]}, "rows": {{\n{rows}\n}}}}'


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise LockError("not a lock: a name occurs twice in one object")
    return made
