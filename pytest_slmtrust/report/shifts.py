"""What differs between two models: in sentences, and test by test with the items that one failed and the other did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..audit.model import GateResult, Status
from ..audit.quantities import quantity_of
from ..audit.verdict import SILENT
from .flips import FLIPS, Flip, flip_views
from .front import UNKNOWN, digest, moment, started
from .numbers import number
from .sides import Pair, SideBySide, Versus
from .view import DIMENSIONS, anchor, gate_view

#: Up to this p-value, adjusted for all tests of a pair (Holm 1979), a difference is called one.
_LEVEL = 0.05
#: Items that a page shows at most, in both directions and of all pairs.
_MOST_FLIPS = 600


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that differs, in words; ``test`` is the claim of the test that it is about, ``anchor`` the fragment of its
    row, and ``numbers`` says what each model did."""

    said: str
    test: str = ""
    anchor: str = ""
    numbers: str = ""


@dataclass(frozen=True, slots=True)
class Shift:
    """One test of two models, item by item: what is said of it, and items that differ; ``told`` is worse, better or empty, and
    ``left`` counts the items that are not shown."""

    gate: GateResult
    told: str
    said: str
    flips: tuple[Flip, ...]
    left: int

    @property
    def equal(self) -> bool:
        """Whether no item differs."""
        counts, scores = self.gate.paired, self.gate.estimate
        if counts is not None:
            return not counts.judged.worse and not counts.judged.better
        return scores is not None and scores.value == 0


@dataclass(frozen=True, slots=True)
class PairView:
    """The first model against another: what differs, the tests with an item that differs by dimension, and the names of those
    without one."""

    pair: Pair
    anchor: str
    lines: tuple[Line, ...]
    dimensions: tuple[tuple[str, tuple[Shift, ...]], ...]
    equal: tuple[str, ...]

    @property
    def order(self) -> str:
        """Which of the two audits is the later one, by the times that they bear."""
        one, other = self.pair.first, self.pair.other
        times = [moment(side.audit) for side in (one, other)]
        if times[0] is None or times[1] is None:
            return "It is not known which of the two is later: an audit has no date."
        said = f"{one.letter} began on {started(one.audit)}, {other.letter} on {started(other.audit)}"
        if times[0] == times[1]:
            return f"{said}."
        return f"{said}: {one.letter if times[0] > times[1] else other.letter} is the later audit."


def pair_views(together: SideBySide) -> tuple[PairView, ...]:
    """Return the first model against each other one."""
    room = _MOST_FLIPS // max(1, len(together.pairs))
    return tuple(_pair_view(pair, together, room) for pair in together.pairs)


def _pair_view(pair: Pair, together: SideBySide, room: int) -> PairView:
    adjusted = _adjusted(pair.tests)
    shifts: list[Shift] = []
    for test in pair.tests:
        shift = _shift(test, pair, adjusted.get(test.gate.nodeid), min(FLIPS, room // 2))
        room -= len(shift.flips)
        shifts.append(shift)
    named = list(dict.fromkeys([*DIMENSIONS, *(s.gate.dimension for s in shifts)]))
    apart = [s for s in shifts if not s.equal]
    dimensions = [(name, tuple(s for s in apart if s.gate.dimension == name)) for name in named]
    name = anchor("pair", f"{pair.first.letter}-{pair.other.letter}".lower())
    return PairView(
        pair, name, _lines(pair, together, shifts), tuple((name, some) for name, some in dimensions if some),
        tuple(s.gate.probe for s in shifts if s.equal),
    )  # fmt: skip


def _adjusted(tests: Sequence[Versus]) -> Mapping[str, float]:
    """Return McNemar's p-values of all tests of a pair, adjusted together."""
    from ..stats import holm

    known = {t.gate.nodeid: t.gate.paired.mcnemar for t in tests if t.gate.paired and t.gate.paired.mcnemar is not None}
    return dict(zip(known, holm(list(known.values())), strict=True)) if known else {}


def _shift(test: Versus, pair: Pair, p: float | None, most: int) -> Shift:
    gate, a, b = test.gate, pair.first.letter, pair.other.letter
    counts = gate.paired
    if counts is None:
        found = gate.estimate
        ends = f"{number(found.value)}, interval {number(found.lower)} to {number(found.upper)}" if found else "unknown"
        return Shift(gate, "", f"mean score of {a} minus that of {b}: {ends}", (), 0)
    j = counts.judged
    total = j.both + j.worse + j.better + j.neither
    told = "" if p is None or p > _LEVEL or j.worse == j.better else "worse" if j.worse > j.better else "better"
    said = f"of {number(total)} {gate.unit} judged in both, {j.worse} failed with {a} only and {j.better} with {b} only"
    said += {"worse": f": {a} is worse", "better": f": {a} is better", "": ": this may be chance"}[told]
    if p is not None and counts.mcnemar is not None:
        said += f" (McNemar {_p(counts.mcnemar)}; adjusted for all tests {_p(p)})"
    flips = flip_views(gate, test.mine, test.theirs, max(0, most))
    return Shift(gate, told, said, flips, j.worse + j.better - len(flips))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _lines(pair: Pair, together: SideBySide, shifts: Sequence[Shift]) -> tuple[Line, ...]:
    """Sum up what differs between two audits."""
    a, b = pair.first.letter, pair.other.letter
    lines = [Line(_identity(pair)), *_moved(pair, together)]
    if pair.refused:
        return (*lines, Line("Nothing is compared item by item, because the two were not asked alike:"))
    for what in ("worse", "better"):
        for shift in shifts:
            if shift.told == what:
                lines.append(_line(f"{a} is {what} than {b}, beyond chance", shift.gate, pair, together))
    if not any(shift.told for shift in shifts):
        lines.append(Line(f"On none of the {len(shifts)} tests that were compared item by item is there more than chance."))
    return tuple(lines)


def _line(said: str, gate: GateResult, pair: Pair, together: SideBySide) -> Line:
    place = gate.nodeid.rpartition("::")[0]
    key = f"{place}::{gate.probe}"
    found = together.gates.get(key, {})
    letters = [letter for letter in (pair.first.letter, pair.other.letter) if letter in found]
    numbers = "; ".join(f"{letter}: {_found(found[letter])}" for letter in letters)
    return Line(said, gate.claim, anchor("test", key), numbers)


def _found(gate: GateResult) -> str:
    if quantity_of(gate).counted and gate.status not in SILENT:
        return f"{number(gate.failures)} of {number(gate.items)} {gate.verb}"
    return gate_view(gate, {}, ()).observed


def found_text(gate: GateResult) -> str:
    """Return what a test found: ``45.0 % (74 of 180, 16 not scored)``; empty where there is nothing."""
    observed = gate_view(gate, {}, ()).observed
    if gate.status in SILENT or observed == "–":
        return ""
    if not quantity_of(gate).counted or gate.best is None:
        return observed
    lost = f", {number(gate.unscored)} not scored" if gate.unscored else ""
    return f"{observed} ({number(gate.failures)} of {number(gate.items)}{lost})"


def _moved(pair: Pair, together: SideBySide) -> list[Line]:
    """Return the tests that count in one of two audits and have another status there."""
    a, b = pair.first.letter, pair.other.letter
    moved = []
    for found in together.gates.values():
        one, two = found.get(a), found.get(b)
        if one is not None and two is not None and one.status is not two.status and (one.blocking or two.blocking):
            counts = "" if one.blocking and two.blocking else f", counts in {a if one.blocking else b} only"
            moved.append(_line(f"{one.status} in {a}, {two.status} in {b}{counts}", one, pair, together))
    same = all(status is Status.PASS for status in (pair.first.audit.verdict, pair.other.audit.verdict))
    passing = " (all passed)" if same else ""
    return moved or [Line(f"Every test that counts has the same status in {a} and {b}{passing}.")]


def _identity(pair: Pair) -> str:
    one, two = pair.first.audit.model, pair.other.audit.model
    a, b = pair.first.letter, pair.other.letter
    mine, theirs = digest(one)[:2], digest(two)[:2]
    if UNKNOWN in (mine[1], theirs[1]) or mine[0] != theirs[0]:
        return f"It is not known whether {a} and {b} have the same weights: the audits record no digest of the same kind."
    if mine != theirs:
        return f"{a} and {b} have different weights: their digests differ."
    if one.get("fingerprint") == two.get("fingerprint"):
        return f"{a} and {b} are the same model: all digests are equal."
    return f"{a} and {b} have the same weights, and were run with different settings or parts."
