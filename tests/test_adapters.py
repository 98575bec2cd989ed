"""LoRA adapters: merged as peft merges them, and refused where they are more than numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from pytest_slmtrust import BackendError, Generate, Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend

peft = pytest.importorskip("peft", reason="peft is not installed")
ASKED: list[Any] = [Loglikelihood("the quick", " brown fox"), Loglikelihood("a house", " is red"), Generate("the dog", 6)]


def tuned(base: Path, folder: Path, **options: Any) -> Any:
    """An adapter with random numbers, as peft saves it, and the model with it."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_pretrained(base)
    made = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 16, **options}))
    for name, value in made.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            value.data += torch.randn_like(value) * 0.2
    made.save_pretrained(folder)
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture
def lora(base: Path, tmp_path: Path) -> Path:
    tuned(base, tmp_path / "lora", target_modules=["q_proj", "down_proj"])
    return tmp_path / "lora"


def answers(spec: str, **options: Any) -> list[Any]:
    found = dict(load_backend(ModelSpec(spec, threads=1, template=False, **options)).run(ASKED))
    return [found[i] for i in range(len(ASKED))]


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {"target_modules": ["q_proj", "v_proj"]}),
        ("llama", {"target_modules": "all-linear", "use_rslora": True, "r": 6, "rank_pattern": {"down_proj": 2}}),
        ("qwen2", {"target_modules": ["o_proj"], "use_dora": True, "modules_to_save": ["lm_head"]}),
        ("gpt2", {"target_modules": ["c_attn"], "fan_in_fan_out": True}),
        ("llama", {"target_modules": r".*\.1\.self_attn\.(q|k)_proj"}),
    ],
)
def test_merged_and_unmerged_answer_alike(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "base", family)
    made = tuned(folder, tmp_path / "lora", **options)
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    made.merge_and_unload().save_pretrained(whole)
    plain, ours, theirs = answers(str(folder)), answers(f"{folder}+{tmp_path / 'lora'}"), answers(str(whole))
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        assert a.sum == pytest.approx(b.sum, abs=1e-4)
    assert ours[2] == theirs[2]
    assert ours[0].sum != pytest.approx(plain[0].sum, abs=1e-3)


def test_an_adapter_alone_is_put_on_its_local_base(base: Path, lora: Path) -> None:
    tiny.edit(lora / "adapter_config.json", base_model_name_or_path=str(base))
    one = load_backend(ModelSpec(str(lora), threads=1, template=False))
    both = load_backend(ModelSpec(f"{base}+{lora}", threads=1, template=False))
    assert one.name == "base+lora"
    assert one.fingerprint == both.fingerprint != load_backend(ModelSpec(str(base), template=False)).fingerprint
    about = one.describe()
    assert about["adapter"]["modules"] == 4
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= set(about["files"])
    assert about["parameters"] == load_backend(ModelSpec(str(base))).describe()["parameters"]


def test_another_adapter_has_another_fingerprint(base: Path, lora: Path) -> None:
    spec = ModelSpec(f"{base}+{lora}", template=False)
    before = load_backend(spec).fingerprint
    tiny.edit(lora / "adapter_config.json", lora_alpha=32)
    assert load_backend(spec).fingerprint != before


def tensors(lora: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    held = load_file(lora / "adapter_model.safetensors")
    change(held)
    save_file(held, lora / "adapter_model.safetensors")


def _pickled(lora: Path) -> None:
    (lora / "adapter_model.safetensors").unlink()
    (lora / "adapter_model.bin").write_bytes(b"\x80\x04")


def edited(**keys: Any) -> Callable[[Path], object]:
    return lambda lora: tiny.edit(lora / "adapter_config.json", **keys)


def held(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    return lambda lora: tensors(lora, change)


def _without_a_module(held: dict[str, torch.Tensor]) -> None:
    for name in [name for name in held if "layers.1.mlp" in name]:
        del held[name]


def _of_another_model(held: dict[str, torch.Tensor]) -> None:
    held.update({name.replace("layers.0", "layers.7"): value.clone() for name, value in held.items()})


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickled": (_pickled, "adapter_model.bin, a pickle"),
    "another kind": (edited(peft_type="IA3"), "kind 'IA3'"),
    "imports a module": (edited(megatron_config={"x": 1}, megatron_core="evil"), "'megatron_config'"),
    "a class by name": (edited(auto_mapping={"parent_library": "evil"}), "'auto_mapping'"),
    "copies layers": (edited(layer_replication=[[0, 2], [0, 2]]), "'layer_replication'"),
    "changes the base": (edited(init_lora_weights="pissa"), "changes the base"),
    "a key from the future": (edited(use_zlora=True), "'use_zlora'"),
    "a huge rank": (edited(r=10**9), "'r' is '1000000000'"),
    "a rank that is a text": (edited(r="4"), "'r' is '4'"),
    "an expression as a name": (edited(rank_pattern={"(a+)+$": 2}), "'rank_pattern'"),
    "no config": (lambda lora: (lora / "adapter_config.json").write_text("[]"), "expected a JSON object"),
    "half a pair": (held(lambda t: t.pop(FIRST)), "lack a part of their LoRA"),
    "a whole module is missing": (held(_without_a_module), "1 modules that it names have no tensors"),
    "another model's": (held(_of_another_model), "the base has no"),
    "another rank": (edited(r=8), "not an adapter of this base"),
    "a smaller rank": (edited(r=2), "not an adapter of this base"),
    "a huge rank of one module": (edited(rank_pattern={"down_proj": 10**6}), "'rank_pattern.down_proj' is 1000000"),
    "a rank beyond any number": (edited(rank_pattern={"down_proj": 10**12}), "'rank_pattern' is not a table"),
    "half a rank": (edited(rank_pattern={"q_proj": 1.5}), "'rank_pattern.q_proj' is 1.5"),
    "no scale": (edited(alpha_pattern={"q_proj": float("inf")}), "'alpha_pattern' is not a table"),
    "a strange tensor": (held(lambda t: t.update({"x.lora_C.weight": t[FIRST].clone()})), "no tensor of a plain LoRA"),
    "damaged": (lambda lora: (lora / "adapter_model.safetensors").write_bytes(b"\xff" * 64), "not a safetensors file"),
    "not a number": (held(lambda t: t.update({FIRST: t[FIRST] * float("nan")})), "not finite"),
}


@pytest.mark.parametrize("fault", sorted(HOSTILE))
def test_what_is_no_plain_adapter_is_refused(fault: str, base: Path, lora: Path) -> None:
    change, said = HOSTILE[fault]
    change(lora)
    with pytest.raises((SpecError, BackendError)) as caught:
        answers(f"{base}+{lora}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("named", ["evil/base", "http://evil.example/base", "../../nowhere", ""])
def test_a_base_that_is_elsewhere_is_not_fetched(named: str, lora: Path) -> None:
    tiny.edit(lora / "adapter_config.json", base_model_name_or_path=named)
    with pytest.raises(SpecError, match="name its base too, as in BASE"):
        load_backend(ModelSpec(str(lora)))


def test_a_head_that_is_tied_is_not_changed(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "base", "gpt2")
    tuned(folder, tmp_path / "lora", target_modules=["c_attn"], fan_in_fan_out=True)
    name = "base_model.model.lm_head.weight"
    tensors(tmp_path / "lora", lambda t: t.update({name: torch.zeros(420, 32)}))
    with pytest.raises(BackendError, match="ties to its embedding"):
        answers(f"{folder}+{tmp_path / 'lora'}")


def test_without_peft_one_line_says_what_to_install(base: Path, lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *more: None if name == "peft" else real(name, *more))
    with pytest.raises(SpecError, match=r"extra \[adapters\]"):
        load_backend(ModelSpec(f"{base}+{lora}"))


def test_a_folder_with_a_plus_in_its_name_is_a_folder(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "a+b")
    assert load_backend(ModelSpec(str(folder))).name == "a+b"
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
