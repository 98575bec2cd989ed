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

from pytest_slmtrust import BackendError, Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers import gguf
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.ggufconfig import LLAMA3, ROPE_FREQS, llama3_factor, mend_config
from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer

ASK = Loglikelihood("the quick", " brown fox")
Tensors = dict[str, Any]


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


@pytest.mark.parametrize("variable", ["SLMTRUST_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_a_file_that_finds_no_place_to_be_converted_names_the_variable(
    variable: str, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "m.gguf", words)
    (tmp_path / "file").write_text("no folder")
    for name in ("SLMTRUST_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file" / "home"))
    with pytest.raises(BackendError, match=r"file/home.*: the cache cannot be created \(.*\); set SLMTRUST_CACHE to a folder"):
        dict(backend(path).run([ASK]))


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
