"""Panics of the libraries written in Rust: no ``Exception`` to Python, and a stack on the terminal."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..transformers.files import ModelError

#: Two threads that put the descriptor aside at once would leave it aside.
_aside = threading.RLock()


def is_panic(error: BaseException) -> bool:
    """Return whether an exception is a panic; each library has a class for it that cannot be imported."""
    return type(error).__name__ == "PanicException"


@contextmanager
def panics_are_errors(where: str) -> Iterator[None]:
    """Inside, a panic becomes a ModelError of one line, and its stack is not printed."""
    try:
        with no_stderr():
            yield
    except BaseException as error:
        if not is_panic(error):
            raise
        raise ModelError(f"{where}: the tokenizer's library broke ({' '.join(str(error).split())[:160]})") from None


@contextmanager
def no_stderr() -> Iterator[None]:
    """Inside, nothing that this process writes to descriptor 2 is shown: a panic prints before Python hears of it."""
    with _aside:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, ValueError, AttributeError):  # a process without one
            yield
            return
        try:
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
