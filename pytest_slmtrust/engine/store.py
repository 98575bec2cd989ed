"""The store: answers on disk, keyed by question and backend, so that nothing is asked twice.

SQLite, one row an answer with a checksum, committed as batches end. A file lock lets the first of several
processes answer while the others wait for its answers. Raw model output is local: folder 0700, file 0600.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from filelock import FileLock

from .. import door
from ..escaping import said

T = TypeVar("T")

FILE = "store.sqlite"
LOCK = f"{FILE}.lock"
DAMAGED = "store.damaged"
#: What SQLite may open: the file, and what it keeps next to it while the file changes.
OPENED = (FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL, checksum TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (session TEXT, key TEXT, message TEXT NOT NULL, PRIMARY KEY (session, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS salt (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
"""
#: What a disk does to a file that is whole.
_ENVIRONMENT = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_TOOBIG,
}  # fmt: skip
#: How a lasting Failure begins among the answers.
REFUSED = "refused: "
_LONGEST_REFUSAL = 2000
#: Bytes of one answer, far more than the longest that is accepted takes.
_LARGEST = 2**26
SALT = "SELECT value FROM salt"
_ANY_FAILURE = "SELECT 1 FROM failures WHERE session = ? LIMIT 1"
#: Bytes of a page of a new file. Keys have no order, so each row is on another page: fewer, larger pages are read sooner.
_PAGE = 16_384
_CHUNK = 500  # SQLite's limit on variables in one statement is 999 in old builds


class StoreWarning(UserWarning):
    """The store could not be used as it should; verdicts are not affected, only time."""


#: Counted into every key of the store: a change to how an answer is read from it bumps it. 2: thoughts are parted from answers.
ANSWERS = 2


def store_key(fingerprint: str, request_key: str) -> str:
    """Return where the answer of one backend to one request is kept."""
    return hashlib.sha256(f"{ANSWERS}\n{fingerprint}\n{request_key}".encode()).hexdigest()


def kept_refusal(message: str) -> str:
    """Return a lasting Failure as the store keeps it, in the place of an answer. Answers are JSON texts, and this is none."""
    return REFUSED + message


def refusal_in(text: str) -> str | None:
    """Return the message of a lasting Failure; None for an answer."""
    return text[len(REFUSED) :][:_LONGEST_REFUSAL] if text.startswith(REFUSED) else None


def digest_of(text: str, salt: bytes) -> str:
    """HMAC-SHA-256 of an answer's text or of its key, in hex: how a report names them.

    The salt stays in the store. A report is shared, and without a salt a reader could guess what is masked or withheld in it;
    keys too, since a scorer's question holds the reply.
    """
    made = _keyed(salt).copy()
    made.update(text.encode("utf-8", "surrogatepass"))
    return made.hexdigest()


@cache
def _keyed(salt: bytes) -> hmac.HMAC:
    """Return an HMAC that has its key: to set it up for each text takes longer than to copy it."""
    return hmac.new(salt, digestmod="sha256")


class Store:
    """Answers as JSON texts by key, and the failures of this session.

    What cannot be written to disk is kept in memory with a :class:`StoreWarning`. A damaged file is moved
    aside and a new one begun; a row whose checksum does not fit is not an answer. ``note`` takes what must be said, a line each,
    in place of warnings.
    """

    def __init__(self, folder: Path, session: str, note: Callable[[str], None] | None = None) -> None:
        self._note = note
        self.path = folder / FILE
        self.session = session
        self.salt = secrets.token_bytes(32)  # of this process alone, where nothing can be written
        self._memory: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._db: sqlite3.Connection | None = None
        self._fault = ""
        try:
            _private_folder(folder)
            check_files(folder)
            self._lock: FileLock | None = FileLock(folder / LOCK, mode=0o600)
            with self._lock:
                self._db = self._open()
        except (OSError, sqlite3.Error, ValueError, NotImplementedError) as error:  # a file system without locks, too
            self._lock = None
            self._give_up(error)

    def lock(self) -> AbstractContextManager[object]:
        """Held while questions are answered; reentrant in this process."""
        return cast("AbstractContextManager[object]", self._lock) if self._lock else nullcontext()

    def get(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the answers that are there, by key."""
        found = {key: self._memory[key] for key in keys if key in self._memory}
        wanted = sorted(key for key in keys if key not in found)  # in the order of the file: each page is read once
        for key, answer, check in self._select("SELECT key, answer, checksum FROM answers WHERE key IN ({})", wanted):
            if is_whole(key, answer, check):
                found[key] = answer
        return found

    def put(self, rows: Iterable[tuple[str, str]]) -> None:
        """Keep answers; on return they survive a kill."""
        data = [(key, answer, checksum(key, answer)) for key, answer in rows]
        if not self._write("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", data):
            self._memory.update((key, answer) for key, answer, _ in data)

    def forget(self, keys: Iterable[str]) -> None:
        """Take answers back that turned out to be none."""
        gone = list(keys)
        for key in gone:
            self._memory.pop(key, None)
        self._write("DELETE FROM answers WHERE key = ?", [(key,) for key in gone])

    def failures(self, keys: Sequence[str]) -> dict[str, str]:
        """Requests that already failed in this session, by any of its processes."""
        found = {key: self._failures[key] for key in keys if key in self._failures}
        if not self._attempt(lambda db: db.execute(_ANY_FAILURE, (self.session,)).fetchone()):
            return found
        query = "SELECT key, message, '' FROM failures WHERE session = ? AND key IN ({})"
        wanted = [key for key in keys if key not in found]
        return found | {key: message for key, message, _ in self._select(query, wanted, self.session)}

    def put_failures(self, rows: Iterable[tuple[str, str]]) -> None:
        data = list(rows)
        self._failures.update(data)
        self._write("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", [(self.session, *row) for row in data])

    def forget_failures(self) -> None:
        """A new session asks again what failed in an earlier one."""
        self._write("DELETE FROM failures WHERE session <> ?", [(self.session,)])

    def check_kept(self) -> None:
        """Raise OSError if answers are kept in memory only, for what has no other purpose than to keep them."""
        if self._db is None:
            raise OSError(self._fault or f"{self.path}: is closed")

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def __del__(self) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except Exception as error:
            if not self._is_damage(error):
                raise
            return self._quarantine(error)

    def _connect(self) -> sqlite3.Connection:
        """Open the file, whole and with the tables that this version writes.

        Raises:
            sqlite3.Error, ValueError: it is not; what a flipped bit makes SQLite say differs from bit to bit.
        """
        db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            os.chmod(self.path, 0o600)
            db.execute(f"PRAGMA page_size = {_PAGE}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            check_sound(db, _SCHEMA)
            db.execute("INSERT OR IGNORE INTO salt VALUES (1, ?)", (self.salt.hex(),))
            try:
                self.salt = bytes.fromhex(db.execute(SALT).fetchone()[0])
            except (TypeError, ValueError) as error:
                raise sqlite3.DatabaseError(f"its salt cannot be read ({error})") from None
        except BaseException:
            db.close()
            raise
        return db

    def _is_damage(self, error: Exception) -> bool:
        """Return whether a fault is the file's, not that of a disk which is full, read-only, locked or unreadable."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF == sqlite3.SQLITE_READONLY:  # a header may say so of a file that can be written
            return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        short = code == sqlite3.SQLITE_IOERR_SHORT_READ
        return not isinstance(error, OSError) and (short or code & 0xFF not in _ENVIRONMENT)

    def _quarantine(self, error: Exception) -> sqlite3.Connection:
        aside = self.path.with_name(DAMAGED)
        os.replace(self.path, aside)
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._say(f"the store was damaged ({said(error)}): moved to {aside.name}, a new one is begun")
        return self._connect()

    def _select(self, query: str, keys: Sequence[str], *first: str) -> list[tuple[str, str, str]]:
        def select(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
            rows: list[tuple[str, str, str]] = []
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                rows += _fetched(db, query.format(",".join("?" * len(part))), (*first, *part))
            return rows

        return self._attempt(select) or []

    def _write(self, statement: str, rows: Sequence[tuple[str, ...]]) -> bool:
        def write(db: sqlite3.Connection) -> bool:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(statement, rows)
            db.execute("COMMIT")
            return True

        return not rows or bool(self._attempt(write))

    def _attempt(self, act: Callable[[sqlite3.Connection], T]) -> T | None:
        """Use the database; None where there is none any more. Damage that shows itself only now is set aside as at the start."""
        for attempt in (1, 2, 3):
            if self._db is None:
                return None
            try:
                return act(self._db)
            except (sqlite3.Error, ValueError) as error:
                if attempt == 3 or not self._is_damage(error):
                    self._give_up(error)
                    return None
                self._begin_anew(error, attempt == 2)
        return None

    def _begin_anew(self, error: Exception, surely: bool) -> None:
        """Open the file again: another process may have set it aside already. ``surely``: that has not helped."""
        self.close()
        try:
            with self.lock():
                self._db = self._quarantine(error) if surely else self._open()
        except (OSError, sqlite3.Error, ValueError) as again:
            self._give_up(again)

    def _give_up(self, error: Exception) -> None:
        self.close()
        self._fault = f"{self.path}: {said(error)}"
        self._say(f"answers are kept in memory only: {self._fault}")

    def _say(self, text: str) -> None:
        """One line for the user, or a warning that stays one under ``-W error``: the store costs time, never a verdict."""
        if self._note is not None:
            self._note(text)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("always", StoreWarning)
            warnings.warn(StoreWarning(door.line(text)), stacklevel=4)


@contextmanager
def opened_to_read(folder: Path, timeout: float = 60.0) -> Iterator[sqlite3.Connection]:
    """Open the store of a folder, which somebody else may have made, to read it; ``timeout``: seconds that a lock is waited for.

    Raises:
        sqlite3.Error: it cannot be opened, is damaged, or is no store of this version.
    """
    try:
        check_files(folder)
    except OSError as error:
        raise sqlite3.DatabaseError(str(error)) from None
    with closing(sqlite3.connect(f"{(folder / FILE).resolve().as_uri()}?mode=ro", uri=True, timeout=timeout)) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # of a flipped bit; such a text fits no checksum
        check_sound(db)
        yield db


def check_files(folder: Path) -> None:
    """Refuse a store of which SQLite would open something else than a regular file: it waits for a pipe without end, and what a
    link leads to is somebody's own.

    Raises:
        OSError: it names the file.
    """
    for name in OPENED:
        path = folder / name
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError(f"{name} is a link, or no regular file")


def check_sound(db: sqlite3.Connection, make: str = "") -> None:
    """Refuse a damaged file, and one with other tables than those of this version: a view may give rows without end.

    ``make``: statements that make missing tables, run once the file is known to be whole.

    Raises:
        sqlite3.Error: it says what is wrong.
    """
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
    # the order of the keys, too: with one flipped bit in a key others are not found any more
    problem = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    db.executescript(make)
    if _tables(db) != _expected():
        raise sqlite3.DatabaseError("its tables are not those of this version")


def _fetched(db: sqlite3.Connection, query: str, values: Sequence[str] = ()) -> list[Any]:
    """Return all rows. A text with a flipped bit may be no UTF-8; it fits no checksum. To decode texts here takes twice the time,
    so that is done only where SQLite cannot."""
    try:
        return db.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        return db.execute(query, values).fetchall()
    finally:
        db.text_factory = str


def _tables(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(_fetched(db, "SELECT type, name, tbl_name, sql FROM sqlite_master"))


@cache
def _expected() -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return _tables(db)


def _private_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("# raw model output: keep it local\nstore.*\nbatch.jsonl\n", encoding="utf-8")


def is_whole(key: object, answer: object, check: object) -> bool:
    """Return whether a row is as it was written: texts, with the checksum that fits them."""
    return isinstance(key, str) and isinstance(answer, str) and check == checksum(key, answer)


def checksum(key: str, answer: str) -> str:
    """Return what tells whether a row is whole."""
    return hashlib.sha256(f"{key}\n{answer}".encode()).hexdigest()[:16]
