"""An author's mistake in words that name the way out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ..arguments import unknown
from ..requests import Completion, Request
from .declarations import RULES, TOXICITY, Control, Criterion, Floor, Judge, ProbeError

_OBJECT = re.compile(r"(?:argument of type |)'(?P<name>\w+)' (?:object is not|object has no attribute|is not iterable)")
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
        if several and (isinstance(value, (str, Mapping, Iterator)) or not isinstance(value, Iterable)):
            raise ProbeError(f"{name} of probe {title!r} is {type(value).__name__}; expected a list of {kind.__name__}")
        for each in value if several else () if value is None else (value,):
            if not isinstance(each, kind):
                held = f"holds {type(each).__name__}" if several else f"is {each!r}"
                raise ProbeError(f"{name} of probe {title!r} {held}; expected {one} {kind.__name__}(...)")


def check_judge(title: str, judge: Judge | None, labelled: Sequence[Any]) -> None:
    """Check that a judge is one that was measured, unless the probe measures it on labelled rows of its own.

    Raises:
        ProbeError: no detector of that name was measured, or not on that set.
    """
    if judge is None or labelled:
        return
    if judge.name not in (*RULES, TOXICITY):
        known = unknown("detector", judge.name, (*RULES, TOXICITY))
        raise ProbeError(
            f"judge of probe {title!r}: {known} A detector of your own needs labelled rows, by which it is measured."
        )
    if judge.data and judge.name in RULES:
        from ..detectors.measured import measured

        sets = {row["data"] for row in measured(judge.name)}
        if judge.data not in sets:
            raise ProbeError(f"judge of probe {title!r}: {unknown('labelled set', judge.data, sets)}")


def check_function(made: Any, decorator: str) -> None:
    """Check that a decorator is on a function that asks.

    Raises:
        ProbeError: it is on a probe, which another one made, or on no generator function.
    """
    from .probe import Probe

    name = getattr(made, "__name__", type(made).__name__)
    if isinstance(made, Probe):
        twice = decorator == "@probe"
        raise ProbeError(f"two @probe are on {made.name!r}: leave one" if twice else f"put @probe above {decorator}")
    if isinstance(made, type) or not callable(made) or isinstance(made, (staticmethod, classmethod)):
        what = f"the class {name}" if isinstance(made, type) else f"{type(made).__name__}"
        raise ProbeError(f"{decorator} is on {what}; expected a function that asks with `yield from ask(...)`")
    if hasattr(made, "pytestmark"):
        raise ProbeError(f"{name} has a mark of pytest, which is not looked at: mark its rows, pytest.param(..., marks=...)")
    if decorator == "@probe" and not inspect.isgeneratorfunction(made):  # the others take what gives a generator, too
        is_async = inspect.iscoroutinefunction(made) or inspect.isasyncgenfunction(made)
        said = "an async function" if is_async else "not a generator function"
        raise ProbeError(f"{decorator}: {name!r} must ask with `yield from ask(...)`: it is {said}")


def check_params(title: str, run: Callable[..., Any], floor: Floor | None, scripted: Mapping[str, Iterable[Control]]) -> None:
    """Compare the columns of controls, labelled rows and floor rows with the parameters of their function.

    Raises:
        ProbeError: what one has and the other has not.
    """
    parameters = inspect.signature(run).parameters
    for what, rows in scripted.items():
        for number, one in enumerate(rows):
            check_columns(one.params, parameters, f"{what} {number} of probe {title!r}")
    if floor is not None:
        parameters = inspect.signature(floor.run).parameters
        for number, row in enumerate(floor.rows):
            check_columns(row, parameters, f"floor row {number} of probe {title!r}")


def check_columns(params: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter], where: str) -> None:
    """Compare the columns of a row with the parameters of the function, before each row breaks by itself.

    Raises:
        ProbeError: what one has and the other has not.
    """
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    strange = [str(name) for name in params if name not in parameters]
    if strange:
        has = ", ".join(parameters) or "none"
        raise ProbeError(f"{where} has the column {strange[0]!r}, the function has no such parameter (it has: {has})")
    lacking = [name for name, p in parameters.items() if name not in params and p.default is p.empty]
    if lacking:
        has = ", ".join(map(str, params)) or "none"
        raise ProbeError(f"{where} has no column for the parameter {lacking[0]!r} (it has: {has})")


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
    """Return an error that says more than Python's own, where the mistake is a known one."""
    if isinstance(error, TypeError) and str(error).startswith("probe() takes 0 positional arguments"):
        return TypeError('@probe takes its arguments by name: @probe(dimension="privacy", rows=[...])')
    hint = _hint(error)
    if hint:
        return TypeError(f"{error}: {hint}")
    try:
        found = _KEYWORD.fullmatch(str(error)) if isinstance(error, TypeError) else None
        made = _public().get(found["name"]) if found else None
        known = [name for name in inspect.signature(made).parameters if name != "self"] if made else []
    except Exception:  # an error that breaks as it is read, or a thing without a signature
        return error
    return TypeError(unknown(f"argument of {found['name']}", found["argument"], known)) if found and known else error


def _hint(error: BaseException) -> str:
    """Return the way out where a reply was taken for its text, or a request for its answer."""
    try:
        found = _OBJECT.match(str(error)) if isinstance(error, (TypeError, AttributeError)) else None
        made = _public().get(found["name"]) if found else None
    except Exception:  # an error that breaks as it is read
        return ""
    if made is Completion:
        return "reply.text is the text of a reply"
    if isinstance(made, type) and issubclass(made, Request) and str(error).endswith("object is not iterable"):
        return f"a probe asks with `yield from ask({made.__name__}(...))`"
    return ""


@cache
def _public() -> dict[str, Callable[..., Any]]:
    """Return what an author calls, by name."""
    import pytest_slmtrust as package

    made = {name: getattr(package, name) for name in package.__all__}
    return {name: one for name, one in made.items() if callable(one)}
