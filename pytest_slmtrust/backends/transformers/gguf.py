"""GGUF files, de-quantised once into a folder of safetensors that transformers 4.57 and 5 read alike."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .files import ModelError, Progress, cache_folder, locked, silent, whole_folder, write_text
from .fingerprint import digest_file
from .ggufheader import check_header

#: Counted into the name of a converted folder: a change to the conversion bumps it.
CONVERTER = 1

#: Keys of a saved config that differ between versions of transformers or quote the quantised file.
VOLATILE = ("_name_or_path", "_model_name_or_path", "transformers_version", "quantization_config", "torch_dtype")


def converted(gguf_file: Path, progress: Progress | None = None) -> Path:
    """The folder that holds ``gguf_file`` as safetensors, converted on the first use.

    Raises:
        ModelError: the file cannot be read as a causal language model.
    """
    target = cache_folder() / "gguf" / f"{gguf_file.stem[:60]}-{digest_file(gguf_file)[:16]}-v{CONVERTER}"
    with locked(target):
        if not (target / "config.json").is_file():
            with whole_folder(target) as folder:
                convert(gguf_file, folder, progress)
    return target


def convert(gguf_file: Path, folder: Path, progress: Progress | None = None) -> None:
    """De-quantise ``gguf_file`` to float32 and write config, weights and tokenizer to ``folder``.

    Raises:
        ModelError: not a GGUF file, or of an architecture that transformers cannot read.
    """
    say = progress or silent
    tensors = check_header(gguf_file)
    from .runtime import quiet

    # its progress bar goes to stderr, whatever the settings are
    with quiet(), contextlib.redirect_stderr(io.StringIO()), _alone(gguf_file) as lone:
        try:
            say(f"reading {gguf_file.name}")
            metadata = read_metadata(lone)
            blocks = metadata.get(f"{metadata.get('general.architecture')}.block_count", 0)
            if not isinstance(blocks, int) or blocks > tensors:
                raise ModelError(f"{gguf_file}: cannot be converted: it speaks of {blocks} blocks and holds {tensors} tensors")
            _write_tokenizer(lone, folder, metadata)
            say(f"de-quantising {gguf_file.name} (once; about half a minute for 100M parameters)")
            _write_model(lone, folder)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{gguf_file}: cannot be converted ({type(error).__name__}: {str(error)[:200]})") from error
    say(f"saved as safetensors in {folder.parent}")


@contextlib.contextmanager
def _alone(gguf_file: Path) -> Iterator[Path]:
    """The file in a folder of its own: transformers would take configs and adapters that lie beside it."""
    with tempfile.TemporaryDirectory(prefix="slmtrust-") as scratch:
        lone = Path(scratch) / "model.gguf"
        try:
            lone.symlink_to(gguf_file.resolve())
        except OSError:
            shutil.copyfile(gguf_file, lone)
        yield lone


def read_metadata(gguf_file: Path) -> dict[str, Any]:
    """Every scalar field of the header; vocabulary, scores, token types and merges are left out.

    Raises:
        ModelError: a header that does not fit into its file.
    """
    import gguf

    check_header(gguf_file)
    fields = gguf.GGUFReader(str(gguf_file)).fields
    left_out = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.scores", "tokenizer.ggml.token_type")
    return {name: field.contents() for name, field in fields.items() if name not in left_out}


def _write_model(gguf_file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        str(gguf_file.parent), gguf_file=gguf_file.name, dtype=torch.float32, trust_remote_code=False
    )
    # save_pretrained refuses a model that still counts as quantised
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.save_pretrained(str(folder), max_shard_size="100GB", safe_serialization=True)
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        if path.is_file():
            data = {k: v for k, v in json.loads(path.read_text("utf-8")).items() if k not in VOLATILE}
            write_text(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def _write_tokenizer(gguf_file: Path, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Tokenizer files with a class name that both versions know, and BOS as the metadata say."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(gguf_file.parent), gguf_file=gguf_file.name, trust_remote_code=False)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"{gguf_file}: transformers gives no fast tokenizer for {metadata.get('tokenizer.ggml.model')!r}")

    def token(name: str) -> str | None:
        number = metadata.get(f"tokenizer.ggml.{name}_token_id")
        return None if number is None else tokenizer.convert_ids_to_tokens(int(number))

    bos, eos = token("bos"), token("eos")
    data = canonical_tokenizer(json.loads(backend.to_str()), metadata, bos)
    write_text(folder / "tokenizer.json", json.dumps(data, ensure_ascii=False))
    names = {"bos_token": bos, "eos_token": eos, "unk_token": token("unknown"), "pad_token": token("padding") or eos}
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": int(metadata.get(f"{metadata.get('general.architecture')}.context_length", 2048)),
        **{name: text for name, text in names.items() if text is not None},
    }
    template = metadata.get("tokenizer.chat_template")
    if template:
        config["chat_template"] = template
    write_text(folder / "tokenizer_config.json", json.dumps(config, indent=1, sort_keys=True) + "\n")


def adds_bos(metadata: Mapping[str, Any]) -> bool:
    """Whether the file wants BOS before every text: its own word, else llama.cpp's default for its vocabulary."""
    said = metadata.get("tokenizer.ggml.add_bos_token")
    return bool(said) if said is not None else metadata.get("tokenizer.ggml.model") == "llama"


def canonical_tokenizer(data: dict[str, Any], metadata: Mapping[str, Any], bos: str | None) -> dict[str, Any]:
    """``tokenizer.json`` with the post-processor, and for byte-level BPE the steps, that the metadata call for.

    transformers 4.57 prepends BOS whatever the file says, and gives every BPE vocabulary a generic pre-tokenizer.
    """
    out = {**data, "truncation": None, "padding": None, "post_processor": None}
    if adds_bos(metadata) and bos is not None:
        number = int(metadata["tokenizer.ggml.bos_token_id"])
        first, second = ({"SpecialToken": {"id": bos, "type_id": i}} for i in (0, 1))
        one, two = ({"Sequence": {"id": name, "type_id": i}} for i, name in enumerate("AB"))
        out["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [first, one],
            "pair": [first, one, second, two],
            "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}},
        }
    if metadata.get("tokenizer.ggml.model") == "gpt2":
        out["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        out["model"] = {**data["model"], "byte_fallback": False, "fuse_unk": False, "unk_token": None}
        if (data.get("normalizer") or {}).get("normalizers") == []:
            out["normalizer"] = None
        if metadata.get("tokenizer.ggml.pre") == "smollm":  # digits one by one, then GPT-2's pattern (llama.cpp)
            level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
            digits = {"type": "Digits", "individual_digits": True}
            out["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, level]}
    return out
