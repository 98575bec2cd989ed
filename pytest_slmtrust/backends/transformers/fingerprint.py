"""Digests of files, and the identity of a model's answers. Loads no weights and no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...plainfile import PRIVATE, read_plain_text, write_whole
from .files import CONFIG_FILES, TOKENIZER_FILES, CacheError, cache_folder, locked
from .weights import weight_files

#: Counted into every fingerprint: a change to how this backend answers bumps it.
ANSWERS = 2
MEMORY = "digests.json"
KEPT = 512


def digest_file(path: Path, rehash: bool = False) -> str:
    """sha256 of a file, in hex; files of 1 MB or more are remembered under path, size, times and inode."""
    real = path.resolve()
    stat = real.stat()
    if stat.st_size < 2**20:
        return hashlib.sha256(real.read_bytes()).hexdigest()
    mark = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    memory = _memory()
    known = _known(memory).get(str(real)) if memory is not None else None
    if known and known[:4] == mark and not rehash:
        return str(known[4])
    with real.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if memory is None:
        return found
    with suppress(OSError), locked(memory):  # the cache may be full: what is not remembered is hashed again
        entries = {name: entry for name, entry in _known(memory).items() if name != str(real)}
        entries[str(real)] = [*mark, found]
        write_whole(memory, json.dumps(dict(list(entries.items())[-KEPT:])), PRIVATE)
    return found


def _memory() -> Path | None:
    """Return where digests are remembered; None without a cache: then files are hashed in every run."""
    try:
        return cache_folder() / MEMORY
    except CacheError:
        return None


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex, read whole whatever is remembered of it: about a second for a gigabyte."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _known(memory: Path) -> dict[str, list[Any]]:
    try:
        data = json.loads(read_plain_text(memory, 2**24))
        return {name: entry for name, entry in data.items() if len(entry) == 5}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
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
    """Return the version of an installed package, read without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
