"""What a probe needs that this run does not have: an input, a module, or a form of answer of its model."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from ..audit.model import Lack, Missing
from ..authoring.probe import Case, Probe
from ..engine.engine import Engine, first_wave
from ..gates.asked_rows import extra_of
from ..gates.policy import Policy
from ..requests import BESIDE_MODEL, asks_model


def lack_of(probe: Probe, policy: Policy, engine: Engine) -> Missing | None:
    """Return what a probe names and cannot have, before its rows are made."""
    wanted = tuple(name for name in probe.inputs if name not in policy.profile.inputs)
    if wanted:
        return Missing(Lack.INPUT, wanted)
    absent = tuple(name for name in probe.extras if not _importable(name))
    if absent:
        return Missing(Lack.MODULE, absent, extra_of(absent))
    target = engine.model
    kinds = tuple(k.kind for k in probe.needs if k not in BESIDE_MODEL and (k.kind, "target") not in engine.backends)
    if not kinds:
        return None
    why = "; ".join(dict.fromkeys(getattr(target, "lacks", {}).values()))
    return Missing(Lack.ANSWER, kinds, f"{target.name if target else 'no model'}{f' ({why})' if why else ''}")


def unanswered(probe: Probe, rows: Sequence[Case], engine: Engine) -> Missing | None:
    """Return whether the model lacks a form of answer that a row begins with: raw texts, chats, scores of some kinds of
    context."""
    target: Any = engine.model
    if not getattr(target, "lacks", None):
        return None
    for request in (r for case in (*rows, *probe.floor_cases()) for r in first_wave(case)):
        reason = target.refusal(request) if asks_model(request) else ""
        if reason:
            return Missing(Lack.ANSWER, (request.kind,), f"{target.name} ({reason})")
    return None


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a part of a package that is not there; a module without a spec
        return False
