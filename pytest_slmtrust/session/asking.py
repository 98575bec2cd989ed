"""In which order a session asks: all at once, watched gates in rounds, and within a budget of time what decides first.

The clock says only what is asked, never how it comes out. An item that was not asked in time counts as one that could not be
judged: as a failure where a gate would PASS, as none where it would FAIL. So a gate that was cut short says nothing that a full
run could take back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..audit.counting import ItemOutcome, item_outcomes
from ..audit.model import Stopped
from ..audit.nodeids import gate_names
from ..audit.notes import OUT_OF_TIME
from ..audit.sections import InTime
from ..authoring.declarations import ProbeError
from ..authoring.probe import Case, stable_order
from ..engine.engine import first_wave
from ..engine.work_estimate import WRITTEN, efforts
from ..gates.early_stop import Watch
from ..requests import Generate
from .session import AuditSession, Suite

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 30 * 24 * 3600.0
#: A round takes about this share of the budget, so that at most so much of it is overrun; the first ones are small.
_ROUND, _FEWEST = 0.1, 8
#: Probes that a line names before it counts the others.
_NAMED = 4


def duration(text: str) -> float:
    """Return the seconds of ``90s``, ``10m`` or ``1.5h``.

    Raises:
        ProbeError: it is not written so, or is 0.
    """
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh])", text.strip(), re.ASCII)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST:
        raise ProbeError(f"--slm-budget is {text.strip()[:40]!r}; expected a time such as 90s, 10m or 1.5h")
    return seconds


@dataclass(slots=True)
class Budget:
    """A budget of seconds from its first use on, by a clock that only goes forward."""

    seconds: float
    text: str = ""
    clock: Callable[[], float] = time.monotonic
    started: float | None = None

    @property
    def left(self) -> float:
        now = self.clock()
        if self.started is None:
            self.started = now
        return self.seconds - (now - self.started)


@dataclass(frozen=True, slots=True)
class Share:
    """One source item of a suite with the cases that it needs; the first one of a suite brings its floor and controls along."""

    suite: Suite
    cases: tuple[Case, ...]
    work: float


@dataclass(slots=True)
class Pace:
    """Seconds a unit of estimated work, from what was answered now and not before."""

    session: AuditSession
    seconds: float = 0.0
    work: float = 0.0

    def ask(self, cases: Sequence[Case], work: float, budget: Budget) -> None:
        ledger, left = self.session.engine.ledger, budget.left
        before = ledger.count()
        self.session.engine.prefetch(cases)
        asked, stored = (now - then for now, then in zip(ledger.count(), before, strict=True))
        if asked:
            self.seconds += max(0.0, left - budget.left)
            self.work += work * asked / (asked + stored)

    def fits(self, shares: Sequence[Share], seconds: float) -> int:
        """Return how many of the shares fit into this time, at least one; few as long as no pace is known."""
        if not self.work or not self.seconds:
            return _FEWEST
        room, n = seconds * self.work / self.seconds, 0
        for share in shares:
            room -= share.work
            if room < 0:
                break
            n += 1
        return max(1, n)


def ask_all_of(session: AuditSession, cases: Sequence[Case], watched: Sequence[Suite], budget: Budget | None = None) -> None:
    """Answer what these cases ask. Gates that are ``watched`` ask theirs in rounds, together, and end as they are decided."""
    rounds = {id(c) for s in watched for c in s.cases}
    others = [c for c in cases if id(c) not in rounds]
    if budget is not None:
        _in_time(session, others, watched, budget)
        return
    session.engine.prefetch(others)
    _watch(session, watched, lambda some: _asked(session, some))


def _asked(session: AuditSession, cases: list[Case]) -> bool:
    session.engine.prefetch(cases)
    return True


def _watch(session: AuditSession, watched: Sequence[Suite], ask: Callable[[list[Case]], bool]) -> None:
    """Ask in rounds until each gate is decided, or until ``ask`` says that there is no time left."""
    watches = {s.gate_id: (s, _over(s)) for s in watched}
    number = 0
    while watches and ask([c for _, w in watches.values() for c in w.round(number)]):
        number += 1
        for gate_id, (suite, watch) in list(watches.items()):
            doubted = suite.gate.doubted(suite.cases, session.grounds(suite))
            stopped = watch.stopped(_outcomes(session, suite, watch, number), doubted)
            if stopped is not None:
                session.stopped[gate_id] = stopped
                del watches[gate_id]
    for suite, watch in watches.values():  # out of time; the bounds of an e-process hold wherever it ends
        asked = tuple(_outcomes(session, suite, watch, number))
        session.late[suite.gate_id] = watch.planned - len(asked)
        if asked:
            session.stopped[suite.gate_id] = Stopped(watch.planned, asked)
        else:
            session.unasked |= {(c.kind, suite.case_id(c)) for c in suite.everything()}


def _outcomes(session: AuditSession, suite: Suite, watch: Watch, rounds: int) -> dict[str, ItemOutcome]:
    asked = [c for r in range(rounds) for c in watch.round(r)]
    return item_outcomes([session.safely(suite, c) for c in asked], decides=True)


def _over(suite: Suite) -> Watch:
    assert suite.gate.tolerance is not None
    return Watch.over(suite.probe.name, suite.gate.tolerance, suite.gate.profile.alpha, suite.cases)


def _in_time(session: AuditSession, cases: Sequence[Case], watched: Sequence[Suite], budget: Budget) -> None:
    """Ask gate after gate, those first that block and take least, so that as many as possible are decided."""
    pace = Pace(session)
    for suite in sorted(watched, key=lambda s: (_work(s.cases), s.gate_id)):
        first = suite.beside()

        def ask(some: list[Case], first: list[Case] = first) -> bool:
            if budget.left <= 0:
                return False
            pace.ask([*first, *some], _work([*first, *some]), budget)
            first.clear()
            return True

        _watch(session, [suite], ask)
    queue = list(shares_of(session, cases))
    while queue and (left := budget.left) > 0:
        n = pace.fits(queue, min(left, max(1.0, _ROUND * budget.seconds)))
        now, queue = queue[:n], queue[n:]
        pace.ask([c for share in now for c in share.cases], sum(share.work for share in now), budget)
    for share in queue:
        session.unasked |= {(c.kind, share.suite.case_id(c)) for c in share.cases}
        session.late[share.suite.gate_id] = session.late.get(share.suite.gate_id, 0) + 1


def shares_of(session: AuditSession, cases: Sequence[Case]) -> Iterator[Share]:
    """Yield the items of these cases in the order in which a budget is spent; within a gate by their hashes."""
    chosen = {id(c) for c in cases}
    gated = {(c.probe.dimension, c.probe.name) for c in cases if c.kind != "case"}
    found = []
    for suite in session.suites.values():
        items: dict[str, list[Case]] = {}
        for case in suite.cases:
            if id(case) in chosen:
                items.setdefault(case.source, []).append(case)
        first = suite.beside() if (suite.probe.dimension, suite.probe.name) in gated and items else []
        shares = []
        for source in stable_order(suite.probe.name, items):
            some = (*first, *items[source])
            shares.append(Share(suite, some, _work(some)))
            first = []
        found.append((not decides(suite), sum(share.work for share in shares), suite.gate_id, shares))
    for *_, shares in sorted(found, key=lambda one: one[:3]):
        yield from shares


def decides(suite: Suite) -> bool:
    """Return whether a suite can make the run red: by its gate, by a comparison, or as ordinary tests."""
    compares = suite.versus is not None and suite.versus.margin is not None
    return suite.gate.decidable or compares or not suite.has_gate


def _work(cases: Sequence[Case]) -> float:
    """Return the work of what cases ask first, if each reply is as long as it may be."""
    requests = {r.key: r for case in cases for r in first_wave(case)}
    return sum(efforts(requests).values()) + WRITTEN * sum(r.max_new_tokens for r in requests.values() if isinstance(r, Generate))


def late_items(session: AuditSession) -> dict[str, InTime]:
    """Return how many of its items each gate asked, where there was no time for all."""
    found = {}
    for suite in session.suites.values():
        late = session.late.get(suite.gate_id, 0)
        if late:
            planned = len({case.source for case in suite.cases})
            found[suite.gate_id] = InTime(asked=planned - late, planned=planned)
    return found


def late_note(late: Mapping[str, InTime], text: str) -> list[str]:
    """Return the line that says first of all what there was no time for."""
    if not late:
        return []
    named = [f"{gate_names(gate_id)[1]} ({one['asked']} of {one['planned']})" for gate_id, one in late.items()]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    what = "1 probe was" if len(named) == 1 else f"{len(named)} probes were"
    return [
        f"{OUT_OF_TIME} (--slm-budget={text}): {what} not asked whole: {', '.join(named[:_NAMED])}{more}; "
        "the same command goes on from the store"
    ]
