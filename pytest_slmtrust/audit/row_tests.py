"""Rows that are tests by themselves: those of a probe without a gate, and with ``--slm-strict`` those of every probe.

pytest reports each as passed or failed. The verdict follows them as it follows gates, so that no reader of an audit takes a run
with failed rows for a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .nodeids import gate_key
from .status import Status

if TYPE_CHECKING:
    from .model import Audit, Finding, GateResult

#: Begins the reason of a row that a marker skips: pytest reports it as skipped, never as failed.
SKIPPED = "skipped by its marker"
#: Probes that notes and sentences name before they count the others.
_NAMED = 4


@dataclass(frozen=True, slots=True)
class RowTests:
    """The rows of one probe, as the verdict sees them. ``total``: rows that have a result, of ``planned``; ``unjudged``: those
    without a verdict; ``expected``: failing ones that a marker expects to (xfail). ``gated``: it has a gate, and its rows count
    because of ``--slm-strict``."""

    name: str
    dimension: str
    planned: int
    total: int
    failed: int = 0
    unjudged: int = 0
    expected: int = 0
    gated: bool = False
    waived: bool = False
    advisory: str = ""
    promised_nothing: bool = False

    @property
    def status(self) -> Status:
        if self.failed:
            return Status.FAIL
        if self.unjudged:
            return Status.INCONCLUSIVE
        return Status.MEASURED if self.total else Status.NOT_RUN

    @property
    def blocking(self) -> bool:
        return self.status is not Status.MEASURED

    @property
    def red(self) -> bool:
        """Whether pytest reports one of its rows as failed."""
        return bool(self.failed or self.unjudged)

    @property
    def excuse(self) -> str:
        """A probe of which no row ran is a part of the tests that the run left out, as a gate outside the selection is."""
        return "" if self.total else "unselected"

    @property
    def counts(self) -> str:
        """Say how many rows failed: ``px: 60 of 60 rows failed``."""
        if not self.total:
            return f"{self.name}: none of its {self.planned} rows ran"
        lost = f"{self.unjudged} could not be judged"
        if not self.failed and self.unjudged:
            return f"{self.name}: {self.unjudged} of {self.total} rows could not be judged"
        return f"{self.name}: {self.failed} of {self.total} rows failed{f', {lost}' if self.unjudged else ''}"

    @property
    def note(self) -> str:
        """Say the same with the reason why it counts; empty where nothing must be known."""
        why = "--slm-strict makes each row a test" if self.gated else "it has no limit, so each row is a test"
        aside = f"; {self.expected} failed as a marker expects (xfail)" if self.expected else ""
        left = self.planned - self.total
        aside += f"; {left} of {self.planned} rows did not run" if left > 0 and self.total and not self.gated else ""
        if not self.total:
            return f"NOT RUN: {self.counts}; it has no limit, and the verdict does not cover it"
        return f"{self.counts}; {why}{aside}" if self.red or aside else ""


def row_tests(audit: Audit) -> tuple[RowTests, ...]:
    """Return the rows of an audit that count one by one, by probe in an order that any reader of its file finds again. A
    comparison of two audits is about none of them."""
    if "margin" in audit.settings:
        return ()
    strict = audit.settings.get("options", {}).get("strict") == "True"
    gated = {_key(gate) for gate in audit.gates}
    planned = {key: len(rows) for gate, rows in audit.settings.get("asked", {}).items() if (key := gate_key(gate)) not in gated}
    found: dict[str, list[Finding]] = {key: [] for key in planned}
    for one in audit.findings:
        key = f"{one.nodeid.partition(f'::{one.probe}[')[0]}::{one.probe}"
        if strict or key not in gated:
            found.setdefault(key, []).append(one)
    expected = frozenset(audit.settings.get("expected", ()))
    return tuple(_rows(key, rows, planned.get(key, 0), key in gated, expected) for key, rows in sorted(found.items()))


def _key(gate: GateResult) -> str:
    """Return place and probe of a gate, whether or not it is a comparison."""
    return f"{gate.nodeid.rpartition('::')[0]}::{gate.probe}"


def _rows(key: str, found: Sequence[Finding], planned: int, gated: bool, expected: frozenset[str]) -> RowTests:
    if not found:
        return RowTests(key.rpartition("::")[2], "", planned, 0)
    bad = [one for one in found if one.outcome not in ("passed", "measured") and not one.reason.startswith(SKIPPED)]
    counted = [one for one in bad if one.nodeid not in expected]
    failed = sum(one.outcome == "failed" for one in counted)
    return RowTests(
        found[0].probe, found[0].dimension, max(planned, len(found)), len(found), failed, len(counted) - failed,
        len(bad) - len(counted), gated,
    )  # fmt: skip


def listed(texts: Sequence[str], lead: str = "and ") -> list[str]:
    """Return the first texts, and how many more there are."""
    more = len(texts) - _NAMED
    return [*texts[:_NAMED], f"{lead}{more} more {'probe' if more == 1 else 'probes'}"] if more > 0 else list(texts)


def notes_of_rows(audit: Audit) -> list[str]:
    """Return what a reader must know of rows that count one by one, and of failing cases whose gate has no result."""
    rows = sorted((one for one in row_tests(audit) if one.note), key=lambda one: not one.red)
    counted = listed([one.note for one in rows], "Rows that count one by one: ")
    return [*counted, *listed(list(_undecided(audit)), "Failing cases: ")]


def _undecided(audit: Audit) -> Iterator[str]:
    """Say of each gate without a result how many of its cases failed all the same."""
    if audit.settings.get("options", {}).get("strict") == "True" or "margin" in audit.settings:
        return
    silent = {_key(gate): gate for gate in audit.gates if gate.status in (Status.NOT_RUN, Status.NOT_TESTED) and not gate.versus}
    failed: dict[str, int] = {}
    for one in audit.findings if silent else ():
        key = f"{one.nodeid.partition(f'::{one.probe}[')[0]}::{one.probe}"
        if one.outcome == "failed" and key in silent:
            failed[key] = failed.get(key, 0) + 1
    for key, n in sorted(failed.items()):
        gate = silent[key]
        gone = "is not selected" if gate.excuse == "unselected" else f"is {gate.status}"
        cases = f"{n} failing {'case' if n == 1 else 'cases'} of {gate.name}"
        yield f"{cases}, and its gate {gone}: nothing is decided; add --slm-strict, or select 'gate[{gate.name}]'"
