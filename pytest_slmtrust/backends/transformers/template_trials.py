"""Whether a chat template says what it is given: trial chats, and the check that every rendered chat passes."""

from __future__ import annotations

from collections.abc import Sequence

from ...requests import Message
from ...thinking import part

#: Texts of several shapes; ``{}`` is a mark that occurs nowhere else.
SHAPES: dict[str, str] = {
    "plain": "Say {} to me.",
    "several lines": "First {}\n\n  second line\n\tthird line\n- a point",
    "letters beyond ASCII": "{} Äß 你好 مرحبا \N{GRINNING FACE} e\N{COMBINING ACUTE ACCENT}",
    "signs": "{} <b>&amp;</b> \"quoted\" 'so' {{x}} {{% y %}} {{# z #}} \\n $1 [INST] #",
    "many words": "{} " + "word and " * 1200 + "{} END",
}
#: Who speaks in a trial, and the shapes that are tried.
TALKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("user", tuple(SHAPES)),
    ("system user", tuple(SHAPES)),
    ("user assistant user", ("plain", "several lines", "many words")),
    ("system user assistant user", ("plain", "several lines")),
    ("user assistant user assistant user", ("plain",)),
)


def trials() -> list[tuple[str, str, tuple[Message, ...]]]:
    """``(who speaks, shape, chat)`` of every trial; the first is one plain turn of the user."""
    return [
        (talk, shape, tuple(Message(role, _text(shape, i)) for i, role in enumerate(talk.split())))  # type: ignore[arg-type]
        for talk, shapes in TALKS
        for shape in shapes
    ]


def _text(shape: str, number: int) -> str:
    return SHAPES[shape].format(*[f"Zq{number}Xw-{place}k" for place in range(2)])


def lost(chat: Sequence[Message], text: str) -> str:
    """Which message of a chat is not in the text that a template made of it, or not in its place; empty if all are.

    Blanks around a text may go, and thoughts in a turn of the assistant: templates in use take them away. A system text
    may come anywhere before the last turn, the turns in their order.
    """
    place, system, last = 0, 0, len(text)
    for number, message in enumerate(chat, start=1):
        content = (part(message.content).answer if message.role == "assistant" else message.content).strip()
        if message.role == "system":
            found = system = text.find(content)
        else:
            found = text.find(content, place)
            place, last = found + len(content), found
        if found < 0:
            where = "after the turns before it" if content in text else "in what it renders, whole and unchanged"
            return f"what the {message.role} says in message {number} is not {where}"
    return "the system text comes after what the user says" if system > last else ""


def merged(chat: Sequence[Message]) -> tuple[Message, ...] | None:
    """Return the chat with its system text before the user's first words; None where there is no such pair."""
    if len(chat) < 2 or chat[0].role != "system" or chat[1].role != "user":
        return None
    return (Message("user", f"{chat[0].content}\n\n{chat[1].content}"), *chat[2:])
