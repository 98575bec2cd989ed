"""The architectures of GGUF files that the installed transformers converts, read from its source: importing it takes seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

from .files import ModelError

#: The module that has a table with a key for each architecture, and the one that takes some names for others.
_TABLE, _READER, _NAME = "integrations/ggml.py", "modeling_gguf_pytorch_utils.py", "GGUF_CONFIG_MAPPING"


def check_convertible(gguf_file: Path, architecture: str) -> None:
    """Refuse a file whose architecture transformers does not convert.

    Where its source is not as expected, nothing is refused here: it says so itself as it reads the file.

    Raises:
        ModelError: one line that names the architecture.
    """
    root = _root()
    known = set(_keys(root / _TABLE)) if root is not None else set()
    if root is None or not known or architecture in known or any(part in architecture for part in _parts(root / _READER)):
        return
    version = metadata.version("transformers")
    which = f"its architecture is {architecture[:40]!r}, which transformers {version} does not read from GGUF files"
    raise ModelError(
        f"{gguf_file}: cannot be converted: {which if architecture.strip() else 'its header names no architecture'}; "
        "give the model's own folder, or run the file with --slm-engine=llamacpp"
    )


def _root() -> Path | None:
    spec = util.find_spec("transformers")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


def _keys(module: Path) -> Iterator[str]:
    """Yield the keys of the table of architectures."""
    for node in ast.walk(_parsed(module)):
        names = [one.id for one in node.targets if isinstance(one, ast.Name)] if isinstance(node, ast.Assign) else []
        if _NAME in names and isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            yield from (key.value for key in node.value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _parts(module: Path) -> Iterator[str]:
    """Yield the texts for which a name is taken for another one: each ``"text" in architecture``."""
    for node in ast.walk(_parsed(module)):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In) and isinstance(node.left, ast.Constant):
            other = node.comparators[0]
            if isinstance(other, ast.Name) and other.id == "architecture" and isinstance(node.left.value, str):
                yield node.left.value


def _parsed(module: Path) -> ast.AST:
    try:
        return ast.parse(module.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])
