"""A model without its numbers: seen to be whole by the names, shapes and types in its files, before another program loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..transformers.files import ModelError, read_object
from ..transformers.weights import held_tensors, weight_files
from ..transformers.whole import check_numbers, check_types, check_whole, held_in_pickles


def on_paper(folder: Path, allow_pickle: bool = False, allow_unused: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Return the model of an inspected folder on the meta device, and the weights of its files that it does not use.

    Tensors of a quantiser have names and shapes that only the quantiser knows: there the files are compared with their index
    and with nothing else.

    Raises:
        ModelError: a weight that no file holds, or holds in another shape or type; one that is not used; numbers that are not
            finite.
    """
    files = weight_files(folder, allow_pickle)
    held = held_tensors(folder, files) or held_in_pickles(folder, files)
    quantised = bool(read_object(folder / "config.json").get("quantization_config"))
    try:
        if quantised:
            return _from_config(folder), ()
        model, info = _read_names(folder, allow_pickle)
    except Exception as error:
        check_types(held, () if quantised else held)  # of which torch says no more than that there was an error
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"{folder}: cannot be loaded ({type(error).__name__}: {said})") from error
    unused = check_whole(folder, model, info, held, allow_unused, present=False)
    check_numbers(held)
    return model, unused


def _read_names(folder: Path, allow_pickle: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM

    model, info = AutoModelForCausalLM.from_pretrained(
        str(folder), device_map="meta", trust_remote_code=False, local_files_only=True, output_loading_info=True,
        use_safetensors=None if allow_pickle else True, ignore_mismatched_sizes=True,
    )  # fmt: skip
    model.tie_weights()  # as the config says, which vLLM follows; transformers 5 leaves a head untied that the files hold
    return model, info


def _from_config(folder: Path) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    config.quantization_config = None
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
