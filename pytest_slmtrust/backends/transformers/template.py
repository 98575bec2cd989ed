"""Chats as text. A model's own template is somebody else's program: it runs in a child process, with limits.

The child uses transformers' sandboxed Jinja environment, no torch, no network, a bare environment, bounded memory and time.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...requests import Message
from ..untrusted.child import Child
from .files import ModelError
from .template_trials import lost, merged, trials

START_SECONDS = 60.0
#: Processor time for the trial chats, for the chats of a wave, and for each of them. On the clock a busy machine may take longer.
TRIAL_SECONDS, RENDER_SECONDS, EACH_SECONDS = 2.0, 8.0, 0.02
CLOCK_SECONDS = 60.0
MAX_TEXT = 2 * 10**6

#: Ends a reply in the plain form, where the model would begin to write the user's next turn.
PLAIN_STOP = "\nUser:"

#: Renders chats read as lines of JSON. Memory is bounded once the imports are done; the date is fixed, so that a
#: template which prints today's gives the same prompt tomorrow.
CHILD = r"""
import datetime, json, sys
from transformers.utils.chat_template_utils import render_jinja_template
from pytest_slmtrust.backends.untrusted.child import limit, limit_time

limit()
setup = json.loads(sys.stdin.readline())

def fixed(form):
    return datetime.datetime(2026, 1, 1).strftime(form)

def render(messages, options):
    out, _ = render_jinja_template(conversations=[messages], chat_template=setup["template"],
                                   add_generation_prompt=True, strftime_now=fixed, **{**setup["special"], **options})
    text = out[0]
    if not isinstance(text, str) or len(text) > setup["limit"]:
        raise ValueError(f"it renders {len(text)} characters; at most {setup['limit']} are taken")
    return {"text": text}

print("{}", flush=True)
for line in sys.stdin:
    replies = []
    seconds, chats = json.loads(line)
    limit_time(seconds)
    for messages, options in chats:
        try:
            replies.append(render(messages, options))
        except BaseException as error:
            replies.append({"error": f"{type(error).__name__}: {str(error)[:200]}"})
    print(json.dumps(replies), flush=True)
"""


def plain_form(messages: Sequence[Message]) -> str:
    """``User: ...`` and ``Assistant:`` lines, for a model without a template; system text comes first."""
    lines = []
    for message in messages:
        name = {"system": "", "user": "User: ", "assistant": "Assistant: "}[message.role]
        lines.append(f"{name}{message.content}" + ("\n" if message.role == "system" else ""))
    return "\n".join([*lines, "Assistant:"])


#: Words of errors after which a template is not used at all.
_NEVER = ("SecurityError", "MemoryError", "at most")
#: Errors for want of a special token, which templates take from variables such as ``bos_token``; the empty one loses a text.
_OF_TOKENS = ("UndefinedError", "TemplateError", "")
_TOKEN = re.compile(r"\b[a-z]+_token\b")


class UnfitTemplate(ModelError):
    """A template that fails its trial; ``kind``: the class of its error, empty where it raised none."""

    def __init__(self, error: str) -> None:
        super().__init__(f"the chat template cannot be used: {error}")
        kind, colon, _ = error.partition(":")
        self.kind = kind if colon and kind.isalpha() else ""


@dataclass(frozen=True, slots=True)
class Switch:
    """A variable of a template that switches thoughts: its name, and its values; None stands for leaving it out."""

    name: str
    on: bool | str | None = True
    off: bool | str | int = False

    def options(self, thinking: str) -> dict[str, Any]:
        """Return the template's variables for ``auto``, ``on`` or ``off``."""
        value = {"on": self.on, "off": self.off}.get(thinking)
        return {} if value is None else {self.name: value}


#: The variables in use: Qwen3, SmolLM3, GLM and EXAONE 4; Granite and DeepSeek-V3.1; Command A; Mistral; Seed-OSS.
SWITCHES = (
    Switch("enable_thinking"), Switch("thinking"), Switch("enable_reasoning"), Switch("reasoning"), Switch("think"),
    Switch("reasoning_effort", "high", "none"), Switch("thinking_budget", None, 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """How a template renders chats.

    ``system_role``: ``own``; ``merged`` (its text goes before the user's first words); ``mixed``: either, by the text;
    ``refused``: a chat with a system text fails. ``faults``: trials that it cannot render without losing a text; requests
    like these fail. ``switch``: what switches thoughts.
    """

    system_role: str
    faults: tuple[str, ...] = ()
    switch: Switch | None = None


@dataclass(slots=True)
class Rendered:
    """A chat as text, or why there is none; ``merged``: the template has no system role, its text went before the user's."""

    text: str = ""
    error: str = ""
    merged: bool = False


@dataclass(slots=True)
class Renderer:
    """Renders chats by one template in a child process that lives as long as this object; ``form``: what an early trial told."""

    template: str
    special: Mapping[str, str] = field(default_factory=dict)
    seconds: float = RENDER_SECONDS
    _child: Child = field(default_factory=lambda: Child(CHILD))
    form: Form | None = None
    _given: bool = False

    @classmethod
    def of(cls, template: str, special: Mapping[str, str]) -> Renderer:
        """Return a renderer that is given those special tokens that the template names."""
        return cls(template, {name: token for name, token in special.items() if name in template})

    def check(self) -> Form:
        """Render trial chats.

        Raises:
            ModelError: it fails, loses what a user says, reaches outside the sandbox, runs too long or writes too much.
        """
        brief = replace(self, seconds=min(self.seconds, TRIAL_SECONDS))
        try:
            return brief._tried()
        finally:
            self._given = brief._given

    def begin(self) -> None:
        """Start the process, so that its imports go on meanwhile."""
        self._child.begin()

    def check_early(self) -> None:
        """Do the same before the tokenizer is loaded, with the special tokens that its files name, and keep the ``form``.

        A template that fails for want of a token which they do not name is left for later: the tokenizer may know it.
        """
        try:
            self.form = self.check()
        except UnfitTemplate as error:
            if error.kind not in _OF_TOKENS or set(_TOKEN.findall(self.template)) <= set(self.special):
                raise

    def _tried(self) -> Form:
        asked = trials()
        replies = self.render([chat for *_, chat in asked])
        for reply in replies:
            if any(word in reply.error for word in _NEVER):
                raise UnfitTemplate(reply.error)
        if replies[0].error:
            raise UnfitTemplate(replies[0].error)
        faults, roles = [], set[str]()
        for (talk, shape, _), reply in zip(asked, replies, strict=True):
            if talk == "system user":
                roles.add("refused" if reply.error else "merged" if reply.merged else "own")
            if reply.error:
                faults.append(f"{talk}, {shape}")
        return Form(roles.pop() if len(roles) == 1 else "mixed", tuple(faults), self._switch())

    def render(self, chats: Sequence[Sequence[Message]], options: Sequence[Mapping[str, Any]] | None = None) -> list[Rendered]:
        """Return each chat with the generation prompt after it; ``options``: the template's variables for each.

        A chat whose template raises, or loses a text, is tried with its system text before the user's first words. One that
        still does has an error.

        Raises:
            ModelError: the child died, or took longer than its time.
        """
        given = options or [{}] * len(chats)
        own = [self._kept(chat, reply) for chat, reply in zip(chats, self._asked(chats, given), strict=True)]
        others = {i: other for i, r in enumerate(own) if r.error and (other := merged(chats[i])) is not None}
        replies = self._asked(list(others.values()), [given[i] for i in others])
        for (i, other), reply in zip(others.items(), replies, strict=True):
            again = self._kept(other, reply)
            if not again.error:
                own[i] = Rendered(again.text, merged=True)
        return own

    def _kept(self, chat: Sequence[Message], reply: Mapping[str, str]) -> Rendered:
        """Return a reply of the child, or an error where a text of the chat is not in it."""
        if "error" in reply:
            return Rendered(error=reply["error"])
        gone = lost(chat, reply["text"])
        return Rendered(error=gone) if gone else Rendered(reply["text"])

    def _switch(self) -> Switch | None:
        """Return the variable by which thoughts are switched on and off, if the template has one that changes what it renders."""
        chats = [chat for *_, chat in trials()[:1]]
        for switch in SWITCHES:
            if re.search(rf"\b{switch.name}\b", self.template) and (
                switch.off != "none" or re.search(r"['\"]none['\"]", self.template)
            ):
                on, off = self.render(chats * 2, [switch.options("on"), switch.options("off")])
                if not off.error and on.text != off.text:
                    return switch
        return None

    def _asked(self, chats: Sequence[Sequence[Message]], options: Sequence[Mapping[str, Any]]) -> Any:
        if not chats:
            return []
        question = [
            [[{"role": m.role, "content": m.content} for m in chat], dict(given)]
            for chat, given in zip(chats, options, strict=True)
        ]
        return self._exchange(question, self.seconds + EACH_SECONDS * len(chats))

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _exchange(self, question: Any, seconds: float) -> Any:
        """Return one line of JSON to the child and one back; a new child is first given the template."""
        try:
            if not (self._given and self._child.running):
                setup = {"template": self.template, "special": dict(self.special), "limit": MAX_TEXT}
                self._child.ask(setup, START_SECONDS)
                self._given = True
            return self._child.ask([seconds, question], CLOCK_SECONDS + seconds)
        except TimeoutError:
            raise ModelError(
                f"the chat template ran longer than {CLOCK_SECONDS + seconds:.0f} seconds; it cannot be used"
            ) from None
        except (OSError, EOFError, ValueError):
            if self._child.status == -signal.SIGXCPU:
                raise ModelError(
                    f"the chat template ran longer than {seconds:.1f} seconds of processor time; it cannot be used"
                ) from None
            raise ModelError("the chat template ended the process that rendered it (out of memory?); it cannot be used") from None
