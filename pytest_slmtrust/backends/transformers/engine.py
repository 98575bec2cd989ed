"""Requests to rows and items, and through the batches; one loaded model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ...requests import Counters, Request
from . import plain
from .adapter import Adapter, merge
from .generate import generate
from .identity import describe_loaded, light_device
from .memory import CPU_CACHE, CPU_LOGITS, CPU_TOKENS, Cost, Limits, available_bytes, check_fits, cost_of, cost_of_folder, fit
from .model import DTYPES, Loaded, load_model, pick_device, prepare
from .questions import Questions, renderer_of
from .reply import Thinking, thinking_of
from .runtime import choose_threads, give_back, peak_bytes
from .score import score
from .template import Form, Renderer

if TYPE_CHECKING:
    from .backend import Settings

T = TypeVar("T")


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

    @property
    def questions(self) -> Questions:
        """How requests become token ids of this model."""
        model = self.loaded
        return Questions(model.codec, model.context, model.context, model.vocabulary, self.renderer, self.thinking)

    def run(self, requests: Sequence[Request[Any]], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
        """Lists of ``(index, answer or Failure)``: first what cannot be asked, then scores, then completions."""
        asked = self.questions.of(requests)
        if asked.refused:
            yield asked.refused
        for way, some in _by_way(self.loaded, asked.items, lambda item: len(item.feed)):
            alone = self.plain or way.plain
            yield from asked.joined.whole(plain.score(way, some, counters) if alone else score(way, some, self.limits, counters))
            give_back()
        for way, these in _by_way(self.loaded, asked.rows, lambda row: row.width):
            alone = self.plain or way.plain
            yield from plain.generate(way, these, counters) if alone else generate(way, these, self.limits, counters)
            give_back()

    def describe(self) -> dict[str, Any]:
        """Return what only the loaded model tells for certain."""
        return describe_loaded(self)

    def close(self) -> None:
        """End the template's process."""
        if self.renderer is not None:
            self.renderer.close()

    def peak_bytes(self) -> int:
        """Return the most memory used: of the GPU where there is one, else of the process."""
        cuda = self.loaded.device.type == "cuda"
        return int(torch.cuda.max_memory_allocated(self.loaded.device)) if cuda else peak_bytes()


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
        renderer, form = renderer_of(tokenizer, tried)
    thinking = thinking_of(tokenizer, renderer.template if renderer else "", form, settings)
    plainly = settings.engine == "plain"
    return Engine(loaded, _limits(loaded, settings), renderer, form, threads, thinking, unused, plainly)


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
