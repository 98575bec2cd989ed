"""``slmtrust cache``: what a store holds, and how to empty it. Only regular files that a store makes are ever touched."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .store import DAMAGED, FILE, LOCK, OPENED, REFUSED, check_files, opened_to_read

#: What a store leaves in its folder, apart from the lock, which stays, since another process may wait on it.
_FILES = (*OPENED, DAMAGED)
#: Answers by the beginning of their JSON form; a bare text is a perturbed one.
_KINDS = {
    "completions": '{"text":', "log-likelihoods": '{"sum":', "labels": '{"scores":', "perturbed texts": '"',
    "texts that the model cannot take": REFUSED,
}  # fmt: skip


class CacheError(ValueError):
    """A folder that holds no store, or one that is in use; one line that says what to do."""


def run(command: str, folder: Path) -> list[str]:
    """``info`` or ``clear``, as lines to print.

    Raises:
        CacheError: see the two.
    """
    return info(folder) if command == "info" else clear(folder)


def info(folder: Path) -> list[str]:
    """Return what the store in a folder holds. A run that uses it is not waited for.

    Raises:
        CacheError: there is no store, or its file cannot be read.
    """
    files, links = _contents(folder)
    lines = [f"{folder}: {_size(sum(size for name, size in files.items() if name != DAMAGED))}"]
    if FILE in files:
        lines += _counted(folder)
    if DAMAGED in files:
        lines.append(f"set aside as damaged: {DAMAGED}, {_size(files[DAMAGED])}")
    lines += [f"left alone: {name} is a link" for name in links]
    return lines


def clear(folder: Path) -> list[str]:
    """Delete the files of the store in a folder. Links are neither followed nor deleted; all else there stays as it is.

    Raises:
        CacheError: there is no store, or a process uses it.
    """
    _contents(folder)
    with _alone(folder):
        files, links = _contents(folder)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for name in files:
                os.unlink(name, dir_fd=place)
        finally:
            os.close(place)
    lines = [f"{folder}: deleted {', '.join(files) or 'nothing'} ({_size(sum(files.values()))})"]
    return lines + [f"left alone: {name} is a link" for name in links]


def _contents(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Sizes in bytes of the store's regular files by name, and the links that bear a name of the store's."""
    if folder.is_symlink():
        raise CacheError(f"{folder} is a link, and links are not followed; name the folder itself")
    if not folder.is_dir():
        raise CacheError(f"{folder}: there is no such folder; a run with --slm makes it, --slm-store names another")
    files: dict[str, int] = {}
    links: list[str] = []
    for name in (*_FILES, LOCK):
        try:
            found = os.stat(folder / name, follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode):
            links.append(name)
        elif stat.S_ISREG(found.st_mode):
            files[name] = found.st_size
    if not files:
        raise CacheError(f"{folder}: holds no store ({FILE}); nothing was changed")
    files.pop(LOCK, None)
    return files, links


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the store's lock, with no other process that has it open.

    Raises:
        CacheError: another process uses it, or the lock is a link.
    """
    busy = f"{folder}: in use by another process; nothing was deleted. Wait for its end, then try again"
    lock = folder / LOCK
    if lock.is_symlink():
        raise CacheError(f"{lock} is a link, so the store cannot be locked; delete the link first")
    try:
        with FileLock(lock, timeout=0, mode=0o600):
            if _opened(folder / FILE):
                raise CacheError(busy)
            yield
    except Timeout:
        raise CacheError(busy) from None


def _opened(path: Path) -> bool:
    """Return whether another connection to a database is open: in WAL mode each holds a shared lock as long as it lives."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        check_files(path.parent)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN EXCLUSIVE")
            db.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except (OSError, sqlite3.DatabaseError):
        return False  # damaged: nobody can use it
    return False


def _counted(folder: Path) -> list[str]:
    """Answers and failures. The model of an answer is unknown: its key is a hash over model and question."""
    try:
        with opened_to_read(folder, 5) as db:
            rows, length = db.execute("SELECT COUNT(*), COALESCE(SUM(LENGTH(answer)), 0) FROM answers").fetchone()
            kinds = {
                kind: db.execute("SELECT COUNT(*) FROM answers WHERE SUBSTR(answer, 1, ?) = ?", (len(form), form)).fetchone()[0]
                for kind, form in _KINDS.items()
            }
            failed, sessions = db.execute("SELECT COUNT(*), COUNT(DISTINCT session) FROM failures").fetchone()
    except sqlite3.Error as error:
        raise CacheError(
            f"{folder / FILE}: cannot be read ({error}); the next run sets a damaged store aside, `clear` deletes it"
        ) from None
    parts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    return [
        f"answers: {rows}, {_size(length)} of text" + (f" ({parts})" if parts else ""),
        f"failures: {failed} of {sessions} runs; the next run forgets them and asks again",
        "by model: not recorded; the key of an answer is a hash over the model's fingerprint and the question",
    ]


def _size(count: float) -> str:
    if count < 1024:
        return f"{count:.0f} bytes"
    for unit in ("KiB", "MiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} GiB"
