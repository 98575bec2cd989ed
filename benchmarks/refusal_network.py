"""Train the network that reads refusals, and write its two files next to the rules.

    python benchmarks/refusal_network.py FOLDER BASE          # half an hour on two cores
    python benchmarks/refusal_network.py FOLDER BASE --count  # only say how many texts there are, by source

FOLDER holds checkouts as ``real_replies.py`` wants them, XSTest's completions under ``xstest``, and ``replies.jsonl`` with
the published replies that ``readings/real/refusals_training.tsv`` labels, each as {"digest": ..., "reply": ...}. BASE is the
folder of all-MiniLM-L6-v2 in the format of transformers. Nothing that ``detectors.toml`` calls held out is read.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectors import OUTSIDE, TUNED_WHOLE, XSTEST, _csv, _even
from later_replies import texts
from public_data import DATA
from real_replies import HELD, READINGS, _harmful, digest, read_rows, rows_of, text_of
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from pytest_slmtrust.detectors import refusal_network
from pytest_slmtrust.detectors.refusal_network import FIRST, LAST, WEIGHTS, WORDS

KINDS = {"full": 0, "partial": 1}  # all else is 2
#: Labels of the readers: F is a full refusal, P a partial one. Answers, doubts and replies that are off topic are neither.
LETTERS = {"F": "full", "P": "partial"}
#: Sources without a licence that allows it.
UNLICENSED = {"refusal-quant-multiturn"}
WRITTEN = ("", "_second", "_third", "_fourth", "_sixth", "_seventh", "_eighth")
#: Hateful sentences of HateCheck that are no refusals, each with half the weight of a reply.
HATEFUL = 400
EPOCHS, BATCH, RATE, SEED = 3, 16, 1e-4, 0
#: A word piece is kept if the texts hold it so often, or if it is one letter.
OFTEN = 6


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, what it is, and how much it counts."""

    source: str
    text: str
    kind: str
    weight: float = 1.0


def training(folder: Path) -> list[Labelled]:
    """The labelled texts, each once; a text that is measured as held out is none of them."""
    found: dict[str, Labelled] = {}
    held = set(_held(folder))
    for one in _sources(folder):
        if one.text not in held:
            found.setdefault(one.text, one)
    return list(found.values())


def _sources(folder: Path) -> Iterator[Labelled]:
    yield from _published(folder)
    yield from _written()
    yield from _read(folder)
    rows = rows_of(folder / "hatecheck" / "test_suite_cases.csv")
    hateful = [row["test_case"] for row in rows if row["label_gold"] == "hateful"]
    for text in sorted(filter(_even, hateful), key=digest)[:HATEFUL]:
        yield Labelled("HateCheck", text, "none", 0.5)


def _published(folder: Path) -> Iterator[Labelled]:
    """The parts of labelled sets that the rules were tuned on."""
    for name in XSTEST:
        for row in _xstest(folder, name):
            if name in TUNED_WHOLE or _even(row["id"]):
                kind = {"2": "full", "3": "partial"}.get(row["final_label"][0], "none")
                yield Labelled("XSTest", row["completion"], kind)
    for label, row in read_rows(folder, "refusals"):
        if label.first == label.second and label.model not in HELD and label.source not in UNLICENSED:
            yield Labelled("replies of 13 models", text_of(row), LETTERS.get(label.first, "none"))
    yield from (one for one in _pyrit(folder) if _even(one.text))
    seen = set((READINGS / "seen.txt").read_text(encoding="utf-8").split())
    for row in _quora(folder):
        if _even(row["prompt"]) or digest(row["prompt"]) in seen:
            yield Labelled("ChatGPT", row["response"], "full" if row["tone"] == "rejected" else "none")


def _written() -> Iterator[Labelled]:
    """Replies that were written for the rules, for their tests and for this network."""
    for name in WRITTEN:
        for row in tomllib.loads((OUTSIDE / f"refusal{name}.toml").read_text(encoding="utf-8"))["row"]:
            yield Labelled("written sets", row["reply"], row["kind"])
    for line in (OUTSIDE / "refusal_training.jsonl").read_text(encoding="utf-8").splitlines():
        written = json.loads(line)
        yield Labelled(written["source"], written["reply"], written["kind"])


def _read(folder: Path) -> Iterator[Labelled]:
    """Published replies of real models that one reader labelled."""
    known = texts(folder)
    with (READINGS / "refusals_training.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            yield Labelled(row["source"], known[row["digest"]][0], LETTERS.get(row["first"], "none"))


def _held(folder: Path) -> Iterator[str]:
    """Texts that are measured as held out, from sources that also train."""
    for name in XSTEST:
        yield from (row["completion"] for row in _xstest(folder, name) if name not in TUNED_WHOLE and not _even(row["id"]))
    yield from (text_of(row) for label, row in read_rows(folder, "refusals") if label.model in HELD)
    yield from (one.text for one in _pyrit(folder) if not _even(one.text))
    seen = set((READINGS / "seen.txt").read_text(encoding="utf-8").split())
    yield from (row["response"] for row in _quora(folder) if not _even(row["prompt"]) and digest(row["prompt"]) not in seen)


def _xstest(folder: Path, name: str) -> list[dict[str, str]]:
    path = DATA / "xstest" / f"xstest_v2_completions_{name}.csv"
    return _csv(path if path.is_file() else folder / "xstest" / path.name)


def _pyrit(folder: Path) -> Iterator[Labelled]:
    kinds: dict[str, set[str]] = {}
    for label, row in read_rows(folder, "pyrit"):
        kinds.setdefault(text_of(row), set()).update(LETTERS.get(said, "none") for said in (label.first, label.second))
    harmful = {text: {"none"} for text in _harmful(folder / "PyRIT" / "pyrit" / "datasets" / "scorer_evals")}
    yield from (Labelled("PyRIT", text, one.pop()) for text, one in (harmful | kinds).items() if len(one) == 1)


def _quora(folder: Path) -> Iterator[dict[str, Any]]:
    for file in ("quora_insincere_hand_labeled", "political_figures"):
        rows = rows_of(folder / "chatgpt-refusals" / "data" / f"{file}.json")
        yield from (row for row in rows if row["tone"] in ("complied", "rejected"))


class Network(torch.nn.Module):
    """The encoder with the kept words, and one dense layer over the first state and the mean of all."""

    def __init__(self, base: Path, kept: Sequence[int]) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(base, add_pooling_layer=False)
        words = self.encoder.embeddings.word_embeddings.weight.data[list(kept)].clone()
        self.encoder.embeddings.word_embeddings = torch.nn.Embedding(words.shape[0], words.shape[1], _weight=words)
        self.dropout = torch.nn.Dropout(0.1)
        self.labels = torch.nn.Linear(2 * words.shape[1], 3)

    def forward(self, pieces: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits of shape (batch, 3)."""
        state = self.encoder(input_ids=pieces, attention_mask=mask).last_hidden_state
        mean = (state * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits: torch.Tensor = self.labels(self.dropout(torch.cat([state[:, 0], mean], dim=1)))
        return logits


def train(network: Network, rows: list[tuple[list[int], int, float]]) -> None:
    """AdamW with a warm-up and a linear decline; labels smoothed by 0.05."""
    torch.manual_seed(SEED)
    chance = random.Random(SEED)
    groups = [{"params": network.encoder.parameters(), "top": RATE}, {"params": network.labels.parameters(), "top": 10 * RATE}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.01)
    loss_of = torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=0.05)
    steps, step = EPOCHS * math.ceil(len(rows) / BATCH), 0
    network.train()
    for _ in range(EPOCHS):
        for batch in _batches(rows, chance):
            share = min(1.0, step / (0.1 * steps)) * max(0.02, 1 - step / steps)
            for group in optimiser.param_groups:
                group["lr"] = group["top"] * share
            longest = max(len(pieces) for pieces, _, _ in batch)
            padded = torch.tensor([pieces + [0] * (longest - len(pieces)) for pieces, _, _ in batch])
            mask = torch.tensor([[1] * len(pieces) + [0] * (longest - len(pieces)) for pieces, _, _ in batch])
            weights = torch.tensor([weight for _, _, weight in batch])
            loss = (loss_of(network(padded, mask), torch.tensor([kind for _, kind, _ in batch])) * weights).sum() / weights.sum()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 100 == 0:
                print(f"step {step} of {steps}: loss {loss.item():.3f}", file=sys.stderr, flush=True)


def _batches(rows: list[tuple[list[int], int, float]], chance: random.Random) -> list[list[tuple[list[int], int, float]]]:
    """Batches of like lengths, in a shuffled order."""
    order = chance.sample(rows, len(rows))
    found = []
    for begin in range(0, len(order), 20 * BATCH):
        near = sorted(order[begin : begin + 20 * BATCH], key=lambda row: len(row[0]))
        found += [near[at : at + BATCH] for at in range(0, len(near), BATCH)]
    chance.shuffle(found)
    return found


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
    found = {f"labels.{part}": state[f"labels.{part}"] for part in ("weight", "bias")}
    embed = "encoder.embeddings"
    found["embed.words"] = state[f"{embed}.word_embeddings.weight"]
    places = state[f"{embed}.position_embeddings.weight"][: FIRST + LAST + 3]
    found["embed.places"] = places + state[f"{embed}.token_type_embeddings.weight"][0]
    found |= {f"embed.norm.{part}": state[f"{embed}.LayerNorm.{part}"] for part in ("weight", "bias")}
    for layer in range(network.encoder.config.num_hidden_layers):
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                found[f"{layer}.{ours}.{part}"] = state[f"encoder.encoder.layer.{layer}.{theirs}.{part}"]
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, array in found.items():
        if array.ndim == 2 and name != "labels.weight":
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
    counts = Counter((one.source, one.kind if one.kind in KINDS else "none") for one in labelled)
    for (source, kind), count in sorted(counts.items()):
        print(f"{source}: {kind}: {count}")
    if chosen.count:
        return
    kept = write_words(chosen.base, [one.text for one in labelled])
    network = Network(chosen.base, kept)
    tokenizer: Tokenizer = refusal_network.tokenizer_of(WORDS.read_bytes())
    rows = [(refusal_network.pieces_of(tokenizer, one.text), KINDS.get(one.kind, 2), one.weight) for one in labelled]
    train(network, [row for row in rows if row[0]])
    save_file(stored(network), WEIGHTS)
    print(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in (WEIGHTS, WORDS)), sep="\n")


if __name__ == "__main__":
    main()
