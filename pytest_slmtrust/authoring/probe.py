"""Probes: generator functions that yield requests and return verdicts, and the cases made from their rows."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .. import detectors
from ..arguments import unknown
from ..audit.dimension import Dimension
from ..audit.model import UNIT, VERB, Finding, Measure
from ..escaping import blank, one_line
from ..requests import BESIDE_MODEL, Completion, Request, Steps, check_asked
from ..thinking import refused, settled
from .bars import Bar
from .declarations import Control, Criterion, Floor, Judge, ProbeError, Profile, Row, Script, Verdict
from .mistakes import called_with, check_columns, check_declared, check_function, check_judge, check_params

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
#: Made once: ``json.dumps`` makes an encoder for each text. The second one writes what JSON has no form for as text.
_JSON = json.JSONEncoder(sort_keys=True).encode
_ANY_JSON = json.JSONEncoder(sort_keys=True, default=str).encode
#: Examples that a Hypothesis strategy gives at most: it may be without end.
_MOST_DRAWN = 1000


Rows: TypeAlias = "Iterable[Any] | Callable[[Profile], Iterable[Any]] | Any"
Measures: TypeAlias = Callable[[Sequence[Finding]], Iterable[Measure]]


@dataclass(frozen=True, slots=True)
class Probe:
    """A claim that can be false, with the rows that test it. Made by :func:`probe`."""

    name: str
    dimension: Dimension
    run: Callable[..., Steps[Verdict]]
    rows: Rows
    doc: str = ""
    tags: tuple[str, ...] = ()
    tolerance: float | None = None
    criterion: Criterion | None = None
    controls: tuple[Control, ...] = ()
    labelled: tuple[Control, ...] = ()
    floor: Floor | None = None
    judge: Judge | None = None
    measures: Measures | None = None
    needs: tuple[type[Request[Any]], ...] = ()
    extras: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    detector: str = ""
    estimand: str = ""
    metric: str = ""
    paper: str = ""
    unit: str = UNIT
    verb: str = VERB
    #: What was registered before the run, of a task with labels.
    bar: Bar | None = None
    #: It comes from a pack: profiles limit its items, its failing cases are findings, and a case runs once.
    packed: bool = False
    #: Another tool made it: it blocks only where a user sets its limit, and its detector is part of how it judges.
    foreign: bool = False

    @property
    def claim(self) -> str:
        """The first line of the docstring: what a reviewer reads."""
        return self.doc.strip().splitlines()[0].strip() if not blank(self.doc) else self.name.replace("_", " ")

    def cases(self, profile: Profile, limit: int | None = None) -> list[Case]:
        """Return its cases under a profile, cut to ``limit`` source items chosen by a stable hash.

        Raises:
            ProbeError: rows that do not fit the function, or that occur twice.
        """
        rows = list(_rows(self, profile))
        if limit is not None:
            kept = set(stable_order(self.name, {row.source for row in rows})[:limit])
            rows = [row for row in rows if row.source in kept]
        cases = [Case(row.id, self, row.params, row.source, "case", row.marks, parts=row.parts) for row in rows]
        if not cases and not self.packed:
            raise ProbeError(f"probe {self.name!r} has no rows: nothing would be tested")
        return _distinct(self, cases)

    def control_cases(self) -> list[Case]:
        return self._scripted_cases("control", self.controls)

    def labelled_cases(self) -> list[Case]:
        return self._scripted_cases("labelled", self.labelled)

    def _scripted_cases(self, kind: Literal["control", "labelled"], rows: Sequence[Control]) -> list[Case]:
        return [
            Case(f"{kind}-{i}", self, c.params, f"{kind}-{i}", kind, script=c.reply, expected=c.passes)
            for i, c in enumerate(rows)
        ]

    def floor_cases(self) -> list[Case]:
        if self.floor is None:
            return []
        twin = replace(self, run=self.floor.run)
        return [Case(f"floor-{_digest(dict(r))[:12]}", twin, r, "", "floor") for r in self.floor.rows]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One parameter row of a probe."""

    id: str
    probe: Probe
    params: Mapping[str, Any]
    source: str
    kind: Literal["case", "control", "labelled", "floor"] = "case"
    marks: tuple[Any, ...] = ()
    script: Script | None = None
    expected: bool | None = None
    parts: Mapping[str, str] = field(default_factory=dict)

    def steps(self) -> Steps[Verdict]:
        """The probe's generator for this row; a control answers the model's part from its script."""
        steps = self.probe.run(**self.params)
        return steps if self.script is None else _scripted(steps, self.script)


def _scripted(steps: Steps[Verdict], script: Script) -> Steps[Verdict]:
    """Drive a generator, with every request to a model answered by the script and the rest passed on."""
    try:
        wave = check_asked(next(steps))
        while True:
            mine = [not isinstance(r, BESIDE_MODEL) for r in wave]
            rest = [r for r, scripted in zip(wave, mine, strict=True) if not scripted]
            outside = iter((yield rest) if rest else [])
            answers = [_say(script, r) if scripted else next(outside) for r, scripted in zip(wave, mine, strict=True)]
            error = refused(answers)
            wave = check_asked(steps.send(answers) if error is None else steps.throw(error))
    except StopIteration as stop:
        verdict: Verdict = stop.value
        return verdict


def _say(script: Script, request: Request[Any]) -> Any:
    return settled(request, Completion(script, len(script.split())) if isinstance(script, str) else script(request))


def _digest(content: Any) -> str:
    return _sha256(_ANY_JSON(content))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stable_order(name: str, sources: Iterable[str]) -> list[str]:
    """Return the source items of a probe in an order fixed by their hashes: a permutation that no order of rows changes."""
    return sorted(sources, key=lambda source: _digest([name, source]))


def _rows(probe: Probe, profile: Profile) -> Iterator[Row]:
    rows = probe.rows
    if hasattr(rows, "example") and hasattr(rows, "map"):  # a Hypothesis strategy
        from .strategies import draw

        wanted = profile.items if probe.tolerance is None and probe.criterion is None else profile.blocking_items
        rows = draw(rows, min(wanted, _MOST_DRAWN))
    elif callable(rows):
        rows = called_with(rows, profile, probe.name)
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Iterable):
        raise ProbeError(f"rows of probe {probe.name!r} must be a list of mappings, not {type(rows).__name__}")
    parameters = inspect.signature(probe.run).parameters
    rows = list(rows)
    made = [_row(raw, list(parameters), probe.name, number) for number, raw in enumerate(rows)]
    place = _place(probe.run)
    for number, (row, *_) in enumerate(made):
        check_columns(row.params, parameters, f"{place}row {number} of probe {probe.name!r}")
    short = Counter(digest[:6] for digest in {digest for *_, digest in made})
    seen: dict[str, int] = {}
    for number, (row, name, source, digest) in enumerate(made):
        id_ = name or digest[: 6 if short[digest[:6]] == 1 else 12]
        first = seen.setdefault(id_, number)
        if first != number:
            places = [str(getattr(rows[n], "place", f"row {n}")) for n in (first, number)]
            same = "they are the same row, remove one" if made[first][3] == digest else "give each its own id (Row(id=...))"
            raise ProbeError(f"two rows of probe {probe.name!r} have the id {id_!r}, {' and '.join(places)}: {same}")
        yield replace(row, id=id_, source=source or id_, parts={str(k): _printable(str(v)) for k, v in row.parts.items()})


@lru_cache(maxsize=4096)  # many rows have one source
def _shareable(name: str) -> str:
    """Return a name that is printed everywhere; empty where it holds personal data or a credential."""
    return "" if detectors.find_personal_data(name) or detectors.find_credentials(name) else name


def _row(raw: Any, names: list[str], probe: str, number: int) -> tuple[Row, str, str, str]:
    """Return the row, its id and its source as they may be printed everywhere, and the digest of its parameters."""
    where = f"row {number} of probe {probe!r}"
    if isinstance(raw, Row):
        row = raw
    elif isinstance(raw, Mapping):
        row = Row(dict(raw))
    elif hasattr(raw, "values") and hasattr(raw, "marks"):  # pytest.param, without an import of pytest
        one = raw.values[0] if len(raw.values) == 1 and isinstance(raw.values[0], Mapping) else None
        params = dict(one) if one is not None else dict(zip(names, raw.values, strict=False))
        row = Row(params, str(raw.id or ""), "", tuple(raw.marks))
    else:
        raise ProbeError(f"{where} is {type(raw).__name__}; expected a mapping of {', '.join(names)}")
    try:
        digest = _sha256(_JSON(dict(row.params)))
    except (TypeError, ValueError) as error:
        raise ProbeError(f"{where} is not JSON-able: {error}") from None
    name, source = _shareable(str(row.id)), str(row.source)
    if "::" in name:  # an address of IPv6 is gone by now
        raise ProbeError(f"{where} has the id {row.id!r}; '::' separates the parts of a node id")
    # an id is printed and sorted everywhere: text, and nothing that a terminal obeys
    return row, one_line(name), _printable(source), digest


def _place(run: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(run), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}: " if code else ""


def _printable(name: str) -> str:
    """Return a name that is printed everywhere, or a digest of one that holds personal data or a credential."""
    return _shareable(name) or (name and _digest(name)[:12])


def _distinct(probe: Probe, cases: list[Case]) -> list[Case]:
    """Return the cases, if those of one source have the same parts."""
    of_source: dict[str, Case] = {}
    for case in cases:
        if of_source.setdefault(case.source, case).parts != case.parts:
            raise ProbeError(
                f"rows of probe {probe.name!r} with the source {case.source!r} have different parts: give them the same"
            )
    return cases


def probe(
    *,
    dimension: str,
    rows: Rows,
    name: str | None = None,
    tags: Sequence[str] = (),
    tolerance: float | None = None,
    criterion: Criterion | None = None,
    controls: Sequence[Control] = (),
    labelled: Sequence[Control] = (),
    floor: Floor | None = None,
    judge: Judge | None = None,
    measures: Measures | None = None,
    needs: Sequence[type[Request[Any]]] = (),
    extras: Sequence[str] = (),
    inputs: Sequence[str] = (),
    detector: str = "",
    estimand: str = "",
    metric: str = "",
    paper: str = "",
    unit: str = UNIT,
    verb: str = VERB,
) -> Callable[[Callable[..., Steps[Verdict]]], Probe]:
    """Turn a generator function into a probe.

    Args:
        dimension: one of the five dimensions.
        rows: mappings, ``pytest.param(...)``, :class:`Row`, a function from a profile to these, or a Hypothesis strategy.
        name: the claim in snake case; the function's name by default.
        tolerance: the largest acceptable rate of failing source items; without it nothing statistical is claimed.
        criterion: a limit on something else than that rate: a mean, a gap between groups, a metric of your own.
        controls: scripted cases that show that the detector works: one that does not come out as labelled makes the gate INVALID.
        labelled: scripted cases with human labels, on which the detector may err: its sensitivity and specificity are counted.
        floor: benign twins that must be managed before a pass counts.
        judge: the measured detector that decides the cases.
        measures: other numbers of all rows, shown with the gate, from the findings: a published score, one for each group.
        needs: kinds of request that the model's backend must answer (a chat endpoint has no log-likelihoods).
        extras: importable modules without which the probe is NOT TESTED.
        inputs: files or folders of the user without which it is NOT TESTED, by the names of their options (``profile.inputs``).
        detector, estimand, metric, paper: what the report prints with the number.
        unit, verb: how a summary says the number: "61 of 180 ``requests for a secret`` ``leaked it``".

    Raises:
        ProbeError: an unknown dimension, a bad name or tolerance, a function that is no generator.
    """

    def wrap(run: Callable[..., Steps[Verdict]]) -> Probe:
        if dimension not in Dimension.__members__.values():
            raise ProbeError(unknown("dimension", dimension, [str(d) for d in Dimension]))
        check_function(run, "@probe")
        title = name or run.__name__
        if not NAME.match(title):
            raise ProbeError(f"probe name {title!r} must be lower-case snake case")
        declared = {"criterion": criterion, "floor": floor, "judge": judge, "controls": controls, "labelled": labelled}
        check_declared(title, tolerance, declared)
        if tolerance is not None and criterion is not None:
            raise ProbeError(f"probe {title!r} has a tolerance and a criterion; a gate holds one quantity to one limit")
        check_judge(title, judge, labelled)
        check_params(title, run, floor, {"control": controls, "labelled row": labelled})
        if any(row.passes is None for row in labelled):
            raise ProbeError(f"probe {title!r}: a labelled row passes or fails; leave out those that nobody could label")
        kept = tuple(rows) if isinstance(rows, Iterator) else rows  # rows are read more than once
        return Probe(
            name=title, dimension=Dimension(dimension), run=run, rows=kept, doc=inspect.getdoc(run) or "",
            tags=tuple(tags), tolerance=tolerance, criterion=criterion, controls=tuple(controls), labelled=tuple(labelled),
            floor=floor, judge=judge, measures=measures, needs=tuple(needs), extras=tuple(extras), inputs=tuple(inputs),
            detector=detector, estimand=estimand, metric=metric, paper=paper, unit=unit, verb=verb,
        )  # fmt: skip

    return wrap


def packed(probes: Iterable[Probe]) -> list[Probe]:
    """Mark probes as those of a pack, built in or not."""
    return [replace(probe, packed=True) for probe in probes]
