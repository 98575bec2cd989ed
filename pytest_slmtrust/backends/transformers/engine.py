"""Requests to rows and items, and through the batches; one loaded model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ...requests import Counters, Failure, Generate, Loglikelihood, Message, Prompt, Request, text_of
from . import plain
from .adapter import Adapter, merge
from .files import ModelError
from .generate import Row, generate
from .identity import light_device
from .memory import CPU_CACHE, CPU_LOGITS, CPU_TOKENS, Cost, Limits, available_bytes, check_fits, cost_of, cost_of_folder, fit
from .model import DTYPES, Loaded, load_model, pick_device, prepare
from .reply import Thinking, thinking_of
from .rolling import Joined, windows
from .runtime import choose_threads, give_back, peak_bytes
from .score import score
from .source import template_text
from .template import PLAIN_STOP, Form, Renderer, plain_form
from .tokens import Unreadable, half_pair
from .trie import Item

if TYPE_CHECKING:
    from .backend import Settings

T = TypeVar("T")

#: Chats rendered in one exchange with the template's process.
CHATS = 64


@dataclass(slots=True)
class Engine:
    """A loaded model with its limits. ``renderer`` and ``form`` None: chats take the plain form.

    ``unused``: weights of its files that the model does not use. ``plain``: every text is answered the plain way.
    """

    loaded: Loaded
    limits: Limits
    renderer: Renderer | None
    form: Form | None
    threads: int
    thinking: Thinking
    unused: tuple[str, ...] = ()
    plain: bool = False

    def run(self, requests: Sequence[Request[Any]], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
        """Lists of ``(index, answer or Failure)``: first what cannot be asked, then scores, then completions."""
        unfit = {i: why for i, request in enumerate(requests) if (why := _unfit(request)) is not None}
        texts = unfit | self._texts({i: r for i, r in enumerate(requests) if i not in unfit})
        refused: list[tuple[int, Any]] = [(i, text) for i, text in texts.items() if isinstance(text, Failure)]
        items: list[Item] = []
        rows: list[Row] = []
        joined = Joined(len(requests))
        for index, request in enumerate(requests):
            text = texts.get(index)
            if isinstance(text, str):
                made = self._asked(index, request, text)
                if isinstance(made, Failure):
                    refused.append((index, made))
                elif isinstance(made, Item):
                    items.append(made)
                elif isinstance(made, list):
                    items += joined.parts(index, made)
                else:
                    rows.append(made)
        if refused:
            yield refused
        for way, some in _by_way(self.loaded, items, lambda item: len(item.feed)):
            alone = self.plain or way.plain
            yield from joined.whole(plain.score(way, some, counters) if alone else score(way, some, self.limits, counters))
            give_back()
        for way, these in _by_way(self.loaded, rows, lambda row: row.width):
            alone = self.plain or way.plain
            yield from plain.generate(way, these, counters) if alone else generate(way, these, self.limits, counters)
            give_back()

    def close(self) -> None:
        """End the template's process."""
        if self.renderer is not None:
            self.renderer.close()

    def peak_bytes(self) -> int:
        """Return the most memory used: of the GPU where there is one, else of the process."""
        cuda = self.loaded.device.type == "cuda"
        return int(torch.cuda.max_memory_allocated(self.loaded.device)) if cuda else peak_bytes()

    def _texts(self, requests: Mapping[int, Request[Any]]) -> dict[int, str | Failure]:
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
        ids = self.loaded.codec.prompt(text, rendered=is_chat and self.renderer is not None)
        strange = self._not_embedded(ids)
        if strange is not None:
            return strange
        if not ids:
            return Failure("the prompt is empty, and the tokenizer has neither BOS nor EOS to begin with")
        if len(ids) + request.max_new_tokens > self.loaded.context:
            return Failure(
                f"the prompt has {len(ids)} tokens and may be answered with {request.max_new_tokens}; "
                f"the model takes {self.loaded.context} together"
            )
        stops = (*request.stop, PLAIN_STOP) if is_chat and self.renderer is None else request.stop
        room = self.loaded.context - len(ids) - request.max_new_tokens
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
        ids, context = self.loaded.codec.pair(text, continuation, rendered, by_length)
        strange = self._not_embedded(ids)
        if strange is not None:
            return strange
        if context < 1:
            return Failure("the context is empty, and the tokenizer has neither BOS nor EOS to begin with")
        if len(ids) <= context:
            return Failure(f"the continuation {continuation[:40]!r} has no tokens")
        if len(ids) - 1 > self.loaded.context:
            return Failure(f"context and continuation have {len(ids)} tokens; the model takes {self.loaded.context}")
        return Item(index, tuple(ids), context, request.detail)

    def _rolling(self, index: int, request: Loglikelihood) -> list[Item] | Failure:
        """Return the windows of a text, each an item."""
        codec = self.loaded.codec
        ids = codec.prompt(request.continuation, rendered=False)
        strange = self._not_embedded(ids)
        if strange is not None:
            return strange
        if codec.start is None:
            return Failure("the context is empty, and the tokenizer has neither BOS nor EOS to begin with")
        made = windows(ids, codec.start, self.loaded.context)
        return [Item(index, part, given, request.detail) for part, given in made]

    def _not_embedded(self, ids: Sequence[int]) -> Failure | None:
        """Return a Failure for a text with a token that was added to the tokenizer and not to the model."""
        found = next((i for i in ids if i >= self.loaded.vocabulary), None)
        if found is None:
            return None
        token = str(self.loaded.codec.tokenizer.convert_ids_to_tokens(found))[:40]
        return Failure(f"the text holds the token {token!r} (id {found}); the model embeds ids below {self.loaded.vocabulary}")


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
            return Failure(f"{name} holds half a surrogate pair ({place}); give the whole character, or remove it")
    return None


def _by_way(loaded: Loaded, texts: Sequence[T], width: Callable[[T], int]) -> Iterator[tuple[Loaded, list[T]]]:
    """Yield the texts that are answered in each way of a model, by their width in tokens."""
    least = -1
    for most, way in loaded.ways():
        some = [text for text in texts if least < width(text) <= most]
        if some:
            yield way, some
        least = most


def start(
    folder: Path | None,
    pair: tuple[Any, Any] | None,
    settings: Settings,
    mode: str,
    width: int = 0,
    adapter: Adapter | None = None,
    tried: Renderer | None = None,
) -> Engine:
    """Load a linted folder, or take a loaded pair; check it; settle threads, limits and the chat's form.

    ``width``: tokens of the longest row that is planned; ``adapter``: merged into the weights of a folder;
    ``tried``: what renders chats by the folder's own template, after an early trial.

    Raises:
        ModelError: it does not fit the memory, cannot be loaded, is no causal decoder, or its chat template is not safe to use.
    """
    threads = choose_threads(settings.threads)
    torch.set_num_threads(threads)
    if pair is None:
        assert folder is not None
        at_hand = memory_at_hand(pick_device(light_device(settings.device)))
        cost = cost_of_folder(folder, settings.dtype, settings.allow_pickle)
        check_fits(cost, width, settings.dtype, at_hand)
        device = light_device(settings.device)
        model, tokenizer, unused = load_model(folder, settings.dtype, device, settings.allow_pickle, settings.allow_unused)
        model = merge(model, adapter) if adapter is not None else model
    else:
        (model, tokenizer), unused = pair, ()
    loaded = prepare(model, tokenizer)
    renderer, form = None, None
    if mode == "own":
        renderer, form = _renderer(tokenizer, tried)
    thinking = thinking_of(tokenizer, renderer.template if renderer else "", form, settings)
    plainly = settings.engine == "plain"
    return Engine(loaded, _limits(loaded, settings), renderer, form, threads, thinking, unused, plainly)


def _renderer(tokenizer: Any, tried: Renderer | None) -> tuple[Renderer, Form]:
    """Return what renders chats, and how: the one that was tried before, if its template and special tokens are the same."""
    renderer = Renderer.of(template_text(tokenizer.chat_template), _special_tokens(tokenizer))
    if tried is not None and tried.form is not None and (tried.template, tried.special) == (renderer.template, renderer.special):
        return tried, tried.form
    return renderer, renderer.check()


def _special_tokens(tokenizer: Any) -> dict[str, str]:
    return {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}


def memory_at_hand(device: torch.device) -> int | None:
    """Bytes that can still be had on a device; None where nothing tells."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else available_bytes()


def _wanted(loaded: Loaded, settings: Settings) -> Limits:
    """The limits before the memory at hand is looked at."""
    cache = 2**20 if loaded.kv_bytes else 8 * settings.batch_tokens
    if loaded.device.type != "cpu":
        return Limits(settings.batch_rows, settings.batch_tokens, cache)
    if loaded.kv_bytes:
        weights = sum(part.numel() * part.element_size() for part in loaded.model.parameters())
        cache = max(CPU_CACHE, weights // 4) // loaded.kv_bytes
    return Limits(settings.batch_rows, min(settings.batch_tokens, CPU_TOKENS), cache, CPU_LOGITS)


def _limits(loaded: Loaded, settings: Settings) -> Limits:
    dtype = str(loaded.model.dtype).removeprefix("torch.")
    known = cost_of(loaded.model.config.to_dict(), dtype if dtype in DTYPES else "float32", 0)
    cost = Cost(0, loaded.kv_bytes, known.work, 4 * loaded.vocabulary)
    return fit(_wanted(loaded, settings), cost, memory_at_hand(loaded.device), loaded.narrows)
