"""Batches in flight: rows with a key-value cache, or without one where a model's cache cannot be batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ...requests import Counters
from .cache import drop_columns, joined, lent, make_room, whole_cache, whole_layers
from .model import Loaded, Sharing, pad
from .tokens import common_prefix

#: Shortest shared prefix that is worth a separate forward, in tokens.
WORTH = 8
#: Dead columns at the left of a batch that are worth cutting off.
DEAD = 16


class State(Protocol):
    """Rows in flight with the logits [B, V] of their next token."""

    logits: Tensor

    @property
    def columns(self) -> int:
        """Columns of the cache, pads among them; the next step adds one."""

    def joined(self, other: Any) -> State: ...
    def kept(self, places: Sequence[int]) -> State: ...
    def step(self, tokens: Sequence[int], counters: Counters) -> None: ...


@dataclass(slots=True)
class Stem:
    """The last shared prefix and its cache: the next group to join often begins the same way."""

    ids: tuple[int, ...] = ()
    cache: Any = None


@dataclass(slots=True)
class Cached:
    """``mask`` [B, L] over the cache's columns; ``where`` [B]: the position of each row's next token."""

    loaded: Loaded
    cache: Any
    mask: Tensor
    where: Tensor
    logits: Tensor

    @classmethod
    def begin(cls, loaded: Loaded, prompts: Sequence[tuple[int, ...]], stem: Stem, counters: Counters) -> Cached:
        """Prefill left-padded prompts: equal ones once, and what all begin with once."""
        unique = list(dict.fromkeys(prompts))
        shared = _shared_length(loaded, unique, stem)
        past = whole_cache() if loaded.sharing == Sharing.PREFIXES else None
        head = torch.zeros(len(unique), 0, dtype=torch.long, device=loaded.device)
        if shared:
            _grow_stem(loaded, stem, unique[0][:shared], counters)
            past = lent([[(stem.cache, torch.zeros(len(unique), dtype=torch.long, device=loaded.device), None)]])
            head = torch.ones(len(unique), shared, dtype=torch.long, device=loaded.device)
        ids, mask = pad([p[shared:] for p in unique], True, loaded.device)
        whole = torch.cat([head, mask], dim=1)
        positions = (whole.cumsum(-1) - 1).clamp(min=0)[:, shared:]
        out, logits = _last(loaded, ids, whole, positions, past)
        count(counters, ids, mask)
        state = cls(loaded, out.past_key_values, whole, whole.sum(-1), logits)
        if len(unique) < len(prompts):
            number = {prompt: i for i, prompt in enumerate(unique)}
            state = state.kept([number[p] for p in prompts])
            counters.shared += sum(map(len, prompts)) - sum(map(len, unique))
        counters.shared += shared * len(unique)
        return state

    @property
    def columns(self) -> int:
        return self.mask.shape[1]

    def joined(self, other: Cached) -> Cached:
        """Return the rows of both, whose caches end here; columns that a row lacks are masked at its left."""
        width = max(self.mask.shape[1], other.mask.shape[1])
        masks = [torch.nn.functional.pad(m, (width - m.shape[1], 0)) for m in (self.mask, other.mask)]
        return Cached(
            self.loaded, joined(self.cache, other.cache), torch.cat(masks),
            torch.cat([self.where, other.where]), torch.cat([self.logits, other.logits]),
        )  # fmt: skip

    def kept(self, places: Sequence[int]) -> Cached:
        """The rows at ``places`` (a place may occur twice)."""
        if list(places) == list(range(len(self.mask))):
            return self
        rows = torch.tensor(places, dtype=torch.long, device=self.loaded.device)
        self.cache.batch_select_indices(rows)
        mask = self.mask[rows]
        dead = int(mask.any(0).long().argmax())
        if dead >= DEAD and whole_layers(self.cache):
            drop_columns(self.cache, dead)
            mask = mask[:, dead:]
        return Cached(self.loaded, self.cache, mask, self.where[rows], self.logits[rows])

    def step(self, tokens: Sequence[int], counters: Counters) -> None:
        """One token more for every row."""
        ids = torch.tensor(tokens, dtype=torch.long, device=self.loaded.device).unsqueeze(1)
        self.mask = torch.cat([self.mask, torch.ones_like(ids)], dim=1)
        if whole_layers(self.cache):
            make_room(self.cache)
        out = self.loaded.forward(ids, self.mask, self.where.unsqueeze(1), self.cache)
        self.cache, self.where, self.logits = out.past_key_values, self.where + 1, out.logits[:, -1].float()
        counters.forwards += 1


@dataclass(slots=True)
class Recomputed:
    """No cache: each token costs a forward over its whole row. Right-padded, so that any causal model gives its plain logits."""

    loaded: Loaded
    rows: list[list[int]]
    logits: Tensor

    @classmethod
    def begin(cls, loaded: Loaded, prompts: Sequence[tuple[int, ...]], counters: Counters) -> Recomputed:
        rows = [list(p) for p in prompts]
        return cls(loaded, rows, _recompute(loaded, rows, counters))

    @property
    def columns(self) -> int:
        return 0

    def joined(self, other: Recomputed) -> Recomputed:
        return Recomputed(self.loaded, self.rows + other.rows, torch.cat([self.logits, other.logits]))

    def kept(self, places: Sequence[int]) -> Recomputed:
        return Recomputed(self.loaded, [self.rows[i] for i in places], self.logits[list(places)])

    def step(self, tokens: Sequence[int], counters: Counters) -> None:
        for row, token in zip(self.rows, tokens, strict=True):
            row.append(token)
        self.logits = _recompute(self.loaded, self.rows, counters)


def _recompute(loaded: Loaded, rows: Sequence[Sequence[int]], counters: Counters) -> Tensor:
    ids, mask = pad(rows, False, loaded.device)
    places = torch.arange(len(rows), device=loaded.device)
    spots = torch.stack([places, mask.sum(-1) - 1], dim=1)
    _, logits = loaded.at(ids, mask, (mask.cumsum(-1) - 1).clamp(min=0), spots, None, False)
    count(counters, ids, mask)
    return logits


def _last(loaded: Loaded, ids: Tensor, mask: Tensor, positions: Tensor, past: Any) -> tuple[Any, Tensor]:
    """Return a forward whose head sees the last column only."""
    rows = torch.arange(len(ids), device=loaded.device)
    spots = torch.stack([rows, torch.full_like(rows, ids.shape[1] - 1)], dim=1)
    return loaded.at(ids, mask, positions, spots, past, True)


def _shared_length(loaded: Loaded, prompts: Sequence[tuple[int, ...]], stem: Stem) -> int:
    """Return how many tokens all prompts begin with and are worth sharing; every prompt keeps at least one."""
    if loaded.sharing < Sharing.PREFIXES:
        return 0
    first, last = min(prompts), max(prompts)  # in lexicographic order these two differ first
    most = min(common_prefix(first, last), min(map(len, prompts)) - 1)
    known = common_prefix(stem.ids, first[:most])
    if known == len(stem.ids) and known >= WORTH:
        return known if known >= most // 2 or len(prompts) == 1 else most
    return most if most >= WORTH and len(prompts) > 1 else 0


def _grow_stem(loaded: Loaded, stem: Stem, ids: tuple[int, ...], counters: Counters) -> None:
    """Make ``ids`` the stem, if it is not already."""
    if stem.ids == ids:
        return
    row, mask = pad([ids], True, loaded.device)
    out, _ = _last(loaded, row, mask, (mask.cumsum(-1) - 1), whole_cache())
    stem.ids, stem.cache = ids, out.past_key_values
    count(counters, row, mask)
    counters.shared -= len(ids)


def count(counters: Counters, ids: Tensor, mask: Tensor) -> None:
    """Book one prefill: ``ids`` [B, T] and the mask of its real tokens."""
    real = int(mask.sum())
    counters.forwards += 1
    counters.prefilled += real
    counters.padded += ids.numel() - real
