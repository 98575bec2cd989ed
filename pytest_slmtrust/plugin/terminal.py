"""The last lines of the terminal: a line for each gate, what was not tested, and the verdict with the place of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import door
from ..audit.counting import ByGate
from ..audit.dimension import Dimension
from ..audit.model import Audit, Estimate, Finding, GateResult, Status
from ..audit.nodeids import PACKS
from ..audit.quantities import quantity_of
from ..audit.verdict import SILENT, dimension_status
from ..report import words
from ..report.envelope import load_lines, noise_lines
from ..report.routes import route_lines
from ..report.untested import Untested, by_reason, in_short, unasked
from ..report.verdict_words import MEANING

#: More things than these are counted, not named.
_NAMED = 4
#: With more failing gates than these, a failing case takes one line.
_ROOM = 4
#: Characters of a prompt or reply on one line.
_QUOTED = 56
_COLOURS = {
    Status.PASS: "green", Status.FAIL: "red", Status.INVALID: "red", Status.UNEARNED: "red", Status.INCONCLUSIVE: "yellow",
    Status.NOT_TESTED: "yellow", Status.NOT_RUN: "yellow", Status.NOT_DECIDABLE: "yellow", Status.MEASURED: "cyan",
    Status.WAIVED: "yellow", Status.PARTIAL: "yellow", Status.INCOMPLETE: "red",
}  # fmt: skip


#: Verdicts whose word alone says nothing to a reader who meets it for the first time.
_EXPLAINED = (Status.UNEARNED, Status.INVALID, Status.NOT_DECIDABLE, Status.WAIVED, Status.MEASURED, Status.INCONCLUSIVE)


class Summary:
    """Writes the summary of an audit to pytest's terminal reporter.

    ``command`` makes the command line that runs one case alone, from its node id; ``verbose`` shows every number; ``corpus`` is
    the folder of counterexamples.
    """

    def __init__(
        self, reporter: Any, audit: Audit, command: Callable[[str], str], verbose: bool, corpus: Path | None = None
    ) -> None:  # fmt: skip
        self.corpus = corpus
        self.reporter, self.audit, self.command, self.verbose = reporter, audit, command, verbose
        self.found = ByGate(audit.findings)
        theirs = audit.baseline.findings if audit.baseline is not None else ()
        self.passed_before = {one.nodeid for one in theirs if one.outcome == "passed"}
        self.late = audit.settings.get("unasked", {})
        self.crowded = sum(map(_is_red, audit.gates)) > _ROOM

    def write(self, where: str) -> None:
        """Write all lines. ``where`` says where the report is."""
        reporter, audit = self.reporter, self.audit
        reporter.ensure_newline()
        name = door.line(audit.model.get("name", "?"))
        reporter.section(f"trust audit of {name}, profile {door.line(audit.profile)}", sep="=")
        for note in (*audit.notes, *_unused_weights(audit)):
            reporter.write_line(door.line(note), yellow=True, bold=True)
        for dimension in Dimension:
            self._dimension(dimension)
        self._bundles()
        self._envelope()
        self._routes()
        if audit.baseline is not None:
            model, origin = door.line(audit.baseline.model.get("name", "?")), door.line(audit.baseline.origin)
            locked = "lock_sha256" in audit.baseline.model
            reporter.write_line(f"lock: {origin}" if locked else f"baseline: {model} ({origin})")
        self._counterexamples()
        self._untested()
        meaning = MEANING.get(audit.verdict, "") if audit.verdict in _EXPLAINED else ""
        if meaning:
            reporter.write_line(f"{audit.verdict} means: {meaning}")
        verdict = door.line(words.verdict(audit))
        reporter.write_line(f"{verdict} {door.line(where)}", bold=True, **{_COLOURS[audit.verdict]: True})

    def _dimension(self, dimension: Dimension) -> None:
        gates = [g for g in self.audit.gates if g.dimension == dimension and not unasked(g)]
        shown = [g for g in gates if self._has_line(g)]
        measured = "" if self.verbose else words.without_limit(gates)
        if not shown and not measured:
            return
        status = dimension_status(self.audit.deciding, dimension)
        self.reporter.write(f"{dimension}: ", bold=True)
        self.reporter.write(str(status), **{_COLOURS[status]: True})
        self.reporter.write_line(f"; {door.line(measured)}" if measured else "")
        for gate in shown:
            self._gate(gate)

    def _bundles(self) -> None:
        """Write a line for each bundle: its verdict, and its parts with their numbers."""
        for one in self.audit.settings.get("bundles", ()):
            self.reporter.write(f"bundle {door.line(one.bundle.name)}: ", bold=True)
            self.reporter.write(str(one.status), **{_COLOURS[one.status]: True})
            self.reporter.write_line(f"; {door.line(one.reason)}")

    def _envelope(self) -> None:
        """Write a line for each limit of the envelope, and the load."""
        found = self.audit.envelope
        if found is None:
            return
        head, *tasks = load_lines(found)
        self.reporter.write_line(f"envelope: {door.line(head)}", bold=True)
        for line in tasks:
            self.reporter.write_line(f"  {door.line(line)}")
        for one in found.limits:
            self.reporter.write(f"  {one.status:<13}", **{_COLOURS[one.status]: True})
            self.reporter.write_line(f" {door.line(one.name)}: {door.line(one.reason)}")
        for line in noise_lines(found) if self.verbose else ():
            self.reporter.write_line(f"{'':16}{door.line(line)}")

    def _routes(self) -> None:
        """Say of a composed system which of its models answered."""
        lines = route_lines(self.audit)
        if lines:
            self.reporter.write_line("routes of this system, by item:", bold=True)
        for line in lines:
            self.reporter.write_line(door.line(line))

    def _has_line(self, gate: GateResult) -> bool:
        """Say whether a gate has a line here: the others are counted, or listed as not tested."""
        if self.verbose:
            return True
        if gate.status in SILENT:
            return gate.blocking and gate.excuse != "unselected"
        if not gate.nodeid.startswith(PACKS) and not gate.versus:
            return True  # an author who declares a number without a limit wants to see it
        return gate.status is not Status.MEASURED or gate.tolerance is not None

    def _gate(self, gate: GateResult) -> None:
        self.reporter.write(f"  {gate.status:<13}", **{_COLOURS[gate.status]: True})
        late = self.late.get(gate.nodeid)
        said = words.out_of_time(gate, late) if late else words.outcome(gate)
        if gate.advisory and not self.verbose:
            said += "; advisory, it does not block (-v says why)"
        self.reporter.write_line(f" {door.line(gate.name)}: {door.line(said)}")
        taken = words.not_taken(gate, self.audit)
        for note in (*([taken] if taken else []), *asides(gate, self.verbose)):
            self.reporter.write_line(f"{'':16}{door.line(note)}")
        case = self._failing_case(gate)
        if case is not None:
            command, quoted = door.line(self.command(case.nodeid)), quote(case)
            lines = (
                [f"{command}  # {quoted}"] if self.crowded else [f"first: [{door.line(case.case)}] {quoted}", f"alone: {command}"]
            )
            for line in lines:
                self.reporter.write_line(f"{'':6}{line}")

    def _failing_case(self, gate: GateResult) -> Finding | None:
        """Find the first case that shows why a gate is red; of a comparison, one that the baseline passed."""
        if not _is_red(gate):
            return None
        found = self.found.of(gate)
        failed = [one for one in found if one.outcome == "failed"]
        if gate.versus:
            return next((one for one in failed if one.nodeid in self.passed_before), None)
        if not failed and gate.status is Status.INCONCLUSIVE and gate.nodeid not in self.late:
            failed = [one for one in found if one.outcome in ("unscored", "error")]
        return failed[0] if failed else None

    def _counterexamples(self) -> None:
        """Say where the counterexamples of a property are kept."""
        for name in sorted({one.probe for one in self.audit.findings if one.outcome == "failed" and "perturbed" in one.evidence}):
            folder = self.corpus / name if self.corpus else None
            n = len(list(folder.glob("*.json"))) if folder and folder.is_dir() else 0
            if n:
                kept = f"{n} counterexample{'' if n == 1 else 's'} of {name}, kept in {folder}: the next run tries them first"
                self.reporter.write_line(door.line(kept), yellow=True)

    def _untested(self) -> None:
        if not self.audit.gates:  # nothing began
            return
        if not self.verbose:
            lines = in_short(self.audit)
        else:
            lines = [f"{_what(row)}: {row.reason}" for row in by_reason(self.audit.not_tested)]
        if lines:
            self.reporter.write_line("not tested:" if self.verbose else "not tested (-v names all):", bold=True)
        for line in lines:
            self.reporter.write_line(f"  {door.line(line)}", yellow=True)


def _is_red(gate: GateResult) -> bool:
    return gate.blocking and not gate.waived and gate.status in (Status.FAIL, Status.INCONCLUSIVE)


def _unused_weights(audit: Audit) -> list[str]:
    unused = audit.model.get("unused_weights")
    if not unused:
        return []
    names = f"{', '.join(map(str, unused[:_NAMED]))}{', ...' if len(unused) > _NAMED else ''}"
    return [f"weights that the model does not use: {len(unused)} ({names})"]


def quote(found: Finding) -> str:
    """Quote a case in one line: its prompt and reply, or else the first texts of its evidence."""
    texts = {name: value for name, value in found.evidence.items() if isinstance(value, str) and value}
    if "reply" in texts:
        prompt = texts.get("prompt", "")
        wanted = f" (expected {_cut(texts['expected'])})" if texts.get("expected") else ""
        return f"{_cut(prompt)} -> {_cut(texts['reply'])}{wanted}" if prompt else f"reply {_cut(texts['reply'])}{wanted}"
    shown = [f"{door.line(name)}: {_cut(value)}" for name, value in list(texts.items())[:2]]
    return ", ".join(shown) or door.line(found.reason) or found.outcome


def _cut(text: str) -> str:
    """Mask a whole text, then cut it: of half a key nobody could tell what it is."""
    shown = door.line(text)
    return f'"{shown}"' if len(shown) <= _QUOTED else f'"{shown[: _QUOTED - 1]}…"'


def _what(row: Untested) -> str:
    """Name what was not tested in one line; many things are counted."""
    if row.count > _NAMED:
        return f"{row.count} probes ({', '.join(f'{dimension} {len(what)}' for dimension, what in row.what.items())})"
    return "; ".join(f"{dimension}: {', '.join(what)}" if dimension else ", ".join(what) for dimension, what in row.what.items())


def asides(gate: GateResult, verbose: bool = True) -> list[str]:
    """List what a reader of a gate's numbers must know; all of it if ``verbose``."""
    notes = []
    if gate.waiver is not None:
        until = f"expired on {gate.waiver.expires}" if gate.waiver.expired else f"until {gate.waiver.expires}"
        if gate.waived or gate.waiver.expired:
            notes.append(f"WAIVED {until}, owner {gate.waiver.owner}: {gate.waiver.reason}")
    if gate.stopped is not None:
        notes.append(f"asked {gate.items} of {gate.stopped.planned} items (early stop); the bounds hold at every stop")
    if not verbose:
        return notes
    if gate.status not in SILENT:
        notes.append(gate.claim)
        notes += filter(None, (numbers(gate), words.narrower(gate)))
    if gate.advisory:
        notes.append(f"advisory: {gate.advisory}")
    if gate.corrected is not None and gate.measured is not None:
        c = gate.corrected
        notes.append(f"corrected for its detector's errors: {c.value:.1%} [{c.lower:.1%}, {c.upper:.1%}], {c.confidence:.0%}")
    if gate.status is Status.FAIL and gate.p_holm is not None and gate.p_holm > gate.alpha:
        notes.append(f"FAIL on its own; it may be chance among all gates with a p-value (Holm p = {gate.p_holm:.2g})")
    return notes


def numbers(gate: GateResult) -> str:
    """Return the numbers of a gate in one line; its reason where they do not speak for themselves."""
    estimate = quantity_of(gate).seen(gate)
    if gate.versus:
        if estimate is None:
            return gate.reason
        return f"{gate.reason}; {difference_text(estimate) if gate.paired else score_text(estimate)}"
    if gate.status is not Status.MEASURED or estimate is None:
        return gate.reason
    if gate.estimate and not quantity_of(gate).counted:
        text = f"{gate.quantity} {estimate.value:.3g} [{estimate.lower:.3g}, {estimate.upper:.3g}], {estimate.n} items"
        text += f", {estimate.method}" if quantity_of(gate).explained else ""
    else:
        what = "failed" if gate.estimate else "mean score"
        text = f"{estimate.value:.1%} {what} [{estimate.lower:.1%}, {estimate.upper:.1%}], {estimate.n} items"
    floor = gate.floor
    low = "" if floor is None or floor.met else f"; competence floor not met ({floor.passed} of {floor.total})"
    unscored = f"; {gate.unscored} unscored" if gate.unscored else ""
    return text + unscored + low


def score_text(estimate: Estimate) -> str:
    """Return a paired difference of scores in their own unit."""
    return f"difference {estimate.value:+.4g} [{estimate.lower:+.4g}, {estimate.upper:+.4g}], {estimate.confidence:.0%}"


def difference_text(estimate: Estimate) -> str:
    """Return a paired difference in points, with its interval."""
    low, high = estimate.lower * 100, estimate.upper * 100
    return f"difference {estimate.value * 100:+.1f} points [{low:+.1f}, {high:+.1f}], {estimate.confidence:.0%}"
