"""The load: prompts of about so many tokens that no reply was ever given to, and one reply with its times."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..audit.envelope import PROMPT_TOKENS, REPLY_TOKENS
from ..escaping import said
from ..requests import Backend, BackendError, Completion, Failure, Generate, Prompt, chat
from .meters import Meters, spent

#: Words that most vocabularies hold as one token each.
_TEXT = """
time people way day man thing woman life child world school state family student group country problem hand part place case
week company system program question work night point home water room mother area money story fact month lot right study
book eye job word business issue side kind head house service friend father power hour game line end member law car city
community name team minute idea kid body information back parent face others level office door health person art war history
"""
_WORDS = _TEXT.split()
#: Fewer tokens than these give no rate.
_LEAST = 16


@dataclass(frozen=True, slots=True)
class Draw:
    """One reply: seconds to its first token and to its end, its tokens, joules; None where that is not known or not usable."""

    first: float | None = None
    whole: float | None = None
    rate: float | None = None
    energy: float | None = None
    said: str = ""


@dataclass(slots=True)
class Asker:
    """Asks a backend one text at a time. ``words``: of a prompt; ``counts``: tokens of each prompt that the backend counted."""

    backend: Backend
    meters: Meters
    first: bool
    whole: bool
    energy: bool
    words: int = PROMPT_TOKENS - 2
    counts: list[int] = field(default_factory=list)
    _raw: bool = True

    def __post_init__(self) -> None:
        refusal = getattr(self.backend, "refusal", None)
        self._raw = not (callable(refusal) and refusal(Generate("words")))

    def draw(self, number: int) -> Draw:
        """Ask for the reply to the prompt of a number: the same number gives the same prompt."""
        prompt = self._prompt(number)
        timed = getattr(self.backend, "timed", None)
        before = self.meters.energy() if self.energy else {}
        if callable(timed):
            answer, whole, first = _asked(lambda: timed(Generate(prompt, REPLY_TOKENS)), lambda failure: (failure, 0.0, None))
            return _made(answer, whole, first, spent(before, self.meters.energy()) if self.energy else None)
        first, said = None, ""
        if self.first:
            answer, seconds = self._once(Generate(prompt, 1))
            said = unusable(answer)
            first = None if said else seconds
        if said or not self.whole:
            return Draw(first, said=said)
        before = self.meters.energy() if self.energy else {}
        answer, whole = self._once(Generate(prompt, REPLY_TOKENS))
        return _made(answer, whole, first, spent(before, self.meters.energy()) if self.energy else None)

    def fit(self) -> None:
        """Take as many words as make a prompt of the load's tokens, where the backend counts them."""
        for number in range(3):
            self._once(Generate(self._prompt(-1 - number), 1))
            if not self.counts or self.counts[-1] == PROMPT_TOKENS:
                break
            self.words = max(8, min(4 * PROMPT_TOKENS, self.words + PROMPT_TOKENS - self.counts[-1]))
        self.counts.clear()

    def _once(self, request: Generate) -> tuple[Any, float]:
        read = _read(self.backend)
        started = self.meters.clock()
        answers = _asked(lambda: dict(self.backend.run([request])), lambda failure: {0: failure})
        seconds = self.meters.clock() - started
        if _read(self.backend) > read:
            self.counts.append(_read(self.backend) - read)
        return answers.get(0, Failure("no answer")), seconds

    def _prompt(self, number: int) -> Prompt:
        drawn = random.Random(f"envelope {number}").choices(_WORDS, k=self.words)
        text = " ".join(drawn)
        return text if self._raw else chat(f"Write a very long story with all of these words: {text}")


def _asked(ask: Callable[[], Any], failed: Callable[[Failure], Any]) -> Any:
    """Return what a backend answers; whatever it raises is the failure of that request, as in a wave.

    Raises:
        BackendError: it can answer nothing.
    """
    try:
        return ask()
    except (BackendError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too
        return failed(Failure(said(error)))


def _made(answer: Any, whole: float, first: float | None, joules: float | None) -> Draw:
    """Return what a reply of the load says; a shorter one says nothing of the time to its end."""
    tokens = answer.n_tokens + answer.thought_tokens if isinstance(answer, Completion) else 0
    if unusable(answer):
        return Draw(said=unusable(answer))
    said = "" if tokens >= REPLY_TOKENS else f"the reply had {tokens} token{'' if tokens == 1 else 's'}, not {REPLY_TOKENS}"
    if tokens < _LEAST:
        return Draw(first, said=said)
    rate = (tokens - 1) / (whole - first) if first is not None and whole > first else None
    return Draw(first, None if said else whole, rate, joules / tokens if joules else None, said)


def unusable(answer: Any) -> str:
    """Say why an answer is no reply whose time counts; empty if it is one."""
    if isinstance(answer, Failure):
        return answer.message or "it failed"
    begun = isinstance(answer, Completion) and (answer.text or answer.n_tokens or answer.thought)
    return "" if begun else "the reply was empty"


def _read(backend: Backend) -> int:
    counters = getattr(backend, "counters", None)
    return int(getattr(counters, "prefilled", 0) + getattr(counters, "shared", 0))
