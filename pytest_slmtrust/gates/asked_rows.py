"""What a probe asks, as an identity: its rows with their first questions, and what is asked besides them."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..authoring.probe import Case, Probe
from ..authoring.properties import WITH_KEPT

#: Hexadecimal digits of the identity of a row, and of how a probe judges.
DIGITS = 32


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
    rows += [code_of(probe.run), [floor.at_least, code_of(floor.run)] if floor else None, repr(probe.judge), *_judge_of(probe)]
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def first_questions_of(cases: Sequence[Case], asked: Mapping[Case, Sequence[str]]) -> dict[Case, list[str]]:
    """Return what each case asks first, worked out once for all that is made of it."""
    return {case: first_questions(case, asked) for case in cases}


def row_digests(cases: Sequence[Case], asked: Mapping[Case, Sequence[str]]) -> dict[str, str]:
    """Return an identity of each row by the id of its case: parameters, source, parts and first questions.

    Of a property the questions are left out: it first asks what broke in earlier runs.
    """
    found = {}
    for case in cases:
        grows = hasattr(case.probe.run, WITH_KEPT)
        row = [case.id, dict(case.params), case.source, dict(case.parts), [] if grows else first_questions(case, asked)]
        found[case.id] = _digest(row)
    return found


def judged_sha256(probe: Probe, beside: Sequence[Case]) -> str:
    """Return an identity of how a probe judges: its code, judge and floor, and the controls, labelled and floor cases."""
    floor = probe.floor
    scripted = [[c.kind, c.id, dict(c.params), c.expected, c.script if isinstance(c.script, str) else None] for c in beside]
    asks_twins = [floor.at_least, _without_decorators(floor.run)] if floor else None
    return _digest([_without_decorators(probe.run), asks_twins, repr(probe.judge), scripted, *_judge_of(probe)])


def _judge_of(probe: Probe) -> list[str]:
    """Return what judges a test of another tool: the code of its probe is ours, and the same for all of them."""
    return [probe.detector, probe.estimand] if probe.foreign else []


def _without_decorators(run: Callable[..., Any]) -> str:
    """Return a function's source from its name on: rows may be written in its decorator, and have digests of their own."""
    code = code_of(run)
    start = re.search(r"^[ \t]*(?:async[ \t]+)?def[ \t]", code, re.MULTILINE)
    return code[start.start() :] if start else code


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


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
