"""The store: durable, private, and never wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_slmtrust.engine.store import FILE, Store, StoreWarning, store_key


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
