"""Smaller variants of the embedded model for a sweep: of examples/compression, without whole parts, as GGUF files, by torchao."""

from __future__ import annotations

import copy
import importlib
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_slmtrust import Backend
from pytest_slmtrust.backends.load import ModelSpec, load_backend

sys.path.append(str(Path(__file__).parents[1] / "compression"))

_compressed = importlib.import_module("variants")
parent, int8 = _compressed.parent, _compressed.int8
rtn8, rtn4, rtn3 = _compressed.rtn8, _compressed.rtn4, _compressed.rtn3
prune30, prune50 = _compressed.prune30, _compressed.prune50

#: Texts of the task that the small vocabulary is for: their tokens are kept, and all single bytes.
TASK = (Path(__file__).parent / "task.txt").read_text(encoding="utf-8").splitlines()


def narrow25() -> tuple[Any, Any]:
    """Structured pruning: a quarter of the neurons of every feed-forward block are taken out, those of the smallest norm."""
    model, tokenizer = parent()
    return narrowed(model, 0.25), tokenizer


def lowrank75() -> tuple[Any, Any]:
    """Every matrix in the blocks replaced by its best approximation of three quarters of its rank (Eckart and Young 1936)."""
    model, tokenizer = parent()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name != "lm_head":
            layer.weight.data = low_rank(layer.weight.data, 0.75)
    return model, tokenizer


def vocabulary() -> tuple[Any, Any]:
    """The tokens of :data:`TASK` only: embeddings and head are cut, as VocabTailor does for a task (arXiv 2508.15229)."""
    model, tokenizer = parent()
    return cut_vocabulary(model, tokenizer, TASK)


def torchao_int8() -> tuple[Any, Any]:
    """torchao's dynamic int8: whole-number products of int8 weights and int8 inputs, a scale per token."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig

    return _by_torchao(Int8DynamicActivationInt8WeightConfig())


def torchao_int4() -> tuple[Any, Any]:
    """torchao's 4-bit weights in groups of 64, products in float32: its faster int4 kernels need a GPU."""
    from torchao.quantization import IntxWeightOnlyConfig
    from torchao.quantization.granularity import PerGroup

    four = torch.int4  # type: ignore[attr-defined]  # the stubs of torch lack it
    return _by_torchao(IntxWeightOnlyConfig(weight_dtype=four, granularity=PerGroup(64)))


def _by_torchao(config: Any) -> tuple[Any, Any]:
    from torchao.quantization import quantize_

    model, tokenizer = parent()
    quantize_(model, config, filter_fn=in_a_block)
    return model, tokenizer


def in_a_block(layer: nn.Module, name: str) -> bool:
    """Return whether a layer is a matrix inside the blocks: embeddings and head stay as they are."""
    return isinstance(layer, nn.Linear) and name != "lm_head"


def gguf_q8_0() -> Backend:
    """The embedded model's file in blocks of 8 bits, as llama.cpp runs it."""
    return _as_file("Q8_0")


def gguf_q4_0() -> Backend:
    """The same in blocks of 4 bits; the file ships with 4 bits of another kind (Q4_1)."""
    return _as_file("Q4_0")


def _as_file(kind: str) -> Backend:
    quantised = importlib.import_module("quantised")
    return load_backend(ModelSpec(str(quantised.embedded_as(kind)), engine="llamacpp"))


def narrowed(model: Any, share: float) -> Any:
    """Take a share of the neurons out of each feed-forward block with gate, up and down projections."""
    size = model.config.intermediate_size
    keep = size - round(share * size)
    for layer in model.model.layers:
        block = layer.mlp
        norms = block.gate_proj.weight.norm(dim=1) * block.up_proj.weight.norm(dim=1) * block.down_proj.weight.norm(dim=0)
        rows = norms.topk(keep).indices.sort().values
        for projection, axis in ((block.gate_proj, 0), (block.up_proj, 0), (block.down_proj, 1)):
            projection.weight = nn.Parameter(projection.weight.detach().index_select(axis, rows), requires_grad=False)
        block.gate_proj.out_features = block.up_proj.out_features = block.down_proj.in_features = keep
        block.intermediate_size = keep
    model.config.intermediate_size = keep
    return model


def low_rank(weight: torch.Tensor, share: float) -> torch.Tensor:
    """Return the best approximation [out, in] of a share of the full rank."""
    u, s, v = torch.linalg.svd(weight.float(), full_matrices=False)
    rank = max(1, round(share * len(s)))
    made: torch.Tensor = (u[:, :rank] * s[:rank]) @ v[:rank]
    return made.to(weight.dtype)


def cut_vocabulary(model: Any, tokenizer: Any, texts: Iterable[str], tokens: Iterable[str] = ()) -> tuple[Any, Any]:
    """Keep the tokens of some texts, other ``tokens``, special tokens, single bytes, and the tokens that these are merged from.

    A text of kept tokens is read as before: BPE applies the merges that led to its tokens, and all of those are kept. A reply is
    the same as long as the parent writes kept tokens.
    """
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    kept = kept_tokens(data, {*tokens, *(token for text in texts for token in tokenizer.tokenize(text))})
    old = [i for _, i in sorted(((token, i) for token, i in tokenizer.get_vocab().items() if token in kept), key=lambda p: p[1])]
    new = {before: after for after, before in enumerate(old)}
    model = copy.deepcopy(model)
    rows = torch.tensor(old)
    table = model.get_input_embeddings().weight.detach()
    head = model.get_output_embeddings().weight.detach()
    tied = head.data_ptr() == table.data_ptr()
    model.resize_token_embeddings(len(old), mean_resizing=False)
    model.get_input_embeddings().weight.data = table.index_select(0, rows)
    model.get_output_embeddings().weight.data = model.get_input_embeddings().weight.data if tied else head.index_select(0, rows)
    for settings in (model.config, model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            setattr(settings, name, _moved(getattr(settings, name, None), new))
    return model, _renumbered(tokenizer, data, kept, new)


def kept_tokens(data: Mapping[str, Any], wanted: set[str]) -> set[str]:
    """Return the wanted tokens, special ones, single characters, and all that these are merged from."""
    made: dict[str, list[tuple[str, str]]] = {}
    for merge in data["model"]["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        made.setdefault(left + right, []).append((left, right))
    single = {token for token in data["model"]["vocab"] if len(token) == 1}
    kept, open_ = set[str](), [*wanted, *single, *(one["content"] for one in data["added_tokens"])]
    while open_:
        token = open_.pop()
        if token not in kept:
            kept.add(token)
            open_ += [part for pair in made.get(token, ()) for part in pair]
    return kept


def _moved(value: Any, new: Mapping[int, int]) -> Any:
    if isinstance(value, (list, tuple)):
        return [new[one] for one in value if one in new]
    return new.get(value)


def _renumbered(tokenizer: Any, data: dict[str, Any], kept: set[str], new: Mapping[int, int]) -> Any:
    """Return the tokenizer with the kept tokens alone, in their old order."""
    from transformers import AutoTokenizer

    body = data["model"]
    body["vocab"] = {token: new[i] for token, i in body["vocab"].items() if token in kept}
    pairs = [(merge, merge.split(" ") if isinstance(merge, str) else merge) for merge in body["merges"]]
    body["merges"] = [merge for merge, (left, right) in pairs if left in kept and right in kept and left + right in kept]
    for one in data["added_tokens"]:
        one["id"] = new[one["id"]]
    with tempfile.TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        settings = Path(place) / "tokenizer_config.json"
        about = json.loads(settings.read_text("utf-8"))
        about.pop("added_tokens_decoder", None)
        settings.write_text(json.dumps(about), "utf-8")
        (Path(place) / "tokenizer.json").write_text(json.dumps(data), "utf-8")
        return AutoTokenizer.from_pretrained(place, local_files_only=True)
