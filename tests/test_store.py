"""The store: durable, private, and never wrong."""

from __future__ import annotations

import hmac
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.engine.store import FILE, Store, StoreWarning, digest_of, store_key


def test_what_is_put_is_there_for_another_process(tmp_path: Path) -> None:
    first = Store(tmp_path / "s", "a")
    first.put((f"k{i}", f"v{i}") for i in range(1200))
    first.close()
    assert Store(tmp_path / "s", "b").get([f"k{i}" for i in range(1201)]) == {f"k{i}": f"v{i}" for i in range(1200)}


def test_files_are_private(tmp_path: Path) -> None:
    Store(tmp_path / "s", "a").put([("k", "v")])
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "s" / FILE).stat().st_mode & 0o777 == 0o600


def test_failures_belong_to_one_session(tmp_path: Path) -> None:
    one = Store(tmp_path, "one")
    one.put_failures([("k", "boom")])
    assert Store(tmp_path, "one").failures(["k", "other"]) == {"k": "boom"}
    assert Store(tmp_path, "two").failures(["k"]) == {}


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    store = Store(tmp_path, "a")
    store.put((f"k{i}", "v" * 500) for i in range(200))
    store.close()
    raw = bytearray((tmp_path / FILE).read_bytes())
    raw[0:200] = os.urandom(200)
    (tmp_path / FILE).write_bytes(raw)
    for left in tmp_path.glob("*-*"):
        left.unlink()
    with pytest.warns(StoreWarning, match="damaged"):
        fresh = Store(tmp_path, "b")
    assert fresh.get(["k1"]) == {}
    fresh.put([("k1", "new")])
    assert fresh.get(["k1"]) == {"k1": "new"}
    assert (tmp_path / "store.damaged").exists()


def test_a_truncated_file_is_moved_aside(tmp_path: Path) -> None:
    store = Store(tmp_path, "a")
    store.put((f"k{i}", "v" * 500) for i in range(500))
    store.close()
    raw = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(raw[: len(raw) // 2])
    with pytest.warns(StoreWarning):
        fresh = Store(tmp_path, "b")
    fresh.put([("k", "v")])
    assert fresh.get(["k"]) == {"k": "v"}


def test_an_answer_that_was_changed_is_no_answer(tmp_path: Path) -> None:
    store = Store(tmp_path, "a")
    store.put([("k", "true"), ("l", "true")])
    store.close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE answers SET answer = 'false' WHERE key = 'k'")
    db.close()
    assert Store(tmp_path, "b").get(["k", "l"]) == {"l": "true"}


def test_a_folder_that_cannot_be_written_costs_the_store_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(StoreWarning, match="memory only"):
        store = Store(tmp_path / "file" / "s", "a")
    store.put([("k", "v")])
    store.put_failures([("f", "boom")])
    with store.lock():
        assert store.get(["k", "x"]) == {"k": "v"}
    assert store.failures(["f"]) == {"f": "boom"}


def test_answers_survive_a_kill(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from pytest_slmtrust.engine.store import Store
        store = Store(Path(sys.argv[1]), "a")
        for i in range(50):
            store.put([(f"k{i}", "v")])
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(Store(tmp_path, "b").get([f"k{i}" for i in range(50)])) == 50


def test_the_key_holds_backend_and_question() -> None:
    keys = {store_key("a", "b"), store_key("b", "a"), store_key("a", "c"), store_key("ab", "")}
    assert len(keys) == 4


# ------------------------------------------------------------------ flipped bits


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a store of 200 answers and some failures."""
    folder = tmp_path_factory.mktemp("whole")
    store = Store(folder, "a")
    store.put((f"k{i}", json.dumps({"text": f"answer {i} é" * (i % 7 + 1)})) for i in range(200))
    store.put_failures((f"f{i}", "boom") for i in range(20))
    store.close()
    return (folder / FILE).read_bytes()


def _right(i: int) -> str:
    return json.dumps({"text": f"answer {i} é" * (i % 7 + 1)})


def check_damaged(folder: Path, raw: bytes) -> list[str]:
    """Use a store whose file holds ``raw``: no answer is wrong, new ones are kept, and the next process finds a whole file."""
    folder.mkdir()
    (folder / FILE).write_bytes(raw)
    said: list[str] = []
    store = Store(folder, "b", said.append)
    found = store.get([f"k{i}" for i in range(200)])
    assert all(found[f"k{i}"] == _right(i) for i in range(200) if f"k{i}" in found)
    store.forget_failures()
    assert store.failures(["f1"]) == {}
    store.put([(f"k{i}", _right(i)) for i in range(200)])
    store.put_failures([("f", "boom")])
    assert len(store.get([f"k{i}" for i in range(200)])) == 200
    store.close()
    last: list[str] = []
    again = Store(folder, "c", last.append)
    assert len(again.get([f"k{i}" for i in range(200)])) == 200
    again.close()
    assert last == []
    assert all("\n" not in line and line.isprintable() for line in said)
    assert [line for line in said if "memory only" in line] == []
    assert len(said) <= 1
    return said


def test_one_flipped_bit_costs_time_and_no_truth(tmp_path: Path, whole: bytes) -> None:
    source = random.Random(7)
    schema = whole.index(b"CREATE TABLE answers")
    places = [*range(0, 100, 2), *range(schema - 60, schema + 200, 4), *(source.randrange(len(whole)) for _ in range(40))]
    damaged = 0
    for number, place in enumerate(places):
        raw = bytearray(whole)
        raw[place] ^= 1 << source.randrange(8)
        damaged += bool(check_damaged(tmp_path / str(number), bytes(raw)))
    assert damaged > 30  # the schema's text and the header, among others


def test_a_cut_or_foreign_file_costs_time_and_no_truth(tmp_path: Path, whole: bytes) -> None:
    source = random.Random(8)
    cuts = [whole[:n] for n in (0, 1, 15, 16, 99, 100, 511, 4095, 4096, 4097, len(whole) - 1)]
    foreign = [b"\xff" * 5000, source.randbytes(9000), whole[:4096] + bytes(len(whole) - 4096), whole + b"more"]
    foreign.append(whole.replace(b"k150", b"{150", 1))  # out of order: keys beside it are not found
    for number, raw in enumerate([*cuts, *foreign]):
        check_damaged(tmp_path / str(number), raw)


class Broken(sqlite3.Connection):
    """A connection that meets a damaged page at its first use."""

    def execute(self, *_: Any) -> sqlite3.Cursor:
        raise sqlite3.DatabaseError("database disk image is malformed")


@pytest.mark.parametrize("damaged", [True, False])
def test_damage_that_shows_itself_late_is_set_aside(tmp_path: Path, whole: bytes, damaged: bool) -> None:
    (tmp_path / FILE).write_bytes(whole)
    said: list[str] = []
    store = Store(tmp_path, "b", said.append)
    store.close()
    (tmp_path / FILE).write_bytes(whole[:4096] + b"\x55" * (len(whole) - 4096) if damaged else whole)
    store._db = sqlite3.connect(":memory:", factory=Broken)
    assert len(store.get([f"k{i}" for i in range(200)])) == (0 if damaged else 200)  # another process may have mended it
    store.put([("new", "1")])
    store.close()
    assert Store(tmp_path, "c").get(["new"]) == {"new": "1"}
    assert len(said) == damaged


@pytest.mark.parametrize("salt", [b"", b"k", b"s" * 32, bytes(range(64)), b"long" * 20])
@pytest.mark.parametrize("text", ["", "a reply", "é中🙂\n" * 300, "\ud800 alone"])
def test_a_digest_is_the_hmac_that_any_library_gives(salt: bytes, text: str) -> None:
    assert digest_of(text, salt) == hmac.new(salt, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
