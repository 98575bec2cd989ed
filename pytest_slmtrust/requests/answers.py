"""Answers of backends: plain data that survive a round trip through JSON, and what takes the place of one that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


class Completion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a model wrote: the answer without the prompt, its length, and whether the model ended it.

    ``thought``: what a reasoning model wrote before its answer; it is evidence and never judged. ``thought_finished`` False: it
    never came to an answer, and ``text`` is empty. ``n_tokens`` counts the answer, ``thought_tokens`` the thought where the
    backend knows it. A backend may leave a thought in ``text``: the engine parts the two. ``route``: the model of a composed
    system that answered.

    A struct of msgspec: ``msgspec.structs.replace`` changes fields. A store gives a million of them, each read in one step.
    """

    text: str
    n_tokens: int = 0
    finished: bool = True
    thought: str = ""
    thought_finished: bool = True
    thought_tokens: int = 0
    route: str = ""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One scored token: its log-probability (nats), and mean and variance of the log-probabilities of the
    whole vocabulary at its place under the model's own distribution (Min-K%++, Zhang et al. 2024)."""

    logp: float
    mean: float
    var: float


@dataclass(frozen=True, slots=True)
class Logprob:
    """Log-likelihood of a continuation in nats, whether it is the greedy one, and its length in tokens."""

    sum: float
    greedy: bool
    n_tokens: int
    tokens: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """Scores in [0, 1] by label, from one classifier."""

    scores: Mapping[str, float]

    def __getitem__(self, label: str) -> float:
        try:
            return self.scores[label]
        except KeyError:
            raise KeyError(f"no label {label!r}; this classifier gives: {', '.join(sorted(self.scores))}") from None


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that a search may try next, and the place of the word that it changes (counted as TextAttack counts; -1: no one)."""

    word: int
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that could not be answered. It is not stored, and the next run asks again, unless it is ``lasting``.

    ``lasting``: the request is at fault, and the backend's fingerprint holds all that decides so. A text that is longer than the
    model takes is such a case; memory that ran out is none.
    """

    message: str
    lasting: bool = field(default=False, compare=False, repr=False)


class RequestFailed(Exception):
    """Raised in a probe whose request could not be answered; its case becomes an error."""


class ThoughtUnfinished(RequestFailed):
    """Raised in a probe whose model thought until its tokens ended and gave no answer; its case becomes unscored.

    ``thoughts``: all that the model thought for this case.
    """

    def __init__(self, thought: str) -> None:
        super().__init__("the model's thought was not finished: there is no answer to judge")
        self.thoughts: list[str] = [thought] if thought else []


class BackendError(Exception):
    """A backend that can answer nothing at all: the session ends with this one message."""
