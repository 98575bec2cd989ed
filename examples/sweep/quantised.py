"""The embedded model as GGUF files of other quantisations, made from the file that it ships as.

The writer of the ``gguf`` package has the quantisers of 8, 5 and 4 bits. It has none of 2 or 3 bits, nor any K-quant (Q4_K_M),
and the Python binding of llama.cpp has none at all: make such a file with llama-quantize, and name it in sweep.toml.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import gguf
import numpy as np

from pytest_slmtrust.backends.transformers.embedded import embedded_file
from pytest_slmtrust.backends.transformers.files import cache_folder

#: Quantisations by name: of the tensors, and of the file.
KINDS = {
    "Q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "Q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
#: Fields that the writer sets itself.
_OWN = ("general.architecture", "general.file_type", "general.quantization_version")


def embedded_as(kind: str) -> Path:
    """Return the embedded model's file in one of :data:`KINDS`; the first call makes it, in the cache of this package."""
    path = cache_folder() / "models" / f"smollm2-135m-instruct.{kind}.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = quantised(embedded_file(Path(scratch)), Path(scratch) / path.name, kind)
            made.replace(path)
    return path


def quantised(source: Path, path: Path, kind: str) -> Path:
    """Write a GGUF file again with each matrix in blocks of ``kind``; vectors stay as floats, and all other fields as they are.

    Matrices whose rows are no multiple of a block stay floats, too.
    """
    read = gguf.GGUFReader(source)
    tensors, file = KINDS[kind]
    out = gguf.GGUFWriter(path, str(read.fields["general.architecture"].contents()))
    for name, field in read.fields.items():
        if not name.startswith("GGUF.") and name not in _OWN:
            of = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            out.add_key_value(name, field.contents(), field.types[0], sub_type=of)
    out.add_file_type(file)
    out.add_quantization_version(gguf.GGML_QUANT_VERSION)
    block = gguf.GGML_QUANT_SIZES[tensors][0]
    for tensor in read.tensors:
        shape = tuple(reversed(tensor.shape.tolist()))
        full = np.ascontiguousarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(shape))
        if len(shape) == 2 and shape[1] % block == 0:
            out.add_tensor(tensor.name, gguf.quants.quantize(full, tensors), raw_dtype=tensors)
        else:
            out.add_tensor(tensor.name, full)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path
