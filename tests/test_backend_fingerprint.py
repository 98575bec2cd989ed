"""The fingerprint: the same for the same answers, another for any change that could make another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch.testing._internal.two_tensor import TwoTensor

from pytest_slmtrust.backends.load import ModelSpec, load_backend, wrap_loaded
from pytest_slmtrust.backends.transformers import fingerprint as module
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.fingerprint import digest_file
from pytest_slmtrust.backends.transformers.identity import describe_model, digest_weights


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.save(tmp_path / "model")


def of(folder: Path, **options: Any) -> str:
    return load_backend(ModelSpec(str(folder), **options)).fingerprint


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, Callable[[Path], object]] = {
    "one byte of the weights": lambda f: _flip(f / "model.safetensors"),
    "the template": lambda f: (f / "chat_template.jinja").write_text("{{ messages[0].content }}"),
    "the end token": lambda f: tiny.edit(f / "generation_config.json", eos_token_id=5),
    "the tokenizer": lambda f: (f / "tokenizer.json").write_text((f / "tokenizer.json").read_text() + " "),
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_of_the_files_changes_it(what: str, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert of(copy) == of(folder)
    CHANGES[what](copy)
    assert of(copy) != of(folder)


def test_settings_that_change_answers_change_it_and_others_do_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = of(folder)
    assert of(folder, batch_rows=2, threads=1, batch_tokens=7, template=True) == base
    assert of(folder, dtype="bfloat16") != base
    assert of(folder, template=False) != base
    monkeypatch.setattr(module, "installed", lambda package: "99.0.1")
    assert of(folder) != base


def test_an_unknown_template_cannot_be_insisted_on(tmp_path: Path) -> None:
    from pytest_slmtrust import BackendError

    bare = tiny.save(tmp_path / "bare", template=None)
    with pytest.raises(BackendError, match="no chat template"):
        of(bare, template=True)


def test_a_loaded_model_is_known_by_its_parameters_and_its_tokenizer() -> None:
    import torch

    def wrapped(family: str = "llama", **options: Any) -> str:
        return wrap_loaded(tiny.model(family), tiny.tokenizer(**options), "x").fingerprint

    base = wrapped()
    assert wrapped() == base
    assert len({base, wrapped("qwen2"), wrapped(add_bos=True), wrapped(template=None)}) == 4
    changed = tiny.model()
    with torch.no_grad():
        changed.lm_head.weight[3, 3] += 1e-6
    assert wrap_loaded(changed, tiny.tokenizer(), "x").fingerprint != base


def test_a_model_says_its_size_before_it_is_asked_anything() -> None:
    model = tiny.model()
    assert wrap_loaded(model, tiny.tokenizer(), "x").describe()["parameters"] == model.num_parameters()


def test_parameters_of_one_storage_count_once_and_those_without_a_storage_each() -> None:
    first, second = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4, bias=False)
    second.weight = torch.nn.Parameter(first.weight.data)
    tied = torch.nn.Sequential(first, second)
    assert describe_model(tied)["parameters"] == 3 * 4 + 4
    packed = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5, bias=False)).to("meta")
    assert describe_model(packed)["parameters"] == 3 * 4 + 4 + 4 * 5


def test_the_digest_of_a_large_file_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(2**20))
    first = digest_file(path)
    hashed: list[str] = []
    real = module.hashlib.file_digest
    monkeypatch.setattr(module.hashlib, "file_digest", lambda stream, name: hashed.append(name) or real(stream, name))
    assert digest_file(path) == first
    assert hashed == []
    assert digest_file(path, rehash=True) == first
    assert len(hashed) == 1
    times = path.stat()
    _flip(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_file(path) != first


def test_a_damaged_memory_of_digests_costs_one_hashing(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(2**20))
    first = digest_file(path)
    for text in ("{", "[]", '{"a": 3}', ""):
        (tmp_path / "cache" / "digests.json").write_text(text)
        assert digest_file(path) == first


# --- models in memory ---------------------------------------------------------------------------------------------------


def _in_memory(change: Callable[[Any], object] = lambda _: None) -> str:
    model = tiny.model()
    change(model)
    return digest_weights(model)


class _WithState(torch.nn.Module):
    def __init__(self, state: object) -> None:
        super().__init__()
        self.state = state

    def get_extra_state(self) -> object:
        return self.state

    def set_extra_state(self, state: object) -> None:
        self.state = state


def _add(model: Any, name: str, part: Any) -> None:
    model.add_module(name, part)


def _wrap(model: Any, first: float, second: float) -> None:
    weight = TwoTensor(torch.full((2, 2), first), torch.full((2, 2), second))
    _add(model, "wrapped", torch.nn.ParameterList([torch.nn.Parameter(weight, requires_grad=False)]))


def _quantise(model: Any, nudge: float, channels: bool = False) -> None:
    """Dynamic int8 by torch itself, after a change that only the packed weights show."""
    from torch.ao.quantization import default_dynamic_qconfig, per_channel_dynamic_qconfig, quantize_dynamic

    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] += nudge
    rule = per_channel_dynamic_qconfig if channels else default_dynamic_qconfig
    quantize_dynamic(model.model, {torch.nn.Linear: rule}, inplace=True)


IN_MEMORY: dict[str, tuple[Callable[[Any], object], Callable[[Any], object]]] = {
    "a weight": (lambda m: None, lambda m: m.lm_head.weight.data[0, 0].add_(1e-6)),
    "the class of a part": (lambda m: _add(m, "x", torch.nn.ReLU()), lambda m: _add(m, "x", torch.nn.GELU())),
    "a buffer that is not saved": (
        lambda m: m.register_buffer("x", torch.zeros(1), persistent=False),
        lambda m: m.register_buffer("x", torch.ones(1), persistent=False),
    ),
    "extra state": (
        lambda m: _add(m, "x", _WithState({"scale": 0.5, "raw": b"1", "of": [None, torch.ones(1)]})),
        lambda m: _add(m, "x", _WithState({"scale": 0.5, "raw": b"1", "of": [None, torch.zeros(1)]})),
    ),
    "a tensor inside a wrapper": (lambda m: _wrap(m, 1, 2), lambda m: _wrap(m, 1, 3)),
    "packed int8 weights": (lambda m: _quantise(m, 0), lambda m: _quantise(m, 0.1)),
    "int8 by tensor or by channel": (lambda m: _quantise(m, 0), lambda m: _quantise(m, 0, True)),
    "packed int8 weights by channel": (lambda m: _quantise(m, 0, True), lambda m: _quantise(m, 0.1, True)),
}


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated", "ignore:torch.quantize_per")
@pytest.mark.parametrize("what", IN_MEMORY)
def test_what_a_model_in_memory_holds_is_counted(what: str) -> None:
    one, other = IN_MEMORY[what]
    assert _in_memory(one) == _in_memory(one)
    assert _in_memory(one) != _in_memory(other)


def test_a_tied_head_is_not_a_free_one() -> None:
    def tie(model: Any) -> None:
        model.lm_head.weight = model.model.embed_tokens.weight

    assert _in_memory(tie) == _in_memory(tie) != _in_memory()


def test_state_without_bytes_is_refused() -> None:
    with pytest.raises(ModelError, match=r"x\._extra_state is a builtins\.object, .* expected tensors or plain data"):
        _in_memory(lambda m: _add(m, "x", _WithState(object())))
