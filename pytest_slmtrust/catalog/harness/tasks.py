"""Task objects of lm-evaluation-harness, loaded by name or from a file. No network: what is not on this machine is refused."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

from ...arguments import unknown
from ...authoring.declarations import ProbeError
from ...escaping import said
from ..registry import OPTION
from .functions import checking, kept
from .includes import check_files
from .index import manager_of

#: Keys of ``generation_kwargs`` that a request of ours can say.
_SAYS = {
    "until", "do_sample", "temperature", "top_p", "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens",
}  # fmt: skip


def loaded(name: str, folder: Path, template: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tasks that a name, a pattern or the path of a file stands for, and why others of them cannot be asked.

    Raises:
        ProbeError: there is none; one line.
    """
    path = folder / name
    is_file = name.endswith((".yaml", ".yml"))
    if is_file:
        try:
            check_files(path)
        except ProbeError as error:
            raise ProbeError(f"{OPTION} {name}: {error}") from None
    with quietly(), kept():
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
                factory.refused[one] = _lacks(error)
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


@lru_cache(256)
def _compiled(environment: Environment, text: str) -> Template:
    return Environment.from_string(environment, text)


@contextmanager
def quietly() -> Iterator[None]:
    """Inside, the harness logs nothing below an error, loads from this machine alone, and draws as its own command does.

    It compiles each template once; by itself it does so for every document anew, which costs more than to judge the answers.
    """
    import datasets
    import numpy as np
    from huggingface_hub import constants
    from lm_eval import utils

    log, level = logging.getLogger("lm_eval"), logging.getLogger("lm_eval").level
    kept = [(place, "HF_HUB_OFFLINE", getattr(place, "HF_HUB_OFFLINE", None)) for place in (constants, datasets.config)]
    from_string = utils.env.from_string
    drawn, numbers, bars = random.getstate(), np.random.get_state(), datasets.are_progress_bars_disabled()
    log.setLevel(logging.ERROR)
    for place, attribute, _ in kept:
        setattr(place, attribute, True)
    utils.env.from_string = partial(_compiled, utils.env)
    datasets.disable_progress_bars()
    random.seed(0)  # its seeds, for tasks whose code draws
    np.random.seed(1234)
    try:
        yield
    finally:
        log.setLevel(level)
        for place, attribute, value in kept:
            setattr(place, attribute, value)
        utils.env.from_string = from_string
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

    class Lenient(checking(TaskFactory)):  # type: ignore[misc]
        refused: dict[str, str]

        def build(self, entry: Any, *, overrides: Any = None, registry: Any) -> Any:
            """Build an entry; of a group that is a file the harness has the list of tasks in place of the name."""
            name = entry.name if isinstance(entry.name, str) else self._name(entry, None, "group")
            return super().build(replace(entry, name=name), overrides=overrides, registry=registry)

        def _build_group_members(self, members: Any, group: str, overrides: Any, registry: Any) -> list[Any]:
            for one in members:
                _check_member(one, overrides or {}, registry)
            made = [child for one in members for child in self._member(one, group, overrides, registry)]
            _check_names(made)
            return made

        def _member(self, member: Any, group: str, overrides: Any, registry: Any) -> list[Any]:
            """Build one member; a task that is written into the group and cannot be loaded costs the others nothing."""
            build, name = super()._build_group_members, _written_in(member, registry)
            if not name:
                return build([member], group, overrides, registry)  # type: ignore[no-any-return]
            made = _tried(self.refused, lambda: f"{group}::{name}", lambda: build([member], group, overrides, registry))
            return made if isinstance(made, list) else [made]

        def _build_task(self, entry: Any, overrides: Any) -> Any:
            build = super()._build_task
            return _tried(self.refused, lambda: self._name(entry, overrides), lambda: build(entry, overrides))

        def _name(self, entry: Any, overrides: Any, key: str = "task") -> str:
            with suppress(Exception):
                return str(TaskFactory._load_full_config(self, entry, overrides)[key])
            return str(entry.name)

    if type(manager._factory).__name__ != "Lenient":
        manager._factory = Lenient(meta=manager.metadata)
    return manager._factory


def _tried(refused: dict[str, str], name: Callable[[], str], build: Callable[[], Any]) -> Any:
    """Return what ``build`` makes, or an :class:`Absent` task and why it is among the ``refused`` ones."""
    try:
        return build()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file that is no task, data that are not here, or code that it names
        own = name()
        refused[own] = _lacks(error)
        return Absent(own)


def _written_in(member: Any, known: Container[str]) -> str:
    """Return the name of a task that is written into its group; empty for a group or for a task that is known by name."""
    name = member.get("task") if isinstance(member, dict) and "group" not in member else None
    return name if isinstance(name, str) and name not in known else ""


def _check_names(made: Sequence[Any]) -> None:
    """Refuse a group with two tasks of one name: the harness would keep the last one.

    Raises:
        ValueError: it names the task.
    """
    names = [getattr(one, "task_name", None) or getattr(one, "name", "") for one in made]
    twice = next((name for name, times in Counter(map(str, names)).items() if times > 1), None)
    if twice is not None:
        raise ValueError(f"its group has two tasks of the name {twice!r}")


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


def _lacks(error: BaseException) -> str:
    """Say why a task cannot be loaded, and what to do where its data are elsewhere."""
    elsewhere = isinstance(error, (ConnectionError, FileNotFoundError))
    return said(error) + ("; put its data on this machine (the hub's cache, or local files)" if elsewhere else "")
