"""Chats as text. A model's own template is somebody else's program: it runs in a child process, with limits.

The child uses transformers' sandboxed Jinja environment, no torch, no network, a bare environment, bounded memory and time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...requests import Message
from ..untrusted.child import Child
from .files import ModelError

START_SECONDS = 60.0
RENDER_SECONDS = 8.0
EACH_SECONDS = 0.02
MAX_TEXT = 2 * 10**6

#: Ends a reply in the plain form, where the model would begin to write the user's next turn.
PLAIN_STOP = "\nUser:"

#: Renders chats read as lines of JSON. Memory is bounded once the imports are done; the date is fixed, so that a
#: template which prints today's gives the same prompt tomorrow.
CHILD = r"""
import datetime, json, sys
from transformers.utils.chat_template_utils import render_jinja_template
from pytest_slmtrust.backends.untrusted.child import limit

limit()
setup = json.loads(sys.stdin.readline())

def fixed(form):
    return datetime.datetime(2026, 1, 1).strftime(form)

def one(messages):
    out, _ = render_jinja_template(conversations=[messages], chat_template=setup["template"],
                                   add_generation_prompt=True, strftime_now=fixed, **setup["special"])
    return out[0]

def render(messages):
    try:
        text, merged = one(messages), False
    except Exception:
        if len(messages) < 2 or messages[0]["role"] != "system":
            raise
        head, first, rest = messages[0], messages[1], messages[2:]
        text = one([{"role": first["role"], "content": head["content"] + "\n\n" + first["content"]}, *rest])
        merged = True
    if not isinstance(text, str) or len(text) > setup["limit"]:
        raise ValueError(f"it renders {len(text)} characters; at most {setup['limit']} are taken")
    return {"text": text, "merged": merged}

print("{}", flush=True)
for line in sys.stdin:
    replies = []
    for messages in json.loads(line):
        try:
            replies.append(render(messages))
        except BaseException as error:
            replies.append({"error": f"{type(error).__name__}: {str(error)[:200]}"})
    print(json.dumps(replies), flush=True)
"""

TRIALS: tuple[tuple[Message, ...], ...] = (
    (Message("user", "Hello."),),
    (Message("system", "Be brief."), Message("user", "Hello.")),
    (Message("user", "Hello."), Message("assistant", "Hi."), Message("user", "word " * 400)),
)


def plain_form(messages: Sequence[Message]) -> str:
    """``User: ...`` and ``Assistant:`` lines, for a model without a template; system text stands first."""
    lines = []
    for message in messages:
        name = {"system": "", "user": "User: ", "assistant": "Assistant: "}[message.role]
        lines.append(f"{name}{message.content}" + ("\n" if message.role == "system" else ""))
    return "\n".join([*lines, "Assistant:"])


@dataclass(slots=True)
class Rendered:
    """A chat as text, or why there is none; ``merged``: the template has no system role, its text went before the user's."""

    text: str = ""
    error: str = ""
    merged: bool = False


@dataclass(slots=True)
class Renderer:
    """Renders chats by one template in a child process that lives as long as this object."""

    template: str
    special: Mapping[str, str] = field(default_factory=dict)
    seconds: float = RENDER_SECONDS
    _child: Child = field(default_factory=lambda: Child(CHILD))

    def check(self) -> bool:
        """Render trial chats; True if the template takes a system role.

        Raises:
            ModelError: it fails, reaches outside the sandbox, runs too long or writes too much.
        """
        plain, system, long = self.render(TRIALS)
        if plain.error:
            raise ModelError(f"the chat template cannot be used: {plain.error}")
        if TRIALS[0][0].content not in plain.text:
            raise ModelError("the chat template cannot be used: what the user says is not in the text that it renders")
        for reply in (system, long):
            if "SecurityError" in reply.error or "MemoryError" in reply.error or "at most" in reply.error:
                raise ModelError(f"the chat template cannot be used: {reply.error}")
        return not system.merged and not system.error

    def render(self, chats: Sequence[Sequence[Message]]) -> list[Rendered]:
        """Each chat with the generation prompt after it.

        Raises:
            ModelError: the child died, or took longer than its time.
        """
        if not chats:
            return []
        question = [[{"role": m.role, "content": m.content} for m in chat] for chat in chats]
        limit = self.seconds + EACH_SECONDS * len(chats)
        replies = self._exchange(question, limit)
        return [Rendered(r.get("text", ""), r.get("error", ""), r.get("merged", False)) for r in replies]

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _exchange(self, question: Any, seconds: float) -> Any:
        """One line of JSON to the child and one back; a new child is first given the template."""
        try:
            if not self._child.running:
                setup = {"template": self.template, "special": dict(self.special), "limit": MAX_TEXT}
                self._child.ask(setup, START_SECONDS)
            return self._child.ask(question, seconds)
        except TimeoutError:
            raise ModelError(f"the chat template ran longer than {seconds:.0f} seconds; it cannot be used") from None
        except (OSError, EOFError, ValueError):
            raise ModelError("the chat template ended the process that rendered it (out of memory?); it cannot be used") from None
