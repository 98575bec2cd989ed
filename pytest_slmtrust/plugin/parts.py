"""Runs that do one part of the work: they ask, or write down what is to be asked, and decide nothing.

Such a run collects the tests and runs none. Its audit is INCOMPLETE, and its exit status is :data:`DONE`: neither green nor a
failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .. import door
from ..authoring.declarations import ProbeError
from ..authoring.probe import Case
from ..engine.store import store_key
from ..escaping import said
from ..requests import BackendError
from ..session.live_baseline import Live
from ..session.session import AuditSession
from ..session.shards import Shard, read_shard
from .options import Settings

if TYPE_CHECKING:
    from .options import Given

#: Exit status of a run that did its part of the work. pytest's own end at 5.
DONE = 6


@dataclass(slots=True)
class Part:
    """One part of an audit's work: the cases of a shard, or the open requests of a batch, written to ``batch``.

    ``title``: what of the audit it is; ``said``: what came of it, in one line that is safe to print.
    """

    shard: Shard | None
    batch: Given | None
    folder: Path
    said: str = ""

    @property
    def title(self) -> str:
        return f"shard {self.shard}" if self.shard else "open requests of a batch"

    def ask(self, session: AuditSession, cases: Sequence[Case], baseline: Sequence[Case] = ()) -> None:
        """Ask this part of the cases. ``baseline``: those that the model of ``--slm-vs`` is asked, too.

        Raises:
            BackendError: nothing can be asked, or the open requests cannot be written.
        """
        mine = self.shard.of(cases) if self.shard else list(cases)
        session.engine.prefetch(mine)
        if isinstance(session.reference, Live) and baseline:
            session.reference.session.engine.prefetch(self.shard.of(baseline) if self.shard else baseline)
        self.said = self._of_shard(session, len(mine), len(cases)) if self.shard else self._of_batch(session)

    def _of_shard(self, session: AuditSession, mine: int, every: int) -> str:
        failed = session.engine.counters.failed
        left = f", {failed} requests failed (asked again later, unless the model cannot take their texts)" if failed else ""
        return (
            f"shard {self.shard}: {mine} of {every} cases were asked{left}; slmtrust merge joins the stores, "
            "then the same command without --slm-shard makes the audit"
        )

    def _of_batch(self, session: AuditSession) -> str:
        from ..backends.batch.files import write_open

        assert self.batch is not None
        backend: Any = session.engine.model
        wanted = {store_key(backend.fingerprint, key): request for key, request in backend.open.items()}
        try:
            files = write_open(self.batch.path, self.folder, backend.dialect, wanted)
        except (OSError, ValueError) as error:
            raise BackendError(f"--slm-batch {self.batch}: cannot be written ({said(error)})") from None
        if not wanted:
            return "no request is open: the same command without --slm-batch makes the audit"
        named = ", ".join(f"{path.name} ({n})" for path, n in files.items())
        return door.line(f"{len(wanted)} open requests of this wave written: {named}; slmtrust batch read takes the answers")


def part_of(config: pytest.Config, settings: Settings, folder: Path) -> Part | None:
    """Return the part that a run does; None for a whole one. ``folder``: that of the store.

    Raises:
        ProbeError: not a shard, or options that do not go together.
    """
    named = [f"--slm-{name}" for name in ("shard", "batch") if getattr(settings, name)]
    if not named:
        return None
    if len(named) > 1:
        raise ProbeError(f"use only one of {' and '.join(named)}")
    beside = [flag for flag, given in (
        ("--slm-budget", settings.budget), ("--slm-update-lock", settings.update_lock), ("--slm-plan", settings.plan),
    ) if given]  # fmt: skip
    if beside:
        raise ProbeError(f"{named[0]} asks one part of an audit and decides nothing: leave out {beside[0]}")
    if hasattr(config, "workerinput") or config.getoption("dist", "no") != "no":
        raise ProbeError(f"{named[0]} runs in one process: leave out -n")
    shard = read_shard(settings.shard) if settings.shard else None
    return Part(shard, settings.batch or None, folder)


def check_batch(part: Part | None, model: object) -> None:
    """Refuse a batch of a model that is asked directly.

    Raises:
        ProbeError: it is no model behind a batch.
    """
    if part is None or not part.batch:
        return
    from ..backends.batch.backend import BatchBackend

    if not isinstance(getattr(model, "_inner", model), BatchBackend):
        raise ProbeError("--slm-batch writes the requests for a model that is asked by batches: name it, as in --slm=batch:MODEL")
