"""What a process of a run sends to the one that writes the audit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..archive.installed import package_sha256
from ..audit.sections import LimitFrom
from ..catalog.registry import Entry, described
from ..session.accepted import asked_of, judged_of
from ..session.asking import late_items
from ..session.bars import bars_of
from ..session.describing import describe_engine
from ..session.live_baseline import describe_baseline
from ..session.origins import limits_from
from ..session.session import AuditSession
from .limits import Limits


def process_payload(
    session: AuditSession, tasks: Sequence[Entry], limits: Limits, outside: Collection[str],
    given: Mapping[str, LimitFrom],
) -> dict[str, Any]:  # fmt: skip
    """Return the description of this process as JSON data.

    ``outside``: node ids of gates outside the user's selection. ``given``: where the user set limits, by their names.
    """
    first = session.first_questions()
    return {
        **describe_engine(session.engine),
        "pending": [asdict(g) for g in session.pending(outside)],
        "baseline": describe_baseline(session.reference),
        "rows": {s.gate_id: s.rows_sha256(first) for s in session.suites.values()},
        "asked": asked_of(session),
        "unasked": late_items(session),
        "limits_from": limits_from(session, given),
        "judged": judged_of(session),
        "probes": package_sha256(),
        "catalogues": described(tasks),
        **limits.payload(),
        "bars": bars_of(session),
    }
