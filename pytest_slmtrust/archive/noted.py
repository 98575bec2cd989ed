"""What an audit says twice, once in words: notes, and the name of its baseline."""

from __future__ import annotations

from collections.abc import Iterator

from ..audit.model import Audit
from ..audit.notes import (
    IMPORTED,
    OUT_OF_TIME,
    not_asked,
    of_absent,
    of_changed_bars,
    of_expired,
    of_optional,
    of_packs,
    of_untested,
)
from ..audit.row_tests import notes_of_rows, row_tests
from ..audit.verdict import older, untested_of
from ..backends.endpoint.notes import notes as endpoint_notes
from ..thinking import notes as thinking_notes
from .sameness import short
from .stated import unlike_options


def left_out(audit: Audit) -> Iterator[str]:
    """Yield each note that is missing. Names in notes are masked before they are written: their beginning counts."""
    if audit.part and not audit.incomplete:
        yield f"part: it is one part of a run ({short(audit.part)}), and says that it is whole"
    if (audit.model.get("kind") == IMPORTED) != ("asked_by" in audit.provenance):
        yield "provenance.asked_by: it names who asked if and only if the audit was imported"
    if audit.incomplete:
        return
    settings, options = audit.settings, audit.settings.get("options", {})
    compared = "margin" in settings  # by ``slmtrust compare``: its gates are others than those that ran
    whole = [] if compared else of_absent(audit.gates)
    whole += [] if older(audit) else [note for note in notes_of_rows(audit) if note.startswith(_named_in(audit))]
    whole += of_changed_bars(settings.get("bars", {}), settings.get("bars_gone", {}))
    whole += of_packs(settings.get("packs", [] if audit.model.get("kind") == IMPORTED else ["builtin"]))
    if "asked_by" in audit.provenance:
        whole.append(not_asked(audit.provenance["asked_by"]))
    named = [name.strip() for name in str(options.get("optional", "")).split(",") if name.strip()]
    begun = [*of_optional(named), *of_expired(audit.waivers), *endpoint_notes(audit.model)]
    begun += [] if compared else of_untested(untested_of(audit.deciding, audit.required))
    begun += thinking_notes("auto", audit.model, audit.resources)
    begun += [OUT_OF_TIME] if settings.get("unasked") else []
    for note in whole:
        if note not in audit.notes:
            yield f"notes: {note!r} is left out"
    for note in begun:
        head = note.partition(":")[0]
        if not any(one.startswith(head) for one in audit.notes):
            yield f"notes: the one that begins with {head!r} is left out"


def _named_in(audit: Audit) -> tuple[str, ...]:
    """Return how the notes begin of probes that the sentence names: an older version, whose sentence names none, has no such."""
    return tuple(head for one in row_tests(audit) if one.blocking for head in (f"{one.counts};", f"NOT RUN: {one.counts};"))


def misnamed(audit: Audit, this_package: bool = False) -> Iterator[str]:
    """Yield gates that name another baseline than the audit, and settings that contradict the options of the run."""
    yield from unlike_options(audit, this_package)
    name = audit.baseline.model.get("name") if audit.baseline else None
    for gate in audit.gates:
        if gate.paired is not None and not gate.against_lock and gate.paired.baseline != name:
            yield f"{gate.nodeid}: it names the baseline {short(gate.paired.baseline)}; the audit's is {short(name)}"
