"""Stores that somebody else made: read, merged or refused in one line, and nothing of the user's own is lost or changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_shards import held, stores

from pytest_slmtrust.archive.stored import look_up
from pytest_slmtrust.audit.model import Audit, AuditError, Status
from pytest_slmtrust.cli import main
from pytest_slmtrust.engine.sealing import seal
from pytest_slmtrust.engine.store import FILE, Store, StoreWarning, checksum
from pytest_slmtrust.engine.store_admin import CacheError, clear, info
from pytest_slmtrust.engine.store_merge import MergeError, merge

LOOSE = "CREATE TABLE answers (key, answer, checksum)"
ENDLESS = """CREATE VIEW answers AS WITH RECURSIVE more(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM more)
    SELECT x AS key, 'a' AS answer, 'b' AS checksum FROM more"""
HUGE = "CREATE TABLE answers (key, checksum, answer TEXT GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL)"


def made(folder: Path, *statements: str, rows: Any = ()) -> Path:
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / FILE)) as db:
        for statement in statements:
            db.execute(statement)
        for one in rows:
            db.execute("INSERT INTO answers VALUES (?, ?, ?)", one)
        db.commit()
    return folder


def row(key: Any, answer: Any) -> tuple[Any, Any, str]:
    return key, answer, checksum(key, answer)


#: Files with other tables than a store's.
FOREIGN: dict[str, Callable[[Path], Path]] = {
    "a row without an answer": lambda f: made(f, LOOSE, rows=[row("n", None)]),
    "bytes and numbers": lambda f: made(f, LOOSE, rows=[row("n", b'"a"'), row("m", 5), row(7, '"a"')]),
    "one key, two answers": lambda f: made(f, LOOSE, rows=[row("n", '"a"'), row("n", '"b"')]),
    "rows without end": lambda f: made(f, ENDLESS),
    "a column that is worked out": lambda f: made(f, HUGE, "INSERT INTO answers (key, checksum) VALUES ('n', 'x')"),
    "a column too few": lambda f: made(f, "CREATE TABLE answers (key, answer)"),
    "a trigger": lambda f: made(
        f, LOOSE, "CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM answers; END", rows=[row("n", '"a"')]),
    "no table": lambda f: made(f, "CREATE TABLE other (x)"),
    "nothing": lambda f: (f.mkdir(), (f / FILE).touch(), f)[2],
    "another kind of file": lambda f: (f.mkdir(), (f / FILE).write_bytes(b"PK\x03\x04" + bytes(5000)), f)[2],
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(FOREIGN))
def test_a_file_with_other_tables_is_not_merged_and_harms_nothing(what: str, tmp_path: Path) -> None:
    stores(tmp_path, mine={"k": '"own"'}, other={"l": '"m"'})
    source = FOREIGN[what](tmp_path / "source")
    for keep_first in (False, True):
        with pytest.raises(MergeError, match="cannot be read as a store") as caught:
            merge([tmp_path / "other", source], tmp_path / "mine", keep_first)
        assert "\n" not in str(caught.value)
    assert held(tmp_path / "mine", "k", "l", "n") == {"k": '"own"'}
    assert not (tmp_path / "mine" / "store.damaged").exists()
    with pytest.raises(CacheError, match="cannot be read"):
        info(source)
    with pytest.raises(AuditError, match="cannot be read"):
        look_up(Audit(Status.PASS, "", "ci", (), (), (), {}), source)


def test_a_row_that_is_no_text_is_no_answer(tmp_path: Path) -> None:
    stores(tmp_path, one={"k": '"a"', "l": '"b"'})
    with closing(sqlite3.connect(tmp_path / "one" / FILE)) as db:
        blob = b'"c"'
        db.execute("UPDATE answers SET answer = ?, checksum = ? WHERE key = 'k'", (blob, checksum("k", blob)))  # type: ignore[arg-type]
        db.commit()
    assert held(tmp_path / "one", "k", "l") == {"l": '"b"'}
    assert merge([tmp_path / "one"], tmp_path / "all")[-1] == "1 damaged rows were left out: they are asked again"
    assert held(tmp_path / "all", "k", "l") == {"l": '"b"'}


def test_an_answer_without_end_takes_no_memory(tmp_path: Path) -> None:
    stores(tmp_path, one={"k": '"a"', "l": '"b"'})
    with closing(sqlite3.connect(tmp_path / "one" / FILE)) as db:
        db.execute("UPDATE answers SET answer = CAST(zeroblob(100000000) AS TEXT) WHERE key = 'k'")
        db.commit()
    with pytest.raises(MergeError, match="too big"):
        merge([tmp_path / "one"], tmp_path / "all")
    with pytest.warns(StoreWarning, match="in memory only.*too big"):
        assert held(tmp_path / "one", "k") == {}
    assert not (tmp_path / "one" / "store.damaged").exists()


#: What SQLite would open, made into something that it must not.
PLACES = [FILE, f"{FILE}-journal", f"{FILE}-wal", f"{FILE}-shm"]
KINDS: dict[str, Callable[[Path, Path], object]] = {
    "a pipe": lambda path, other: os.mkfifo(path),
    "a link to a file": lambda path, other: path.symlink_to(other),
    "a link to a device": lambda path, other: path.symlink_to("/dev/null"),
    "a folder": lambda path, other: path.mkdir(),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_pipe_is_waited_for_and_no_link_followed(
    kind: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("SLMTRUST_CACHE_KEY", "x" * 20)
    stores(tmp_path, one={"k": '"a"'})
    mine = tmp_path / "mine.txt"
    mine.write_text("")
    mine.chmod(0o644)
    (tmp_path / "one" / place).unlink(missing_ok=True)
    KINDS[kind](tmp_path / "one" / place, mine)
    with pytest.warns(StoreWarning, match=f"in memory only.*{place} is a link, or no regular file"):
        store = Store(tmp_path / "one", "a")
    store.put([("m", '"n"')])
    assert store.get(["k", "m"]) == {"m": '"n"'}
    store.close()
    assert (mine.read_text(), mine.stat().st_mode & 0o777) == ("", 0o644)
    with pytest.raises(CacheError):
        merge([tmp_path / "one"], tmp_path / "all")
    with pytest.raises(CacheError):
        seal(tmp_path / "one", tmp_path / "sealed")
    with pytest.raises(AuditError):
        look_up(Audit(Status.PASS, "", "ci", (), (), (), {}), tmp_path / "one")
    if place != FILE:
        with pytest.raises(CacheError, match="cannot be read"):
            info(tmp_path / "one")
        clear(tmp_path / "one")
        assert not (tmp_path / "one" / FILE).exists()
        assert os.path.lexists(tmp_path / "one" / place)


def test_answers_that_cannot_be_written_are_not_said_to_be_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores(tmp_path, one={"k": '"a"'})
    (tmp_path / "file").touch()
    assert main(["merge", str(tmp_path / "one"), "--into", str(tmp_path / "file")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_a_disk_that_becomes_full_ends_a_merge_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores(tmp_path, one={str(i): '"' + "a" * 2000 + '"' for i in range(500)}, all={"mine": '"m"'})
    kept = Store._connect

    def small(store: Store) -> sqlite3.Connection:
        db = kept(store)
        db.execute("PRAGMA max_page_count = 40")
        return db

    monkeypatch.setattr(Store, "_connect", small)
    with pytest.raises(OSError, match="full"):
        merge([tmp_path / "one"], tmp_path / "all")
    monkeypatch.undo()
    assert held(tmp_path / "all", "mine") == {"mine": '"m"'}


def test_two_merges_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    stores(tmp_path, **{f"s{n}": {f"{n}-{i}": '"a"' for i in range(300)} for n in range(2)})
    code = "import sys; from pathlib import Path; from pytest_slmtrust.engine.store_merge import merge; "
    code += "merge([Path(sys.argv[1])], Path(sys.argv[2]))"
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / f"s{n}"), str(tmp_path / "all")]) for n in range(2)]
    assert [one.wait() for one in running] == [0, 0]
    wanted = [f"{n}-{i}" for n in range(2) for i in range(300)]
    assert len(held(tmp_path / "all", *wanted)) == 600
