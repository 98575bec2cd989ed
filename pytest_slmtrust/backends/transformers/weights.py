"""The files that hold a folder's weights, and the tensors in them by their headers. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import PICKLES, ModelError, read_object
from .safetensorsheader import safetensors_header

#: The names under which transformers looks for weights: one file, or the index of its shards; safetensors first.
SAFE, PICKLED = ("model.safetensors", "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")
SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<suffix>\.\w+)\Z")
#: State that older or newer versions saved and that a model works out itself: rotary frequencies, masks, positions.
DERIVED = re.compile(
    r"(?:^|\.)(?:inv_freq|original_inv_freq|cos_cached|sin_cached|masked_bias|causal_mask|position_ids|embed_positions)\Z"
)
#: The most names of weights in one line.
NAMED = 3
MASK = re.compile(r"(?:^|\.)(?:attn|attention)\.bias\Z")


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a weight file: its type as the file names it, and its shape."""

    file: Path
    dtype: str
    shape: tuple[int, ...]


def weight_files(folder: Path, allow_pickle: bool = False) -> list[Path]:
    """Name the weight files that transformers loads: one safetensors file, its shards, or with ``allow_pickle`` pickles.

    Raises:
        ModelError: none, or only pickles; an index that names a file outside the folder, or leaves out a shard of its set.
    """
    found = _files(folder, *SAFE)
    if found:
        return found
    pickles = sorted(p for p in folder.iterdir() if p.suffix in PICKLES)
    if pickles and not allow_pickle:
        raise ModelError(
            f"{pickles[0]}: pickled weights can run code when they are read; give a folder with *.safetensors "
            "(or allow pickles if you trust its author)"
        )
    found = _files(folder, *PICKLED) if allow_pickle else []
    if found:
        return found
    names = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    wanted = " and no ".join((*SAFE, *PICKLED) if allow_pickle else SAFE)
    raise ModelError(f"{folder}: no {wanted} (found: {names})")


def unread_files(folder: Path, loaded: Sequence[Path]) -> list[str]:
    """Name the weight files of a folder that are not loaded, such as the same weights in another form."""
    forms = (".safetensors", *PICKLES)
    return sorted(path.name for path in folder.iterdir() if path.suffix in forms and path not in loaded and path.is_file())


def held_tensors(folder: Path, files: Sequence[Path]) -> dict[str, Stored]:
    """Read the headers of safetensors files: every tensor by its name. Empty for pickles.

    Raises:
        ModelError: a damaged header, a tensor in two shards, or an index that differs from its shards.
    """
    if any(path.suffix != ".safetensors" for path in files):
        return {}
    held = unite(
        (name, Stored(path, entry["dtype"], tuple(entry["shape"])))
        for path in files
        for name, entry in safetensors_header(path).items()
    )
    check_index(folder / SAFE[1], files, held)
    return held


def unite(tensors: Iterable[tuple[str, Stored]]) -> dict[str, Stored]:
    """Collect the tensors of several shards.

    Raises:
        ModelError: two shards hold a tensor of one name.
    """
    held: dict[str, Stored] = {}
    for name, stored in tensors:
        if name in held:
            raise ModelError(f"{stored.file}: holds {name!r}, which {held[name].file.name} holds too; a weight has one place")
        held[name] = stored
    return held


def check_index(index: Path, files: Sequence[Path], held: Mapping[str, Stored]) -> None:
    """Refuse an index that names other tensors than its shards hold: the loader would leave them unset or pass over them.

    Raises:
        ModelError: it names the tensor and the shard.
    """
    if [path.name for path in files] in ([SAFE[0]], [PICKLED[0]]):
        return
    names = _weight_map(index)
    for name, file in sorted(names.items()):
        if name not in held or held[name].file.name != file:
            raise ModelError(f"{index}: names {name!r} in {file}, which does not hold it; the set of shards is not whole")
    for name, stored in sorted(held.items()):
        if name not in names and not derived(name, stored.shape):
            raise ModelError(f"{index}: does not name {name!r}, which {stored.file.name} holds; the set of shards is not whole")


def derived(name: str, shape: Sequence[int]) -> bool:
    """Return whether a tensor is state that the model works out itself and that versions of transformers save or leave out."""
    return bool(DERIVED.search(name)) or (bool(MASK.search(name)) and len(shape) > 1)


def named(names: Iterable[str]) -> str:
    """Return the first names in order, and how many more there are."""
    found = sorted(names)
    return ", ".join(found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def unused_line(names: Sequence[str], described: str) -> str:
    """Say why a model that leaves weights of its files out is refused, and what to do."""
    return (
        f"{len(names)} weights are not used by the model that {described} ({named(names)}); "
        "mend that, or pass --slm-allow-unused-weights to audit the model without them"
    )


def _files(folder: Path, single: str, index: str) -> list[Path]:
    if (folder / single).is_file():
        return [folder / single]
    return _shards(folder, folder / index) if (folder / index).is_file() else []


def _weight_map(index: Path) -> dict[str, str]:
    names = read_object(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(n, str) for n in names.values()):
        raise ModelError(f"{index}: 'weight_map' must map names of weights to names of files")
    return names


def _shards(folder: Path, index: Path) -> list[Path]:
    named = sorted(set(_weight_map(index).values()))
    suffix = Path(index.name.removesuffix(".index.json")).suffix
    for name in named:
        if Path(name).name != name or not name.endswith(suffix):
            raise ModelError(f"{index}: shard {name!r} must be a *{suffix} file inside the model folder")
        if not (folder / name).is_file():
            raise ModelError(f"{index}: shard {name!r} is missing from the model folder")
    sets = {found.groups() for name in named if (found := SHARD.match(name))}
    for path in sorted(folder.iterdir()):
        found = SHARD.match(path.name)
        if found and found.groups() in sets and path.name not in named:
            raise ModelError(f"{index}: leaves out {path.name!r}, a shard of the same set; its weights would not be loaded")
    return [folder / name for name in named]
