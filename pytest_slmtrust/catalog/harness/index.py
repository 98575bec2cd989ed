"""The harness's index of its tasks, kept from run to run: it reads 14,000 files to make it, which takes 20 seconds.

What is kept names files and tags only, never code. It holds for the same files with the same sizes and times, and for the same
version of the harness. A file that is not as we wrote it costs one more reading.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from ...backends.transformers.files import CacheError, cache_folder, locked
from ...plainfile import PRIVATE, read_plain, write_whole

#: Name of the file in our cache folder, and the most bytes that it may have.
MEMORY, _LARGEST = "harness_tasks.json", 2**25


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One task, group or tag: its kind by the harness's name, its file below the folder, and its tags, or those a tag holds."""

    kind: str
    file: str
    tags: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``files``: :func:`_identity` of the folder."""

    files: str
    entries: dict[str, _Entry]


def manager_of(folder: Path) -> Any:
    """Return the harness's manager of all tasks below a folder of YAML files."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_defaults=False)
    manager._index = index_of(folder)
    manager._all_tasks = sorted(manager._index)
    manager._all_subtasks = sorted(name for name, entry in manager._index.items() if entry.kind.name in ("TASK", "PY_TASK"))
    return manager


def index_of(folder: Path) -> dict[str, Any]:
    """Return the harness's entries by name: those that are kept, if they hold, else those that it reads now."""
    from lm_eval.tasks._index import TaskIndex

    memory, there = _memory(), _files(folder)
    files = _identity(folder, there)
    known = _read(memory, files, folder, there)
    if known is not None:
        return known
    made: dict[str, Any] = TaskIndex.build([folder])
    if memory is not None:
        with suppress(OSError, ValueError), locked(memory):  # a full disk costs the next run one more reading
            kept = _Kept(files, {str(name): _entry(one, folder) for name, one in made.items()})
            write_whole(memory, msgspec.json.encode(kept).decode(), PRIVATE)
    return made


def _memory() -> Path | None:
    try:
        return cache_folder() / MEMORY
    except CacheError:
        return None


def _read(memory: Path | None, files: str, folder: Path, there: Container[str]) -> dict[str, Any] | None:
    from lm_eval.tasks._index import Entry, Kind

    if memory is None:
        return None
    try:
        kept = msgspec.json.decode(read_plain(memory, _LARGEST), type=_Kept)
        if kept.files != files:
            return None
        made = {}
        for name, one in kept.entries.items():
            if one.file and one.file not in there:
                return None
            made[name] = Entry(name, Kind[one.kind], folder / one.file if one.file else None, None, set(one.tags))
        return made
    except (OSError, ValueError, KeyError, msgspec.MsgspecError):
        return None


def _entry(one: Any, folder: Path) -> _Entry:
    """Return what is kept of an entry. The harness reads a task's file again as it makes the task.

    Raises:
        ValueError: an entry that has no file and is not a tag.
    """
    if one.yaml_path is None and one.kind.name != "TAG":
        raise ValueError(f"{one.name} has no file")
    file = one.yaml_path.relative_to(folder).as_posix() if one.yaml_path is not None else ""
    return _Entry(one.kind.name, file, tuple(sorted(map(str, one.tags))))


def _identity(folder: Path, there: Mapping[str, os.stat_result]) -> str:
    """sha256 over the harness's version, and names, sizes and times of all files: what a task includes has any name."""
    made = hashlib.sha256(f"1 {metadata.version('lm_eval')} {folder}\n".encode("utf-8", "surrogateescape"))
    for name, status in sorted(there.items()):
        made.update(f"{name}\0{status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return made.hexdigest()


def _files(folder: Path) -> dict[str, os.stat_result]:
    """Return each file below a folder by its relative name; links to folders are not followed, as in the harness."""
    made, open_ones = dict[str, os.stat_result](), [""]
    while open_ones:
        place = open_ones.pop()
        with os.scandir(folder / place) as found:
            for one in found:
                name = f"{place}{one.name}"
                if one.is_dir(follow_symlinks=False):
                    open_ones.append(f"{name}/")
                elif not name.endswith(".pyc"):
                    with suppress(OSError):  # a link to nothing
                        made[name] = one.stat()
    return made
