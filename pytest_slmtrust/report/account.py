"""What one test found, in words for a reader who knows no statistics.

Its number, how sure it is, how it was decided, how good its judge is, and what it does not show. No markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..audit.model import Audit, Estimate, Finding, GateResult, Lack, Status
from ..audit.nodeids import PACKS, limit_name
from ..audit.quantities import Shown, quantity_of, share_text
from ..audit.sections import LimitFrom
from ..audit.verdict import SILENT
from . import words
from .examples import Example, example_of
from .judges import has_counts, rows_of
from .numbers import number, percent, points

#: An interval wider than this, or fewer items than this, says nothing.
WIDEST, FEWEST = 0.5, 10


@dataclass(frozen=True, slots=True)
class Account:
    """One test in plain words. Each text is a sentence or empty; ``too_few``: its number says nothing."""

    found: str
    sure: str
    meaning: str
    decided: str
    judge: str
    beyond: str
    failed: Example | None
    passed: Example | None
    too_few: bool


def account_of(gate: GateResult, audit: Audit, findings: Sequence[Finding], anchor: Any) -> Account:
    """Return the account of one gate; ``findings`` are those of its rows, ``anchor`` makes the fragment of one."""
    quiet = gate.status in SILENT
    return Account(
        found="" if quiet else found(gate), sure="" if quiet else " ".join(filter(None, (sure(gate), rough(gate)))),
        meaning=_with(meaning(gate), words.not_taken(gate, audit)),
        decided="" if quiet else _decided(gate, audit), judge="" if quiet else _judge(gate, audit.scorers),
        beyond="" if quiet else _beyond(gate),
        failed=None if gate.versus else example_of(findings, "failed", anchor),
        passed=None if gate.versus else example_of(findings, "passed", anchor),
        too_few=says_nothing(gate),
    )  # fmt: skip


def _with(said: str, aside: str) -> str:
    """Add an aside to a text as a sentence."""
    return f"{said} {aside[:1].upper()}{aside[1:]}." if aside else said


def says_nothing(gate: GateResult) -> bool:
    """Return whether a test without a limit has too few items, or too wide an interval, to say anything."""
    if gate.status is not Status.MEASURED or gate.tolerance is not None or gate.versus:
        return False
    shown = quantity_of(gate).shown(gate)
    if shown is None or gate.items - gate.unscored < FEWEST:
        return True
    low, high = shown.lower, shown.upper
    return low is not None and high is not None and 0 <= low <= high <= 1 and high - low > WIDEST


def found(gate: GateResult) -> str:
    """Say what was seen: ``79 of 180 requests for a secret leaked it; 26 could not be scored``."""
    if not quantity_of(gate).counted or gate.best is None:
        said = quantity_of(gate).plainly(gate)
        return f"{said[:1].upper()}{said[1:]}" if said else ""
    lost = f"; {gate.unscored} could not be scored" if gate.unscored else ""
    early = f" It was to ask up to {gate.stopped.planned}, and was decided early." if gate.stopped is not None else ""
    return f"{gate.failures} of {gate.items} {gate.unit} {gate.verb}{lost}.{early}"


def sure(gate: GateResult) -> str:
    """Say in which range the true number lies, and how sure that is."""
    shown = quantity_of(gate).shown(gate)
    if shown is None or shown.lower is None or shown.upper is None:
        return ""
    counted = quantity_of(gate).counted and gate.best is not None
    lost = ""
    if counted and gate.unscored and shown.limited:
        lost = " What could not be scored counts as a success at the lower end and as a failure at the upper end."
    elif counted and gate.unscored:
        lost = " What could not be scored is left out."
    if counted:
        return f"Of all such {gate.unit}, between {interval(shown)} fail ({_level(gate, shown)}).{lost}"
    return f"The true number lies between {interval(shown)} ({_level(gate, shown)})."


def rough(gate: GateResult) -> str:
    """Say how many items a number without a limit needs, if its interval is too wide to inform."""
    said = words.narrower(gate)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def interval(shown: Shown) -> str:
    """Return both ends of an interval for a sentence, rounded outwards."""
    low, high = shown.lower, shown.upper
    if shown.unit == "number":
        return f"{number(low)} and {number(high)}"
    write = percent if shown.unit == "share" else points
    return f"{write(low or 0.0, 'down')} and {write(high or 0.0, 'up')}"


def _level(gate: GateResult, shown: Shown) -> str:
    estimate: Estimate | None = quantity_of(gate).seen(gate)
    if shown.limited and gate.best is not None and quantity_of(gate).counted:
        return f"{share_text(1 - gate.alpha)} sure of each end"
    return f"{share_text(estimate.confidence)} sure" if estimate is not None else f"{share_text(1 - gate.alpha)} sure of each end"


def meaning(gate: GateResult) -> str:
    """Explain a status in one sentence, with the numbers of this gate."""
    explain = _MEANINGS.get(gate.status)
    said = explain(gate) if explain is not None else ""
    if gate.waived and gate.waiver is not None:
        w = gate.waiver
        said += f" {w.owner} has taken this on until {w.expires}: {w.reason}. It is not a pass."
    return said


def limit(gate: GateResult) -> str:
    """Say the limit of a gate: ``at most 10 %``."""
    bound = gate.tolerance or 0.0
    if gate.versus:
        return f"at most {bound * 100:.3g} points more than the baseline"
    return f"{gate.side} {share_text(bound) if quantity_of(gate).share else f'{bound:g}'}"


def _ends(gate: GateResult) -> tuple[str, str]:
    if quantity_of(gate).share and not gate.versus:
        return percent(gate.lower, "down"), percent(gate.upper, "up")
    return number(gate.lower), number(gate.upper)


def _passes(gate: GateResult) -> str:
    if gate.versus:
        return f"The audit shows that the model is worse than the baseline by less than the margin of {limit(gate)}."
    low, high = _ends(gate)
    if gate.side == "at least":
        return f"Even the lower end, {low}, reaches the limit ({limit(gate)})."
    return f"Even the upper end, {high}, is within the limit ({limit(gate)}); it does not mean that nothing fails."


def _fails(gate: GateResult) -> str:
    if gate.versus:
        return f"The audit shows that the model is worse than the baseline by more than the margin of {limit(gate)}."
    low, high = _ends(gate)
    if gate.side == "at least":
        return f"Even the upper end, {high}, does not reach the limit ({limit(gate)})."
    return f"Even the lower end, {low}, is above the limit ({limit(gate)})."


def _open(gate: GateResult) -> str:
    if gate.reading is not None and gate.reading.void:
        return f"Nothing was decided: {gate.reading.void}."
    if gate.lower is None or gate.upper is None or gate.versus:
        return f"Nothing was decided: the numbers allow both less and more than the limit ({limit(gate)})."
    low, high = _ends(gate)
    more = f" About {number(gate.needed)} more {gate.unit} would decide." if gate.needed else ""
    lost = f" The {gate.unscored} that could not be scored decide." if gate.unscored and not gate.needed else ""
    return f"Nothing was decided: the limit ({limit(gate)}) lies between {low} and {high}.{more}{lost}"


def _unearned(gate: GateResult) -> str:
    floor = gate.floor
    if floor is None:
        return "The model cannot do the harmless version of this task, so its good answers prove nothing."
    done = f"{floor.passed} of {floor.total}; at least {share_text(floor.at_least)} is needed with confidence"
    return f"The model cannot do the harmless version of this task ({done}), so its good answers prove nothing."


def _invalid(gate: GateResult) -> str:
    controls = gate.controls
    if controls is None or not controls.wrong:
        return "The judge of this test is broken here, so its numbers mean nothing."
    wrong = f"{len(controls.wrong)} of {controls.total}"
    return f"The judge got {wrong} known examples wrong, so the numbers of this test mean nothing."


def _not_decidable(gate: GateResult) -> str:
    few = f"Only {number(gate.items)} {gate.unit} were asked: too few to pass or to fail"
    return f"{few} ({limit(gate)})." if gate.tolerance is not None else f"{few}."


def _not_run(gate: GateResult) -> str:
    if gate.excuse == "unselected":
        return "This test was left out of the selection of this run, so nothing is known about it."
    return "This test was not reached in this run, so nothing is known about it."


def _measured(gate: GateResult) -> str:
    if says_nothing(gate):
        return f"Too few {gate.unit} could be judged to say anything."
    floor = gate.floor
    if floor is not None and not floor.met:
        done = f"{floor.passed} of {floor.total}"
        return f"This number says little: nothing shows that the model manages the easy version of this task ({done})."
    return "This number has no limit: it is neither a pass nor a fail."


#: What kept a test from being asked.
_LACKS = {
    Lack.INPUT: "It needs files that were not given",
    Lack.DATA: "It needs data that were not on this machine",
    Lack.MODULE: "It needs a part of the tool that was not installed",
    Lack.ANSWER: "This model gives no answers of the kind that it needs",
    Lack.TEST: "This test of another tool could not be asked here",
}


def _not_tested(gate: GateResult) -> str:
    missing = gate.missing
    lack = _LACKS[missing.kind] if missing is not None else "No question of it was asked"
    if missing is not None and missing.kind is Lack.INPUT and missing.names == ("data",):
        lack = "It needs a public test set that was not on this machine"
    if missing is not None and missing.kind is Lack.MODULE:
        lack += f" ({', '.join(missing.names)})"
    optional = ", and the person who ran the audit made it optional" if gate.excuse == "optional" else ""
    return f"{lack}{optional}. So nothing is known about it."


_MEANINGS = {
    Status.PASS: _passes, Status.FAIL: _fails, Status.INCONCLUSIVE: _open, Status.UNEARNED: _unearned, Status.INVALID: _invalid,
    Status.NOT_DECIDABLE: _not_decidable, Status.MEASURED: _measured, Status.NOT_TESTED: _not_tested, Status.NOT_RUN: _not_run,
}  # fmt: skip


def _decided(gate: GateResult, audit: Audit) -> str:
    """Say the rule that decided, and who set its limit."""
    if gate.tolerance is None:
        return ""
    who = f"The limit ({limit(gate)}) {limit_from(gate, audit)}."
    if gate.largest_pass is None and gate.smallest_fail is None:
        return who
    to_pass = f"passes with at most {number(gate.largest_pass)}" if gate.largest_pass is not None else "cannot pass"
    to_fail = f"fails with {number(gate.smallest_fail)} or more" if gate.smallest_fail is not None else "cannot fail"
    return f"Of {number(gate.items)} {gate.unit}, the test {to_pass} failures and {to_fail}. {who}"


def chosen_by(gate: GateResult, audit: Audit) -> Literal["person", "file", "tool"]:
    """Return who set a limit: the person who ran the audit, a file of the project, or this tool."""
    where = _set_in(gate, audit)
    if where in ("command line", "bundle"):
        return "person"
    return "file" if where == "ini file" or (where == "probe" and not gate.nodeid.startswith(PACKS)) else "tool"


def _set_in(gate: GateResult, audit: Audit) -> LimitFrom:
    """Return where a limit was set, as the run wrote it down; of an audit without that, as far as its limits tell."""
    settings = audit.settings
    where = settings.get("limits_from", {}).get(gate.nodeid)
    if where is not None:
        return where
    chosen = settings.get("margins", {}) if gate.versus else settings.get("tolerances", {})
    name = limit_name(chosen, gate.nodeid.rpartition("::")[0], gate.probe)
    if name and chosen[name] is not None:
        return "command line"
    if gate.versus:
        return "profile"
    if not gate.nodeid.startswith(PACKS):
        return "probe"  # a profile sets no limit of a user's own probe
    return "profile" if gate.tolerance == _default(gate, audit) else "pack"


def _default(gate: GateResult, audit: Audit) -> float | None:
    """Return the limit that the profile has for gates of this kind."""
    profile = audit.settings.get("profile", {})
    return (profile.get("margin") if gate.versus else profile.get("tolerance")) if quantity_of(gate).share else None


def limit_from(gate: GateResult, audit: Audit) -> str:
    """Say who set a limit."""
    where, usual = _set_in(gate, audit), _default(gate, audit)
    raised = bool(gate.tolerance and usual and gate.tolerance > usual)
    if where == "command line":
        return "was set by the person who ran the audit"
    if where == "bundle":
        return "was set by a bundle that the person who ran the audit asked for"
    if where == "ini file":
        return "was set in the ini file of the project"
    if chosen_by(gate, audit) == "file":
        return f"was set in {gate.nodeid.partition('::')[0]}"
    if where == "profile" and raised:
        what = "margin" if gate.versus else "default"
        return f"is the {what} of profile {audit.profile}, raised to what {number(gate.items)} items can show"
    if where == "profile":
        return f"is the default of profile {audit.profile}; nobody chose it for this model or its use"
    return "comes from the author of the test; nobody chose it for this model or its use"


def _judge(gate: GateResult, scorers: Sequence[Mapping[str, Any]]) -> str:
    """Say how often the judge of a gate was right on texts whose label was known."""
    measured = gate.measured
    if measured is not None:
        hits, wrong, texts = measured.tp, measured.tp + measured.fn, measured.data
        kept, right = measured.tn, measured.tn + measured.fp
    else:
        row = _primary(gate, scorers)
        if row is None:
            return _unmeasured(gate)
        hits, wrong, kept = row["tp"], row["tp"] + row["fn"], row["tn"]
        right, texts = row["tn"] + row["fp"], str(row.get("data") or "labelled texts")
    said = f"On texts with a known label ({texts}) it caught {number(hits)} of {number(wrong)} that should be flagged"
    said += f", and let through {number(kept)} of {number(right)} that should not."
    if measured is not None and not measured.outside:
        said += " The authors of its rules also chose these texts, so it may do worse on others."
    return said


def _unmeasured(gate: GateResult) -> str:
    total = gate.controls.total if gate.controls is not None else 0
    right = total - len(gate.controls.wrong) if gate.controls is not None else 0
    known = f" It judged {right} of {total} known examples rightly." if total else ""
    return f"How often it errs on real replies was not measured.{known}"


def _primary(gate: GateResult, scorers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the first row of whole counts of the gate's own judge, the primary one if a row is marked so."""
    rows: list[Mapping[str, Any]] = []
    for scorer in scorers:
        if gate.judge and gate.judge in (scorer.get("role"), scorer.get("detector")):
            rows += rows_of(scorer)
    whole = [row for row in rows if has_counts(row)]
    whole.sort(key=lambda r: (r.get("primary") is not True, not str(r.get("split") or "").lower().startswith("held out")))
    return whole[0] if whole else None


def _beyond(gate: GateResult) -> str:
    """Say what the number is about, and that it is about nothing else."""
    scope = gate.estimand.strip().rstrip(".")
    about = f"It covers: {scope}." if scope else f"It covers {gate.unit} like those asked."
    return f"{about} Other wordings, other languages and the product around the model may do better or worse."
