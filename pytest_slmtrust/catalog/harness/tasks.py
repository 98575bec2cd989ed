"""Task objects of lm-evaluation-harness, loaded by name or from a file. No network: what is not on this machine is refused."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from ...arguments import unknown
from ...authoring.declarations import ProbeError
from ...escaping import said
from ..registry import OPTION
from .index import manager_of

#: Keys of ``generation_kwargs`` that a request of ours can say.
_SAYS = {
    "until", "do_sample", "temperature", "top_p", "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens",
}  # fmt: skip


#: Bytes of a task's file.
_LARGEST = 2**20


def loaded(name: str, folder: Path, template: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tasks that a name, a pattern or the path of a file stands for, and why others of them cannot be asked.

    Raises:
        ProbeError: there is none; one line.
    """
    path = folder / name
    is_file = name.endswith((".yaml", ".yml"))
    if is_file and not path.is_file():
        raise ProbeError(f"{OPTION} {name}: no such file")
    if is_file and path.stat().st_size > _LARGEST:
        raise ProbeError(f"{OPTION} {name}: more than {_LARGEST} bytes; expected the file of a task")
    with quietly():
        manager = _manager(not is_file)
        names = [str(path)] if is_file else _matching(name, manager)
        factory = _factory(manager)
        factory.refused = {}
        found: dict[str, Any] = {}
        for one in names:
            try:
                found |= {own: task for own, task in manager.load(one)["tasks"].items() if not isinstance(task, Absent)}
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a file that is no task, or code that it names
                if is_file:
                    raise ProbeError(f"{OPTION} {name}: {said(error)}") from None
                factory.refused[one] = said(error)
    refused = dict(factory.refused)
    for own in list(found):
        why = _refusal(found[own], template)
        if why:
            refused[own] = why
            del found[own]
    return found, refused


class Absent:
    """A task that could not be loaded."""

    def __init__(self, name: str) -> None:
        self.task_name = name


@contextmanager
def quietly() -> Iterator[None]:
    """Inside, the harness logs nothing below an error, loads from this machine alone, and draws as its own command does."""
    import datasets
    import numpy as np
    from huggingface_hub import constants

    log, level = logging.getLogger("lm_eval"), logging.getLogger("lm_eval").level
    kept = [(place, "HF_HUB_OFFLINE", getattr(place, "HF_HUB_OFFLINE", None)) for place in (constants, datasets.config)]
    drawn, numbers, bars = random.getstate(), np.random.get_state(), datasets.are_progress_bars_disabled()
    log.setLevel(logging.ERROR)
    for place, attribute, _ in kept:
        setattr(place, attribute, True)
    datasets.disable_progress_bars()
    random.seed(0)  # its seeds, for tasks whose code draws
    np.random.seed(1234)
    try:
        yield
    finally:
        log.setLevel(level)
        for place, attribute, value in kept:
            setattr(place, attribute, value)
        if not bars:
            datasets.enable_progress_bars()
        random.setstate(drawn)
        np.random.set_state(numbers)


@cache
def _manager(defaults: bool) -> Any:
    """Return the index of all tasks: of the tool's own, or of none."""
    from lm_eval import tasks

    return manager_of(Path(tasks.__file__).parent) if defaults else tasks.TaskManager(include_defaults=False)


def _factory(manager: Any) -> Any:
    """Return what builds a manager's tasks, which keeps going where one of a group cannot be loaded."""
    from lm_eval.tasks._factory import TaskFactory

    class Lenient(TaskFactory):  # type: ignore[misc]
        refused: dict[str, str]

        def _build_group_members(self, members: Any, group: str, overrides: Any, registry: Any) -> list[Any]:
            for one in members:
                _check_member(one, overrides or {}, registry)
            made: list[Any] = super()._build_group_members(members, group, overrides, registry)
            names = [getattr(one, "task_name", None) or getattr(one, "name", "") for one in made]
            twice = next((name for name, times in Counter(map(str, names)).items() if times > 1), None)
            if twice is not None:  # the harness would keep the last one
                raise ValueError(f"its group has two tasks of the name {twice!r}")
            return made

        def _build_task(self, entry: Any, overrides: Any) -> Any:
            try:
                return super()._build_task(entry, overrides)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                name = str(entry.name)
                with suppress(Exception):
                    name = str(self._load_full_config(entry, overrides)["task"])
                self.refused[name] = said(error)
                return Absent(name)

    if type(manager._factory).__name__ != "Lenient":
        manager._factory = Lenient(meta=manager.metadata)
    return manager._factory


def _check_member(member: Any, overrides: Mapping[str, Any], known: Container[str]) -> None:
    """Refuse a name in a group that stands for nothing: the harness would take it for a task without data.

    Raises:
        ValueError: it names the member.
    """
    own = {**overrides, **member} if isinstance(member, dict) else {**overrides, "task": member}
    name = own.get("task")
    if isinstance(name, str) and name not in known and not {"group", "dataset_path", "custom_dataset"} & set(own):
        raise ValueError(
            f"its group names the task {name[:80]!r}, which it does not hold: write that task into the group, "
            f"or ask for it by name ({OPTION} lm_eval:NAME)"
        )


def _matching(name: str, manager: Any) -> list[str]:
    if any(sign in name for sign in "*?["):
        found = [one for one in manager.all_subtasks if fnmatchcase(one, name)]
        if not found:
            raise ProbeError(f"{OPTION} lm_eval:{name}: no task fits this pattern")
        return found
    if name not in manager.all_tasks:
        raise ProbeError(f"{OPTION} lm_eval: {unknown('task', name, manager.all_tasks)}")
    return [name]


def _refusal(task: Any, template: bool) -> str:
    """Say why a task cannot be asked, in a line; empty if it can."""
    config = task.config
    if getattr(task, "UNSAFE_CODE", False):
        return "it runs code that the model writes"
    if getattr(task, "MULTIMODAL", False):
        return "it has images or sound"
    if task.OUTPUT_TYPE not in ("multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until"):
        return f"its output type is {task.OUTPUT_TYPE}"
    if template and getattr(config, "gen_prefix", None):
        return "its replies have a given beginning, which the model's chat template cannot be given"
    given = getattr(config, "generation_kwargs", None) or {}
    sampled = bool(given.get("do_sample")) or (given.get("temperature") or 0) > 0
    strange = sorted(set(given) - _SAYS) if sampled else sorted({"num_beams", "repetition_penalty", "max_length"} & set(given))
    return f"its generation_kwargs have {', '.join(strange)}" if task.OUTPUT_TYPE == "generate_until" and strange else ""
