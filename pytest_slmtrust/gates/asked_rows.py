"""What a probe asks, as an identity: its rows with their first questions, and what is asked besides them."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..authoring.probe import Case, Probe


def asked_beside(probe: Probe) -> list[Case]:
    """Return the controls, labelled cases and floor of a probe."""
    return [*probe.control_cases(), *probe.labelled_cases(), *probe.floor_cases()]


def rows_sha256(probe: Probe, cases: Sequence[Case], asked: Mapping[Case, Sequence[str]] | None = None) -> str:
    """Identity of what is asked and how it is judged.

    Ids, parameters, labels, scripts and first questions of all cases; the probe's own code and its floor's, but not what these
    call elsewhere. ``asked``: the keys of first questions that are known, by case.
    """
    rows: list[Any] = [
        [
            c.kind,
            c.id,
            dict(c.params),
            c.expected,
            c.script if isinstance(c.script, str) else None,
            first_questions(c, asked or {}),
        ]
        for c in cases
    ]
    rows += [[c.id, dict(c.parts)] for c in cases if c.parts]
    floor = probe.floor
    rows += [code_of(probe.run), [floor.at_least, code_of(floor.run)] if floor else None, repr(probe.judge)]
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def code_of(run: Callable[..., Any]) -> str:
    """Return a function's source; of one without, its compiled form."""
    try:
        return inspect.getsource(run)
    except (OSError, TypeError):
        code = getattr(run, "__code__", None)
        return repr((code.co_code, code.co_names)) if code else ""


def first_questions(case: Case, asked: Mapping[Case, Sequence[str]]) -> list[str]:
    """Return the keys of what a case asks first: prompt, settings and seed of each request."""
    if case in asked:
        return list(asked[case])
    try:
        return [request.key for request in next(case.steps())]
    except KeyboardInterrupt:
        raise
    except BaseException:  # a probe that breaks or exits, or asks nothing: its own run says so
        return []


def case_name(case: Case) -> str:
    return f"{case.probe.name}[{case.id}]"


def extra_of(modules: Collection[str]) -> str:
    """Return the extra of this package that holds modules."""
    return "presidio" if "presidio_analyzer" in modules else "all"
