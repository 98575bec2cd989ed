"""An author's mistake in words that name the way out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from .declarations import unknown

_KEYWORD = re.compile(r"(?P<name>\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(?P<argument>\w+)'\Z", re.ASCII)


def explained(error: BaseException) -> BaseException:
    """Return an error that says more than Python's own: of an unknown argument of this package's, the one that was meant."""
    try:
        found = _KEYWORD.fullmatch(str(error)) if isinstance(error, TypeError) else None
        made = _public().get(found["name"]) if found else None
        known = [name for name in inspect.signature(made).parameters if name != "self"] if made else []
    except Exception:  # an error that breaks as it is read, or a thing without a signature
        return error
    return TypeError(unknown(f"argument of {found['name']}", found["argument"], known)) if found and known else error


@cache
def _public() -> dict[str, Callable[..., Any]]:
    """Return what an author calls, by name."""
    import pytest_slmtrust as package

    made = {name: getattr(package, name) for name in package.__all__}
    return {name: one for name, one in made.items() if callable(one)}
