"""Drive one case of a probe by hand, with scripted or real backends and no engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_slmtrust import Backend, Case, Failure, Request, RequestFailed, Verdict
from pytest_slmtrust.backends.fake import FakeBackend, Reply, SwapPerturber, WordListScorer


def drive(case: Case, reply: Reply | str, scorer: Backend | None = None, perturber: Backend | None = None) -> Verdict:
    """The verdict of a case: ``reply`` answers for the model, ``scorer`` for Classify, ``perturber`` for Perturb.

    Raises:
        RequestFailed: a backend answered with a failure.
        AssertionError: the probe asked something that none of the three answers.
    """
    backends: list[Backend] = [FakeBackend(reply), scorer or WordListScorer(), perturber or SwapPerturber()]
    steps = case.steps()
    try:
        wave = next(steps)
        while True:
            wave = steps.send(_answer(wave, backends))
    except StopIteration as stop:
        verdict = stop.value
    assert isinstance(verdict, Verdict), f"{case.probe.name}[{case.id}] returned {type(verdict).__name__}"
    return verdict


def _answer(wave: Sequence[Request[Any]], backends: Sequence[Backend]) -> list[Any]:
    answers: list[Any] = []
    for request in wave:
        backend = next((b for b in backends if isinstance(request, b.answers)), None)
        assert backend is not None, f"nobody answers {type(request).__name__}"
        [(_, answer)] = backend.run([request])
        if isinstance(answer, Failure):
            raise RequestFailed(answer.message)
        answers.append(answer)
    return answers
