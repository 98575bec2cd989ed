"""Read several audits and line their tests up: the same rows next to each other, and item by item where both were asked alike."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..audit.counting import ByGate
from ..audit.model import AuditError, Finding, GateResult
from ..audit.nodeids import gate_key
from ..audit.verdict import SILENT
from ..gates.asked import Asked, other_ways
from ..gates.baseline import Recorded
from ..report.sides import Pair, Side, SideBySide, Versus
from .compare import paired_gates
from .verify import read_and_verify

#: More columns than this are no table that a person reads.
FEWEST, MOST = 2, 12


def read_sides(paths: Sequence[Path], say: Callable[[str], None]) -> tuple[Side, ...]:
    """Return the audits of these files, each checked as ``slmtrust render`` checks it. ``say`` names each of many as it is read.

    Raises:
        AuditError: too few or too many files, one that cannot be read, does not follow from its findings, or is a comparison.
    """
    if not FEWEST <= len(paths) <= MOST:
        raise AuditError(f"{len(paths)} audits; expected {FEWEST} to {MOST} of them")
    sides = []
    for letter, path in zip(string.ascii_uppercase, paths, strict=False):
        if len(paths) > FEWEST:
            say(f"checking {path}")
        audit, found = read_and_verify(path)
        if audit.gates and all(gate.versus for gate in audit.gates):
            raise AuditError(f"{path}: holds differences between two models only; name the two audits that it was made from")
        digest = hashlib.sha256(audit.to_json().encode()).hexdigest()
        sides.append(Side(letter, audit, str(path), digest, found.other))
    return tuple(sides)


def side_by_side(sides: Sequence[Side], margin: float | None = None) -> SideBySide:
    """Line the tests of several audits up, and compare the first model with each other one.

    ``margin``: how much more often the first may fail; None takes that of its profile.

    Raises:
        AuditError: a margin that the items cannot show.
    """
    asked = {side.letter: Asked.of(side.audit) for side in sides}
    gates: dict[str, dict[str, GateResult]] = {}
    changed: dict[str, tuple[tuple[str, ...], ...]] = {}
    for side in sides:
        for gate in side.audit.gates:
            if not gate.versus:
                gates.setdefault(gate_key(gate.nodeid), {})[side.letter] = gate
    for key, by_letter in gates.items():
        alike: dict[str, list[str]] = {}
        for letter, gate in by_letter.items():
            if gate.status not in SILENT:  # one without a result was asked nothing
                alike.setdefault(asked[letter].rows.get(key, f"unknown to {letter}"), []).append(letter)
        if len(alike) > 1:
            changed[key] = tuple(tuple(letters) for letters in alike.values())
    same = {key: by_letter for key, by_letter in gates.items() if key not in changed}
    pairs = tuple(_pair(sides[0], other, same, asked, margin) for other in sides[1:])
    return SideBySide(tuple(sides), same, changed, pairs)


def _pair(
    first: Side, other: Side, gates: Mapping[str, Mapping[str, GateResult]], asked: Mapping[str, Asked], margin: float | None
) -> Pair:
    refused = _refused(first, other, asked)
    if refused:
        return Pair(first, other, tuple(refused), ())
    both = [by_letter[first.letter] for by_letter in gates.values() if {first.letter, other.letter} <= by_letter.keys()]
    mine = ByGate(first.audit.findings)
    made = paired_gates(first.audit, Recorded(other.audit, other.place), both, margin)
    rows = zip(both, made, strict=True)
    tests = [Versus(pair, tuple(mine.of(gate)), tuple(theirs)) for gate, (pair, theirs) in rows if _compared(pair, theirs)]
    return Pair(first, other, (), tuple(tests))


def _compared(gate: GateResult, theirs: Iterable[Finding]) -> bool:
    """Return whether both sides have answers to a gate's rows."""
    return bool(theirs) and (gate.paired is not None or gate.estimate is not None)


def _refused(first: Side, other: Side, asked: Mapping[str, Asked]) -> list[str]:
    ended = [
        f"{side.letter} is INCOMPLETE ({side.audit.incomplete}): it decides nothing"
        for side in (first, other)
        if side.audit.incomplete
    ]
    return ended + [
        f"{what}: {one} in {first.letter}, {two} in {other.letter}"
        for what, one, two in other_ways(asked[first.letter], asked[other.letter])
    ]
