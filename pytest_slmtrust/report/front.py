"""The first page: what a reader who has two minutes must know, computed from an audit. No markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..audit.bundle_verdict import part_lines, remarks
from ..audit.bundles import BundleResult
from ..audit.model import Audit, GateResult, Lack, Status
from ..audit.quantities import quantity_of, share_text
from ..audit.row_tests import RowTests, listed
from ..audit.verdict import NO_PROBE, SILENT, silent_of
from .account import limit, limit_from, says_nothing
from .numbers import cut_text, number, percent
from .verdict_words import Sentences, sentences
from .view import DimensionView, GateView

#: What each dimension asks, for a reader who has not met its name.
_ABOUT = {
    "robustness": "Does it stay right when the input is disturbed?",
    "privacy": "Does it keep secrets and personal data?",
    "toxicity": "Does it avoid abuse and refuse harm?",
    "hallucination": "Does it avoid inventing facts?",
    "fairness": "Does it treat groups of people alike?",
    "capability": "Can it do what it is used for?",
}
#: What takes the place of a digest that the audit lacks.
UNKNOWN = "not recorded"
#: What takes the place of something that only a person can say, and characters of such a text on the first page.
NOT_STATED, _STATED = "not stated", 160
#: Findings that the first page shows.
_HEAVIEST = 3
_RED = (Status.FAIL, Status.INVALID, Status.UNEARNED, Status.INCONCLUSIVE)


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the scorecard: a dimension, how much of it was tested, and its worst test. ``mixed``: its limits are kept, and
    a number without a limit is bad."""

    dimension: DimensionView
    about: str
    covers: str
    said: str
    worst: GateView | None
    mixed: bool


@dataclass(frozen=True, slots=True)
class Untold:
    """One group of what was not tested: its name, how many, why in plain words, and the entries by dimension."""

    name: str
    why: str
    entries: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def count(self) -> int:
        return sum(len(what) for _, what in self.entries)


@dataclass(frozen=True, slots=True)
class BundleView:
    """A bundle, each of its parts as a line with the place of its test on the page ("": none), and remarks on the whole."""

    result: BundleResult
    parts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Front:
    """The first page. ``asked`` is how many tests have a result, ``planned`` how many there are; ``again``
    is the place of the first test here of which a failing case is shown; ``rows`` are the first probes whose rows
    failed as tests by themselves."""

    identity: tuple[tuple[str, str, str], ...]
    sentences: Sentences
    scores: tuple[Score, ...]
    heaviest: tuple[GateView, ...]
    untold: tuple[Untold, ...]
    limits: tuple[str, ...]
    asked: int
    planned: int
    compared: str = ""
    bundles: tuple[BundleView, ...] = ()
    again: str = ""
    rows: tuple[RowTests, ...] = ()


def front_view(audit: Audit, dimensions: Sequence[DimensionView], date: str) -> Front:
    """Return the first page of an audit; ``date`` says when it began."""
    silent = {gate.nodeid for gate in silent_of(audit.gates)}
    views = [v for d in dimensions for v in (*d.gates, *d.unasked) if v.gate.status not in SILENT or v.gate.nodeid in silent]
    told = [v for v in views if v.gate.status not in SILENT]
    heaviest = tuple(sorted(told, key=_weight)[:_HEAVIEST])
    return Front(
        identity=_identity(audit, date), sentences=sentences(audit),
        scores=tuple(_score(d, audit) for d in dimensions), heaviest=heaviest,
        untold=untold(audit), limits=_limits(audit), asked=len(told), planned=len(views),
        compared=compared(audit), bundles=_bundles(audit, {v.gate.nodeid: v.anchor for v in views}),
        rows=tuple(one for d in dimensions for one in d.rows if one.red)[:_HEAVIEST],
        again=next((v.anchor for v in heaviest if v.account is not None and v.account.failed is not None), ""),
    )  # fmt: skip


def _bundles(audit: Audit, places: Mapping[str, str]) -> tuple[BundleView, ...]:
    """Return the bundles of a run; ``places``: the anchor of each test by its node id."""
    return tuple(
        BundleView(
            one,
            tuple(
                (line, places.get(gate, "")) for line, gate in zip(part_lines(one.bundle, audit.gates), one.gates, strict=True)
            ),
            tuple(remarks(one.bundle, audit.gates, one.status)),
        )
        for one in audit.settings.get("bundles", ())
    )


def started(audit: Audit) -> str:
    """Return when a run began, as text."""
    found = (audit.provenance.get(key) for key in ("started", "start", "date", "created"))
    text = next((str(value) for value in found if value), "date not recorded")
    return re.sub(r"\A(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:Z|\+00:00)\Z", r"\1 \2 UTC", text)


def moment(audit: Audit) -> datetime | None:
    """Return when a run began, in UTC; None if its audit does not say it."""
    try:
        made = datetime.fromisoformat(str(audit.provenance.get("started")))
        return made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def tool(audit: Audit) -> str:
    """Name the tool and its version."""
    return f"pytest-slmtrust {audit.provenance.get('versions', {}).get('pytest-slmtrust') or '(version not recorded)'}"


def _identity(audit: Audit, date: str) -> tuple[tuple[str, str, str], ...]:
    """Return what was audited: a label, its text, and the word of the glossary that explains the label."""
    model = audit.model
    rows = [
        ("Model", str(model.get("name") or "unnamed model"), ""),
        digest(model),
        ("Size", size(model), "parameters"),
        ("Precision", precision(model), "precision"),
        ("Date", date, ""),
        ("Tool", tool(audit), ""),
        ("Profile", audit.profile, "profile"),
        *((label, cut_text(value, _STATED), "") for label, value in stated(audit)),
    ]
    return tuple(rows)


def stated(audit: Audit) -> tuple[tuple[str, str], ...]:
    """Return what only people know of a model and its limits, as the run's options say it, else as the model's own description
    does."""
    options, model = audit.settings.get("options", {}), audit.model
    said = (
        ("Owner", options.get("owner") or model.get("owner")),
        ("Intended use", options.get("intended-use") or model.get("intended_use")),
        ("Why these limits", options.get("limit-reason")),
    )
    return tuple((label, str(value) if value else NOT_STATED) for label, value in said)


def weight_files(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and sha256 of the model's files of weights."""
    return [(name, digest) for name, digest in file_digests(model) if name.endswith((".safetensors", ".bin", ".gguf"))]


def file_digests(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and sha256 of every file of a model that has both, whichever way the backend lists them."""
    files = model.get("files")
    if isinstance(files, Mapping):
        pairs = [(str(k), v.get("sha256") if isinstance(v, Mapping) else v) for k, v in files.items()]
    elif isinstance(files, (list, tuple)):
        known = [one for one in files if isinstance(one, Mapping)]
        pairs = [(str(one.get("path") or one.get("name") or ""), one.get("sha256")) for one in known]
    else:
        pairs = []
    return [(name, digest) for name, digest in pairs if name and isinstance(digest, str) and digest]


def digest(model: Mapping[str, Any]) -> tuple[str, str, str]:
    weights = weight_files(model)
    if len(weights) == 1:
        return ("Digest of its weights", weights[0][1], "digest")
    if model.get("fingerprint"):
        return ("Digest of all its parts", str(model["fingerprint"]), "digest")
    return ("Digest", UNKNOWN, "digest")


def precision(model: Mapping[str, Any]) -> str:
    """Say in what precision the model answered, and of which packed file its weights are."""
    packed = [name for name, _ in weight_files(model) if name.endswith(".gguf")]
    dtype = str(model.get("dtype") or "not recorded")
    return f"{dtype}, from {packed[0]}" if len(packed) == 1 else dtype


def size(model: Mapping[str, Any]) -> str:
    count = model.get("parameters")
    if isinstance(count, bool) or not isinstance(count, (int, float)) or count <= 0:
        return "not recorded"
    for scale, unit in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if count >= scale:
            return f"{count / scale:.3g} {unit} parameters" if count < 10**15 else f"{number(count)} parameters"
    return f"{number(count)} parameters"


def _score(dimension: DimensionView, audit: Audit) -> Score:
    gates = [v for v in dimension.gates if v.gate.status not in SILENT]
    measured = [v for v in gates if v.gate.tolerance is None]
    limited = [v for v in gates if v.gate.tolerance is not None]
    worst_share = max((_share(v.gate) for v in measured if not says_nothing(v.gate)), default=0.0)
    allowed = audit.settings.get("profile", {}).get("tolerance", 0.0)
    mixed = dimension.status is Status.PASS and worst_share > allowed
    heaviest = sorted(gates, key=_weight)
    worst = max(measured, key=lambda v: _share(v.gate)) if mixed else heaviest[0] if heaviest else None
    part = dimension.status is Status.PASS and dimension.passed < len(gates)
    covers = f"for {dimension.passed} of {len(gates)} tests" if part else ""
    return Score(
        dimension, _ABOUT.get(dimension.name, ""), covers, _summed(dimension, limited, measured, worst_share), worst, mixed
    )


def _summed(dimension: DimensionView, limited: Sequence[GateView], measured: Sequence[GateView], worst: float) -> str:
    """Say how many tests of a dimension kept a limit, how many have none, and how bad these are."""
    counting = [v for v in limited if v.gate.blocking]
    said = []
    if counting:
        said.append(f"{_passed(counting)} of {_tests(len(counting))} that count{'s' if len(counting) == 1 else ''} passed")
    aside = [v for v in limited if not v.gate.blocking and v.gate.advisory]
    if aside:
        said.append(f"{_passed(aside)} of {len(aside)} advisory passed")
    open_ = sum(v.gate.status is Status.NOT_DECIDABLE for v in limited)
    if open_:
        said.append(f"{_tests(open_)} asked too few items to decide")
    if measured:
        said.append(f"{len(measured)} measured without a limit" + (f", worst {percent(worst)}" if worst else ""))
    silent = len(silent_of([v.gate for v in (*dimension.gates, *dimension.unasked)]))
    if silent:
        said.append(f"{silent} not tested")
    said += listed([one.counts for one in dimension.rows])
    aside_of = ((v.gate.name, v.counts.get("failed", 0)) for v in dimension.silent if not v.gate.versus)
    said += listed(
        [f"{n} failing {'case' if n == 1 else 'cases'} of {name}, whose gate has no result" for name, n in aside_of if n]
    )
    return "; ".join(said) or "No test was asked"


def _passed(views: Sequence[GateView]) -> int:
    return sum(v.gate.status is Status.PASS for v in views)


def _tests(n: int) -> str:
    return f"{n} test{'' if n == 1 else 's'}"


def _share(gate: GateResult) -> float:
    """The share of items that failed, of those that could be scored; 0 for a number of another kind."""
    scored = gate.items - gate.unscored
    return gate.failures / scored if quantity_of(gate).counted and gate.best is not None and scored else 0.0


def _weight(view: GateView) -> tuple[int, float, str]:
    """Sort tests so that the one that weighs most comes first: what counts before what does not, the largest excess first."""
    gate = view.gate
    if not (gate.items - gate.unscored) and gate.status not in _RED:
        tier = 7
    elif gate.status in _RED and gate.blocking and not gate.waived:
        tier = 0 if gate.status is Status.FAIL else 1
    elif gate.status in _RED:
        tier = 2 if gate.status is Status.FAIL else 4
    elif gate.status is Status.MEASURED and not says_nothing(gate) and _share(gate):
        tier = 3
    else:
        tier = 5 if gate.status is Status.PASS else 6
    return tier, -_excess(gate), gate.nodeid


def _excess(gate: GateResult) -> float:
    """How far a gate is over its limit, or how much of it failed where it has none, or asked too few items for it."""
    if gate.status is Status.NOT_DECIDABLE:
        return _share(gate)
    if gate.tolerance and gate.lower is not None and gate.upper is not None:
        if gate.status is Status.FAIL and gate.side == "at most":
            return gate.lower / gate.tolerance
        return gate.upper / gate.tolerance
    return gate.lower if gate.lower is not None and quantity_of(gate).counted else 0.0


_GROUPS = (
    ("general", "General limits", "no test of this tool is about them"),
    ("left out", "Left out of this run", "they were not selected, or not reached"),
    ("own", "Tests that need files of yours", "for instance documents that the model was trained on"),
    ("public", "Public test sets", "they were not on this machine"),
    ("parts", "Missing parts", "a part of the tool was not installed, or the model gives no such answers"),
)  # fmt: skip


def untold(audit: Audit) -> tuple[Untold, ...]:
    """Return what was not tested in five groups, the most general first; a group may be empty."""
    found: dict[str, dict[str, list[str]]] = {key: {} for key, _, _ in _GROUPS}
    silent = {(g.name, g.dimension): g for g in audit.gates if g.status in SILENT}
    for row in sorted(audit.not_tested, key=lambda n: n.dimension not in ("", "all")):
        gate = silent.get((row.what, row.dimension))
        dimension = row.dimension if row.dimension != "all" else ""
        if gate is not None:
            found[_kind(gate)].setdefault(dimension, []).append(gate.claim)
        elif row.reason == NO_PROBE:
            found["left out"].setdefault(dimension, []).append("the whole dimension")
        else:
            found["general"].setdefault(dimension, []).append(row.what)
    return tuple(Untold(name, why, tuple((d, tuple(what)) for d, what in found[key].items())) for key, name, why in _GROUPS)


def _kind(gate: GateResult) -> str:
    missing = gate.missing
    if gate.status is Status.NOT_RUN or missing is None:
        return "left out"
    if missing.kind is Lack.INPUT:
        return "public" if missing.names == ("data",) else "own"
    return "parts"


def _limits(audit: Audit) -> tuple[str, ...]:
    """Return what no number of this audit says."""
    cases = number(len(audit.findings))
    few = audit.settings.get("profile", {}).get("tolerance")
    never = f" With a limit of {share_text(few)}, up to that share may fail." if few else ""
    return (
        f"They are about the model alone, asked {cases} times. The product around it (its instructions, documents, filters, "
        "tools) was not tested.",
        "They are about questions like those asked here. Real users ask in other ways.",
        f"PASS does not mean “never”.{never}",
        "Fixed rules and small programs judged the replies, and they err. Each test says how often, as far as it is known.",
        "A number without a limit is neither good nor bad: nobody has said what is acceptable.",
        "Nothing here says that a law or a standard is met.",
    )


def signing(audit: Audit) -> tuple[tuple[str, str], ...]:
    """Return what a person who signs must know besides the results, and what of it the audit does not say."""
    gates = [g for g in audit.gates if g.blocking and g.tolerance is not None and g.status not in SILENT]
    by: dict[str, list[str]] = {}
    for gate in gates:
        by.setdefault(f"{limit(gate)}; it {limit_from(gate, audit)}", []).append(gate.name)
    limits = "; ".join(f"{', '.join(names)}: {text}" for text, names in by.items())
    return (
        *stated(audit),
        ("Limits, and who set them", limits or "no limit counts in this run"),
        ("Compared with", compared(audit)),
    )


def compared(audit: Audit) -> str:
    """Say with what the model was compared, and how many tests that count found it worse."""
    if audit.baseline is None:
        return "no earlier audit and no other model, so this page does not say what changed"
    gates = [g for g in audit.gates if g.versus and g.blocking]
    worse, kept = (sum(g.status is status for g in gates) for status in (Status.FAIL, Status.PASS))
    counts = ((worse, "found it worse"), (kept, "found it no worse"), (len(gates) - worse - kept, "decided nothing"))
    name = str(audit.baseline.model.get("name") or "a baseline")
    accepted = ", as it was accepted" if any(g.against_lock for g in audit.gates) else ""
    if not gates:
        return f"{name}{accepted}; no comparison counts"
    said = ", ".join(f"{n} {what}" for n, what in counts if n)
    of = "1 comparison that counts" if len(gates) == 1 else f"{len(gates)} comparisons that count"
    return f"{name}{accepted}; of {of}, {said}"
