"""Tasks of lm-evaluation-harness as probes: its own code renders, filters, scores and sums up; our engine answers."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from functools import cache
from importlib import resources
from typing import Any

from ...audit.dimension import Dimension
from ...authoring.probe import Probe
from ..registry import Choice, untested
from .documents import Documents
from .probe import probe_of
from .tasks import loaded


def probes_of(name: str, choice: Choice) -> list[Probe]:
    """Return the probes of a task, a group, a tag, or a task's file; those that cannot be loaded are NOT TESTED by name.

    Raises:
        ProbeError: no such task; one line.
    """
    found, refused = loaded(name, choice.folder, choice.template)
    made = [_made(task, own, choice) for own, task in found.items()]
    made += [untested(probe_name(own), dimension_of(own, choice), _claim(own), why) for own, why in refused.items()]
    return sorted(made, key=lambda probe: probe.name)


def _made(task: Any, name: str, choice: Choice) -> Probe:
    dimension = dimension_of(name, choice)
    try:
        documents = Documents(name, task, choice.template)
        return probe_of(documents, probe_name(name), dimension, _claim(name))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the task's own code
        from ...escaping import said

        return untested(probe_name(name), dimension, _claim(name), said(error))


def probe_name(task: str) -> str:
    """Return a task's name in snake case."""
    made = re.sub(r"[^a-z0-9_]+", "_", task.lower()).strip("_")
    return made if made[:1].isalpha() else f"task_{made}"


def _claim(task: str) -> str:
    return f"The model does the task {task} of lm-evaluation-harness"


def dimension_of(task: str, choice: Choice) -> Dimension:
    """Return the dimension of a task: the user's, or that of ``dimensions.toml``."""
    if choice.dimension is not None:
        return choice.dimension
    return next((Dimension(d) for d, patterns in _map().items() if any(fnmatch(task, p) for p in patterns)), Dimension.CAPABILITY)


@cache
def _map() -> dict[str, list[str]]:
    return tomllib.loads(resources.files(__name__).joinpath("dimensions.toml").read_text(encoding="utf-8"))
