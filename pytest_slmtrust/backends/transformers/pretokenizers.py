"""How a byte-level BPE vocabulary is split before its merges, by the name in ``tokenizer.ggml.pre``.

The names and patterns are those of llama.cpp (``src/llama-vocab.cpp``) and of the models' own ``tokenizer.json``, where it has
them from. Several patterns are applied one after the other: each splits what the last one left, and what it does not match stays
a piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{_ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}"
QWEN2 = rf"{_ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}"
QWEN35 = (
    rf"{_ENDS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SEED = rf"{_ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ANY = r"[^\r\n\p{L}\p{N}]?"
_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"{_ANY}{_UPPER}*{_LOWER}+|{_ANY}{_UPPER}+{_LOWER}*|\p{{N}}|{_SLASH}"
GPT4O = rf"{_ANY}{_UPPER}*{_LOWER}+{_ENDS}?|{_ANY}{_UPPER}+{_LOWER}*{_ENDS}?|\p{{N}}{{1,3}}|{_SLASH}"
BAILING = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
WORDS = r" ?[^(\s|.,!?…。，、।۔،)]+"
#: Letters with a case, as DeepSeek's first tokenizer lists them.
_CASED = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d"
    "\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3"
    "\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffcℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯ"
    "ꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)
_HAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
_KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class Split:
    """The patterns of one name.

    ``whole``: a piece that is a token is taken without merges. ``bos``: whether BOS comes before texts where the file
    does not say. ``composed``: texts are put into NFC first.
    """

    patterns: tuple[str, ...]
    whole: bool = False
    bos: bool = False
    composed: bool = False


_DIGITS = r"\p{N}"
_NAMES: tuple[tuple[str, Split], ...] = (
    ("gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat a.x-4.0 mellum modern-bert", Split((GPT2,))),
    ("default", Split((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"))),
    ("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2", Split((LLAMA3,), whole=True, bos=True)),
    ("minicpm5", Split((LLAMA3,), whole=True)),
    ("dbrx smaug-bpe glm4 chatglm-bpe", Split((LLAMA3,))),
    ("qwen2", Split((QWEN2,), composed=True)),
    ("deepseek-r1-qwen kormo stablelm2 megrez hunyuan solar-open grok-2", Split((QWEN2,))),
    ("qwen35", Split((QWEN35,))),
    ("seed-coder", Split((SEED,))),
    ("bailingmoe bailingmoe2 llada-moe", Split((BAILING,))),
    ("smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", Split((_DIGITS, GPT2))),
    ("falcon", Split((r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"))),
    ("tekken", Split((TEKKEN,), whole=True, bos=True)),
    ("gpt-4o llama4 kanana2 talkie minimax-m2", Split((GPT4O,))),
    ("bloom poro-chat gpt3-finnish", Split((WORDS,))),
    ("viking", Split((WORDS, _DIGITS))),
    ("deepseek-llm", Split(("[\r\n]", rf"\s?[{_CASED}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", _HAN, r"\p{N}+"))),
    ("deepseek-coder", Split(("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _HAN, _DIGITS))),
    ("deepseek-v3 hunyuan-dense joyai-llm", Split((r"\p{N}{1,3}", _KANA, DEEPSEEK3))),
)
KNOWN: Mapping[str, Split] = {name: split for names, split in _NAMES for name in names.split()}
#: What a family has always used, for files from before the field: other families had more than one vocabulary.
BY_FAMILY = {
    "bloom": "bloom", "falcon": "falcon", "gpt2": "gpt-2", "mamba": "gpt-2", "qwen2": "qwen2", "qwen2moe": "qwen2",
    "qwen3": "qwen2", "qwen3moe": "qwen2", "stablelm": "gpt-2", "starcoder2": "starcoder",
}  # fmt: skip


def split_named(name: str | None, family: str) -> Split | None:
    """Return the split that a file names, or that its family has always used; None for an unknown one."""
    return KNOWN.get(BY_FAMILY.get(family, "") if name is None else name)


def suggestion(name: str) -> str:
    """Return the nearest known name, or all of them."""
    near = get_close_matches(name, KNOWN, n=1, cutoff=0.7)
    return f"did the converter mean {near[0]!r}?" if near else f"known: {', '.join(sorted(KNOWN))}"


def pre_tokenizer(split: Split) -> dict[str, Any]:
    """Return the same as a step of ``tokenizer.json``; the bytes of each piece become letters after it."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    steps = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in split.patterns]
    return {"type": "Sequence", "pretokenizers": [*steps, level]}
