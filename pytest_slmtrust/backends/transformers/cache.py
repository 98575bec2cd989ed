"""Key-value caches of transformers 4.57 and 5, used through what both have: ``layers``, ``update``, ``batch_select_indices``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .steps import Keep, Lent, Part, Roomy


def whole_layers(cache: Any, windows: bool = False) -> bool:
    """Return whether every layer keeps every key: no window (unless ``windows`` is given), no recurrent state, nothing
    quantised."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    kinds = (DynamicLayer, Lent, Roomy, *((DynamicSlidingWindowLayer,) if windows else ()))
    return type(cache) is DynamicCache and all(type(layer) in kinds for layer in cache.layers)


def whole_cache() -> Any:
    """Return an empty cache that will keep every key of every layer; the model's masks still hide what is outside a window."""
    from transformers.cache_utils import DynamicCache

    return DynamicCache()


def void(like: Any, columns: int) -> Any:
    """Return a cache of zeros for one row, with the layers of ``like``; it takes the memory of one column."""
    from transformers.cache_utils import DynamicCache

    new = DynamicCache()
    for number, layer in enumerate(like.layers):
        parts = (layer.keys, layer.values)
        new.update(*(part.new_zeros(1, part.shape[1], 1, part.shape[3]) for part in parts), number)
        held = new.layers[number]
        held.keys, held.values = (part.expand(-1, -1, columns, -1) for part in (held.keys, held.values))
    return new


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


def lent(above: Sequence[Sequence[Part]], keep: Keep = Keep.ALL) -> Any:
    """Return a cache for one forward after columns of others, which stay as they are.

    ``above``: the columns from the left to the right, each the parts of one or more whole-layer caches, one below another;
    ``keep``: what it holds after the forward.
    """
    from transformers.cache_utils import DynamicCache

    new = DynamicCache()
    for number in range(len(above[0][0][0].layers)):
        new.layers.append(Lent([[(cache.layers[number], *where) for cache, *where in parts] for parts in above], keep))
    return new


def joined(one: Any, two: Any) -> Any:
    """Return the rows of two whole-layer caches in one, the shorter padded with zeros at the left. Empties both layer by
    layer."""
    from transformers.cache_utils import DynamicCache

    new = DynamicCache()
    for number in range(len(one.layers)):
        a, b = one.layers[number], two.layers[number]
        new.update(_stacked(a.keys, b.keys), _stacked(a.values, b.values), number)
        one.layers[number] = two.layers[number] = None
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
