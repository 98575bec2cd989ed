"""Requests as token ids: what is written and what is scored, for any engine that takes ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...requests import Failure, Generate, Loglikelihood, Message, Prompt, Request, text_of
from .files import ModelError
from .generate import Row
from .reply import Thinking
from .rolling import Joined, windows
from .source import template_text
from .template import PLAIN_STOP, Form, Renderer, plain_form
from .tokens import Codec, Unreadable, half_pair
from .trie import Item

#: Chats rendered in one exchange with the template's process.
CHATS = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """Some requests as an engine takes them: those that cannot be asked, texts to score, and prompts to continue.

    ``joined``: the texts that are scored in several windows.
    """

    refused: list[tuple[int, Any]]
    items: list[Item]
    rows: list[Row]
    joined: Joined


@dataclass(frozen=True, slots=True)
class Questions:
    """How requests become token ids. ``renderer`` None: chats take the plain form.

    ``context``: the most tokens of a prompt with its reply; ``scored``: of a text before its last token.
    ``vocabulary``: ids that the model embeds.
    """

    codec: Codec
    context: int
    scored: int
    vocabulary: int
    renderer: Renderer | None
    thinking: Thinking

    def of(self, requests: Sequence[Request[Any]]) -> Asked:
        """Return the requests as token ids."""
        unfit = {i: why for i, request in enumerate(requests) if (why := _unfit(request)) is not None}
        texts = unfit | self.texts({i: r for i, r in enumerate(requests) if i not in unfit})
        made = Asked([(i, text) for i, text in texts.items() if isinstance(text, Failure)], [], [], Joined(len(requests)))
        for index, request in enumerate(requests):
            text = texts.get(index)
            if isinstance(text, str):
                self._add(made, index, self._asked(index, request, text))
        return made

    def _add(self, made: Asked, index: int, one: Row | Item | list[Item] | Failure) -> None:
        if isinstance(one, Failure):
            made.refused.append((index, one))
        elif isinstance(one, Item):
            made.items.append(one)
        elif isinstance(one, list):
            made.items.extend(made.joined.parts(index, one))
        else:
            made.rows.append(one)

    def texts(self, requests: Mapping[int, Request[Any]]) -> dict[int, str | Failure]:
        """Return every prompt as text, by index of its request."""
        prompts: dict[int, Prompt] = {}
        for index, request in requests.items():
            if isinstance(request, Generate):
                prompts[index] = request.prompt
            elif isinstance(request, Loglikelihood):
                prompts[index] = request.context
        texts: dict[int, str | Failure] = {i: p for i, p in prompts.items() if isinstance(p, str)}
        chats = [(i, p, isinstance(requests[i], Generate)) for i, p in prompts.items() if not isinstance(p, str)]
        if self.renderer is None:
            return texts | {i: plain_form(chat) for i, chat, _ in chats}
        for start in range(0, len(chats), CHATS):
            texts |= self._rendered(self.renderer, chats[start : start + CHATS])
        return texts

    def _rendered(self, renderer: Renderer, chats: Sequence[tuple[int, tuple[Message, ...], bool]]) -> dict[int, str | Failure]:
        """Chats by their template; ``(index, chat, whether a reply is to follow)``: else it is a continuation to score."""
        options = [self.thinking.options if asked else self.thinking.without for *_, asked in chats]
        try:
            replies = renderer.render([chat for _, chat, _ in chats], options)
        except ModelError as error:
            return {i: Failure(str(error)) for i, *_ in chats}
        return {
            i: Failure(f"the chat template refuses this chat: {reply.error}") if reply.error
            else reply.text if asked else reply.text + self.thinking.skip(reply.text)
            for (i, _, asked), reply in zip(chats, replies, strict=True)
        }  # fmt: skip

    def _asked(self, index: int, request: Request[Any], text: str) -> Row | Item | list[Item] | Failure:
        try:
            return self._ask(index, request, text)
        except Unreadable as error:
            return Failure(str(error))
        except Exception as error:  # a text that the tokenizer refuses must not take the others with it
            return Failure(f"the tokenizer cannot take this text ({type(error).__name__}: {' '.join(str(error).split())[:120]})")

    def _ask(self, index: int, request: Request[Any], text: str) -> Row | Item | list[Item] | Failure:
        if isinstance(request, Generate):
            return self._row(index, request, text)
        assert isinstance(request, Loglikelihood)
        return self._rolling(index, request) if request.split == "rolling" else self._item(index, request, text)

    def _row(self, index: int, request: Generate, text: str) -> Row | Failure:
        is_chat = not isinstance(request.prompt, str)
        ids = self.codec.prompt(text, rendered=is_chat and self.renderer is not None)
        strange = self._not_embedded(ids)
        if strange is not None:
            return strange
        if not ids:
            return _lasting("the prompt is empty, and the tokenizer has neither BOS nor EOS to begin with")
        if len(ids) + request.max_new_tokens > self.context:
            return _lasting(
                f"the prompt has {len(ids)} tokens and may be answered with {request.max_new_tokens}; "
                f"the model takes {self.context} together"
            )
        stops = (*request.stop, PLAIN_STOP) if is_chat and self.renderer is None else request.stop
        room = self.context - len(ids) - request.max_new_tokens
        reply = self.thinking.reply(text, room)
        return Row(index, tuple(ids), request.max_new_tokens, stops, request.temperature, request.top_p, request.seed, reply)

    def _item(self, index: int, request: Loglikelihood, text: str) -> Item | Failure:
        continuation, is_chat = request.continuation, not isinstance(request.context, str)
        rendered = is_chat and self.renderer is not None
        by_length = request.split == "length"
        if (
            is_chat and not by_length
        ):  # the reply starts where the chat's form leaves off: one space after "Assistant:", none on a new line
            bare = continuation.lstrip(" ") or continuation
            continuation = bare if rendered and text[-1:].isspace() else continuation if rendered else f" {bare}"
        ids, context = self.codec.pair(text, continuation, rendered, by_length)
        strange = self._not_embedded(ids)
        if strange is not None:
            return strange
        if context < 1:
            return _lasting("the context is empty, and the tokenizer has neither BOS nor EOS to begin with")
        if len(ids) <= context:
            return _lasting(f"the continuation {continuation[:40]!r} has no tokens")
        if len(ids) - 1 > self.scored:
            return _lasting(f"context and continuation have {len(ids)} tokens; the model takes {self.scored}")
        return Item(index, tuple(ids), context, request.detail)

    def _rolling(self, index: int, request: Loglikelihood) -> list[Item] | Failure:
        """Return the windows of a text, each an item."""
        codec = self.codec
        ids = codec.prompt(request.continuation, rendered=False)
        strange = self._not_embedded(ids)
        if strange is not None:
            return strange
        if codec.start is None:
            return _lasting("the context is empty, and the tokenizer has neither BOS nor EOS to begin with")
        made = windows(ids, codec.start, self.scored)
        return [Item(index, part, given, request.detail) for part, given in made]

    def _not_embedded(self, ids: Sequence[int]) -> Failure | None:
        """Return a Failure for a text with a token that was added to the tokenizer and not to the model."""
        found = next((i for i in ids if i >= self.vocabulary), None)
        if found is None:
            return None
        token = str(self.codec.tokenizer.convert_ids_to_tokens(found))[:40]
        return _lasting(f"the text holds the token {token!r} (id {found}); the model embeds ids below {self.vocabulary}")


def _lasting(message: str) -> Failure:
    """Return a Failure of a text for which it is known without the weights: tokenizer, window and text decide it."""
    return Failure(message, lasting=True)


def _unfit(request: Request[Any]) -> Failure | None:
    """Say why no tokenizer can take a request: half of a surrogate pair in one of its texts."""
    parts: list[tuple[str, str]] = []
    if isinstance(request, Generate):
        parts = [("the prompt", text_of(request.prompt)), *(("a stop text", stop) for stop in request.stop)]
    elif isinstance(request, Loglikelihood):
        parts = [("the context", text_of(request.context)), ("the continuation", request.continuation)]
    for name, text in parts:
        place = half_pair(text)
        if place is not None:
            return _lasting(f"{name} holds half a surrogate pair ({place}); give the whole character, or remove it")
    return None


def renderer_of(tokenizer: Any, tried: Renderer | None) -> tuple[Renderer, Form]:
    """Return what renders chats, and how: the one that was tried before, if its template and special tokens are the same."""
    renderer = Renderer.of(template_text(tokenizer.chat_template), _special_tokens(tokenizer))
    if tried is not None and tried.form is not None and (tried.template, tried.special) == (renderer.template, renderer.special):
        return tried, tried.form
    return renderer, renderer.check()


def _special_tokens(tokenizer: Any) -> dict[str, str]:
    return {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
