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

import pytest

#: Plugins of others that import half a second to two seconds of modules in every process, for nothing that is tested here.
LEAN = ("-p", "no:hypothesispytest", "-p", "no:anyio")


#: Makes a process that has imported what every run imports, and forks for each.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["preloaded"])
#: What a Python process reads of its environment before the first line of a program.
_EARLY = {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LC_", "LANG"))}


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # of the forking process, which starts once
        forkserver.ensure_running()
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place, name) for name in ("out", "err")]
        process = _FORKS.Process(target=_pytest, args=(str(folder), dict(environment), list(arguments), streams))
        process.start()
        process.join(900)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), 900)
        texts = [stream.read_text("utf-8", "replace") for stream in streams]
    return subprocess.CompletedProcess(["pytest", *arguments], process.exitcode or 0, *texts)


def forks_for(environment: Mapping[str, str]) -> bool:
    """Return whether a forked process is as one that was started with this environment."""
    early = {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    return early == _EARLY and sys.platform == "linux"


def _pytest(folder: str, environment: dict[str, str], arguments: list[str], streams: list[Path]) -> None:
    """Become ``python -m pytest`` in a folder."""
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    here = str(Path(__file__).parent)
    sys.path[:] = [folder, *(place for place in sys.path if place not in ("", here, str(Path(here).parent)))]
    for module in [module for name, module in sys.modules.items() if "." not in name]:
        module.__doc__ = "PYTEST_DONT_REWRITE"  # or pytest warns of each plugin that is imported already
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
