"""The two verbs with which a probe asks, and the check that it used one of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from .kinds import R, Request

T = TypeVar("T")

Steps: TypeAlias = Generator[Sequence[Request[Any]], list[Any], T]


def ask(request: Request[R]) -> Steps[R]:
    """Ask one request from a probe: ``reply = yield from ask(Generate(...))``."""
    answers = yield [request]
    return cast(R, answers[0])


def ask_all(requests: Sequence[Request[R]]) -> Steps[list[R]]:
    """Ask several at once; they travel in one wave."""
    return cast("list[R]", (yield list(requests))) if requests else []


def check_asked(asked: Any) -> Sequence[Request[Any]]:
    """Return what a probe yielded, if it is a list of requests.

    Raises:
        TypeError: it is something else, such as the generator of a plain ``yield ask(...)``.
    """
    if not isinstance(asked, (list, tuple)) or not all(isinstance(one, Request) for one in asked):
        raise TypeError("a probe asks with `yield from ask(request)` or `yield from ask_all(requests)`")
    return asked
