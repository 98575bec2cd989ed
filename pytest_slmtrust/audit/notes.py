"""Notes that follow from the rest of an audit: the run writes them, and recomputing finds one that was left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .model import GateResult, Status, Waiver
from .sections import AskedBy, TaskBar

#: Of a run without the built-in pack.
NO_PACK = "NO BUILT-IN AUDIT: only a user's own probes ran, or those of other packs"
#: The names by which ``--slm-packs`` asks for the built-in pack.
BUILT_IN = frozenset({"builtin", "pytest_slmtrust.probes"})
#: Kind of the model of an audit that another tool asked.
IMPORTED = "imported"
#: Begins the note of a run whose budget of time was too small.
OUT_OF_TIME = "OUT OF TIME"
#: Why a case of such a run could not be judged.
NOT_IN_TIME = "out of time: it was not asked (--slm-budget)"


def has_builtin(packs: Collection[str]) -> bool:
    """Return whether the built-in pack is one of those that a run was asked for."""
    return not BUILT_IN.isdisjoint(packs)


def of_packs(packs: Collection[str]) -> list[str]:
    """Return what a reader must know of the packs that a run was asked for."""
    return [] if has_builtin(packs) else [NO_PACK]


def not_asked(by: AskedBy) -> str:
    """Say who asked what an imported audit holds."""
    tool = f"{by['tool']} {by['version']}".strip()
    return f"NOT ASKED BY THIS TOOL: {tool} asked and judged, as {by['file']} says; only the arithmetic can be checked here"


def of_absent(gates: Sequence[GateResult]) -> list[str]:
    """Return what a reader must know of gates that did not run."""
    unselected = [g for g in gates if g.excuse == "unselected"]
    lost = sum(g.status is Status.NOT_RUN and not g.excuse for g in gates)
    notes = []
    if unselected:
        head = "PARTIAL" if any(g.blocking for g in unselected) else "SELECTION"  # the verdict is PARTIAL for what blocks only
        one = len(unselected) == 1
        said = "1 gate is" if one else f"{len(unselected)} gates are"
        notes.append(f"{head}: {said} outside this run's selection; the verdict does not cover {'it' if one else 'them'}")
    if lost:
        notes.append(f"NOT RUN: {lost} {'gate' if lost == 1 else 'gates'} left no result")
    return notes


def of_optional(names: Sequence[str]) -> list[str]:
    """Return what the user excused by name."""
    return [f"OPTIONAL: {', '.join(names)}; not red if NOT TESTED or NOT RUN"] if names else []


def of_expired(waivers: Sequence[Waiver]) -> list[str]:
    """Return the waivers that no longer hold."""
    return [f"WAIVER EXPIRED: {w.probe}, on {w.expires}; owner {w.owner}" for w in waivers if w.expired]


def of_changed_bars(bars: Mapping[str, TaskBar], gone: Mapping[str, str]) -> list[str]:
    """Return the bars that are not those which earlier results were held to, and those that are ``gone``."""
    return [
        *(f"BAR CHANGED: {key} has no bar now, and had one before ({bar})" for key, bar in gone.items()),
        *(
            f"BAR CHANGED: {nodeid} was held to another bar when results existed ({bar['changed']})"
            for nodeid, bar in bars.items() if bar["changed"]
        ),
    ]  # fmt: skip


def of_untested(required: Sequence[str]) -> list[str]:
    """Return the dimensions that the user required and that have no result."""
    return [f"REQUIRED AND NOT TESTED: {', '.join(required)}"] if required else []
