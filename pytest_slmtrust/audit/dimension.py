"""The five dimensions of trust."""

from __future__ import annotations

from enum import StrEnum


class Dimension(StrEnum):
    """The five dimensions of trust (after the taxonomy of arXiv 2411.03350)."""

    ROBUSTNESS = "robustness"
    PRIVACY = "privacy"
    TOXICITY = "toxicity"
    HALLUCINATION = "hallucination"
    FAIRNESS = "fairness"
