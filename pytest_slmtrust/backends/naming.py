"""Which model of files a spec names, by its form and by what is there."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from ..escaping import blank
from .transformers.adapter import read_adapter
from .transformers.embedded import ALIAS
from .transformers.files import ModelError, read_object
from .transformers.source import Source


class SpecError(ValueError):
    """A spec that names no usable model; one line that says what to do."""


def source_of(text: str) -> Source:
    """Return what kind of thing a spec names, by its form and by what is there."""
    if blank(text):
        raise SpecError(f"the model is empty; name one, for example {ALIAS!r}")
    if text.lower() == ALIAS:
        return Source("embedded", ALIAS)
    path = Path(text).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise SpecError(f"{text}: no such file")
        return Source("gguf", str(path.resolve()))
    if path.is_dir():
        return _folder(path)
    if path.exists():
        raise SpecError(f"{text}: a file, but not a .gguf one; give the folder that holds config.json")
    if text.startswith((".", "/", "~")) or text.count("/") > 1 or "\\" in text:
        raise SpecError(_missing(path, text))
    repo, _, revision = text.partition("@")
    near = get_close_matches(repo.rsplit("/", 1)[-1].lower(), [ALIAS], n=1, cutoff=0.72)
    if near and "/" not in repo:
        raise SpecError(f"Unknown model {text!r}. Did you mean {ALIAS!r}?")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo) or (("@" in text) and not revision):
        known = f"a folder, a .gguf file, owner/name[@revision], http://HOST/v1, module:factory or {ALIAS!r}"
        raise SpecError(f"Unknown model {text!r}. Give {known}.")
    return Source("hub", repo, revision or None)


def adapted_source(text: str) -> Source | None:
    """``BASE+ADAPTER``: a base, and the folder of an adapter after the last plus sign; None for any other text."""
    base, plus, adapter = text.rpartition("+")
    folder = Path(adapter).expanduser()
    if not plus or Path(text).expanduser().exists() or not (folder / "adapter_config.json").is_file():
        return None
    made = source_of(base.strip())
    if made.adapter or made.kind == "gguf":
        raise SpecError(f"{base[:80]}: an adapter needs a base in full: a model folder, a hub id, or {ALIAS!r}")
    return replace(made, adapter=str(_checked(folder).resolve()))


def _checked(folder: Path) -> Path:
    """Return the folder of an adapter that may be loaded."""
    missing = importlib.util.find_spec("peft") is None
    if missing:
        raise SpecError(f"{folder}: an adapter is merged with peft, which is not installed: install the extra [adapters]")
    try:
        return read_adapter(folder).folder
    except ModelError as error:
        raise SpecError(str(error)) from None


def _folder(path: Path) -> Source:
    if not os.path.lexists(path / "config.json"):
        if (path / "adapter_config.json").is_file():
            return _on_its_base(path)
        inside = sorted(path.glob("*.gguf"))
        if inside:
            raise SpecError(f"{path}: a folder of GGUF files; name one: {inside[0]}")
        raise SpecError(f"{path}: holds no config.json; expected a folder written by save_pretrained")
    return Source("folder", str(path.resolve()))


def _on_its_base(path: Path) -> Source:
    """Return an adapter alone: its base must be a folder of this machine. Nothing is fetched because an adapter says so."""
    try:
        base = str(read_object(path / "adapter_config.json").get("base_model_name_or_path") or "")
    except ModelError:
        base = ""
    folder = next((f for f in (Path(base), path / base) if base and (f / "config.json").is_file()), None)
    if folder is None:
        of = f" of {base[:80]!r}" if base else ""
        raise SpecError(f"{path}: holds an adapter{of}, not a whole model; name its base too, as in BASE+{path.name}")
    return Source("folder", str(folder.resolve()), adapter=str(_checked(path).resolve()))


def _missing(path: Path, text: str) -> str:
    names = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    near = get_close_matches(path.name, names, n=1)
    return f"{text}: no such folder" + (f". Did you mean {path.parent / near[0]}?" if near else "")
