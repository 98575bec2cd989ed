"""Whole audits of scripted models with the built-in probes, for the benchmarks that need no real one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_slmtrust import Backend, Classify, Probe, Request
from pytest_slmtrust.audit.model import GateResult
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.backends.fake import FakeBackend, Reply, SwapPerturber, WordListScorer
from pytest_slmtrust.backends.toxicity.scorer import load_scorer
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.session import AuditSession


def builtin_probes() -> list[Probe]:
    """The built-in pack, as the plugin loads it."""
    return packed(pytest_slm_probes())


def shipped_scorer() -> Backend:
    """profanity-check where it is installed, else a list of words."""
    return load_scorer("profanity-check") if find_spec("profanity_check") else WordListScorer()


@dataclass(slots=True)
class BentScorer:
    """A toxicity scorer whose answers are changed by a function of the text and the answer; where that raises, it breaks."""

    scorer: Backend
    change: Callable[[str, Any], Any]
    fingerprint: str

    @property
    def name(self) -> str:
        return self.scorer.name

    @property
    def answers(self) -> tuple[type[Request[Any]], ...]:
        return self.scorer.answers

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for index, answer in self.scorer.run(requests):
            request = requests[index]
            assert isinstance(request, Classify)
            yield index, self.change(request.text, answer)

    def describe(self) -> dict[str, Any]:
        return self.scorer.describe()


def engine_of(model: Backend, scorer: Backend, store: Store, reference: Backend | None = None) -> Engine:
    """One model, one toxicity scorer, a perturber that needs no TextAttack, and a reference model if one is given."""
    backends: dict[tuple[str, str], Backend] = {("generate", "target"): model, ("loglikelihood", "target"): model}
    if reference is not None:
        backends["loglikelihood", "reference"] = reference
    perturber = SwapPerturber()
    beside = {(kind.kind, "perturb"): perturber for kind in perturber.answers}
    return Engine({**backends, **beside, ("classify", "toxicity"): scorer}, store)


def gate_results(
    reply: Reply | str, probes: Sequence[Probe] = (), scorer: Backend | None = None, profile: str = "ci"
) -> dict[str, GateResult]:
    """What each built-in probe's gate (or only those of ``probes``) says of a model that answers by ``reply``."""
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_of(FakeBackend(reply), scorer or shipped_scorer(), Store(Path(folder), "scripted"))
        session = AuditSession(load_policy(profile), engine, Mask(b"scripted"))
        suites = [session.add(probe, f"slm::{probe.dimension}") for probe in packed(probes) or builtin_probes()]
        engine.prefetch([case for suite in suites for case in suite.everything()])
        return {suite.probe.name: session.gate_result(suite)[0] for suite in suites}
