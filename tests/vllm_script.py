"""A stand-in for the module ``vllm``: the names and fields of vLLM 0.32 that are asked for, over plain forwards of transformers.

It takes no field that vLLM's classes lack, refuses what vLLM refuses, and prints as much. ``PIECE`` is the most tokens that it
writes at once, as if it saw a stop text; ``GIVEN`` keeps what it was given.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

GIVEN: dict[str, list[Any]] = {"arguments": [], "prompts": [], "params": []}
PIECE = 10**6
#: Fields of ``vllm.engine.arg_utils.EngineArgs`` that are set here.
ARGUMENTS = {
    "model", "tokenizer", "dtype", "trust_remote_code", "config_format", "load_format", "generation_config", "seed",
    "disable_log_stats", "enforce_eager", "tensor_parallel_size", "pipeline_parallel_size", "quantization", "kv_cache_dtype",
    "max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size", "gpu_memory_utilization", "cpu_offload_gb",
    "enable_prefix_caching",
}  # fmt: skip


@dataclass
class SamplingParams:
    """Fields and checks of ``vllm.SamplingParams``, those that are used."""

    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    stop_token_ids: list[int] = field(default_factory=list)
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}.")
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature must be in [0, 2], got {self.temperature}.")
        if self.stop and not self.detokenize:
            raise ValueError("stop strings are only supported when detokenize is True.")
        if any(not stop for stop in self.stop):
            raise ValueError("stop cannot contain an empty string.")


@dataclass
class TokenLogprob:
    logprob: float
    rank: int


def tokens_prompt(prompt_token_ids: list[int]) -> dict[str, list[int]]:
    return {"prompt_token_ids": prompt_token_ids}


class LLM:
    """One model, without a cache or batches."""

    def __init__(self, model: str, **arguments: Any) -> None:
        os.write(1, b"INFO 11-26 vllm: a line of its log\n")
        os.write(2, b"WARNING 11-26 vllm: another\n")
        unknown = {"model", *arguments} - ARGUMENTS
        if unknown:
            raise TypeError(f"EngineArgs.__init__() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        if arguments.get("quantization") == "broken":
            raise ValueError("Unknown quantization method: broken.\nMust be one of many.")
        GIVEN["arguments"].append({"model": model, **arguments, "files": sorted(os.listdir(model))})
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(model)
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        most = int(arguments.get("max_model_len", 0) or getattr(self.model.config, "max_position_embeddings", 256))
        self.llm_engine = types.SimpleNamespace(model_config=types.SimpleNamespace(max_model_len=most))

    def generate(self, prompts: list[Any], sampling_params: list[SamplingParams], *, use_tqdm: bool = True) -> list[Any]:
        most = self.llm_engine.model_config.max_model_len
        for prompt in prompts:
            if len(prompt["prompt_token_ids"]) >= most:
                raise ValueError(f"The decoder prompt (length {len(prompt['prompt_token_ids'])}) is longer than {most}.")
        return [self._one(list(p["prompt_token_ids"]), s) for p, s in zip(prompts, sampling_params, strict=True)]

    def _one(self, ids: list[int], params: SamplingParams) -> Any:
        GIVEN["prompts"].append(ids)
        GIVEN["params"].append(params)
        scores = self._scores(ids) if params.prompt_logprobs is not None else None
        out, total = self._written(ids, params)
        reply = types.SimpleNamespace(token_ids=out, cumulative_logprob=total if params.logprobs is not None else None)
        return types.SimpleNamespace(prompt_token_ids=ids, prompt_logprobs=scores, outputs=[reply])

    def _scores(self, ids: list[int]) -> list[Any]:
        logp = self._logits(ids).log_softmax(-1)
        found: list[Any] = [None]
        for place, token in enumerate(ids[1:]):
            one = logp[place]
            best = int(one.argmax())
            entry = {token: TokenLogprob(float(one[token]), int((one >= one[token]).sum()))}
            found.append({**entry, best: TokenLogprob(float(one[best]), 1)})
        return found

    def _written(self, ids: list[int], params: SamplingParams) -> tuple[list[int], float]:
        import torch

        out: list[int] = []
        total = 0.0
        source = torch.Generator().manual_seed(params.seed or 0)
        while len(out) < min(params.max_tokens, PIECE):
            logp = self._logits([*ids, *out])[-1].log_softmax(-1)
            token = int(logp.argmax())
            if params.temperature:
                token = int(torch.multinomial((logp / params.temperature).softmax(-1), 1, generator=source))
            total += float(logp[token])
            out.append(token)
            text = self.tokenizer.decode(out, skip_special_tokens=params.skip_special_tokens) if params.stop else ""
            if token in params.stop_token_ids or any(stop in text for stop in params.stop):
                break
        return out, total

    def _logits(self, ids: list[int]) -> Any:
        import torch

        with torch.inference_mode():
            return self.model(torch.tensor([ids])).logits[0].float()


def modules() -> dict[str, types.ModuleType]:
    """The modules by name."""
    made, platforms = types.ModuleType("vllm"), types.ModuleType("vllm.platforms")
    made.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    made.__dict__.update(LLM=LLM, SamplingParams=SamplingParams, TokensPrompt=tokens_prompt)
    platform = types.SimpleNamespace(device_type="cpu", is_cpu=lambda: True)
    platforms.__dict__["current_platform"] = platform
    return {"vllm": made, "vllm.platforms": platforms}


class Inside:
    """A crew without children: the worker's own functions, over what a line of JSON keeps."""

    def __init__(self, name: str, arguments: Any, replicas: int = 1, threads: int = 1) -> None:
        self.name, self.arguments, self.replicas, self.threads = name, arguments, replicas, threads
        self.about: dict[str, Any] = {}

    def start(self) -> None:
        from pytest_slmtrust.backends.vllm import worker

        self.llm, self.about = worker.load(self.arguments)

    def answered(self, batches: Any) -> Any:
        import json

        from pytest_slmtrust import BackendError
        from pytest_slmtrust.backends.vllm import worker

        for number, batch in enumerate(batches):
            said = json.loads(json.dumps(worker.answered(self.llm, json.loads(json.dumps(batch)))))
            if "answers" not in said:
                raise BackendError(said["error"])
            yield number, said["answers"]

    def peak_bytes(self) -> int:
        return 0

    def close(self) -> None:
        self.llm = None


def install(patch: pytest.MonkeyPatch, inside: bool = True) -> None:
    """Put the stand-in in vLLM's place; ``inside``: without child processes."""
    for name, module in modules().items():
        patch.setitem(sys.modules, name, module)
    for kept in GIVEN.values():
        kept.clear()
    if inside:
        from pytest_slmtrust.backends.vllm import engine

        patch.setattr(engine, "Crew", Inside)


def write_package(folder: Path) -> Path:
    """Write a package ``vllm`` that is the stand-in, for processes that find it in PYTHONPATH with the folder of tests."""
    package = folder / "vllm"
    package.mkdir(parents=True)
    names = "from vllm_script import LLM, SamplingParams, modules\nfrom vllm_script import tokens_prompt as TokensPrompt\n"
    (package / "__init__.py").write_text(names)
    platform = "from vllm import modules\ncurrent_platform = modules()['vllm.platforms'].current_platform\n"
    (package / "platforms.py").write_text(platform)
    return folder
