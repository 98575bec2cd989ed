"""The audit as plain data: findings, gate results and what surrounds them, to and from JSON.

The report is rendered from this JSON and from nothing else; its schema is ``reports/audit.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, Literal

from .nodeids import VERSUS

#: Number of the layout of ``audit.json``.
FORMAT = 4
#: How a summary speaks of source items, and of failing, where a probe has no words for them.
UNIT, VERB = "items", "failed"


class AuditError(ValueError):
    """An audit file that cannot be read; one line that says why."""


class Status(StrEnum):
    """What a gate, a dimension or the audit says."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNEARNED = "UNEARNED"
    INVALID = "INVALID"
    NOT_TESTED = "NOT TESTED"
    NOT_DECIDABLE = "NOT DECIDABLE"
    NOT_RUN = "NOT RUN"
    MEASURED = "MEASURED"
    WAIVED = "WAIVED"
    PARTIAL = "PARTIAL"
    INCOMPLETE = "INCOMPLETE"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its two-sided interval at ``confidence`` and the method that made it. ``n`` counts source items."""

    value: float
    lower: float
    upper: float
    n: int
    method: str
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, order=True)
class Answers:
    """The answers that something rests on, by which whoever holds the store can check them.

    ``root`` is their Merkle root (see :mod:`~pytest_slmtrust.audit.merkle`); ``short`` holds, for each answer in the order of
    asking, the first 16 hexadecimal digits of the digests of its key and of its text. Both digests are HMAC-SHA-256 with a salt
    that the store keeps.
    """

    root: str
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one case. ``evidence`` holds what a reader needs: usually ``prompt`` and ``reply``; ``parts`` names what the
    item shares with others."""

    nodeid: str
    probe: str
    dimension: str
    case: str
    source: str
    outcome: str
    score: float | None = None
    group: str | None = None
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    answers: Answers | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ControlCheck:
    """How many scripted controls there were, and those that did not come out as labelled."""

    total: int
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FloorCheck:
    """The competence floor: rows passed, the exact lower bound of that rate, and what it must reach."""

    claim: str
    passed: int
    total: int
    lower: float
    at_least: float

    @property
    def met(self) -> bool:
        return self.lower >= self.at_least


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One group's share of failing (or mean of measured) source items."""

    group: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that a probe gives beside its rate or mean score, of all rows or of one ``group``, in its own unit."""

    name: str
    estimate: Estimate
    group: str = ""


@dataclass(frozen=True, slots=True)
class DetectorCheck:
    """Counts of the detector behind a gate on labelled texts: ``tp`` and ``fn`` are texts that should fail, flagged and missed,
    ``tn`` and ``fp`` texts that should pass, let through and flagged. ``good``: it may carry a gate that blocks at its tolerance.
    ``single``: it judges one text for each source item. ``labelled``: counted in this run, on the probe's own labelled cases.
    """

    name: str
    data: str
    tp: int
    fn: int
    tn: int
    fp: int
    good: bool
    single: bool = True
    labelled: bool = False


class Lack(StrEnum):
    """Kinds of things without which a probe cannot be asked: a user's file, a public data set, a module, a kind of answer."""

    INPUT = "input"
    DATA = "data"
    MODULE = "module"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a probe was not asked.

    ``names`` are options for an input, modules, or kinds of request; ``said`` is the error of a data set, the extra that holds a
    module, or the name of the model.
    """

    kind: Lack
    names: tuple[str, ...] = ()
    said: str = ""

    @property
    def promised_nothing(self) -> bool:
        """Whether only the user can give it, so that no gate was promised to block."""
        return self.kind in (Lack.INPUT, Lack.DATA)

    @property
    def reason(self) -> str:
        """One line for a reader."""
        names = ", ".join(self.names)
        if self.kind is Lack.INPUT:
            return f"needs {', '.join(f'--slm-{name}' for name in self.names)}"
        if self.kind is Lack.DATA:
            return f"needs a data set: {self.said}"
        if self.kind is Lack.MODULE:
            return f"{names} is not installed: install pytest-slmtrust with its extra [{self.said}]"
        return f"{self.said} does not answer {names}"


@dataclass(frozen=True, slots=True)
class MetricReading:
    """What a probe's own metric said of the findings: its estimate, or in ``broken`` why there is none.

    ``note`` is for the reader; ``void`` says why the number decides nothing.
    """

    estimate: Estimate | None
    note: str = ""
    void: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Items by what the target and its baseline did: ``worse`` failed with the target only, ``better`` with the baseline only."""

    both: int
    worse: int
    better: int
    neither: int


@dataclass(frozen=True, slots=True)
class PairedCheck:
    """Two models on the same items.

    ``judged`` counts the pairs that could be judged on both sides; ``worst`` all pairs with what could not be judged counted
    against the target, ``best`` for it. ``p_pass`` is the exact p-value of "worse by the margin or more" under ``worst``,
    ``p_fail`` that of "worse by at most the margin" under ``best``; ``mcnemar`` is two-sided over ``judged``. ``noise``: flips
    in each direction that the model showed against itself, if that was measured.
    """

    baseline: str
    judged: PairCounts
    worst: PairCounts
    best: PairCounts
    p_pass: float
    p_fail: float
    mcnemar: float | None
    noise: int | None = None
    exact: bool = True
    baseline_floor: FloorCheck | None = None
    baseline_controls: ControlCheck | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A gate that was watched item by item in the ``order`` of their sources, and by which it is decided: ``planned`` source
    items, of which those in ``order`` were asked."""

    planned: int
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The least and the most of a failing rate as each part in turn is left out, and the part that moves it furthest."""

    least: float
    most: float
    part: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """Who takes a red gate upon themselves, why and until when (an ISO date). An ``expired`` one waives nothing."""

    probe: str
    reason: str
    owner: str
    expires: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one probe's rows say together.

    ``quantity`` is what the gate holds to its limit: the ``rate`` of failing source items, the ``mean`` of their scores, the
    largest ``gap`` between groups, a ``metric`` of the probe's own, or the ``paired`` difference to a baseline. ``tolerance`` is
    that limit, and ``side`` says on which side of it is good.

    Counts are of source items, but for ``cases`` and ``errors``: an item fails if any of its cases fails, else it is unscored
    if any could not be judged. ``lower`` is the one-sided bound at ``1 - alpha`` with unscored items counted as passed,
    ``upper`` the one with all of them counted as failed; ``best`` and ``worst`` are the observed rates so counted (Manski
    1990). ``p_fail`` is the exact p-value of a rate within the tolerance, ``p_holm`` the same adjusted for all blocking gates
    (Holm 1979). ``effective`` is the number of independent items that would say as much as the ``items``, which may share parts;
    ``left_out`` the range of the rate over leaving out each of these.
    ``corrected`` is the rate corrected for the errors of its detector (Rogan & Gladen 1978). ``advisory`` says why
    a gate that decides does not block. ``measures`` are the probe's other numbers; nothing hangs on them. ``judge`` names the
    measured detector that decides the cases, ``measured`` its counts on labelled texts. ``reading`` is what the metric of a gate
    with one said; ``unit`` and ``verb`` are the probe's words for its items and their failing; ``missing`` says why a gate was
    not tested; ``beside`` holds the answers of its controls, floor and labelled cases. ``excuse`` says why a gate without numbers
    does not count: the user made it ``optional`` by name, or it is ``unselected``, outside the selection that the user named.
    """

    nodeid: str
    probe: str
    dimension: str
    claim: str
    status: Status
    blocking: bool
    reason: str
    items: int = 0
    cases: int = 0
    failures: int = 0
    unscored: int = 0
    errors: int = 0
    tolerance: float | None = None
    alpha: float = 0.05
    lower: float | None = None
    upper: float | None = None
    best: float | None = None
    worst: float | None = None
    estimate: Estimate | None = None
    mean_score: Estimate | None = None
    largest_pass: int | None = None
    smallest_fail: int | None = None
    power: float | None = None
    needed: int | None = None
    metric: str = ""
    estimand: str = ""
    unit: str = UNIT
    verb: str = VERB
    detector: str = ""
    paper: str = ""
    controls: ControlCheck | None = None
    floor: FloorCheck | None = None
    groups: tuple[GroupRate, ...] = ()
    gap: Estimate | None = None
    quantity: str = "rate"
    side: str = "at most"
    p_fail: float | None = None
    p_holm: float | None = None
    measured: DetectorCheck | None = None
    corrected: Estimate | None = None
    advisory: str = ""
    paired: PairedCheck | None = None
    stopped: Stopped | None = None
    waiver: Waiver | None = None
    note: str = ""
    measures: tuple[Measure, ...] = ()
    excuse: Literal["", "optional", "unselected"] = ""
    judge: str = ""
    reading: MetricReading | None = None
    missing: Missing | None = None
    beside: Answers | None = None
    effective: float | None = None
    left_out: LeftOut | None = None

    @property
    def versus(self) -> bool:
        """Whether it compares with a baseline."""
        return self.quantity == "paired"

    @property
    def name(self) -> str:
        """The probe, and whether this is its comparison with a baseline."""
        return f"{self.probe}{VERSUS}" if self.versus else self.probe

    @property
    def promised_nothing(self) -> bool:
        """Whether it was not tested for want of something that only the user can give."""
        return self.missing is not None and self.missing.promised_nothing

    @property
    def waived(self) -> bool:
        """Whether a red result is taken by somebody by name; a broken detector cannot be."""
        red = (Status.FAIL, Status.INCONCLUSIVE, Status.UNEARNED)
        return self.waiver is not None and not self.waiver.expired and self.status in red


@dataclass(frozen=True, slots=True)
class Baseline:
    """The model that the target is compared with, and what it did on the same cases. ``origin``: where its answers come from."""

    model: Mapping[str, Any]
    findings: tuple[Finding, ...]
    origin: str = ""


@dataclass(frozen=True, slots=True)
class NotTested:
    """Something this audit did not test, and why."""

    what: str
    dimension: str
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """One whole audit. ``model``, ``scorers``, ``settings``, ``resources`` and ``provenance`` are what their makers describe.

    ``incomplete`` says why the run did not reach its end; such an audit decides nothing.
    """

    verdict: Status
    sentence: str
    profile: str
    gates: tuple[GateResult, ...]
    findings: tuple[Finding, ...]
    not_tested: tuple[NotTested, ...]
    model: Mapping[str, Any]
    scorers: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    baseline: Baseline | None = None
    waivers: tuple[Waiver, ...] = ()
    incomplete: str = ""
    answers_root: str = ""
    format: int = FORMAT

    @property
    def required(self) -> tuple[str, ...]:
        """The dimensions that the user required (``--slm-require``)."""
        return tuple(self.settings.get("required", ()))

    def to_json(self) -> str:
        """Canonical JSON text: sorted keys, ASCII, a line for each finding; what has no JSON form becomes text.

        Raises:
            ValueError: a number that is not finite.
        """
        return canonical(plain(self))

    @classmethod
    def from_json(cls, text: str) -> Audit:
        """Read what :meth:`to_json` wrote.

        Raises:
            AuditError: not JSON, another format number, or a field that is missing or unknown.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise AuditError(f"not JSON: {error}") from None
        check_format(data)
        try:
            return cls(
                **{
                    **data,
                    "verdict": Status(data["verdict"]),
                    "gates": tuple(gate_from_json(g) for g in data["gates"]),
                    "findings": tuple(map(finding_from_json, data["findings"])),
                    "not_tested": tuple(NotTested(**n) for n in data["not_tested"]),
                    "notes": tuple(data.get("notes", ())),
                    "baseline": _baseline(data.get("baseline")),
                    "waivers": tuple(Waiver(**w) for w in data.get("waivers", ())),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AuditError(f"not an audit: {error}") from None


def check_format(data: Any) -> None:
    """Check that parsed JSON is an audit of this layout.

    Raises:
        AuditError: it is not, or an audit of another format; the message names that format and the version that wrote it.
    """
    if not isinstance(data, dict) or "format" not in data:
        raise AuditError("$: not an audit: expected an object with a field 'format'")
    if data["format"] == FORMAT:
        return
    if isinstance(data["format"], bool) or not isinstance(data["format"], int):
        raise AuditError(f"$.format: not an audit of format {FORMAT}: expected a number")
    provenance = data.get("provenance")
    versions = provenance.get("versions") if isinstance(provenance, dict) else None
    wrote = versions.get("pytest-slmtrust") if isinstance(versions, dict) else None
    by = f" of pytest-slmtrust {wrote[:40]!a}" if isinstance(wrote, str) else ""
    raise AuditError(
        f"$.format: an audit of format {data['format']}{by}; this version reads format {FORMAT}: "
        "read it with the version that wrote it, or run the audit again"
    )


def plain(value: Any) -> Any:
    """What json writes of a dataclass, as its ``default``: the fields. Anything else that has no JSON form becomes text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    return str(value)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


#: The C encoder takes no indent: with it a text takes half of the time.
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=True, allow_nan=False, default=plain).encode


def canonical(data: Mapping[str, Any]) -> str:
    """An audit's data as text: a line for each field, and one for each entry of a field that is a list.

    Raises:
        ValueError: a number that is not finite.
    """
    return "{\n" + ",\n".join(f"{_ENCODE(key)}: {_lines(data[key])}" for key in sorted(data)) + "\n}\n"


def as_written(finding: Finding) -> Finding:
    """A finding with its evidence as it is read back from an audit, so that a number made of it is made alike by every reader."""
    return replace(finding, evidence=json.loads(_ENCODE(finding.evidence)))


def _lines(value: Any) -> str:
    if not isinstance(value, (list, tuple)) or not value:
        return _ENCODE(value)
    return "[\n" + ",\n".join(map(_ENCODE, value)) + "\n]"


def finding_from_json(data: Mapping[str, Any]) -> Finding:
    """One finding from its JSON form."""
    return Finding(**{**data, "answers": _answers(data.get("answers"))})


def _answers(data: Mapping[str, Any] | None) -> Answers | None:
    return None if data is None else Answers(data["root"], tuple(data["short"]))


def gate_from_json(data: Mapping[str, Any]) -> GateResult:
    """One gate from its JSON form."""
    floor, controls, paired = data.get("floor"), data.get("controls"), data.get("paired")
    measured, stopped, waiver = data.get("measured"), data.get("stopped"), data.get("waiver")
    reading, missing = data.get("reading"), data.get("missing")
    return GateResult(
        **{
            **data,
            "status": Status(data["status"]),
            "estimate": _estimate(data.get("estimate")),
            "mean_score": _estimate(data.get("mean_score")),
            "corrected": _estimate(data.get("corrected")),
            "gap": _estimate(data.get("gap")),
            "controls": controls and ControlCheck(controls["total"], tuple(controls["wrong"])),
            "floor": floor and FloorCheck(**floor),
            "groups": tuple(GroupRate(g["group"], Estimate(**g["estimate"])) for g in data.get("groups", ())),
            "measures": tuple(Measure(m["name"], Estimate(**m["estimate"]), m["group"]) for m in data.get("measures", ())),
            "measured": measured and DetectorCheck(**measured),
            "paired": paired and _paired(paired),
            "stopped": stopped and Stopped(**{**stopped, "order": tuple(stopped["order"])}),
            "waiver": waiver and Waiver(**waiver),
            "reading": reading and MetricReading(**{**reading, "estimate": _estimate(reading["estimate"])}),
            "beside": _answers(data.get("beside")),
            "left_out": data.get("left_out") and LeftOut(**data["left_out"]),
            "missing": missing and Missing(Lack(missing["kind"]), tuple(missing["names"]), missing["said"]),
        }
    )


def _paired(data: Mapping[str, Any]) -> PairedCheck:
    floor, controls = data.get("baseline_floor"), data.get("baseline_controls")
    return PairedCheck(
        **{
            **data,
            **{name: PairCounts(**data[name]) for name in ("judged", "worst", "best")},
            "baseline_floor": floor and FloorCheck(**floor),
            "baseline_controls": controls and ControlCheck(controls["total"], tuple(controls["wrong"])),
        }
    )


def _baseline(data: Mapping[str, Any] | None) -> Baseline | None:
    return None if data is None else Baseline(data["model"], tuple(map(finding_from_json, data["findings"])), data["origin"])


def _estimate(data: Mapping[str, Any] | None) -> Estimate | None:
    return None if data is None else Estimate(**data)
