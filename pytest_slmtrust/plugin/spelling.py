"""Options and ini values of ours that do not exist: each is refused by name, with the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import pytest

from ..arguments import unknown


def check_spelling(words: Iterable[str], flags: Iterable[str]) -> None:
    """Name the option that was meant by one of ours that does not exist.

    Raises:
        pytest.UsageError: there is one among the words that pytest does not know.
    """
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--slm"):
            near = get_close_matches(name, list(flags), n=1, cutoff=0.75)
            hint = f"Did you mean {near[0]}?" if near else "pytest --help lists all, under 'trust audit'."
            raise pytest.UsageError(f"Unknown option {name}. {hint}")


def unknown_ini(config: pytest.Config, known: list[str]) -> str:
    """Name an ini value of ours that does not exist: pytest would warn, and run without it."""
    kept = getattr(config, "_inicfg", None)  # pytest 9.1 warns of the public name
    for name in config.inicfg if kept is None else kept:
        if str(name).replace("-", "_").startswith("slm_") and name not in known:
            return unknown("ini value", str(name), known)
    return ""
