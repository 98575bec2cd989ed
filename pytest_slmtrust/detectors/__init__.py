"""Detectors: what is found in a reply by rules and, for some of them, by a small network next to the rules.

No audited model is asked. Each is measured in tests or in ``detectors.toml``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .confidences import discloses
    from .credentials import find_credentials
    from .degeneration import degenerate
    from .disclosed import handed_out
    from .doubts import only_doubts
    from .evasive import evades
    from .leak import leaked
    from .open_questions import reading
    from .pii import Span, find_personal_data, mask_personal_data
    from .readings import abstains, corrects_premise
    from .refusal import plainly_refuses, points_to_help, refusal_kind, refuses
    from .text import contains_answer, normalise, on_topic

__all__ = [
    "Span", "abstains", "contains_answer", "corrects_premise", "degenerate", "discloses", "evades",
    "find_credentials", "find_personal_data", "handed_out", "leaked", "mask_personal_data", "normalise",
    "on_topic", "only_doubts", "plainly_refuses", "points_to_help", "reading", "refusal_kind", "refuses",
]  # fmt: skip

#: Where they are from. Their rules take 0.2 s to be compiled, and a run of a user's own probes needs few of them.
_HOMES = {
    "confidences": ("discloses",),
    "credentials": ("find_credentials",),
    "degeneration": ("degenerate",),
    "disclosed": ("handed_out",),
    "doubts": ("only_doubts",),
    "evasive": ("evades",),
    "leak": ("leaked",),
    "open_questions": ("reading",),
    "pii": ("Span", "find_personal_data", "mask_personal_data"),
    "readings": ("abstains", "corrects_premise"),
    "refusal": ("plainly_refuses", "points_to_help", "refusal_kind", "refuses"),
    "text": ("contains_answer", "normalise", "on_topic"),
}


def __getattr__(name: str) -> Any:
    """Import a detector as it is asked for."""
    for home, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f".{home}", __name__), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
