"""Names of gates inside node ids."""

from __future__ import annotations

#: Ends the name of a gate that compares with a baseline.
VERSUS = ":vs"


def gate_key(nodeid: str) -> str:
    """A gate by probe and place: it may block in one audit and only be measured in another."""
    prefix, _, label = nodeid.rpartition("::")
    return f"{prefix}::{label.partition('[')[2].removesuffix(']')}"
