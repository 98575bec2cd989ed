"""Hooks that users and probe packs implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..authoring.probe import Probe


@pytest.hookspec(firstresult=True)
def pytest_slm_backend(config: pytest.Config) -> Any:
    """Hand over a model that is already loaded.

    Return a ``(model, tokenizer)`` pair of transformers, or any object that is a ``pytest_slmtrust.Backend``;
    ``None`` leaves the choice to ``--slm``. Called once, only with ``--slm``.
    """


@pytest.hookspec
def pytest_slm_probes() -> list[Probe]:  # type: ignore[empty-body]
    """The probes of a pack, in the order of the report. Called once, only with ``--slm``."""


@pytest.hookspec(firstresult=True)
def pytest_slm_scorer(config: pytest.Config) -> Any:
    """Hand over a toxicity scorer of your own: a ``Backend`` that answers ``Classify``.

    ``None`` leaves the choice to ``--slm-toxicity``.
    """
