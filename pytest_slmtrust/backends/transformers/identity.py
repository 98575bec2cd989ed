"""What a model is, for the fingerprint and the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import read_object
from .fingerprint import count_parameters, installed

if TYPE_CHECKING:
    from .engine import Engine

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")


def light_device(asked: str) -> str:
    """The device that ``auto`` means, without importing torch: CUDA where a GPU's node and a CUDA build are."""
    if asked != "auto":
        return asked
    return "cuda" if Path("/dev/nvidia0").exists() and "+cpu" not in installed("torch") else "cpu"


def describe_folder(folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Architecture, size and special tokens from the files of a model folder."""
    config, generation = read_object(folder / "config.json"), read_object(folder / "generation_config.json")
    inner = config.get("text_config")
    text: dict[str, Any] = inner if isinstance(inner, dict) else config
    tokenizer = read_object(folder / "tokenizer_config.json")
    eos = generation.get("eos_token_id", config.get("eos_token_id"))
    weights = [folder / name for name in sorted(digests) if name.endswith((".safetensors", ".bin"))]
    return {
        "files": dict(sorted(digests.items())),
        "parameters": count_parameters(weights),
        "architecture": (config.get("architectures") or [config.get("model_type")])[0],
        "context_length": next((text[key] for key in CONTEXT_KEYS if isinstance(text.get(key), int)), None),
        "vocabulary": text.get("vocab_size"),
        "bos": {"token": _content(tokenizer.get("bos_token")), "before_every_text": None},
        "eos": {"token": _content(tokenizer.get("eos_token")), "ids": eos if isinstance(eos, list) else [eos]},
    }


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def describe_loaded(engine: Engine) -> dict[str, Any]:
    """What only a loaded model tells for certain; it stands instead of what the files say."""
    loaded = engine.loaded
    codec, tokenizer = loaded.codec, loaded.codec.tokenizer
    seen: set[int] = set()
    parameters = 0
    for parameter in loaded.model.parameters():
        if parameter.data_ptr() not in seen:
            seen.add(parameter.data_ptr())
            parameters += parameter.numel()
    return {
        "parameters": parameters,
        "architecture": type(loaded.model).__name__,
        "context_length": loaded.context,
        "vocabulary": loaded.vocabulary,
        "device": str(loaded.device),
        "attention": getattr(loaded.model.config, "_attn_implementation", None),
        "cache": loaded.sharing.name.lower(),
        "threads": engine.threads,
        "system_role": engine.system_role,
        "bos": {"token": tokenizer.bos_token, "before_every_text": bool(codec.prefix)},
        "eos": {"token": tokenizer.eos_token, "ids": list(codec.eos)},
    }


def digest_loaded(model: Any, tokenizer: Any) -> dict[str, str]:
    """sha256 of a model in memory (parameters, buffers, config) and of its tokenizer, by part."""
    import torch

    weights = hashlib.sha256()
    for name, tensor in sorted({**dict(model.named_parameters()), **dict(model.named_buffers())}.items()):
        weights.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().to("cpu").contiguous().reshape(-1)
        if flat.numel():
            weights.update(memoryview(flat.view(torch.uint8).numpy()))
    generation = getattr(model, "generation_config", None)
    configs = [model.config.to_json_string(), generation.to_json_string() if generation is not None else ""]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    special = json.dumps([tokenizer.special_tokens_map, tokenizer.chat_template], sort_keys=True, default=str)
    return {
        "weights": weights.hexdigest(),
        "config": hashlib.sha256("\n".join(configs).encode()).hexdigest(),
        "tokenizer": hashlib.sha256((words + special).encode()).hexdigest(),
    }
