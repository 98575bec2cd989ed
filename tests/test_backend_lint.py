"""Hostile and broken model folders: refused before anything of them is loaded, in one line that names the fault."""

from __future__ import annotations

import json
import pickle
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from pytest_slmtrust import BackendError, Generate
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.lint import lint_model_folder
from pytest_slmtrust.backends.transformers.safetensorsheader import safetensors_header
from pytest_slmtrust.backends.transformers.template import Renderer
from pytest_slmtrust.backends.untrusted.verdict import inspect_files


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("model") / "good")


@pytest.fixture
def folder(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(good, tmp_path / "model"))


@pytest.mark.usefixtures("real_readers")
def test_a_plain_folder_is_fine(folder: Path) -> None:
    lint_model_folder(folder)
    answer = dict(load_backend(ModelSpec(str(folder), threads=1)).run([Generate("the fox", max_new_tokens=2)]))[0]
    assert answer.n_tokens == 2


EDITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "remote code": ("config.json", {"auto_map": {"AutoModelForCausalLM": "evil.Canary"}}, "auto_map"),
    "remote code of the tokenizer": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Canary", None]}}, "auto_map"),
    "remote code asked for": ("generation_config.json", {"trust_remote_code": True}, "trust_remote_code"),
    "custom generation": ("generation_config.json", {"custom_generate": "evil/loop"}, "custom_generate"),
    "CVE-2026-4372": ("config.json", {"_attn_implementation_internal": "evil/kernel"}, "_attn_implementation_internal"),
    "CVE-2026-5241": ("config.json", {"attn_implementation": "evil/kernel:run"}, "attn_implementation"),
    "a kernel deeper down": (
        "config.json",
        {"text_config": {"x": [{"experts_implementation": "evil/k"}]}},
        "text_config.x.experts",
    ),
    "a quantiser that builds objects": ("config.json", {"quantization_config": {"quant_method": "torchao"}}, "torchao"),
    "another config": ("config.json", {"configuration_files": ["../config.4.0.0.json"]}, "configuration_files"),
    "other weights": ("config.json", {"text_config": {"transformers_weights": "../x.safetensors"}}, "transformers_weights"),
    "another tokenizer": ("tokenizer_config.json", {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]}, "fast_tokenizer_files"),
    "a tokenizer elsewhere": ("tokenizer_config.json", {"tokenizer_file": "../tokenizer.json"}, "tokenizer_file"),
    "a vocabulary elsewhere": ("tokenizer_config.json", {"vocab_file": "../vocab.json"}, "vocab_file"),
    "merges elsewhere": ("tokenizer_config.json", {"merges_file": "/etc/passwd"}, "merges_file"),
    "layers without end": ("config.json", {"num_hidden_layers": 10**9}, "num_hidden_layers"),
    "more layers than a float counts": ("config.json", {"num_hidden_layers": 10**400}, "num_hidden_layers"),
    "layers deeper down": ("config.json", {"text_config": {"n_layer": 3000}}, "text_config.n_layer"),
    "a nameless architecture": ("config.json", {"architectures": [""]}, "config.json: 'architectures' names none; expected a"),
    "an encoder-decoder": ("config.json", {"is_encoder_decoder": True, "architectures": ["T5ForConditionalGeneration"]}, "T5For"),
    "a masked language model": ("config.json", {"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM has no causal"),
    "no architecture that is a name": ("config.json", {"architectures": [{"a": 1}]}, "architectures"),
    "no model type": ("config.json", {"model_type": None}, "model_type"),
    "an endless template": ("tokenizer_config.json", {"chat_template": "x" * 300_000}, "chat template"),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_config_that_could_run_code_or_is_no_decoder_is_refused(what: str, folder: Path) -> None:
    file, changes, says = EDITS[what]
    tiny.edit(folder / file, **changes)
    (folder / "evil.py").write_text("raise SystemExit('the canary sang')")
    with pytest.raises(SpecError) as caught:
        load_backend(ModelSpec(str(folder)))
    message = str(caught.value)
    assert says in message
    assert file in message
    assert "\n" not in message


class Canary:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (Path.touch, (Path("canary-was-here"),))  # type: ignore[return-value]


def test_pickled_weights_are_refused_unread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary()))
    with pytest.raises(SpecError, match=r"pytorch_model\.bin: pickled weights can run code"):
        load_backend(ModelSpec(str(folder)))
    lint_model_folder(folder, allow_pickle=True)
    assert not (folder / "canary-was-here").exists()


def _index(folder: Path, shard: str) -> None:
    names = safetensors_header(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(names, shard)}))


@pytest.mark.parametrize("shard", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors", "x.bin", "missing.safetensors"])
def test_an_index_that_points_outside_or_nowhere_is_refused(shard: str, folder: Path) -> None:
    (folder.parent / "outside.safetensors").touch()
    _index(folder, shard)
    with pytest.raises(ModelError, match=r"index\.json: shard"):
        lint_model_folder(folder)


def test_shards_that_are_links_as_in_the_hubs_cache_are_fine(folder: Path) -> None:
    _index(folder, "model-00001-of-00001.safetensors")
    shard = folder / "model-00001-of-00001.safetensors"
    snapshot = folder.parent / "models--own--tiny" / "snapshots" / "0123abc"
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(list(folder.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(Path("..", "..", "blobs", str(number)))
    assert (snapshot / shard.name).is_symlink()
    inspect_files(snapshot).finish()


def _header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + n :])


def _first(header: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(e for name, e in header.items() if name != "__metadata__")
    return found


def _overlap(header: dict[str, Any]) -> None:
    _first(header)["data_offsets"][0] += 4


HEADERS: dict[str, Callable[[Path], object]] = {
    "cut short": lambda p: p.write_bytes(p.read_bytes()[:-8]),
    "grown": lambda p: p.write_bytes(p.read_bytes() + b"extra"),
    "no header": lambda p: p.write_bytes(b"PK\x03\x04" * 40),
    "a giant header": lambda p: p.write_bytes((2**62).to_bytes(8, "little") + b"{}"),
    "empty": lambda p: p.write_bytes(b""),
    "overlapping": lambda p: _header(p, _overlap),
    "no tensors": lambda p: _header(p, dict.clear),
    "three offsets": lambda p: _header(p, lambda h: _first(h).update(data_offsets=[0, 1, 2])),
    "an offset of null": lambda p: _header(p, lambda h: _first(h).update(data_offsets=[0, None])),
    "no type": lambda p: _header(p, lambda h: _first(h).pop("dtype")),
    "an absurd shape": lambda p: _header(p, lambda h: _first(h).update(shape=[10**4000] * 2)),
    "too many elements": lambda p: _header(p, lambda h: _first(h).update(shape=[2**40, 2**20])),
    "a shape that is none": lambda p: _header(p, lambda h: _first(h).update(shape=7)),
    "a list": lambda p: p.write_bytes((2).to_bytes(8, "little") + b"[]"),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_damaged_safetensors_header_is_refused(what: str, folder: Path) -> None:
    HEADERS[what](folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors: "):
        lint_model_folder(folder)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", '"x"', "\x00"])
def test_a_config_that_is_no_json_object_is_refused(text: str, folder: Path) -> None:
    (folder / "generation_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"generation_config\.json"):
        lint_model_folder(folder)


def test_names_of_files_that_are_null_are_fine(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"tokenizer_file": None, "vocab_file": None}), "utf-8")
    lint_model_folder(folder)


def test_layers_are_bounded_where_the_tensors_cannot_be_counted(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    tiny.edit(folder / "config.json", num_hidden_layers=1000)
    lint_model_folder(folder, allow_pickle=True)
    tiny.edit(folder / "config.json", num_hidden_layers=1001)
    with pytest.raises(ModelError, match="num_hidden_layers"):
        lint_model_folder(folder, allow_pickle=True)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_an_end_token_that_is_no_number_is_one_line(file: str, folder: Path) -> None:
    if file == "config.json":
        (folder / "generation_config.json").unlink()
    tiny.edit(folder / file, eos_token_id="abc")
    with pytest.raises(BackendError, match=r"abc|eos_token_id") as caught:  # transformers 5 names the field
        _answer(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("real_readers")
def test_the_templates_process_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resource.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nraise ImportError")
    monkeypatch.chdir(tmp_path)
    renderer = Renderer(tiny.TEMPLATE)
    try:
        assert renderer.check()
    finally:
        renderer.close()
    assert not (tmp_path / "canary").exists()


def test_an_adapter_is_no_whole_model(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/base"}')
    with pytest.raises(ModelError, match="merge it into its base"):
        lint_model_folder(folder)


def _answer(folder: Path) -> None:
    dict(load_backend(ModelSpec(str(folder), threads=1)).run([Generate("the fox", max_new_tokens=1)]))


def test_a_tokenizer_larger_than_the_embedding_is_refused_at_load(folder: Path) -> None:
    tiny.model(vocabulary=300).save_pretrained(folder)
    with pytest.raises(BackendError, match=r"tokenizer has ids up to \d+, the model embeds 300"):
        _answer(folder)


def test_weights_that_are_not_finite_are_refused_at_load(folder: Path) -> None:
    import torch

    made = tiny.model()
    with torch.no_grad():
        made.lm_head.weight[5] = float("inf")
    made.save_pretrained(folder)
    with pytest.raises(BackendError, match="not finite"):
        _answer(folder)


def test_weights_that_the_files_lack_are_not_made_up(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackendError, match=r"1 weights are not in the files \(model\.layers\.1\.mlp\.up_proj"):
        _answer(folder)


def test_a_masked_language_model_under_another_name_is_found_out(folder: Path) -> None:
    import transformers as hf

    config = hf.BertConfig(vocab_size=420, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
    hf.BertForMaskedLM(config).save_pretrained(folder)
    tiny.edit(folder / "config.json", architectures=["BertLMHeadModel"])
    with pytest.raises(BackendError, match="looks ahead"):
        _answer(folder)


def test_weights_of_other_shapes_are_refused_in_one_line(folder: Path) -> None:
    tiny.edit(folder / "config.json", hidden_size=64)
    with pytest.raises(BackendError) as caught:
        _answer(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{% for i in range(10**9) %}x{% endfor %}", "range"),
        ("{{ 'x' * (100 * 1000 * 1000) }}", "at most|ran longer than"),  # on a slow machine its time is over first
        ("{{ 'x' * (10 ** 11) }}", "MemoryError"),
        ("{% for %}", "TemplateSyntaxError"),
        ("nothing of the user", "what the user says"),
    ],
)
def test_a_hostile_chat_template_is_an_error_before_any_use(template: str, says: str, folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(BackendError, match=says) as caught:
        _answer(folder)
    assert "chat template" in str(caught.value)


def test_a_template_that_never_ends_is_stopped() -> None:
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    renderer = Renderer(loops, seconds=0.5)
    with pytest.raises(ModelError, match="longer than"):
        renderer.check()
    later = Renderer("{{ messages[0].content }}{% if 'spell' in messages[0].content %}" + loops + "{% endif %}", seconds=0.5)
    from pytest_slmtrust import chat

    later.check()
    with pytest.raises(ModelError, match="longer than"):
        later.render([chat("say the spell")])
    assert later.render([chat("say it")])[0].text == "say it"
    later.close()


@pytest.mark.usefixtures("real_readers")
def test_trial_chats_have_two_seconds_of_processor_time() -> None:
    loops = "".join(f"{{% for {name} in range(99999) %}}" for name in "abc") + "{% endfor %}" * 3
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(ModelError, match=r"longer than \d+\.\d seconds of processor time"):
        Renderer("{{ messages[0].content }}" + loops).check()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 8
