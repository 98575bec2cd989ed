"""``slmtrust cache``: says what a store holds, and deletes that and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import Classify, Generate, Labels, Loglikelihood, Logprob
from pytest_slmtrust.engine.store import DAMAGED, FILE, LOCK, Store
from pytest_slmtrust.engine.store_admin import CacheError, clear, info, run
from pytest_slmtrust.requests import Completion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with three answers and a failure, closed."""
    asked: list[tuple[Any, Any]] = [
        (Generate("a"), Completion("x", 1)),
        (Loglikelihood("a", "b"), Logprob(-1.0, False, 1)),
        (Classify("a"), Labels({"toxicity": 0.1})),
    ]
    store = Store(tmp_path / "store", "one")
    store.put((request.key, request.encode(answer)) for request, answer in asked)
    store.put_failures([("k", "boom")])
    store.close()
    return tmp_path / "store"


def test_info_counts_answers_failures_and_bytes(folder: Path) -> None:
    (folder / DAMAGED).write_bytes(bytes(3000))
    text = "\n".join(run("info", folder))
    assert "answers: 3" in text
    assert "(1 completions, 1 log-likelihoods, 1 labels)" in text
    assert "failures: 1 of 1 runs" in text
    assert "set aside as damaged: store.damaged, 2.9 KiB" in text
    assert "by model: not recorded" in text


def test_info_does_not_wait_for_a_run(folder: Path) -> None:
    store = Store(folder, "two")
    with store.lock():
        assert "answers: 3" in "\n".join(info(folder))
    store.close()


def test_clear_deletes_the_stores_files_and_nothing_else(folder: Path) -> None:
    (folder / DAMAGED).write_bytes(b"x")
    (folder / "notes.txt").write_text("mine")
    (folder / "store.sqlite.backup").write_text("mine")
    text = "\n".join(run("clear", folder))
    assert "deleted store.sqlite" in text
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "notes.txt", "store.sqlite.backup", LOCK]
    fresh = Store(folder, "two")
    fresh.put([("k", "v")])
    assert fresh.get(["k"]) == {"k": "v"}
    fresh.close()


def test_clear_deletes_a_damaged_store(folder: Path) -> None:
    (folder / FILE).write_bytes(os.urandom(5000))
    with pytest.raises(CacheError, match="cannot be read"):
        info(folder)
    clear(folder)
    assert not (folder / FILE).exists()


HOLDS = """
    import sys
    from pathlib import Path
    from pytest_slmtrust.engine.store import Store
    store = Store(Path(sys.argv[1]), "other")
    if sys.argv[2] == "lock":
        store.lock().__enter__()
    else:
        store.get(["k"])
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["lock", "open"])
def test_clear_refuses_while_another_process_uses_it(how: str, folder: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLDS), str(folder), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        with pytest.raises(CacheError, match="in use by another process; nothing was deleted"):
            clear(folder)
        assert "answers: 3" in "\n".join(info(folder))
        other.stdin.close()
        other.wait()
    clear(folder)
    assert not (folder / FILE).exists()


def test_links_are_neither_followed_nor_deleted(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folder / DAMAGED).symlink_to(precious)
    assert "left alone: store.damaged is a link" in info(folder)
    assert "left alone: store.damaged is a link" in clear(folder)
    assert precious.read_text() == "mine"
    assert (folder / DAMAGED).is_symlink()
    link = tmp_path / "link"
    link.symlink_to(folder)
    for command in (info, clear):
        with pytest.raises(CacheError, match="is a link"):
            command(link)


def test_a_lock_that_is_a_link_is_not_opened(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folder / LOCK).unlink()
    (folder / LOCK).symlink_to(precious)
    with pytest.raises(CacheError, match="cannot be locked"):
        clear(folder)
    assert precious.read_text() == "mine"
    assert (folder / FILE).exists()


@pytest.mark.parametrize("what", ["nothing", "empty", "file", "folder named like it"])
def test_what_is_no_store_is_left_alone(what: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if what == "file":
        place.write_text("mine")
    elif what != "nothing":
        place.mkdir()
    if what == "folder named like it":
        (place / FILE).mkdir()
        (place / FILE / "mine").touch()
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    for command in (info, clear):
        with pytest.raises(CacheError, match=r"no such folder|holds no store"):
            command(place)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
