"""pytest nodes: cases, gates, and files that hold a user's probes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _pytest.skipping import evaluate_skip_marks

from .. import door
from ..audit.model import Finding, GateResult, Status, plain
from ..audit.nodeids import gate_names
from ..audit.verdict import SILENT
from ..authoring.declarations import LimitError, ProbeError
from ..authoring.mistakes import explained
from ..authoring.probe import Case, Probe
from ..escaping import visible
from ..gates.asked_rows import case_name
from ..session.probe_file import NO_PROBE, above_probe, line_of, lost_probe, probe_line
from ..session.session import AuditSession, Suite
from .options import Settings
from .outlet import Unread, failure_text

SESSION = pytest.StashKey[AuditSession]()
SETTINGS = pytest.StashKey[Settings]()
#: Every case item that was made, selected or not.
CASES = pytest.StashKey[list["CaseItem"]]()
#: Node ids of the findings that came with the reports of this process: a plugin may run a test and show nobody its report.
SENT = pytest.StashKey[set[str]]()
#: What is wrong with limits that options set, found as probe files were read.
UNFIT = pytest.StashKey[list[str]]()
#: Attribute of a TestReport that carries a finding or a gate, as JSON text, to whoever builds the audit, also across xdist.
ATTRIBUTE = "slmtrust"
#: Attribute of the report of a failing row that is a test by itself, and that a marker expects to fail.
EXPECTED = "slmtrust_expected"
#: Made once: ``json.dumps`` makes an encoder for each text.
_JSON = json.JSONEncoder(default=plain).encode
RED = {Status.FAIL, Status.INVALID, Status.UNEARNED, Status.INCONCLUSIVE}


class Red(Exception):
    """A case or gate that is red; its text is all that the terminal shows."""


def marked(config: pytest.Config) -> dict[str, str]:
    """Say which cases a marker skips: of all that were made, so that no selection changes what a gate counts."""
    found = {}
    for item in config.stash.get(CASES, []):
        try:
            skip = evaluate_skip_marks(item)
        except (Exception, pytest.fail.Exception) as error:  # a condition that breaks: the case's own set-up says so
            found[item.nodeid] = str(error)
            continue
        if skip is not None:
            found[item.nodeid] = skip.reason
    return found


def arrived(config: pytest.Config, report: pytest.TestReport) -> dict[str, Any] | None:
    """Return what the report of a case or gate brings, and take note of its findings; None if it brings nothing."""
    text = getattr(report, ATTRIBUTE, None)
    if text is None:
        return None
    payload: dict[str, Any] = {**json.loads(text), "expected": getattr(report, EXPECTED, False)}
    found = [payload["finding"]] if "finding" in payload else payload["findings"]
    config.stash.setdefault(SENT, set()).update(one["nodeid"] for one in found)
    return payload


class CaseItem(pytest.Item):
    """One case: replayed from the store."""

    def __init__(self, *, suite: Suite, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.suite, self.case = suite, case
        self.payload = ""
        self.text: str | Unread = ""
        label(self, suite)
        for mark in case.marks:
            self.add_marker(mark)
        self.config.stash.setdefault(CASES, []).append(self)

    @property
    def is_test(self) -> bool:
        """Whether pytest decides over it alone: it has no gate, or ``--slm-strict`` makes each row a test."""
        return not self.suite.has_gate or bool(self.config.stash[SETTINGS].strict)

    def runtest(self) -> None:
        if self.config.stash[SESSION].skipped(self.suite, self.case):
            pytest.skip("its gate was decided before this item was asked (--slm-early-stop)")
        try:
            found = self.config.stash[SESSION].judge(self.suite, self.case)
        except Exception:
            if not self.suite.has_gate:  # a gate counts it by itself; without one the audit would not know
                self._send(self.config.stash[SESSION].safely(self.suite, self.case))
            raise
        self._send(found)
        if found.outcome in ("passed", "measured"):
            return
        if found.outcome != "error" and not self.is_test:
            # the exception, not the helper: --runxfail must turn a finding red, not green
            said = partial(describe, found, self.suite.probe)
            self.text = said() if self.config.getoption("runxfail", True) else Unread(said)
            raise pytest.xfail.Exception(headline(found))
        raise Red(describe(found, self.suite.probe))

    def _send(self, found: Finding) -> None:
        self.payload = _JSON({"finding": found})

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        if excinfo.errisinstance((Red, pytest.xfail.Exception)):
            # pytest would parse our source anew for every finding: 0.2 s each
            return self.text or str(excinfo.value)
        code = self.suite.probe.run.__code__
        own = excinfo.traceback.filter(lambda entry: str(entry.path) == code.co_filename)
        if self.config.get_verbosity() <= 0 and not self.config.getoption("showlocals", False):
            line = own[-1].lineno + 1 if own else code.co_firstlineno
            return f"{Path(code.co_filename).name}:{line} {self.suite.probe.name}: {door.error(explained(excinfo.value))}"
        if not own:  # ours and pytest's frames say nothing to an author
            return f"{self.suite.probe.claim}\n{door.error(excinfo.value)}"
        excinfo.traceback = own
        mask = self.config.stash[SESSION].mask
        if self.config.getoption("showlocals", False) and not mask.reveal:  # pytest cuts them short, and what is cut is not known
            return failure_text(excinfo.getrepr(style="short"))
        return failure_text(super().repr_failure(excinfo, *args, **kwargs))  # a traceback may quote a reply

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, 0, self.nodeid  # pytest wants a line for what a marker skips


class GateItem(pytest.Item):
    """What all rows of a probe say together, whatever was selected; ``versus`` a baseline, or by themselves."""

    def __init__(self, *, suite: Suite, versus: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.suite, self.versus = suite, versus
        self.payload = self.text = ""
        label(self, suite)

    def runtest(self) -> None:
        session = self.config.stash[SESSION]
        theirs: list[Finding] = []
        try:
            if self.versus:
                result, findings, theirs = session.versus_result(self.suite)
            else:
                result, findings = session.gate_result(self.suite)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a gate that cannot be computed is red, whatever broke; a skip is no way out
            raise Red(f"{self.suite.probe.claim}\nthe gate could not be computed: {door.error(error)}") from error
        sent = self.config.stash.get(SENT, set())
        # of cases that were not selected, that another worker ran, or whose report another plugin kept
        own = [one for one in findings if one.nodeid not in sent]
        self.payload = _JSON({"gate": result, "findings": own, "baseline": theirs})
        self._say(result)

    def _say(self, result: GateResult) -> None:
        settings = self.config.stash[SETTINGS]
        text = f"{result.status}: {visible(result.reason)}"
        absent = result.excuse == "optional" or (result.status is Status.NOT_TESTED and not result.blocking)
        if result.status in SILENT and absent and result.dimension not in settings.require:
            pytest.skip(text)
        if result.status is Status.NOT_DECIDABLE:
            pytest.skip(text)
        aside = _aside(result)
        if aside and result.status is not Status.INVALID and result.status in RED:
            self.text = text  # what --runxfail shows
            raise pytest.xfail.Exception(f"{text}; {aside}")
        if result.status is Status.INCONCLUSIVE and settings.inconclusive == "xfail":
            self.text = text
            raise pytest.xfail.Exception(text)
        if result.status in RED:
            raise Red(f"{text}\n{result.claim}")
        if result.status in SILENT:
            name = gate_names(result.nodeid)[1]
            raise Red(f"{text}\n{result.claim}\nTo accept its absence: --slm-optional={name}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        if excinfo.errisinstance((Red, pytest.xfail.Exception)):
            return self.text or visible(str(excinfo.value))
        return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, 0, self.nodeid  # pytest wants a line for what a marker skips


class BuiltIn(pytest.Collector):
    """The built-in audit: cases first, gates after them."""

    suites: list[Suite]

    def collect(self) -> Iterator[pytest.Item]:
        for suite in self.suites:
            for case in suite.cases:
                yield case_item(self, suite, case)
        for suite in self.suites:
            yield gate_item(self, suite)
        for suite in self.suites:
            if suite.versus is not None:
                yield versus_item(self, suite)


def send(item: CaseItem | GateItem, report: pytest.TestReport) -> None:
    """Let the report of a case or gate bring its payload."""
    setattr(report, ATTRIBUTE, item.payload)
    if isinstance(item, CaseItem) and item.is_test and hasattr(report, "wasxfail"):
        setattr(report, EXPECTED, True)


def is_probe_file(path: Path) -> bool:
    """Return whether a file holds a user's probes, by its name."""
    return path.suffix == ".py" and path.name.startswith("probe_")


class ProbeFile(pytest.Module):
    """A ``probe_*.py`` file: its probes become cases and gates."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        session = self.config.stash.get(SESSION, None)
        if session is None:
            return
        suites = self._suites(session)
        for suite in suites:
            for case in suite.cases:
                yield case_item(self, suite, case)
        for suite in suites:
            if suite.has_gate:
                yield gate_item(self, suite)
            if suite.versus is not None:
                yield versus_item(self, suite)
        tests = list(super().collect())
        if not tests and not any(isinstance(one, Probe) for one in vars(self.obj).values()):
            said = f"{self.nodeid}:{NO_PROBE}"
            # no error where a project makes errors of warnings: it may be a helper
            with suppress(pytest.PytestCollectionWarning):
                self.warn(pytest.PytestCollectionWarning(said))
        yield from tests

    def _suites(self, session: AuditSession) -> list[Suite]:
        """Return what the probes of the file add to a session, without those outside its dimensions."""
        found = {id(v): v for v in vars(self.obj).values() if isinstance(v, Probe) and not self._belongs_elsewhere(v)}
        lost = lost_probe(self.path, vars(self.obj))
        if lost:
            raise self.CollectError(f"{self.nodeid}:{lost}")
        scope = self.config.stash[SETTINGS].dimensions
        probes = [p for p in found.values() if not scope or str(p.dimension) in scope]
        for probe in found.values():
            if probe not in probes:
                session.leave_out(probe, self.nodeid)
        return [suite for probe in probes if (suite := self._added(session, probe)) is not None]

    def _added(self, session: AuditSession, probe: Probe) -> Suite | None:
        """Add a probe; None where an option's limit does not fit it, which ends the run after the collection."""
        try:
            return session.add(probe, self.nodeid)
        except LimitError as error:
            self.config.stash.setdefault(UNFIT, []).append(str(error))
            return None
        except ProbeError as error:
            said, placed = str(error), f"{self.path.name}:"
            place = f"{self.nodeid}:" if said.startswith(placed) else f"{self.nodeid}:{probe_line(probe, self.path)}: "
            raise self.CollectError(f"{place}{said.removeprefix(placed)}") from None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """Say what broke as the file was read in one line with its place; ``-v`` shows the traceback."""
        cause = excinfo.value.__cause__ if isinstance(excinfo.value, self.CollectError) else None
        if isinstance(cause, (ImportError, SyntaxError)) and self.config.get_verbosity() <= 0:
            return f"{self.nodeid}:{line_of(cause, self.path)}: {door.error(explained(cause))}"
        own = [entry for entry in excinfo.traceback if str(entry.path) == str(self.path)]
        if not own or self.config.get_verbosity() > 0:
            return super().repr_failure(excinfo, *args, **kwargs)
        line = own[-1].lineno + 1
        return f"{self.nodeid}:{above_probe(self.path, line) or f'{line}: {door.error(explained(excinfo.value))}'}"

    def _belongs_elsewhere(self, probe: Probe) -> bool:
        """Imported from another probe file, which collects it itself; what a helper module made belongs here."""
        home = sys.modules.get(probe.run.__module__)
        return home is not self.obj and is_probe_file(Path(getattr(home, "__file__", None) or ""))


def case_item(parent: pytest.Collector, suite: Suite, case: Case) -> CaseItem:
    """With an explicit node id: with a name alone, ``--lf`` does not know the item again."""
    item: CaseItem = CaseItem.from_parent(parent, name=case_name(case), nodeid=suite.case_id(case), suite=suite, case=case)
    return item


def gate_item(parent: pytest.Collector, suite: Suite) -> GateItem:
    item: GateItem = GateItem.from_parent(parent, name=suite.gate.label, nodeid=suite.gate_id, suite=suite)
    return item


def versus_item(parent: pytest.Collector, suite: Suite) -> GateItem:
    assert suite.versus is not None
    name, nodeid = suite.versus.label, suite.versus_id
    item: GateItem = GateItem.from_parent(parent, name=name, nodeid=nodeid, suite=suite, versus=True)
    return item


def _aside(result: GateResult) -> str:
    """Say why a gate is not red although its status is."""
    if result.waived and result.waiver is not None:
        return visible(f"WAIVED until {result.waiver.expires} by {result.waiver.owner}: {result.waiver.reason}", one_line=True)
    return f"advisory: {result.advisory}" if result.advisory else ""


def label(item: pytest.Item, suite: Suite) -> None:
    """Make ``-m toxicity`` and ``-k insult`` find it."""
    item.add_marker(str(suite.probe.dimension))
    item.extra_keyword_matches.update({suite.probe.name, *suite.probe.tags})


def headline(found: Finding) -> str:
    """Return one line for an xfail reason."""
    reply = found.evidence.get("reply")
    said = f": {_short(reply)!r}" if isinstance(reply, str) else ""
    why = f" ({_short(found.reason)})" if found.reason else ""
    return visible(f"{found.outcome}{why}{said}", one_line=True)


def describe(found: Finding, probe: Probe) -> str:
    """Return what a person sees of a red case: claim, evidence, score, and no traceback."""
    lines = [probe.claim, f"outcome: {found.outcome}" + (f": {found.reason}" if found.reason else "")]
    if found.score is not None:
        lines.append(f"score: {found.score:.4g}")
    lines += [f"{name}: {_short(str(value), 600)}" for name, value in found.evidence.items()]
    return "\n".join(visible(line, one_line=True) for line in lines)  # a reply begins no line: CI reads commands there


def _short(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
