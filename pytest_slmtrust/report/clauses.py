"""The rows of the clause map, each with the gates that give evidence towards it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..audit.clauses import Clause, Framework, fits
from ..audit.model import Estimate, Status
from ..audit.verdict import SILENT
from .view import GateView, by_status

#: So many gates are named one by one.
_FEW = 3


@dataclass(frozen=True, slots=True)
class Link:
    """A place of the page, in words."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class ClauseView:
    """One row of the clause map with the gates that give evidence towards it, and those that could but did not run.

    ``groups``: of gates whose rows have groups, those that the clause is about, with their rate of failing items. ``named`` and
    ``missing`` are the links to ``tested`` and ``silent``.
    """

    row: Clause
    statuses: tuple[tuple[Status, int], ...]
    tested: tuple[GateView, ...]
    silent: tuple[GateView, ...]
    advisory: tuple[tuple[Status, int], ...] = ()
    groups: tuple[tuple[GateView, str, Estimate], ...] = ()
    named: tuple[Link, ...] = ()
    missing: tuple[Link, ...] = ()


def clause_views(framework: Framework, gates: Iterable[GateView]) -> list[ClauseView]:
    """Return the rows of one framework. A gate that was not tested or not run is no evidence; an advisory one is counted apart,
    since the verdict does not count it."""
    every, views = list(gates), []
    ran, rest = [g for g in every if g.gate.status not in SILENT], [g for g in every if g.gate.status in SILENT]
    for row in framework.clause:
        fit = [g for g in every if fits(row, g.gate.probe, g.gate.dimension)]
        tested = tuple(g for g in fit if g.gate.status not in SILENT)
        silent = tuple(g for g in fit if g.gate.status in SILENT)
        counted = by_status(g.gate for g in tested if not g.gate.advisory)
        apart = by_status(g.gate for g in tested if g.gate.advisory)
        named = _links(tested, ran, "all {} tests of {} that have a result")
        missing = _links(silent, rest, "the other {} of {}")
        views.append(ClauseView(row, counted, tested, silent, apart, tuple(_groups(row, tested)), named, missing))
    return views


def _links(some: Sequence[GateView], every: Sequence[GateView], all_of: str) -> tuple[Link, ...]:
    """Return a link to each gate; one to the dimension's section in place of all the gates that it has. ``all_of``: its words."""
    found = []
    for dimension in dict.fromkeys(g.gate.dimension for g in some):
        own = [g for g in some if g.gate.dimension == dimension]
        if len(own) > _FEW and len(own) == sum(g.gate.dimension == dimension for g in every):
            found.append(Link(all_of.format(len(own), dimension), f"dimension-{dimension}"))
        else:
            found += [Link(g.name, g.anchor) for g in own]
    return tuple(found)


def _groups(row: Clause, gates: Iterable[GateView]) -> Iterable[tuple[GateView, str, Estimate]]:
    for gate in gates:
        for name, rate, _ in gate.groups:
            if any(fnmatchcase(name, pattern) for pattern in row.groups):
                yield gate, name, rate
