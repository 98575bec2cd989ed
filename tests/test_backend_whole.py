"""A model is loaded whole or not at all: weights that are missing, unused, doubled, of another shape or type, or no numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from runs import audit, run
from safetensors.torch import load_file, save_file

from pytest_slmtrust import BackendError, Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend, wrap_loaded
from pytest_slmtrust.backends.transformers.memory import cost_of_folder

ASK = Loglikelihood("the quick", " brown fox")
Weights = dict[str, torch.Tensor]
UP, NORM, HEAD, EMBED = "model.layers.1.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight", "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("whole") / "good")


@pytest.fixture
def folder(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(good, tmp_path / "model"))


def ask(folder: Path, **options: Any) -> float:
    answer = dict(load_backend(ModelSpec(str(folder), threads=1, template=False, **options)).run([ASK]))[0]
    return float(answer.sum)


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises((BackendError, SpecError)) as caught:
        ask(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def change(folder: Path, edit: Callable[[Weights], object], pickled: bool = False) -> None:
    """Write the folder's weights anew once ``edit`` was at them; as a pickle if asked."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    edit(weights)
    if pickled:
        path.unlink()
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, path, metadata={"format": "pt"})


def shard(folder: Path, *shards: Callable[[str], bool], pickled: bool = False) -> Path:
    """Spread the weights over shards, each with the names that its rule takes; the index, which names each tensor once."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    stem, suffix = ("pytorch_model", ".bin") if pickled else ("model", ".safetensors")
    index: dict[str, str] = {}
    for number, takes in enumerate(shards, 1):
        file = f"{stem}-{number:05d}-of-{len(shards):05d}{suffix}"
        held = {name: value for name, value in weights.items() if takes(name)}
        if pickled:
            torch.save(held, folder / file)
        else:
            save_file(held, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(held, file)
    path = folder / f"{stem}{suffix}.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return path


def lower(name: str) -> bool:
    return "layers.0" in name


def upper(name: str) -> bool:
    return not lower(name)


MISSING: dict[str, tuple[Callable[[Weights], object], str]] = {
    "one weight": (lambda w: w.pop(UP), "1 weights are not in the files (model.layers.1.mlp.up_proj.weight)"),
    "the embedding": (lambda w: w.pop(EMBED), "(model.embed_tokens.weight)"),
    "the head of an untied model": (lambda w: w.pop(HEAD), "(lm_head.weight)"),
    "a layer": (
        lambda w: [w.pop(n) for n in list(w) if "layers.1." in n],
        "9 weights are not in the files (model.layers.1.input",
    ),
    "renamed": (lambda w: w.update({"model.final_norm.weight": w.pop(NORM)}), "(model.norm.weight)"),
}


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
@pytest.mark.parametrize("what", MISSING)
def test_missing_weights_are_refused_by_name(what: str, pickled: bool, folder: Path) -> None:
    edit, says = MISSING[what]
    change(folder, edit, pickled)
    assert says in refused(folder, allow_pickle=pickled)
    assert says in refused(folder, allow_pickle=pickled, allow_unused=True)


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
def test_weights_that_the_model_does_not_use_are_refused_or_named(pickled: bool, folder: Path) -> None:
    whole = ask(folder)
    if pickled:
        change(folder, lambda w: None, pickled)
    tiny.edit(folder / "config.json", num_hidden_layers=1)
    says = refused(folder, allow_pickle=pickled)
    assert "9 weights are not used by the model that config.json describes (model.layers.1.input_layernorm.weight" in says
    assert "--slm-allow-unused-weights" in says
    backend = load_backend(ModelSpec(str(folder), threads=1, template=False, allow_pickle=pickled, allow_unused=True))
    assert dict(backend.run([ASK]))[0].sum != pytest.approx(whole, abs=0.01)
    assert UP in backend.describe()["unused_weights"]
    again = load_backend(ModelSpec(str(folder), threads=1, template=False, allow_pickle=pickled, allow_unused=True))
    assert len(again.describe()["unused_weights"]) == 9  # known even where every answer comes from the store
    strict = load_backend(ModelSpec(str(folder), threads=1, template=False, allow_pickle=pickled))
    assert again.fingerprint != strict.fingerprint  # whose answers are not those of a model that was let through


@pytest.mark.parametrize("extra", ["model.layers.7.mlp.up_proj.weight", "adapter.weight", "model.layers.0.self_attn.q_proj.bias"])
def test_other_weights_that_have_no_place_are_refused(extra: str, folder: Path) -> None:
    change(folder, lambda w: w.update({extra: torch.ones(32)}))
    assert extra in refused(folder)


def test_a_head_that_the_config_ties_away_is_refused_unless_it_is_the_embedding(folder: Path) -> None:
    with_head = ask(folder)
    tiny.edit(folder / "config.json", tie_word_embeddings=True)
    ties_blindly = int(version("transformers").split(".")[0]) < 5
    if ties_blindly:
        assert "1 weights are not used" in refused(folder)
        backend = load_backend(ModelSpec(str(folder), threads=1, template=False, allow_unused=True))
        assert backend.describe()["unused_weights"] in ([HEAD], [EMBED])
    else:  # it keeps a head of the file that differs, whatever the config says
        assert ask(folder) == pytest.approx(with_head, abs=1e-6)
    change(folder, lambda w: w.update({HEAD: w[EMBED].clone()}))
    tied = ask(folder)
    change(folder, lambda w: w.pop(HEAD))
    assert ask(folder) == pytest.approx(tied, abs=1e-6)
    change(folder, lambda w: w.update({HEAD: w.pop(EMBED)}))  # under the other name alone
    if ties_blindly:
        assert "embed_tokens.weight has no values" in refused(folder)
    else:
        assert ask(folder) == pytest.approx(tied, abs=1e-6)


def test_state_that_other_versions_saved_is_no_weight(folder: Path) -> None:
    whole = ask(folder)
    old = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
        "model.layers.1.self_attn.rotary_emb.cos_cached": torch.ones(8, 4),
        "model.layers.0.attn.masked_bias": torch.tensor(-1e4),
        "model.layers.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.uint8),
        "model.layers.1.attn.bias": torch.ones(8, 8, dtype=torch.bool),
        "model.position_ids": torch.arange(8),
    }
    change(folder, lambda w: w.update(old))
    assert ask(folder) == whole
    change(folder, lambda w: w.update({"model.layers.0.attn.bias": torch.ones(32)}))  # of an attention with biases
    assert "model.layers.0.attn.bias" in refused(folder)


def test_a_checkpoint_without_the_base_models_prefix_is_whole(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "gpt2", "gpt2")
    whole = ask(folder)
    change(folder, lambda w: [w.update({n.removeprefix("transformer."): w.pop(n)}) for n in list(w)])
    assert ask(folder) == whole
    change(folder, lambda w: w.pop("h.1.mlp.c_fc.bias"))
    assert "transformer.h.1.mlp.c_fc.bias" in refused(folder)


SHAPES: dict[str, tuple[Callable[[Weights], object], str]] = {
    "a row less": (lambda w: w.update({UP: w[UP][:-1].clone()}), UP),
    "turned": (lambda w: w.update({UP: w[UP].T.contiguous()}), UP),
    "a dimension more": (lambda w: w.update({NORM: w[NORM][None].clone()}), NORM),
    "whole numbers": (lambda w: w.update({UP: (w[UP] * 9).to(torch.int8)}), f"{UP!r} is of type"),
    "truth values": (lambda w: w.update({NORM: w[NORM] > 0}), f"{NORM!r} is of type"),
    "floats without their scale": (lambda w: w.update({UP: w[UP].to(torch.float8_e4m3fn)}), f"{UP!r} is of type"),
}


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
@pytest.mark.parametrize("what", SHAPES)
def test_weights_of_another_shape_or_type_are_refused_by_name(what: str, pickled: bool, folder: Path) -> None:
    edit, says = SHAPES[what]
    change(folder, edit, pickled)
    assert says in refused(folder, allow_pickle=pickled)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_one_number_that_is_none_is_found_where_no_prompt_reaches_it(number: float, folder: Path) -> None:
    change(folder, lambda w: w[EMBED].__setitem__((411, 3), number))
    assert f"{EMBED} holds numbers that are not finite" in refused(folder)


def test_large_numbers_are_no_infinite_ones(folder: Path) -> None:
    change(folder, lambda w: w[EMBED].__setitem__((slice(405, 419), 0), 3e38))  # their sum overflows
    assert ask(folder) < 0


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
def test_shards_that_are_whole_are_loaded(pickled: bool, folder: Path) -> None:
    whole = ask(folder)
    shard(folder, lower, upper, pickled=pickled)
    assert ask(folder, allow_pickle=pickled) == whole


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
def test_an_index_and_its_shards_name_the_same_tensors(pickled: bool, folder: Path) -> None:
    index = shard(folder, lower, upper, pickled=pickled)
    data = json.loads(index.read_text())
    file = data["weight_map"][UP]

    def named(**edits: str | None) -> str:
        names = {**data["weight_map"], **{k.replace("/", "."): v for k, v in edits.items()}}
        index.write_text(json.dumps({"weight_map": {k: v for k, v in names.items() if v}}))
        return refused(folder, allow_pickle=pickled)

    assert f"names 'model.layers.9.w' in '{file}'".replace("'" + file + "'", file) in named(**{"model/layers/9/w": file})
    assert f"does not name {UP!r}, which {file} holds" in named(**{UP.replace(".", "/"): None})
    other = next(f for f in data["weight_map"].values() if f != file)
    assert f"names {UP!r} in {other}, which does not hold it" in named(**{UP.replace(".", "/"): other})


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
def test_a_tensor_has_one_place(pickled: bool, folder: Path) -> None:
    shard(folder, lower, lambda name: upper(name) or name.endswith("0.mlp.up_proj.weight"), pickled=pickled)
    says = refused(folder, allow_pickle=pickled)
    assert "holds 'model.layers.0.mlp.up_proj.weight', which " in says
    assert "holds too" in says


def test_a_shard_that_the_index_leaves_out_is_refused(folder: Path) -> None:
    index = shard(folder, lower, upper, lambda name: name == NORM)
    data = json.loads(index.read_text())["weight_map"]
    data[NORM] = data[HEAD]
    index.write_text(json.dumps({"weight_map": data}))
    assert "leaves out 'model-00003-of-00003.safetensors'" in refused(folder)


def test_weights_in_another_form_are_not_counted_and_named(folder: Path) -> None:
    alone = cost_of_folder(folder, "float32")
    (folder / "consolidated.safetensors").write_bytes(bytes(2**20))
    (folder / "pytorch_model.bin").write_bytes(bytes(2**20))
    assert cost_of_folder(folder, "float32") == alone
    assert cost_of_folder(folder, "float32", allow_pickle=True) == alone
    about = load_backend(ModelSpec(str(folder))).describe()
    assert about["unread_weight_files"] == ["consolidated.safetensors", "pytorch_model.bin"]
    assert ask(folder) < 0


def test_only_the_pickles_that_are_loaded_count(folder: Path) -> None:
    change(folder, lambda w: None, pickled=True)
    alone = cost_of_folder(folder, "float32", allow_pickle=True)
    (folder / "training_args.bin").write_bytes(bytes(2**20))
    (folder / "optimizer.pt").write_bytes(bytes(2**20))
    assert cost_of_folder(folder, "float32", allow_pickle=True) == alone
    assert "optimizer.pt" not in load_backend(ModelSpec(str(folder), allow_pickle=True)).describe()["files"]


def test_a_loaded_model_without_values_is_refused() -> None:
    made = tiny.model()
    made.model.layers[1].mlp.up_proj.to("meta")
    with pytest.raises(BackendError, match=r"model\.layers\.1\.mlp\.up_proj\.weight has no values") as caught:
        dict(wrap_loaded(made, tiny.tokenizer()).run([ASK]))
    assert "\n" not in str(caught.value)
    with pytest.raises(BackendError, match="has no values"):
        _ = wrap_loaded(made, tiny.tokenizer()).fingerprint
    broken = tiny.model("qwen2")
    with torch.no_grad():
        broken.model.layers[0].self_attn.v_proj.bias[3] = float("nan")
    with pytest.raises(BackendError, match=r"v_proj\.bias holds numbers that are not finite"):
        dict(wrap_loaded(broken, tiny.tokenizer()).run([ASK]))


def _tokenizer(folder: Path, rows: int, extra: int) -> Any:
    """The folder's tokenizer, filled up to ``rows`` ids with added tokens and ``extra`` beyond them."""
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(folder)
    made.add_tokens([f"<unused{n}>" for n in range(rows - len(made))])
    made.add_special_tokens({"additional_special_tokens": [f"<image{n}>" for n in range(extra)]})
    made.save_pretrained(folder)
    assert len(made) == rows + extra
    return made


@pytest.mark.parametrize("extra", [1, 4])
def test_a_text_with_a_token_that_the_model_does_not_embed_fails_alone(extra: int, folder: Path) -> None:
    before = ask(folder)
    _tokenizer(folder, 420, extra)
    last = f"<image{extra - 1}>"
    asked: list[Any] = [
        Generate("the fox"),
        Generate(f"a {last} b"),
        ASK,
        Loglikelihood("the", f" x{last}"),
        Generate("the <unused3>"),
    ]
    answers = dict(load_backend(ModelSpec(str(folder), threads=1, template=False)).run(asked))
    assert [i for i, answer in answers.items() if isinstance(answer, Failure)] == [1, 3]
    assert f"the text holds the token {last!r} (id {419 + extra}); the model embeds ids below 420" in answers[1].message
    assert answers[2].sum == pytest.approx(before, abs=1e-6)


def test_a_vocabulary_that_is_wrong_as_a_whole_is_refused(folder: Path) -> None:
    _tokenizer(folder, 420, 60)  # a whole set of added tokens: another model's
    assert "the tokenizer has ids up to 479, the model embeds 420" in refused(folder)


def test_an_adapter_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base", "peft_type": "LORA"}')
    for text in (None, "[]", "{"):
        if text:
            (tmp_path / "lora" / "adapter_config.json").write_text(text)
        with pytest.raises(SpecError, match=r"holds an adapter.*not a whole model; name its base too") as caught:
            load_backend(ModelSpec(str(tmp_path / "lora")))
        assert "\n" not in str(caught.value)
        assert ("'owner/base'" in str(caught.value)) is (text is None)


PROBE = """
from pytest_slmtrust import *

@probe(dimension="robustness", rows=[{"text": "the fox"}, {"text": "the dog"}])
def answers(text):
    "It answers."
    yield from ask(Generate(text, max_new_tokens=2))
    return Verdict(True)
"""


def test_unused_weights_are_named_on_the_terminal_and_in_the_report(folder: Path, tmp_path: Path) -> None:
    change(folder, lambda w: w.update({"model.layers.4.mlp.up_proj.weight": w[UP].clone()}))
    (tmp_path / "probe_own.py").write_text(PROBE)
    options = ("probe_own.py", f"--slm={folder}", "--slm-packs=none", "-q", "--slm-chat-template=off")
    done = run(tmp_path, *options)
    assert done.returncode != 0
    assert "model.layers.4.mlp.up_proj.weight" in done.stdout + done.stderr
    for _ in range(2):  # the second run takes its answers from the store
        done = run(tmp_path, *options, "--slm-allow-unused-weights")
        assert "weights that the model does not use: 1 (model.layers.4.mlp.up_proj.weight)" in done.stdout
        assert audit(tmp_path)["model"]["unused_weights"] == ["model.layers.4.mlp.up_proj.weight"]
        assert "model.layers.4.mlp.up_proj.weight" in (tmp_path / "slmtrust-report" / "audit.html").read_text("utf-8")
