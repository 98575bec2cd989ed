"""Digests of files, and the identity of a model's answers. Loads no weights and no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .files import CONFIG_FILES, TOKENIZER_FILES, ModelError, cache_folder, locked, weight_files, write_text

#: Counted into every fingerprint: a change to how this backend answers bumps it.
ANSWERS = 1
MEMORY = "digests.json"
KEPT = 512
#: The most dimensions of a tensor.
DIMENSIONS = 16


def digest_file(path: Path, rehash: bool = False) -> str:
    """sha256 of a file, in hex; files of 1 MB or more are remembered under path, size, times and inode."""
    real = path.resolve()
    stat = real.stat()
    if stat.st_size < 2**20:
        return hashlib.sha256(real.read_bytes()).hexdigest()
    mark = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    memory = cache_folder() / MEMORY
    known = _known(memory).get(str(real))
    if known and known[:4] == mark and not rehash:
        return str(known[4])
    with real.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    with locked(memory):
        entries = {name: entry for name, entry in _known(memory).items() if name != str(real)}
        entries[str(real)] = [*mark, found]
        write_text(memory, json.dumps(dict(list(entries.items())[-KEPT:])))
    return found


def _known(memory: Path) -> dict[str, list[Any]]:
    try:
        data = json.loads(memory.read_text("utf-8"))
        return {name: entry for name, entry in data.items() if len(entry) == 5}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # a damaged memory costs one more hashing


def digest_folder(folder: Path, allow_pickle: bool = False, rehash: bool = False) -> dict[str, str]:
    """sha256 by name of every file of a model folder that its answers depend on: weights, configs, tokenizer, template.

    Raises:
        ModelError: no weights that may be loaded.
    """
    paths = weight_files(folder, allow_pickle)
    paths += [folder / name for name in (*CONFIG_FILES, *TOKENIZER_FILES) if (folder / name).is_file()]
    templates = folder / "additional_chat_templates"
    if templates.is_dir():
        paths += sorted(templates.glob("*.jinja"))
    return {str(path.relative_to(folder)): digest_file(path, rehash) for path in paths}


def fingerprint_of(settings: Mapping[str, Any]) -> str:
    """sha256 over JSON-able settings and the versions of the libraries that change numbers."""
    whole = {"answers": ANSWERS, "libraries": libraries(), **settings}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def libraries() -> dict[str, str]:
    """Major and minor version of torch and transformers; their patches do not change numbers."""
    return {name: ".".join(installed(name).split(".")[:2]) for name in ("torch", "transformers")}


def installed(package: str) -> str:
    """The version of an installed package, read without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def safetensors_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: dtype, shape and place of every tensor.

    Raises:
        ModelError: not a safetensors file, or tensors that do not fill it exactly.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, 100 * 2**20):
            raise ModelError(f"{path}: not a safetensors file (header of {length} bytes in a file of {size})")
        try:
            header = json.loads(stream.read(length))
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
        raise ModelError(f"{path}: the header speaks of {place} bytes of tensors, the file holds {size - 8 - length}")
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
