"""The envelope as a reader sees it: the load in a sentence, a row for each limit, and the noise of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..audit.envelope import KINDS, Envelope, EnvelopeReading, LimitResult, Load, shown
from ..audit.nodeids import gate_names
from ..audit.status import Status


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of the table: texts, and the status where there is a limit."""

    name: str
    title: str
    status: Status | None
    limit: str
    value: str
    bounds: str
    draws: str
    reason: str


def load_text(load: Load) -> str:
    """Say under which load everything was measured, and on which device."""
    tokens = f"{load.prompt_tokens}" if load.prompt_tokens else "about 128"
    asked = f"one request at a time, prompt of {tokens} tokens, reply of {load.reply_tokens}"
    return f"{asked}, after {load.warm} replies to warm up; {load.device}"


def load_lines(envelope: Envelope) -> list[str]:
    """Say under which loads everything was measured: that of the envelope with the device, then a line for each task."""
    load, tasks = envelope.load, [one for one in envelope.readings if one.task]
    if len(tasks) < len(envelope.readings) or not tasks:
        head = load_text(load)
    else:
        head = f"one text at a time, as each task asks for its label; {load.device}"
    return [head, *(f"{gate_names(one.task)[1]}: {one.of}" for one in tasks if one.of)]


def limit_rows(envelope: Envelope) -> list[LimitRow]:
    """Return a row for each limit, then one for each quantity that was measured without one."""
    limited = {(one.quantity, one.task) for one in envelope.limits}
    free = [one for one in envelope.readings if (one.quantity, one.task) not in limited]
    return [*(_row(one, envelope.reading(one.quantity, one.task)) for one in envelope.limits), *map(_free, free)]


def noise_lines(envelope: Envelope) -> list[str]:
    """Say of each sampled quantity how far its draws lie apart, and whether the machine changed meanwhile."""
    return [line for line in map(_noise, envelope.readings) if line]


def _row(one: LimitResult, reading: EnvelopeReading | None) -> LimitRow:
    sampled = one.n > 0
    title = "time from a text to its label" if one.task else KINDS[one.quantity].title
    measured = reading.of if one.task and reading is not None else ""
    # the numbers of a task have columns of the table; where there is none, the reason says why
    reason = measured if measured and one.value is not None else "; ".join(filter(None, (one.reason, measured)))
    ends = f"{shown(one.lower, one.unit)} – {shown(one.upper, one.unit)}" if sampled else "–"
    return LimitRow(
        one.name, title, one.status, f"{one.side} {shown(one.limit, one.unit)}",
        shown(one.value, one.unit) if one.value is not None else "–", ends,
        f"{one.n}" if sampled else "read once" if one.value is not None else "–", reason,
    )  # fmt: skip


def _free(reading: EnvelopeReading) -> LimitRow:
    kind = KINDS[reading.quantity]
    value = shown(reading.middle, reading.unit) if reading.usable else "–"
    draws = f"{len(reading.draws)}" if kind.sampled else "read once"
    title = f"median {kind.title}" if kind.sampled and not kind.title.startswith("median") else kind.title
    return LimitRow(
        reading.quantity, title, None, "–", value, "–", draws if reading.usable else "–", reading.lacking or reading.of
    )


def _noise(reading: EnvelopeReading) -> str:
    middle, spread, halves = reading.middle, reading.spread, reading.halves
    if not KINDS[reading.quantity].sampled or middle is None or spread is None:
        return ""
    named = f"{gate_names(reading.task)[1]}:{reading.quantity}" if reading.task else reading.quantity
    line = f"{named}: median {shown(middle, reading.unit)}, median absolute deviation {shown(spread, reading.unit)}"
    if halves is not None:
        line += f"; first half {shown(halves[0], reading.unit)}, second half {shown(halves[1], reading.unit)}"
    return line
