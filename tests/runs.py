"""pytest in a process of its own, and the audit that it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Plugins of others that import half a second to two seconds of modules in every process, for nothing that is tested here.
LEAN = ("-p", "no:hypothesispytest", "-p", "no:anyio")


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, without what this run put into the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", *LEAN, *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False)


def lacking(gate: Mapping[str, Any]) -> bool:
    """Whether a gate wants a file, a data set or an extra that is not here."""
    return gate["status"] == "NOT TESTED" and gate["missing"] is not None and gate["missing"]["kind"] != "answer"


def audit(folder: Path) -> dict[str, Any]:
    """The audit that a run left in a folder."""
    data: dict[str, Any] = json.loads((folder / "slmtrust-report" / "audit.json").read_text())
    return data
