"""Bundles in an audit: what each says is recomputed from its gates, and one that was left out is found."""

from __future__ import annotations

from collections.abc import Iterator

from ..audit.bundle_verdict import decide_bundle, gate_of
from ..audit.bundles import BundleResult
from ..audit.model import Audit
from ..gates.bundles import FILE, built_in
from .option_text import listed_option
from .sameness import same, short


def bundle_faults(audit: Audit, this_package: bool) -> Iterator[str]:
    """Yield what of the bundles does not follow from the gates or from the options of the run.

    ``this_package``: the audit is of the installed one, so its own bundles are known.
    """
    results = audit.settings.get("bundles", ())
    names = [one.bundle.name for one in results]
    if len(set(names)) < len(names):
        yield "bundles: two have the same name"
    asked = listed_option(str(audit.settings.get("options", {}).get("bundle", "")))
    files = sum(one.endswith(FILE) for one in asked)
    missing = [one for one in asked if not one.endswith(FILE) and one not in names]
    if not audit.incomplete and "margin" not in audit.settings:
        if missing:
            yield f"bundles: the run was asked for {short(missing[0])}, and the audit has no result of it"
        own = len([name for name in names if name not in asked])
        if (own > 0) != (files > 0):
            yield f"bundles: {own} of the user's own, and {files} files were named"
    for one in results:
        yield from _result(audit, one, this_package)


def _result(audit: Audit, one: BundleResult, this_package: bool) -> Iterator[str]:
    name = f"bundle {short(one.bundle.name)}"
    if this_package and built_in().get(one.bundle.name, one.bundle) != one.bundle:
        yield f"{name}: it is not the one of this package"
    made = decide_bundle(one.bundle, audit.gates, audit.incomplete)
    for field in ("status", "reason", "gates"):
        if getattr(one, field) != getattr(made, field):
            yield f"{name}: {field} is {short(getattr(one, field))}; its gates say {short(getattr(made, field))}"
    for part in one.bundle.parts:
        gate = gate_of(part, audit.gates)
        held = part.margin if gate is not None and gate.versus else part.limit
        if gate is not None and held is not None and gate.tolerance is not None and not same(gate.tolerance, held):
            yield f"{name}: {gate.name} is held to {gate.tolerance:g}; the bundle says {held:g}"
