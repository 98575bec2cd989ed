"""What a request of a probe may hold: a value of another type fails its own case, not the batch that it would travel in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..requests import Message, Request

#: Fields that hold a text, a prompt, a whole number.
_TEXTS, _PROMPTS, _WHOLE = ("text", "recipe", "continuation", "labels"), ("prompt", "context"), ("max_new_tokens", "sample")


def check_asked(asked: Any) -> Sequence[Request[Any]]:
    """Return what a probe yielded, if it is a list of requests whose fields have the right types.

    Raises:
        TypeError: it is something else, such as the generator of a plain ``yield ask(...)``.
    """
    if not isinstance(asked, (list, tuple)) or not all(isinstance(one, Request) for one in asked):
        raise TypeError("a probe asks with `yield from ask(request)` or `yield from ask_all(requests)`")
    for request in asked:
        check_request(request)
    return asked


def check_request(request: Request[Any]) -> None:
    """Check the types of a request's fields.

    Raises:
        TypeError: one of them has another type; the message says which, and what was expected.
    """
    kind = type(request).__name__
    for name in _PROMPTS:
        if not _is_prompt(getattr(request, name, "")):
            chats = 'chat("...") or a tuple of Message(role, content)'
            raise TypeError(f"{name} of {kind} is {_said(getattr(request, name))}; expected a text, or a chat: {chats}")
    for name in _TEXTS:
        if not isinstance(getattr(request, name, ""), str):
            hint = " (reply.text is the text of a reply)" if hasattr(getattr(request, name), "text") else ""
            raise TypeError(f"{name} of {kind} is {_said(getattr(request, name))}; expected a text{hint}")
    for name in _WHOLE:
        if type(getattr(request, name, 0)) is not int:
            raise TypeError(f"{name} of {kind} is {_said(getattr(request, name))}; expected a whole number")
    stop = getattr(request, "stop", ())
    if not isinstance(stop, (tuple, list)) or not all(isinstance(one, str) for one in stop):
        raise TypeError(f"stop of {kind} is {_said(stop)}; expected a tuple of texts")


def _is_prompt(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(isinstance(m, Message) and isinstance(m.content, str) and isinstance(m.role, str) for m in value)
    return isinstance(value, str)


def _said(value: Any) -> str:
    """Name the type of a value, and that of its first entry."""
    name = type(value).__name__
    return f"{name} of {type(value[0]).__name__}" if isinstance(value, (tuple, list)) and value else name
