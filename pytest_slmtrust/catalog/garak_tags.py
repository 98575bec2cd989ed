"""garak's tags of its probes as a map of clauses: OWASP's list for applications of language models, and AVID's effects."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from ..audit.clauses import Clause, Framework
from ..authoring.probe import Probe
from ..escaping import one_line
from .garak_host import tag_titles

#: Beginnings of the tags that are shown.
_SHOWN = ("owasp:", "avid-effect:")


def framework_of(probes: Sequence[Probe]) -> Framework | None:
    """Return the clauses that probes are tagged with, each with the names of their gates; None without any."""
    tags = sorted({tag for probe in probes for tag in probe.tags if tag.startswith(_SHOWN)})
    if not tags:
        return None
    return Framework(
        id="garak-tags",
        title="garak's tags of its probes: OWASP LLM and AVID",
        source=f"garak {metadata.version('garak')}, tags of each probe and their table",
        date="",
        clause=tuple(_clause(tag, probes) for tag in tags),
        note="The tags are garak's own and of the edition of the list that garak knows; the built-in map has OWASP's 2025 list.",
        read="secondary",
    )


def _clause(tag: str, probes: Sequence[Probe]) -> Clause:
    title, summary = tag_titles().get(tag, (tag, ""))
    named = tuple(sorted(probe.name for probe in probes if tag in probe.tags))
    return Clause(tag, one_line(title), one_line(summary) or one_line(title), (), named)
