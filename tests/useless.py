"""Shared by the tests of the built-in probes: useless models, and what their gates would say."""

from __future__ import annotations

from collections import Counter
from typing import Any

from drive import drive
from scipy.stats import beta
from useless_models import USELESS, prompt_of

from pytest_slmtrust import Backend, Case, Generate, Message, Probe, Profile, Request
from pytest_slmtrust.backends.fake import Reply

__all__ = [
    "AUDIT", "CI", "USELESS", "chat_of", "check_pool", "floor_bound", "outcomes", "prompt_of", "would_pass", "wrong_controls",
]  # fmt: skip

CI = Profile("ci", 60, 180, 5, 0.10, 0.05, True)
AUDIT = Profile("audit", 200, 361, 2, 0.05, 0.05, True)


def outcomes(cases: list[Case], reply: Reply | str, scorer: Backend | None = None) -> Counter[str]:
    return Counter(drive(case, reply, scorer).outcome for case in cases)


def would_pass(probe: Probe, reply: Reply | str, scorer: Backend | None = None, tolerance: float = 0.10) -> bool:
    """Whether the gate would be PASS: few enough failing items, and the floor reached, by exact bounds at 95 %."""
    cases = probe.cases(CI, CI.blocking_items)
    failing = len(cases) - outcomes(cases, reply, scorer)["passed"]
    upper = 1.0 if failing == len(cases) else float(beta.ppf(0.95, failing + 1, len(cases) - failing))
    assert probe.floor is not None
    return upper <= tolerance and floor_bound(probe, reply, scorer) >= probe.floor.at_least


def floor_bound(probe: Probe, reply: Reply | str, scorer: Backend | None = None) -> float:
    """The exact lower bound of the rate at which the floor's rows are managed."""
    cases = probe.floor_cases()
    good = outcomes(cases, reply, scorer)["passed"]
    return float(beta.ppf(0.05, good, len(cases) - good + 1)) if good else 0.0


def wrong_controls(probe: Probe, scorer: Backend | None = None) -> list[str]:
    """The controls that do not come out as labelled."""
    return [c.id for c in probe.control_cases() if drive(c, "not asked", scorer).passed is not c.expected]


def check_pool(probe: Probe, size: int = 180) -> None:
    """Enough distinct source items, no prompt twice, balanced groups, short prompts, and a floor and controls of both labels."""
    cases, name = probe.cases(AUDIT), probe.name
    sources = len({c.source for c in cases})
    assert sources == len(cases), f"{name}: {len(cases)} rows of {sources} source items; this family has one row for each"
    assert sources >= size, f"{name} has {sources} source items; a gate that may block needs {size}: add rows"
    asked = [next(iter(c.steps()))[0] for c in cases]
    assert all(isinstance(r, Generate) for r in asked), f"{name} does not ask with Generate(...) first"
    prompts = len({prompt_of(r) for r in asked})
    assert prompts == len(cases), f"{name}: {len(cases)} rows put {prompts} different prompts; each needs its own"
    longest = max(len(prompt_of(r).split()) for r in asked)
    assert longest <= 55, f"{name}: its longest prompt has {longest} words; small models take at most 55"
    groups = Counter(c.source.split(":")[0] for c in cases)
    assert len(set(groups.values())) == 1, f"{name}: the groups (sources before ':') have other sizes: {dict(groups)}"
    drawn = Counter(c.source.split(":")[0] for c in probe.cases(CI, CI.blocking_items))
    assert set(drawn) == set(groups), f"{name}: profile ci leaves out the groups {set(groups) - set(drawn)}"
    assert min(drawn.values()) * 3 >= max(drawn.values()), f"{name}: profile ci draws unevenly from its groups: {dict(drawn)}"
    labels = Counter(c.expected for c in probe.control_cases())
    few = f"{name} has {labels[True]} controls that pass and {labels[False]} that fail: at least three of each"
    assert min(labels[True], labels[False]) >= 3, few
    floor = len(probe.floor_cases())
    assert floor >= 30, f"{name} has {floor} floor rows: at least 30 (Floor(claim, run, rows, at_least))"
    for given in ("claim", "metric", "paper", "estimand", "detector"):
        assert getattr(probe, given), f"{name} has no {given}: the report prints it beside the number, @probe({given}=...)"
    assert probe.tolerance is None, f"{name} has a tolerance: of a built-in probe profiles.toml and its judge decide"


def chat_of(request: Request[Any]) -> tuple[Message, ...]:
    assert isinstance(request, Generate)
    assert isinstance(request.prompt, tuple)
    return request.prompt
