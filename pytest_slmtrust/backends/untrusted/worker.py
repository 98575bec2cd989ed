"""What the child does: read a model's files under limits and say in one line what is wrong with them.

It answers twice: at once about everything but the tokenizer, and about the tokenizer when it has tried it. A trial that went well
in an earlier run is not repeated. Imports no torch and no transformers.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from ..transformers.files import PICKLES, ModelError
from ..transformers.ggufarchitectures import check_convertible
from ..transformers.ggufheader import check_header
from ..transformers.lint import check_architecture, lint_files, lint_weights
from ..transformers.weights import weight_files
from .child import MEMORY, limit, limit_time
from .tokenizer import trial_digest, trial_files, try_tokenizer

#: Seconds of processor time: for configs and headers; for a tokenizer, and for each MB of its files.
SECONDS, TRIAL_SECONDS, SECONDS_PER_MB = 6, 4, 0.05
#: Bytes of a checkpoint's pickled part, which names tensors but holds none.
PICKLED = 64 * 2**20


def serve() -> None:
    """Answer the questions of :mod:`.verdict` on standard input and output."""
    question = json.loads(sys.stdin.readline())
    path, kind = Path(question["path"]), question["kind"]
    folder = path.is_dir()
    limit()
    limit_time(SECONDS)
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    first = _guarded(path, lambda: _first(path, kind, question["allow_pickle"]))
    files = [] if first or not folder else trial_files(path)
    digest = _digest(files) if question["tried"] else ""
    names = [] if digest in question["tried"] else [file.name for file in files]
    _answer(answers, {"error": first, "tokenizer": names})
    if first:
        return
    if names:
        size = sum((path / name).stat().st_size for name in names)
        limit_time(TRIAL_SECONDS + SECONDS_PER_MB * size / 2**20)
    second = _guarded(path, lambda: try_tokenizer(path)) if names else ""
    found = {"error": second, "digest": "" if second or not names else digest or _digest(files)}
    _answer(answers, found)
    sys.stdin.readline()  # the parent asks for what it can read by now


def _digest(files: Sequence[Path]) -> str:
    """Return the identity of a trial; empty if the files cannot be read, which the trial itself reports."""
    try:
        return trial_digest(files) if files else ""
    except (ModelError, OSError, MemoryError):
        return ""


def _answer(stream: TextIO, answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


def _guarded(path: Path, step: Callable[[], Any]) -> str:
    """Return the fault that a step finds, in one line; empty without one."""
    try:
        step()
    except ModelError as error:
        return str(error)
    except MemoryError:
        return f"{path}: its files need more than {MEMORY // 2**20} MiB to be read"
    except RecursionError:
        return f"{path}: a file is nested too deep"
    except Exception as error:
        return f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:160] or 'no message'})"
    return ""


def _first(path: Path, kind: str, allow_pickle: bool) -> None:
    if kind in ("gguf", "convertible"):
        header = check_header(path)
        if kind == "convertible":
            check_convertible(path, header.architecture)
        return
    if kind == "checkpoint":
        check_checkpoint(path)
        return
    config = lint_files(path)
    if kind == "model":
        check_architecture(config, path / "config.json")
    if kind != "base":
        lint_weights(path, config, allow_pickle)
        for file in weight_files(path, allow_pickle):
            if file.suffix in PICKLES:
                check_checkpoint(file)


def check_checkpoint(path: Path) -> None:
    """Refuse a checkpoint of torch whose archive unpacks to more than it holds, or whose pickled part is large.

    Raises:
        ModelError: it names the file.
    """
    if not zipfile.is_zipfile(path):
        return  # the older form has no archive, and its tensors lie in the file as they are
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > path.stat().st_size:
                raise ModelError(
                    f"{path}: {member.filename[:60]!r} is compressed; a checkpoint of torch stores its parts as they are"
                )
            if member.filename.endswith(".pkl") and member.file_size > PICKLED:
                raise ModelError(f"{path}: {member.filename[:60]!r} has {member.file_size} bytes; at most {PICKLED} are taken")
