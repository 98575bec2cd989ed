"""What a request asks about: texts and chats, and the check that its fields hold values of their types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, TypeAlias, cast

#: Characters of English text a token, for vocabularies of 32k to 150k tokens: an estimate where nothing is tokenised yet.
CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


#: Text that is continued unchanged, or a chat that the model's own template renders.
Prompt: TypeAlias = str | tuple[Message, ...]


def text_of(prompt: Prompt) -> str:
    """Return all that a prompt says, as one text."""
    return prompt if isinstance(prompt, str) else "\n".join(message.content for message in prompt)


def chat(user: str, *, system: str | None = None) -> tuple[Message, ...]:
    """Return one user turn, with an optional system prompt before it."""
    head = (Message("system", system),) if system is not None else ()
    return (*head, Message("user", user))


def check_types(request: Any) -> None:
    """Check the types of a request's fields.

    Raises:
        TypeError: one of them has another type; the message says which, and what was expected.
    """
    for name, fits, expected in _fields_of(cast(Any, type(request))):
        value = getattr(request, name)
        if not fits(value):
            hint = " (reply.text is the text of a reply)" if fits is _is_text and hasattr(value, "text") else ""
            raise TypeError(f"{name} of {type(request).__name__} is {_said(value)}; expected {expected}{hint}")


@cache
def _fields_of(kind: Any) -> tuple[tuple[str, Callable[[Any], bool], str], ...]:
    """Return the fields of a kind of request that are checked: a run may make a million requests."""
    own = {one.name for one in fields(kind)}
    return tuple((name, fits, expected) for names, fits, expected in _FIELDS for name in names if name in own)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_prompt(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(isinstance(m, Message) and isinstance(m.content, str) and isinstance(m.role, str) for m in value)
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value)


#: Names of fields, what they may hold, and that in words.
_FIELDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("prompt", "context"), _is_prompt, 'a text, or a chat: chat("...") or a tuple of Message(role, content)'),
    (("text", "recipe", "continuation", "labels"), _is_text, "a text"),
    (("max_new_tokens", "sample", "variant", "draw"), _is_whole, "a whole number"),
    (("temperature", "top_p"), _is_number, "a number"),
    (("stop",), _are_texts, "a tuple of texts"),
)


def _said(value: Any) -> str:
    """Name the type of a value, and that of its first entry."""
    name = type(value).__name__
    return f"{name} of {type(value[0]).__name__}" if isinstance(value, (tuple, list)) and value else name
