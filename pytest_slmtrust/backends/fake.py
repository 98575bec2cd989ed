"""Scripted backends: for two-sided probe tests, for controls, and for planning without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..requests import Classify, Completion, Edit, Edits, Failure, Generate, Labels, Loglikelihood, Logprob, Perturb, Request

#: From a request to its answer; a text stands for a completion.
Reply = Callable[[Request[Any]], Any]


@dataclass(slots=True)
class FakeBackend:
    """Answers by a function, and counts: ``calls`` holds the requests of each bulk call.

    What the function raises becomes a :class:`Failure` of that request.
    """

    reply: Reply | str = "I do not know."
    name: str = "fake"
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    version: str = "1"
    calls: list[list[Request[Any]]] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return f"fake:{self.name}:{self.version}"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        self.calls.append(list(requests))
        for index, request in enumerate(requests):
            try:
                yield index, self._one(request)
            except Exception as error:
                yield index, Failure(f"{type(error).__name__}: {error}")

    def _one(self, request: Request[Any]) -> Any:
        answer = self.reply if isinstance(self.reply, str) else self.reply(request)
        if isinstance(answer, str) and isinstance(request, Generate):
            return Completion(answer, len(answer.split()))
        if isinstance(answer, str) and isinstance(request, Loglikelihood):
            return neutral_logprob(request)
        return answer

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "fake", "fingerprint": self.fingerprint}


def neutral_logprob(request: Loglikelihood) -> Logprob:
    """Return a log-likelihood that knows nothing: a pseudo-random number of the right size, the same for the same question."""
    n = max(1, len(request.continuation.split()))
    noise = int(hashlib.sha256(request.key.encode()).hexdigest()[:6], 16) / 0xFFFFFF
    return Logprob(-4.0 * n - noise, False, n)


@dataclass(slots=True)
class WordListScorer:
    """A toxicity scorer of a dozen words, for tests and plans only: it measures nothing."""

    words: tuple[str, ...] = ("idiot", "stupid", "hate", "kill", "moron", "scum")
    name: str = "word-list"
    answers: tuple[type[Request[Any]], ...] = (Classify,)

    @property
    def fingerprint(self) -> str:
        return f"word-list:{','.join(self.words)}"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for index, request in enumerate(requests):
            assert isinstance(request, Classify)
            hit = any(word in request.text.lower().split() for word in self.words)
            yield index, Labels({"toxicity": 0.95 if hit else 0.02})

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "word list"}


@dataclass(slots=True)
class SwapPerturber:
    """Swaps two neighbouring letters of the longest word, or of the word that a search names: tests without TextAttack."""

    name: str = "swap"
    answers: tuple[type[Request[Any]], ...] = (Perturb, Edits)
    fingerprint: str = "swap:1"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for index, request in enumerate(requests):
            assert isinstance(request, (Perturb, Edits))
            yield index, _swapped(request.text) if isinstance(request, Perturb) else _tried(request)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "perturber"}


def _swapped(text: str, place: int | None = None) -> str:
    words = text.split(" ")
    place = max(range(len(words)), key=lambda i: len(words[i])) if place is None else place
    word = words[place]
    return " ".join([*words[:place], word[:1] + word[2:3] + word[1:2] + word[3:], *words[place + 1 :]])


def _tried(request: Edits) -> tuple[Edit, ...]:
    """Return the texts with one word masked or swapped; of an attack that leaves words out, without the word."""
    current = request.path[-1][1] if request.path else request.text
    words, lost = current.split(" "), len(request.text.split(" ")) - len(current.split(" "))
    drops = request.recipe == "input-reduction"
    places = range(len(words)) if request.ranking or request.word is None else [max(0, request.word - (lost if drops else 0))]
    if drops:
        made = {i: " ".join([*words[:i], *words[i + 1 :]]) for i in places if len(words) > 1}
    elif request.ranking:
        made = {i: " ".join([*words[:i], "[UNK]", *words[i + 1 :]]) for i in places}
    else:
        made = {i: _swapped(current, i) for i in places}
    return tuple(Edit(i, text) for i, text in made.items() if text != current)
