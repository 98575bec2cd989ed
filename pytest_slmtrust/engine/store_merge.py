"""``slmtrust merge``: the answers of several stores in one. Where two stores disagree about an answer, nothing is merged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ..escaping import said
from .store import FILE, Store, checksum, is_whole, opened_to_read
from .store_admin import CacheError
from .store_place import local

#: Rows, and characters of answers, that are in memory at once.
_ROWS, _CHARACTERS = 2000, 2**24
_NAMED = 3
_EVERY = "SELECT key, answer, checksum FROM answers ORDER BY key"
#: Nats that the batch of a request may change: float32 sums depend on what else is in it.
_ROUNDING = 1e-3


class MergeError(CacheError):
    """Stores that cannot be merged; one line that says which, and what to do."""


def merge(folders: Sequence[Path], into: Path, keep_first: bool = False) -> list[str]:
    """Put the answers of the stores in some folders into the one of ``into``; return what there is to say, a line each.

    ``keep_first``: of two answers to one request the first holds, as where a server's answers depend on what else it answers.
    A row whose checksum does not fit is left out. Nothing is written before all stores are read.

    Raises:
        MergeError: a folder holds no store, or two stores answer a request differently.
        OSError: the answers cannot be written.
    """
    paths = [_store_in(folder) for folder in folders]
    if any(path.resolve() == (into / FILE).resolve() for path in paths):
        raise MergeError(f"{into}: is one of the stores that are merged; name another folder with --into")
    lines = list[str]()
    store = Store(local(into), "merge", lines.append)
    try:
        store.check_kept()
        with store.lock():
            clashes, damaged = _compared(store, folders, paths, keep_first)
            if clashes:
                more = f" and {len(clashes) - _NAMED} more" if len(clashes) > _NAMED else ""
                raise MergeError(
                    f"{len(clashes)} {'request has' if len(clashes) == 1 else 'requests have'} two different answers: "
                    f"{'; '.join(clashes[:_NAMED])}{more}; nothing was merged. The stores come from different engines, or from a "
                    "server whose answers vary: --keep-first takes the first answer of each"
                )
            lines += [_added(store, folder, path) for folder, path in zip(folders, paths, strict=True)]
            store.check_kept()
    finally:
        store.close()
    return [*lines, *([f"{damaged} damaged rows were left out: they are asked again"] if damaged else [])]


def _store_in(folder: Path) -> Path:
    path = folder if folder.name == FILE else folder / FILE
    if path.is_symlink() or not path.is_file():
        raise MergeError(f"{folder}: holds no store ({FILE}); name the folder of --slm-store")
    return path


def _compared(store: Store, folders: Sequence[Path], paths: Sequence[Path], keep_first: bool) -> tuple[list[str], int]:
    """Return the requests that two stores answer differently, and the number of rows that are damaged."""
    clashes, damaged = list[str](), 0
    with closing(sqlite3.connect("")) as seen:  # on disk: stores may be larger than the memory
        seen.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, checksum TEXT, place INTEGER) WITHOUT ROWID")
        for place, path in enumerate(paths):
            for rows, bad in _rows(path):
                damaged += bad
                if keep_first:
                    continue
                there = store.get([key for key, _ in rows])
                for key, text in rows:
                    before = seen.execute("SELECT checksum, place FROM seen WHERE key = ?", (key,)).fetchone()
                    if key in there and not _alike(there[key], text):
                        clashes.append(f"{key[:12]} in {folders[place]} and in the store that is merged into")
                    elif (
                        before is not None and before[0] != checksum(key, text) and not _alike(_one(paths[before[1]], key), text)
                    ):
                        clashes.append(f"{key[:12]} in {folders[before[1]]} and {folders[place]}")
                seen.executemany(
                    "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", ((key, checksum(key, text), place) for key, text in rows)
                )
    return clashes, damaged


def _alike(one: str, other: str) -> bool:
    """Return whether two answers are the same, or scores of one engine that other batches round otherwise."""
    if one == other or not one.startswith('{"sum":') or not other.startswith('{"sum":'):
        return one == other
    try:
        a, b = json.loads(one), json.loads(other)
        same = (a["greedy"], a["n_tokens"], len(a["tokens"])) == (b["greedy"], b["n_tokens"], len(b["tokens"]))
        return same and abs(a["sum"] - b["sum"]) <= _ROUNDING
    except (ValueError, KeyError, TypeError):
        return False


def _one(path: Path, key: str) -> str:
    """Return the answer that a store holds by a key."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as db:
        return str(db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()[0])


def _added(store: Store, folder: Path, path: Path) -> str:
    new = known = 0
    for rows, _ in _rows(path):
        there = store.get([key for key, _ in rows])
        fresh = [(key, text) for key, text in rows if key not in there]
        store.put(fresh)
        new, known = new + len(fresh), known + len(rows) - len(fresh)
    return f"{folder}: {new} answers added" + (f", {known} were there" if known else "")


def _rows(path: Path) -> Iterator[tuple[list[tuple[str, str]], int]]:
    """Yield the whole rows of a store, some at a time, and the number of others among them.

    Raises:
        MergeError: the file is no store, or is damaged.
    """
    try:
        with opened_to_read(path.parent) as db, closing(db.execute(_EVERY)) as cursor:
            while rows := list(_some(cursor)):
                whole = [(key, text) for key, text, check in rows if is_whole(key, text, check)]
                yield whole, len(rows) - len(whole)
    except sqlite3.Error as error:
        raise MergeError(f"{path}: cannot be read as a store ({said(error)}); nothing of it can be merged") from None


def _some(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the next rows, as many as may be in memory at once."""
    rows = characters = 0
    while rows < _ROWS and characters < _CHARACTERS and (row := cursor.fetchone()) is not None:
        rows, characters = rows + 1, characters + len(str(row[1]))
        yield row
