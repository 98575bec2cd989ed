"""What a run did not test, in as few lines as say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..audit.model import GateResult, NotTested, Status


@dataclass(frozen=True, slots=True)
class Untested:
    """What was not tested for one reason, by dimension."""

    reason: str
    what: Mapping[str, tuple[str, ...]]

    @property
    def count(self) -> int:
        return sum(map(len, self.what.values()))


def unasked(gate: GateResult) -> bool:
    """Whether a gate wants a file that nobody gave, and had promised nothing: there are no numbers to show."""
    return gate.status is Status.NOT_TESTED and not gate.blocking and gate.promised_nothing


def by_reason(rows: Iterable[NotTested]) -> tuple[Untested, ...]:
    """What was not tested, together where the reason is the same, in the order of the first of each."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        found.setdefault(row.reason, {}).setdefault(row.dimension, []).append(row.what)
    return tuple(Untested(reason, {name: tuple(what) for name, what in by.items()}) for reason, by in found.items())
