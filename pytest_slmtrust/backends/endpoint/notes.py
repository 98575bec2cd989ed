"""What a reader of an audit must know of the endpoint that it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def notes(model: Mapping[str, Any]) -> list[str]:
    """Return one line each, from what the backend said of itself."""
    if model.get("kind") != "endpoint":
        return []
    found = []
    canaries = model.get("canaries") or {}
    if canaries.get("unstable"):
        found.append(
            f"NOISE: asked twice, the server answers {canaries['unstable']} of {canaries['asked']} known questions differently: "
            "verdicts may change by chance"
        )
    if model.get("changed"):
        found.append(f"ENDPOINT CHANGED since the last run, whose answers are not used: {model['changed']}")
    if model.get("left_out"):
        found.append(f"REPLICAS LEFT OUT: {', '.join(model['left_out'])}")
    return found
