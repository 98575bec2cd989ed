"""Train the network that reads replies, and write its two files next to the rules.

    python benchmarks/reply_network.py FOLDER BASE          # half an hour on two cores
    python benchmarks/reply_network.py FOLDER BASE --count  # only say how many texts there are, by source

FOLDER is that of ``network_texts.py``. BASE is the folder of all-MiniLM-L6-v2 in the format of transformers. Nothing that
``detectors.toml`` calls held out is read.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from network_texts import KINDS, Labelled, training
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from pytest_slmtrust.detectors import reply_network
from pytest_slmtrust.detectors.reply_network import LONGEST, WEIGHTS, WORDS

TASKS = list(KINDS)

EPOCHS, BATCH, RATE, SEED, SMOOTHING = 3, 16, 1e-4, 0, 0.05
#: Share of the replies that are shown without their prompt, for the product shows none.
HIDDEN = 0.4
#: A word piece is kept if the texts hold it so often, or if it is one letter.
OFTEN = 8

#: The pieces with the prompt, the pieces without it, the task's number, which kinds are right, and the weight.
Row = tuple[list[int], list[int], int, list[int], float]


class Network(torch.nn.Module):
    """The encoder with the kept words, and for each task one dense layer over the first state and the mean of all."""

    def __init__(self, base: Path, kept: Sequence[int]) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(base, add_pooling_layer=False)
        words = self.encoder.embeddings.word_embeddings.weight.data[list(kept)].clone()
        self.encoder.embeddings.word_embeddings = torch.nn.Embedding(words.shape[0], words.shape[1], _weight=words)
        self.dropout = torch.nn.Dropout(0.1)
        size = 2 * words.shape[1]
        self.labels = torch.nn.ModuleDict({task: torch.nn.Linear(size, len(kinds)) for task, kinds in KINDS.items()})

    def forward(self, pieces: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        """For each task logits of shape (batch, kinds)."""
        state = self.encoder(input_ids=pieces, attention_mask=mask).last_hidden_state.float()
        mean = (state * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        read = self.dropout(torch.cat([state[:, 0], mean], dim=1))
        return [self.labels[task](read) for task in TASKS]


def loss_of(logits: Sequence[torch.Tensor], batch: Sequence[tuple[list[int], int, list[int], float]]) -> torch.Tensor:
    """Cross entropy on each text's own task, smoothed; where two kinds may be right, of their sum."""
    total, weights = torch.zeros(()), 0.0
    for at, (_, task, kinds, weight) in enumerate(batch):
        own = logits[task][at].float().log_softmax(dim=-1)
        total = total - weight * ((1 - SMOOTHING) * own[kinds].logsumexp(dim=-1) + SMOOTHING * own.mean())
        weights += weight
    return total / weights


def train(network: Network, rows: list[Row]) -> None:
    """AdamW with a warm-up and a linear decline, in 16 bits where the processor has them."""
    torch.manual_seed(SEED)
    chance = random.Random(SEED)
    groups = [{"params": network.encoder.parameters(), "top": RATE}, {"params": network.labels.parameters(), "top": 10 * RATE}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.01)
    steps, step = EPOCHS * math.ceil(len(rows) / BATCH), 0
    network.train()
    for _ in range(EPOCHS):
        for batch in _batches(rows, chance):
            share = min(1.0, step / (0.1 * steps)) * max(0.02, 1 - step / steps)
            for group in optimiser.param_groups:
                group["lr"] = group["top"] * share
            longest = max(len(pieces) for pieces, _, _, _ in batch)
            padded = torch.tensor([pieces + [0] * (longest - len(pieces)) for pieces, _, _, _ in batch])
            mask = torch.tensor([[1] * len(pieces) + [0] * (longest - len(pieces)) for pieces, _, _, _ in batch])
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(padded, mask)
            loss = loss_of(logits, batch)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 100 == 0:
                print(f"step {step} of {steps}: loss {loss.item():.3f}", file=sys.stderr, flush=True)


def _batches(rows: list[Row], chance: random.Random) -> list[list[tuple[list[int], int, list[int], float]]]:
    """Batches of like lengths, in a shuffled order; the prompt is shown or not by chance."""
    order = [
        (bare if chance.random() < HIDDEN else full, task, kinds, weight)
        for full, bare, task, kinds, weight in chance.sample(rows, len(rows))
    ]
    found = []
    for begin in range(0, len(order), 20 * BATCH):
        near = sorted(order[begin : begin + 20 * BATCH], key=lambda row: len(row[0]))
        found += [near[at : at + BATCH] for at in range(0, len(near), BATCH)]
    chance.shuffle(found)
    return found


def rows_of(tokenizer: Tokenizer, labelled: Sequence[Labelled]) -> list[Row]:
    """The texts as numbers; "open" may be an abstention or a correction."""
    made = []
    for one in labelled:
        shown = (one.asked, one.asked if one.task == "disclosure" else "")  # a fact is never hidden
        full, bare = (reply_network.pieces_of(tokenizer, one.text, asked) for asked in shown)
        kinds = [0, 1] if one.kind == "open" else [KINDS[one.task].index(one.kind)]
        if full:
            made.append((full, bare, TASKS.index(one.task), kinds, one.weight))
    return made


def write_words(base: Path, texts: Sequence[str]) -> list[int]:
    """Write the pieces that are kept, and return their numbers in the base model."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    counts = Counter(piece for text in texts for piece in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda one: one[1])
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
    kept = [(piece, at) for piece, at in pieces if piece in special or counts[at] >= OFTEN or _is_letter(piece)]
    WORDS.write_text("\n".join(piece for piece, _ in kept), encoding="utf-8")
    return [at for _, at in kept]


def _is_letter(piece: str) -> bool:
    return len(piece.removeprefix("##")) == 1 and ord(piece[-1]) < 0x250


def stored(network: Network) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays as they are shipped: matrices in 8 bits with a scale for each row, all else in 16 bits."""
    names = {
        "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
        "attention.output.dense": "seen", "attention.output.LayerNorm": "norm", "intermediate.dense": "wide",
        "output.dense": "narrow", "output.LayerNorm": "end",
    }  # fmt: skip
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    found = {f"{task}.{part}": state[f"labels.{task}.{part}"] for task in reply_network.KINDS for part in ("weight", "bias")}
    embed = "encoder.embeddings"
    found["embed.words"] = state[f"{embed}.word_embeddings.weight"]
    places = state[f"{embed}.position_embeddings.weight"][:LONGEST]
    found["embed.places"] = places + state[f"{embed}.token_type_embeddings.weight"][0]
    found |= {f"embed.norm.{part}": state[f"{embed}.LayerNorm.{part}"] for part in ("weight", "bias")}
    for layer in range(network.encoder.config.num_hidden_layers):
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                found[f"{layer}.{ours}.{part}"] = state[f"encoder.encoder.layer.{layer}.{theirs}.{part}"]
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, array in found.items():
        if array.ndim == 2 and name.split(".")[0] not in TASKS:
            scale = np.abs(array).max(axis=1) / 127
            arrays[name] = np.round(array / scale[:, None]).astype(np.int8)
            arrays[f"{name}.scale"] = scale.astype(np.float32)
        else:
            arrays[name] = array.astype(np.float16)
    return arrays


def main() -> None:
    csv.field_size_limit(10**8)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="checkouts, XSTest's completions and the published replies")
    parser.add_argument("base", type=Path, help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--count", action="store_true", help="say how many texts there are, and train nothing")
    chosen = parser.parse_args()
    labelled = training(chosen.folder)
    counts = Counter((one.task, one.source, one.kind) for one in labelled)
    for (task, source, kind), count in sorted(counts.items()):
        print(f"{task}: {source}: {kind}: {count}")
    if chosen.count:
        return
    kept = write_words(chosen.base, [part for one in labelled for part in (one.asked, one.text)])
    network = Network(chosen.base, kept)
    tokenizer: Tokenizer = reply_network.tokenizer_of(WORDS.read_bytes())
    train(network, rows_of(tokenizer, labelled))
    save_file(stored(network), WEIGHTS)
    print(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in (WEIGHTS, WORDS)), sep="\n")


if __name__ == "__main__":
    main()
