"""The limits of a run: the envelope is measured once, before the first wave, by one of its processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .. import door
from ..audit.envelope import PREFIX, Envelope, Limit
from ..engine.store import Store
from ..envelope.limits import with_bars
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

    @property
    def nodeids(self) -> list[str]:
        """The names by which a limit can be made optional."""
        return [f"{PREFIX}::{one.name}" for one in self.limits]

    def measure(self, session: AuditSession, progress: ProgressLine | None) -> None:
        """Measure the model under audit, if this is the first process of the run that comes here.

        The others wait: none can ask anything while this one holds the store's lock.

        Raises:
            BackendError: the model can answer nothing.
        """
        self.limits = with_bars(self.limits, [s.probe.bar.latency_p95 for s in session.suites.values() if s.probe.bar])
        backend, store = session.engine.model, session.engine.store
        if not self.limits:
            return
        if backend is None:
            raise BackendError("--slm-limit: there is no model to measure")
        from ..envelope.measure import measure

        with store.lock():
            if not _first(store, self.run):
                return
            self.found = measure(
                backend, self.limits, alpha=session.policy.profile.alpha, optional=sorted(session.optional),
                note=(lambda text: progress.note(door.line(text))) if progress is not None else None,
            )  # fmt: skip

    def unmeasured(self, session: AuditSession) -> Envelope | None:
        """Return what an audit says where no process came to measure: NOT RUN."""
        self.limits = with_bars(self.limits, [s.probe.bar.latency_p95 for s in session.suites.values() if s.probe.bar])
        if not self.limits:
            return None
        from ..envelope.measure import unmeasured

        return unmeasured(self.limits, session.policy.profile.alpha, sorted(session.optional))

    def payload(self) -> dict[str, Any]:
        """Return what this process sends of it."""
        return {"envelope": asdict(self.found)} if self.found is not None else {}

    def forget(self, store: Store) -> None:
        """Take the mark away at the end of a run."""
        if self.limits:
            (store.path.parent / _MARK.format(run=self.run)).unlink(missing_ok=True)


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
