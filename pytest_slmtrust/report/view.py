"""What the report shows, computed from an audit: bars in per cent, rows that a clause maps to. No markup."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ..audit.counting import ByGate
from ..audit.model import Audit, Estimate, Finding, GateResult, Status
from ..audit.quantities import Shown, made_by, of_estimate, quantity_of
from ..audit.row_tests import RowTests
from ..audit.verdict import SILENT, overall
from .account import FEWEST, Account, account_of
from .flips import Flip, flip_views
from .judges import has_counts, rows_of
from .numbers import HUGE, finite, number, percent, points, size
from .reliability import Diagram, diagram
from .untested import Untested, by_reason, unasked

DIMENSIONS = ("robustness", "privacy", "toxicity", "hallucination", "fairness")
#: The order in which counts by status are shown.
_ORDER = (
    Status.FAIL, Status.INVALID, Status.UNEARNED, Status.INCONCLUSIVE, Status.NOT_RUN, Status.NOT_TESTED,
    Status.NOT_DECIDABLE, Status.WAIVED, Status.PARTIAL, Status.INCOMPLETE, Status.PASS, Status.MEASURED,
)  # fmt: skip
#: Names in an evidence whose texts are nearly the same, besides ``original...`` and ``perturbed...``.
TWINS = (("prompt", "asked again"), ("prompt", "other"))
#: More words than this on one side are shown without marks: the comparison is quadratic.
_DIFF_WORDS = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a bar is drawn on the axis from 0 to 100; ``band`` is the range that unscored items leave open."""

    low: float
    high: float
    point: float
    tolerance: float | None
    band: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class MeasureTable:
    """Measures as a table: a row for all rows and one for each group, a column for each name; ``methods`` of their intervals."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Estimate | None, ...]], ...]
    methods: tuple[str, ...]

    @property
    def wide(self) -> bool:
        """Whether an interval is wider than 20 points."""
        return any(one is not None and one.needed for _, cells in self.rows for one in cells)


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate as it is shown. ``counts`` holds its findings by outcome; ``quality`` what was measured of its detector."""

    gate: GateResult
    anchor: str
    observed: str
    interval: str
    kind: str
    bar: Bar | None
    summary: str
    counts: Mapping[str, int]
    quality: tuple[str, ...]
    groups: tuple[tuple[str, Estimate, Bar | None], ...]
    measures: MeasureTable | None = None
    to_decide: str = ""
    flips: tuple[Flip, ...] = ()
    reliability: Diagram | None = None
    account: Account | None = None

    @property
    def group_items(self) -> int:
        """Items that every group needs for an interval 20 points wide; 0 if all are as narrow."""
        return max((one[1].needed or 0 for one in self.groups), default=0)

    @property
    def small(self) -> tuple[tuple[str, Estimate, Bar | None], ...]:
        """Groups with too few items to say anything."""
        return tuple(one for one in self.groups if one[1].n < FEWEST)

    @property
    def large(self) -> tuple[tuple[str, Estimate, Bar | None], ...]:
        """Groups with enough items."""
        return tuple(one for one in self.groups if one[1].n >= FEWEST)

    @property
    def name(self) -> str:
        """The probe, and whether this is its comparison with a baseline."""
        return self.gate.name


@dataclass(frozen=True, slots=True)
class DimensionView:
    """One dimension: its status, how many of its blocking gates pass, what of it was not tested, and the probes whose ``rows``
    are tests by themselves."""

    name: str
    anchor: str
    status: Status
    passed: int
    blocking: int
    gates: tuple[GateView, ...]
    unasked: tuple[GateView, ...]
    not_tested: tuple[Untested, ...]
    rows: tuple[RowTests, ...] = ()

    @property
    def told(self) -> tuple[GateView, ...]:
        """Gates that have a result which says something."""
        return tuple(v for v in self.gates if v.gate.status not in SILENT and not _few(v))

    @property
    def few(self) -> tuple[GateView, ...]:
        """Gates whose number says nothing, for want of items."""
        return tuple(v for v in self.gates if v.gate.status not in SILENT and _few(v))

    @property
    def silent(self) -> tuple[GateView, ...]:
        """Gates that have no result."""
        return tuple(v for v in (*self.gates, *self.unasked) if v.gate.status in SILENT)


def _few(view: GateView) -> bool:
    return view.account is not None and view.account.too_few


def anchor(prefix: str, name: str) -> str:
    """Return a fragment that is safe in an attribute: the name itself if it is plain, else a digest of it."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}", name):
        return f"{prefix}-{name}"
    return f"{prefix}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def finding_anchor(finding: Finding) -> str:
    """Return the deep link of a finding: the same as long as its node id is."""
    return "finding-" + hashlib.sha256(finding.nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def dimension_views(audit: Audit) -> tuple[DimensionView, ...]:
    """Return the five dimensions in their order, then any other that the audit names."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for f in audit.findings:
        own = counts.setdefault((f.dimension, f.probe), {})
        own[f.outcome] = own.get(f.outcome, 0) + 1
    mine, theirs = ByGate(audit.findings), ByGate(audit.baseline.findings if audit.baseline else ())
    seen: dict[str, int] = {}
    row_tests = [one for one in audit.deciding if isinstance(one, RowTests)]
    others = [*(g.dimension for g in audit.gates), *(one.dimension for one in row_tests if one.dimension)]
    named = list(dict.fromkeys([*DIMENSIONS, *others]))
    views = []
    for name in named:
        gates = [g for g in audit.gates if g.dimension == name]
        shown = [
            replace(_distinct(gate_view(g, counts.get((name, g.probe), {}), audit.scorers), seen),
                    flips=flip_views(g, mine.of(g), theirs.of(g)), reliability=diagram(g, mine.of(g)),
                    account=account_of(g, audit, mine.of(g), finding_anchor))
            for g in gates
        ]  # fmt: skip
        blocking = [g for g in gates if g.blocking]
        rows, passed = tuple(one for one in row_tests if one.dimension == name), sum(g.status is Status.PASS for g in blocking)
        views.append(
            DimensionView(
                name, anchor("dimension", name), overall([*gates, *rows]), passed, len(blocking),
                tuple(v for v in shown if not unasked(v.gate)), tuple(v for v in shown if unasked(v.gate)),
                by_reason(n for n in audit.not_tested if n.dimension == name), rows,
            )
        )  # fmt: skip
    return tuple(views)


def _distinct(shown: GateView, seen: dict[str, int]) -> GateView:
    """Two gates may share a probe's name (two files, a comparison): their fragments must differ."""
    seen[shown.anchor] = count = seen.get(shown.anchor, 0) + 1
    return shown if count == 1 else replace(shown, anchor=f"{shown.anchor}-{count}")


def gate_view(gate: GateResult, counts: Mapping[str, int], scorers: Sequence[Mapping[str, Any]]) -> GateView:
    """Texts and bar of one gate: the exact bounds where it has them, else its estimate."""
    shown = quantity_of(gate).shown(gate)
    bar, observed, interval, kind = None, "–", "–", ""
    if shown is not None and (gate.items > gate.unscored or not quantity_of(gate).counted):
        bar, kind, (observed, interval) = _bar(shown, gate.tolerance), shown.kind, _texts(shown)
    return GateView(
        gate, anchor("probe", f"{gate.dimension}-{gate.probe}"), observed, interval, kind, bar,
        _summary(gate, observed, interval, kind), counts, detector_quality(gate, scorers),
        tuple((g.group, g.estimate, _bar(of_estimate(g.estimate), None)) for g in gate.groups), measure_table(gate),
        _to_decide(gate),
    )  # fmt: skip


def measure_table(gate: GateResult) -> MeasureTable | None:
    """Return the probe's other numbers by group, all rows first; None if it has none."""
    known = {(one.group, one.name): one.estimate for one in gate.measures}
    names = tuple(dict.fromkeys(one.name for one in gate.measures))
    groups = sorted({one.group for one in gate.measures})
    rows = tuple((group, tuple(known.get((group, name)) for name in names)) for group in groups)
    return MeasureTable(names, rows, tuple(dict.fromkeys(map(made_by, known.values())))) if names else None


def _texts(shown: Shown) -> tuple[str, str]:
    """Return the value and the interval; bounds of shares are rounded outwards."""
    value, low, high = shown.value, shown.lower, shown.upper
    if low is None or high is None:
        return number(value), "no bound"
    if shown.unit == "number":
        return number(value), f"{number(low)} – {number(high)}"
    write = percent if shown.unit == "share" else points
    return write(value), f"{write(low, 'down')} – {write(high, 'up')}"


def _bar(shown: Shown | None, tolerance: float | None) -> Bar | None:
    """None for a number that is no share of one: the axis would lie."""
    if shown is None:
        return None
    value, low, high, band = shown.value, shown.lower, shown.upper, shown.band
    if low is None or high is None or shown.unit == "points":
        return None
    if shown.unit == "number" and not 0 <= low <= value <= high <= 1:
        return None
    limit = _times(tolerance) if shown.limited else None
    return Bar(low * 100, high * 100, value * 100, limit, band and (band[0] * 100, band[1] * 100))


def _times(value: float | None) -> float | None:
    return None if value is None else value * 100


def _summary(gate: GateResult, observed: str, interval: str, kind: str) -> str:
    if gate.status in SILENT or observed == "–":
        return f"{gate.status}: {gate.reason}"
    limit = f"; {limit_name(gate)} {limit_text(gate)}" if gate.tolerance is not None else "; no tolerance"
    return f"{gate.status}: {observed} observed over {gate.items} source items, {interval} ({kind}){limit}."


def limit_name(gate: GateResult) -> str:
    """Return what the report calls the number that a gate is held to."""
    return quantity_of(gate).limit_name or gate.side


def limit_text(gate: GateResult) -> str:
    if gate.tolerance is None:
        return "–"
    if gate.versus:
        return f"{number(gate.tolerance * 100)}\u00a0points"
    return percent(gate.tolerance) if quantity_of(gate).share else number(gate.tolerance)


def _to_decide(gate: GateResult) -> str:
    """Return how many more items would decide a rate that was asked whole; empty where nobody can say."""
    if not quantity_of(gate).counted or gate.stopped is not None:
        return ""
    if gate.needed:
        return f"about {number(gate.needed)} more source items, if failures go on at this rate"
    if gate.status is Status.INCONCLUSIVE and gate.unscored:
        return f"no further items would, while {gate.unscored} of {gate.items} cannot be scored"
    if gate.status is Status.INCONCLUSIVE:
        return "no practical number of further items would: the rate is too close to the tolerance"
    return ""


def detector_quality(gate: GateResult, scorers: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what was measured of a gate's detector on labelled text, a line for each data set: held-out rows first, tuned-on
    last.

    A gate whose judge has no such rows was measured in the run itself, on labelled cases.
    """
    lines = []
    for scorer in scorers:
        if _judges(scorer, gate.judge):
            rows = sorted(rows_of(scorer), key=_held_out_first)
            lines += [_quality(str(scorer.get("name") or "scorer"), row) for row in rows]
    m = gate.measured
    if m is not None and (m.labelled or not lines):
        found, kept = f"failures found {m.tp} of {m.tp + m.fn}", f"others let through {m.tn} of {m.tn + m.fp}"
        lines.insert(0, f"{m.name}: {found}, {kept}; on {m.data}")
    return tuple(lines)


def _judges(scorer: Mapping[str, Any], judge: str) -> bool:
    """Return whether a scorer is the judge of a gate: error rates of another detector would say nothing of it."""
    return bool(judge) and judge in (scorer.get("role"), scorer.get("detector"))


def _held_out_first(row: Mapping[str, Any]) -> int:
    split = str(row.get("split") or "").lower()
    return 0 if split.startswith("held out") else 2 if split.startswith("tuned on") else 1


def _quality(name: str, row: Mapping[str, Any]) -> str:
    split, note = row.get("split"), row.get("note")
    return f"{name}{f' ({split})' if split else ''}: {_rates(row)}{f'; {note}' if note else ''}"


def _rates(row: Mapping[str, Any]) -> str:
    if not has_counts(row):
        return "measured, but not as counts"
    tp, fn, tn, fp = (row[key] for key in ("tp", "fn", "tn", "fp"))
    parts = [
        f"{name} {percent(hits / total)} ({hits} of {total})" if total else f"{name} not measured"
        for name, hits, total in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp))
    ]
    if row.get("threshold") is not None:
        parts.append(f"threshold {row['threshold']}")
    data = next((row[key] for key in ("data", "dataset", "set", "source") if row.get(key)), None)
    return ", ".join(parts) + (f"; on {data}" if data else "")


def resource_cards(counters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """``(figure, what it is)`` of what the run took. A replay has no speed: its answers came from the store."""
    known = {key: value for key, value in counters.items() if isinstance(value, (int, float)) and finite(value)}
    seconds = known.get("seconds", 0)
    cards = []
    cached = known.get("cached", 0)
    if known.get("forwards") == 0 and cached > 0 and cached + known.get("failed", 0) >= known.get("unique", 0):
        cards.append(("answered from the store", "no forward in this run"))
    elif seconds > 0:
        cards.append((f"{number(round(seconds))}\u00a0s", "answering"))
        named = {"generated": "tokens written per second", "prefilled": "tokens read per second"}
        if known.get("tokens_per_second"):
            del named["generated"]
        cards += [(_per_second(known[key], seconds), label) for key, label in named.items() if known.get(key)]
        cards += _of_a_server(known)
    if known.get("joules", 0) > 0:
        cards.append((f"{number(round(known['joules']))}\u00a0J", "energy of the processor"))
    if known.get("load_seconds", 0) > 0:
        cards.append((f"{number(known['load_seconds'])}\u00a0s", "loading the model"))
    if known.get("peak_bytes", 0) > 0:
        cards.append((size(known["peak_bytes"]), "peak memory"))
    return cards


def _of_a_server(known: Mapping[str, int | float]) -> list[tuple[str, str]]:
    """Return what was measured of a server while it answered."""
    cards = []
    if known.get("tokens_per_second"):
        cards.append((number(known["tokens_per_second"]), "tokens written per second of writing"))
    for name, label in (
        ("latency", "half, 95 % and 99 % of the replies within"),
        ("first_token", "of their first tokens within"),
    ):
        times = [known[f"{name}_p{q}"] for q in (50, 95, 99) if f"{name}_p{q}" in known]
        if len(times) == 3:
            cards.append((" / ".join(map(number, times)) + "\u00a0s", label))
    return cards


def _per_second(count: float | int, seconds: float | int) -> str:
    rate = Decimal(count) / Decimal(seconds)
    return number(int(rate)) if rate >= HUGE else f"{rate:.1f}"


def by_status(gates: Iterable[GateResult]) -> tuple[tuple[Status, int], ...]:
    """Return how many gates have each status, worst first."""
    every = list(gates)
    return tuple((s, n) for s in _ORDER if (n := sum(g.status is s for g in every)))


def word_changes(before: str, after: str) -> list[tuple[str, str]]:
    """Pieces of two texts in reading order, each ``same``, ``removed`` or ``added``, compared word by word."""
    old, new = re.findall(r"\s+|\S+", before), re.findall(r"\s+|\S+", after)
    if max(len(old), len(new)) > _DIFF_WORDS * 2:
        return [("removed", before), ("added", after)]
    pieces: list[tuple[str, str]] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(("same", "".join(old[i:j])))
            continue
        pieces += [(kind, "".join(words)) for kind, words in (("removed", old[i:j]), ("added", new[k:m])) if words]
    return pieces


def pairs(evidence: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """``(label, text, key, twin key)`` of texts that are shown against a changed twin: ``original_reply`` against
    ``perturbed_reply``, and those of :data:`TWINS`."""
    named = [(key, key.replace("original", "perturbed", 1)) for key in evidence if key.startswith("original")]
    found: list[tuple[str, str, str, str]] = []
    for key, twin in [*named, *TWINS]:
        if isinstance(evidence.get(key), str) and isinstance(evidence.get(twin), str):
            found.append((f"{key} against {twin}".replace("_", " "), evidence[key], key, twin))
    return found
