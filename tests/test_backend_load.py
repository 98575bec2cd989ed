"""Specs: what they name, and the one line that a wrong one gets. No torch, no weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny

from pytest_slmtrust import BackendError, Generate
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend, wrap_loaded


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def refused(text: str, **options: Any) -> str:
    with pytest.raises(SpecError) as caught:
        load_backend(ModelSpec(text, **options))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_near_miss_of_the_embedded_model_gets_a_suggestion() -> None:
    for text in ("smollm2-135m-instuct", "SmolLM2-135M", "smollm-135m-instruct"):
        assert refused(text) == f"Unknown model {text!r}. Did you mean 'smollm2-135m-instruct'?"


def test_the_embedded_model_is_known_by_name_and_nothing_is_fetched_yet() -> None:
    backend = load_backend(ModelSpec("SmolLM2-135M-Instruct"))
    assert backend.name == "smollm2-135m-instruct"
    assert backend.answers[0] is Generate


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "my-model").mkdir()
    assert refused("./my-modle") == "./my-modle: no such folder. Did you mean my-model?"
    assert refused("/no/such/place").startswith("/no/such/place: no such folder")
    assert refused("a/b/c") == "a/b/c: no such folder"
    assert refused("weights.gguf") == "weights.gguf: no such file"
    assert "empty" in refused(" ")
    for text in ("~nosuchuser/x", "a" * 300, "a:" + "b" * 300):
        assert "not a usable path" in refused(text)


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    assert "holds no config.json" in refused("void")
    (tmp_path / "void" / "x.gguf").touch()
    assert "name one: void/x.gguf" in refused("void")
    (tmp_path / "file.txt").touch()
    assert "give the folder" in refused("./file.txt")


def test_a_gguf_file_that_is_none_stops_at_its_first_use(tmp_path: Path) -> None:
    (tmp_path / "fake.gguf").write_bytes(b"PK\x03\x04 not it")
    backend = load_backend(ModelSpec("fake.gguf"))
    with pytest.raises(BackendError, match="not a GGUF file"):
        _ = backend.fingerprint
    (tmp_path / "fake.gguf").write_bytes(b"GGUF but then nothing")
    with pytest.raises(BackendError, match="cannot be converted"):
        dict(load_backend(ModelSpec("fake.gguf")).run([Generate("a")]))
    assert [p.name for p in (tmp_path / "cache" / "gguf").glob("*/")] == []


def test_a_hub_id_without_network_says_so_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "127.0.0.1 cannot be reached" in refused("owner/model")
    assert "smollm2-135m-instruct" in refused("owner/model@v1.0")
    assert "Give a folder" in refused("owner/model@")
    assert "neither a path here nor" in refused("owner/-model-")


def test_settings_are_checked() -> None:
    assert refused("smollm2-135m-instruct", dtype="bfloat") == "Unknown dtype 'bfloat'. Did you mean 'bfloat16'?"
    assert "Unknown device 'gpu'" in refused("smollm2-135m-instruct", device="gpu")
    assert "batch_rows is 0" in refused("smollm2-135m-instruct", batch_rows=0)


FACTORY = """
import tiny
from pytest_slmtrust.backends.fake import FakeBackend
def pair():
    return tiny.model(), tiny.tokenizer()
def scripted():
    return FakeBackend("yes")
def wrong():
    return 7
def broken():
    raise RuntimeError("two\\nlines")
def leaves():
    raise SystemExit(3)
def a_class():
    return FakeBackend
number = 3
"""


def test_a_factory_gives_a_backend_or_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "factory_of_tests.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path))
    scripted = load_backend(ModelSpec("factory_of_tests:scripted"))
    assert dict(scripted.run([Generate("a")]))[0].text == "yes"
    assert scripted.describe()["spec"] == "factory_of_tests:scripted"
    pair = load_backend(ModelSpec("factory_of_tests:pair", threads=1))
    assert pair.name == "pair"
    assert dict(pair.run([Generate("a", max_new_tokens=3)]))[0].n_tokens == 3
    with pytest.raises(BackendError, match="neither a Backend"):
        _ = load_backend(ModelSpec("factory_of_tests:wrong")).name
    for name, says in {"broken": "two lines", "leaves": "SystemExit", "a_class": "gave the class FakeBackend"}.items():
        with pytest.raises(BackendError, match=says) as caught:
            load_backend(ModelSpec(f"factory_of_tests:{name}")).describe()
        assert "\n" not in str(caught.value)
    assert refused("factory_of_tests:scriptd").endswith("Did you mean 'scripted'?")
    assert "has no function 'number'" in refused("factory_of_tests:number")
    assert "cannot be imported" in refused("no_module_of_this_name:make")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("def make():\n    return inner()\ndef inner():\n    raise RuntimeError('no')\n", "own_{}.py:4"),
        ("def make():\n    import json\n    return json.loads('{{')\n", "own_{}.py:3"),  # the library's line helps nobody
        ("def make():\n    import own_broken\n", "own_broken.py:2"),
        ("x = 1\n\nimport own_broken\ndef make(): ...\n", "own_broken.py:2"),
        ("x = 1\nx = 1 / 0\ndef make(): ...\n", "own_{}.py:2"),
        ("x = 1\ndef make(:\n", "own_{}.py:2"),
        ("import no_such_module_here\ndef make(): ...\n", "own_{}.py:1"),
    ],
)
def test_a_factory_that_breaks_is_one_line_with_its_place(
    body: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    name = f"factory{abs(hash(request.node.name))}"
    (tmp_path / f"own_{name}.py").write_text(body.replace("{{", "{"))
    (tmp_path / "own_broken.py").write_text("y = 1\nraise KeyError('two\\nlines')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises((SpecError, BackendError)) as caught:
        load_backend(ModelSpec(f"own_{name}:make")).describe()
    assert str(caught.value).endswith(f", at {place.format(name)})")
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused("no_module_of_this_name:make").endswith("(ModuleNotFoundError: No module named 'no_module_of_this_name')")


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(SpecError, match=r"expected a \(model, tokenizer\) pair"):
        wrap_loaded(1, 2)


def test_loading_a_spec_imports_neither_torch_nor_transformers(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "model")
    code = f"""
import sys
from pytest_slmtrust.backends.load import ModelSpec, load_backend
for text in ("smollm2-135m-instruct", {str(folder)!r}):
    backend = load_backend(ModelSpec(text))
backend.fingerprint, backend.describe()
heavy = [name for name in ("torch", "transformers", "jinja2", "scipy", "gguf") if name in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_describes_itself_without_its_weights_and_the_same_with_them(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "model")
    backend = load_backend(ModelSpec(str(folder), threads=1))
    light = backend.describe()
    dict(backend.run([Generate("the", max_new_tokens=1)]))
    full = backend.describe()
    same = (
        "name",
        "spec",
        "files",
        "parameters",
        "dtype",
        "architecture",
        "context_length",
        "vocabulary",
        "fingerprint",
        "chat_template",
    )
    assert {key: light[key] for key in same} == {key: full[key] for key in same}
    assert light["architecture"] == "LlamaForCausalLM"
    assert light["context_length"] == 256
    assert light["parameters"] == sum(p.numel() for p in tiny.model().parameters())
    assert full["bos"] == {"token": "<|start|>", "before_every_text": False}
    assert full["eos"] == {"token": "<|end|>", "ids": [1]}
    assert set(light["files"]) >= {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}


SAYING = """
from pytest_slmtrust import Generate
class Saying:
    name, answers, fingerprint, secret = "saying", (Generate,), "f", "own"
    lacks, untimed = {"scores": "it has none"}, "it has no clock"
    def refusal(self, request): return "not this one"
    def timed(self, request): return "answer", 1.0, None
    def child_peak_bytes(self): return 7
    def run(self, requests): return iter(())
    def describe(self): return {}
def saying(): return Saying()
def plain():
    made = Saying()
    for name in ("lacks", "untimed", "refusal", "timed", "child_peak_bytes"): delattr(Saying, name)
    return made
"""
OF_SOME = ("lacks", "untimed", "refusal", "timed", "child_peak_bytes")


def test_what_only_some_backends_have_is_that_of_the_one_that_a_factory_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    (tmp_path / "saying_of_tests.py").write_text(SAYING)
    monkeypatch.syspath_prepend(str(tmp_path))
    one: Any = load_backend(ModelSpec("saying_of_tests:saying"))
    assert not [name for name in OF_SOME if hasattr(one, name)], "nothing is made yet"
    assert one.name == "saying"
    assert (one.lacks, one.untimed, one.child_peak_bytes()) == ({"scores": "it has none"}, "it has no clock", 7)
    assert one.refusal(Generate("a", 1)) == "not this one"
    assert one.timed(Generate("a", 1)) == ("answer", 1.0, None)
    assert not hasattr(one, "secret"), "the rest is the backend's own"
    with pytest.raises(AttributeError, match="FactoryBackend has no 'secret'"):
        _ = one.secret
    plain: Any = load_backend(ModelSpec("saying_of_tests:plain"))
    assert plain.name == "saying"
    assert not [name for name in OF_SOME if hasattr(plain, name)]


@pytest.mark.parametrize("lacks", [5, "text", ["scores"], {"scores": 5}, {}, None, {"a\x1b[2J": "b\n::error::c"}])
@pytest.mark.parametrize("refusal", [None, "text", lambda request: ""])
def test_a_backend_may_call_something_else_lacks(lacks: Any, refusal: Any) -> None:
    from types import SimpleNamespace

    from pytest_slmtrust.engine.admission import Admitted

    said = Admitted(SimpleNamespace(lacks=lacks, refusal=refusal)).lacks
    assert isinstance(said, dict)
    assert "\n" not in "".join(said.values())
    assert bool(said) is (callable(refusal) and isinstance(lacks, dict) and bool(lacks))
