"""Descriptions of a run's backends, as an audit holds them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .. import door
from ..engine.engine import Engine
from ..gates.detector_errors import rule_detectors
from ..requests import REFERENCE, Backend, BackendError, Counters

#: Counters that the model's backend keeps; the engine keeps the others.
_OF_THE_MODEL = ("forwards", "prefilled", "shared", "padded", "generated", "load_seconds", "peak_bytes")


def describe_engine(engine: Engine) -> dict[str, Any]:
    """Provenance of every backend, and what answering cost, as JSON-able data."""
    backends = {id(b): (role, b) for (_, role), b in engine.backends.items() if role != REFERENCE}
    target = engine.model
    counters = asdict(engine.counters)
    own = getattr(target, "counters", None)
    if isinstance(own, Counters):
        counters |= {name: getattr(own, name) for name in _OF_THE_MODEL}
        counters |= {"model_seconds": own.seconds, **own.extra}
    if engine.thoughts:
        unfinished = sum(not finished for finished in engine.thoughts.values())
        counters |= {"thoughts": len(engine.thoughts), "thoughts_unfinished": unfinished}
    return {
        "counters": counters,
        "spent": engine.ledger.rows(),
        "model": described(target) if target else {},
        "scorers": [*({**described(b), "role": role} for role, b in backends.values() if b is not target), *rule_detectors()],
    }


def described(backend: Backend) -> dict[str, Any]:
    """Return a backend's description; of one that failed to load, the reason."""
    try:
        described: dict[str, Any] = door.description(backend.describe())
        return described
    except BackendError as error:
        return {"error": door.line(error)}
