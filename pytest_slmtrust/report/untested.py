"""What a run did not test, in as few lines as say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..audit.model import Audit, GateResult, Lack, NotTested, Status
from ..audit.verdict import NO_PROBE, silent_of


@dataclass(frozen=True, slots=True)
class Untested:
    """What was not tested for one reason, by dimension."""

    reason: str
    what: Mapping[str, tuple[str, ...]]

    @property
    def count(self) -> int:
        return sum(map(len, self.what.values()))


def unasked(gate: GateResult) -> bool:
    """Return whether a gate wants a file that nobody gave, and had promised nothing: there are no numbers to show."""
    return gate.status is Status.NOT_TESTED and not gate.blocking and gate.promised_nothing


def by_reason(rows: Iterable[NotTested]) -> tuple[Untested, ...]:
    """Return what was not tested, together where the reason is the same, in the order of the first of each."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        found.setdefault(row.reason, {}).setdefault(row.dimension, []).append(row.what)
    return tuple(Untested(reason, {name: tuple(what) for name, what in by.items()}) for reason, by in found.items())


#: Lines that a short list has at most.
_FEW = 5
#: Tests of other tools that a line names before it counts the others.
_NAMED = 3


def in_short(audit: Audit) -> list[str]:
    """Count what was not tested by what it would need, in five lines at most. Tests of other tools were asked for by name: they
    are named, with the reason, and come first."""
    silent = silent_of(audit.gates)
    lines = [*_by_name(silent), *(line for line in (*_by_need(silent), _of_no_gate(audit, silent)) if line)]
    if len(lines) > _FEW:
        return [*lines[: _FEW - 1], f"{len(lines) - _FEW + 1} more reasons (-v)"]
    return lines


def _of_another_tool(gate: GateResult) -> bool:
    return gate.missing is not None and gate.missing.kind is Lack.TEST


def _by_name(silent: Sequence[GateResult]) -> Iterator[str]:
    """Yield one line for each reason why tests of other tools cannot be asked."""
    found: dict[str, list[str]] = {}
    for gate in filter(_of_another_tool, silent):
        found.setdefault(gate.reason, []).append(gate.name)
    for reason, names in found.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{', '.join(names[:_NAMED])}{more}: {reason}"


def _by_need(silent: Sequence[GateResult]) -> Iterator[str]:
    """Yield one line for each kind of need, the most common first."""
    found: dict[str, list[GateResult]] = {}
    for gate in silent:
        if not _of_another_tool(gate):
            found.setdefault(_need(gate), []).append(gate)
    for need, gates in sorted(found.items(), key=lambda pair: -len(pair[1])):
        names = sorted({name for gate in gates if gate.missing is not None for name in gate.missing.names})
        by = Counter(gate.dimension for gate in gates)
        where = ", ".join(f"{dimension} {n}" for dimension, n in by.items()) if len(by) > 1 else next(iter(by))
        options = any(gate.missing is not None and gate.missing.kind is Lack.INPUT for gate in gates)
        named = ", ".join(f"--slm-{name}" if options else name for name in names)
        yield f"{len(gates)} {'gate' if len(gates) == 1 else 'gates'} ({where}): {need}{f': {named}' if named else ''}"


def _need(gate: GateResult) -> str:
    """Say why a gate has no numbers."""
    if gate.status is Status.NOT_RUN:
        return "not selected in this run" if gate.excuse == "unselected" else "not reached"
    missing = gate.missing
    if gate.against_lock and missing is None:
        return "not compared with the lock" if gate.blocking else "new, not in the lock"
    if missing is None:
        return "no case was made or answered"
    if missing.kind is Lack.INPUT:
        return "no public data sets were given" if missing.names == ("data",) else "no files of yours were given"
    if missing.kind is Lack.DATA:
        return "data sets are not installed"
    if missing.kind is Lack.MODULE:
        return "packages are not installed"
    return "the model gives no answers of this kind"


def _of_no_gate(audit: Audit, silent: Sequence[GateResult]) -> str:
    """Name what no gate is about."""
    gates = {(gate.name, gate.dimension) for gate in silent}
    rows = [row for row in audit.not_tested if (row.what, row.dimension) not in gates]
    whole = [row.dimension for row in rows if row.reason == NO_PROBE]
    topics = [row.what for row in rows if row.reason != NO_PROBE]
    said = [f"whole dimensions: {', '.join(whole)}"] if whole else []
    if topics:
        said.append(f"{_groups(len(topics))} no probe, such as {topics[0].partition(';')[0]}")
    return "; ".join(said)


def _groups(n: int) -> str:
    return "1 group of topics has" if n == 1 else f"{n} groups of topics have"
