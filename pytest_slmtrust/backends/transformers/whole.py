"""Whether a loaded model is the one in its files: no weight made up, none passed over, all of them numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .files import ModelError
from .weights import PICKLED, Stored, check_index, derived, named, unite, unused_line

#: Types of safetensors files that are no floating-point numbers, or none without a scale that is stored elsewhere.
NOT_NUMBERS = ("I", "U", "BOOL", "F8", "F4", "F6_", "C")


def check_whole(
    source: Path | str,
    model: Any,
    info: Mapping[str, Any],
    held: Mapping[str, Stored],
    allow_unused: bool = False,
    described: str = "config.json describes",
    passed_over: str = "",
    present: bool = True,
) -> tuple[str, ...]:
    """Refuse a model with weights that its files lack, or that have another shape or type there; name what it does not use.

    ``source``, ``described``: the files, and by what the model is described, for messages. ``info``: what transformers says of
    the loading. ``held``: the tensors of the files by name. ``passed_over``: a pattern of names that the kind of model has no
    place for. ``present``: whether the model holds its numbers; else it lies on the meta device.

    Raises:
        ModelError: it names the first tensors; unused weights too, unless ``allow_unused``.
    """
    missing = {*map(str, info.get("missing_keys", ())), *_left_out(model, held)}
    if missing:
        raise ModelError(
            f"{source}: {len(missing)} weights are not in the files ({named(missing)}); they would be random numbers"
        )
    shapes = [entry if isinstance(entry, str) else str(entry[0]) for entry in info.get("mismatched_keys", ())]
    if shapes:
        raise ModelError(f"{source}: {len(shapes)} weights have another shape in the files than in the model ({named(shapes)})")
    if info.get("error_msgs"):
        raise ModelError(f"{source}: cannot be loaded ({' '.join(str(info['error_msgs'][0]).split())[:200]})")
    if present:
        check_present(model)
    check_types(held, _weights_in(model, held))
    unused = {str(name) for name in info.get("unexpected_keys", ())} | set(_untied(model, held))
    unused = {name for name in unused if not _by_design(name, held, passed_over)}
    if unused and not allow_unused:
        raise ModelError(f"{source}: {unused_line(sorted(unused), described)}")
    return tuple(sorted(unused))


def check_values(model: Any) -> None:
    """Refuse a model whose parameters have no values, or values that are not finite numbers.

    Raises:
        ModelError: it names the tensor.
    """
    check_present(model)
    for name, value in model.named_parameters():
        if not _finite(value.detach()):
            raise ModelError(f"{name} holds numbers that are not finite (NaN or infinite): the weights are damaged")


def check_numbers(held: Mapping[str, Stored]) -> None:
    """Refuse files with numbers that are not finite; one tensor at a time is in memory, of pickles one file.

    Raises:
        ModelError: it names the file and the tensor.
    """
    for file in sorted({stored.file for stored in held.values()}):
        state = {} if file.suffix == ".safetensors" else _state(file, "cpu")
        for name in sorted(name for name, stored in held.items() if stored.file == file):
            if not _finite(state[name] if state else _read(file, name)):
                raise ModelError(f"{file}: {name} holds numbers that are not finite (NaN or infinite): the weights are damaged")


def check_present(model: Any) -> None:
    """Refuse a model with parameters or buffers that have no values.

    Raises:
        ModelError: it names the tensor.
    """
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_meta or torch.nn.parameter.is_lazy(value):
            raise ModelError(f"{name} has no values (it lies on the meta device, or was never initialised); load the model whole")


def held_in_pickles(folder: Path, files: Sequence[Path]) -> dict[str, Stored]:
    """Return the tensors of pickled weights by name, read without their values.

    Raises:
        ModelError: a tensor in two shards, or an index that differs from its shards.
    """
    held = unite(
        (name, Stored(path, str(value.dtype).removeprefix("torch."), tuple(value.shape)))
        for path in files
        for name, value in _state(path, "meta").items()
        if isinstance(value, Tensor)
    )
    check_index(folder / PICKLED[1], files, held)
    return held


def _finite(value: Tensor) -> bool:
    """Return one sum tells: it is finite only where all numbers are. A sum that overflows is looked at again, number by
    number."""
    if not value.is_floating_point() or hasattr(value, "__tensor_flatten__") or value.layout != torch.strided:
        return True
    if value.element_size() == 1:  # 8-bit floats know no sums
        value = value.float()
    return bool(torch.isfinite(value.sum(dtype=torch.float32))) or bool(torch.isfinite(value).all())


def _by_design(name: str, held: Mapping[str, Stored], passed_over: str) -> bool:
    shape = held[name].shape if name in held else ()
    return derived(name, shape) or bool(passed_over and re.search(passed_over, name))


def check_types(held: Mapping[str, Stored], names: Iterable[str]) -> None:
    """Refuse whole numbers, and floats that need a scale, in the place of a floating-point weight.

    Raises:
        ModelError: it names the file and the tensor.
    """
    for name in names:
        stored = held[name]
        if stored.dtype.upper().replace("FLOAT", "F").startswith(NOT_NUMBERS) and not derived(name, stored.shape):
            raise ModelError(f"{stored.file}: {name!r} is of type {stored.dtype[:20]}; expected F32, BF16, F16 or F64 numbers")


def _weights_in(model: Any, held: Mapping[str, Stored]) -> list[str]:
    """Return the tensors of the files that are floating-point parameters of a model; none where a quantiser packs them."""
    if getattr(model.config, "quantization_config", None) is not None:
        return []
    floats = [name for name, value in model.named_parameters(remove_duplicate=False) if value.is_floating_point()]
    return [key for name in floats for key in _keys(model, name) if key in held]


def _keys(model: Any, name: str) -> tuple[str, ...]:
    """Return the names under which the files may hold a parameter: its own, and without or with the base model's prefix."""
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    return (name,) if prefix == "." else (name, name.removeprefix(prefix), prefix + name)


def _groups(model: Any) -> list[list[str]]:
    """Names of each parameter of a model; tied ones have several."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return list(names.values())


def _left_out(model: Any, held: Mapping[str, Stored]) -> list[str]:
    """Parameters that the class of the model lets files leave out, and that nothing else in the files sets."""
    patterns = list(getattr(model, "_keys_to_ignore_on_load_missing", None) or ())
    if not patterns or not held:
        return []
    ignored = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    return [
        group[0] for group in _groups(model)
        if all(ignored.search(name) and not any(key in held for key in _keys(model, name)) for name in group)
    ]  # fmt: skip


def _untied(model: Any, held: Mapping[str, Stored]) -> list[str]:
    """Tensors of the files that differ from the one weight that they share in the model, so that one of them is dropped."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    found = []
    for group in _groups(model):
        keys = {key: name for name in group for key in _keys(model, name) if key in held}
        if len(keys) > 1:
            first = next(iter(keys))
            kept = parameters[keys[first]]
            if kept.is_meta:
                kept = _read(held[first].file, first)
            found += [key for key in keys if not _equal(_read(held[key].file, key), kept)]
    return found


def _equal(stored: Tensor, loaded: Tensor) -> bool:
    value = loaded.detach().to("cpu")
    return stored.shape == value.shape and torch.equal(stored.to(value.dtype), value)


def _read(file: Path, name: str) -> Tensor:
    if file.suffix != ".safetensors":
        found: Tensor = _state(file, "cpu")[name]
        return found
    from safetensors import safe_open

    with safe_open(file, framework="pt") as stream:
        tensor: Tensor = stream.get_tensor(name)
        return tensor


def _state(path: Path, device: str) -> dict[str, Any]:
    """Return the state in a pickle, read with torch's own restricted unpickler."""
    state = torch.load(path, map_location=device, weights_only=True)
    if not isinstance(state, dict):
        raise ModelError(f"{path}: holds a {type(state).__name__}; expected weights by name")
    return state
