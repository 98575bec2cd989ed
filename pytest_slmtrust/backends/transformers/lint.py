"""What a model folder may not contain, checked before anything of it is loaded.

Precedents: CVE-2026-4372 and CVE-2026-5241 (config keys that load kernels or code), CVE-2025-32434 (pickles), index files
that point outside their folder, models that are not causal decoders. Imports no torch and no transformers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .files import CONFIG_FILES, TEMPLATE_BYTES, ModelError, read_files, read_object, read_text
from .sizes import check_against_weights, check_counts, check_layers, check_sizes, check_tensors
from .weights import held_tensors, weight_files

LINTED = ("config.json", "generation_config.json", "tokenizer_config.json")
#: Other JSON files of a tokenizer; the large ones are the business of a trial (see ``untrusted.tokenizer``).
OTHER_CONFIGS = ("added_tokens.json", "chat_template.json", "special_tokens_map.json")
RUNS_CODE = ("auto_map", "trust_remote_code", "custom_pipelines", "custom_generate")
#: Quantised weights whose loaders read plain numbers; others build objects that the config names.
QUANTISED = ("awq", "bitsandbytes", "compressed-tensors", "fp8", "gptq")
#: Keys that make transformers read other files than those that are linted and hashed, even outside the folder.
OTHER_FILES = (
    "configuration_files", "fast_tokenizer_files", "merges_file", "tokenizer_file", "transformers_weights", "vocab_file",
)  # fmt: skip
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
DEPTH = 32


def lint_model_folder(folder: Path, allow_pickle: bool = False) -> None:
    """Refuse a model folder that could run code, is damaged, or is no causal decoder.

    Raises:
        ModelError: one line that names the file, the key and what to do.
    """
    config = lint_files(folder)
    check_architecture(config, folder / "config.json")
    lint_weights(folder, config, allow_pickle)


def lint_files(folder: Path) -> dict[str, Any]:
    """Return the config of a model folder all of whose small files are sound: kinds, sizes, keys, and numbers of the configs.

    Raises:
        ModelError: one line that names the file, the key and what to do.
    """
    if not os.path.lexists(folder / "config.json"):
        raise ModelError(f"{folder}: no config.json; expected a folder written by save_pretrained")
    files = read_files(folder)
    if (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder / 'adapter_config.json'}: an adapter, not a whole model; merge it into its base and save that")
    configs = {name: lint_config(folder / name) for name in LINTED}
    for name in CONFIG_FILES:
        check_sizes(_entries(configs[name], folder / name), folder / name)
    for name in OTHER_CONFIGS:
        lint_tree(read_object(folder / name), folder / name)
    for path in files:
        if path.suffix == ".jinja":
            read_text(path)
    return configs["config.json"]


def lint_weights(folder: Path, config: Mapping[str, Any], allow_pickle: bool = False) -> None:
    """Check the headers of the weights, and the config against them.

    Raises:
        ModelError: damaged or missing weights, or a config that builds more than they fill.
    """
    path = folder / "config.json"
    weights = weight_files(folder, allow_pickle)
    held = held_tensors(folder, weights)
    check_layers(_entries(config, path), path, len(held) or None)
    if held:  # pickles, which were allowed by name, are not opened here
        size = sum(file.stat().st_size for file in weights)
        check_tensors(folder, len(held), size)
        check_against_weights(config, path, size)


def lint_config(path: Path) -> dict[str, Any]:
    """Return a JSON config, empty where there is no such file, none of whose keys runs code or names files of another place.

    Raises:
        ModelError: one line that names the file, the key and what to do.
    """
    data = lint_tree(read_object(path), path)
    for key, value in _entries(data, path):
        _check_entry(path, key, value)
    return data


def lint_tree(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the same JSON object, unless it is nested too deep or has too many entries in one place.

    Raises:
        ModelError: it names the key.
    """
    check_counts([("", data)], path)
    check_counts(_entries(data, path), path)
    return data


def _entries(data: Any, path: Path, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every key of a JSON tree with its value; lists count as part of the key above them."""
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
    if key == "chat_template" and len(str(value)) > TEMPLATE_BYTES:
        raise ModelError(f"{path}: the chat template has {len(str(value))} characters; at most {TEMPLATE_BYTES}")


def check_architecture(config: Mapping[str, Any], path: Path) -> None:
    """Refuse encoder-decoders and models without a causal head.

    Raises:
        ModelError: it names the architecture.
    """
    names = config.get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise ModelError(f"{path}: 'architectures' must be a list of names")
    if names and not any(n.strip() for n in names):
        raise ModelError(f"{path}: 'architectures' names none; expected a causal decoder (…ForCausalLM)")
    name = names[0] if names else str(config.get("model_type", "unknown"))
    if config.get("is_encoder_decoder") is True:
        raise ModelError(f"{path}: {name} is an encoder-decoder; this audit needs a causal decoder (…ForCausalLM)")
    if names and not any(n.endswith(CAUSAL) for n in names):
        raise ModelError(f"{path}: {name} has no causal language-model head; this audit needs a causal decoder (…ForCausalLM)")
    if not config.get("model_type"):
        raise ModelError(f"{path}: no 'model_type'; expected a config written by save_pretrained")
