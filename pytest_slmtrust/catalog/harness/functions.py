"""Functions that a task's file names with ``!function``: one that cannot be imported costs its own task and no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...escaping import said


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands for a function in a task's settings, and says why it cannot be imported."""

    why: str


@contextmanager
def kept() -> Iterator[None]:
    """Inside, the harness reads a function that cannot be imported as a :class:`Broken` one."""
    from lm_eval.tasks import _yaml_loader as loader

    real = loader._import_func_in_yml

    def tried(name: str, folder: Path) -> Any:
        try:
            return real(name, folder)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # code of the task: it may end the process
            return Broken(f"!function {name} cannot be imported from {_place(name, folder)} ({said(error)})")

    loader._import_func_in_yml = tried
    try:
        yield
    finally:
        loader._import_func_in_yml = real


def _place(name: str, folder: Path) -> str:
    """Return the file of a function; its module where the folder of the task does not have that file."""
    module = name.rpartition(".")[0]
    file = f"{module.replace('.', '/')}.py"
    return file if (folder / file).is_file() else f"the module {module!r}"


def checking(factory: Any) -> Any:
    """Return the harness's class that builds tasks, made to refuse a task with a function that cannot be imported."""

    class Checking(factory):  # type: ignore[misc]
        def _load_full_config(self, entry: Any, overrides: Any = None) -> Any:
            made = super()._load_full_config(entry, overrides)
            if "group" not in made:  # of a group, each member is checked for itself
                _check(made)
            return made

        def _build_group_members(self, members: Any, group: str, overrides: Any, registry: Any) -> Any:
            for one in members:
                if isinstance(one, dict) and "group" not in one:
                    _check([overrides, one])
            return super()._build_group_members(members, group, overrides, registry)

    return Checking


def _check(settings: Any) -> None:
    """Refuse settings of a task with a function that cannot be imported.

    Raises:
        ImportError: it names the function and its file.
    """
    seen, waiting = set[int](), [settings]
    while waiting:  # aliases of YAML make a tree of billions of places from few lists: each is looked at once
        one = waiting.pop()
        if isinstance(one, Broken):
            raise ImportError(one.why)
        if isinstance(one, (Mapping, list)) and id(one) not in seen:
            seen.add(id(one))
            waiting += one.values() if isinstance(one, Mapping) else one
