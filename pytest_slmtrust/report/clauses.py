"""The rows of the clause map, each with the gates that give evidence towards it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..audit.clauses import Clause, Framework, fits
from ..audit.model import Estimate, Status
from ..audit.verdict import SILENT
from .view import GateView, by_status


@dataclass(frozen=True, slots=True)
class ClauseView:
    """One row of the clause map with the gates that give evidence towards it, and those that could but did not run.

    ``groups``: of gates whose rows have groups, those that the clause is about, with their rate of failing items.
    """

    row: Clause
    statuses: tuple[tuple[Status, int], ...]
    tested: tuple[GateView, ...]
    silent: tuple[GateView, ...]
    advisory: tuple[tuple[Status, int], ...] = ()
    groups: tuple[tuple[GateView, str, Estimate], ...] = ()


def clause_views(framework: Framework, gates: Iterable[GateView]) -> list[ClauseView]:
    """Return the rows of one framework. A gate that was not tested or not run is no evidence; an advisory one is counted apart,
    since the verdict does not count it."""
    every = list(gates)
    views = []
    for row in framework.clause:
        fit = [g for g in every if fits(row, g.gate.probe, g.gate.dimension)]
        tested = tuple(g for g in fit if g.gate.status not in SILENT)
        silent = tuple(g for g in fit if g.gate.status in SILENT)
        counted = by_status(g.gate for g in tested if not g.gate.advisory)
        apart = by_status(g.gate for g in tested if g.gate.advisory)
        views.append(ClauseView(row, counted, tested, silent, apart, tuple(_groups(row, tested))))
    return views


def _groups(row: Clause, gates: Iterable[GateView]) -> Iterable[tuple[GateView, str, Estimate]]:
    for gate in gates:
        for name, rate, _ in gate.groups:
            if any(fnmatchcase(name, pattern) for pattern in row.groups):
                yield gate, name, rate
