"""Where a command writes: never over what it reads, and never over a file of another kind."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .plainfile import read_plain, write_whole

#: Bytes of a file that may be replaced, at most: no output of ours is larger.
_LARGEST = 2**31
#: Bytes at the beginning of a file that say what a page is: its style comes after its title.
_HEAD = 4096
_TITLE = re.compile(rb"<title>\s*(\S+(?:\s+\S+){0,2})")
_PARQUET = b"PAR1"
#: A test of the bytes of a file that is there: whether it is one that may be replaced.
Alike = Callable[[bytes], bool]


class OutputError(ValueError):
    """A file that is not written to, since something would be lost; one line that names it and the way out."""


def check_outputs(outputs: Sequence[Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Check before any work that no output is an input, or named twice. None: it was not asked for.

    Raises:
        OutputError: the first such file, through links, other spellings of its path, or another name of the same file.
    """
    read = [one for one in inputs if one is not None]
    written = list[Path]()
    for path in outputs:
        if path is None:
            continue
        if any(_same(path, other) for other in read):
            raise OutputError(f"{path}: is read by this command, and would be overwritten; name another file")
        if any(_same(path, other) for other in written):
            raise OutputError(f"{path}: is named for two outputs; name another file for one of them")
        written.append(path)


def check_kind(path: Path, content: str | bytes, mark: str = "", alike: Alike | None = None) -> None:
    """Check that nothing is at a path, or a file of the kind of ``content``.

    ``mark``: what each file of this kind holds; ``alike`` says it in another way.

    Raises:
        OutputError: something else is there.
    """
    if not os.path.lexists(path):
        return
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a {'folder' if path.is_dir() else 'pipe or device'}; name a file")
    try:
        old = read_plain(path, _LARGEST) if path.exists() else b""  # a link to nothing
    except (OSError, ValueError):
        old = None
    new = content.encode() if isinstance(content, str) else content
    if old is not None and (not old.strip() or old == new or (alike(old) if alike else _alike(old, new, mark.encode()))):
        return
    raise OutputError(f"{path}: holds something else than what is written; it was not replaced. Name another file, or delete it")


def write_output(path: Path, content: str | bytes, mark: str = "", alike: Alike | None = None) -> None:
    """Write the output of a command, whole or not at all; see :func:`check_kind`.

    Raises:
        OutputError: something else is there.
        OSError: it cannot be written.
    """
    check_kind(path, content, mark, alike)
    write_whole(path, content)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there yet
        return os.path.realpath(one) == os.path.realpath(other)


def _alike(old: bytes, new: bytes, mark: bytes) -> bool:
    """Return whether two files begin alike and both bear the mark; of two JSON objects, whether they share most of their keys."""
    if mark not in old:
        return False
    one, other = json_keys(old), json_keys(new)
    if one and other:
        return 2 * len(one & other) > len(one | other)
    return beginning_of(old) == beginning_of(new)


def json_keys(content: bytes) -> set[str]:
    """Return the keys of a JSON object, or of the first of a JSON object a line; none of anything else."""
    for text in (content, content.partition(b"\n")[0]) if content.lstrip()[:1] == b"{" else ():
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            continue
        return set(data) if isinstance(data, dict) else set()
    return set()


def beginning_of(content: bytes) -> bytes:
    """Return what all files of one kind begin with: the first words of a page's title, or the name in the first line.

    A block of metadata begins with ``---``, and with its first name.
    """
    head = content[:_HEAD].lstrip()
    if head[:4] == _PARQUET:
        return _PARQUET
    if head[:9].lower() == b"<!doctype":
        title = _TITLE.search(content[:_HEAD])
        return b"page: " + (title[1] if title else b"")
    first, _, rest = head.partition(b"\n")
    return (first if first.strip() != b"---" else rest.partition(b"\n")[0]).partition(b":")[0].strip()
