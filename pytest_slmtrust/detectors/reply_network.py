"""A small network that reads replies: the second voice next to the rules, for wordings that no rule knows.

It says how likely a reply refuses, and how likely it leaves a question open or corrects it.

It is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Reimers and Gurevych 2019, arXiv 1908.10084; Apache-2.0) with the
words that replies hold, trained further on labelled replies and stored in 8 bits. ``docs/reference/reply-network.md`` is its
card, and ``benchmarks/reply_network.py`` trains it. It is computed with numpy: no model of a user, and no server, is asked.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, softmax

WEIGHTS = Path(__file__).with_name("reply_network.safetensors")
#: One word piece a line; its number is its place in the file.
WORDS = Path(__file__).with_name("reply_network.txt")
#: SHA-256 of the two files, the weights first.
SHA256 = (
    "5b4f5f7a104e77de1b40d32685b08c3b05e33aea8ff9761ba69abcfb6310596e",
    "dd5c18d2db267361b384f2146beb401369eac3c0302ac3958634a118251f6435",
)
#: What the network tells of a reply, by task.
KINDS = {
    "refusal": ("full", "partial", "none"),
    "question": ("abstained", "corrected", "answered"),
}
#: Pieces of a reply that are read: the first ones and the last ones, for a refusal opens a reply and help ends it.
FIRST, LAST = 110, 50
#: Pieces of the prompt that the training reads, first and last.
ASKED = 20
#: The most pieces that are read, with the marks between them.
LONGEST = FIRST + LAST + 2 * ASKED + 5
#: Characters that these pieces surely lie in.
_HEAD, _TAIL = 1500, 700
_HEADS = 12
_WORD = re.compile(r"[^\W\d_]+")
#: Words that are frequent in English and rare in other languages; of an English reply they are this share at least.
_COMMON_WORDS = """
    the and of to is that you it for with are this be not have your can will would if but they what there my from or about
    how by we at their any could should help which i its don doesn isn won didn m ll ve re let just get know think want them
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_SHARE = 0.15

_AGAIN = "It reads replies. Install pytest-slmtrust again."

Array = NDArray[np.float32]


class Refuses(NamedTuple):
    """What the network holds likely, from 0 to 1: a full refusal, and a refusal that helps all the same."""

    full: float
    partial: float


class LeavesOpen(NamedTuple):
    """What the network holds likely, from 0 to 1: that a question is left open, and that what it takes for granted is denied."""

    abstained: float
    corrected: float


def refuses_likely(reply: str) -> Refuses | None:
    """Return how likely a reply is a full or a partial refusal; None if it is not in English, which alone was learnt well.

    The request is not shown: it would find no more refusals, and a harmful request must not make a reply a refusal.

    Raises:
        RuntimeError: a file of the network is missing or is not the one that was measured.
    """
    found = _read(reply)
    return Refuses(*found["refusal"][:2]) if found else None


def leaves_open_likely(reply: str) -> LeavesOpen | None:
    """Return how likely a reply leaves its question open or corrects it; None if it is not in English.

    The question is not shown: it would find little more, and a question without an answer must not make a reply open.

    Raises:
        RuntimeError: as :func:`refuses_likely`.
    """
    found = _read(reply)
    return LeavesOpen(*found["question"][:2]) if found else None


@lru_cache(maxsize=4096)
def _read(reply: str) -> dict[str, tuple[float, ...]] | None:
    """For each task the likelihoods of its kinds."""
    if not _english(reply[:_HEAD]):
        return None
    logits = _computed(_arrays(), np.array(pieces_of(_tokenizer(), reply)))
    return {task: tuple(map(float, softmax(found))) for task, found in logits.items()}


def _english(text: str) -> bool:
    words: list[str] = _WORD.findall(text.lower())
    return sum(word in _COMMON for word in words) >= _SHARE * len(words) > 0


def pieces_of(tokenizer: Any, reply: str, asked: str = "") -> list[int]:
    """The numbers of the pieces that are read, with marks around them; none for a reply without a piece.

    Only the training gives ``asked``, the prompt, and not always.
    """
    begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    pieces = _ends(tokenizer, reply, FIRST, LAST)
    return [begin, *_ends(tokenizer, asked, ASKED, ASKED), end, *pieces, end] if pieces else []


def _ends(tokenizer: Any, text: str, first: int, last: int) -> list[int]:
    """The first and the last pieces of a text, with a mark where some are left out."""
    near = text if len(text) < 2 * _HEAD else f"{text[:_HEAD]} {text[-_TAIL:]}"
    whole = near.encode("utf-8", "replace").decode()  # half a surrogate pair, which the tokenizer refuses, is "?"
    pieces: list[int] = tokenizer.encode(whole, add_special_tokens=False).ids
    if len(pieces) <= first + last:
        return pieces
    return [*pieces[:first], tokenizer.token_to_id("[SEP]"), *pieces[-last:]]


def _computed(arrays: dict[str, Array], pieces: NDArray[np.int64]) -> dict[str, Array]:
    """The logits of a reply's kinds, by task. ``pieces``: shape (n,)."""
    state = _normed(arrays, "embed.norm", arrays["embed.words"][pieces] + arrays["embed.places"][: len(pieces)])
    layers = sum(name.endswith(".query.weight") for name in arrays)
    for layer in range(layers):
        state = _layer(arrays, f"{layer}", state)
    read = np.concatenate([state[0], state.mean(axis=0)])
    return {task: _dense(arrays, task, read) for task in KINDS}


def _layer(arrays: dict[str, Array], name: str, state: Array) -> Array:
    """One layer of the encoder (Devlin et al. 2019): attention, then two dense layers, each added to what came in; (n, 384)."""
    parts = (_dense(arrays, f"{name}.{part}", state) for part in ("query", "key", "value"))
    query, key, value = (part.reshape(len(state), _HEADS, -1).swapaxes(0, 1) for part in parts)
    attention = softmax(query @ key.swapaxes(1, 2) / np.float32(query.shape[-1] ** 0.5), axis=-1)
    seen = (attention @ value).swapaxes(0, 1).reshape(state.shape)
    state = _normed(arrays, f"{name}.norm", state + _dense(arrays, f"{name}.seen", seen))
    wide = _dense(arrays, f"{name}.wide", state)
    wide = wide * np.float32(0.5) * (1 + erf(wide / np.float32(2**0.5)))  # GELU, exact
    return _normed(arrays, f"{name}.end", state + _dense(arrays, f"{name}.narrow", wide))


def _dense(arrays: dict[str, Array], name: str, state: Array) -> Array:
    found: Array = state @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]
    return found


def _normed(arrays: dict[str, Array], name: str, state: Array) -> Array:
    centred = state - state.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(1e-12))
    found: Array = centred / spread * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]
    return found


@cache
def _arrays() -> dict[str, Array]:
    """The weights as 32-bit floats: 8-bit numbers times one scale a row."""
    from safetensors.numpy import load

    stored = load(_checked(WEIGHTS, SHA256[0]))
    return {
        name: found * stored[f"{name}.scale"][:, None] if f"{name}.scale" in stored else found.astype(np.float32)
        for name, found in stored.items()
        if not name.endswith(".scale")
    }


@cache
def _tokenizer() -> Any:
    return tokenizer_of(_checked(WORDS, SHA256[1]))


def tokenizer_of(words: bytes) -> Any:
    """BERT's word pieces, in lower case. ``words``: one piece a line."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    vocabulary = {word: place for place, word in enumerate(words.decode().split("\n"))}
    tokenizer: Any = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    return tokenizer


def _checked(path: Path, expected: str) -> bytes:
    try:
        read = path.read_bytes()
    except OSError as error:
        raise RuntimeError(f"cannot read {path.name}: {error.strerror}. {_AGAIN}") from None
    if hashlib.sha256(read).hexdigest() != expected:
        raise RuntimeError(f"{path.name} is not the file that was measured. {_AGAIN}")
    return read
