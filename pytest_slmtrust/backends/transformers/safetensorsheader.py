"""The header of a safetensors file: every tensor with its type, shape and place, checked before a library reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import ModelError, unique

#: The most bytes of a header: room for 100,000 tensors.
HEADER = 16 * 2**20
#: The most dimensions of a tensor.
DIMENSIONS = 16


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: dtype, shape and place of every tensor.

    Raises:
        ModelError: not a safetensors file, or tensors that do not fill it exactly.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, HEADER):
            held = f"a header of {length} bytes in a file of {size}; at most {HEADER} are taken"
            raise ModelError(f"{path}: not a safetensors file ({held})")
        try:
            header = json.loads(stream.read(length), object_pairs_hook=unique)
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            spans = sorted(_span(entry) for entry in tensors.values())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ModelError(f"{path}: the safetensors header is damaged") from None
    place = 0
    for start, end in spans:
        if start != place or end < start:
            raise ModelError(f"{path}: tensors overlap or leave holes at byte {start}")
        place = end
    if not tensors or place != size - 8 - length:
        raise ModelError(f"{path}: the header declares {place} bytes of tensors, the file holds {size - 8 - length}")
    return tensors


def _span(entry: Mapping[str, Any]) -> tuple[int, int]:
    """First and last byte of a tensor whose entry is sound; no type has elements of less than half a byte."""
    start, end = entry["data_offsets"]
    shape = entry["shape"]
    numbers = [start, end, *shape]
    if not all(type(n) is int and 0 <= n < 2**63 for n in numbers) or not isinstance(entry["dtype"], str):
        raise ValueError
    if len(shape) > DIMENSIONS or math.prod(shape) > 2 * max(0, end - start):
        raise ValueError
    return start, end


def count_parameters(weights: list[Path]) -> int | None:
    """Elements of all floating-point tensors, from the headers; None for files without one."""
    total = 0
    for path in weights:
        if path.suffix != ".safetensors":
            return None
        for entry in safetensors_header(path).values():
            elements = 1
            for n in entry["shape"]:
                elements *= n
            total += elements if entry["dtype"].startswith(("F", "BF")) else 0
    return total
