"""Ways to break the adversarial search and the properties: names, and what stands in place of what (see ``mutants.py``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from pytest_slmtrust import Steps
from pytest_slmtrust.authoring import properties as engine
from pytest_slmtrust.authoring import strategies

search, tasks = (import_module(f"pytest_slmtrust.probes.robustness_{name}") for name in ("search", "tasks"))

#: A name, and the patches: module, name in it, value.
Broken = tuple[str, tuple[tuple[Any, str, Any], ...]]


def searches() -> Iterator[Broken]:
    """Adversarial search: its classifier, and what is made of its end."""
    real, shares = search.attack, tasks.shares

    def ended(change: Callable[[Any], Any]) -> tuple[tuple[Any, str, Any], ...]:
        def attack(*args: Any, **options: Any) -> Steps[Any]:
            return change((yield from real(*args, **options)))

        return ((search, "attack", attack),)

    for outcome in ("held", "broken", "skipped", "unclear"):
        yield f"always {outcome}", ended(partial(_with, outcome))
    turned = {"held": "broken", "broken": "held", "skipped": "broken", "unclear": "held"}
    yield "ends turned round", ended(lambda end: replace(end, outcome=turned[end.outcome]))
    wrong = ended(lambda end: replace(end, outcome="broken") if end.outcome == "skipped" else end)
    yield "wrong to begin with counts as broken", wrong
    yield "one query only", ((search, "attack", lambda *args, **_: real(*args, budget=1)),)
    yield "no budget", ((search, "attack", lambda *args, **_: real(*args, budget=1000)),)
    swaps: Mapping[str, Callable[[Sequence[float]], list[float]]] = {
        "the least likely option": lambda scores: shares([-score for score in scores]),
        "the first option always": lambda scores: [1.0, *[0.0] * (len(scores) - 1)],
        "the last option always": lambda scores: [*[0.0] * (len(scores) - 1), 1.0],
        "all options alike": lambda scores: [1 / len(scores)] * len(scores),
        "no numbers": lambda scores: [math.nan] * len(scores),
        "options moved by one": lambda scores: shares([*scores[1:], scores[0]]),
    }
    yield from ((name, ((tasks, "shares", swap),)) for name, swap in swaps.items())


def _with(outcome: str, end: Any) -> Any:
    return replace(end, outcome=outcome)


def properties() -> Iterator[Broken]:
    """Properties: the answers, the edits, and what confirms a counterexample."""
    check = engine._Check

    def silent(value: Callable[..., Any]) -> Callable[..., Steps[Any]]:
        def steps(*args: Any, **_: Any) -> Steps[Any]:
            yield from ()
            return value(*args)

        return steps

    real = check.asked
    yield "nothing is confirmed", ((check, "_confirmed", silent(lambda *_: None)),)
    yield "no edit is drawn", ((strategies, "draw", lambda *_: []),)
    yield "every text has the same answer", ((engine, "_answer", silent(lambda *_: "same")),)
    yield "every text has an answer of its own", ((engine, "_answer", silent(lambda *args: args[3])),)
    yield "the original is asked for its edits", ((check, "asked", lambda own, texts: real(own, [own.text] * len(texts))),)
