"""Keeps what models' libraries print while questions are answered: progress bars, advice, notes of deprecation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .. import door


@contextmanager
def quiet(config: pytest.Config) -> Iterator[None]:
    """Capture what is printed meanwhile, as pytest does in a test, and drop it. With ``-v`` or ``-s`` it is cleaned and shown."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is None or config.getoption("capture", "no") == "no" or config.get_verbosity() > 0:
        with door.guarded_streams():
            yield
        return
    capture.resume_global_capture()
    try:
        yield
    finally:
        capture.suspend_global_capture()
        capture.read_global_capture()
