"""What makes a forward after a cache cheap: room for the next tokens, attention that repeats no keys, and masks made at once.

transformers copies a whole cache to append one token, and the keys once for every query head that shares them. Neither
changes a number. Together they take a third of a step of SmolLM2-135M with 64 rows on a CPU (``benchmarks/decode.py``), and
repeated keys take half of a forward that reads 3 tokens in each of 62 rows after 217 cached ones. Releases before 5 also work
out a mask place by place (``vmap``), 4 ms a forward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from transformers import masking_utils
from transformers.cache_utils import DynamicLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

#: Columns that are made at once.
ROOM = 16
_SDPA = "sdpa"
_PLACE_BY_PLACE = "_vmap_for_bhqkv"


class Roomy(DynamicLayer):  # type: ignore[misc]
    """A whole layer whose ``keys`` and ``values`` [B, H, L, D] are the first columns of wider buffers."""

    keys: Tensor
    values: Tensor
    buffers: tuple[Tensor, Tensor]

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.keys.dtype, layer.keys.device, True
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


#: A cache or a layer, rows of it, and the rows of a forward that these stand before: their numbers, None for all.
Part = tuple[Any, Tensor, Tensor | None]


class Lent(DynamicLayer):  # type: ignore[misc]
    """Columns of other layers: those of ``above`` one after the other, each the parts of one or more layers, one below another.

    They are copied when a forward reaches the layer, and given up after it unless all is kept: no more than one layer is
    copied at a time. ``keys`` and ``values`` are what is kept.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, above: Sequence[Sequence[Part]], keep: Keep) -> None:
        super().__init__()
        first = above[0][0][0]
        self.dtype, self.device, self.is_initialized = first.keys.dtype, first.keys.device, True
        self.above, self.keep = above, keep
        self.columns: int = sum(max(layer.keys.shape[2] for layer, *_ in parts) for parts in above)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Return all columns with the new ones."""
        count = key_states.shape[0]
        held = [(_below(count, parts, "keys"), _below(count, parts, "values")) for parts in self.above]
        held = held or [(self.keys, self.values)]
        keys, values = (torch.cat(parts, dim=2) for parts in zip(*held, (key_states, value_states), strict=True))
        if self.keep is Keep.ALL:
            self.keys, self.values, self.above, self.columns = keys, values, (), keys.shape[2]
        elif self.keep is Keep.OWN:  # a part of a fused projection would hold all of it
            self.keys, self.values = key_states.clone(), value_states.clone()
        return keys, values

    def get_seq_length(self) -> int:
        """Columns before the next forward's own."""
        return self.columns


def _below(count: int, parts: Sequence[Part], name: str) -> Tensor:
    """Return the keys or values [B, H, L, D] that parts hold for a forward's ``count`` rows, narrow ones padded at the left."""
    layer, rows, at = parts[0]
    first: Tensor = getattr(layer, name)
    if at is None:
        return first.expand(count, -1, -1, -1) if len(first) == 1 else first[rows]
    width = max(getattr(layer, name).shape[2] for layer, *_ in parts)
    made = first.new_zeros(count, first.shape[1], width, first.shape[3])
    for layer, rows, at in parts:
        own = getattr(layer, name)
        made[at, :, width - own.shape[2] :] = own[rows]
    return made


def _widened(held: Tensor, columns: int) -> Tensor:
    batch, heads, length, size = held.shape
    wide = held.new_empty(batch, heads, columns, size)
    wide[:, :, :length] = held
    return wide


@contextmanager
def cheap_forwards() -> Iterator[None]:
    """Inside, models that use transformers' SDPA attend through :func:`_grouped`, and masks are made by :func:`_at_once`."""
    attend, mask = ALL_ATTENTION_FUNCTIONS[_SDPA], getattr(masking_utils, _PLACE_BY_PLACE, None)
    ALL_ATTENTION_FUNCTIONS[_SDPA] = partial(_grouped, attend)
    if mask is not None:
        setattr(masking_utils, _PLACE_BY_PLACE, partial(_at_once, mask))
    try:
        yield
    finally:
        ALL_ATTENTION_FUNCTIONS[_SDPA] = attend
        if mask is not None:
            setattr(masking_utils, _PLACE_BY_PLACE, mask)


def _at_once(plainly: Callable[..., Any], sees: Callable[..., Tensor], bh_indices: bool = True) -> Callable[..., Tensor]:
    """Return what makes a mask [B, H, T, L] of the indices of rows, heads, queries and keys: ``sees``, which compares indices,
    is given all of them in one call, as transformers 5 does."""
    if not bh_indices:  # torch before 2.6
        return cast(Callable[..., Tensor], plainly(sees, bh_indices))

    def made(rows: Tensor, heads: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        found = sees(rows[:, None, None, None], heads[:, None, None], queries[:, None], keys)
        return found.expand(len(rows), len(heads), len(queries), len(keys))

    return made


def _grouped(
    plainly: Callable[..., Any],
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    **more: Any,
) -> Any:
    """Attention of queries [B, H, T, D] over keys [B, G, L, D]: the H / G heads of a group act as queries of one sequence, each
    with the same mask. Anything else goes to the library's function, ``plainly``: masks for all heads would take more memory
    there than the keys and values that the library repeats."""
    batch, heads, length, size = query.shape
    groups = key.shape[1]
    each = heads // groups
    masked = attention_mask is not None and attention_mask.ndim == 4 and attention_mask.shape[1] == 1
    small = each * length <= 2 * (heads - groups) * size
    if groups == heads or not small or not (masked or (attention_mask is None and length == 1)) or more.get("dropout"):
        return plainly(module, query, key, value, attention_mask, **more)
    seen = None if attention_mask is None else attention_mask[..., : key.shape[2]].repeat(1, 1, each, 1)
    out = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(batch, groups, each * length, size), key, value, attn_mask=seen, scale=more.get("scaling")
    )
    return out.reshape(batch, heads, length, value.shape[3]).transpose(1, 2).contiguous(), None
