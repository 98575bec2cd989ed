"""The audit as plain data: findings, gate results and what surrounds them, to and from JSON.

The report is rendered from this JSON and from nothing else. The published schema (``reports/audit.schema.json``) is made from
these classes: a field's type, its limits and its description are written here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from .checks import (
    Answers,
    ControlCheck,
    DetectorCheck,
    Estimate,
    FloorCheck,
    GroupRate,
    Lack,
    LeftOut,
    Measure,
    MetricReading,
    Missing,
    NotTested,
    PairCounts,
    PairedCheck,
    Stopped,
    Waiver,
)
from .encoding import AuditError, as_written, canonical, plain, read
from .envelope import Envelope
from .fields import Count, DimensionName, Level, Name, NoDigest, OutcomeName, Share, Side, Size, about
from .nodeids import VERSUS
from .row_tests import row_tests
from .sections import Provenance, Resources, RunSettings
from .status import Decides, Status

__all__ = [
    "ACCEPTED",
    "FORMAT",
    "PAIRED",
    "UNIT",
    "VERB",
    "Answers",
    "Audit",
    "AuditError",
    "Baseline",
    "ControlCheck",
    "DetectorCheck",
    "Estimate",
    "Finding",
    "FloorCheck",
    "GateResult",
    "GroupRate",
    "Lack",
    "LeftOut",
    "Measure",
    "MetricReading",
    "Missing",
    "NotTested",
    "PairCounts",
    "PairedCheck",
    "Status",
    "Stopped",
    "Waiver",
    "as_written",
    "canonical",
    "check_format",
    "plain",
]

#: Number of the layout of ``audit.json``.
Layout = Literal[6]
FORMAT: Layout = get_args(Layout)[0]
#: How a summary speaks of source items, and of failing, where a probe has no words for them.
UNIT, VERB = "items", "failed"
#: Quantities of gates that compare with a baseline: with another model, and with what a lock accepted.
PAIRED, ACCEPTED = "paired", "accepted"
#: Statuses that may be taken for a time; a gate whose detector is broken says nothing.
WAIVABLE = (Status.FAIL, Status.INCONCLUSIVE, Status.UNEARNED)


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one case. ``evidence`` holds what a reader needs: usually ``prompt`` and ``reply``; ``parts`` names what the
    item shares with others."""

    nodeid: Annotated[Name, about("pytest's name of the case; runs it again.")]
    probe: Annotated[Name, about("The probe's name.")]
    dimension: DimensionName
    case: Annotated[str, about("Id of the case.")]
    source: Annotated[str, about("The item that the case was made from.")]
    outcome: OutcomeName
    score: Annotated[float | None, about("In the probe's own unit.")] = None
    group: Annotated[str | None, about("The group that the case belongs to.")] = None
    reason: Annotated[str, about("Why it was not scored, or what broke.")] = ""
    evidence: Annotated[Mapping[str, Any], about("Usually prompt and reply; JSON of any shape.")] = field(default_factory=dict)
    answers: Answers | None = None
    parts: Annotated[Mapping[str, str], about("What the item was made from and shares with others, by kind.")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one probe's rows say together.

    ``quantity`` is what the gate holds to its limit: the ``rate`` of failing source items, the ``mean`` of their scores, the
    largest ``gap`` between groups, a ``metric`` of the probe's own, or the ``paired`` difference to a baseline
    (``accepted``: to a lock). ``tolerance`` is that limit, and ``side`` says on which side of it is good.

    Counts are of source items, but for ``cases`` and ``errors``: an item fails if any of its cases fails, else it is unscored
    if any could not be judged. ``lower`` is the one-sided bound at ``1 - alpha`` with unscored items counted as passed,
    ``upper`` the one with all of them counted as failed; ``best`` and ``worst`` are the observed rates so counted (Manski
    1990). ``p_fail`` is the exact p-value of a rate within the tolerance, ``p_holm`` the same adjusted for all blocking gates
    (Holm 1979). ``effective`` is the number of independent items that would say as much as the ``items``, which may share parts;
    ``left_out`` the range of the rate over leaving out each of these.
    ``corrected`` is the rate corrected for the errors of its detector (Rogan & Gladen 1978). ``advisory`` says why
    a gate that decides does not block. ``measures`` are the probe's other numbers; nothing depends on them. ``judge`` names the
    measured detector that decides the cases, ``measured`` its counts on labelled texts. ``reading`` is what the metric of a gate
    with one said; ``unit`` and ``verb`` are the probe's words for its items and their failing; ``missing`` says why a gate was
    not tested; ``beside`` holds the answers of its controls, floor and labelled cases. ``excuse`` says why a gate without numbers
    does not count: the user made it ``optional`` by name, or it is ``unselected``, outside the selection that the user named.
    """

    nodeid: Annotated[Name, about("pytest's name of the gate.")]
    probe: Annotated[Name, about("The probe's name.")]
    dimension: DimensionName
    claim: Annotated[str, about("The claim that is tested.")]
    status: Status
    blocking: Annotated[bool, about("Whether the verdict depends on it.")]
    reason: Annotated[str, about("The status in a sentence.")]
    items: Annotated[Count, about("Source items.")] = 0
    cases: Annotated[Count, about("Cases made from them.")] = 0
    failures: Annotated[Count, about("Items with a failing case.")] = 0
    unscored: Annotated[Count, about("Items that could not be judged, errors among them; they count as failures.")] = 0
    errors: Annotated[Count, about("Cases that ended in an error; their items are among the unscored ones.")] = 0
    tolerance: Annotated[float | None, about("The limit of the quantity; of a pair the margin.")] = None
    alpha: Annotated[Level, about("The bounds hold at 1 - alpha.")] = 0.05
    lower: Annotated[float | None, about("One-sided lower bound of the quantity; no unscored item counts as failed.")] = None
    upper: Annotated[float | None, about("One-sided upper bound of the quantity; every unscored item counts as failed.")] = None
    best: Annotated[Share | None, about("Observed rate if unscored items and errors had passed.")] = None
    worst: Annotated[Share | None, about("Observed rate with them as failures.")] = None
    estimate: Annotated[Estimate | None, about("The metric, where it is not a failure rate.")] = None
    mean_score: Annotated[Estimate | None, about("Mean score of the source items, where cases have scores.")] = None
    largest_pass: Annotated[Count | None, about("Largest count of failures that passes.")] = None
    smallest_fail: Annotated[Count | None, about("Smallest count of failures that fails.")] = None
    power: Annotated[Share | None, about("Chance of PASS at half the tolerance.")] = None
    needed: Annotated[Count | None, about("Items that would decide an inconclusive gate.")] = None
    metric: Annotated[str, about("What is measured.")] = ""
    estimand: Annotated[str, about("The scope of the number.")] = ""
    unit: Annotated[str, about('The probe\'s word for its source items, in the plural: "requests for a secret".')] = UNIT
    verb: Annotated[str, about('The probe\'s words for failing, in the past: "leaked it".')] = VERB
    detector: Annotated[str, about("The detector that judged the replies.")] = ""
    paper: Annotated[str, about("Where the metric comes from.")] = ""
    controls: ControlCheck | None = None
    floor: FloorCheck | None = None
    groups: tuple[GroupRate, ...] = ()
    gap: Annotated[Estimate | None, about("Largest gap between groups, simultaneous interval.")] = None
    quantity: Annotated[str, about("The quantity that is held to the limit.")] = "rate"
    side: Annotated[Side, about("On which side of the limit is good.")] = "at most"
    p_fail: Annotated[Share | None, about("Exact p-value of a rate within the limit.")] = None
    p_holm: Annotated[Share | None, about("The same, adjusted for all blocking gates (Holm).")] = None
    measured: DetectorCheck | None = None
    corrected: Estimate | None = None
    advisory: Annotated[str, about("Why a gate that decides does not block.")] = ""
    paired: PairedCheck | None = None
    stopped: Stopped | None = None
    waiver: Waiver | None = None
    note: Annotated[str, about("Why its limit is not the one that was asked for.")] = ""
    measures: Annotated[tuple[Measure, ...], about("Other numbers of the probe, of all rows or of one group.")] = ()
    excuse: Annotated[
        Literal["", "optional", "unselected"],
        about("Why a gate without numbers does not count: optional by name, or outside the selection."),
    ] = ""
    judge: Annotated[str, about("Name of the measured detector that decides the cases; empty where there is none.")] = ""
    reading: MetricReading | None = None
    missing: Missing | None = None
    beside: Annotated[Answers | None, about("Answers of its controls, floor and labelled cases.")] = None
    effective: Annotated[Size | None, about("Independent items that would say as much as the items, which may share parts.")] = (
        None
    )
    left_out: LeftOut | None = None

    @property
    def versus(self) -> bool:
        """Whether it compares with a baseline."""
        return self.quantity == PAIRED or self.against_lock

    @property
    def against_lock(self) -> bool:
        """Whether that baseline is what a lock accepted."""
        return self.quantity == ACCEPTED

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
        return self.waiver is not None and not self.waiver.expired and self.status in WAIVABLE


@dataclass(frozen=True, slots=True)
class Baseline:
    """The model that the target is compared with, and what it did on the same cases. ``origin``: where its answers come from."""

    model: Mapping[str, Any]
    findings: tuple[Finding, ...]
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """One whole audit. ``model``, ``scorers``, ``settings``, ``resources`` and ``provenance`` are what their makers describe.

    ``incomplete`` says why the run did not reach its end; such an audit decides nothing.
    """

    verdict: Status
    sentence: Annotated[str, about("The verdict in one sentence.")]
    profile: Annotated[Name, about("Name of the profile: how much was asked.")]
    gates: tuple[GateResult, ...]
    findings: tuple[Finding, ...]
    not_tested: tuple[NotTested, ...]
    model: Annotated[Mapping[str, Any], about("The description that the backend gives: identity, files with hashes, settings.")]
    scorers: Annotated[
        Sequence[Mapping[str, Any]], about("The description of each scorer, with its measured sensitivity and specificity.")
    ] = ()
    settings: Annotated[RunSettings, about("Options of the run, its profile, and an identity of what each probe asked.")] = field(
        default_factory=RunSettings
    )
    resources: Annotated[Resources, about("Counters: requests, tokens, seconds, bytes.")] = field(default_factory=dict)
    provenance: Annotated[Provenance, about("Versions, command line, times, commit, data sets.")] = field(
        default_factory=Provenance
    )
    notes: Annotated[tuple[str, ...], about("Notes to read first: PARTIAL, NO BUILT-IN AUDIT.")] = ()
    baseline: Baseline | None = None
    waivers: tuple[Waiver, ...] = ()
    incomplete: Annotated[str, about("Why the run did not reach its end; empty if it did.")] = ""
    answers_root: Annotated[
        NoDigest,
        about("Merkle root over the roots of all findings and of the controls, floors and labelled cases (RFC 6962 hashes)."),
    ] = ""
    format: Annotated[Layout, about("Number of this layout.")] = FORMAT

    @property
    def envelope(self) -> Envelope | None:
        """What the model took of the machine, if that was measured."""
        return self.settings.get("envelope")

    @property
    def deciding(self) -> tuple[Decides, ...]:
        """Everything that the verdict depends on: :attr:`limited`, and the rows that are tests by themselves."""
        return (*self.limited, *row_tests(self))

    @property
    def limited(self) -> tuple[Decides, ...]:
        """The gates, and the limits of the envelope."""
        return (*self.gates, *(self.envelope.limits if self.envelope is not None else ()))

    @property
    def required(self) -> tuple[str, ...]:
        """The dimensions that the user required (``--slm-require``)."""
        return tuple(self.settings.get("required", ()))

    @property
    def scope(self) -> tuple[str, ...]:
        """The only dimensions that the user asked for (``--slm-dimensions``); empty: all."""
        return tuple(self.settings.get("dimensions", ()))

    @property
    def part(self) -> str:
        """The part of the work that the run was for; empty for a whole run."""
        return self.settings.get("part", "")

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
            AuditError: not JSON, another format number, or a field that is missing, unknown or of another type.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise AuditError(f"not JSON: {error}") from None
        check_format(data)
        return read(cls, data)


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
