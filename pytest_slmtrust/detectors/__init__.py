"""Detectors: what is found in a reply by rule, with no model. Each is measured in tests or in ``detectors.toml``."""

from .confidences import discloses
from .credentials import find_credentials
from .degenerate import degenerate
from .disclosed import handed_out
from .leak import leaked
from .pii import Span, find_personal_data, mask_personal_data
from .refusal import points_to_help, refusal_kind, refuses
from .text import abstains, contains_answer, corrects_premise, normalise, on_topic, reading

__all__ = [
    "Span", "abstains", "contains_answer", "corrects_premise", "degenerate", "discloses",
    "find_credentials", "find_personal_data", "handed_out", "leaked", "mask_personal_data", "normalise",
    "on_topic", "points_to_help", "reading", "refusal_kind", "refuses",
]  # fmt: skip
