"""Tasks of lm-evaluation-harness as probes."""

from __future__ import annotations

from ...authoring.declarations import ProbeError
from ...authoring.probe import Probe
from ..registry import OPTION, Choice


def probes_of(name: str, choice: Choice) -> list[Probe]:  # noqa: ARG001
    """Return the probes of a task, a group, a tag, or a task's file.

    Raises:
        ProbeError: always, for now.
    """
    raise ProbeError(f"{OPTION}: tasks of lm-evaluation-harness cannot be asked yet")
