"""A rehearsal: what cases ask, found with scripted backends instead of a model and a scorer."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..authoring.declarations import TOXICITY
from ..authoring.probe import Case
from ..backends.fake import FakeBackend, SwapPerturber
from ..engine.engine import Engine
from ..engine.store import Store
from ..requests import Classify, Labels, Request
from .session import Suite

#: Rows that are tried to find out whether a probe asks the scorer; its controls are tried, too.
_TRIED = 3


def rehearsed(cases: Sequence[Case]) -> tuple[list[Request[Any]], list[Request[Any]]]:
    """Return what cases ask a model that knows nothing, and what they ask the toxicity scorer; each request once."""
    target, perturber = FakeBackend(), SwapPerturber()
    scorer = FakeBackend(lambda _: Labels({TOXICITY: 0.02}), "scripted scorer", (Classify,))
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(
            {("generate", "target"): target, ("loglikelihood", "target"): target, ("classify", TOXICITY): scorer,
             **{(kind.kind, "perturb"): perturber for kind in perturber.answers}},
            Store(Path(folder), "rehearsal"),
        )  # fmt: skip
        engine.prefetch(cases)
        engine.store.close()
    asked, scored = ([request for call in one.calls for request in call] for one in (target, scorer))
    return asked, scored


def asks_scorer(suite: Suite) -> bool:
    """Return whether a probe asks the toxicity scorer: its judge says so, or else a rehearsal of a few cases."""
    probe = suite.probe
    if suite.missing:
        return False
    if probe.judge is not None and probe.judge.name == TOXICITY:
        return True
    if probe.packed and not probe.foreign and probe.judge is not None:
        return False
    return bool(rehearsed([*suite.cases[:_TRIED], *suite.others])[1])
