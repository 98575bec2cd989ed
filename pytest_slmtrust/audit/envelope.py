"""The resource envelope of a model: what it took under a stated load, and the limits that a user sets to it.

A sampled reading is a list of draws, from which every bound can be recomputed. Its bounds are order statistics, so nothing is
assumed of how times are distributed. Size and memory are read once: they have no bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Annotated, Literal

from .fields import Count, Level, Name, Share, Side, Size, about
from .nodeids import gate_key
from .status import Status

AT_MOST, AT_LEAST = "at most", "at least"
#: Of the load: tokens of a prompt and of a reply, one request at a time.
PROMPT_TOKENS, REPLY_TOKENS = 128, 64
#: Where a limit's node id begins.
PREFIX = "envelope"


@dataclass(frozen=True, slots=True)
class Kind:
    """A quantity of the envelope: its ``unit``, which side of a limit is good, and whether it is sampled or read once.

    ``share``: the quantile that is bounded; None: the limit names it, as in ``ttft_p95``.
    """

    title: str
    unit: str
    side: str
    sampled: bool
    share: float | None = 0.5


KINDS = {
    "ttft": Kind("time to the first token", "s", AT_MOST, True, None),
    "latency": Kind("time to the end of a reply", "s", AT_MOST, True, None),
    "decode": Kind("median decode rate", "tok/s", AT_LEAST, True),
    "energy": Kind("median energy", "J/tok", AT_MOST, True),
    "memory": Kind("peak memory", "bytes", AT_MOST, False),
    "size": Kind("size of the files", "bytes", AT_MOST, False),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a user, in the unit of its quantity. ``share``: the quantile that it holds; 0.5 for a median.

    ``task``: the node id of the gate whose bar asks it, which is measured with the requests of that probe; empty: a limit of
    ``--slm-limit``.
    """

    name: str
    quantity: str
    share: float
    value: float
    task: str = ""

    @property
    def nodeid(self) -> str:
        """Return its name among those of gates, such as ``envelope::ttft_p95``."""
        return f"{PREFIX}::{gate_key(self.task)}:{self.name}" if self.task else f"{PREFIX}::{self.name}"

    @property
    def kind(self) -> Kind:
        return KINDS[self.quantity]


@dataclass(frozen=True, slots=True)
class Load:
    """The load under which everything was measured, and where."""

    device: Annotated[str, about("The processor or device, with threads; of a server its host.")]
    batch: Annotated[int, about("Requests at a time.")] = 1
    prompt_tokens: Annotated[Count, about("Tokens of a prompt, as the model counts them; 0 where it tells none.")] = 0
    reply_tokens: Annotated[Count, about("Tokens of a reply.")] = REPLY_TOKENS
    warm: Annotated[Count, about("Replies before the first that counts.")] = 0
    seconds: Annotated[Size, about("What all of it took.")] = 0.0


@dataclass(frozen=True, slots=True)
class EnvelopeReading:
    """One quantity as it was measured: its draws in their order (null: no usable reply), or one value.

    ``of`` says what was measured; ``lacking`` why nothing was.
    """

    quantity: Annotated[Name, about("ttft, latency, decode, energy, memory or size.")]
    unit: Annotated[Name, about("s, tok/s, J/tok or bytes.")]
    of: Annotated[str, about("What was measured, in words.")] = ""
    draws: Annotated[tuple[Size | None, ...], about("In their order; null where a reply was too short or failed.")] = ()
    lacking: Annotated[str, about("Why it could not be measured.")] = ""
    task: Annotated[str, about("The gate whose probe's own requests were the load; empty: the load of the envelope.")] = ""

    @property
    def usable(self) -> list[float]:
        """The draws that have a number."""
        return [one for one in self.draws if one is not None]

    @property
    def middle(self) -> float | None:
        """The median of the draws."""
        return median(self.usable) if self.usable else None

    @property
    def spread(self) -> float | None:
        """The median absolute deviation of the draws: the noise of the machine, if the model's work is always the same."""
        middle = self.middle
        return None if middle is None else median(abs(one - middle) for one in self.usable)

    @property
    def halves(self) -> tuple[float, float] | None:
        """The medians of the first and the second half: apart where the machine changed meanwhile. None below four draws."""
        own = self.usable
        return (median(own[: len(own) // 2]), median(own[len(own) // 2 :])) if len(own) >= 4 else None


@dataclass(frozen=True, slots=True)
class LimitResult:
    """What was found of one limit. Each bound holds at ``1 - alpha``; draws without a number count against a PASS and a FAIL.

    ``excuse``: the user made it optional by name. It always blocks: the user set it.
    """

    nodeid: Annotated[Name, about("Its name, after envelope::.")]
    quantity: Annotated[Name, about("The quantity.")]
    share: Annotated[Share, about("The quantile that is held: 0.5 for a median; of a value that is read it says nothing.")]
    limit: Annotated[Size, about("In the unit of the quantity.")]
    unit: Annotated[Name, about("s, tok/s, J/tok or bytes.")]
    side: Side
    status: Status
    reason: Annotated[str, about("The status in a sentence.")]
    value: Annotated[Size | None, about("The quantile of the draws, or the value that was read.")] = None
    lower: Annotated[Size | None, about("One-sided lower bound.")] = None
    upper: Annotated[Size | None, about("One-sided upper bound; null where the draws are too few.")] = None
    n: Annotated[Count, about("Draws; 0 for a value that was read.")] = 0
    unscored: Annotated[Count, about("Draws without a number.")] = 0
    needed: Annotated[Count | None, about("The fewest draws that can decide.")] = None
    alpha: Annotated[Level, about("The bounds hold at 1 - alpha.")] = 0.05
    excuse: Annotated[Literal["", "optional"], about("Why a limit without a result does not count.")] = ""
    task: Annotated[str, about("The gate whose bar asks it; empty: a limit of --slm-limit.")] = ""

    @property
    def name(self) -> str:
        return self.nodeid.rpartition("::")[2]

    # what the verdict asks of every gate
    @property
    def blocking(self) -> bool:
        return True

    @property
    def waived(self) -> bool:
        return False

    @property
    def advisory(self) -> str:
        return ""

    @property
    def dimension(self) -> str:
        return ""

    @property
    def promised_nothing(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of one run: the load, what was measured, and the limits. Measured in this run, never taken from a store."""

    load: Load
    readings: tuple[EnvelopeReading, ...]
    limits: tuple[LimitResult, ...] = ()

    def reading(self, quantity: str, task: str = "") -> EnvelopeReading | None:
        """Return a quantity's reading under the load of the envelope, or of a ``task``."""
        return next((one for one in self.readings if (one.quantity, one.task) == (quantity, task)), None)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A quantile of draws with its one-sided bounds; None where there are too few draws for it."""

    value: float | None
    lower: float | None
    upper: float | None


def bounded(draws: Sequence[float | None], share: float, alpha: float) -> Bounded:
    """Return the quantile ``share`` of the draws; one without a number may be anything, from 0 to infinity."""
    from ..stats import quantile_ranks

    known, lost = sorted(one for one in draws if one is not None), sum(one is None for one in draws)
    low, high = quantile_ranks(len(draws), share, alpha) if draws else (None, None)
    rank = max(1, math.ceil(share * len(known))) if known else 0
    lower = 0.0 if low is not None and low <= lost else known[low - lost - 1] if low is not None else None
    upper = known[high - 1] if high is not None and high <= len(known) else None
    return Bounded(known[rank - 1] if rank else None, lower, upper)


def decided(limit: Limit, reading: EnvelopeReading | None, alpha: float, optional: Sequence[str] = ()) -> LimitResult:
    """Hold a reading to a limit: PASS and FAIL where a bound shows it, else INCONCLUSIVE; NOT TESTED where nothing was read."""
    kind, nodeid = limit.kind, limit.nodeid
    blank = LimitResult(nodeid, limit.quantity, limit.share, limit.value, kind.unit, kind.side, Status.NOT_RUN,
                        "it was not measured", alpha=alpha, task=limit.task)  # fmt: skip
    if reading is None or not reading.draws:
        excuse: Literal["", "optional"] = "optional" if {blank.name, nodeid} & set(optional) else ""
        if reading is None:
            return replace(blank, excuse=excuse)
        return replace(blank, status=Status.NOT_TESTED, reason=reading.lacking or "nothing was measured", excuse=excuse)
    if not kind.sampled:
        value = reading.draws[0]
        status = Status.PASS if value is not None and value <= limit.value else Status.FAIL
        return replace(blank, status=status, reason=f"{shown(value, kind.unit)}, {reading.of}", value=value)
    seen = bounded(reading.draws, limit.share, alpha)
    lost = sum(one is None for one in reading.draws)
    return replace(
        blank, status=_status(kind.side, limit.value, seen), value=seen.value, lower=seen.lower, upper=seen.upper,
        reason=_sentence(limit, seen, len(reading.draws), lost, alpha), n=len(reading.draws), unscored=lost,
        needed=fewest(limit, alpha),
    )  # fmt: skip


def fewest(limit: Limit, alpha: float) -> int:
    """Return the fewest draws that can show that a limit is kept."""
    from ..stats import quantile_draws

    share = limit.share if limit.kind.side == AT_MOST else 1 - limit.share
    return quantile_draws(share, alpha)


def _status(side: str, limit: float, seen: Bounded) -> Status:
    low, high = seen.lower, seen.upper
    if side == AT_MOST:
        kept, broken = high is not None and high <= limit, low is not None and low > limit
    else:
        kept, broken = low is not None and low >= limit, high is not None and high < limit
    return Status.PASS if kept else Status.FAIL if broken else Status.INCONCLUSIVE


def _sentence(limit: Limit, seen: Bounded, n: int, lost: int, alpha: float) -> str:
    unit, side = limit.kind.unit, limit.kind.side
    ends = f"between {shown(seen.lower, unit)} and {shown(seen.upper, unit)}, each end {100 * (1 - alpha):.3g} % sure"
    draws = f"{n} draws" + (f", {lost} without a number" if lost else "")
    few = f"; {fewest(limit, alpha)} draws are needed to decide" if n < fewest(limit, alpha) else ""
    return f"{shown(seen.value, unit)}, {ends}; {draws}; {side} {shown(limit.value, unit)} is required{few}"


def shown(value: float | None, unit: str) -> str:
    """Write a number of the envelope for people: ``212 ms``, ``539 MB``, ``24.1 tok/s``."""
    if value is None:
        return "no bound"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    if unit == "bytes":
        name, scale = next(((n, s) for n, s in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if value >= s), ("bytes", 1.0))
        return f"{value / scale:.4g} {name}"
    return f"{value:.3g} {unit}"
