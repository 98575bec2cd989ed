"""What a row writes: a thought first, if the model thinks, and then the answer; each has its own limit of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...requests import Completion
from ...thinking import LIMIT, closes, closing, may_begin, mentions, opens, part
from .template import Form
from .tokens import Codec

if TYPE_CHECKING:
    from .backend import Settings

#: Tokens within which the mark of a thought is written out.
MARK = 40


@dataclass(slots=True)
class Reply:
    """Where the answer of one row begins.

    ``limit``: tokens that a thought may have; ``expected``: of these, what memory is planned for. ``inside``: the prompt ended
    within a thought. ``thinks`` None: the first tokens may still become the mark of a thought. ``closed``: the last thought
    ended. ``begins``: the place of the answer's first token, once it is known; ``head``: text after the closing mark in the
    mark's last token. ``seen``: tokens that stop texts and the answer's limit were checked for.
    """

    limit: int = LIMIT
    expected: int = 0
    inside: bool = False
    thinks: bool | None = None
    closed: bool = False
    begins: int | None = None
    head: str = ""
    seen: int = 0

    def restart(self) -> None:
        """Forget what was written."""
        self.thinks, self.closed, self.begins, self.head, self.seen = None, False, None, "", 0

    def found(self, codec: Codec, out: Sequence[int], most: int, ended: bool) -> bool:
        """Look at what was written up to now; whether the answer has begun. ``most``: tokens that the answer may have."""
        if self.inside:
            self.thinks = True
        if self.thinks is None:
            text = codec.raw(out)
            self.thinks = may_begin(text)
            # blanks alone are no mark begun: after them only a model that knows thoughts may go on
            spare = min(MARK, self.limit) if self.expected or text.strip() else 0
            if self.thinks is None and (ended or len(out) >= most + spare):
                self.thinks = False
        if self.thinks is False:
            self.begins = 0
        elif self.thinks and (self.closed or closes(codec.raw(out[-MARK:]))):
            self._after_mark(codec, out, ended)
        return self.begins is not None

    def _after_mark(self, codec: Codec, out: Sequence[int], ended: bool) -> None:
        """Find the answer's first token: blanks between the closing mark and the answer belong to neither."""
        parted, before = part(codec.raw(out), self.inside), self.closed
        self.closed = parted.finished
        if not parted.finished or not (parted.answer or ended or self.full(out)):
            return
        self.begins = len(out)
        if before and parted.answer:
            self.begins -= 1  # this very token begins the answer
        elif parted.answer:
            self.head = parted.answer
        self.seen = self.begins

    def full(self, out: Sequence[int]) -> bool:
        """Return whether a thought has all the tokens that it may have."""
        return len(out) >= self.limit

    def unfinished(self, codec: Codec, out: Sequence[int], ended: bool) -> Completion:
        """Return the completion of a row that ends within its thought."""
        return Completion("", 0, ended, part(codec.raw(out), self.inside).thought, False, len(out))

    def text(self, codec: Codec, prompt: Sequence[int], out: Sequence[int]) -> str:
        """Return the answer as text."""
        if not self.begins:
            return codec.text(prompt, out)
        return (self.head + codec.text([*prompt, *out[: self.begins]], out[self.begins :])).lstrip()

    def completion(self, codec: Codec, prompt: Sequence[int], out: Sequence[int], text: str | None, finished: bool) -> Completion:
        """Return the completion of a row whose answer ends; ``text``: the answer before a stop text."""
        begins = self.begins or 0
        text = self.text(codec, prompt, out) if text is None else text
        thought = part(codec.raw(out[:begins]), self.inside).thought if begins else ""
        return Completion(text, len(out) - begins, finished, thought, True, begins)


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model is asked to think. ``asked``: auto, on or off; ``limit``: tokens of a thought.

    ``switch``: the template's variable for it, empty where it has none: then the model thinks as it likes. ``knows``: the
    tokenizer or the template has the mark of a thought. ``options``: the template's variables where a reply follows;
    ``without``: where a continuation is scored, which is the answer's and not a thought's.
    """

    asked: str
    limit: int
    switch: str = ""
    knows: bool = False
    channels: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, Any] = field(default_factory=dict)

    def reply(self, prompt: str, room: int) -> Reply:
        """Return the state of a row. ``room``: tokens that the model takes beyond the prompt and the answer."""
        limit = max(0, min(self.limit, room))
        return Reply(limit, limit if self.knows else 0, opens(prompt))

    def skip(self, prompt: str) -> str:
        """Return what follows a prompt so that the answer comes next: an empty thought where the template opens one."""
        if self.channels and prompt.rstrip().endswith("<|start|>assistant"):
            return "<|channel|>final<|message|>"
        return closing(prompt)

    def describe(self) -> dict[str, Any]:
        """For the report."""
        return {"switch": self.switch or None, "known": self.knows, "scores": "of the answer, after no thought or an empty one"}


def thinking_of(tokenizer: Any, template: str, form: Form | None, settings: Settings) -> Thinking:
    """Return what the template and the tokenizer tell of thoughts, and what was asked."""
    switch = form.switch if form else None
    # a tokenizer for transformers 5 says in regular expressions how to part its replies; older versions keep that unread
    schema = getattr(tokenizer, "response_schema", None) or getattr(tokenizer, "init_kwargs", {}).get("response_schema")
    words = [template, str(schema or "").replace("\\", ""), *tokenizer.get_added_vocab()]
    return Thinking(
        settings.thinking, settings.thought_tokens, switch.name if switch else "", any(mentions(word) for word in words),
        "<|channel|>" in template, switch.options(settings.thinking) if switch else {}, switch.options("off") if switch else {},
    )  # fmt: skip
