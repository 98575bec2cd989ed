"""Files of a project that a stranger may change: no pipe is waited for, no device read, and nothing is larger than its kind.

Files of ours: written whole or not at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.archive.files import DATA, read_audit, set_aside
from pytest_slmtrust.audit.model import AuditError
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.backends.endpoint.identity import Identity, remembered
from pytest_slmtrust.engine.sealing import seal, unseal
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.waivers import read_waivers
from pytest_slmtrust.outputs import OutputError
from pytest_slmtrust.plainfile import PRIVATE, SHARED, UnfitFile, read_plain, read_plain_text, write_whole
from pytest_slmtrust.session.corpus import Corpus, CorpusWarning


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 * 2**30)


#: Another thing in the place of a file: how it is made, and what is said of it.
KINDS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a pipe": (os.mkfifo, "a pipe"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "a terminal": (lambda path: path.symlink_to("/dev/ptmx"), "a device"),
    "a folder": (Path.mkdir, "a folder"),
    "2 GiB of zeros": (_sparse, "2147483648 bytes"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    make, says = KINDS[kind]
    make(tmp_path / "x")
    with pytest.raises(UnfitFile, match=says):
        read_plain(tmp_path / "x", 100)
    with pytest.raises(ProbeError, match=says) as caught:
        read_waivers(tmp_path / "x", date(2026, 1, 1))
    assert "\n" not in str(caught.value)
    with pytest.raises(AuditError, match=says):
        read_audit(tmp_path / "x")
    (tmp_path / "corpus" / "stays").mkdir(parents=True)
    make(tmp_path / "corpus" / "stays" / "a.json")
    with pytest.warns(CorpusWarning, match=says):
        assert Corpus(tmp_path / "corpus").read("stays") == {}


def test_a_file_of_the_largest_size_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("é" * 50)
    assert read_plain_text(tmp_path / "x", 100) == "é" * 50
    with pytest.raises(UnfitFile, match="at most 99"):
        read_plain(tmp_path / "x", 99)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "y", 99)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{b = " * 100_000, "[" * 100_000, '[a]\nb."c".' * 50_000])
def test_waivers_that_are_nested_without_end_are_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text(text)
    with pytest.raises(ProbeError, match="not a TOML file") as caught:
        read_waivers(tmp_path / "waivers.toml", date(2026, 1, 1))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("kind", ["a pipe", "an endless device"])
def test_a_report_that_is_no_file_is_replaced(kind: str, tmp_path: Path) -> None:
    KINDS[kind][0](tmp_path / DATA)
    set_aside(tmp_path)
    assert not (tmp_path / DATA).exists()


def test_two_gigabytes_of_zeros_are_no_report_and_stay(tmp_path: Path) -> None:
    _sparse(tmp_path / DATA)
    with pytest.raises(OutputError, match="is no report of pytest-slmtrust"):
        set_aside(tmp_path)
    assert (tmp_path / DATA).stat().st_size == 2 * 2**30


@pytest.mark.parametrize("mode", [SHARED, PRIVATE])
@pytest.mark.parametrize("content", ["naïve\r\n", b"\0\xff"])
def test_a_file_is_written_as_it_is_for_those_who_may_read_it(tmp_path: Path, mode: int, content: str | bytes) -> None:
    target, elsewhere = tmp_path / "new" / "folder" / "file", tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    write_whole(target, "first", SHARED)
    target.unlink()
    target.symlink_to(elsewhere)
    write_whole(target, content, mode)
    assert target.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert stat.S_IMODE(target.lstat().st_mode) == mode
    assert elsewhere.read_text() == "kept"


@pytest.mark.parametrize("broken", ["os.replace", "os.chmod"])
def test_a_fault_while_writing_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    target = tmp_path / "audit.json"
    write_whole(target, "old")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="no space"):
        write_whole(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


#: Every writer of ours that a full disk may stop, by the file that it writes.
WRITERS: dict[str, Callable[[Path], Any]] = {
    "who answered at an endpoint": lambda folder: remembered(folder / "endpoints.json", "http://a", Identity({}, ("",), ("",))),
    "a store that was opened": lambda folder: unseal(folder.parent / "sealed", folder),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_leaves_half_a_file_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE_KEY", "a passphrase of many letters")
    store = Store(tmp_path / "store", "run")
    store.put([("k" * 64, '{"text":"a reply"}')])
    store.close()
    seal(tmp_path / "store", tmp_path / "sealed")
    folder = tmp_path / "folder"
    folder.mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with suppress(OSError):
        WRITERS[writer](folder)
    assert list(folder.iterdir()) == []
