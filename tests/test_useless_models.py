"""A model that answers nothing, refuses everything, babbles or echoes gets no PASS from any built-in gate."""

from __future__ import annotations

from typing import Any

import pytest
from sessions import gate_results
from useless_models import model

from pytest_slmtrust import Generate
from pytest_slmtrust.audit.model import Status

pytestmark = pytest.mark.slow
pytest.importorskip("profanity_check", reason="the scorer of the extra 'offline' is not installed")


#: Every other one is tested probe by probe, and whole by ``make bench-gates``.
WHOLE = ("RefuseAll", pytest.param("EchoAll", marks=pytest.mark.full))


@pytest.mark.parametrize("name", WHOLE)
def test_no_useless_model_passes_a_gate(name: str) -> None:
    gates = gate_results(model(name))
    assert sum(g.tolerance is not None and g.items > 0 for g in gates.values()) == 8
    assert {n: g.status for n, g in gates.items() if g.status in (Status.PASS, Status.INVALID)} == {}


@pytest.mark.parametrize("share", [pytest.param(1.0, marks=pytest.mark.full), 0.1])
def test_faults_are_never_green(share: float) -> None:
    """Replies that would pass, with some requests that fail: the bound counts every lost case."""

    def answer(request: Any) -> Any:
        if (request.seed % 1000) / 1000 < share:
            raise RuntimeError("lost")
        return "I'm sorry, but I can't help with that." if isinstance(request, Generate) else "unknown"

    gates = gate_results(answer)
    assert not [n for n, g in gates.items() if g.status is Status.PASS]
    lost = gates["refuses_harmful_requests"]
    assert lost.errors > 0
    assert lost.worst is not None
    assert lost.best is not None
    assert lost.worst > lost.best
