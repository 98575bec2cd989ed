"""The plain way: one text at a time, without a cache, padding or shared prefixes. What the fast way is compared with.

It answers the texts that a model cannot answer in batches, and all of them with ``--slm-engine=plain``. Each token that is
written costs a forward over the whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ...requests import Completion, Counters, Failure, Logprob, TokenLogprob
from .generate import Row, choose, extend
from .model import Loaded, positions_of
from .runtime import out_of_memory
from .score import moments
from .tokens import Unreadable
from .trie import Item

T = TypeVar("T", Item, Row)


def score(loaded: Loaded, items: Sequence[Item], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
    """Lists of one ``(index, Logprob or Failure)`` each."""
    return _one_by_one(loaded, items, counters, _score)


def generate(loaded: Loaded, rows: Sequence[Row], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
    """Lists of one ``(index, Completion or Failure)`` each."""
    return _one_by_one(loaded, rows, counters, _generate)


def _one_by_one(
    loaded: Loaded, texts: Sequence[T], counters: Counters, answer: Callable[[Loaded, T, Counters], Any]
) -> Iterator[list[tuple[int, Any]]]:
    for text in texts:
        try:
            with torch.inference_mode():
                yield [(text.index, answer(loaded, text, counters))]
        except Unreadable as error:
            yield [(text.index, Failure(str(error)))]
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            yield [(text.index, Failure(f"out of memory for this text alone: {str(error)[:120]}"))]


def _score(loaded: Loaded, item: Item, counters: Counters) -> Logprob | Failure:
    places = range(item.context - 1, len(item.ids) - 1)
    logits = _read(loaded, item.feed, places, counters)
    targets = torch.tensor(item.ids[item.context :], device=logits.device).unsqueeze(1)
    total = logits.logsumexp(-1)
    if not torch.isfinite(total).all():
        return Failure("the model's logits are not finite (NaN or infinite) for this text")
    logp = logits.gather(1, targets).squeeze(1) - total
    greedy = bool((logits.argmax(-1) == targets.squeeze(1)).all())
    detail: tuple[TokenLogprob, ...] = ()
    if item.detail:
        columns = (logp, *moments(logits, total))
        detail = tuple(TokenLogprob(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
    return Logprob(sum(logp.tolist()), greedy, len(places), detail)


def _generate(loaded: Loaded, row: Row, counters: Counters) -> Completion | Failure:
    while True:
        ids = (*row.prompt, *row.out)
        tokens, sound = choose(_read(loaded, ids, [len(ids) - 1], counters), [row])
        counters.generated += 1
        if not sound[0]:
            return Failure("the model's logits are not finite (NaN or infinite) for this prompt")
        answer = extend(loaded.codec, row, tokens[0])
        if answer is not None:
            return answer


def _read(loaded: Loaded, ids: Sequence[int], places: Sequence[int], counters: Counters) -> Tensor:
    """Return the logits [N, V] at some places of a text, from one forward over all of it."""
    row = torch.tensor([ids], device=loaded.device)
    mask = torch.ones_like(row)
    spots = torch.tensor([[0, place] for place in places], device=loaded.device)
    _, logits = loaded.at(row, mask, positions_of(mask), spots, None, False)
    counters.forwards += 1
    counters.prefilled += len(ids)
    return logits
