"""The store under load: many writers, many answers, and file systems that it must not be on."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from store import backend, fill, second_run

from pytest_slmtrust import BackendError
from pytest_slmtrust.cli import main
from pytest_slmtrust.engine.store import FILE, Store
from pytest_slmtrust.engine.store_place import kind_of, local

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home rw - nfs4 server:/export rw,vers=4.2
31 30 0:41 / /home/me/fast rw - xfs /dev/sdb rw
32 22 0:42 / /mnt/two\\040words rw - cifs //server/share rw
33 22 0:43 / /data rw - ext4 /dev/sdc rw
34 22 0:44 / /data rw - fuse.sshfs me@host: rw
35 22 0:45 / /srv rw - 9p drvfs rw
"""
WRITER = """
import sys
from pathlib import Path
from pytest_slmtrust.engine.store import Store
store = Store(Path(sys.argv[1]), "a")
for start in range(0, 600, 20):
    store.put((f"{sys.argv[2]}-{i}", f"answer {i}") for i in range(start, start + 20))
    store.put([("shared", "the same")])
store.close()
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/opt/x", "ext4"), ("/home/you/.slmtrust", "nfs4"), ("/home/me/fast/p", "xfs"), ("/home/me/faster", "nfs4"),
        ("/mnt/two words/p", "cifs"), ("/data/p", "fuse.sshfs"), ("/srv/p", "9p"),
    ],
)  # fmt: skip
def test_a_network_file_system_is_refused(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert kind_of(Path(folder), mounts) == kind
    if kind in ("nfs4", "cifs", "fuse.sshfs"):
        with pytest.raises(BackendError, match=rf"--slm-store {folder}: lies on a network file system \({kind}\)"):
            local(Path(folder), mounts)
    else:
        assert local(Path(folder), mounts) == Path(folder)


def test_any_place_will_do_where_mounts_are_not_listed(tmp_path: Path) -> None:
    assert local(tmp_path, tmp_path / "none") == tmp_path
    (tmp_path / "odd").write_bytes(b"\xff\xfe\nshort - \n 1 2 3 - nfs\n")
    assert local(tmp_path, tmp_path / "odd") == tmp_path


def test_a_merge_goes_to_no_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "one", "a").close()
    (tmp_path / "mountinfo").write_text("22 1 254:0 / / rw - beegfs x rw\n")
    monkeypatch.setattr("pytest_slmtrust.engine.store_place.local.__defaults__", (tmp_path / "mountinfo",))
    assert main(["merge", str(tmp_path / "one"), "--into", str(tmp_path / "all")]) == 2
    assert not (tmp_path / "all").exists()


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    code = textwrap.dedent(WRITER)
    writers = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(tmp_path), str(n)]) for n in range(4)]
    assert [writer.wait(120) for writer in writers] == [0] * 4
    keys = ["shared", *(f"{n}-{i}" for n in range(4) for i in range(600))]
    store = Store(tmp_path, "b")
    found = store.get(keys)
    store.close()
    assert set(found) == set(keys)
    assert found["3-599"] == "answer 599"


def test_a_second_run_looks_answers_up_and_keeps_memory_low(tmp_path: Path) -> None:
    """5,000 of the million that the benchmark has, with its own steps; the bounds are far above what it takes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    filled = fill(tmp_path / "s", 5_000)
    started = time.process_time()
    found = second_run(tmp_path / "s", 5_000)
    assert time.process_time() - started < 20
    assert filled["bytes"] < 5_000 * 700
    assert found["store"] <= found["lookup"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * 1024
    assert (tmp_path / "s" / FILE).exists()
    assert backend().calls == []
