"""The header of a GGUF file, walked once before a library reads it: no count or length may exceed what the file holds.

Layout: the GGUF specification of ggml (magic, version, counts, key-value pairs, tensor entries). Imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from .files import ModelError

#: Bytes of each scalar type by its number; 8 is a text, 9 an array.
SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
TEXT, ARRAY = 8, 9
#: The most elements of one array: many times the largest vocabulary.
MOST = 2**22
DIMENSIONS = 8
NESTED = 4
PAIR_BYTES, TENSOR_BYTES = 13, 24


def check_header(gguf_file: Path) -> int:
    """The number of tensors of a GGUF file whose header fits into it.

    Raises:
        ModelError: not a GGUF file, or a count or length beyond the end of the file.
    """
    with gguf_file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{gguf_file}: not a GGUF file (it does not begin with 'GGUF')")
        walk = _Walk(gguf_file, stream, gguf_file.stat().st_size - 4)
        if walk.number(4) & 0xFFFF == 0:  # written by a machine of the other byte order
            walk.order = "big"
        tensors, pairs = walk.number(8), walk.number(8)
        walk.fits("tensors", tensors, TENSOR_BYTES)
        walk.fits("fields", pairs, PAIR_BYTES)
        for _ in range(pairs):
            walk.text()
            walk.value(walk.number(4))
        for _ in range(tensors):
            walk.text()
            dimensions = walk.number(4)
            walk.fits("dimensions", dimensions, 8, DIMENSIONS)
            walk.skip(8 * dimensions + 12)
    return tensors


@dataclass(slots=True)
class _Walk:
    file: Path
    stream: BinaryIO
    left: int
    order: Literal["little", "big"] = "little"

    def fits(self, what: str, count: int, least: int, most: int = MOST) -> None:
        if count * least > self.left or count > most:
            raise ModelError(
                f"{self.file}: cannot be converted: the header speaks of {count} {what}, and {self.left} bytes are left; "
                "the file is damaged, fetch it again"
            )

    def skip(self, size: int) -> None:
        self.fits("bytes", size, 1, self.left)
        self.left -= size
        self.stream.seek(size, 1)

    def number(self, width: int) -> int:
        self.fits("bytes", width, 1)
        self.left -= width
        return int.from_bytes(self.stream.read(width), self.order)

    def text(self) -> None:
        self.skip(self.number(8))

    def value(self, kind: int, depth: int = 0) -> None:
        if kind in SCALARS:
            self.skip(SCALARS[kind])
        elif kind == TEXT:
            self.text()
        elif kind == ARRAY and depth < NESTED:
            inner, count = self.number(4), self.number(8)
            self.fits("array elements", count, SCALARS.get(inner, 8))
            if inner in SCALARS:
                self.skip(count * SCALARS[inner])
                return
            for _ in range(count):
                self.value(inner, depth + 1)
        else:
            raise ModelError(f"{self.file}: cannot be converted: a field of unknown type {kind}, or arrays in arrays too deep")
