"""GGUF files, de-quantised once into a folder of safetensors that transformers 4.57 and 5 read alike."""

from __future__ import annotations

import contextlib
import io
import json
import math
import mmap
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from ...plainfile import PRIVATE, write_whole
from ..untrusted.panics import panics_are_errors
from ..untrusted.verdict import inspect_files
from .conversion import Conversion, kept
from .files import ModelError, Progress, cache_folder, silent
from .fingerprint import sha256_of
from .ggufconfig import ROPE_FREQS, mend_config, sizes_left_out
from .ggufheader import check_header
from .gguftokenizer import Vocabulary, end_tokens, make_tokenizer

#: Counted into the name of a converted folder: a change to the conversion bumps it.
CONVERTER = 2

#: Keys of a saved config that differ between versions of transformers or quote the quantised file.
VOLATILE = ("_name_or_path", "_model_name_or_path", "transformers_version", "quantization_config", "torch_dtype")
#: Bytes of a tensor that are de-quantised at a time.
_PART = 2**24
ARRAYS = ("tokens", "token_type", "scores", "merges")
#: Refuses a model by its tokenizer's files.
Check = Callable[[Path], None]


def converted(
    gguf_file: Path, progress: Progress | None = None, allow_unused: bool = False, check: Check | None = None
) -> Conversion:
    """``gguf_file`` as a folder of safetensors, converted on the first use; both are hashed whole on every load.

    ``check``: see :func:`convert`.

    Raises:
        ModelError: the file cannot be read as a whole causal language model.
    """
    inspect_files(gguf_file, "convertible")  # before minutes of hashing what is no model
    sha256 = sha256_of(gguf_file)
    target = cache_folder() / "gguf" / f"{gguf_file.stem[:60]}-{sha256[:16]}-v{CONVERTER}"
    given = {gguf_file.name: sha256}
    return kept(target, given, lambda folder: convert(gguf_file, folder, progress, allow_unused, check), progress or silent)


def convert(
    gguf_file: Path, folder: Path, progress: Progress | None = None, allow_unused: bool = False, check: Check | None = None
) -> tuple[str, ...]:
    """De-quantise ``gguf_file`` to float32 and write config, weights and tokenizer to ``folder``.

    Returns the names of its tensors that the model does not use, if they are allowed. ``check`` is given the folder with the
    tokenizer, before torch is imported and weights are read.

    Raises:
        ModelError: not a GGUF file, of an architecture that transformers cannot read, or not whole.
    """
    say = progress or silent
    inspect_files(gguf_file, "convertible")
    tensors = check_header(gguf_file).tensors
    from .runtime import quiet

    # transformers' progress bar goes to stderr, whatever the settings are
    with contextlib.redirect_stderr(io.StringIO()), panics_are_errors(str(gguf_file)), _read_once(), _alone(gguf_file) as lone:
        try:
            say(f"reading {gguf_file.name}")
            metadata, words = read_metadata(lone)
            blocks = metadata.get(f"{metadata.get('general.architecture')}.block_count", 0)
            if not isinstance(blocks, int) or blocks > tensors:
                raise ModelError(f"its header names {blocks} blocks and holds {tensors} tensors")
            _write_tokenizer(folder, metadata, words)
            if check is not None:
                check(folder)
            say(f"de-quantising {gguf_file.name} (once; about half a minute for 100M parameters)")
            with quiet():  # imports torch
                unused = _write_model(lone, folder, metadata, end_tokens(metadata, words), allow_unused)
        except ModelError as error:
            raise ModelError(f"{gguf_file}: cannot be converted: {error}") from None
        except Exception as error:
            detail = " ".join(str(error).split())[:200]
            raise ModelError(f"{gguf_file}: cannot be converted ({type(error).__name__}: {detail})") from error
    say(f"saved as safetensors in {folder.parent}")
    return unused


@contextlib.contextmanager
def _alone(gguf_file: Path) -> Iterator[Path]:
    """Yield the file in a separate folder: transformers would take configs and adapters that lie next to it."""
    with tempfile.TemporaryDirectory(prefix="slmtrust-") as scratch:
        lone = Path(scratch) / "model.gguf"
        try:
            lone.symlink_to(gguf_file.resolve())
        except OSError:
            shutil.copyfile(gguf_file, lone)
        yield lone


def read_metadata(gguf_file: Path) -> tuple[dict[str, Any], Vocabulary]:
    """Return every field of the header but those of the vocabulary, and these.

    Raises:
        ModelError: a header that does not fit into its file.
    """
    import gguf

    check_header(gguf_file)
    fields = gguf.GGUFReader(str(gguf_file)).fields
    arrays = {f"tokenizer.ggml.{name}": name for name in ARRAYS}
    words = {"types" if name == "token_type" else name: fields[key].contents() for key, name in arrays.items() if key in fields}
    metadata = {name: field.contents() for name, field in fields.items() if name not in arrays}
    for key in arrays.keys() - {"tokenizer.ggml.tokens"}:
        fields.pop(key, None)  # transformers counts the tokens and needs no more for the model
    return metadata, Vocabulary(**{"tokens": (), **words})


def _write_model(
    gguf_file: Path, folder: Path, metadata: Mapping[str, Any], ends: list[int], allow_unused: bool
) -> tuple[str, ...]:
    """Weights and configs, once every tensor has its place in the model and every weight of the model its tensor."""
    import gguf
    import torch
    from transformers import AutoModelForCausalLM

    from .whole import check_whole

    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(str(gguf_file)).tensors}
    with _places() as places:
        model, info = AutoModelForCausalLM.from_pretrained(
            str(gguf_file.parent), gguf_file=gguf_file.name, dtype=torch.float32, trust_remote_code=False,
            output_loading_info=True, ignore_mismatched_sizes=True, tie_word_embeddings="output.weight" not in tensors,
            **sizes_left_out(metadata),
        )  # fmt: skip
    sizes = {name: math.prod(map(int, tensor.shape)) for name, tensor in tensors.items()}
    unused = _unused(sizes, places, model)
    factors = tensors[ROPE_FREQS].data.tolist() if ROPE_FREQS in tensors else None
    # save_pretrained refuses a model that still counts as quantised
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    found = check_whole("its tensors", model, _in_file(info, places, unused), {}, allow_unused, "its metadata describe")
    model.save_pretrained(str(folder), max_shard_size="100GB", safe_serialization=True)
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        if path.is_file():
            data = {k: v for k, v in json.loads(path.read_text("utf-8")).items() if k not in VOLATILE}
            data = mend_config(data, metadata, factors) if name == "config.json" else data
            if ends:
                data["eos_token_id"] = ends if len(ends) > 1 else ends[0]
            write_whole(path, json.dumps(data, indent=1, sort_keys=True) + "\n", PRIVATE)
    return found


@contextlib.contextmanager
def _places() -> Iterator[dict[str, str]]:
    """Inside, what transformers takes each tensor of a GGUF file for is written down: names in the file, names in the model.

    It says which weights of the model have no tensor, and nothing of the tensors that it leaves out.
    """
    import transformers.modeling_gguf_pytorch_utils as module

    known, original = dict[str, str](), module.get_gguf_hf_weights_map

    def written_down(*args: Any, **options: Any) -> Any:
        found = original(*args, **options)
        known.update(found)
        return found

    module.get_gguf_hf_weights_map = written_down
    try:
        yield known
    finally:
        module.get_gguf_hf_weights_map = original


@contextlib.contextmanager
def _read_once() -> Iterator[None]:
    """Inside, the gguf package reads the header of a file once, and de-quantises tensors in parts.

    transformers reads the header anew for config and weights. That takes half a minute and 700 MB for 262,144 tokens. Pages that
    stay would hold the whole file in memory, in addition to the weights that are made of it.
    """
    import gguf

    package: Any = gguf
    reader, dequantize = package.GGUFReader, package.dequantize
    package.GGUFReader, package.dequantize = cache(reader), partial(in_parts, dequantize)
    try:
        yield
    finally:
        package.GGUFReader, package.dequantize = reader, dequantize


def in_parts(dequantize: Callable[[Any, Any], Any], data: Any, kind: Any) -> Any:
    """Return a tensor's numbers, made some rows at a time: the gguf package makes several copies of what it is given."""
    import numpy as np

    give_back(data)  # the tensors before it lie in the same map
    rows = max(1, _PART // max(1, data.nbytes // max(1, len(data)))) if data.ndim else 1
    if data.ndim < 2 or len(data) <= rows:
        return dequantize(data, kind)
    first = dequantize(data[:rows], kind)
    made = np.empty((len(data), *first.shape[1:]), first.dtype)
    made[:rows] = first
    for begin in range(rows, len(data), rows):
        made[begin : begin + rows] = dequantize(data[begin : begin + rows], kind)
        give_back(data)
    return made


def give_back(data: Any) -> None:
    """Let the system take back all pages of the file that an array lies in; they are read again if they are wanted."""
    while data is not None and not isinstance(data, mmap.mmap):
        data = getattr(data, "_mmap", None) or getattr(data, "base", None)
    if data is not None and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


def _unused(sizes: Mapping[str, int], places: Mapping[str, str], model: Any) -> list[str]:
    """Tensors of the file without a place in the model.

    Raises:
        ModelError: all have a place, and still the model holds more or fewer numbers than they do.
    """
    apart = {ROPE_FREQS} | ({"output.weight"} if model.get_output_embeddings() is not model.get_input_embeddings() else set())
    unused = sorted(name for name in sizes if name not in places and name not in apart)
    read = sum(size for name, size in sizes.items() if name not in unused and name != ROPE_FREQS)
    made = sum(parameter.numel() for parameter in model.parameters())
    if not unused and read > made:
        raise ModelError(f"its tensors hold {read} numbers and the model takes {made}: a part of them would not be used")
    return unused


def _in_file(info: Mapping[str, Any], places: Mapping[str, str], unused: list[str]) -> dict[str, Any]:
    """Return what transformers says of the loading, with the names of the file."""
    names = {place: name for name, place in places.items()}

    def of(key: str) -> list[str]:
        found = [entry if isinstance(entry, str) else str(entry[0]) for entry in info.get(key, ())]
        return [names.get(name, name) for name in found]

    return {**info, "missing_keys": of("missing_keys"), "mismatched_keys": of("mismatched_keys"), "unexpected_keys": unused}


def _write_tokenizer(folder: Path, metadata: Mapping[str, Any], words: Vocabulary) -> None:
    from tokenizers import Tokenizer

    data, config = make_tokenizer(metadata, words)
    text = json.dumps(data, ensure_ascii=False)
    Tokenizer.from_str(text)  # merges without their tokens, say, are found before the weights are read
    write_whole(folder / "tokenizer.json", text, PRIVATE)
    write_whole(folder / "tokenizer_config.json", json.dumps(config, indent=1, sort_keys=True) + "\n", PRIVATE)
