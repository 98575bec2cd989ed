"""What a run was asked for, as its options say it and as the rest of an audit has it; and that each gate has what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..audit.model import Audit
from ..audit.nodeids import VERSUS, gate_key, gate_names
from ..audit.notes import IMPORTED, NOT_IN_TIME
from ..authoring.declarations import ProbeError
from ..gates.accepted import OWNER
from ..gates.bundles import same_gate
from ..gates.policy import limits_by_hand
from .option_text import listed_option
from .sameness import same, short

#: Options that name a list, and the entries of the settings that hold it.
_LISTS = {"packs": "packs", "dimensions": "dimensions", "require": "required"}
#: Options that are read here and beside, in each run of this package.
_READ = (
    *_LISTS, "profile", "gate", "optional", "limit", "bundle", "vs", "baseline", "lock", "waivers", "budget", "early-stop",
)  # fmt: skip
#: Options that name what a probe may need, and the other model; a profile has those that were given.
INPUTS = ("members", "nonmembers", "canaries", "data", "vs")
#: Options that name the model of a baseline.
_BASELINES = ("vs", "baseline")


def unlike_options(audit: Audit, this_package: bool = False) -> Iterator[str]:
    """Yield what an audit has otherwise than the options of its run, and the comparisons and identities that its gates lack.

    A run that did not reach its end, a comparison of two audits and an imported one were asked for nothing here.
    ``this_package``: the audit is of the installed one, whose runs write every option down.
    """
    if audit.incomplete:
        return
    yield from _waived(audit)
    if "margin" in audit.settings or audit.model.get("kind") == IMPORTED:
        return
    options = audit.settings.get("options", {})
    lacking = [name for name in _READ if this_package and name not in options]
    if lacking:
        yield f"settings.options: it has no {lacking[0]}, which each run writes down"
    if audit.profile != options.get("profile", audit.profile):
        yield f"settings.options.profile: the run was asked for {short(options['profile'])}; the audit is of {audit.profile}"
    for option, name in _LISTS.items():
        has: Any = audit.settings.get(name, [])
        if option in options and _names(options[option]) != list(has):
            yield f"settings.{name}: it is {short(has)}; the run was asked for {short(options[option])}"
    yield from _given(options, audit.settings.get("profile", {}).get("inputs", {}))
    if "gate" in options:
        yield from _limits(audit, options["gate"])
    yield from _compared(audit, [options[name] for name in _BASELINES if options.get(name)])
    yield from _identities(audit)
    yield from _cut_short(audit, options)


def _given(options: Mapping[str, str], inputs: Mapping[str, str]) -> Iterator[str]:
    """Yield the inputs of the profile that no option names, and those of the options that the profile lacks."""
    for name in INPUTS:
        asked = options.get(name, "")
        if name in options and (asked not in ("", "self")) != (name in inputs):
            has = "no " if asked else ""
            yield f"settings.profile.inputs: it has {has}{name}; the run was asked for {short(asked or 'none')}"
    if inputs.get("vs", options.get("vs")) != options.get("vs"):
        yield f"settings.profile.inputs.vs: it is {short(inputs['vs'])}; the run was asked for {short(options.get('vs'))}"


def _cut_short(audit: Audit, options: Mapping[str, str]) -> Iterator[str]:
    """Yield the gates that ended early without an option that lets them, and those whose lack of time is not told."""
    unasked = audit.settings.get("unasked", {})
    if unasked and options.get("budget") == "":
        yield "settings.unasked: gates ran out of time, and the run had no budget of it"
    late = {f.probe for f in audit.findings if f.reason == NOT_IN_TIME}
    for probe in sorted(late - {gate_names(nodeid)[1] for nodeid in unasked}):
        yield f"settings.unasked: cases of {short(probe)} were not asked in time, and its gate is not in it"
    stopped = next((gate.nodeid for gate in audit.gates if gate.stopped is not None), "")
    if stopped and options.get("early-stop") == "False":
        yield f"{stopped}: it stopped early, and the run was not asked to stop gates"


def _waived(audit: Audit) -> Iterator[str]:
    """Yield the waivers that neither a file of the run nor its lock has."""
    locked = audit.baseline is not None and "lock_sha256" in audit.baseline.model
    given = bool(audit.settings.get("options", {}).get("waivers"))
    for waiver in audit.waivers:
        if not (locked if waiver.owner == OWNER else given):
            yield f"waivers: {short(waiver.owner)} waives {short(waiver.probe)}, and the run was given no such waiver"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _limits(audit: Audit, given: str) -> Iterator[str]:
    """Yield the limits of the settings that neither the run was given nor a bundle has, and those that the settings lack."""
    settings = audit.settings
    try:
        tolerances, margins = limits_by_hand(listed_option(given))
    except ProbeError as error:
        yield f"settings.options.gate: {error}"
        return
    parts = [part for one in settings.get("bundles", ()) for part in one.bundle.parts]
    for part in parts:
        if part.limit is not None:
            tolerances[same_gate(tolerances, part.probe)] = part.limit
        if part.margin is not None and audit.baseline is not None:
            margins[same_gate(margins, part.probe)] = part.margin
    for name, asked, has in (
        ("tolerances", tolerances, settings.get("tolerances", {})), ("margins", margins, settings.get("margins", {})),
    ):  # fmt: skip
        for probe in sorted({*asked, *has}):
            if (probe in asked) != (probe in has) or not same(has[probe], asked[probe]):
                was = short(asked.get(probe, "none"))
                yield f"settings.{name}: the limit of {short(probe)} is {short(has.get(probe, 'none'))}; the run was given {was}"


def _compared(audit: Audit, asked: Sequence[str]) -> Iterator[str]:
    """Yield that a comparison with a baseline is missing: of the whole audit, or of one of its gates."""
    if audit.baseline is None:
        if asked:
            yield f"baseline: the run was compared with {short(asked[0])}, and the audit has none"
        return
    compared = {gate_key(gate.nodeid).removesuffix(VERSUS) for gate in audit.gates if gate.versus}
    for gate in audit.gates:
        if not gate.versus and gate_key(gate.nodeid) not in compared:
            yield f"{gate.nodeid}: its comparison with the baseline has no result"


def _identities(audit: Audit) -> Iterator[str]:
    """Yield the gates without an identity of what they ask, or of how they judge."""
    settings = audit.settings
    for name in ("rows_sha256", "asked", "judged"):
        known: Any = settings.get(name, {})
        for gate in audit.gates if "options" in settings else ():
            if not gate.versus and gate.nodeid not in known and (gate.missing is None or name == "rows_sha256"):
                yield f"settings.{name}: {gate.nodeid} is not in it"
