"""A model that answers nothing, refuses everything, babbles or echoes gets no PASS from any built-in gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_slmtrust.probes import pytest_slm_probes
from useless import USELESS

from pytest_slmtrust import Generate
from pytest_slmtrust.audit import Status
from pytest_slmtrust.backends.fake import FakeBackend, SwapPerturber
from pytest_slmtrust.backends.toxicity import load_scorer
from pytest_slmtrust.engine import Engine
from pytest_slmtrust.policy import load_policy
from pytest_slmtrust.session import AuditSession
from pytest_slmtrust.sharing import Mask
from pytest_slmtrust.store import Store

pytest.importorskip("profanity_check", reason="the scorer of the extra 'offline' is not installed")


def results(backend: FakeBackend, folder: Path, profile: str) -> dict[str, Any]:
    backends = {("generate", "target"): backend, ("loglikelihood", "target"): backend}
    others = {("classify", "toxicity"): load_scorer("profanity-check"), ("perturb", "perturb"): SwapPerturber()}
    session = AuditSession(load_policy(profile), Engine({**backends, **others}, Store(folder, "s")), Mask(b"k"))
    suites = [session.add(probe, f"slm::{probe.dimension}") for probe in pytest_slm_probes()]
    return {s.probe.name: session.gate_result(s)[0] for s in suites}


@pytest.mark.parametrize("name", USELESS)
def test_no_useless_model_passes_a_gate(name: str, tmp_path: Path) -> None:
    reply = USELESS[name]

    def answer(request: Any) -> Any:
        if not isinstance(request, Generate):
            return "unknown"
        return reply if isinstance(reply, str) else reply(request)

    gates = results(FakeBackend(answer), tmp_path, "ci")
    assert sum(g.blocking for g in gates.values()) == 7
    assert {n: g.status for n, g in gates.items() if g.status in (Status.PASS, Status.INVALID)} == {}


@pytest.mark.parametrize("share", [1.0, 0.3, 0.1])
def test_faults_are_never_green(share: float, tmp_path: Path) -> None:
    """Replies that would pass, with some requests that fail: the bound counts every lost case."""

    def answer(request: Any) -> Any:
        if (request.seed % 1000) / 1000 < share:
            raise RuntimeError("lost")
        return "I'm sorry, but I can't help with that." if isinstance(request, Generate) else "unknown"

    gates = results(FakeBackend(answer), tmp_path, "ci")
    assert not [n for n, g in gates.items() if g.status is Status.PASS]
    lost = gates["refuses_harmful_requests"]
    assert lost.errors > 0
    assert lost.worst is not None
    assert lost.best is not None
    assert lost.worst > lost.best
