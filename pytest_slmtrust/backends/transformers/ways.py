"""How a model may be asked: which caches its layers allow, and up to which length batches change no number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .cache import kv_bytes, lent, void, whole_cache, whole_layers
from .model import UNBOUNDED, Loaded, Sharing, last_logits, pad, positions_of, probe_ids, tolerance
from .steps import Keep

#: Pads before, or after, a row of the trials.
PADS = 3
#: Columns of the largest hole that the trial makes: wider than most windows, and small compared with a model's weights.
HOLE = 4096
#: Windows narrower than this are not worth a shared prefix, in tokens.
NARROWEST = 16
#: Names in a config of how many tokens a layer looks back.
WINDOW = re.compile(r"(?:^|_)(window|window_size|chunk_size|block_size|local_attention\w*|local_window\w*|local_attn\w*)$")
#: Names in a config of the length from which positions are scaled by the longest text of a batch, or by columns.
STRETCH = re.compile(r"(floor_scale|original_max_position_embeddings)$")
#: Position scalings that are the same at every length.
STATIC = frozenset({"default", "linear", "llama3", "yarn", "proportional"})
#: Numbers so coarse that what a text's forwards are rounded to depends on their shapes: another batch, another text.
HALF = (torch.float16, torch.bfloat16)
#: What a trial raises where a model cannot do what it tries.
REFUSED = (TypeError, ValueError, AttributeError, RuntimeError, IndexError, KeyError, NotImplementedError)


def learn(loaded: Loaded) -> Loaded:
    """Try what a cache may be used for: padded rows, prefixes shared by several rows, and holes after a prefix.

    In half precision and 8-bit integers every text is answered alone, so that it depends on nothing else. The caller runs this in
    inference mode.
    """
    ids = probe_ids(loaded)
    one = torch.tensor([ids], device=loaded.device)
    plain = last_logits(loaded, one, torch.ones_like(one))
    window, stretch = limits_of(loaded.model.config.to_dict())
    found = replace(loaded, window=window, stretch=stretch)
    if not _tried(_pads_change_nothing, found, ids, plain):
        return replace(found, alone=True)
    size = None if found.states else _tried(_rows_can_leave, found, ids, plain)
    if size is None:
        return found
    found = replace(found, sharing=Sharing.ROWS, kv_bytes=size)
    eight_bit = getattr(loaded.model, "is_loaded_in_8bit", False)  # its outliers are looked for in the whole batch
    if loaded.model.dtype in HALF or eight_bit:
        return replace(found, alone=True)
    if not _tried(_prefixes_can_be_shared, found, ids, plain):
        return found
    found = _with_holes(replace(found, sharing=Sharing.PREFIXES), ids, plain)
    return found if min(found.window, stretch) >= NARROWEST else replace(found, sharing=Sharing.ROWS)


def limits_of(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the narrowest window that a config names, and the length from which it scales positions; UNBOUNDED without one."""
    windows, lengths = [UNBOUNDED], [UNBOUNDED]
    for owner, name, value in _numbers(config):
        kind = owner.get("rope_type", owner.get("type"))
        if WINDOW.search(name):
            windows.append(value)
        elif STRETCH.search(name) and kind not in STATIC:
            lengths.append(value)
    return min(windows), min(lengths)


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, int]]:
    """Yield every positive whole number of a config, with its name and the mapping that holds it."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif type(value) is int and value > 0:
            yield config, str(name), value


def _tried(trial: Any, loaded: Loaded, ids: list[int], plain: Tensor) -> Any:
    try:
        return trial(loaded, ids, plain)
    except REFUSED:
        return None


def _close(loaded: Loaded, found: Tensor, plain: Tensor) -> bool:
    return torch.allclose(found.float(), plain, rtol=0, atol=tolerance(loaded, plain))


def _pads_change_nothing(loaded: Loaded, ids: list[int], plain: Tensor) -> bool:
    """Return whether a row with pads after it, next to a longer one, gives the plain logits."""
    row, mask = pad([ids, ids + ids[:PADS]], False, loaded.device)
    logits = loaded.forward(row, mask, positions_of(mask), use_cache=False).logits
    return _close(loaded, logits[0, len(ids) - 1], plain)


def _rows_can_leave(loaded: Loaded, ids: list[int], plain: Tensor) -> int | None:
    """Return the bytes of a cached token, if a row with pads before it gives the plain logits after another one left the
    batch."""
    row, mask = pad([ids, ids + ids[:PADS]], True, loaded.device)
    where = positions_of(mask)
    cache = loaded.forward(row[:, :-1], mask[:, :-1], where[:, :-1]).past_key_values
    if not hasattr(cache, "batch_select_indices") or not hasattr(cache, "layers"):
        return None
    cache.batch_select_indices(torch.tensor([0], device=loaded.device))
    logits = loaded.forward(row[:1, -1:], mask[:1], where[:1, -1:], cache).logits[0, -1]
    return kv_bytes(cache) if _close(loaded, logits, plain) else None


def _prefixes_can_be_shared(loaded: Loaded, ids: list[int], plain: Tensor) -> bool:
    """Return whether two rows that borrow one prefix give the plain logits, one of them with a hole after the prefix."""
    n, split = len(ids), max(1, len(ids) // 2)
    if not whole_layers(_read(loaded, ids, None), windows=True):
        return False
    stem = _read(loaded, ids[:split], whole_cache())
    # not kept: what reads another layer of the cache (shared keys) must show here
    twice = lent([[(stem, torch.tensor([0, 0], device=loaded.device), None)]], Keep.NONE)
    rest = torch.tensor([[0] * 2 + ids[split:], ids[split:] + [0] * 2], device=loaded.device)
    seen = torch.tensor([[1] * split + [0] * 2 + [1] * (n - split), [1] * n + [0] * 2], device=loaded.device)
    grown = loaded.forward(rest, seen, positions_of(seen)[:, split:], twice).logits
    return _close(loaded, grown[0, -1], plain) and _close(loaded, grown[1, n - split - 1], plain)


def _with_holes(loaded: Loaded, ids: list[int], plain: Tensor) -> Loaded:
    """Settle up to which width prefixes may be shared: a hole wider than a window hides the prefix from what follows."""
    most = min(HOLE, loaded.context - len(ids), loaded.stretch - len(ids))
    if loaded.window < UNBOUNDED and most < loaded.window:
        return loaded  # too wide to try, and too wide to be met
    if most < 1 or _tried(partial(_hole_changes_nothing, hole=most), loaded, ids, plain):
        return replace(loaded, window=UNBOUNDED)
    return loaded if loaded.window < UNBOUNDED else replace(loaded, sharing=Sharing.ROWS)


def _hole_changes_nothing(loaded: Loaded, ids: list[int], plain: Tensor, hole: int) -> bool:
    split = max(1, len(ids) // 2)
    stem, first = _read(loaded, ids[:split], whole_cache()), torch.tensor([0], device=loaded.device)
    cache = lent([[(stem, first, None)], [(void(stem, hole), first, None)]], Keep.NONE)
    rest = torch.tensor([ids[split:]], device=loaded.device)
    seen = torch.tensor([[1] * split + [0] * hole + [1] * (len(ids) - split)], device=loaded.device)
    logits = loaded.forward(rest, seen, positions_of(seen)[:, split + hole :], cache).logits
    return _close(loaded, logits[0, -1], plain)


def _read(loaded: Loaded, ids: list[int], cache: Any) -> Any:
    """Return the cache of a text, ``cache`` filled or the model's own."""
    row, mask = pad([ids], True, loaded.device)
    return loaded.forward(row, mask, positions_of(mask), cache).past_key_values
