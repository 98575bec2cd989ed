"""What a bundle says: the one verdict over its parts, and each part's number in a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .bundles import Bundle, BundleResult, Part
from .model import Audit, GateResult, Status
from .nodeids import VERSUS, gate_names
from .quantities import quantity_of, share_text
from .verdict import SILENT, bundled


def with_bundles(audit: Audit, bundles: Sequence[Bundle]) -> Audit:
    """Return the audit with what each bundle says of its gates."""
    settings = audit.settings.copy()
    settings["bundles"] = tuple(decide_bundle(one, audit.gates, audit.incomplete) for one in bundles)
    return replace(audit, settings=settings)


def decide_bundle(bundle: Bundle, gates: Sequence[GateResult], incomplete: str = "") -> BundleResult:
    """Return what a bundle says of an audit's gates.

    It passes falsely only if every part whose claim is false passes falsely, so with each part at alpha the whole is at alpha:
    an intersection-union test (Berger 1982, Technometrics 24:295).
    """
    found = [gate_of(part, gates) for part in bundle.parts]
    told = [gate for gate in found if gate is not None]
    status = bundled(told, incomplete) if len(told) == len(found) or incomplete else Status.NOT_RUN
    said = [*part_lines(bundle, gates), *remarks(bundle, gates, status)]
    return BundleResult(bundle, status, "; ".join(said), tuple(gate.nodeid if gate else "" for gate in found))


def part_lines(bundle: Bundle, gates: Sequence[GateResult]) -> list[str]:
    """Say each part's number, what is allowed, and its status."""
    return [_part(part, gate_of(part, gates)) for part in bundle.parts]


def remarks(bundle: Bundle, gates: Sequence[GateResult], status: Status) -> list[str]:
    """Say which parts decide nothing, and which do not block."""
    found = [gate_of(part, gates) for part in bundle.parts]
    measured, aside = _titles(bundle, found, _is_measured), _titles(bundle, found, _is_advisory)
    said = []
    if measured and status is Status.MEASURED:
        said.append(f"{_listed(measured)} only measured, so it decides nothing")
    if aside:
        said.append(f"{_listed(aside)} advisory, so the bundle is, too")
    return said


def gate_of(part: Part, gates: Sequence[GateResult]) -> GateResult | None:
    """Return the gate of a part: against the baseline where it asks for that and there is one, else the probe's own."""
    if part.baseline:
        versus = _named(f"{part.probe}{VERSUS}", gates)
        if versus is not None:
            return versus
    return _named(part.probe, gates)


def _named(name: str, gates: Sequence[GateResult]) -> GateResult | None:
    found = [gate for gate in gates if name in gate_names(gate.nodeid)]
    return found[0] if len(found) == 1 else None  # of two with one name nobody can say which is meant


def _part(part: Part, gate: GateResult | None) -> str:
    """Say one part's number, what is allowed, and its status."""
    if gate is None:
        return f"{part.title}: NOT RUN, no gate of {part.probe}"
    if gate.status in SILENT:
        return f"{part.title}: {gate.status}"
    allowed = "no limit" if gate.tolerance is None else f"{gate.side} {_limit(gate)}"
    return f"{part.title} {_number(gate)} ({allowed}): {gate.status}{', waived' if gate.waived else ''}"


def _number(gate: GateResult) -> str:
    shown = quantity_of(gate).shown(gate)
    if shown is None:
        return "without a number"
    if shown.unit == "share":
        return share_text(shown.value)
    return f"{shown.value * 100:+.1f} points" if shown.unit == "points" else f"{shown.value:.3g}"


def _limit(gate: GateResult) -> str:
    limit = gate.tolerance or 0.0
    if gate.versus:
        return f"{limit * 100:.3g} points more"
    return share_text(limit) if quantity_of(gate).share else f"{limit:.3g}"


def _titles(bundle: Bundle, found: Sequence[GateResult | None], holds: Callable[[GateResult], bool]) -> list[str]:
    return [part.title for part, gate in zip(bundle.parts, found, strict=True) if gate is not None and holds(gate)]


def _is_measured(gate: GateResult) -> bool:
    return gate.status is Status.MEASURED


def _is_advisory(gate: GateResult) -> bool:
    return bool(gate.advisory)


def _listed(names: Sequence[str]) -> str:
    """Return names as the subject of a sentence: ``a is``, ``a and b are``."""
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
