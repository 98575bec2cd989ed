"""The embedded model's own GGUF file, and the same with its numbers in full, as llama.cpp would read them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def in_full(source: Path, path: Path) -> Path:
    """Write a GGUF file again, each tensor as 32-bit floats."""
    read = gguf.GGUFReader(source)
    kind = read.fields["general.architecture"]
    out = gguf.GGUFWriter(path, bytes(kind.parts[-1]).decode())
    for name, field in read.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        of = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        out.add_key_value(name, field.contents(), field.types[0], sub_type=of)
    out.add_uint32("general.file_type", 0)
    for tensor in read.tensors:
        full = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        out.add_tensor(tensor.name, np.ascontiguousarray(full.reshape(tuple(reversed(tensor.shape.tolist())))))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path
