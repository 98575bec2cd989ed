"""An author's mistake in words that name the way out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from .declarations import Control, Criterion, Floor, Judge, ProbeError, unknown

_KEYWORD = re.compile(r"(?P<name>\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(?P<argument>\w+)'\Z", re.ASCII)


#: What a probe declares besides its rows: the class, and whether it is a list of these.
_DECLARED = {
    "criterion": (Criterion, False), "floor": (Floor, False), "judge": (Judge, False), "controls": (Control, True),
    "labelled": (Control, True),
}  # fmt: skip


def check_declared(title: str, tolerance: Any, declared: Mapping[str, Any]) -> None:
    """Check the types of what a probe declares; ``declared``: the values by the names of their arguments.

    Raises:
        ProbeError: a value of another type, or a tolerance that is no share.
    """
    share = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and 0 < tolerance < 1
    if tolerance is not None and not share:
        raise ProbeError(f"tolerance of probe {title!r} is {tolerance!r}; it must be a number between 0 and 1: 0.05 for 5 %")
    for name, value in declared.items():
        kind, several = _DECLARED[name]
        one = "an" if kind.__name__[0] in "AEIOU" else "a"
        if several and (isinstance(value, (str, Mapping)) or not isinstance(value, Iterable)):
            raise ProbeError(f"{name} of probe {title!r} is {type(value).__name__}; expected a list of {kind.__name__}")
        for each in value if several else () if value is None else (value,):
            if not isinstance(each, kind):
                held = f"holds {type(each).__name__}" if several else f"is {each!r}"
                raise ProbeError(f"{name} of probe {title!r} {held}; expected {one} {kind.__name__}(...)")


def called_with(rows: Callable[..., Any], profile: Any, title: str) -> Any:
    """Call a function that makes rows.

    Raises:
        ProbeError: it does not take the profile.
    """
    try:
        inspect.signature(rows).bind(profile)
    except TypeError:
        raise ProbeError(f"rows of probe {title!r} is a function that does not take the profile: def rows(profile)") from None
    except ValueError:  # built in: it has no signature
        pass
    return rows(profile)


def explained(error: BaseException) -> BaseException:
    """Return an error that says more than Python's own: of an unknown argument of this package's, the one that was meant."""
    if isinstance(error, TypeError) and str(error).startswith("probe() takes 0 positional arguments"):
        return TypeError('@probe takes its arguments by name: @probe(dimension="privacy", rows=[...])')
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
