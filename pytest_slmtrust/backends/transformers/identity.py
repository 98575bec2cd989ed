"""What a model is, for the fingerprint and the report."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import ModelError, read_object
from .fingerprint import installed
from .safetensorsheader import count_parameters
from .weights import unread_files

if TYPE_CHECKING:
    from .engine import Engine
    from .reply import Thinking
    from .source import Place
    from .template import Form
    from .tokens import Codec

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")


def light_device(asked: str) -> str:
    """Return the device that ``auto`` means, without importing torch: CUDA where a GPU's node and a CUDA build are."""
    if asked != "auto":
        return asked
    return "cuda" if Path("/dev/nvidia0").exists() and "+cpu" not in installed("torch") else "cpu"


def describe_place(place: Place, digests: Mapping[str, str]) -> dict[str, Any]:
    """Architecture, size and special tokens from the files of a model folder; ``files``: sha256 of those that the user gave."""
    made = place.conversion
    if made is None:
        return describe_folder(place.folder, digests)
    return {**describe_folder(place.folder, made.files), "files": dict(made.given), "converted_files": dict(made.files)}


def describe_folder(folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the same for a folder; ``digests``: sha256 by name of its files."""
    config, generation = read_object(folder / "config.json"), read_object(folder / "generation_config.json")
    inner = config.get("text_config")
    text: dict[str, Any] = inner if isinstance(inner, dict) else config
    tokenizer = read_object(folder / "tokenizer_config.json")
    eos = generation.get("eos_token_id", config.get("eos_token_id"))
    weights = [folder / n for n in sorted(digests) if n.endswith((".safetensors", ".bin")) and not n.startswith("adapter/")]
    unread = unread_files(folder, weights)
    return {
        "files": dict(sorted(digests.items())),
        **({"unread_weight_files": unread} if unread else {}),
        "parameters": count_parameters(weights),
        "architecture": (config.get("architectures") or [config.get("model_type")])[0],
        "context_length": next((text[key] for key in CONTEXT_KEYS if isinstance(text.get(key), int)), None),
        "vocabulary": text.get("vocab_size"),
        "bos": {"token": _content(tokenizer.get("bos_token")), "before_every_text": None},
        "eos": {"token": _content(tokenizer.get("eos_token")), "ids": eos if isinstance(eos, list) else [eos]},
    }


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def _gpu(device: Any) -> dict[str, str]:
    """Name the card, where the model is on one."""
    if device.type != "cuda":
        return {}
    import torch

    return {"gpu": str(torch.cuda.get_device_name(device))}


def describe_model(model: Any) -> dict[str, Any]:
    """Return a model's class and size. Parameters of one storage count once; those of a packed kind say 0 for a storage."""
    sizes = {parameter.data_ptr() or id(parameter): parameter.numel() for parameter in model.parameters()}
    return {"parameters": sum(sizes.values()), "architecture": type(model).__name__}


def describe_loaded(engine: Engine) -> dict[str, Any]:
    """Return what only a loaded model tells for certain; it stands instead of what the files say."""
    loaded = engine.loaded
    return {
        **describe_model(loaded.model),
        "context_length": loaded.context,
        "vocabulary": loaded.vocabulary,
        "device": str(loaded.device),
        **_gpu(loaded.device),
        "attention": getattr(loaded.model.config, "_attn_implementation", None),
        "cache": loaded.sharing.name.lower(),
        "batched": not (loaded.alone or engine.plain),
        "cache_shared_up_to": loaded.shared_up_to,
        "threads": engine.threads,
        **describe_asking(loaded.codec, engine.form, engine.thinking),
    }


def describe_asking(codec: Codec, form: Form | None, thinking: Thinking) -> dict[str, Any]:
    """Return how texts become token ids: the chat's form, thoughts, and special tokens."""
    return {
        "system_role": form.system_role if form else "plain",
        "thoughts": thinking.describe(),
        "template_faults": list(form.faults) if form else [],
        "bos": {"token": codec.tokenizer.bos_token, "before_every_text": bool(codec.prefix)},
        "eos": {"token": codec.tokenizer.eos_token, "ids": list(codec.eos)},
    }


def digest_loaded(model: Any, tokenizer: Any) -> dict[str, str]:
    """sha256 of a model in memory (modules, parameters, buffers, other state, config) and of its tokenizer, by part.

    Raises:
        ModelError: a state that has no bytes to go by.
    """
    generation = getattr(model, "generation_config", None)
    configs = [model.config.to_json_string(), generation.to_json_string() if generation is not None else ""]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    special = json.dumps([tokenizer.special_tokens_map, tokenizer.chat_template], sort_keys=True, default=str)
    return {
        "weights": digest_weights(model),
        "config": hashlib.sha256("\n".join(configs).encode()).hexdigest(),
        "tokenizer": hashlib.sha256((words + special).encode()).hexdigest(),
    }


def digest_weights(model: Any) -> str:
    """sha256 over the classes of a module's parts and all its numbers.

    Packed weights of quantised layers are neither parameters nor buffers: they come from the module's state.

    Raises:
        ModelError: a state that has no bytes to go by.
    """
    digest = hashlib.sha256()
    for name, module in sorted(model.named_modules()):
        digest.update(f"{name} {type(module).__module__}.{type(module).__qualname__}\n".encode())
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    twice = {name for name, _ in model.named_parameters(remove_duplicate=False)}  # tied weights are counted once
    rest = {name: value for name, value in model.state_dict().items() if name not in twice}
    for name, value in sorted({**rest, **named}.items()):
        _feed(digest, name, value)
    return digest.hexdigest()


def _feed(digest: Any, name: str, value: Any) -> None:
    """Count one value in: a tensor of any kind, plain data, or a list, tuple or mapping of these."""
    import torch

    if isinstance(value, torch.Tensor):
        _feed_tensor(digest, name, value)
    elif isinstance(value, Mapping):
        digest.update(f"{name} {type(value).__name__} {len(value)}\n".encode())
        for key in sorted(value, key=str):
            _feed(digest, f"{name}.{key}", value[key])
    elif isinstance(value, (list, tuple)):
        digest.update(f"{name} {type(value).__name__} {len(value)}\n".encode())
        for number, part in enumerate(value):
            _feed(digest, f"{name}.{number}", part)
    elif isinstance(value, (bytes, bytearray, io.BytesIO)):
        held = value.getvalue() if isinstance(value, io.BytesIO) else bytes(value)
        digest.update(f"{name} {len(held)} bytes\n".encode() + held)
    elif value is None or isinstance(value, (str, int, float, Enum, torch.dtype, torch.device, torch.Size)):
        digest.update(f"{name} {value!r}\n".encode())
    else:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ModelError(f"{name} is a {kind}, which has no identity that can be compared; expected tensors or plain data")


def _feed_tensor(digest: Any, name: str, tensor: Any) -> None:
    import torch

    if tensor.is_meta:
        raise ModelError(f"{name} has no values (it lies on the meta device); load the model whole")
    if tensor.layout != torch.strided:  # sparse: its values, and the places that have none
        tensor = tensor.detach().to_dense()
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    if hasattr(tensor, "__tensor_flatten__"):  # a wrapper around other tensors, as torchao makes them
        parts, context = tensor.__tensor_flatten__()
        digest.update(f"{type(tensor).__qualname__} {ADDRESS.sub('', repr(context))}\n".encode())
        for part in sorted(parts):
            _feed(digest, f"{name}.{part}", getattr(tensor, part))
        return
    if tensor.is_quantized:
        _feed(digest, f"{name}.scales", _scales(tensor))
        tensor = tensor.int_repr()
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    if flat.numel():
        digest.update(memoryview(flat.view(torch.uint8).numpy()))


def _scales(tensor: Any) -> tuple[Any, Any]:
    """Scale and zero point of a quantised tensor, or those of its channels."""
    import torch

    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return tensor.q_scale(), tensor.q_zero_point()
    return tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
