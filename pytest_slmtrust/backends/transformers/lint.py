"""What a model folder may not contain, checked before anything of it is loaded.

Precedents: CVE-2026-4372 and CVE-2026-5241 (config keys that load kernels or code), CVE-2025-32434 (pickles), index files
that point outside their folder, models that are not causal decoders. Imports no torch and no transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .files import ModelError, read_object
from .weights import held_tensors, weight_files

LINTED = ("config.json", "generation_config.json", "tokenizer_config.json")
RUNS_CODE = ("auto_map", "trust_remote_code", "custom_pipelines", "custom_generate")
#: Quantised weights whose loaders read plain numbers; others build objects that the config names.
QUANTISED = ("awq", "bitsandbytes", "compressed-tensors", "fp8", "gptq")
#: Keys that make transformers read other files than those that are linted and hashed, even outside the folder.
OTHER_FILES = (
    "configuration_files", "fast_tokenizer_files", "merges_file", "tokenizer_file", "transformers_weights", "vocab_file",
)  # fmt: skip
#: Keys of how many layers are built; where the number of tensors is unknown, the most that are believed.
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
MAX_LAYERS = 1000
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
MAX_TEMPLATE = 256 * 1024
DEPTH = 32


def lint_model_folder(folder: Path, allow_pickle: bool = False) -> None:
    """Refuse a model folder that could run code, is damaged, or is no causal decoder.

    Raises:
        ModelError: one line that names the file, the key and what to do.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json; expected a folder written by save_pretrained")
    if (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder / 'adapter_config.json'}: an adapter, not a whole model; merge it into its base and save that")
    config = {name: lint_config(folder / name) for name in LINTED}["config.json"]
    check_architecture(config, folder / "config.json")
    template = folder / "chat_template.jinja"
    if template.is_file() and template.stat().st_size > MAX_TEMPLATE:
        raise ModelError(f"{template}: {template.stat().st_size} bytes; a chat template has at most {MAX_TEMPLATE}")
    held = held_tensors(folder, weight_files(folder, allow_pickle))
    check_layers(config, folder / "config.json", len(held) or None)


def lint_config(path: Path) -> dict[str, Any]:
    """A JSON config, empty where there is no such file, none of whose keys runs code or names files of another place.

    Raises:
        ModelError: one line that names the file, the key and what to do.
    """
    data = read_object(path)
    for key, value in _entries(data, path):
        _check_entry(path, key, value)
    return data


def check_layers(config: Mapping[str, Any], path: Path, tensors: int | None) -> None:
    """Refuse a config that builds more layers than there are ``tensors`` (None: unknown) to fill them.

    Raises:
        ModelError: it names the key and both numbers.
    """
    most = MAX_LAYERS if tensors is None else tensors
    for dotted, value in _entries(config, path):
        if dotted.rsplit(".", 1)[-1] in LAYERS and isinstance(value, (int, float)) and value > most:
            limit = f"at most {most} are taken" if tensors is None else f"the weights are {tensors} tensors"
            raise ModelError(f"{path}: key {dotted!r} asks for {str(value)[:20]} layers; {limit}")


def _entries(data: Any, path: Path, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key of a JSON tree with its value; lists count as part of the key above them."""
    if depth > DEPTH:
        raise ModelError(f"{path}: nested deeper than {DEPTH} levels at {prefix!r}")
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield f"{prefix}{key}", value
            yield from _entries(value, path, f"{prefix}{key}.", depth + 1)
    elif isinstance(data, list):
        for value in data:
            yield from _entries(value, path, prefix, depth + 1)


def _check_entry(path: Path, dotted: str, value: Any) -> None:
    key = dotted.rsplit(".", 1)[-1]
    if key in RUNS_CODE and value not in (None, False, {}):
        raise ModelError(f"{path}: key {dotted!r} makes the loader run code of the model's author; remove it and try again")
    if key in OTHER_FILES and value is not None:
        raise ModelError(f"{path}: key {dotted!r} makes the loader read files that are not checked (CVE-2026-4372); remove it")
    if key.endswith("_internal"):
        raise ModelError(f"{path}: key {dotted!r} reaches into the loader (CVE-2026-4372); remove it")
    if "attn_implementation" in key or "kernel" in key or key.endswith("_implementation"):
        named = [v for v in (value.values() if isinstance(value, Mapping) else [value]) if isinstance(v, str)]
        if any("/" in v or ":" in v for v in named):
            raise ModelError(f"{path}: key {dotted!r} names a kernel to download ({named[0][:80]!r}; CVE-2026-5241); remove it")
    if key == "quantization_config" and isinstance(value, Mapping):
        method = str(value.get("quant_method", "none named"))
        if method not in QUANTISED:
            known = ", ".join(QUANTISED)
            raise ModelError(f"{path}: quantisation method {method[:40]!r} may build objects that the file names; known: {known}")
    if key == "chat_template" and len(str(value)) > MAX_TEMPLATE:
        raise ModelError(f"{path}: the chat template has {len(str(value))} characters; at most {MAX_TEMPLATE}")


def check_architecture(config: Mapping[str, Any], path: Path) -> None:
    """Refuse encoder-decoders and models without a causal head.

    Raises:
        ModelError: it names the architecture.
    """
    names = config.get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise ModelError(f"{path}: 'architectures' must be a list of names")
    name = names[0] if names else str(config.get("model_type", "unknown"))
    if config.get("is_encoder_decoder") is True:
        raise ModelError(f"{path}: {name} is an encoder-decoder; this audit needs a causal decoder (…ForCausalLM)")
    if names and not any(n.endswith(CAUSAL) for n in names):
        raise ModelError(f"{path}: {name} has no causal language-model head; this audit needs a causal decoder (…ForCausalLM)")
    if not config.get("model_type"):
        raise ModelError(f"{path}: no 'model_type'; expected a config written by save_pretrained")
