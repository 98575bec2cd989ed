"""The fixture ``slm``: the model under audit, for ordinary tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from ..engine.engine import Engine
from ..requests import Request
from ..thinking import refused

R = TypeVar("R")


class Slm:
    """What the fixture ``slm`` gives to ordinary tests."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, request: Request[R]) -> R:
        """Return the answer to one request, from the store or the model.

        Raises:
            RequestFailed: it could not be answered, or its thought was not finished.
        """
        __tracebackhide__ = True  # what failed is a test's question, not our code
        return self.ask_all([request])[0]

    def ask_all(self, requests: Sequence[Request[R]]) -> list[R]:
        """Return the answers to several, in one batch."""
        __tracebackhide__ = True
        answers = self._engine.answer(requests)
        error = refused(answers)
        if error is not None:
            raise error
        return cast("list[R]", answers)
