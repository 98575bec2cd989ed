"""A composed system: which of its models answered how many items, and how often each route failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..audit.model import Audit, Finding
from ..audit.routes import ANSWERED_BY, MIXED
from .numbers import percent


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route of one probe, or of all: items that it answered, their share of all, and those of them that failed."""

    probe: str
    route: str
    items: int
    share: str
    failed: str


def route_rows(audit: Audit) -> list[RouteRow]:
    """Return a row for each route over all probes, then one for each probe and route; nothing of a single model.

    An item is answered by the route of all its cases, else by several. Intervals are exact at 95 %, both ends together; over
    all probes they are for display, since probes may share items.
    """
    items: dict[tuple[str, str, str], list[Finding]] = {}
    for one in audit.findings:
        if one.evidence.get(ANSWERED_BY):
            items.setdefault((one.nodeid.partition("[")[0], one.probe, one.source), []).append(one)
    if not items:
        return []
    told = [(probe, _route(found), any(f.outcome == "failed" for f in found)) for (_, probe, _), found in items.items()]
    rows = _rows("", [(route, bad) for _, route, bad in told], audit.model)
    for probe in dict.fromkeys(probe for probe, _, _ in told):
        rows += _rows(probe, [(route, bad) for own, route, bad in told if own == probe], audit.model)
    return rows


def route_lines(audit: Audit) -> list[str]:
    """Return a line for each route over all probes."""
    rows = [row for row in route_rows(audit) if not row.probe]
    return [f"  {row.route}: {row.items} items, {row.share} of all; failed {row.failed}" for row in rows]


def _route(found: list[Finding]) -> str:
    names = {str(one.evidence[ANSWERED_BY]) for one in found}
    return names.pop() if len(names) == 1 else MIXED


def _rows(probe: str, told: list[tuple[str, bool]], model: Mapping[str, object]) -> list[RouteRow]:
    known = model.get("routes")
    first = [str(one) for one in known] if isinstance(known, (list, tuple)) else []
    names = [*dict.fromkeys([*(n for n in first if any(n == r for r, _ in told)), *sorted({route for route, _ in told})])]
    rows = []
    for name in names:
        own = [bad for route, bad in told if route == name]
        rows.append(RouteRow(probe, name, len(own), _share(len(own), len(told)), _share(sum(own), len(own))))
    return rows


def _share(k: int, n: int) -> str:
    from ..stats import exact_interval

    ends = exact_interval(k, n)
    return f"{percent(k / n)} [{percent(ends.lower, 'down')}, {percent(ends.upper, 'up')}]"
