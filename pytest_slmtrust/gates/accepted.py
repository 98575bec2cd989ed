"""A lock as the baseline of a run: which rows are as they were accepted, and what they did then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..audit.model import ControlCheck, Finding, FloorCheck
from ..audit.nodeids import gate_key
from ..authoring.declarations import Profile
from .asked import apart
from .lock import ROW_DIGITS, Lock, LockedProbe, LockError, asks_of, counted, row_name

#: Who owns the waiver of a failing gate that a lock accepts.
OWNER = "the lock"
#: Rows that a line names before it counts the others.
_NAMED = 3
#: What of a profile decides what is asked and how sure a gate must be.
_PROFILE = ("name", "items", "blocking_items", "floor_items", "samples", "alpha", "decides")


@dataclass(frozen=True, slots=True)
class Matched:
    """How the rows of one probe compare with those of the lock: ``changed`` and ``gone`` by name, how many are ``new``.

    ``otherwise``: why nothing of it can be compared.
    """

    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    new: int = 0
    otherwise: str = ""

    @property
    def refusal(self) -> str:
        """Say in one line why the rows are not compared; empty if they are."""
        parts = [self.otherwise] if self.otherwise else []
        for words, rows in (("changed", self.changed), ("gone", self.gone)):
            if rows:
                more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
                parts.append(f"{counted(len(rows), 'row')} {words} ({', '.join(rows[:_NAMED])}{more})")
        return f"not what was accepted: {'; '.join(parts)}; --slm-update-lock accepts it anew" if parts else ""


@dataclass(frozen=True)
class Accepted:
    """The baseline of a lock, which is in a ``file`` of that name."""

    lock: Lock
    file: str

    @property
    def origin(self) -> str:
        return f"{self.file}, {self.lock.said()}"

    @property
    def name(self) -> str:
        return f"what was accepted on {self.lock.accepted}"

    def model(self) -> Mapping[str, Any]:
        return {**self.lock.model, "lock_sha256": self.lock.digest}

    def knows(self, gate_id: str) -> bool:
        return gate_key(gate_id) in self.lock.probes

    def matched(self, gate_id: str, judges: str, asked: Mapping[str, str]) -> Matched:
        """Compare what a probe asks now with what was accepted; ``asked``: the identity of each row by the id of its case."""
        key = gate_key(gate_id)
        locked = self.lock.probes[key]
        if locked.judges != judges:
            return Matched(otherwise="the probe judges otherwise than then (its code, controls, floor or detector)")
        named = {row_name(key, case): case for case in asked}
        changed = [c for n, c in named.items() if n in locked.rows and locked.rows[n].asks != asked[c][:ROW_DIGITS]]
        gone = [name for name in locked.rows if name not in named]
        new = sum(name not in locked.rows for name in named)
        if not (changed or gone or new) and asks_of(asked) != locked.asks:
            return Matched(otherwise="it asks other rows than then")
        return Matched(tuple(sorted(changed)), tuple(sorted(gone)), new)

    def of(self, gate_id: str, findings: Sequence[Finding]) -> list[Finding]:
        """Return what the rows of these findings did then, without those that are new."""
        key = gate_key(gate_id)
        rows, made = self.lock.probes[key].rows, []
        for one in findings:
            row = rows.get(row_name(key, one.case))
            if row is not None:
                why = "it could not be judged when it was accepted" if row.outcome == "unscored" else ""
                made.append(replace(one, outcome=row.outcome, score=row.score, group=None, reason=why, evidence={}, answers=None))
        return made

    def rows(self, gate_id: str, cases: Collection[str]) -> list[Finding] | None:  # noqa: ARG002
        """None: a lock knows its rows by digests, see :meth:`of`."""
        return None

    def floor_of(self, gate_id: str, now: FloorCheck | None) -> FloorCheck | None:
        """Return the competence floor as it was met then, from what it is ``now``."""
        from ..stats import lower_bound

        passed = self.lock.probes[gate_key(gate_id)].floor
        if now is None or passed is None or not 0 <= passed <= now.total:
            return None
        lower = lower_bound(passed, now.total) if now.total else 0.0
        return FloorCheck(now.claim, passed, now.total, lower, now.at_least)

    def floor(self, gate_id: str) -> FloorCheck | None:  # noqa: ARG002
        return None

    def controls(self, gate_id: str) -> ControlCheck | None:  # noqa: ARG002 (scripted: the same for every model)
        return None

    def gone(self, gate_ids: Collection[str]) -> dict[str, LockedProbe]:
        """Return the accepted probes that no gate of this run has, by their keys."""
        here = set(map(gate_key, gate_ids))
        return {key: probe for key, probe in self.lock.probes.items() if key not in here}

    def check(self, how: Mapping[str, Any], profile: Profile, model: Mapping[str, Any]) -> None:
        """Refuse a lock of another kind of run; ``how`` this one puts and judges its questions.

        Raises:
            LockError: what differs, in one line.
        """
        kinds = self.lock.model.get("architecture"), model.get("architecture")
        if all(kinds) and kinds[0] != kinds[1]:
            self._refuse("architecture", kinds[1], kinds[0], "it says nothing of another kind of model")
        own, theirs = profile_part(asdict(profile)), self.lock.profile
        for name in own:
            if own[name] != theirs.get(name):
                self._refuse(f"profile ({name})", own[name], theirs.get(name), "use the same profile")
        for what, value in how.items():
            if value != self.lock.how.get(what):
                self._refuse(what, value, self.lock.how.get(what), "both must be asked and judged alike")

    def _refuse(self, what: str, here: Any, there: Any, hint: str) -> None:
        own, theirs = map(_short, apart(here, there))
        raise LockError(
            f"{self.file}: {what} is {own} here and {theirs} in the lock: {hint}, accept the change with "
            "--slm-update-lock, or leave the lock out with --slm-no-lock"
        )


def profile_part(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a profile a lock holds."""
    return {name: profile.get(name) for name in _PROFILE}


def _short(value: Any) -> str:
    text = (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
