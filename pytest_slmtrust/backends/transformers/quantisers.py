"""Which packages run quantised weights, so that a missing one is named in one line. Imports none of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from .files import ModelError, read_object

#: By quantisation method: the modules of which one is needed, with the packages that hold them.
_RUN_BY: Mapping[str, Mapping[str, str]] = {
    "awq": {"gptqmodel": "gptqmodel", "awq": "autoawq"},
    "bitsandbytes": {"bitsandbytes": "bitsandbytes"},
    "compressed-tensors": {"compressed_tensors": "compressed-tensors"},
    "gptq": {"gptqmodel": "gptqmodel", "auto_gptq": "auto-gptq"},
}


def check_quantiser(folder: Path) -> None:
    """Refuse a model folder whose quantised weights no installed package runs.

    Raises:
        ModelError: it names the method and the package.
    """
    about = read_object(folder / "config.json").get("quantization_config")
    method = str(about.get("quant_method", "")) if isinstance(about, dict) else ""
    wanted = _RUN_BY.get(method, {})
    if wanted and not any(importlib.util.find_spec(module) for module in wanted):
        names = " or ".join(wanted.values())
        raise ModelError(
            f"{folder}: its weights are quantised ({method}), which {names} runs: install it, or give the model in full"
        )
