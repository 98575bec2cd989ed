"""The header of a GGUF file, walked once before a library reads it: no count or length may exceed what the file holds.

Layout: the GGUF specification of ggml (magic, version, counts, key-value pairs, tensor entries, aligned data). The library that
reads it makes several objects of every array element (half a kilobyte), so arrays are bounded by what a vocabulary needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from .files import ModelError

#: Bytes of each scalar type by its number; 8 is a text, 9 an array.
SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
TEXT, ARRAY = 8, 9
#: The arrays that have one element a token, the one with a few, and the elements of all others together.
VOCABULARY = ("tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type")
MERGES, MERGES_A_TOKEN = "tokenizer.ggml.merges", 4
MOST_OTHERS = 2**19
#: Fields, tensors, bytes of a key, of an element of an array, and of a text such as a licence or a template.
MOST, KEY_BYTES, ELEMENT_BYTES, TEXT_BYTES = 2**16, 2**16, 2**13, 2**20
DIMENSIONS = 4
#: Versions of the format; the first one counted in 32 bits.
VERSIONS = (2, 3)
NESTED = 2
PAIR_BYTES, TENSOR_BYTES = 13, 24
ALIGNMENT, ARCHITECTURE = "general.alignment", "general.architecture"


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says that is needed before the file is converted: how many tensors there are, and the architecture's name."""

    tensors: int
    architecture: str


def check_header(gguf_file: Path) -> Header:
    """Return what the header of a GGUF file says, if it and the tensors fit into the file.

    Raises:
        ModelError: not a regular GGUF file; a count, length or product beyond what the file holds or a vocabulary needs.
    """
    if not gguf_file.is_file():
        raise ModelError(f"{gguf_file}: no regular file; expected a GGUF file")
    size = gguf_file.stat().st_size
    with gguf_file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{gguf_file}: not a GGUF file (it does not begin with 'GGUF')")
        walk = _Walk(gguf_file, stream, size - 4)
        walk.version()
        tensors, pairs = walk.number(8), walk.number(8)
        walk.fits("tensors", tensors, TENSOR_BYTES)
        walk.fits("fields", pairs, PAIR_BYTES)
        for _ in range(pairs):
            walk.pair()
        found = [walk.tensor() for _ in range(tensors)]
        place = size - walk.left
    _check_arrays(gguf_file, walk.arrays, max((n for tensor in found for n in tensor.shape), default=0))
    _check_tensors(gguf_file, found, -(-place // walk.alignment) * walk.alignment, walk.alignment, size)
    if not walk.arrays.get(VOCABULARY[0]):
        raise _bad(gguf_file, f"it has no {VOCABULARY[0]!r}, so no text can be given to it")
    return Header(tensors, walk.architecture)


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


def _check_arrays(file: Path, arrays: dict[str, int], rows: int) -> None:
    """Arrays have as many elements as the widest tensor has rows, where they describe the vocabulary; the others are few."""
    for name in VOCABULARY:
        if arrays.get(name, 0) > rows:
            raise _bad(file, f"{name!r} has {arrays[name]} elements, and no tensor has more than {rows} rows")
    if arrays.get(MERGES, 0) > MERGES_A_TOKEN * rows:
        raise _bad(file, f"{MERGES!r} has {arrays[MERGES]} elements for at most {rows} tokens")
    others = sum(count for name, count in arrays.items() if name not in (*VOCABULARY, MERGES))
    if others > MOST_OTHERS:
        raise _bad(file, f"its arrays have {others} elements in addition to the vocabulary; at most {MOST_OTHERS} are taken")


def _check_tensors(file: Path, tensors: list[_Tensor], start: int, alignment: int, size: int) -> None:
    """Every tensor has a known type, lies in the file at its alignment, has a unique name, and overlaps no other."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    sizes = {int(kind): pair for kind, pair in GGML_QUANT_SIZES.items()}
    end, before, names = 0, "", set[str]()
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.kind not in sizes:
            raise _bad(file, f"the tensor {tensor.name[:60]!r} is of the unknown type {tensor.kind}")
        block, block_bytes = sizes[tensor.kind]
        elements = 1
        for n in tensor.shape:
            elements *= n
        if tensor.shape and tensor.shape[0] % block:
            kind = GGMLQuantizationType(tensor.kind).name
            raise _bad(
                file, f"the tensor {tensor.name[:60]!r} has rows of {tensor.shape[0]} elements, no multiple of {kind}'s {block}"
            )
        length = elements // block * block_bytes
        if tensor.offset % alignment or start + tensor.offset + length > size:
            raise _bad(file, f"the tensor {tensor.name[:60]!r} ({length} bytes at {tensor.offset}) does not lie in the file")
        if tensor.offset < end:
            raise _bad(file, f"the tensors {before[:60]!r} and {tensor.name[:60]!r} overlap")
        if tensor.name in names:
            raise _bad(file, f"the tensor {tensor.name[:60]!r} is in it twice")
        end, before = tensor.offset + length, tensor.name
        names.add(tensor.name)


def _bad(file: Path, why: str) -> ModelError:
    return ModelError(f"{file}: cannot be converted: {why}; the file is damaged, fetch it again")


@dataclass(slots=True)
class _Walk:
    file: Path
    stream: BinaryIO
    left: int
    order: Literal["little", "big"] = "little"
    alignment: int = 32
    architecture: str = ""
    keys: set[str] = field(default_factory=set)
    arrays: dict[str, int] = field(default_factory=dict)

    def version(self) -> None:
        """Read the version, and by it the byte order: a machine of the other order writes its zeros first."""
        found = self.number(4)
        if found & 0xFFFF == 0:
            self.order, found = "big", int.from_bytes(found.to_bytes(4, "little"), "big")
        if found not in VERSIONS:
            known = " and ".join(map(str, VERSIONS))
            raise ModelError(f"{self.file}: cannot be converted: it is a GGUF file of version {found}; {known} are read")

    def fits(self, what: str, count: int, least: int, most: int = MOST) -> None:
        if count * least > self.left or count > most:
            raise _bad(self.file, f"the header declares {count} {what}, {self.left} bytes are left and at most {most} are taken")

    def skip(self, size: int) -> None:
        self.fits("bytes", size, 1, self.left)
        self.left -= size
        self.stream.seek(size, 1)

    def number(self, width: int) -> int:
        self.fits("bytes", width, 1, self.left)
        self.left -= width
        return int.from_bytes(self.stream.read(width), self.order)

    def text(self, most: int) -> None:
        length = self.number(8)
        self.fits("bytes of a text", length, 1, most)
        self.skip(length)

    def name(self) -> str:
        length = self.number(8)
        self.fits("bytes of a name", length, 1, KEY_BYTES)
        self.left -= length
        return self.stream.read(length).decode("utf-8", "backslashreplace")

    def pair(self) -> None:
        key, kind = self.name(), self.number(4)
        if key in self.keys:
            raise _bad(self.file, f"the field {key[:60]!r} is in it twice")
        self.keys.add(key)
        if key == ALIGNMENT:
            self.align(kind)
        elif key == ARCHITECTURE and kind == TEXT:
            self.architecture = self.name()
        else:
            self.value(key, kind)

    def align(self, kind: int) -> None:
        """The alignment of the data: a power of two, as uint32."""
        self.alignment = self.number(SCALARS.get(kind, 4))
        if kind != 4 or self.alignment < 1 or self.alignment & (self.alignment - 1) or self.alignment > 2**20:
            raise _bad(self.file, f"{ALIGNMENT!r} is {self.alignment}, and must be a power of two")

    def value(self, key: str, kind: int, depth: int = 0) -> None:
        if kind in SCALARS:
            self.skip(SCALARS[kind])
        elif kind == TEXT:
            self.text(ELEMENT_BYTES if depth else TEXT_BYTES)
        elif kind == ARRAY and depth < NESTED:
            inner, count = self.number(4), self.number(8)
            self.fits("array elements", count, SCALARS.get(inner, 8), self.left)
            self.arrays[key] = self.arrays.get(key, 0) + count
            if inner in SCALARS:
                self.skip(count * SCALARS[inner])
                return
            for _ in range(count):
                self.value(key, inner, depth + 1)
        else:
            raise _bad(self.file, f"a field of unknown type {kind}, or arrays in arrays too deep")

    def tensor(self) -> _Tensor:
        name, dimensions = self.name(), self.number(4)
        self.fits("dimensions", dimensions, 8, DIMENSIONS)
        shape = tuple(self.number(8) for _ in range(dimensions))
        return _Tensor(name, shape, self.number(4), self.number(8))
