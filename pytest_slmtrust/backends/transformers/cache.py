"""Key-value caches of transformers 4.57 and 5, used through what both have: ``layers``, ``update``, ``batch_select_indices``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .steps import Roomy


def whole_layers(cache: Any) -> bool:
    """Whether every layer keeps every key: no window, no recurrent state, nothing quantised."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    return type(cache) is DynamicCache and all(type(layer) in (DynamicLayer, Roomy) for layer in cache.layers)


def make_room(cache: Any) -> None:
    """Let a whole-layer cache be appended to without a copy, in place."""
    cache.layers = [layer if type(layer) is Roomy else Roomy(layer) for layer in cache.layers]


def kv_bytes(cache: Any) -> int:
    """Bytes a cached token takes in all layers together; 0 where the layers do not tell."""
    total = 0
    for layer in cache.layers:
        for part in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if isinstance(part, Tensor) and part.dim() == 4:
                total += part.shape[1] * part.shape[3] * part.element_size()
    return total


def select(cache: Any, rows: Tensor) -> Any:
    """A new cache with the rows ``rows`` [B] of a whole-layer cache; the old one stays as it is."""
    from transformers.cache_utils import DynamicCache

    new = DynamicCache()
    for number, layer in enumerate(cache.layers):
        new.update(layer.keys[rows], layer.values[rows], number)
    return new


def joined(one: Any, two: Any) -> Any:
    """The rows of two whole-layer caches in one, the shorter padded with zeros at the left."""
    from transformers.cache_utils import DynamicCache

    new = DynamicCache()
    for number, (a, b) in enumerate(zip(one.layers, two.layers, strict=True)):
        new.update(_stacked(a.keys, b.keys), _stacked(a.values, b.values), number)
    return new


def _stacked(a: Tensor, b: Tensor) -> Tensor:
    width = max(a.shape[2], b.shape[2])
    return torch.cat([_left_padded(a, width), _left_padded(b, width)])


def _left_padded(x: Tensor, width: int) -> Tensor:
    return x if x.shape[2] == width else torch.nn.functional.pad(x, (0, 0, width - x.shape[2], 0))


def drop_columns(cache: Any, columns: int) -> None:
    """Cut the first columns off a whole-layer cache, in place."""
    make_room(cache)
    for layer in cache.layers:
        layer.drop_columns(columns)
