"""The two verbs with which a probe asks, and the check that it used one of them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar, cast

from .kinds import R, Request

T = TypeVar("T")
#: Requests of one wave for one row.
MOST_AT_ONCE = 100_000

Steps: TypeAlias = Generator[Sequence[Request[Any]], list[Any], T]


def ask(request: Request[R]) -> Steps[R]:
    """Ask one request from a probe: ``reply = yield from ask(Generate(...))``."""
    answers = yield [request]
    return cast(R, answers[0])


def ask_all(requests: Iterable[Request[R]]) -> Steps[list[R]]:
    """Ask several at once; they travel in one wave.

    Raises:
        ValueError: more than anybody asks for one row.
    """
    asked = list(islice(requests, MOST_AT_ONCE + 1))
    if len(asked) > MOST_AT_ONCE:
        raise ValueError(f"ask_all got more than {MOST_AT_ONCE:,} requests: is there an end?")
    return cast("list[R]", (yield asked)) if asked else []


def check_asked(asked: Any) -> Sequence[Request[Any]]:
    """Return what a probe yielded, if it is a list of requests.

    Raises:
        TypeError: it is something else, such as the generator of a plain ``yield ask(...)``.
    """
    if not isinstance(asked, (list, tuple)) or not all(isinstance(one, Request) for one in asked):
        raise TypeError("a probe asks with `yield from ask(request)` or `yield from ask_all(requests)`")
    return asked
