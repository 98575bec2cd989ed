"""Tiny GGUF files: a random Llama of two layers with a byte-level or a SentencePiece vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import tiny

HIDDEN, LAYERS, HEADS, KV, FFN = 32, 2, 4, 2, 48
SPECIAL = ("<|start|>", "<|end|>", "<tool>", "<think>")
TEXT = (
    *tiny.TEXT, "in 1987 and 1234 or 20240115 we paid 45678 for 3.14159 and 100000",
    "I'm DON'T don't it's IT'S (ok)\n\n  two\tthree ###",
    "東京は晴れ 1234 番 你好,世界!", *(str(n) for n in range(0, 4000, 37)),
)  # fmt: skip
Array = np.ndarray[Any, Any]


@cache
def byte_level(pre_tokenizer: str) -> Any:
    """A byte-level BPE trained with a pre-tokenizer, given as JSON of ``tokenizer.json``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    data = json.loads(raw.to_str()) | {"pre_tokenizer": json.loads(pre_tokenizer)}
    raw = Tokenizer.from_str(json.dumps(data))
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    raw.train_from_iterator(TEXT * 2, trainer)
    return raw


def weights(tokens: int, seed: int = 0, layers: int = LAYERS) -> dict[str, Array]:
    """The tensors of a Llama by their names in a GGUF file."""
    source = np.random.default_rng(seed)

    def random(*shape: int) -> Array:
        return (source.standard_normal(shape) * 0.3).astype(np.float32)

    head = HIDDEN // HEADS
    made = {"token_embd.weight": random(tokens, HIDDEN), "output_norm.weight": np.ones(HIDDEN, np.float32)}
    made["output.weight"] = random(tokens, HIDDEN)
    for n in range(layers):
        block = f"blk.{n}."
        made |= {f"{block}{name}.weight": np.ones(HIDDEN, np.float32) for name in ("attn_norm", "ffn_norm")}
        made |= {f"{block}attn_{name}.weight": random(rows * head, HIDDEN) for name, rows in (("q", HEADS), ("k", KV), ("v", KV))}
        made[f"{block}attn_output.weight"] = random(HIDDEN, HEADS * head)
        made |= {f"{block}ffn_{name}.weight": random(FFN, HIDDEN) for name in ("gate", "up")}
        made[f"{block}ffn_down.weight"] = random(HIDDEN, FFN)
    return made


def write(
    path: Path, tensors: Mapping[str, Array], tokens: Sequence[str], types: Sequence[int], merges: Sequence[str] = (),
    scores: Sequence[float] = (), model: str = "gpt2", pre: str | None = None, more: Mapping[str, Any] | None = None,
    blocks: int = LAYERS,
) -> Path:  # fmt: skip
    """A GGUF file; ``more``: further fields, whose types are those of their values."""
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(256)
    out.add_embedding_length(HIDDEN)
    out.add_block_count(blocks)
    out.add_feed_forward_length(FFN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model(model)
    if pre is not None:
        out.add_tokenizer_pre(pre)
    out.add_token_list(list(tokens))
    out.add_token_types(list(types))
    if merges:
        out.add_token_merges(list(merges))
    if scores:
        out.add_token_scores(list(scores))
    out.add_bos_token_id(0)
    out.add_eos_token_id(1)
    for name, value in (more or {}).items():
        kinds = {bool: out.add_bool, int: out.add_uint32, float: out.add_float32, str: out.add_string}
        kinds[type(value)](name, value)
    return _finished(path, out, tensors)


def _finished(path: Path, out: Any, tensors: Mapping[str, Array]) -> Path:
    for name, tensor in tensors.items():
        out.add_tensor(name, tensor)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def words(raw: Any) -> dict[str, Any]:
    """Tokens, types and merges of a byte-level tokenizer: two control tokens, two user-defined ones."""
    data = json.loads(raw.to_str())
    tokens = [""] * raw.get_vocab_size()
    for token, number in raw.get_vocab().items():
        tokens[number] = token
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in data["model"]["merges"]]
    return {"tokens": tokens, "types": [3, 3, 4, 4] + [1] * (len(tokens) - 4), "merges": merges}


def of_model(path: Path, family: str, made: Any, said: Mapping[str, Any], raw: Any) -> Path:
    """A GGUF file of a tiny model of transformers, as llama.cpp's converter writes it; ``said``: fields of the family."""
    arch = next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == family)
    names = gguf.get_tensor_name_map(arch, LAYERS)
    tensors: dict[str, Array] = {}
    for name, value in made.state_dict().items():
        if name == "lm_head.weight" and made.config.tie_word_embeddings:
            continue
        base, _, suffix = name.rpartition(".")
        place = f"{names.get_name(base)}.{suffix}"
        numbers = value.float().numpy()
        if family == "gemma3" and name.endswith("norm.weight"):
            numbers = numbers + 1
        if family == "gpt2" and numbers.ndim == 2 and "blk." in place:
            numbers = numbers.T
        tensors[place] = np.ascontiguousarray(numbers)
    out = gguf.GGUFWriter(path, family)
    kinds = {int: out.add_uint32, float: out.add_float32}
    for field, number in {"block_count": LAYERS, "embedding_length": HIDDEN, "context_length": 256, **said}.items():
        kinds[type(number)](f"{family}.{field}", number)
    held = words(raw)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(held["tokens"])
    out.add_token_types(held["types"])
    out.add_token_merges(held["merges"])
    for add in (out.add_bos_token_id, out.add_pad_token_id):
        add(0)
    out.add_eos_token_id(1)
    return _finished(path, out, tensors)
