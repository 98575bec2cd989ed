"""Names of gates inside node ids."""

from __future__ import annotations

from collections.abc import Collection

#: Ends the name of a gate that compares with a baseline.
VERSUS = ":vs"
#: Begins the node ids of what a pack brings.
PACKS = "slm::"


def gate_key(nodeid: str) -> str:
    """Return a gate by probe and place: it may block in one audit and only be measured in another."""
    prefix, _, label = nodeid.rpartition("::")
    return f"{prefix}::{label.partition('[')[2].removesuffix(']')}"


def gate_names(nodeid: str) -> tuple[str, str]:
    """Return how a user names a gate: by place and probe, or by its probe alone."""
    key = gate_key(nodeid)
    return key, key.rpartition("::")[2]


def limit_name(limits: Collection[str], place: str, probe: str) -> str:
    """Return the name by which limits that a user set hold that of a gate: by place and probe, or else by its probe alone.

    Empty where they hold none. ``place``: the node id of a gate as far as its last ``::``.
    """
    return next((name for name in (f"{place}::{probe}", probe) if name in limits), "")


def is_gate(nodeid: str) -> bool:
    """Return whether a node id names a gate, and not a case."""
    return nodeid.rpartition("::")[2].startswith(("gate[", "measure["))
