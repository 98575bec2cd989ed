"""The cache folder, its lock, whole-or-nothing folders, and what a model folder holds. Loads no torch."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...plainfile import UnfitFile, kind_of, read_plain

#: Called with one line of text as slow work goes on.
Progress = Callable[[str], None]

#: Files that change what a tokenizer does.
TOKENIZER_FILES = (
    "added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt", "sentencepiece.bpe.model",
    "special_tokens_map.json", "spiece.model", "tekken.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "vocab.json", "vocab.txt",
)  # fmt: skip
CONFIG_FILES = ("config.json", "generation_config.json")
#: A folder of further chat templates; and endings of files that a loader may read, whatever their name.
TEMPLATES = "additional_chat_templates"
READ = (".bpe", ".jinja", ".model", ".safetensors", ".spm", ".tiktoken", ".vocab")
#: Bytes that a file of a name may have, several times what the largest known model brings; of any other name, ``LARGEST``.
LARGEST = 64 * 2**20
TEMPLATE_BYTES = 256 * 2**10
LIMITS = {
    "adapter_config.json": 2**20, "added_tokens.json": 4 * 2**20, "chat_template.json": 2**20, "config.json": 4 * 2**20,
    "generation_config.json": 2**20, "special_tokens_map.json": 4 * 2**20, "tokenizer.json": 48 * 2**20,
    "tokenizer_config.json": 32 * 2**20,
}  # fmt: skip
#: What another encoding than plain UTF-8 begins with.
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5", ".joblib", ".npy", ".npz")


def silent(_line: str) -> None:
    """A :data:`Progress` that says nothing."""


class ModelError(ValueError):
    """A model that cannot be audited; one line that names the file and the fault."""


class CacheError(ModelError):
    """A cache folder that cannot be written; one line that names the variable which moves it."""


_ELSEWHERE = "set SLMTRUST_CACHE to a folder that can be written"


def cache_folder() -> Path:
    """``$SLMTRUST_CACHE``, else the user's cache folder for ``slmtrust``; made private to the user.

    Raises:
        CacheError: it cannot be written. A caller that can do without goes on.
    """
    chosen = os.environ.get("SLMTRUST_CACHE")
    if chosen:
        folder = Path(chosen).expanduser()
    elif os.environ.get("XDG_CACHE_HOME"):
        folder = Path(os.environ["XDG_CACHE_HOME"]) / "slmtrust"
    elif sys.platform == "darwin":
        folder = _home() / "Library" / "Caches" / "slmtrust"
    else:
        folder = _home() / ".cache" / "slmtrust"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(f"{folder}: the cache cannot be created ({error.strerror}); {_ELSEWHERE}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CacheError(f"{folder}: the cache cannot be written; {_ELSEWHERE}")
    return folder


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a user without an entry, as in a container
        raise CacheError(f"there is no home folder for the cache ({error}); {_ELSEWHERE}") from None


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock file next to ``target``: parallel workers build it once."""
    from filelock import FileLock

    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(str(target) + ".lock"):
        yield


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``target`` if the body ends well, and vanishes if it does not."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def limit_of(path: Path) -> int:
    """Return the most bytes that a file of this name may have."""
    return LIMITS.get(path.name, TEMPLATE_BYTES if path.suffix == ".jinja" else LARGEST)


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Return a regular file of at most ``limit`` bytes (None: what its name allows), whole.

    Raises:
        ModelError: a pipe, device, folder or broken link, or too large.
    """
    try:
        return read_plain(path, limit_of(path) if limit is None else limit)
    except UnfitFile as error:
        raise ModelError(f"{path}: {error}") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None


def read_text(path: Path, limit: int | None = None) -> str:
    """Return a regular file as UTF-8 text without a byte order mark.

    Raises:
        ModelError: see :func:`read_bytes`; or another encoding.
    """
    data = read_bytes(path, limit)
    if data.startswith(MARKS):
        raise ModelError(f"{path}: begins with a byte order mark; save it as UTF-8 without one")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None


def read_json(path: Path, limit: int | None = None) -> Any:
    """Return a JSON file of at most ``limit`` bytes (None: what its name allows), no key twice in one object.

    Raises:
        ModelError: too large, no regular file, not UTF-8, not JSON, or a key twice.
    """
    text = read_text(path, limit)
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not readable as JSON ({type(error).__name__}: {str(error)[:120]})") from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object from its pairs; ValueError if a key is in it twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} is twice in one object")
    return made


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object, or an empty one where there is no such file."""
    if not os.path.lexists(path):
        return {}
    data = read_json(path)
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data


def read_by_loaders(folder: Path) -> list[Path]:
    """Return every entry of a model folder that a loader may read, weights in pickles left out."""
    named = {*LIMITS, *CONFIG_FILES, *TOKENIZER_FILES, *INDEXES}
    found = [path for path in folder.iterdir() if path.suffix in READ or path.name in named]
    if (folder / TEMPLATES).is_dir():
        found += (folder / TEMPLATES).glob("*.jinja")
    return sorted(found)


def read_files(folder: Path) -> list[Path]:
    """Return what :func:`read_by_loaders` gives, each seen to be a file: regular, inside the folder, of a sane size.

    Links lead to a place inside the folder, or in the hub's cache to the ``blobs`` of the same repository.

    Raises:
        ModelError: it names the file and the fault.
    """
    found = read_by_loaders(folder)
    roots = [folder.resolve()]
    if roots[0].parent.name == "snapshots":
        roots.append(roots[0].parent.parent / "blobs")
    for path in found:
        _check_place(path, roots)
    return found


def _check_place(path: Path, roots: list[Path]) -> None:
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as error:  # older versions of Python raise RuntimeError for a loop
        why = getattr(error, "strerror", None) or "a loop of links"
        raise ModelError(f"{path}: a link that leads nowhere ({why}); put the file itself there") from None
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path}: {kind_of(status.st_mode)}; expected a regular file")
    if not any(real.is_relative_to(root) for root in roots):
        raise ModelError(f"{path}: a link to a place outside of the model folder ({real}); put the file itself there")
    if path.suffix != ".safetensors" and status.st_size > limit_of(path):
        raise ModelError(f"{path}: {status.st_size} bytes; a file of this name has at most {limit_of(path)}")
