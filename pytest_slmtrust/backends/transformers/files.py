"""The cache folder, its lock, whole-or-nothing folders, and what a model folder holds. Loads no torch."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Called with one line of text as slow work goes on.
Progress = Callable[[str], None]

#: Files that change what a tokenizer does.
TOKENIZER_FILES = (
    "added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt", "sentencepiece.bpe.model",
    "special_tokens_map.json", "spiece.model", "tekken.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "vocab.json", "vocab.txt",
)  # fmt: skip
CONFIG_FILES = ("config.json", "generation_config.json")
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
        raise CacheError(f"{folder}: the cache cannot be made ({error.strerror}); {_ELSEWHERE}") from None
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
    """Hold the lock file beside ``target``: parallel workers build it once."""
    from filelock import FileLock

    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(str(target) + ".lock"):
        yield


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``target`` if the body ends well, and vanishes if it does not."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path, limit: int = 64 * 2**20) -> Any:
    """A JSON file of at most ``limit`` bytes.

    Raises:
        ModelError: too large, not UTF-8, or not JSON.
    """
    if path.stat().st_size > limit:
        raise ModelError(f"{path}: {path.stat().st_size} bytes; a file of this name has at most {limit}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not readable as JSON ({type(error).__name__}: {str(error)[:120]})") from None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no such file."""
    if not path.is_file():
        return {}
    data = read_json(path)
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data
