"""Recompute the limits of an envelope from its own draws, and look for limits that were left out."""

from __future__ import annotations

from collections.abc import Iterator

from ..audit.envelope import KINDS, PREFIX, REPLY_TOKENS, Envelope, Limit, LimitResult, decided
from ..audit.model import Audit
from ..authoring.declarations import ProbeError
from ..envelope.limits import bar_limits, read_limits
from ..envelope.tasks import WARM
from .option_text import listed_option
from .sameness import same, short


def envelope_faults(audit: Audit, this_package: bool = False) -> Iterator[str]:
    """Yield what of the envelope does not follow from its draws, or from the options of the run.

    ``this_package``: the audit is of the installed one, so its load is known.
    """
    envelope = audit.envelope
    options = audit.settings.get("options", {})
    bars = audit.settings.get("bars", {})
    try:
        of_bars = bar_limits({gate: bar["latency_p95"] for gate, bar in bars.items()})
    except ProbeError as error:
        yield f"bars: {error}"
        return
    wanted = (*_named(str(options.get("limit", ""))), *of_bars)
    found = {one.nodeid: one for one in envelope.limits} if envelope is not None else {}
    compared = "margin" in audit.settings  # it is about the difference of two models only
    if not audit.incomplete and not compared and "limit" in options and [one.nodeid for one in wanted] != list(found):
        yield f"envelope: the run was asked for limits of {_listed(wanted)}; the audit has {', '.join(found) or 'none'}"
    if envelope is None:
        return
    alpha = audit.settings.get("profile", {}).get("alpha")
    load = (envelope.load.batch, envelope.load.reply_tokens, envelope.load.warm)
    if this_package and load not in ((1, REPLY_TOKENS, WARM), (1, 0, WARM), (1, REPLY_TOKENS, 0)):
        yield "envelope: its load is not the one of this package"
    yield from _readings(envelope)
    limits = {one.nodeid: one for one in wanted}
    optional = [name.strip() for name in str(options.get("optional", "")).split(",")]
    for one in envelope.limits:
        if alpha is not None and one.alpha != alpha:
            yield f"{one.nodeid}: its alpha is {one.alpha:g}, the profile's {alpha:g}"
        yield from _limit(envelope, one, limits.get(one.nodeid), optional)


def _readings(envelope: Envelope) -> Iterator[str]:
    """Yield the quantities that are none, are read twice, or have another unit or number of draws than their kind."""
    names = [(one.quantity, one.task) for one in envelope.readings]
    for one in envelope.readings:
        kind = KINDS.get(one.quantity)
        if (
            kind is None
            or one.unit != kind.unit
            or names.count((one.quantity, one.task)) > 1
            or (len(one.draws) > 1 and not kind.sampled)
        ):
            yield f"envelope: {short(one.quantity)} is no quantity of it, is there twice, or was not read in its unit"
        if one.lacking and one.usable:
            yield f"envelope: {short(one.quantity)} has numbers, and says that it could not be measured"
    if len({one.nodeid for one in envelope.limits}) < len(envelope.limits):
        yield "envelope: a limit is there twice"


def _limit(envelope: Envelope, one: LimitResult, asked: Limit | None, optional: list[str]) -> Iterator[str]:
    if one.quantity not in KINDS or not one.nodeid.startswith(f"{PREFIX}::"):
        yield f"{one.nodeid}: no limit of an envelope has this name"
        return
    limit = Limit(one.name.rpartition(":")[2], one.quantity, one.share, one.limit, one.task)
    if limit.nodeid != one.nodeid:
        yield f"{one.nodeid}: it is not of the gate {short(one.task)}"
    if asked is not None and not same((asked.quantity, asked.share, asked.value), (limit.quantity, limit.share, limit.value)):
        yield f"{one.nodeid}: its limit is not the one that the run was given"
    made = decided(limit, envelope.reading(one.quantity, one.task), one.alpha, optional)
    for name in ("status", "reason", "value", "lower", "upper", "n", "unscored", "needed", "unit", "side", "excuse"):
        if not same(getattr(one, name), getattr(made, name)):
            yield f"{one.nodeid}: {name} is {getattr(one, name)!s:.60}; its draws say {getattr(made, name)!s:.60}"


def _named(text: str) -> tuple[Limit, ...]:
    """Return the limits of the run's option; none if one of them is no limit."""
    try:
        return read_limits(listed_option(text))
    except (ProbeError, ValueError):
        return ()


def _listed(limits: tuple[Limit, ...]) -> str:
    return ", ".join(one.nodeid for one in limits) or "nothing"
