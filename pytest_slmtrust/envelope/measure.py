"""Measure a model's envelope: before anything else is asked, one request at a time, never from a store."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from statistics import median
from typing import Any

from ..audit.envelope import KINDS, REPLY_TOKENS, Envelope, EnvelopeReading, Limit, Load, decided, fewest
from ..escaping import said
from ..requests import Backend, BackendError
from .load import Asker, Draw
from .meters import Meters, Value, device_name, no_energy, size_of
from .tasks import WARM, Task, measure_task, untimed

#: Seconds of the draws that are asked for; a limit may need more.
SECONDS = 60.0
#: Draws where no limit needs a number of them: at least, and at most.
_FEW, _MANY = 10, 300
_OF = {
    "ttft": "from the request to the first token",
    "latency": "from the request to the end of the reply",
    "decode": "tokens a second after the first token of each reply; the median over replies",
    "energy": "joules of the processor's packages for each token of a reply, with its prompt; the median over replies",
}
_RATES = {
    "ttft": lambda draw: draw.first, "latency": lambda draw: draw.whole,
    "decode": lambda draw: draw.rate, "energy": lambda draw: draw.energy,
}  # fmt: skip


def measure(
    backend: Backend, limits: Sequence[Limit] = (), *, wanted: Collection[str] = (), tasks: Sequence[Task] = (),
    alpha: float = 0.05, optional: Sequence[str] = (), meters: Meters | None = None, seconds: float = SECONDS,
    note: Callable[[str], None] | None = None,
) -> Envelope:  # fmt: skip
    """Return the envelope of a model: the quantities of the limits, those that are ``wanted`` besides, and the latency of each
    task under its own requests.

    The number of draws is fixed before the first one counts, so that no result can change it. ``seconds``: how long the draws
    may take, where the limits need no more of them.

    Raises:
        BackendError: the backend can answer nothing.
    """
    meters = meters or Meters()
    started = meters.clock()
    names = [name for name in KINDS if name in wanted or any(one.quantity == name for one in limits)]
    tokens, readings = _under_load(backend, names, limits, alpha, seconds, meters, note) if names else (0, [])
    for task in tasks:

        def number(each: float, limit: Limit = task.limit) -> int:
            return _number([limit], alpha, seconds / len(tasks) / max(each, 1e-9))

        readings.append(measure_task(backend, task, meters.clock, number, note))
    where, took = device_name(backend.describe(), meters), round(meters.clock() - started, 3)
    load = Load(where, 1, tokens, REPLY_TOKENS if names else 0, WARM, took)
    return hold(Envelope(load, tuple(readings)), (*limits, *(task.limit for task in tasks)), alpha, optional)


def _under_load(
    backend: Backend, names: Sequence[str], limits: Sequence[Limit], alpha: float, seconds: float, meters: Meters,
    note: Callable[[str], None] | None,
) -> tuple[int, list[EnvelopeReading]]:  # fmt: skip
    """Return the tokens of a prompt of the load, 0 where the backend counts none, and a reading of each quantity."""
    why_not = no_energy(backend.describe(), meters) if "energy" in names else ""
    timed = [name for name in names if KINDS[name].sampled and not (name == "energy" and why_not)]
    first, whole = bool({"ttft", "decode"} & set(timed)), bool({"latency", "decode", "energy"} & set(timed)) or not timed
    no_time = untimed(backend)
    asker = Asker(backend, meters, first, whole, energy="energy" in timed)
    warm, per = ([Draw(said=no_time)], 0.0) if no_time else _warmed(asker, meters)
    n = _number(limits, alpha, seconds / max(per, 1e-9)) if timed and any(map(_told, warm)) else 0
    if note and n:
        note(f"measuring the envelope: {n} replies, about {n * per:.0f} s")
    asker.counts.clear()
    draws = [asker.draw(number) for number in range(WARM, WARM + n)]
    about = backend.describe()
    readings = [_sampled(name, draws, warm, why_not) if KINDS[name].sampled else _read(name, backend, about, meters)
                for name in names]  # fmt: skip
    return round(median(asker.counts)) if asker.counts else 0, readings


def hold(envelope: Envelope, limits: Sequence[Limit], alpha: float, optional: Sequence[str] = ()) -> Envelope:
    """Return the envelope with its limits decided."""
    found = tuple(decided(one, envelope.reading(one.quantity, one.task), alpha, optional) for one in limits)
    return Envelope(envelope.load, envelope.readings, found)


def unmeasured(limits: Sequence[Limit], alpha: float, optional: Sequence[str] = ()) -> Envelope:
    """Return the envelope of a run that did not come to measure it: its limits are NOT RUN."""
    return hold(Envelope(Load("not measured"), ()), limits, alpha, optional)


def _told(draw: Draw) -> bool:
    """Return whether a reply gave a number at all: a model that gives none is not asked on."""
    return any(one is not None for one in (draw.first, draw.whole, draw.rate, draw.energy))


def _warmed(asker: Asker, meters: Meters) -> tuple[list[Draw], float]:
    """Return the replies that do not count, and the seconds that one takes."""
    asker.fit()
    warm, times = [], []
    for number in range(WARM):
        started = meters.clock()
        warm.append(asker.draw(number))
        times.append(meters.clock() - started)
    return warm, median(times)


def _number(limits: Sequence[Limit], alpha: float, fits: float) -> int:
    """Return how many draws to take: as many as fit the time, where one more of them could be beyond a limit; never too few."""
    from ..stats import quantile_draws

    sampled = [one for one in limits if one.kind.sampled]
    if not sampled:
        return int(max(_FEW, min(_MANY, fits)))
    strictest = max(sampled, key=lambda one: fewest(one, alpha))
    share = max(strictest.share, 1 - strictest.share)
    ladder = [n for beyond in range(16) if (n := quantile_draws(share, alpha, beyond)) <= max(_MANY, fewest(strictest, alpha))]
    return max(_FEW, max((n for n in ladder if n <= fits), default=ladder[0]))


def _sampled(name: str, draws: Sequence[Draw], warm: Sequence[Draw], why_not: str) -> EnvelopeReading:
    kind, numbers = KINDS[name], tuple(_usable(_RATES[name](draw)) for draw in draws)
    if name == "energy" and why_not:
        return EnvelopeReading(name, kind.unit, _OF[name], lacking=why_not)
    if any(one is not None for one in numbers):
        return EnvelopeReading(name, kind.unit, _OF[name], numbers)
    why = next((draw.said for draw in (*draws, *warm) if draw.said), "no reply could be timed")
    return EnvelopeReading(name, kind.unit, _OF[name], lacking=why)


def _usable(number: Any) -> float | None:
    """Return a number that can be; a backend may tell times of its own."""
    plain = isinstance(number, (int, float)) and not isinstance(number, bool)
    return float(number) if plain and math.isfinite(number) and number >= 0 else None


def _read(name: str, backend: Backend, about: Any, meters: Meters) -> EnvelopeReading:
    try:
        value = size_of(backend) if name == "size" else meters.memory(backend, about)
    except BackendError:
        raise
    except Exception as error:  # a backend's own method
        value = Value(None, lacking=said(error))
    kind = KINDS[name]
    if not _usable(value.number):  # 0 where nobody counted
        return EnvelopeReading(name, kind.unit, lacking=value.lacking or "nothing was counted")
    return EnvelopeReading(name, kind.unit, value.of, (_usable(value.number),))
