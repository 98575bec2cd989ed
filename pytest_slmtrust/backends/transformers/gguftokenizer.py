"""The tokenizer in a GGUF file as transformers' ``tokenizer.json`` and ``tokenizer_config.json``.

Made from the metadata alone: transformers' own conversion goes by the architecture, so that it gives every byte-level vocabulary
GPT-2's pattern, cuts user-defined tokens into letters, and adds tokens that the file does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .files import ModelError
from .pretokenizers import pre_tokenizer, split_named, suggestion

#: Types of tokens in ``tokenizer.ggml.token_type``.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "▁"
#: Names of control tokens that end a turn.
TURN_ENDS = ("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<end_of_utterance>", "[EOT]")
#: Tokens of Phi-3 after which it does not swallow white space, as after its other special ones.
PHI3_PLAIN = ("<unk>", "<s>", "<|endoftext|>")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The arrays of a GGUF file: tokens with their types and scores (may be empty), and merges of byte-level BPE."""

    tokens: Sequence[str]
    types: Sequence[int] = ()
    scores: Sequence[float] = ()
    merges: Sequence[str] = ()

    def kind(self, number: int) -> int:
        """Return the type of a token; files from before the types have ordinary ones."""
        return self.types[number] if number < len(self.types) else NORMAL


def make_tokenizer(metadata: Mapping[str, Any], words: Vocabulary) -> tuple[dict[str, Any], dict[str, Any]]:
    """``tokenizer.json`` and ``tokenizer_config.json`` of a GGUF file.

    Raises:
        ModelError: a kind of vocabulary or a pre-tokenizer that is not known, or a token twice.
    """
    vocabulary = {token: number for number, token in enumerate(words.tokens)}
    if not vocabulary or len(vocabulary) != len(words.tokens):
        raise ModelError("the vocabulary is empty, or has a token twice; the file is damaged, fetch it again")
    kind = metadata.get("tokenizer.ggml.model")
    named = {name: _special(metadata, words, key) for name, key in _SPECIAL}
    if kind == "gpt2":
        data = _byte_level(metadata, words, vocabulary)
    elif kind == "llama":
        data = _sentencepiece(metadata, words, vocabulary, named["unk_token"] or "<unk>")
    else:
        raise ModelError(
            f"'tokenizer.ggml.model' is {str(kind)[:40]!r}; known: 'gpt2' (byte-level BPE), 'llama' (SentencePiece BPE)"
        )
    data |= {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": _added(metadata, words, set(named.values())),
        "post_processor": _begin(named["bos_token"], metadata) if adds_bos(metadata) else None,
    }  # fmt: skip
    named["pad_token"] = named["pad_token"] or named["eos_token"]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": int(metadata.get(f"{metadata.get('general.architecture')}.context_length", 2048)),
        **{name: text for name, text in named.items() if text is not None},
    }
    template = metadata.get("tokenizer.chat_template")
    return data, {**config, "chat_template": template} if template else config


def end_tokens(metadata: Mapping[str, Any], words: Vocabulary) -> list[int]:
    """Return the tokens that end a reply: EOS, the ends of a turn and of a message, and control tokens that llama.cpp knows as
    such."""
    named = [metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")]
    known = [number for number, token in enumerate(words.tokens) if token in TURN_ENDS and words.kind(number) == CONTROL]
    return sorted({int(n) for n in (*named, *known) if n is not None and 0 <= int(n) < len(words.tokens)})


_SPECIAL = (("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"))


def adds_bos(metadata: Mapping[str, Any]) -> bool:
    """Return whether the file wants BOS before every text: its own word, else llama.cpp's default for its vocabulary."""
    said = metadata.get("tokenizer.ggml.add_bos_token")
    if said is not None:
        return bool(said)
    split = split_named(metadata.get("tokenizer.ggml.pre"), str(metadata.get("general.architecture")))
    return metadata.get("tokenizer.ggml.model") == "llama" or (split is not None and split.bos)


def _special(metadata: Mapping[str, Any], words: Vocabulary, name: str) -> str | None:
    number = metadata.get(f"tokenizer.ggml.{name}_token_id")
    if number is None:
        return None
    if not 0 <= int(number) < len(words.tokens):
        raise ModelError(f"'tokenizer.ggml.{name}_token_id' is {number}, and there are {len(words.tokens)} tokens")
    return words.tokens[int(number)]


def _byte_level(metadata: Mapping[str, Any], words: Vocabulary, vocabulary: Mapping[str, int]) -> dict[str, Any]:
    name, family = metadata.get("tokenizer.ggml.pre"), str(metadata.get("general.architecture"))
    split = split_named(name, family)
    if split is None:
        said = f"is {str(name)[:40]!r}, {suggestion(str(name))}" if name is not None else "is missing: texts would be cut wrongly"
        raise ModelError(f"the pre-tokenizer 'tokenizer.ggml.pre' {said}; convert the model again with a current llama.cpp")
    merges = [(word[:cut], word[cut + 1 :]) for word in words.merges if (cut := word.find(" ", 1)) > 0]
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": split.whole, "vocab": vocabulary, "merges": merges,
    }  # fmt: skip
    return {
        "normalizer": {"type": "NFC"} if split.composed else None,
        "pre_tokenizer": pre_tokenizer(split),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": model,
    }


def _sentencepiece(metadata: Mapping[str, Any], words: Vocabulary, vocabulary: Mapping[str, int], unknown: str) -> dict[str, Any]:
    prefix = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    prepend = {"type": "Prepend", "prepend": SPACE}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    model = {
        "type": "BPE", "dropout": None, "unk_token": unknown if unknown in vocabulary else None,
        "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True,
        "ignore_merges": False, "vocab": vocabulary, "merges": _merges(words, vocabulary),
    }  # fmt: skip
    return {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*([prepend] if prefix else []), replace],
        },
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}, *([strip] if prefix else [])],
        },
        "model": model,
    }


def _merges(words: Vocabulary, vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the merges that SentencePiece's scores amount to, best first: every split of a token into two others.

    The order is that of transformers' ``generate_merges``, with which the models' own ``tokenizer.json`` were made.
    """
    found = []
    for number, token in enumerate(words.tokens):
        if words.kind(number) in (CONTROL, UNKNOWN, BYTE, UNUSED):
            continue
        score = words.scores[number] if number < len(words.scores) else -float(number)
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        pairs = sorted((p for p in pairs if p[0] in vocabulary and p[1] in vocabulary), key=lambda p: [vocabulary[s] for s in p])
        found += [(score, len(left), len(right), left, right) for left, right in pairs]
    found.sort(key=lambda merge: merge[:3], reverse=True)
    return [(left, right) for *_, left, right in found]


def _added(metadata: Mapping[str, Any], words: Vocabulary, named: set[str | None]) -> list[dict[str, Any]]:
    """Tokens that stand for themselves: control tokens are special, user-defined ones are plain text that stays whole."""
    phi3 = metadata.get("general.architecture") == "phi3" and metadata.get("tokenizer.ggml.model") == "llama"
    found = []
    for number, token in enumerate(words.tokens):
        kind = words.kind(number)
        special = kind in (CONTROL, UNKNOWN) or (token in named and not words.types)
        if token and (special or kind == USER_DEFINED):
            found.append({
                "id": number, "content": token, "single_word": False, "lstrip": False, "normalized": False, "special": special,
                "rstrip": phi3 and special and token not in PHI3_PLAIN,
            })  # fmt: skip
    return found


def _begin(bos: str | None, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a post-processor that puts BOS before every text."""
    if bos is None:
        return None
    first, second = ({"SpecialToken": {"id": bos, "type_id": i}} for i in (0, 1))
    one, two = ({"Sequence": {"id": name, "type_id": i}} for i, name in enumerate("AB"))
    number = int(metadata["tokenizer.ggml.bos_token_id"])
    return {
        "type": "TemplateProcessing",
        "single": [first, one],
        "pair": [first, one, second, two],
        "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}},
    }
