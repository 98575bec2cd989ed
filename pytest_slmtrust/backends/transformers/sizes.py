"""Numbers of a model's config that a loader makes lists, tables or tensors of: bounded by what models have and by the weights.

Imports no torch and no transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .files import ModelError

#: Keys of how many layers are built; where the number of tensors is unknown, the most that are believed.
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
MAX_LAYERS = 1000
#: Keys of how many labels a classifier has, and the most of them.
LABELS = ("num_labels", "n_labels", "num_classes", "n_classes")
MAX_LABELS = 2**16
#: Entries of one list or object; elements of a dimension, rows of a vocabulary; places in a text.
MAX_ENTRIES, MAX_SIZE, MAX_PLACES = 2**17, 2**22, 2**24
#: Models that hold a table of all pairs of places, and the most places of one.
SQUARE = ("codegen", "gpt2", "gpt_bigcode", "gpt_neo", "gptj", "openai-gpt")
MAX_SQUARE = 2**14
PLACES = re.compile(r"position|context|ctx|seq|length|window")
#: Numbers that nothing is built of: angles, seeds, ids, records of the training.
FREE = re.compile(r"theta|base|seed|param|step|flop|token|byte|time|date|hash|_id$|^id$|scal|factor")
#: Elements that one byte of a weight file may hold: weights of two bits, and as much again.
PER_BYTE = 8
#: Tensors that any model may have, and the bytes that each further one must have on average: loaders compare all names to all.
FREE_TENSORS, MEAN_BYTES = 10_000, 4096

Entries = Iterable[tuple[str, Any]]


def check_layers(entries: Entries, path: Path, tensors: int | None) -> None:
    """Refuse a config that builds more layers than there are ``tensors`` (None: unknown) to fill them.

    Raises:
        ModelError: it names the key and both numbers.
    """
    most = MAX_LAYERS if tensors is None else tensors
    for dotted, value in entries:
        if _last(dotted) in LAYERS and isinstance(value, (int, float)) and value > most:
            limit = f"at most {most} are taken" if tensors is None else f"the weights are {tensors} tensors"
            raise ModelError(f"{path}: key {dotted!r} asks for {_layers(value)} layers; {limit}")


def check_tensors(path: Path, tensors: int, size: int) -> None:
    """Refuse weights of more tensors than a model of their ``size`` in bytes has.

    Raises:
        ModelError: it names both numbers.
    """
    most = FREE_TENSORS + size // MEAN_BYTES
    if tensors > most:
        raise ModelError(f"{path}: its weights are {tensors} tensors in {size} bytes; at most {most} are taken of this size")


def check_sizes(entries: Entries, path: Path) -> None:
    """Refuse a config with a number larger than any model has, or with labels that no whole number counts.

    Raises:
        ModelError: it names the key and the limit.
    """
    for dotted, value in entries:
        if _last(dotted) in LABELS and value is not None and type(value) is not int:
            raise ModelError(f"{path}: key {dotted!r} is {repr(value)[:40]}; expected a whole number")
        most = _most(_last(dotted))
        for number in value if isinstance(value, list) else (value,):
            if isinstance(number, int) and abs(number) > most:
                raise ModelError(f"{path}: key {dotted!r} is {_short(number)}; at most {most} is taken")


def check_counts(entries: Entries, path: Path, most: int = MAX_ENTRIES) -> None:
    """Refuse a JSON tree with a list or object of more than ``most`` entries.

    Raises:
        ModelError: it names the key.
    """
    for dotted, value in entries:
        if isinstance(value, (list, dict)) and len(value) > most:
            where = f"key {dotted!r}" if dotted else "it"
            raise ModelError(f"{path}: {where} has {len(value)} entries; at most {most} are taken")


def _short(number: int) -> str:
    return str(number) if abs(number) < 10**24 else "a number of more than 24 digits"


def _layers(value: float) -> str:
    return _short(value) if isinstance(value, int) else f"{value:g}"


def _last(dotted: str) -> str:
    return dotted.rsplit(".", 1)[-1]


def _most(key: str) -> int:
    if key in LABELS:
        return MAX_LABELS
    if PLACES.search(key):
        return MAX_PLACES
    return 2**63 if FREE.search(key) else MAX_SIZE


def check_against_weights(config: Mapping[str, Any], path: Path, size: int) -> None:
    """Refuse a config whose embedding or feed-forward layer alone is larger than all weights of ``size`` bytes.

    Raises:
        ModelError: it names the keys and both numbers.
    """
    inner = config.get("text_config")
    found = inner if isinstance(inner, Mapping) else config
    hidden = _number(found, "hidden_size", "n_embd", "d_model")
    square = config.get("model_type") in SQUARE
    for names in (("vocab_size",), ("intermediate_size", "n_inner", "ffn_dim"), *([("n_positions",)] if square else [])):
        count = _number(found, *names)
        if count * hidden > PER_BYTE * size:
            raise ModelError(
                f"{path}: {names[0]} {count} times hidden size {hidden} is more than the weights hold ({size} bytes); "
                "the config belongs to another model"
            )
    places = _number(found, "n_positions", "max_position_embeddings", "n_ctx")
    if square and places > MAX_SQUARE:
        raise ModelError(f"{path}: {places} positions; at most {MAX_SQUARE} are taken of a {config['model_type']} model")


def _number(config: Mapping[str, Any], *names: str) -> int:
    return next((n for name in names if type(n := config.get(name)) is int and n > 0), 0)
