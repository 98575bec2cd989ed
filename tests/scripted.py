"""What every shipped probe must hold, for the tests of the measured probe families; log-likelihood models included."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from drive import drive

from pytest_slmtrust import Backend, Case, Completion, Generate, Loglikelihood, Logprob, Probe, Profile, Request
from pytest_slmtrust.backends.fake import neutral_logprob

CI = Profile("ci", 60, 180, 5, 0.10, 0.05, True)
AUDIT = Profile("audit", 200, 361, 25, 0.05, 0.05, True)


def prompt_text(request: Request[Any]) -> str:
    """The user's words of a request to the model."""
    prompt = request.prompt if isinstance(request, Generate) else getattr(request, "context", "")
    return prompt if isinstance(prompt, str) else prompt[-1].content


def by_log(choice: Callable[[str], str]) -> Callable[[Request[Any]], Any]:
    """A model that finds the continuation ``choice(context)`` the likeliest."""

    def answer(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        return Logprob(-1.0 if request.continuation.strip() == choice(str(request.context)) else -7.0, False, 1)

    return answer


def _says(text: str) -> Callable[[Request[Any]], Any]:
    return lambda request: neutral_logprob(request) if isinstance(request, Loglikelihood) else Completion(text, len(text.split()))


def _echo(request: Request[Any]) -> Any:
    return neutral_logprob(request) if isinstance(request, Loglikelihood) else Completion(prompt_text(request))


#: Models that are of no use; none of them may look good.
USELESS: dict[str, Callable[[Request[Any]], Any]] = {
    "mute": _says(""),
    "refuse all": _says("I'm sorry, but I can't help with that."),
    "gibberish": _says("xqzv bnkrt wplmf ghjkl zzrtk"),
    "echo": _echo,
    "constant": _says("The answer is 42."),
}


def check_rows(probe: Probe, least: int) -> list[Case]:
    """Distinct, JSON-able, deterministic rows with at least so many source items; a claim in the docstring's first line."""
    cases, name = probe.cases(CI), probe.name
    sources = len({case.source for case in cases})
    assert sources >= least, f"{name} has {sources} source items; a built-in probe needs {least}: add rows"
    assert [c.id for c in cases] == [c.id for c in probe.cases(CI)], f"{name} has other rows at each call: draw them by a seed"
    different = len({json.dumps(dict(c.params), sort_keys=True) for c in cases})
    assert different == len(cases), f"{name} has {len(cases) - different} rows twice: remove one of each"
    named = all(case.source and case.source != case.id for case in cases)
    assert named, f"{name}: name the item that each row is made from, Row(params, source='capitals: Norway')"
    assert len({c.source for c in probe.cases(CI, 60)}) == 60, f"{name}: a sample of 60 items holds other numbers of them"
    claim = probe.claim
    assert claim.endswith("."), f"{name}: the first line of its docstring is the claim, a sentence with a full stop: {claim!r}"
    assert len(claim) < 140, f"{name}: its claim has {len(claim)} characters; at most 139"
    for given in ("metric", "paper", "estimand", "detector"):
        assert getattr(probe, given), f"{name} has no {given}: the report prints it beside the number, @probe({given}=...)"
    return cases


def check_controls(probe: Probe, perturber: Backend | None = None) -> None:
    """Every control comes out as labelled, and there are at least two of each label."""
    labels: Counter[bool | None] = Counter()
    for case in probe.control_cases():
        verdict = drive(case, "a control never asks the model", perturber=perturber)
        said = f"{probe.name}: {case.id} is labelled {case.expected} and came out as {verdict}"
        assert verdict.passed is case.expected, said
        labels[case.expected] += 1
    few = f"{probe.name} has {labels[True]} controls that pass and {labels[False]} that fail: at least two of each"
    assert min(labels[True], labels[False]) >= 2, few


def failure_rate(probe: Probe, model: Callable[[Request[Any]], Any], items: int = 60) -> float:
    """Share of source items with a case that did not pass (unscored counts as failed)."""
    failed: dict[str, bool] = {}
    for case in probe.cases(CI, items):
        failed[case.source] = failed.get(case.source, False) or drive(case, model).passed is not True
    return sum(failed.values()) / len(failed)


def floor_rate(probe: Probe, model: Callable[[Request[Any]], Any]) -> float:
    """Share of floor rows that the model manages."""
    cases = probe.floor_cases()
    return sum(drive(case, model).passed is True for case in cases) / len(cases)
