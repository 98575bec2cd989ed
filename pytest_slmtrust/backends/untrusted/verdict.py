"""Ask a child process whether a model's files may be read here, and see that they stay the ones that it read.

One child a model and run: it answers about configs, templates and weights at once, and tries the tokenizer while this process
goes on; :meth:`Inspection.finish` waits for that before the tokenizer is loaded.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...plainfile import PRIVATE, read_plain_text, write_whole
from ..transformers.files import PICKLES, CacheError, ModelError, cache_folder, locked, read_by_loaders
from .child import MEMORY, Child
from .panics import panics_are_errors

Kind = Literal["model", "classifier", "base", "gguf", "convertible", "checkpoint"]
#: Device, inode, size, and times of change of content and of status of one file.
Mark = tuple[int, int, int, int, int]

#: Seconds on the clock, for a machine that is busy; processor time is what bounds a child.
WAIT = 120.0
#: A file of the cache: digests of tokenizers, one a line, and how many are kept.
TRIED, KEPT = "tokenizers-tried.txt", 256
CODE = "from pytest_slmtrust.backends.untrusted.worker import serve; serve()"

_known: dict[tuple[str, str, bool], Inspection] = {}


@dataclass(slots=True)
class Inspection:
    """Files that a child found sound; ``tokenizer`` names those that it still tries until :meth:`finish`."""

    path: Path
    marks: dict[str, Mark]
    tokenizer: tuple[str, ...]
    child: Child

    def finish(self) -> None:
        """Wait for the trial of the tokenizer.

        Raises:
            ModelError: the trial failed, or a file is another than when the child began.
        """
        digest = ""
        if self.child.running:
            where = f"{self.path / self.tokenizer[0]}" if self.tokenizer else f"{self.path}"
            found = _ask(self.child, {}, where)
            self.child.close()
            if found["error"]:
                forget(self.path)
                raise ModelError(found["error"])
            digest = found.get("digest", "")
        self.check_unchanged()
        _remember(digest)

    def check_unchanged(self) -> None:
        """Raise ModelError if a file is another one than when the child began to read."""
        now = marks_of(self.path)
        if now != self.marks:
            forget(self.path)
            other = sorted(name for name in {*now, *self.marks} if now.get(name) != self.marks.get(name))
            raise ModelError(f"{self.path / other[0]}: changed while the model was being read; start again once it is at rest")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, the files may be loaded: the tokenizer's trial is over, and afterwards all files must still be the same.

        A panic of a Rust library becomes a ModelError.
        """
        self.finish()
        with panics_are_errors(str(self.path)):
            yield
        self.check_unchanged()


def inspect_files(path: Path, kind: Kind = "model", allow_pickle: bool = False) -> Inspection:
    """Have a child read a model folder, a GGUF file or a checkpoint; once for the same files in one run.

    ``kind``: a causal language model, a ``classifier``, a ``base`` of config and tokenizer without weights, a ``gguf`` file, one
    that is ``convertible`` by transformers, or a ``checkpoint`` of torch.

    Raises:
        ModelError: one line that names the file and the fault.
    """
    path = path.absolute()
    key = (str(path), kind, allow_pickle)
    marks = marks_of(path)
    if key in _known and _known[key].marks == marks:
        return _known[key]
    child = Child(CODE)
    found = _ask(child, {"path": str(path), "kind": kind, "allow_pickle": allow_pickle, "tried": _tried()}, str(path))
    if found["error"]:
        child.close()
        raise ModelError(found["error"])
    if not found["tokenizer"]:
        child.close()
    _known[key] = Inspection(path, marks, tuple(found["tokenizer"]), child)
    return _known[key]


def forget(path: Path) -> None:
    """Inspect these files anew when they are next asked for."""
    for key in [key for key in _known if key[0] == str(path)]:
        del _known[key]


def _memory() -> Path | None:
    """Return the file of remembered trials, as private as the models in the cache; None without a cache."""
    try:
        return cache_folder() / TRIED
    except CacheError:
        return None


def _tried() -> list[str]:
    """Digests of tokenizers whose trial went well in earlier runs."""
    memory = _memory()
    try:
        lines = read_plain_text(memory, 2**20).split() if memory is not None else []
    except (OSError, ValueError):
        return []  # a damaged memory costs one more trial
    return [line for line in lines if re.fullmatch("[0-9a-f]{64}", line)][-KEPT:]


def _remember(digest: Any) -> None:
    memory = _memory()
    if memory is None or not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        return
    with suppress(OSError), locked(memory):  # the cache may be full: what is not remembered is tried again
        write_whole(memory, "\n".join([*(one for one in _tried() if one != digest), digest]) + "\n", PRIVATE)


def marks_of(path: Path) -> dict[str, Mark]:
    """Return a mark of every file that a loader may read, by name; a write to it, or another file in its place, changes the mark.

    What is left: who may write to the folder can put one file back exactly as it was between two looks (the change time is
    the system's own), or write to a file through a memory map within one tick of its clock.
    """
    if not path.is_dir():
        return {"": _mark(path)}
    found = [*read_by_loaders(path), *(entry for entry in path.iterdir() if entry.suffix in PICKLES)]
    return {str(entry.relative_to(path)): _mark(entry) for entry in found}


def _mark(path: Path) -> Mark:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0, 0, 0)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _ask(child: Child, question: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the child's answer, or the reason why there is none."""
    try:
        found = child.ask(question, WAIT)
    except TimeoutError:
        raise ModelError(f"{where}: cannot be read in {WAIT:.0f} seconds; its files are damaged or hostile") from None
    except (OSError, EOFError, ValueError):
        late = child.status == -signal.SIGXCPU
        why = (
            "takes too much processor time"
            if late
            else f"needs more than {MEMORY // 2**20} MiB, or ends the process that reads it"
        )
        raise ModelError(f"{where}: reading it {why}; the file is damaged or hostile") from None
    return found if isinstance(found, dict) else {"error": f"{where}: cannot be read"}
