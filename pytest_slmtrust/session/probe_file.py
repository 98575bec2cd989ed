"""A file of probes, imported without pytest: what it holds, or one line that says why it cannot be used."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..authoring.mistakes import explained
from ..authoring.probe import Probe, packed
from ..door import error as said

#: Where a mark of pytest belongs.
_MARKS = ", or rather its mark into the rows: pytest.param(..., marks=...)"
#: What is said of a file without a probe.
NO_PROBE = " it holds no probe; expected a function with @probe(dimension=..., rows=...)"


class NoProbeFile(ValueError):
    """A file that holds no probe, or cannot be imported; one line with its place."""


@dataclass(frozen=True, slots=True)
class ProbeSource:
    """The probes of one file in the order of their lines. ``path`` is as the user named it."""

    path: Path
    probes: tuple[Probe, ...]


def read_probes(path: Path) -> ProbeSource:
    """Import a file and return its probes. Those of a module that pytest does not collect belong to a pack.

    Raises:
        NoProbeFile: there is no such file, it breaks, or it holds no probe.
    """
    if path.suffix != ".py" or not path.is_file():
        raise NoProbeFile(f"{path}: {'no such file' if not path.exists() else 'not a Python file'}; expected a probe_*.py")
    try:
        module = _imported(path.resolve())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, or pytest's skip: the file has no probe that could be asked
        line = line_of(error, path)
        raise NoProbeFile(f"{path}:{above_probe(path, line) or f'{line}: {said(explained(error))}'}") from None
    found = {id(one): one for one in vars(module).values() if isinstance(one, Probe) and _is_home(module, one)}
    wrong = lost_probe(path, vars(module)) or ("" if found else NO_PROBE)
    if wrong:
        raise NoProbeFile(f"{path}:{wrong}")
    probes = sorted(found.values(), key=lambda one: probe_line(one, path))
    return ProbeSource(path, tuple(probes if path.name.startswith("probe_") else packed(probes)))


def lost_probe(path: Path, names: Mapping[str, Any]) -> str:
    """Name a probe of a file that is lost without a word: replaced by a later one, or given to a decorator that keeps none."""
    return named_twice(path) or above_probe(path, known={name for name, one in names.items() if isinstance(one, Probe)})


def named_twice(path: Path) -> str:
    """Name the probe of a file that a later function of the same name replaces; empty if there is none. Python drops the first
    one without a word, and with it a claim."""
    lines: dict[str, int] = {}
    for node in _body(path):
        if isinstance(node, ast.FunctionDef) and any(map(_is_decorator, node.decorator_list)):
            if node.name in lines:
                return f"{node.lineno}: the probe {node.name!r} of line {lines[node.name]} is replaced by this one: rename one"
            lines[node.name] = node.lineno
    return ""


def above_probe(path: Path, line: int = 0, known: Container[str] = ()) -> str:
    """Name the decorator above an ``@probe``, which is given a probe in place of a function; empty if there is none.

    ``line``: only at the function whose decorators or head are at this line. ``known``: names of probes that are none the worse.
    """
    for node in _body(path):
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) and node.name not in known else []
        if not any(map(_is_decorator, decorators[1:])) or _is_decorator(decorators[0]):
            continue
        first = decorators[0]
        if not line or first.lineno <= line <= node.lineno:
            name = ast.unparse(first.func if isinstance(first, ast.Call) else first)
            return f"{first.lineno}: put @probe above @{name}" + (_MARKS if ".mark." in name else "")
    return ""


def _body(path: Path) -> list[ast.stmt]:
    """Return the statements of a file; none of one that cannot be read."""
    try:
        return ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _is_decorator(node: ast.expr) -> bool:
    made = node.func if isinstance(node, ast.Call) else node
    return "probe" in (getattr(made, "id", ""), getattr(made, "attr", ""))


def probe_line(probe: Probe, path: Path) -> int:
    """Return the line of a file at which a probe begins: that of its function, or of the statement that makes it by a call such
    as ``label_probe``; 1 where there is neither."""
    code = getattr(inspect.unwrap(probe.run), "__code__", None)
    if code and Path(code.co_filename).name == path.name:
        return int(code.co_firstlineno)
    return next((node.lineno for node in _body(path) if isinstance(node, ast.Assign) and _names(node, probe.name)), 1)


def _names(node: ast.Assign, name: str) -> bool:
    """Return whether an assignment is to this name, or has it as a text in its value."""
    targets = any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    return targets or any(isinstance(one, ast.Constant) and one.value == name for one in ast.walk(node.value))


def line_of(error: BaseException, path: Path, otherwise: int = 1) -> int:
    """Return the last line of a file that an error went through; ``otherwise`` where it went through none."""
    if isinstance(error, SyntaxError) and error.lineno and Path(error.filename or "").name == path.name:
        return error.lineno
    same = [one.lineno for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).name == path.name]
    return next((line for line in reversed(same) if line), otherwise)


def _is_home(module: ModuleType, probe: Probe) -> bool:
    """Return whether a probe is this module's, and not imported from another file of probes."""
    home = sys.modules.get(probe.run.__module__)
    return home in (None, module) or not Path(getattr(home, "__file__", None) or "").name.startswith("probe_")


def _imported(path: Path) -> ModuleType:
    """Import as pytest does: a file in a package by its dotted name, any other with its folder on the path."""
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    with _first_on_path(root):
        if len(names) > 1:
            return importlib.import_module(".".join(names))
        spec = importlib.util.spec_from_file_location(path.stem, path, loader=_Fresh(path.stem, str(path)))
        if spec is None or spec.loader is None:
            raise ImportError("it cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # dataclasses and pickles of the file look for their home
        spec.loader.exec_module(module)
        return module


class _Fresh(SourceFileLoader):
    """Reads the file as it is now: stored bytecode counts as fresh if a change kept the size and the second."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
