"""Hand over a model that is already loaded: pytest --slm=my-model examples/loaded_model

Whatever --slm says is then only the model's name in the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer


def pytest_slm_backend(config: pytest.Config) -> tuple[Any, Any] | None:
    """A (model, tokenizer) pair from the folder that this project's ini value names."""
    folder = Path(config.rootpath, config.getini("my_model_folder"))
    if not folder.is_dir():
        return None
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("my_model_folder", "folder of the model under audit", default="my-model")
