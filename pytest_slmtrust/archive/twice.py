"""Fields of an audit that say the same thing as another field: both are read somewhere, so they must agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..audit.counting import ByGate
from ..audit.dimension import Dimension
from ..audit.model import Audit, Estimate, Finding, GateResult, Lack
from ..audit.nodeids import PACKS, VERSUS, gate_key, limit_name
from ..audit.notes import IMPORTED, NOT_IN_TIME
from ..audit.routes import ANSWERED_BY
from ..audit.sections import BY_HAND
from ..audit.verdict import SILENT
from ..gates.asked_rows import extra_of
from ..requests import Classify, Edits, Generate, Loglikelihood, Perturb
from .sameness import same, short

#: Dimensions by the place of a pack's node ids.
_PLACES = {f"{PACKS}{one}": str(one) for one in Dimension}
_KINDS = frozenset(one.kind for one in (Classify, Edits, Generate, Loglikelihood, Perturb))
#: How an interval of a rate is called that its value and its number of items say, and how far that value may be rounded.
EXACT, _ROUNDING = "Clopper-Pearson", 1e-6
#: Outcomes that say something of the model.
_JUDGED = frozenset({"passed", "failed", "measured"})
#: A gate by its place and its probe.
Key = tuple[str, str]


def disagreeing(audit: Audit, found: ByGate) -> Iterator[str]:
    """Yield the fields of findings, gates and settings that contradict a field which says the same."""
    dimensions = {_key(gate): gate.dimension for gate in audit.gates}
    yield from _findings(audit, dimensions)
    yield from _unasked(audit)
    for gate in audit.gates:
        yield from (f"{gate.nodeid}: {what}" for what in _gate(gate))
    yield from _baseline(audit)
    yield from _routes(audit.model, audit.findings)
    if audit.baseline is not None:
        yield from _routes(audit.baseline.model, audit.baseline.findings)
    if "margin" not in audit.settings:
        yield from _limits(audit)
    if not audit.incomplete and "margin" not in audit.settings:  # a comparison has the settings of another audit
        yield from _settings(audit, found)
    yield from _spent(audit)


def _key(gate: GateResult) -> Key:
    place, _, name = gate_key(gate.nodeid).rpartition("::")
    return place, name.removesuffix(VERSUS)


def _findings(audit: Audit, dimensions: dict[Key, str]) -> Iterator[str]:
    """Yield findings whose node id says another probe, case or dimension, and those that belong to no gate."""
    whole = not audit.incomplete and "margin" not in audit.settings
    gates = frozenset(dimensions)
    theirs = audit.baseline.findings if audit.baseline else ()
    for one in (*audit.findings, *theirs):
        label = f"::{one.probe}[{one.case}]"
        if not one.nodeid.endswith(label):
            yield f"{short(one.nodeid)}: its case is {short(one.case)} and its probe {short(one.probe)}"
            continue
        place = one.nodeid.removesuffix(label)
        wanted = dimensions.setdefault((place, one.probe), one.dimension)
        if one.dimension != wanted or one.dimension != _PLACES.get(place, one.dimension):
            yield f"{short(one.nodeid)}: its dimension is {one.dimension}; its node id and its gate say another"
        if whole and place.startswith(PACKS) and (place, one.probe) not in gates:
            yield f"{short(one.nodeid)}: it belongs to no gate"


def _unasked(audit: Audit) -> Iterator[str]:
    """Yield findings that say something of a model which was asked nothing; what another tool asked is not in its audit."""
    if audit.model.get("kind") == IMPORTED:
        return
    for one in audit.findings:
        if one.answers is None and one.outcome in _JUDGED:
            yield f"{short(one.nodeid)}: its outcome is {one.outcome}, and the model gave no answer"


def _gate(gate: GateResult) -> Iterator[str]:
    place, _, label = gate.nodeid.rpartition("::")
    if gate.dimension != _PLACES.get(place, gate.dimension):
        yield f"its dimension is {gate.dimension}; its node id says another"
    limited, held = label.startswith("gate["), gate.tolerance is not None
    if limited != held and not (limited and gate.versus):  # a comparison of scores has no limit in the end
        yield f"its limit is {gate.tolerance}; its node id is that of one {'with' if limited else 'without'} a limit"
    yield from _estimates(gate)
    missing = gate.missing
    if missing is not None and missing.kind is Lack.ANSWER and not _KINDS.issuperset(missing.names):
        yield f"missing: {short(', '.join(missing.names))} is no kind of request"
    if missing is not None and missing.kind is Lack.MODULE and missing.said != extra_of(missing.names):
        yield f"missing: said is {short(missing.said)}; the extra is {extra_of(missing.names)}"


def _estimates(gate: GateResult) -> Iterator[str]:
    """Yield a metric or measures that contradict themselves; their code is not in the audit."""
    read = gate.reading
    if read is not None and (read.estimate is None) != bool(read.broken):
        yield "reading: it has a number if and only if nothing broke"
    named = [(f"measure {short(one.name)}", one.estimate) for one in gate.measures]
    named += [("reading", read.estimate)] if read is not None and read.estimate is not None else []
    for name, one in named:
        if not one.lower <= one.value <= one.upper:
            yield f"{name}: {one.lower:g} <= {one.value:g} <= {one.upper:g} does not hold"
        elif one.method == EXACT and not _exact(one):
            yield f"{name}: its interval is not the exact one of {one.value:g} over {one.n}"


def _exact(one: Estimate) -> bool:
    """Return whether the interval of a rate is what its value and its number of items say."""
    from ..stats import exact_interval

    count = one.value * one.n
    if not one.n or not 0 < one.confidence < 1 or abs(count - round(count)) > _ROUNDING * one.n:
        return False
    ends = exact_interval(round(count), one.n, one.confidence)
    return same([one.lower, one.upper], [min(one.value, ends.lower), max(one.value, ends.upper)])


def _limits(audit: Audit) -> Iterator[str]:
    """Yield limits that a user set and a gate does not have; an imported audit has no others, and an identity of each test."""
    tolerances, imported = audit.settings.get("tolerances", {}), audit.model.get("kind") == IMPORTED
    for gate in audit.gates:
        if gate.versus:
            continue
        name = limit_name(tolerances, gate.nodeid.rpartition("::")[0], gate.probe)
        asked = tolerances[name] if name else None if imported else gate.tolerance
        if not same(gate.tolerance, asked):
            yield f"{gate.nodeid}: its limit is {gate.tolerance}; settings.tolerances has {asked}"
        where = audit.settings.get("limits_from", {}).get(gate.nodeid)
        if where is not None and (where in BY_HAND) != bool(name):
            yield f"settings.limits_from: {gate.nodeid} is of the {where}; settings.tolerances has {name or 'no limit of it'}"
        if imported and gate.nodeid not in audit.settings.get("rows_sha256", {}):
            yield f"settings.rows_sha256: {gate.nodeid} is not in it"


def _baseline(audit: Audit) -> Iterator[str]:
    """Yield cases that the baseline has from another item or of other parts."""
    if audit.baseline is None:
        return
    mine = {one.nodeid: one for one in audit.findings}
    for one in audit.baseline.findings:
        own = mine.get(one.nodeid, one)
        if (own.source, own.parts) != (one.source, one.parts):
            yield f"{short(one.nodeid)}: the baseline has it of another item or of other parts"


def _routes(model: Mapping[str, Any], findings: Iterable[Finding]) -> Iterator[str]:
    """Yield findings that were answered by a route which their model does not have; a model that names no routes may have any."""
    routes = model.get("routes")
    if routes is None:
        return
    if not isinstance(routes, (list, tuple)) or not all(isinstance(one, str) for one in routes):
        yield "model: its routes are no list of names"
        return
    for one in findings:
        said = one.evidence.get(ANSWERED_BY)
        names = str(said).split(", ")
        if said is not None and (len(set(names)) < len(names) or not set(names) <= set(routes)):
            yield f"{short(one.nodeid)}: it was answered by {short(said)}; the routes of the model are {short(', '.join(routes))}"


def _settings(audit: Audit, found: ByGate) -> Iterator[str]:
    settings, gates = audit.settings, {gate.nodeid: gate for gate in audit.gates}
    for name in ("rows_sha256", "asked", "judged", "unasked", "limits_from"):
        named: Any = settings.get(name, {})
        yield from (f"settings.{name}: {short(key)} is no gate of the audit" for key in _strange(named, gates))
    asked = settings.get("asked", {})
    for nodeid, gate in gates.items():
        own = found.of(gate)
        if nodeid in asked:
            yield from (f"settings.asked: {nodeid} {what}" for what in _rows(gate, own, asked[nodeid]))
        if nodeid in settings.get("unasked", {}) and gate.status not in SILENT:
            yield from (f"settings.unasked: {nodeid} {what}" for what in _late(gate, own, **settings["unasked"][nodeid]))


def _strange(names: Iterable[str], gates: Mapping[str, GateResult]) -> list[str]:
    """Return the names of gates that an audit does not have; a user's probe without a gate is among the names."""
    ours = {gate_key(nodeid) for nodeid in gates}
    return [name for name in names if name.startswith(PACKS) and gate_key(name) not in ours]


def _rows(gate: GateResult, own: Iterable[Finding], rows: Mapping[str, str]) -> Iterator[str]:
    cases = {one.case for one in own}
    if cases - set(rows):
        yield f"does not have the case {short(min(cases - set(rows)))}, which has a finding"
    if set(rows) - cases and gate.stopped is None and gate.status not in SILENT:
        yield f"has the case {short(min(set(rows) - cases))}, which has no finding"


def _late(gate: GateResult, own: Iterable[Finding], asked: int, planned: int) -> Iterator[str]:
    """Yield whether as many items were asked in time as the settings say; skipped ones may be among the others."""
    sources = {one.source for one in own}
    late = {one.source for one in own if one.reason == NOT_IN_TIME}
    skipped = {one.source for one in own if one.outcome == "unscored"}
    if gate.stopped is not None:
        said = (len(gate.stopped.order), gate.stopped.planned)
        if (asked, planned) != said:
            yield f"says {asked} of {planned} items; the gate stopped after {said[0]} of {said[1]}"
    elif planned != len(sources) or not len(late) <= planned - asked <= len(skipped):
        yield f"says {asked} of {planned} items; the findings say {len(sources) - len(late)} of {len(sources)}"


def _spent(audit: Audit) -> Iterator[str]:
    """Yield tokens and seconds of a probe that are counted for another dimension than its own."""
    known: dict[str, set[str]] = {}
    every: tuple[Finding | GateResult, ...] = (*audit.gates, *audit.findings)
    for one in every:
        known.setdefault(one.probe, set()).add(one.dimension)
    for row in audit.provenance.get("spent", []):
        name, dimension = row["probe"], row["dimension"]
        if dimension not in known.get(name, {dimension}):
            yield f"provenance.spent: {short(name)} is counted for {short(dimension)}, which it is not of"
