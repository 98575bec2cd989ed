"""The limits of a run and of its bars: the envelope is measured once, before the first wave, by one of its processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from .. import door
from ..audit.envelope import Envelope, Limit
from ..engine.store import Store
from ..envelope.limits import bar_limits
from ..envelope.tasks import Task
from ..requests import BackendError
from ..session.session import AuditSession
from .progress import ProgressLine

#: Beside the store, for as long as the run lasts: one of its processes measures.
_MARK = "envelope-{run}"


class Limits:
    """What a user limits, and what was found of it in this process. ``run``: the name that all processes of a run share."""

    def __init__(self, limits: Sequence[Limit], run: str) -> None:
        self.limits = tuple(limits)
        self.run = run
        self.found: Envelope | None = None
        self.marked = False

    def nodeids(self, session: AuditSession) -> list[str]:
        """Return the names by which a limit can be made optional, those of bars included."""
        return [one.nodeid for one in (*self.limits, *(task.limit for task in tasks_of(session)))]

    def measure(self, session: AuditSession, progress: ProgressLine | None) -> None:
        """Measure the model under audit, if this is the first process of the run that comes here.

        The others wait: none can ask anything while this one holds the store's lock.

        Raises:
            BackendError: the model can answer nothing.
        """
        backend, store, tasks = session.engine.model, session.engine.store, tasks_of(session)
        if not self.limits and not tasks:
            return
        if backend is None:
            raise BackendError("--slm-limit: there is no model to measure")
        from ..envelope.measure import hold, measure

        self.marked = True
        with store.lock():
            if not _first(store, self.run):
                return
            alpha, optional = session.policy.profile.alpha, sorted(session.optional)
            found = measure(
                backend, self.limits, tasks=tasks, alpha=alpha, optional=optional,
                note=(lambda text: progress.note(door.line(text))) if progress is not None else None,
            )  # fmt: skip
        told = tuple(replace(one, lacking=door.line(one.lacking)) for one in found.readings)  # words of a backend
        every = (*self.limits, *(task.limit for task in tasks))
        self.found = hold(replace(found, readings=told), every, alpha, optional)

    def unmeasured(self, session: AuditSession) -> Envelope | None:
        """Return what an audit says where no process came to measure: NOT RUN."""
        limits = (*self.limits, *(task.limit for task in tasks_of(session)))
        self.marked = self.marked or bool(limits)
        if not limits:
            return None
        from ..envelope.measure import unmeasured

        return unmeasured(limits, session.policy.profile.alpha, sorted(session.optional))

    def payload(self) -> dict[str, Any]:
        """Return what this process sends of it."""
        return {"envelope": asdict(self.found)} if self.found is not None else {}

    def forget(self, store: Store) -> None:
        """Take the mark away at the end of a run."""
        if self.marked:
            (store.path.parent / _MARK.format(run=self.run)).unlink(missing_ok=True)


def tasks_of(session: AuditSession) -> tuple[Task, ...]:
    """Return the tasks of a run whose registered bars ask a latency."""
    suites = {s.gate_id: s for s in session.suites.values() if s.probe.bar is not None}
    asked = {gate: s.probe.bar.latency_p95 for gate, s in suites.items() if s.probe.bar is not None}
    return tuple(
        Task(limit, suite.cases, suite.missing.reason if suite.missing else "")
        for limit in bar_limits(asked) for suite in (suites[limit.task],)
    )  # fmt: skip


def _first(store: Store, run: str) -> bool:
    mark = store.path.parent / _MARK.format(run=run)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.open("x").close()
    except FileExistsError:
        return False
    except OSError:  # a folder that cannot be written: each process measures for itself
        return True
    return True
