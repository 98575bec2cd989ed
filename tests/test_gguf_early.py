"""A GGUF file that cannot be converted, or whose chat template is hostile, is refused before torch is imported."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ggufs
import pytest

from pytest_slmtrust import BackendError, Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers import gguf, ggufarchitectures
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.ggufarchitectures import check_convertible
from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer
from pytest_slmtrust.backends.untrusted.verdict import inspect_files

ASK = Loglikelihood("the quick", " brown fox")
TEMPLATE = "tokenizer.chat_template"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def words() -> dict[str, Any]:
    return ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))


def made(path: Path, words: dict[str, Any], architecture: str = "llama", template: str = "") -> Path:
    """A small file; ``architecture``: a name of five letters."""
    more = {TEMPLATE: template} if template else {}
    ggufs.write(path, ggufs.weights(len(words["tokens"])), **words, pre="llama-bpe", more=more)
    name = b"\x05\0\0\0\0\0\0\0"
    path.write_bytes(path.read_bytes().replace(name + b"llama", name + architecture.encode(), 1))
    return path


def backend(path: Path, template: bool | None = None) -> Any:
    return load_backend(ModelSpec(str(path), threads=1, template=template))


REFUSED = {
    "an unknown architecture": ({"architecture": "lxama"}, "its architecture is 'lxama', which transformers"),
    "an architecture for a terminal": ({"architecture": "\x1b[2J\n"}, "its architecture is '\\x1b[2J\\n', which"),
    "no architecture": ({"architecture": "     "}, "its header names no architecture; give the"),
    "an endless template": ({"template": ENDLESS}, "the chat template ran longer than"),
    "a large template": ({"template": "{{ 'x' * 10**10 }}"}, "the chat template cannot be used: "),
    "a template that reaches outside": ({"template": "{{ ''.__class__.__mro__ }}"}, "the chat template cannot be used: Secur"),
    "a template that loses texts": ({"template": "hello"}, "the chat template cannot be used: "),
    "a template that is none": ({"template": "{% for %}"}, "the chat template cannot be used: "),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_before_weights_are_read(
    what: str, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, said = REFUSED[what]
    monkeypatch.setattr(gguf, "_write_model", lambda *_: pytest.fail("weights are read"))
    path = made(tmp_path / "m.gguf", words, **options)
    with pytest.raises(BackendError) as refused:
        dict(backend(path).run([ASK]))
    message = str(refused.value)
    assert message.startswith(f"{path}: cannot be converted: {said}")
    assert message.isprintable()
    assert not list((tmp_path / "cache").glob("gguf/*/config.json"))


def test_no_torch_is_imported_for_a_refusal(words: dict[str, Any], tmp_path: Path) -> None:
    files = [made(tmp_path / "a.gguf", words, "lxama"), made(tmp_path / "b.gguf", words, template="hello")]
    code = """
import sys
from pytest_slmtrust import BackendError
from pytest_slmtrust.backends.load import ModelSpec, load_backend
for path in sys.argv[1:]:
    try:
        load_backend(ModelSpec(path)).describe()
    except BackendError:
        print("refused")
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "refused", "False"]


def test_a_template_that_is_not_used_is_not_tried(words: dict[str, Any], tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", words, template="hello")
    assert dict(backend(path, template=False).run([ASK]))[0].sum < 0


def test_llama_cpp_has_architectures_of_its_own(words: dict[str, Any], tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", words, "lxama")
    inspect_files(path, "gguf")
    with pytest.raises(ModelError, match="run the file with --slm-engine=llamacpp"):
        inspect_files(path, "convertible")


def test_the_names_are_those_of_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    file = tmp_path / "m.gguf"
    for name in (*GGUF_SUPPORTED_ARCHITECTURES, "qwen3moe", "t5encoder"):  # it takes the last two for others
        check_convertible(file, name)
    for name in ("lxama", "Llama"):
        with pytest.raises(ModelError, match="does not read from GGUF files"):
            check_convertible(file, name)
    monkeypatch.setattr(ggufarchitectures, "_parsed", lambda _: ast.Module([], []))  # a version that has no such table
    check_convertible(file, "lxama")
