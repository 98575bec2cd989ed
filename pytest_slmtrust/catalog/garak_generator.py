"""The model under audit as garak's generator: each question of a probe becomes a request of ours.

A probe that only has prompts is asked case by case. One that talks with the model runs in a thread that works only while the
case's generator function waits for it, so that its questions travel with those of all other cases.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from ..requests import Completion, Generate, Message, Steps
from .garak_host import hosted, part

#: Tokens of a reply, as garak's generators have them where nothing else is set.
NEW_TOKENS = 150


class _Closed(BaseException):
    """Ends a thread whose case is over; no probe catches it."""


@cache
def _kind() -> type:
    """Return the class of our generators: a subclass of garak's own, made once garak is imported."""
    base = part("generators.base").Generator

    class Target(base):  # type: ignore[misc,valid-type]
        """The model under audit, asked by pytest-slmtrust."""

        generator_family_name = "slmtrust"
        parallel_capable = False
        supports_multiple_generations = True
        ask: Callable[[Sequence[Generate]], Sequence[Completion]]

        def __init__(self, name: str = "target", config_root: Any = None) -> None:
            self.name = name
            super().__init__(name, config_root)
            self.drawn = Counter[Any]()

        def requests(self, prompt: Any, count: int) -> list[Generate]:
            """Return the requests for so many replies; the same prompt again asks for other draws."""
            text = prompt_of(prompt)
            first = self.drawn[text]
            self.drawn[text] += count
            return [made_request(self, text, first + number) for number in range(count)]

        def _call_model(self, prompt: Any, generations_this_call: int = 1) -> list[Any]:
            return [said_message(one) for one in self.ask(self.requests(prompt, generations_this_call))]

    # garak finds the settings of a generator by the place of its class
    Target.__module__ = "garak.generators.slmtrust"
    Target.__qualname__ = "Target"
    return Target


def generator() -> Any:
    """Return a new generator with the settings of ``plugins.generators.slmtrust``; inside ``hosted`` only."""
    return _kind()(config_root=part("_config"))


def prompt_of(conversation: Any) -> tuple[Message, ...]:
    """Return a conversation of garak as a chat.

    Raises:
        ValueError: a turn that holds something else than text.
    """
    turns = []
    for turn in conversation.turns:
        if turn.content.data_path is not None or getattr(turn.content, "_data", None) is not None:
            raise ValueError("a turn of this prompt is no text")
        turns.append(Message(turn.role, turn.content.text or ""))
    return tuple(turns)


def made_request(target: Any, prompt: tuple[Message, ...], sample: int) -> Generate:
    """Return one draw with the settings that the generator has now: probes change them before they ask."""
    tokens = int(target.max_tokens or NEW_TOKENS)
    heat = 1.0 if target.temperature is None else float(target.temperature)
    top_p = float(getattr(target, "top_p", None) or 1.0)
    return Generate(prompt, tokens, temperature=heat, top_p=top_p, sample=sample if heat else 0)


def said_message(answer: Completion) -> Any:
    return part("attempt").Message(text=answer.text)


@dataclass(slots=True)
class Talk:
    """A probe's own loop in a thread, and its questions as steps of a case.

    ``work`` gets a generator of ours, and returns the result. It runs only while the steps wait, with its own random numbers.
    """

    work: Callable[[Any], Any]
    config: str
    seed: str
    _out: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    _in: queue.SimpleQueue[Sequence[Completion] | None] = field(default_factory=queue.SimpleQueue)
    _state: Any = None
    errors: list[str] = field(default_factory=list)

    def steps(self) -> Steps[Any]:
        """Ask what the loop asks, wave by wave, and return what it returned.

        Raises:
            BaseException: what the loop raised.
        """
        thread = threading.Thread(target=self._run, daemon=True)
        kind, value = self._resume(thread.start)
        try:
            while kind == "ask":
                answers = yield value
                kind, value = self._resume(partial(self._in.put, answers))
        finally:
            if thread.is_alive():
                with contextlib.suppress(BaseException):
                    self._resume(lambda: self._in.put(None))
                thread.join(timeout=10)
        if kind == "raised":
            raise value
        return value

    def _resume(self, go: Callable[[], None]) -> tuple[str, Any]:
        """Let the thread run until it asks or ends. The state of random numbers goes with it."""
        with hosted(self.config, self.seed) as heard:
            if self._state is not None:
                random.setstate(self._state)
            go()
            said = self._out.get()
            self._state = random.getstate()
        self.errors += heard.errors
        return said

    def _run(self) -> None:
        try:
            target = generator()
            target.ask = self._ask
            self._out.put(("done", self.work(target)))
        except _Closed:
            self._out.put(("closed", None))
        except BaseException as error:
            self._out.put(("raised", error))

    def _ask(self, requests: Sequence[Generate]) -> Sequence[Completion]:
        self._out.put(("ask", list(requests)))
        answers = self._in.get()
        if answers is None:
            raise _Closed
        return answers
