# mypy: disable-error-code="arg-type"
"""GGUF files: whole or refused, verified on every load, and with the tokens of their own pre-tokenizer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ggufs
import numpy as np
import pytest

from pytest_slmtrust import BackendError, Generate, Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers import gguf
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.ggufconfig import LLAMA3, ROPE_FREQS, llama3_factor, mend_config
from pytest_slmtrust.backends.transformers.gguftokenizer import Vocabulary, end_tokens, make_tokenizer
from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer

ASK = Loglikelihood("the quick", " brown fox")
Tensors = dict[str, Any]
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
def words() -> dict[str, Any]:
    return ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))


def make(path: Path, words: dict[str, Any], edit: Callable[[Tensors], object] = lambda _: None, **options: Any) -> Path:
    layers = options.pop("layers", ggufs.LAYERS)
    tensors = ggufs.weights(len(words["tokens"]), seed=options.pop("seed", 0), layers=layers)
    edit(tensors)
    return ggufs.write(path, tensors, **words, **{"pre": "llama-bpe", **options})


def backend(path: Path, **options: Any) -> Any:
    return load_backend(ModelSpec(str(path), threads=1, template=False, **options))


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(BackendError) as caught:
        dict(backend(path, **options).run([ASK]))
    message = str(caught.value)
    assert "\n" not in message
    assert not list((Path(os.environ["SLMTRUST_CACHE"]) / "gguf").glob("*/config.json"))
    return message


FAULTS: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "no embedding": (lambda t: t.pop("token_embd.weight"), "1 weights are not in the files (token_embd.weight)"),
    "no query": (lambda t: t.pop("blk.0.attn_q.weight"), "1 weights are not in the files (blk.0.attn_q.weight)"),
    "no last norm": (lambda t: t.pop("output_norm.weight"), "(output_norm.weight)"),
    "no block": (lambda t: [t.pop(n) for n in list(t) if n.startswith("blk.1.")], "9 weights are not in the files (blk.1."),
    "a renamed one": (lambda t: t.update({"blk.1.ffn_upp.weight": t.pop("blk.1.ffn_up.weight")}), "(blk.1.ffn_up.weight)"),
    "one more": (lambda t: t.update({"blk.1.attn_q.lora": np.ones(8, np.float32)}), "not used by the model that its metadata"),
    "another shape": (lambda t: t.update({"blk.0.ffn_up.weight": t["blk.0.ffn_up.weight"][:-2]}), "(blk.0.ffn_up.weight)"),
    "a number that is none": (lambda t: t["blk.1.ffn_down.weight"].__setitem__((3, 4), np.nan), "not finite"),
}


@pytest.mark.parametrize("what", [name for name in FAULTS if name != "a number that is none"])
def test_a_file_that_is_not_whole_is_refused_by_name(what: str, words: dict[str, Any], tmp_path: Path) -> None:
    edit, says = FAULTS[what]
    assert says in refused(make(tmp_path / "x.gguf", words, edit))


def test_numbers_that_are_none_are_found(words: dict[str, Any], tmp_path: Path) -> None:
    path = make(tmp_path / "x.gguf", words, FAULTS["a number that is none"][0])
    with pytest.raises(BackendError, match=r"layers\.1\.mlp\.down_proj\.weight holds numbers that are not finite"):
        dict(backend(path).run([ASK]))


def test_blocks_that_the_metadata_do_not_speak_of_are_refused_or_named(words: dict[str, Any], tmp_path: Path) -> None:
    path = make(tmp_path / "x.gguf", words, layers=3)
    assert "9 weights are not used by the model that its metadata describe (blk.2.attn_k.weight" in refused(path)
    allowed = backend(path, allow_unused=True)
    assert len(allowed.describe()["unused_weights"]) == 9
    assert dict(allowed.run([ASK]))[0].sum < 0
    with pytest.raises(BackendError, match="9 weights are not used"):  # the conversion is there now, and says so itself
        dict(backend(path).run([ASK]))
    assert "9 weights are not in the files (blk.2." in _message(make(tmp_path / "y.gguf", words, blocks=3))


def _message(path: Path) -> str:
    with pytest.raises(BackendError) as caught:
        dict(backend(path).run([ASK]))
    return str(caught.value)


def test_a_head_that_is_the_embedding_or_its_own(words: dict[str, Any], tmp_path: Path) -> None:
    own = dict(backend(make(tmp_path / "own.gguf", words)).run([ASK]))[0].sum
    tied = dict(backend(make(tmp_path / "tied.gguf", words, lambda t: t.pop("output.weight"))).run([ASK]))[0].sum
    same = make(tmp_path / "same.gguf", words, lambda t: t.update({"output.weight": t["token_embd.weight"]}))
    assert dict(backend(same).run([ASK]))[0].sum == pytest.approx(tied, abs=1e-5)
    assert own != pytest.approx(tied, abs=1e-3)


def test_the_audit_names_the_file_that_was_given(words: dict[str, Any], tmp_path: Path) -> None:
    path = make(tmp_path / "x.gguf", words)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    about = backend(path).describe()
    assert about["files"] == {"x.gguf": digest}
    assert set(about["converted_files"]) >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert "conversion.json" not in about["converted_files"]


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "other weights of the same shapes": lambda made, other: shutil.copy(other / "model.safetensors", made / "model.safetensors"),
    "a whole other conversion": lambda made, other: [shutil.copy(path, made / path.name) for path in other.iterdir()],
    "an edited config": lambda made, _: (made / "config.json").write_text('{"model_type": "llama"}'),
    "a file that is gone": lambda made, _: (made / "tokenizer.json").unlink(),
    "a template beside it": lambda made, _: (made / "chat_template.jinja").write_text("{{ messages }}"),
    "no manifest": lambda made, _: (made / "conversion.json").unlink(),
    "a manifest that is none": lambda made, _: (made / "conversion.json").write_text("["),
}


def test_a_conversion_that_was_changed_is_made_again(words: dict[str, Any], tmp_path: Path) -> None:
    path, other = make(tmp_path / "x.gguf", words), gguf.converted(make(tmp_path / "y.gguf", words, seed=7)).folder
    first = backend(path)
    want, fingerprint = dict(first.run([ASK]))[0].sum, first.fingerprint
    made = gguf.converted(path).folder
    times = {p.name: p.stat() for p in made.iterdir()}
    for what, change in CHANGES.items():
        change(made, other)
        for p in made.iterdir():  # a clock that tells nothing
            if p.name in times:
                os.utime(p, ns=(times[p.name].st_atime_ns, times[p.name].st_mtime_ns))
        said: list[str] = []
        assert gguf.converted(path, said.append).files == gguf.converted(path).files, what
        assert "it is made again" in said[0], what
    again = backend(path)
    assert (dict(again.run([ASK]))[0].sum, again.fingerprint) == (want, fingerprint)


def test_a_conversion_is_hashed_whole_on_every_load(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_slmtrust.backends.transformers import conversion

    path = make(tmp_path / "x.gguf", words)
    folder, real = gguf.converted(path).folder, gguf.sha256_of
    hashed: list[str] = []
    for module in (conversion, gguf):
        monkeypatch.setattr(module, "sha256_of", lambda file: (hashed.append(file.name), real(file))[1])
    for _ in range(2):
        hashed.clear()
        _ = backend(path).fingerprint
        assert sorted(hashed) == sorted(["x.gguf", *(p.name for p in folder.iterdir() if p.name != conversion.MANIFEST)])


# -- tokenizers ---------------------------------------------------------------------------------------------------------


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
    path = make(tmp_path / "x.gguf", ggufs.words(raw), pre=name, more={"tokenizer.ggml.add_bos_token": False})
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
def test_an_unknown_pre_tokenizer_is_refused_in_one_line(name: str, words: dict[str, Any], tmp_path: Path) -> None:
    message = refused(make(tmp_path / "x.gguf", words, pre=name))
    assert "'tokenizer.ggml.pre' is " in message
    assert ("did the converter mean 'llama-bpe'?" in message) is (name == "llama-bpee")
    assert "convert the model anew" in message


def test_a_missing_pre_tokenizer_is_that_of_the_family_or_refused(words: dict[str, Any], tmp_path: Path) -> None:
    assert "'tokenizer.ggml.pre' is missing" in refused(make(tmp_path / "x.gguf", words, pre=None))
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


# -- fields that the conversion of transformers passes over ----------------------------------------------------------------


def _mended(config: dict[str, Any] | None = None, factors: list[float] | None = None, family: str = "llama", **said: Any) -> Any:
    base = {
        "attention.layer_norm_rms_epsilon": 1e-5,
        "embedding_length": 64,
        "attention.head_count": 4,
        "rope.dimension_count": 16,
    }
    fields = {f"{family}.{name}": value for name, value in {**base, **said}.items()}
    return mend_config({"rope_theta": 5e5, **(config or {})}, {"general.architecture": family, **fields}, factors)


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama_3s_rotary_factors_are_carried_over(factor: float) -> None:
    factors = [llama3_factor(5e5 ** (-2 * i / 16), factor) for i in range(8)]
    assert factors[0] == 1.0
    assert factors[-1] == factor
    assert _mended(factors=factors)["rope_scaling"] == {"rope_type": "llama3", "factor": factor, **LLAMA3}
    assert "rope_scaling" not in _mended(factors=[1.0] * 8)
    with pytest.raises(ModelError, match=ROPE_FREQS):
        _mended(factors=[f + 0.5 for f in factors])
    in_five = _mended({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}, factors)["rope_parameters"]
    assert in_five == {"rope_theta": 5e5, "rope_type": "llama3", "factor": factor, **LLAMA3}


def test_rotary_factors_in_a_file_are_those_of_its_conversion(words: dict[str, Any], tmp_path: Path) -> None:
    factors = np.array([llama3_factor(10000.0 ** (-2 * i / 8), 8.0) for i in range(4)], np.float32)
    said = {"llama.rope.dimension_count": 8}
    path = make(tmp_path / "x.gguf", words, lambda t: t.update({ROPE_FREQS: factors}), more=said)
    config = json.loads((gguf.converted(path).folder / "config.json").read_text())
    assert (config.get("rope_scaling") or config["rope_parameters"])["factor"] == 8.0
    odd = make(tmp_path / "y.gguf", words, lambda t: t.update({ROPE_FREQS: factors + 1}), more=said)
    assert ROPE_FREQS in _message(odd)


def test_a_config_of_transformers_5_is_read_alike_by_4() -> None:
    plain = _mended({"rope_theta": None, "rope_parameters": {"rope_theta": 77.0, "rope_type": "default"}})
    assert plain["rope_theta"] == 77.0
    assert "rope_scaling" not in plain
    two = {"full_attention": {"rope_theta": 1e6, "rope_type": "default"}, "sliding_attention": {"rope_theta": 1e4}}
    said = {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    mixed = _mended({"rope_parameters": two}, family="gemma3", **said)
    assert (mixed["rope_theta"], mixed["rope_local_base_freq"]) == (1e6, 1e4)
    assert mixed["rope_scaling"] == {"rope_type": "linear", "factor": 8.0}


def test_fields_that_change_numbers_are_carried_over_or_refused() -> None:
    assert _mended(**{"rope.scaling.type": "linear", "rope.scaling.factor": 4.0})["rope_scaling"]["factor"] == 4.0
    assert _mended(**{"rope.scaling.type": "none", "logit_scale": 1.0}) == {"rope_theta": 5e5}
    assert _mended({"sliding_window": None}, family="phi3", **{"attention.sliding_window": 99})["sliding_window"] == 99
    assert _mended(family="phi3", **{"rope.dimension_count": 12})["partial_rotary_factor"] == 0.75
    assert _mended({"rope_theta": 10000.0}, family="starcoder2", **{"rope.freq_base": 999999.0})["rope_theta"] == 999999.0
    for name, value in {
        "rope.scaling.type": "yarn", "attention.sliding_window": 512, "logit_scale": 0.5, "attention.causal": False,
        "rope.dimension_count": 8, "attention.value_length": 8, "attention.layer_norm_rms_epsilon": None,
    }.items():  # fmt: skip
        with pytest.raises(ModelError, match=f"'llama.{name}'"):
            _mended(**{name: value})
    assert _mended({"norm_eps": 1e-6})["norm_eps"] == 1e-5


HEADS = {"attention.head_count": 4, "attention.head_count_kv": 2, "feed_forward_length": 48}
RMS, NORM = {"attention.layer_norm_rms_epsilon": 1e-4}, {"attention.layer_norm_epsilon": 1e-4}
WIDE = {"attention.key_length": 16, "attention.value_length": 16}
#: The fields that a file says of a family, and those of the config that they must become.
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gemma3": (
        "Gemma3TextConfig", {**HEADS, **RMS, **WIDE, "attention.sliding_window": 16}, {"head_dim": 16, "sliding_window": 16},
    ),
    "gpt2": ("GPT2Config", {"attention.head_count": 4, "feed_forward_length": 128, **NORM}, {"layer_norm_epsilon": 1e-4}),
    "phi3": (
        "Phi3Config", {**HEADS, **RMS, "rope.dimension_count": 4, "attention.sliding_window": 24},
        {"partial_rotary_factor": 0.5, "sliding_window": 24},
    ),
    "qwen3": ("Qwen3Config", {**HEADS, **RMS, **WIDE, "rope.freq_base": 5e5}, {"head_dim": 16, "rope_theta": 5e5}),
    "starcoder2": (
        "Starcoder2Config", {**HEADS, **NORM, "rope.freq_base": 99999.0},
        {"norm_epsilon": 1e-4, "rope_theta": 99999.0, "use_bias": True, "sliding_window": None},
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_converted_family_computes_what_it_was_made_from(family: str, tmp_path: Path) -> None:
    """Defaults of transformers differ from every number here: one that is not carried over shows in the logits."""
    import torch
    import transformers as hf

    kind, said, changes = FAMILIES[family]
    raw = ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["gpt-2"])))
    sizes: dict[str, Any] = {
        "vocab_size": raw.get_vocab_size(), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "bos_token_id": 0, "max_position_embeddings": 256, "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    if family != "gpt2":
        sizes |= {"intermediate_size": 48, "num_key_value_heads": 2}
    if "attention.layer_norm_rms_epsilon" in said:
        sizes["rms_norm_eps"] = 1e-4
    torch.manual_seed(0)
    made = hf.AutoModelForCausalLM.from_config(getattr(hf, kind)(**{**sizes, **changes})).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.1, 0.3)
    ids = torch.arange(3, 63)[None]
    folder = gguf.converted(ggufs.of_model(tmp_path / f"{family}.gguf", family, made, said, raw)).folder
    again = hf.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        assert torch.allclose(again(ids).logits, made(ids).logits, rtol=0, atol=1e-4)


def test_a_reply_ends_where_the_file_says_that_a_turn_does() -> None:
    words = Vocabulary(["a", "<end_of_turn>", "</s>", "<|im_end|>", "<|eot_id|>"], [1, 3, 3, 4, 1])
    said = {"tokenizer.ggml.eos_token_id": 2}
    assert end_tokens(said, words) == [1, 2]
    assert end_tokens({**said, "tokenizer.ggml.eot_token_id": 4, "tokenizer.ggml.eom_token_id": 99}, words) == [1, 2, 4]
    assert end_tokens({}, Vocabulary(["a"])) == []
