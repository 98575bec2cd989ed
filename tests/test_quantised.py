"""Quantised folders: they run where their package does, and else one line names it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import tiny

from pytest_slmtrust import Completion, Generate, Loglikelihood, Logprob
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend

ASKED: list[Any] = [Loglikelihood("the quick", " brown fox"), Loglikelihood("a house", " is red"), Generate("the dog", 4)]


@pytest.mark.parametrize(
    ("method", "package"),
    [("bitsandbytes", "bitsandbytes"), ("gptq", "gptqmodel or auto-gptq"), ("awq", "gptqmodel or autoawq"),
     ("compressed-tensors", "compressed-tensors")],
)  # fmt: skip
def test_a_missing_package_is_named(method: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save(tmp_path / "m")
    tiny.edit(folder / "config.json", quantization_config={"quant_method": method, "bits": 4})
    absent = {"bitsandbytes", "gptqmodel", "auto_gptq", "awq", "compressed_tensors"}
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in absent else real(name, *more))
    with pytest.raises(SpecError) as error:
        load_backend(ModelSpec(str(folder)))
    assert f"({method}), which {package} runs: install it" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options", [{"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, {"load_in_8bit": True}], ids=["nf4", "int8"]
)
def test_bitsandbytes_runs_as_it_is_stored(options: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    # wide as a block: where the processor computes in bfloat16, bitsandbytes packs 4 bits in whole blocks of 64
    whole, folder = tiny.save(tmp_path / "whole", width=64), tmp_path / "small"
    config = BitsAndBytesConfig(**options)
    model = AutoModelForCausalLM.from_pretrained(whole, quantization_config=config, dtype=torch.float32)
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["quantization_config"]["quant_method"] == "bitsandbytes"
    one = load_backend(ModelSpec(str(folder), threads=1, template=False))
    found = dict(one.run(ASKED))
    full = dict(load_backend(ModelSpec(str(whole), threads=1, template=False)).run(ASKED))
    assert isinstance(found[2], Completion), found
    for i in (0, 1):
        assert isinstance(found[i], Logprob), found
        ids = torch.tensor([one._engine.loaded.codec.pair(ASKED[i].context, ASKED[i].continuation, False)[0]])  # type: ignore[attr-defined]
        begins = one._engine.loaded.codec.pair(ASKED[i].context, ASKED[i].continuation, False)[1]  # type: ignore[attr-defined]
        with torch.no_grad():
            logs = torch.log_softmax(model(ids).logits[0].float(), -1)
        own = sum(float(logs[place - 1, ids[0, place]]) for place in range(begins, ids.shape[1]))
        assert found[i].sum == pytest.approx(own, abs=1e-3 if "load_in_4bit" in options else 0.3)  # 8 bits: rounded by the text
    assert found[0].sum != full[0].sum
    assert one.fingerprint != load_backend(ModelSpec(str(whole), template=False)).fingerprint
