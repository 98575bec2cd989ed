"""The last lines of the terminal: a verdict for each gate, what was not tested, and where the report lies."""

from __future__ import annotations

from typing import Any

from .. import door
from ..audit.dimension import Dimension
from ..audit.model import Audit, Estimate, GateResult, Status
from ..audit.quantities import QUANTITIES
from ..audit.verdict import dimension_status
from ..report.untested import Untested, by_reason, unasked

#: More things than these that were not tested for the same reason are counted, not named.
_NAMED = 4
_COLOURS = {
    Status.PASS: "green", Status.FAIL: "red", Status.INVALID: "red", Status.UNEARNED: "red", Status.INCONCLUSIVE: "yellow",
    Status.NOT_TESTED: "yellow", Status.NOT_RUN: "yellow", Status.NOT_DECIDABLE: "yellow", Status.MEASURED: "cyan",
    Status.WAIVED: "yellow", Status.PARTIAL: "yellow", Status.INCOMPLETE: "red",
}  # fmt: skip


def summarise(reporter: Any, audit: Audit, where: str) -> None:
    """Write the summary to pytest's terminal reporter."""
    name = _line_of(str(audit.model.get("name", "?")))
    reporter.section(f"trust audit of {name}, profile {_line_of(audit.profile)}", sep="=")
    for note in audit.notes:
        reporter.write_line(_line_of(note), yellow=True, bold=True)
    unused = audit.model.get("unused_weights")
    if unused:
        names = f"{', '.join(map(str, unused[:_NAMED]))}{', ...' if len(unused) > _NAMED else ''}"
        reporter.write_line(_line_of(f"weights that the model does not use: {len(unused)} ({names})"), yellow=True, bold=True)
    for dimension in Dimension:
        gates = [g for g in audit.gates if g.dimension == dimension and not unasked(g)]
        if gates:
            status = dimension_status(audit.gates, dimension)
            reporter.write(f"{dimension}: ", bold=True)
            reporter.write_line(str(status), **{_COLOURS[status]: True})
            for gate in gates:
                _line(reporter, gate)
    if audit.baseline is not None:
        reporter.write_line(
            f"baseline: {_line_of(str(audit.baseline.model.get('name', '?')))} ({_line_of(audit.baseline.origin)})"
        )
    if audit.not_tested:
        reporter.write_line("not tested:", bold=True)
        for row in by_reason(audit.not_tested):
            reporter.write_line(f"  {_line_of(_what(row))}: {_line_of(row.reason)}", yellow=True)
    reporter.write_line(_line_of(where))
    passing = sum(dimension_status(audit.gates, d) is Status.PASS for d in Dimension)
    sentence = f"{_line_of(audit.sentence)} PASS for {passing} of {len(Dimension)} dimensions."
    reporter.write_line(sentence, bold=True, **{_COLOURS[audit.verdict]: True})


def _what(row: Untested) -> str:
    """What was not tested, in words of one line: many things are counted."""
    if row.count > _NAMED:
        return f"{row.count} probes ({', '.join(f'{dimension} {len(what)}' for dimension, what in row.what.items())})"
    return "; ".join(f"{dimension}: {', '.join(what)}" if dimension else ", ".join(what) for dimension, what in row.what.items())


def _line_of(text: str) -> str:
    """Text of a model or a user begins no line of its own: CI reads commands there."""
    return door.line(text)


def _line(reporter: Any, gate: GateResult) -> None:
    reporter.write(f"  {gate.status:<13}", **{_COLOURS[gate.status]: True})
    reporter.write_line(f" {_line_of(gate.name)}: {_line_of(numbers(gate))}")
    for note in asides(gate):
        reporter.write_line(f"{'':16}{_line_of(note)}")


def asides(gate: GateResult) -> list[str]:
    """What a reader of a gate's numbers must know beside them."""
    notes = []
    if gate.waiver is not None:
        until = f"expired on {gate.waiver.expires}" if gate.waiver.expired else f"until {gate.waiver.expires}"
        if gate.waived or gate.waiver.expired:
            notes.append(f"WAIVED {until}, owner {gate.waiver.owner}: {gate.waiver.reason}")
    if gate.advisory:
        notes.append(f"advisory: {gate.advisory}")
    if gate.corrected is not None and gate.measured is not None:
        c = gate.corrected
        notes.append(f"corrected for its detector's errors: {c.value:.1%} [{c.lower:.1%}, {c.upper:.1%}], {c.confidence:.0%}")
    if gate.status is Status.FAIL and gate.p_holm is not None and gate.p_holm > gate.alpha:
        notes.append(f"FAIL by itself; among all gates with a p-value it may be chance (Holm p = {gate.p_holm:.2g})")
    if gate.stopped is not None:
        notes.append(f"asked {gate.items} of {gate.stopped.planned} items (early stop); bounds hold whenever one looks")
    return notes


def numbers(gate: GateResult) -> str:
    """The numbers of a gate in one line; its reason where they do not speak for themselves."""
    estimate = gate.estimate or gate.mean_score
    if gate.versus:
        if estimate is None:
            return gate.reason
        return f"{gate.reason}; {difference_text(estimate) if gate.paired else score_text(estimate)}"
    if gate.status is Status.INCONCLUSIVE and gate.items:
        if gate.needed:
            return f"{gate.reason}; about {gate.needed} more items would decide, if they go on like these"
        return f"{gate.reason}; what could not be judged decides" if gate.unscored else gate.reason
    if gate.status is not Status.MEASURED or estimate is None:
        return gate.reason
    if gate.estimate and not QUANTITIES[gate.quantity].counted:
        text = f"{gate.quantity} {estimate.value:.3g} [{estimate.lower:.3g}, {estimate.upper:.3g}], {estimate.n} items"
        text += f", {estimate.method}" if QUANTITIES[gate.quantity].explained else ""
    else:
        what = "failed" if gate.estimate else "mean score"
        text = f"{estimate.value:.1%} {what} [{estimate.lower:.1%}, {estimate.upper:.1%}], {estimate.n} items"
    floor = gate.floor
    low = "" if floor is None or floor.met else f"; competence floor not met ({floor.passed} of {floor.total})"
    unscored = f"; {gate.unscored} unscored" if gate.unscored else ""
    return text + unscored + low


def score_text(estimate: Estimate) -> str:
    """A paired difference of scores in their own unit."""
    return f"difference {estimate.value:+.4g} [{estimate.lower:+.4g}, {estimate.upper:+.4g}], {estimate.confidence:.0%}"


def difference_text(estimate: Estimate) -> str:
    """A paired difference in points, with its interval."""
    low, high = estimate.lower * 100, estimate.upper * 100
    return f"difference {estimate.value * 100:+.1f} points [{low:+.1f}, {high:+.1f}], {estimate.confidence:.0%}"
