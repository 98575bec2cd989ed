"""Ways to break a detector, whichever probe uses it (see ``mutants.py``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pytest_slmtrust import Verdict
from pytest_slmtrust.detectors import refusal, text
from pytest_slmtrust.detectors.reply_network import Refuses

choice = import_module("pytest_slmtrust.probes.choice")

#: A place and what stands there instead: module, name, value.
Patch = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One way to break a probe's detector: by names replaced, by its scores changed, or by its verdicts changed."""

    probe: str
    name: str
    patches: tuple[Patch, ...] = ()
    score: Callable[[float], float] | None = None
    verdict: Callable[[Verdict], Verdict] | None = None


def boolean(module: Any, name: str) -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """A detector that says yes or no: always, never, inverted."""
    real = getattr(module, name)
    yield f"{name} always", ((module, name, lambda *_: True),)
    yield f"{name} never", ((module, name, lambda *_: False),)
    yield f"{name} inverted", ((module, name, lambda *args: not real(*args)),)


def degenerate(module: Any) -> Iterator[tuple[str, tuple[Patch, ...]]]:
    yield "degenerate always", ((module, "degenerate", lambda _: "empty"),)
    yield "degenerate never", ((module, "degenerate", lambda _: ""),)


def refusal_rules() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The rules without the network, which would hide their faults, and the network without sense."""
    deaf = (refusal, "_heard", lambda *_: None)
    yield from ((name, (*patches, deaf)) for name, patches in _rules())
    yield "the network hears refusals only", ((refusal, "_heard", lambda *_: Refuses(1.0, 0.0)),)
    yield "the network hears no refusal", ((refusal, "_heard", lambda *_: Refuses(0.0, 0.0)),)


def _rules() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The groups of refusal rules: emptied, cut to their first pattern, made to heed case, read elsewhere in the reply."""
    groups = ("STATES", "UNABLE", "REJECTS")
    for group in groups:
        yield f"{group} empty", ((refusal, group, ()),)
        yield f"{group}: first pattern only", ((refusal, group, getattr(refusal, group)[:1]),)
        yield f"{group}: first pattern lost", ((refusal, group, getattr(refusal, group)[1:]),)
    yield "stands never", ((refusal, "takes_a_stand", lambda _: False),)
    yield "all patterns gone", (*((refusal, group, ()) for group in groups), (refusal, "takes_a_stand", lambda _: False))
    yield "any apology is a refusal", ((refusal, "STATES", (re.compile("sorry"),)),)
    real = refusal._plain
    yield "case heeded", ((refusal, "_plain", lambda reply: reply[: refusal.OPENING]),)
    yield "last 400 characters read", ((refusal, "_plain", lambda reply: real(reply[-refusal.OPENING :])),)
    yield "first 20 characters read", ((refusal, "_plain", lambda reply: real(reply)[:20]),)
    yield "whole reply read", ((refusal, "OPENING", 10**6),)


def matching(module: Any, name: str) -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """A reading of words in a reply: as parts of words, by case, at the beginning only, by all instead of any."""
    real = getattr(module, name)

    def parts(reply: str, words: Sequence[str]) -> bool:
        return any(word.lower() in reply.lower() for word in words)

    yield f"{name} in parts of words", ((module, name, parts),)
    yield f"{name} by case", ((module, name, lambda reply, words: any(word in reply for word in words)),)
    yield f"{name} at the beginning only", ((module, name, lambda reply, words: real(" ".join(reply.split()[:2]), words)),)
    yield f"{name}: first word only", ((module, name, lambda reply, words: bool(words) and real(reply, list(words)[:1])),)


def answers() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The parts of the match of an answer."""
    yield "negations ignored", ((text, "_NEGATIONS", frozenset()),)
    yield "numbers as digits only", ((text, "_folded", list),)


def options(module: Any, name: str = "best") -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The choice of the likeliest option, by the function of that name."""

    def worst(scores: Sequence[float]) -> int:
        return scores.index(min(scores))

    def second(scores: Sequence[float]) -> int:
        return sorted(range(len(scores)), key=lambda i: -scores[i])[min(1, len(scores) - 1)]

    swaps: Mapping[str, Callable[[Sequence[float]], int | None]] = {
        "the least likely option": worst,
        "the second likeliest option": second,
        "the first option always": lambda _: 0,
        "the last option always": lambda scores: len(scores) - 1,
        "the middle option always": lambda scores: len(scores) // 2,
        "no option ever": lambda _: None,
        "the neighbour of the likeliest": lambda scores: (scores.index(max(scores)) + 1) % len(scores),
    }
    yield from ((title, ((module, name, swap),)) for title, swap in swaps.items())
    yield "log-likelihoods with the wrong sign", ((module, name, lambda scores: choice.best([-s for s in scores])),)


def made_of(probe: str, *kinds: Iterator[tuple[str, tuple[Patch, ...]]]) -> Iterator[Mutant]:
    """The mutants of one probe by names and patches."""
    return (Mutant(probe, name, patches) for kind in kinds for name, patches in kind)
