"""LoRA adapters: what their folder may hold, and their merge into a loaded base. What is not plain LoRA is refused.

peft reads configs that import modules by name, expressions, pickles and other initialisations of the base. None of that is handed
to it: the config is made here of checked numbers, and the tensors come from a safetensors file that was checked before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import PICKLES, ModelError, read_files, read_object
from .fingerprint import digest_file
from .safetensorsheader import safetensors_header
from .weights import named

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_PARTS = re.compile(r"(?P<module>.+)\.lora_(?P<part>A\.weight|B\.weight|magnitude_vector(?:\.weight)?)\Z")
_NAME = re.compile(r"[A-Za-z_][\w.]{0,300}\Z")
_LARGEST_RANK = 4096
#: Keys that say nothing of what the adapter computes, or that its tensors say better.
_SAID_ELSEWHERE = (
    "base_model_name_or_path", "exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform", "lora_dropout",
    "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type",
    "ensure_weight_tying",
)  # fmt: skip
_USED = (
    "alpha_pattern", "bias", "fan_in_fan_out", "init_lora_weights", "lora_alpha", "modules_to_save", "peft_type", "r",
    "rank_pattern", "use_dora", "use_rslora",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Adapter:
    """A checked adapter. ``modules``: the full names of what it changes; ``whole``: parameters that it replaces."""

    folder: Path
    config: Mapping[str, Any]
    modules: tuple[str, ...]
    whole: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """For the report."""
        rank, alpha = self.config["r"], self.config["lora_alpha"]
        return {
            "name": self.folder.name, "rank": rank, "alpha": alpha, "modules": len(self.modules), "replaced": len(self.whole),
            "dora": bool(self.config.get("use_dora")), "merged": True,
            "tokenizer": "of the base" if (self.folder / "tokenizer_config.json").exists() else None,
        }  # fmt: skip

    def digests(self, rehash: bool = False) -> dict[str, str]:
        """sha256 by name of its files."""
        return {f"adapter/{name}": digest_file(self.folder / name, rehash) for name in (CONFIG, WEIGHTS)}


def read_adapter(folder: Path) -> Adapter:
    """Check an adapter's folder.

    Raises:
        ModelError: no plain LoRA, pickled, damaged, or incomplete; one line that names the file and the key.
    """
    path = folder / CONFIG
    read_files(folder)
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(one.name for one in folder.iterdir() if one.suffix in PICKLES)
        why = f"only {pickled[0]}, a pickle, which can run code when it is read" if pickled else "none"
        raise ModelError(f"{folder}: an adapter needs {WEIGHTS}; found {why}")
    config = _checked(read_object(path), path)
    parts: dict[str, set[str]] = {}
    whole, ranks = [], {0}
    for name, entry in safetensors_header(folder / WEIGHTS).items():
        bare = name.removeprefix(_PREFIX)
        found = _PARTS.match(bare)
        if not _NAME.match(bare) or not name.startswith(_PREFIX) or (found is None and ".lora_" in bare):
            raise ModelError(f"{folder / WEIGHTS}: {name[:80]!r} is no tensor of a plain LoRA adapter")
        if found is None:
            whole.append(bare)
        else:
            parts.setdefault(found["module"], set()).add(found["part"][0])
            ranks.update(entry["shape"][:1] if found["part"][0] == "A" else ())
    wanted = {"A", "B", "m"} if config.get("use_dora") else {"A", "B"}
    broken = sorted(module for module, there in parts.items() if there != wanted)
    if broken or not parts:
        raise ModelError(
            f"{folder / WEIGHTS}: {len(broken) or 'all'} modules lack a part of their LoRA ({named(broken) or 'none'})"
        )
    _check_ranks(config, path, parts, max(ranks))
    return Adapter(folder, config, tuple(sorted(parts)), tuple(sorted(whole)))


def _check_ranks(config: Mapping[str, Any], path: Path, modules: Iterable[str], most: int) -> None:
    """Refuse a rank above the ``most`` of all tensors: peft would make tensors of that rank before it reads those of the file."""
    patterns = config.get("rank_pattern") or {}
    asked = {f"rank_pattern.{name}": rank for name, rank in patterns.items()}
    own = re.compile("|".join(rf"(?:.*\.)?{name}" for name in patterns) or "(?!)")
    if config["r"] > most and not all(own.fullmatch(module) for module in modules):
        asked["r"] = config["r"]
    for key, rank in asked.items():
        if type(rank) is not int or rank > most:
            raise ModelError(
                f"{path}: {key[:60]!r} is {rank}; its tensors have ranks of at most {most}: not an adapter of this base"
            )


def _checked(config: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return the config, if it is plain LoRA."""
    if config.get("peft_type") != "LORA":
        kind = str(config.get("peft_type"))[:40]
        raise ModelError(f"{path}: an adapter of the kind {kind!r}; expected LORA. Merge it into its base and save that")
    for key, value in config.items():
        if key not in (*_SAID_ELSEWHERE, *_USED) and value not in (None, False, {}, []):
            raise ModelError(
                f"{path}: key {key[:60]!r} makes more of the adapter than plain LoRA; merge it into its base and save that"
            )
    if config.get("init_lora_weights", True) not in (True, False, None, "gaussian"):
        how = str(config["init_lora_weights"])[:40]
        raise ModelError(
            f"{path}: 'init_lora_weights' is {how!r}, which changes the base; convert the adapter (peft) or merge it"
        )
    for key, most in (("r", _LARGEST_RANK), ("lora_alpha", 10**6)):
        value = config.get(key)
        if type(value) not in (int, float) or not 0 < float(value or 0) <= most or (key == "r" and type(value) is not int):
            raise ModelError(f"{path}: {key!r} is {str(value)[:40]!r}; expected a number from 1 to {most}")
    for key in ("rank_pattern", "alpha_pattern"):
        pattern = config.get(key) or {}
        sane = isinstance(pattern, dict) and all(
            _NAME.match(k) and type(v) in (int, float) and 0 < v <= 10**6 for k, v in pattern.items()
        )
        if not sane or len(pattern) > 10_000:
            raise ModelError(f"{path}: {key!r} is not a table of modules' names and numbers; merge the adapter into its base")
    if config.get("bias", "none") not in ("none", "all", "lora_only"):
        raise ModelError(f"{path}: 'bias' is {str(config['bias'])[:40]!r}; expected none, all or lora_only")
    return config


def merge(model: Any, adapter: Adapter) -> Any:
    """Return the base with the adapter in its weights.

    Raises:
        ModelError: peft is missing, or the adapter is not one of this base, or lacks modules that it names.
    """
    try:
        from peft import LoraConfig, PeftModel, set_peft_model_state_dict
    except ImportError:
        raise ModelError(
            "an adapter is merged with peft, which is not installed: reinstall this package with its extra [adapters]"
        ) from None
    from safetensors.torch import load_file

    if getattr(model.config, "quantization_config", None) is not None:
        raise ModelError(
            f"{adapter.folder}: its base is quantised, and merging would round the adapter away; give the base in full"
        )
    modules = dict(model.named_modules())
    _check_modules(model, modules, adapter)
    said = adapter.config
    config = LoraConfig(
        r=said["r"], lora_alpha=said["lora_alpha"], target_modules=list(adapter.modules), lora_dropout=0.0, bias="none",
        fan_in_fan_out=_is_conv(modules[adapter.modules[0]]), use_rslora=bool(said.get("use_rslora")), init_lora_weights=True,
        use_dora=bool(said.get("use_dora")), rank_pattern=dict(said.get("rank_pattern") or {}),
        alpha_pattern=dict(said.get("alpha_pattern") or {}), inference_mode=True,
    )  # fmt: skip
    tensors = load_file(adapter.folder / WEIGHTS)
    lora = {name: value for name, value in tensors.items() if ".lora_" in name}
    try:
        wrapped = PeftModel(model, config)
        result: Any = set_peft_model_state_dict(wrapped, lora)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"{adapter.folder}: not an adapter of this base ({' '.join(str(error).split())[:160]})") from None
    lost = [name for name in result.missing_keys if ".lora_" in name]
    if lost or result.unexpected_keys:
        raise ModelError(
            f"{adapter.folder}: {named(lost or list(result.unexpected_keys))} of the adapter have no place in this base"
        )
    merged = wrapped.merge_and_unload()
    _replace(merged, adapter, tensors)
    return merged


def _is_conv(module: Any) -> bool:
    """Return whether a layer keeps its weights with inputs first, as GPT-2 does."""
    return type(module).__name__ == "Conv1D"


def _check_modules(model: Any, modules: Mapping[str, Any], adapter: Adapter) -> None:
    strange = [name for name in adapter.modules if name not in modules or not hasattr(modules[name], "weight")]
    strange += [name for name in adapter.whole if name not in dict(model.named_parameters(remove_duplicate=False))]
    if strange:
        raise ModelError(f"{adapter.folder}: the base has no {named(strange)}: an adapter of another model")
    tied = bool(getattr(model.config, "tie_word_embeddings", False))
    heads = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    changed = [*adapter.modules, *(name.rpartition(".")[0] for name in adapter.whole)]
    if tied and any(id(modules[name]) in heads for name in changed):
        raise ModelError(
            f"{adapter.folder}: changes a head that the base ties to its embedding; merge it with peft and save that"
        )
    lacking = sorted(_wanted(modules, adapter.config) - set(adapter.modules))
    if lacking:
        raise ModelError(f"{adapter.folder}: {len(lacking)} modules that it names have no tensors ({named(lacking)})")


def _wanted(modules: Mapping[str, Any], config: Mapping[str, Any]) -> set[str]:
    """Return the modules that an adapter says it changes; none where it says so by an expression, which is not run."""
    targets, layers = config.get("target_modules"), config.get("layers_to_transform")
    if not isinstance(targets, list) or config.get("exclude_modules"):
        return set()
    layers = [layers] if isinstance(layers, int) else layers
    found = set()
    for name, module in modules.items():
        number = re.search(r"\.(\d+)\.", name)
        in_layers = not layers or number is None or int(number[1]) in layers
        if (
            in_layers
            and hasattr(module, "weight")
            and any(name == t or name.endswith(f".{t}") for t in targets if isinstance(t, str))
        ):
            found.add(name)
    return found


def _replace(model: Any, adapter: Adapter, tensors: Mapping[str, Any]) -> None:
    """Put parameters that were trained whole (``modules_to_save``, biases) in the place of the base's."""
    import torch

    parameters = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name in adapter.whole:
            value = tensors[_PREFIX + name]
            if value.shape != parameters[name].shape:
                raise ModelError(
                    f"{adapter.folder}: {name} has the shape {tuple(value.shape)}; {tuple(parameters[name].shape)} in the base"
                )
            parameters[name].copy_(value.to(parameters[name].dtype))
