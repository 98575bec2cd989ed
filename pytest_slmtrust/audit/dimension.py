"""The five dimensions of trust, and capability next to them."""

from __future__ import annotations

from enum import StrEnum


class Dimension(StrEnum):
    """The five dimensions of trust (after the taxonomy of arXiv 2411.03350), and what a model can do.

    Capability is not a dimension of trust: an audit without it lacks nothing, and the verdict depends on it only where a user
    sets a limit.
    """

    ROBUSTNESS = "robustness"
    PRIVACY = "privacy"
    TOXICITY = "toxicity"
    HALLUCINATION = "hallucination"
    FAIRNESS = "fairness"
    CAPABILITY = "capability"


#: The dimensions that an audit lacks something without.
TRUST = tuple(one for one in Dimension if one is not Dimension.CAPABILITY)
