"""The tokens of GGUF files: cut by the pre-tokenizer that they name, as the models' own tokenizers do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ggufs
import pytest

from pytest_slmtrust import BackendError, Generate
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.gguftokenizer import Vocabulary, end_tokens, make_tokenizer
from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer

TEXTS = (
    "In 1987 we paid 45678 for 100000 kiwis, 3.14159 each.",
    "DON'T say I'M late; it's we'll they'Re IT'S",
    "two  spaces\n\n and\ttabs \r\n###  ",
    "東京は晴れ 1234 番 你好,世界! 한국어 텍스트",
    "x=1+2;y<=3 ~~ `code` $5 (ok)?! a_b/c//d",
    "Ünïcödé ÀÉ ЖУК жук αβγ ΩMEGA ǅungla ١٢٣ ½ ²",
    "trailing newline\n",
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def raw() -> Any:
    return ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"])))


def backend(path: Path) -> Any:
    return load_backend(ModelSpec(str(path), threads=1, template=False))


def converted(path: Path, raw: Any, **options: Any) -> Path:
    held = ggufs.words(raw)
    return ggufs.write(path, ggufs.weights(len(held["tokens"])), **held, **options)


def refused(path: Path) -> str:
    with pytest.raises(BackendError) as caught:
        _ = backend(path).fingerprint
    message = str(caught.value)
    assert "\n" not in message
    return message


def _reference(name: str) -> Any:
    """A pre-tokenizer as the models' own tokenizer.json has it, put together from the library's ready-made steps."""
    from tokenizers import Regex, pre_tokenizers

    def split(pattern: str) -> Any:
        return pre_tokenizers.Split(Regex(pattern), "isolated")

    plain, level = (pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex) for regex in (False, True))
    ends, tail = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    han = split("[一-龥ࠀ-一가-\ud7ff]+".encode("utf-16", "surrogatepass").decode("utf-16"))
    steps = {
        "gpt-2": [level],
        "llama-bpe": [split(ends + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + tail), plain],
        "qwen2": [split(ends + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + tail), plain],
        "smollm": [pre_tokenizers.Digits(individual_digits=True), level],
        "starcoder": [pre_tokenizers.Digits(individual_digits=True), level],
        "falcon": [pre_tokenizers.Punctuation("contiguous"), level, split("[0-9][0-9][0-9]")],
        "deepseek-coder": [
            split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), han, pre_tokenizers.Digits(individual_digits=True), plain,
        ],
    }  # fmt: skip
    return pre_tokenizers.Sequence(steps[name])


@pytest.mark.parametrize("name", ["gpt-2", "llama-bpe", "qwen2", "smollm", "starcoder", "falcon", "deepseek-coder"])
def test_a_named_pre_tokenizer_cuts_as_the_models_own(name: str) -> None:
    from tokenizers import Tokenizer, models

    raw = Tokenizer(models.BPE())
    data = json.loads(raw.to_str()) | {"pre_tokenizer": pre_tokenizer(KNOWN[name])}
    ours = Tokenizer.from_str(json.dumps(data)).pre_tokenizer
    for text in TEXTS:
        assert [p for p, _ in ours.pre_tokenize_str(text)] == [p for p, _ in _reference(name).pre_tokenize_str(text)]


PIECES = {
    "default": ("a,b 1987", ["a", ",", "b", "Ġ", "198", "7"]),
    "llama3": ("DON'T 45678", ["DON", "'T", "Ġ", "456", "78"]),
    "tekken": ("camelCase HTTPServer 12", ["camel", "Case", "ĠHTTPServer", "Ġ", "1", "2"]),
    "gpt-4o": ("camelCase it'S 1234", ["camel", "Case", "Ġit'S", "Ġ", "123", "4"]),
    "deepseek-llm": ("a B 1987 b", ["a", "ĠB", "Ġ", "1987", "Ġb"]),
    "deepseek-v3": ("a.b 1987 (x", ["a", ".b", "Ġ", "198", "7", "Ġ(", "x"]),
    "viking": ("a, b12", ["a", ",", "Ġb", "1", "2"]),
    "command-r": ("I'm 42", ["I", "'m", "Ġ", "4", "2"]),
}


@pytest.mark.parametrize("name", PIECES)
def test_other_pre_tokenizers_cut_as_llama_cpp_says(name: str) -> None:
    from tokenizers import Tokenizer, models

    text, want = PIECES[name]
    data = json.loads(Tokenizer(models.BPE()).to_str()) | {"pre_tokenizer": pre_tokenizer(KNOWN[name])}
    assert [p for p, _ in Tokenizer.from_str(json.dumps(data)).pre_tokenizer.pre_tokenize_str(text)] == want


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_known_pattern_is_one_that_the_library_reads_and_loses_no_letter(name: str) -> None:
    from tokenizers import Tokenizer, decoders, models

    data = json.loads(Tokenizer(models.BPE()).to_str()) | {"pre_tokenizer": pre_tokenizer(KNOWN[name])}
    ours = Tokenizer.from_str(json.dumps(data)).pre_tokenizer
    for text in TEXTS:
        assert decoders.ByteLevel().decode([p for p, _ in ours.pre_tokenize_str(text)]) == text


@pytest.mark.parametrize("name", ["llama-bpe", "qwen2", "smollm"])
def test_a_converted_file_has_the_tokens_of_the_tokenizer_that_it_was_made_from(name: str, tmp_path: Path) -> None:
    raw = ggufs.byte_level(json.dumps(json.loads(_json(name))))
    path = converted(tmp_path / "x.gguf", raw, pre=name, more={"tokenizer.ggml.add_bos_token": False})
    made = backend(path)
    dict(made.run([Generate("the", 1)]))
    codec = made._engine.loaded.codec
    for text in (*TEXTS, "<|start|>user<think> 12 </think><tool>x<|end|>"):
        want = raw.encode(text, add_special_tokens=False).ids
        assert codec.plain(text) == want
        assert codec.tokenizer.decode(want, clean_up_tokenization_spaces=False) == text
    assert [codec.plain(token) for token in ggufs.SPECIAL] == [[0], [1], [2], [3]]
    # control tokens are no part of a reply, tokens of the user are
    assert codec.tokenizer.decode([0, 2, 3, 1], skip_special_tokens=True) == "<tool><think>"


def _json(name: str) -> str:
    """The reference as JSON, for the training of a vocabulary."""
    from tokenizers import Tokenizer, models

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = _reference(name)
    found: str = json.dumps(json.loads(raw.to_str())["pre_tokenizer"])
    return found


@pytest.mark.parametrize("name", ["llama-bpee", "some-new-one", ""])
def test_an_unknown_pre_tokenizer_is_refused_in_one_line(name: str, raw: Any, tmp_path: Path) -> None:
    message = refused(converted(tmp_path / "x.gguf", raw, pre=name))
    assert "'tokenizer.ggml.pre' is " in message
    assert ("did the converter mean 'llama-bpe'?" in message) is (name == "llama-bpee")
    assert "convert the model again" in message


def test_a_missing_pre_tokenizer_is_that_of_the_family_or_refused(raw: Any, tmp_path: Path) -> None:
    assert "'tokenizer.ggml.pre' is missing" in refused(converted(tmp_path / "x.gguf", raw, pre=None))
    said = {"tokenizer.ggml.model": "gpt2", "general.architecture": "starcoder2"}
    data, _ = make_tokenizer(said, Vocabulary(["a", "b"]))
    assert data["pre_tokenizer"] == pre_tokenizer(KNOWN["starcoder"])


def test_a_vocabulary_of_another_kind_or_with_a_token_twice_is_refused() -> None:
    for kind, tokens, says in (("bert", ["a"], "'bert'"), ("llama", ["a", "a"], "a token twice"), ("llama", [], "is empty")):
        with pytest.raises(ModelError, match=says):
            make_tokenizer({"tokenizer.ggml.model": kind}, Vocabulary(tokens))
    with pytest.raises(ModelError, match=r"eos_token_id' is 9, and there are 1 tokens"):
        make_tokenizer({"tokenizer.ggml.model": "llama", "tokenizer.ggml.eos_token_id": 9}, Vocabulary(["a"]))


def _sentencepiece() -> tuple[Any, Vocabulary]:
    """A SentencePiece BPE with scores by rank, trained by the library that made it, and its vocabulary as in a GGUF file."""
    import io

    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(ggufs.TEXT * 3), model_writer=out, vocab_size=600, model_type="bpe", byte_fallback=True,
        user_defined_symbols=["<tool>", "  "], character_coverage=0.98, minloglevel=2, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True,
    )  # fmt: skip
    made = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    size = made.get_piece_size()
    tokens = [made.id_to_piece(i) for i in range(size)]
    kinds = [1] * size
    for number, token in enumerate(tokens):
        tests = ((2, made.is_unknown), (3, made.is_control), (6, made.is_byte), (4, lambda _, t=token: t in ("<tool>", "  ")))
        kinds[number] = next((kind for kind, test in tests if test(number)), 1)
    return made, Vocabulary(tokens, kinds, [made.get_score(i) for i in range(size)])


def test_sentencepiece_scores_give_the_tokens_of_sentencepiece() -> None:
    pytest.importorskip("sentencepiece")
    from tokenizers import Tokenizer

    made, words = _sentencepiece()
    ids = {"tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    data, config = make_tokenizer({"tokenizer.ggml.model": "llama", "general.architecture": "llama", **ids}, words)
    ours = Tokenizer.from_str(json.dumps(data))
    for text in ("the quick brown fox 1987", "DON'T I'm late: 45678", "東京 and rare ж 𐍈 letters", "numbers such as 12, 305"):
        want = made.encode(text)
        assert ours.encode(text, add_special_tokens=False).ids == want
        assert ours.encode(text).ids == [1, *want]
        assert ours.decode(want) == text
    tool = words.tokens.index("<tool>")
    assert tool in ours.encode("a <tool> b", add_special_tokens=False).ids
    assert words.tokens.index("  ") in ours.encode("a  b", add_special_tokens=False).ids
    assert config["unk_token"] == "<unk>"


def test_a_reply_ends_where_the_file_says_that_a_turn_does() -> None:
    words = Vocabulary(["a", "<end_of_turn>", "</s>", "<|im_end|>", "<|eot_id|>"], [1, 3, 3, 4, 1])
    said = {"tokenizer.ggml.eos_token_id": 2}
    assert end_tokens(said, words) == [1, 2]
    assert end_tokens({**said, "tokenizer.ggml.eot_token_id": 4, "tokenizer.ggml.eom_token_id": 99}, words) == [1, 2, 4]
    assert end_tokens({}, Vocabulary(["a"])) == []
