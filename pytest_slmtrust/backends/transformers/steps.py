"""What makes a step of decoding cheap: caches with room for the next tokens, and attention that repeats no keys.

transformers copies a whole cache to append one token, and the keys once for every query head that shares them. Neither
changes a number; together they take a third of a step of SmolLM2-135M with 64 rows on a CPU (``benchmarks/decode.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

#: Columns that are made at once.
ROOM = 16
_SDPA = "sdpa"


class Roomy(DynamicLayer):  # type: ignore[misc]
    """A whole layer whose ``keys`` and ``values`` [B, H, L, D] are the first columns of wider buffers."""

    keys: Tensor
    values: Tensor
    buffers: tuple[Tensor, Tensor]

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self._hold(layer.keys, layer.values, layer.keys.shape[2])

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append columns in place where there is room, and make room where there is none."""
        start, end = self.keys.shape[2], self.keys.shape[2] + key_states.shape[2]
        if end > self.buffers[0].shape[2]:
            self.buffers = _widened(self.keys, end + ROOM), _widened(self.values, end + ROOM)
        for buffer, new in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = new
        self._hold(*self.buffers, end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """The rows at ``indices``, with their room."""
        keys, values = self.buffers
        self._hold(keys[indices], values[indices], self.keys.shape[2])

    def drop_columns(self, columns: int) -> None:
        """Cut the first columns off."""
        keys, values = self.buffers
        self._hold(keys[:, :, columns:], values[:, :, columns:], self.keys.shape[2] - columns)

    def _hold(self, keys: Tensor, values: Tensor, length: int) -> None:
        self.buffers = keys, values
        self.keys, self.values = keys[:, :, :length], values[:, :, :length]


class Keep(Enum):
    """What a lent layer holds once a forward has reached it: all columns, the forward's own, or none."""

    ALL = 1
    OWN = 2
    NONE = 3


class Lent(DynamicLayer):  # type: ignore[misc]
    """Columns of other layers: of each in ``above`` the rows named with it [B], one after the other.

    They are copied when a forward reaches the layer, and given up after it unless all is kept: no more than one layer is
    copied at a time. ``keys`` and ``values`` are what is kept.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, above: Sequence[tuple[Any, Tensor]], keep: Keep) -> None:
        super().__init__()
        first = above[0][0]
        self.dtype, self.device, self.is_initialized = first.dtype, first.device, True
        self.above, self.keep = above, keep
        self.columns: int = sum(layer.keys.shape[2] for layer, _ in above)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Return all columns with the new ones."""
        held = [(layer.keys[rows], layer.values[rows]) for layer, rows in self.above] or [(self.keys, self.values)]
        keys, values = (torch.cat(parts, dim=2) for parts in zip(*held, (key_states, value_states), strict=True))
        if self.keep is Keep.ALL:
            self.keys, self.values, self.above, self.columns = keys, values, (), keys.shape[2]
        elif self.keep is Keep.OWN:  # a part of a fused projection would hold all of it
            self.keys, self.values = key_states.clone(), value_states.clone()
        return keys, values

    def get_seq_length(self) -> int:
        """Columns before the next forward's own."""
        return self.columns


def _widened(held: Tensor, columns: int) -> Tensor:
    batch, heads, length, size = held.shape
    wide = held.new_empty(batch, heads, columns, size)
    wide[:, :, :length] = held
    return wide


@contextmanager
def shared_keys() -> Iterator[None]:
    """Inside, a query of one token attends through :func:`_one_token` in models that use transformers' SDPA."""
    before = ALL_ATTENTION_FUNCTIONS[_SDPA]
    ALL_ATTENTION_FUNCTIONS[_SDPA] = partial(_one_token, before)
    try:
        yield
    finally:
        ALL_ATTENTION_FUNCTIONS[_SDPA] = before


def _one_token(
    plainly: Callable[..., Any],
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    **more: Any,
) -> Any:
    """Attention of one query token [B, H, 1, D] over keys [B, G, L, D]: the H / G heads of a group act as queries of one
    sequence, for which the mask is the same. Anything else goes to the library's function, ``plainly``."""
    batch, heads, length, size = query.shape
    groups = key.shape[1]
    one_mask = attention_mask is None or (attention_mask.ndim == 4 and attention_mask.shape[1] == 1)
    if length != 1 or groups == heads or not one_mask or more.get("dropout"):
        return plainly(module, query, key, value, attention_mask, **more)
    seen = None if attention_mask is None else attention_mask[..., : key.shape[2]]
    out = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(batch, groups, heads // groups, size), key, value, attn_mask=seen, scale=more.get("scaling")
    )
    return out.reshape(batch, 1, heads, value.shape[3]), None
