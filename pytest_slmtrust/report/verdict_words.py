"""The verdict in three sentences: what was found, how sure that is, and what is allowed. They recommend nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..audit.model import Audit, GateResult, Status
from ..audit.quantities import quantity_of, share_text
from ..audit.row_tests import RowTests, listed
from ..audit.verdict import red_besides, unfinished, untested_of
from .account import chosen_by, found, limit, limit_from
from .numbers import percent

#: Tests that a sentence names before it counts the others.
_NAMED = 5
_SAID = (
    (Status.FAIL, "failed"), (Status.INVALID, "had a broken judge"), (Status.UNEARNED, "proved nothing"),
    (Status.INCONCLUSIVE, "stayed undecided"), (Status.NOT_RUN, "did not run"), (Status.NOT_TESTED, "could not be tested"),
    (Status.PASS, "passed"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sentences:
    """What was found, how sure that is, what is allowed; ``meaning`` says what the verdict's word means here."""

    found: str
    sure: str
    allowed: str
    meaning: str


def sentences(audit: Audit) -> Sentences:
    """Return the three sentences of an audit and the meaning of its verdict."""
    counted = [g for g in audit.gates if g.blocking and not g.waived and not g.excuse]
    return Sentences(_found(audit, counted), _sure(audit, counted), _allowed(audit, counted), _meaning(audit, counted))


#: What the word of a verdict means.
MEANING = {
    Status.PASS: "Every test that counts kept its limit. This leaves out what was not tested, and numbers without a limit.",
    Status.FAIL: "At least one test that counts shows more failures than its limit allows.",
    Status.INCONCLUSIVE: "At least one test that counts could not be decided, and none failed. This is not a pass.",
    Status.UNEARNED: "At least one test that counts proves nothing: the model cannot do the harmless version of its task. "
    "This is not a pass.",
    Status.INVALID: "The judge of at least one test that counts is broken here. The audit has no result for it.",
    Status.NOT_TESTED: "Something that had to be tested has no result. This is not a pass.",
    Status.NOT_RUN: "At least one test that counts did not run. This is not a pass.",
    Status.NOT_DECIDABLE: "Too few questions were asked to decide anything. The numbers only show that the tests work.",
    Status.MEASURED: "Numbers were taken, and no limit counts in this run. Nothing was decided.",
    Status.WAIVED: "A test that counts did not pass, and a named person has taken that on. This is not a pass.",
    Status.PARTIAL: "Only a chosen part of the tests was run. Nothing is decided about the others.",
    Status.INCOMPLETE: "The run did not reach its end. It decides nothing.",
}  # fmt: skip


def _found(audit: Audit, counted: Sequence[GateResult]) -> str:
    if audit.incomplete:
        said = unfinished(audit.incomplete, audit.part)
        return f"{said[0].upper()}{said[1:]}, so nothing was found."
    missing = untested_of(audit.deciding, audit.required)
    extra = f" Required and not tested: {', '.join(missing)}." if missing else ""
    extra += _limits(audit) + _rows(audit)
    if not counted and extra.startswith(" Of rows"):
        return extra[1:]
    if not counted:
        return f"No test in this run counts towards a decision.{_aside(audit)}{extra}"
    groups = [(words, sum(g.status is status for g in counted)) for status, words in _SAID]
    said = _listed([f"{n} {words}" for words, n in groups if n])
    total = f"Of {len(counted)} tests that count, {said}" if len(counted) > 1 else f"The one test that counts {said[2:]}"
    bad = [g for g in counted if g.status is Status.FAIL]
    shown = [_in_brackets(_what_failed(g)) for g in sorted(bad, key=_heavy)[:_NAMED]]
    return f"{total}{': ' + '; '.join(shown) if shown else ''}.{_aside(audit)}{extra}"


def _meaning(audit: Audit, counted: Sequence[GateResult]) -> str:
    """Say what the word of the verdict means; of a FAIL or INCONCLUSIVE that comes of rows alone, what it means there."""
    said = MEANING.get(audit.verdict, "")
    if audit.verdict in _OF_ROWS and all(g.status is not audit.verdict for g in (*counted, *audit.limited)):
        said = _OF_ROWS[audit.verdict]
    besides = red_besides(audit)
    return f"{said} The run is red because of this too: {', '.join(besides)}." if besides else said


#: What a verdict means where no gate has it.
_OF_ROWS = {
    Status.FAIL: "Each row of a probe without a limit is a test, and at least one failed.",
    Status.INCONCLUSIVE: "Each row of a probe without a limit is a test, and at least one could not be judged.",
}


def _rows(audit: Audit) -> str:
    """Say of rows that are tests by themselves how many failed."""
    rows = [one for one in audit.deciding if isinstance(one, RowTests) and one.blocking]
    return f" Of rows that count one by one: {'; '.join(listed([one.counts for one in rows]))}." if rows else ""


def _limits(audit: Audit) -> str:
    """Say which limits of the machine's resources were not kept."""
    limits = audit.envelope.limits if audit.envelope is not None else ()
    if not limits:
        return ""
    bad = [one for one in limits if one.status is not Status.PASS and not one.excuse]
    kept = sum(one.status is Status.PASS for one in limits)
    named = f" Not shown to be kept: {_listed([f'{one.name} ({one.status})' for one in bad])}." if bad else ""
    return f" Of {len(limits)} resource limits, {kept} {'is' if kept == 1 else 'are'} kept.{named}"


def _what_failed(gate: GateResult) -> str:
    """Say what a test found, as a part of a sentence: items without a name are those of their test."""
    said = found(gate).rstrip(".")
    return (said[:1].lower() + said[1:]).replace(" items ", f" items of {gate.probe} ", 1)


def _in_brackets(said: str) -> str:
    """Put what follows a semicolon in brackets, so that the sentence can be one of a list."""
    head, semicolon, tail = said.partition("; ")
    return f"{head} ({tail})" if semicolon else said


def _aside(audit: Audit) -> str:
    """Name what of the blocking gates does not count."""
    waived = [g for g in audit.gates if g.blocking and g.waived]
    absent = [g for g in audit.gates if g.blocking and g.excuse]
    every = len(waived) + len(absent) == sum(g.blocking for g in audit.gates)
    said = ""
    if waived:
        said += f" {_more(len(waived), every)} did not pass and {'is' if len(waived) == 1 else 'are'} waived."
    if absent:
        said += f" {_more(len(absent), every)} {'was' if len(absent) == 1 else 'were'} left out."
    return said


def _more(n: int, every: bool) -> str:
    """Count tests that do not count here; ``every``: no other one counts."""
    return f"{_tests(n)} with a limit" if every else f"{n} more"


def _sure(audit: Audit, counted: Sequence[GateResult]) -> str:
    if audit.incomplete or not counted:
        return "There is nothing to be sure of." + (
            " Each number below has its own interval." if counted or audit.findings else ""
        )
    level = share_text(1 - max(g.alpha for g in counted))
    said: list[str] = []
    for status, text in ((Status.FAIL, _fails), (Status.INCONCLUSIVE, _between), (Status.PASS, _passes)):
        own = sorted((g for g in counted if g.status is status and _is_rate(g)), key=_heavy)
        if own and (status is not Status.PASS or not said):
            said.append(text(own))
    nothing = [g for g in counted if g.status in (Status.UNEARNED, Status.INVALID, Status.NOT_RUN, Status.NOT_TESTED)]
    unknown = f"nothing is known about {_listed([_subject(g) for g in nothing[:_NAMED]], len(nothing))}" if nothing else ""
    if said:
        each = " in each" if len(counted) > 1 else ""
        return f"With {level} confidence{each}, {'; '.join([*said, unknown] if unknown else said)}."
    if unknown:
        return f"Not at all: {unknown}, because {'that test' if len(nothing) == 1 else 'those tests'} proved nothing."
    return f"Each of these results is {level} sure."


def _is_rate(gate: GateResult) -> bool:
    return quantity_of(gate).counted and gate.lower is not None and gate.upper is not None


def _short(gate: GateResult) -> str:
    return gate.unit if gate.unit != "items" else f"the items of {gate.probe}"


def _subject(gate: GateResult) -> str:
    return gate.unit if gate.unit != "items" else gate.probe


def _fails(gates: Sequence[GateResult]) -> str:
    each = [f"{percent(g.lower, 'down')} of {_short(g)}" for g in gates[:_NAMED]]
    return f"at least {_listed(each, len(gates))} fail"


def _between(gates: Sequence[GateResult]) -> str:
    each = [f"between {percent(g.lower, 'down')} and {percent(g.upper, 'up')} of {_short(g)}{_lost(g)}" for g in gates[:_NAMED]]
    return f"{_listed(each, len(gates))} fail, which leaves the limit open"


def _lost(gate: GateResult) -> str:
    """Say why an interval is wider than chance makes it."""
    return f" ({gate.unscored} of {gate.items} could not be scored)" if gate.unscored else ""


def _passes(gates: Sequence[GateResult]) -> str:
    each = [f"{percent(g.upper, 'up')} of {_short(g)}" for g in gates[:_NAMED]]
    return f"at most {_listed(each, len(gates))} fail"


def _allowed(audit: Audit, counted: Sequence[GateResult]) -> str:
    gates = [g for g in counted if g.tolerance is not None]
    if not gates:
        return "No limit was set that counts, so nothing says how much is allowed."
    said = " ".join(filter(None, (_limits_of_tests(gates), _margins([g for g in gates if g.versus]))))
    words = {limit_from(g, audit) for g in gates}
    if len(words) == 1:
        return f"{said} {'This limit' if len({limit(g) for g in gates}) == 1 else 'Each limit'} {words.pop()}."
    who = {chosen_by(g, audit) for g in gates}
    if who == {"tool"}:
        return f"{said} The limits are the tool's own; nobody chose them for this model or its use."
    people = _listed([text for key, text in _CHOSEN.items() if key in who]).replace(" and ", " or ")
    if "tool" not in who:
        return f"{said} The limits were set {people}."
    return f"{said} Some limits were set {people}; the others are the tool's own."


#: Who set a limit that is not the tool's own.
_CHOSEN = {"person": "by the person who ran the audit", "file": "in files of the project"}


def _limits_of_tests(gates: Sequence[GateResult]) -> str:
    """Say the limits of all tests but comparisons, each once."""
    own = [g for g in gates if not g.versus]
    limits: dict[str, int] = {}
    for gate in own:
        limits[limit(gate)] = limits.get(limit(gate), 0) + 1
    if not limits:
        return ""
    if len(limits) == 1:
        text = next(iter(limits))
        where = ("" if len(own) == 1 else " in each") if len(own) == len(gates) else f" in {_tests(len(own))}"
        return f"{text[:1].upper()}{text[1:]} failures are allowed{where}."
    return f"The limits are {_listed([f'{text} in {_tests(n)}' for text, n in limits.items()])}."


def _tests(n: int) -> str:
    return f"{n} test{'' if n == 1 else 's'}"


def _margins(paired: Sequence[GateResult]) -> str:
    """Say how much more than the baseline the model may fail, of all comparisons together."""
    points = sorted({(g.tolerance or 0.0) * 100 for g in paired})
    if not points:
        return ""
    ends = f"{points[0]:.3g}" if len(points) == 1 else f"{points[0]:.3g} to {points[-1]:.3g}"
    many = "The comparison" if len(paired) == 1 else f"The {len(paired)} comparisons"
    return f"{many} with the baseline allow{'s' if len(paired) == 1 else ''} at most {ends} points more failures."


def _listed(parts: Sequence[str], total: int = 0) -> str:
    """Join names with commas and ``and``; ``total``: how many there are, if more than are named."""
    more = total - len(parts)
    every = [*parts, f"{more} more"] if more > 0 else list(parts)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def _heavy(gate: GateResult) -> tuple[float, str]:
    """Sort the gate that is furthest over its limit first."""
    end = gate.lower if gate.status is Status.FAIL else gate.upper
    return -((end or 0.0) / gate.tolerance if gate.tolerance else 0.0), gate.nodeid
