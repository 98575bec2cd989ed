"""GGUF files and checkpoints of torch made to exhaust the machine: refused by what their headers and archives say."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.ggufheader import Header, check_header
from pytest_slmtrust.backends.untrusted.verdict import inspect_files
from pytest_slmtrust.backends.untrusted.worker import check_checkpoint


def _pair(key: str, kind: int, data: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + data


def _tensor(name: str, shape: tuple[int, ...] = (32, 8), kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return struct.pack("<Q", len(name)) + name.encode() + sizes + struct.pack("<IQ", kind, offset)


def _gguf(path: Path, pairs: list[bytes], tensors: list[bytes], data: int = 1024) -> Path:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)
    path.write_bytes(head + bytes(-len(head) % 32 + data))
    return path


def _array(key: str, count: int, kind: int = 0, each: bytes = b"\0") -> bytes:
    return _pair(key, 9, struct.pack("<IQ", kind, count) + each * count)


NAME = _pair("general.architecture", 8, struct.pack("<Q", 5) + b"llama")
HEADERS: dict[str, tuple[list[bytes], list[bytes], str]] = {
    "an array of 4 million": ([_array("x", 2**22)], [_tensor("a")], "4194304 elements in addition to the vocabulary"),
    "types of tokens that are not there": ([_array("tokenizer.ggml.token_type", 999)], [_tensor("a")],
        "no tensor has more than 32"),
    "tokens that are not there": ([_array("tokenizer.ggml.tokens", 99, 8, bytes(8))], [_tensor("a")],
        "'tokenizer.ggml.tokens' has 99"),
    "merges of nothing": ([_array("tokenizer.ggml.merges", 200, 8, bytes(8))], [_tensor("a")], "for at most 32 tokens"),
    "many arrays in one": ([_array("x", 50_000, 9, struct.pack("<IQ", 0, 12) + bytes(12))], [_tensor("a")], "in addition to the"),
    "arrays in the depth": ([_pair("x", 9, struct.pack("<IQ", 9, 1) * 9)], [], "too deep"),
    "a text beyond the file": ([_pair("x", 8, struct.pack("<Q", 2**40))], [], "declares 1099511627776 bytes of a text"),
    "no alignment": ([_pair("general.alignment", 4, struct.pack("<I", 0))], [], "is 0, and must be a power of two"),
    "an odd alignment": ([_pair("general.alignment", 4, struct.pack("<I", 24))], [], "is 24, and must be a power of two"),
    "eight dimensions": ([NAME], [_tensor("a", (1,) * 8)], "8 dimensions"),
    "a product beyond 64 bits": ([NAME], [_tensor("a", (2**40, 2**40))], "does not lie in the file"),
    "a tensor after the end": ([NAME], [_tensor("a", offset=32)], "does not lie in the file"),
    "two tensors in one place": ([NAME], [_tensor("a", (32, 4)), _tensor("b", (32, 4), offset=64)], "'a' and 'b' overlap"),
    "a tensor twice": ([NAME], [_tensor("a", (32, 4)), _tensor("a", (32, 4), offset=512)], "'a' is in it twice"),
    "a field twice": ([NAME, NAME], [_tensor("a")], "'general.architecture' is in it twice"),
    "an unknown type": ([NAME], [_tensor("a", kind=999)], "unknown type 999"),
    "no tokens": ([NAME], [_tensor("a")], "has no 'tokenizer.ggml.tokens'"),
    "an empty vocabulary": ([NAME, _array("tokenizer.ggml.tokens", 0, 8)], [_tensor("a")], "has no 'tokenizer.ggml.tokens'"),
    "a row that is no block": ([NAME], [_tensor("a", (33, 8), kind=2)], "no multiple of Q4_0's 32"),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADERS)
def test_a_gguf_header_that_needs_more_than_the_file_holds_is_refused(what: str, tmp_path: Path) -> None:
    pairs, tensors, says = HEADERS[what]
    with pytest.raises(ModelError, match=says) as caught:
        check_header(_gguf(tmp_path / "x.gguf", pairs, tensors))
    assert "x.gguf" in str(caught.value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("version", "read"), [(0, False), (1, False), (2, True), (3, True), (4, False), (99, False)])
def test_a_gguf_file_of_another_version_is_refused_by_its_header(order: str, version: int, read: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + struct.pack(f"{order}IQQ", version, 0, 0))
    with pytest.raises(ModelError, match="no 'tokenizer" if read else rf"of version {version}; 2 and 3 are read"):
        check_header(path)


def test_a_sound_gguf_file_passes_and_a_bad_one_is_refused_by_the_child(tmp_path: Path) -> None:
    tokens = _array("tokenizer.ggml.tokens", 8, 8, struct.pack("<Q", 1) + b"a")
    good = _gguf(tmp_path / "x.gguf", [NAME, tokens], [_tensor("token_embd.weight")])
    assert check_header(good) == Header(1, "llama")
    inspect_files(good, "gguf").finish()
    with pytest.raises(ModelError, match=r"y\.gguf: .*4194304 elements"):
        inspect_files(_gguf(tmp_path / "y.gguf", [_array("x", 2**22)], []), "gguf")


def test_a_checkpoint_that_unpacks_to_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(2**20))
    with pytest.raises(ModelError, match="is compressed"):
        check_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"abc")
    check_checkpoint(path)
