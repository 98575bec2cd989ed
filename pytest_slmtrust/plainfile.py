"""Read a file that somebody else may have written: a regular one, of a known most size, and never waited for.

Write a file whole or not at all.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Who may read a file that is written: everybody, as a report that is made to be shared; or its owner alone.
SHARED, PRIVATE = 0o644, 0o600


class UnfitFile(ValueError):
    """A pipe, device, socket or folder, or a file that is too large; one line without its path."""


def read_plain(path: Path, limit: int) -> bytes:
    """Return a regular file of at most ``limit`` bytes, whole.

    Raises:
        UnfitFile: another kind of file, or a larger one.
        OSError: it cannot be opened or read.
    """
    # a pipe or device is not waited for
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnfitFile(f"{kind_of(status.st_mode)}; expected a regular file")
        if status.st_size > limit:
            raise UnfitFile(f"{status.st_size} bytes; a file of this name has at most {limit}")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)  # it may grow meanwhile
    finally:
        os.close(handle)
    if len(data) > limit:
        raise UnfitFile(f"more than {limit} bytes; a file of this name has at most {limit}")
    return data


def read_plain_text(path: Path, limit: int) -> str:
    """Return such a file as UTF-8.

    Raises:
        UnfitFile, OSError: see :func:`read_plain`.
        UnicodeDecodeError: another encoding.
    """
    return read_plain(path, limit).decode("utf-8")


def kind_of(mode: int) -> str:
    """Return the kind of a file, from its mode, in words."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((words for test, words in kinds if test(mode)), "a device")


def write_whole(path: Path, content: str | bytes, mode: int = SHARED) -> None:
    """Replace a file at once: a reader sees the old one or the new one, never a part. Of a link it replaces the link itself.

    A text is written as UTF-8, its line ends as they are.

    Raises:
        OSError: it cannot be written; the old file is as it was, and no part of the new one is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ready_beside(path, content, mode) as name:
        os.replace(name, path)


@contextmanager
def ready_beside(path: Path, content: str | bytes, mode: int = SHARED) -> Iterator[Path]:
    """Yield a file beside ``path`` that holds the content; it is gone afterwards, unless it was renamed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(name, mode)  # mkstemp makes files that only their owner reads
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
