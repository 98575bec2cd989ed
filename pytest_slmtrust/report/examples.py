"""One question and its reply, as a reader who knows no evidence keys sees them. No markup."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..audit.model import Finding
from ..redaction import WITHHELD, offensive

#: What an example shows, in reading order: a label, and the keys of the evidence of which the first one present is shown.
_SHOWN = (
    ("Instruction of the operator", ("system",)),
    ("Question", ("prompt", "original", "request", "question")),
    ("The same, changed", ("perturbed", "noisy", "asked again", "other", "other requests", "other openings")),
    ("Reply", ("reply", "original_reply", "replies", "decisions")),
    ("Reply to the changed text", ("perturbed_reply", "second reply", "other replies")),
    ("Right answer", ("gold", "expected")),
    ("Judged", ("why", "reading")),
)
#: Labels of what a model said, and of how it was judged: these belong to one model, all others to the question.
ANSWER, OF_MODEL = "Reply", ("Reply", "Reply to the changed text", "Judged")
#: Characters of all texts of an example that is preferred; the first finding of a kind is shown if none is as short.
_READABLE = 900
#: Characters of one text, entries of a list or mapping, and levels of them.
_TEXT, _ENTRIES, _DEPTH = 360, 4, 2


@dataclass(frozen=True, slots=True)
class Example:
    """One case: labelled texts in reading order; ``folded`` where they may offend; ``nodeid``: pytest's name of it."""

    anchor: str
    texts: tuple[tuple[str, str], ...]
    folded: bool
    nodeid: str = ""

    @property
    def quoted(self) -> str:
        """Its name for a shell."""
        return shlex.quote(self.nodeid)


def example_of(findings: Iterable[Finding], outcome: str, anchor: Any) -> Example | None:
    """Return the first finding with that outcome which has a question and a reply that fit on the page; ``anchor`` makes its
    fragment."""
    first: Example | None = None
    for one in findings:
        if one.outcome != outcome:
            continue
        made = Example(anchor(one), texts_of(one.evidence), offensive(one), one.nodeid)
        labels = {label for label, _ in made.texts}
        if {"Question", "Reply"} <= labels and sum(len(text) for _, text in made.texts) <= _READABLE:
            return made
        first = first or made
    return first if first is not None and first.texts else None


def texts_of(evidence: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what a reader needs of an evidence, each text with its label, in reading order."""
    found = []
    for label, keys in _SHOWN:
        key = next((k for k in keys if evidence.get(k) not in (None, "", [], {})), None)
        if key is not None:
            found.append((label, _plain(evidence[key])))
    return tuple(found)


def _plain(value: Any, depth: int = 0) -> str:
    """Return a text, a list or a mapping in one line of text, cut."""
    if not isinstance(value, (Mapping, list, tuple)):
        text = str(value)
        if WITHHELD.match(text):
            return "[withheld, because it may do harm]"
        return text if len(text) <= _TEXT else f"{text[:_TEXT]} …"
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, Mapping):
        parts = [f"{key}: {_plain(one, depth + 1)}" for key, one in list(value.items())[:_ENTRIES]]
    else:
        parts = [_plain(one, depth + 1) for one in value[:_ENTRIES]]
    more = len(value) - _ENTRIES
    joined = "; ".join(parts)
    return (joined if len(joined) <= _TEXT else f"{joined[:_TEXT]} …") + (f"; and {more} more" if more > 0 else "")
