"""pytest in a process of its own, and the audit that it left."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import forked_readers
import pytest

import pytest_slmtrust

#: Plugins of others that import half a second to two seconds of modules in every process, for nothing that is tested here.
LEAN = ("-p", "no:hypothesispytest", "-p", "no:anyio")


#: Makes a process that has imported what every run imports, and forks for each.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["preloaded"])
#: Another one has imported torch and transformers, too, which takes longer than to audit a tiny model.
_WITH_TORCH = forkserver.ForkServer()
_WITH_TORCH.set_forkserver_preload(["preloaded_torch"])
#: What a Python process, and these libraries, read of the environment as they start.
_READ_EARLY = ("PYTHON", "LC_", "LANG", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TORCH_", "OMP_", "MKL_")


#: What lm_eval sets as it is imported, for faster downloads, and what a forked run is given.
_NEVER_MIND = {"HF_XET_HIGH_PERFORMANCE", "HF_HUB_ENABLE_HF_TRANSFER", "PYTHONPATH"}


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_EARLY) and name not in _NEVER_MIND}


_EARLY = _early(os.environ)


def run(folder: Path, *options: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, without what this run put into the environment.

    ``fresh`` starts a new Python for it, which has imported nothing.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    arguments = ("-p", "no:randomly", *LEAN, *options)
    if not fresh and forks_for(environment):
        return forked(folder, environment, arguments)
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False)


def forked(folder: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process that another one forks, which has imported the package already."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        streams = [Path(place, name) for name in ("out", "err")]
        asked = (str(folder), dict(environment), list(arguments), streams, forked_readers.in_use())
        process = _FORKS.Process(target=_pytest, args=asked)
        # of the forking process, which starts once, in whatever folder a test works: the package that this process tests
        places = Path(__file__).parent, Path(pytest_slmtrust.__file__).parents[1]
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, places)))
        if _loads_files(folder, arguments):
            patch.setattr(forkserver, "connect_to_new_process", _WITH_TORCH.connect_to_new_process)
        process.start()
        patch.undo()
        process.join(900)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), 900)
        texts = [stream.read_text("utf-8", "replace") for stream in streams]
    return subprocess.CompletedProcess(["pytest", *arguments], process.exitcode or 0, *texts)


def _loads_files(folder: Path, arguments: Sequence[str]) -> bool:
    """Return whether a run asks a model of files by transformers."""
    specs = [word.partition("=")[2] for word in arguments if word.startswith("--slm=")]
    return any(spec == "smollm2-135m-instruct" or (folder / spec / "config.json").is_file() for spec in specs)


def forks_for(environment: Mapping[str, str]) -> bool:
    """Return whether a forked process is as one that was started with this environment."""
    return _early(environment) == _EARLY and sys.platform == "linux"


def _pytest(
    folder: str, environment: dict[str, str], arguments: list[str], streams: list[Path], source: forked_readers.Source | None
) -> None:
    """Become ``python -m pytest`` in a folder; ``source`` forks the processes that read a model's files."""
    import forked_workers  # it needs xdist, which the process that forks has imported

    if source is not None:
        forked_readers.use(source)
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.dont_write_bytecode = True  # a test may write a file twice within a second, with the same size
    here = str(Path(__file__).parent)
    added = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [folder, *added, *(place for place in sys.path if place not in ("", here, str(Path(here).parent)))]
    for module in [module for name, module in sys.modules.items() if "." not in name]:
        module.__doc__ = "PYTEST_DONT_REWRITE"  # or pytest warns of each plugin that is imported already
    forked_workers.fork(arguments)
    sys.argv = ["pytest", *arguments]
    try:
        code = int(pytest.console_main())
    finally:
        atexit._run_exitfuncs()
    sys.exit(code)


def lacking(gate: Mapping[str, Any]) -> bool:
    """Whether a gate wants a file, a data set or an extra that is not here."""
    return gate["status"] == "NOT TESTED" and gate["missing"] is not None and gate["missing"]["kind"] != "answer"


def audit(folder: Path) -> dict[str, Any]:
    """The audit that a run left in a folder."""
    data: dict[str, Any] = json.loads((folder / "slmtrust-report" / "audit.json").read_text())
    return data
