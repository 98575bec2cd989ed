"""Where the limits of a run were set: taken from where each was read, never guessed from its number."""

from __future__ import annotations

from collections.abc import Mapping

from ..audit.nodeids import VERSUS, limit_name
from ..audit.sections import LimitFrom
from .session import AuditSession


def limits_from(session: AuditSession, given: Mapping[str, LimitFrom]) -> dict[str, LimitFrom]:
    """Return where the limit of each gate was set. ``given``: what a user named, as ``NAME`` or ``NAME:vs``, and where.

    A limit by hand that nobody gave is that of a bundle.
    """
    made: dict[str, LimitFrom] = {}
    policy = session.policy
    for suite in session.suites.values():
        if suite.gate.tolerance is not None:
            name = limit_name(policy.tolerances, suite.prefix, suite.probe.name)
            made[suite.gate_id] = given.get(name, "bundle") if name else policy.declared(suite.probe)[1]
        if suite.versus is not None and suite.versus.margin is not None:
            name = limit_name(policy.margins, suite.prefix, suite.probe.name)
            made[suite.versus_id] = given.get(f"{name}{VERSUS}", "bundle") if name else "profile"
    return made
