"""What the conversion of a GGUF file holds in memory: its header once, and of a tensor a part."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import gguf as package
import numpy as np
import pytest

from pytest_slmtrust.backends.transformers import gguf

Q8 = package.GGMLQuantizationType.Q8_0
HELD = Path("/proc/self/statm")


@pytest.mark.skipif(not HELD.exists(), reason="pages are counted by /proc")
def test_the_pages_of_a_file_are_given_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2**26))
    data = np.memmap(tmp_path / "file", mode="r")
    part = data[2**20 :].view(np.float32).reshape(-1, 16)
    assert part.sum() == 0
    before = _pages_of_files()
    gguf.give_back(part)
    assert before - _pages_of_files() > 0.9 * 2**26 / mmap.PAGESIZE
    assert part.sum() == 0  # read again
    gguf.give_back(np.zeros(3))  # lies in no file


@pytest.mark.parametrize("shape", [(7, 64), (1, 64), (64,), (3, 5, 64), (0, 64)])
def test_a_tensor_made_in_parts_has_the_same_numbers(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    for data, kind in ((package.quantize(numbers, Q8), Q8), (numbers, package.GGMLQuantizationType.F32)):
        whole = package.dequantize(data, kind)
        for size in (1, 150, 2**20):
            monkeypatch.setattr(gguf, "_PART", size)
            sizes = list[int]()

            def counted(part: Any, kind: Any, sizes: list[int] = sizes) -> Any:
                sizes.append(part.nbytes)
                return package.dequantize(part, kind)

            made = gguf.in_parts(counted, data, kind)
            assert made.dtype == whole.dtype
            assert np.array_equal(made, whole)
            if data.ndim > 1 and len(data):
                assert max(sizes) <= max(size, data.nbytes // len(data))


def test_a_header_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[str]()

    def reader(path: str) -> object:
        opened.append(path)
        return object()

    monkeypatch.setattr(package, "GGUFReader", reader)
    with gguf._read_once():
        assert package.GGUFReader("a") is package.GGUFReader("a")
    assert opened == ["a"]
    assert package.GGUFReader("a") is not package.GGUFReader("a")  # the package's own again


def _pages_of_files() -> int:
    return int(HELD.read_text().split()[2])
