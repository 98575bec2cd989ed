"""Tiny real classifiers of text: a BERT with random weights, and a checkpoint of it as Detoxify releases them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_slmtrust import Classify

WORDS = [
    "the", "you", "are", "is", "nice", "awful", "person", "idiot", "garden", "kind", "of", "and", "hello", "stupid", "time",
]  # fmt: skip
TEXTS = ["you are an idiot", "hello", "the garden is nice and kind", "stupid person " * 30, "", "the time of the garden " * 9]


def build_bert(folder: Path, labels: dict[int, str], **settings: Any) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, id2label=labels, label2id={name: i for i, name in labels.items()}, initializer_range=0.6,
        **settings,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def build_checkpoint(base: Path, file: Path, labels: Sequence[str] = ("toxicity", "insult", "threat"), **args: Any) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(8)
    config = BertConfig.from_pretrained(base, num_labels=len(labels))
    state = BertForSequenceClassification(config).state_dict()
    arch = {
        "num_classes": len(labels), "model_type": str(base), "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
    }  # fmt: skip
    whole = {"config": {"arch": {"args": arch | args}, "dataset": {"args": {"classes": list(labels)}}}, "state_dict": state}
    torch.save(whole, file)
    return file


def scores(scorer: Any, texts: Sequence[str]) -> list[Any]:
    answers = dict(scorer.run([Classify(text) for text in texts]))
    assert sorted(answers) == list(range(len(texts)))
    return [answers[index] for index in range(len(texts))]
