"""The index of the harness's tasks is kept from run to run, and made again when it does not hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lm_eval")

from pytest_slmtrust.catalog.harness.index import MEMORY, index_of, manager_of


def indexed(folder: Path) -> dict[str, tuple[str, str | None, set[str]]]:
    return {n: (e.kind.name, str(e.yaml_path) if e.yaml_path else None, e.tags) for n, e in index_of(folder).items()}


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the harness has it, and an empty cache."""
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "tasks"
    (made / "deep" / "er").mkdir(parents=True)
    (made / "deep" / "_base").write_text("tag: [old, shared]\noutput_type: multiple_choice\n", "utf-8")
    (made / "deep" / "one.yaml").write_text("include: _base\ntask: one\n", "utf-8")
    (made / "deep" / "er" / "two.yaml").write_text("task: two\ntag: shared\ndoc_to_text: !function x.y\n", "utf-8")
    (made / "all.yaml").write_text("group: all\ntask: [one, two]\n", "utf-8")
    (made / "own.yaml").write_text("task: own\nclass: !function x.Own\n", "utf-8")
    (made / "none.yaml").write_text("hello: [", "utf-8")
    (made / "deep" / "gone.yaml").symlink_to(made / "nowhere")
    return made


def test_the_index_of_tasks_is_read_once(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks._index import TaskIndex

    first = indexed(catalogue)
    assert {name: (kind, tags) for name, (kind, _, tags) in first.items()} == {
        "all": ("GROUP", set()), "one": ("TASK", {"old", "shared"}), "two": ("TASK", {"shared"}), "own": ("PY_TASK", set()),
        "old": ("TAG", {"one"}), "shared": ("TAG", {"one", "two"}),
    }  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(TaskIndex, "build", lambda *given: pytest.fail("the files were read again") if given[-1] else {})
        assert indexed(catalogue) == first
        manager = manager_of(catalogue)
        assert (manager.all_tasks, manager.all_subtasks) == (sorted(first), ["one", "own", "two"])
    (catalogue / "deep" / "_base").write_text("tag: [new]\noutput_type: multiple_choice\n", "utf-8")  # what a task includes
    assert indexed(catalogue)["one"][2] == {"new"}
    (catalogue / "three.yaml").write_text("task: three\n", "utf-8")
    assert "three" in indexed(catalogue)
    (catalogue / "three.yaml").unlink()
    assert "three" not in indexed(catalogue)


@pytest.mark.parametrize("spoil", [
    lambda memory: memory.write_text(memory.read_text().replace("deep/one.yaml", "../../evil.yaml")),
    lambda memory: memory.write_text(memory.read_text().replace('"TAG"', '"CODE"')),
    lambda memory: memory.write_text(memory.read_text()[:-2]),
    lambda memory: memory.write_text("[" * 10**5),
    lambda memory: memory.write_bytes(b"\xff" * 2**20),
    lambda memory: (memory.unlink(), os.mkfifo(memory)),
    lambda memory: (memory.unlink(), memory.mkdir()),
])  # fmt: skip
def test_an_index_that_was_changed_is_made_again(catalogue: Path, tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    first = indexed(catalogue)
    spoil(tmp_path / "cache" / MEMORY)
    assert indexed(catalogue) == first


def test_an_index_needs_no_cache(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "file" / "cache"))
    assert set(indexed(catalogue)) == {"all", "one", "two", "own", "old", "shared"}
