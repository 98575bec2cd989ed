"""Limits of the envelope as a user writes them: ``memory=600MB``, ``ttft_p95=300ms``, ``decode=20tok/s``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..audit.envelope import KINDS, Limit
from ..authoring.declarations import ProbeError, unknown

#: What one of each unit is, in the unit in which the quantity is kept.
_UNITS: dict[str, dict[str, float]] = {
    "s": {"us": 1e-6, "ms": 1e-3, "s": 1.0},
    "bytes": {
        "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    },
    "tok/s": {"tok/s": 1.0, "tokens/s": 1.0},
    "J/tok": {"J/tok": 1.0, "mJ/tok": 1e-3, "J/1000tok": 1e-3, "kJ/1000tok": 1.0},
}  # fmt: skip
_VALUE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(\S*)")
_QUANTILE = re.compile(r"([a-z]+)_p([0-9]{1,2}(?:\.[0-9])?)")
#: Examples of limits, for messages.
_EXAMPLES = {
    "memory": "memory=600MB", "size": "size=100MB", "ttft": "ttft_p95=300ms", "latency": "latency_p95=2s",
    "decode": "decode=20tok/s", "energy": "energy=2J/tok",
}  # fmt: skip


def read_limits(given: Sequence[str]) -> tuple[Limit, ...]:
    """Return the limits that options name; each text may hold several, separated by commas.

    Raises:
        ProbeError: one that cannot be used; one line that says what was expected.
    """
    texts = [part.strip() for one in given for part in one.split(",") if part.strip()]
    made = [_limit(text) for text in texts]
    twice = next((one.name for place, one in enumerate(made) if one.name in {o.name for o in made[:place]}), None)
    if twice is not None:
        raise ProbeError(f"--slm-limit: {twice} is limited twice; give one limit of it")
    return tuple(made)


def with_bars(limits: Sequence[Limit], latencies: Sequence[str]) -> tuple[Limit, ...]:
    """Return the limits with the latencies of registered bars; of two on the same quantile the stricter one.

    Raises:
        ProbeError: a latency that is no time.
    """
    made = {one.name: one for one in limits}
    for one in [_limit(f"latency_p95={text}") for text in latencies if text]:
        known = made.get(one.name)
        made[one.name] = one if known is None or one.value < known.value else known
    return tuple(made.values())


def _limit(text: str) -> Limit:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ProbeError(f"--slm-limit {text[:60]}: expected NAME=VALUE, such as {_EXAMPLES.get(name, 'memory=600MB')}")
    quantity, share = _named(name)
    kind = KINDS[quantity]
    found = _VALUE.fullmatch(value)
    units = _UNITS[kind.unit]
    if found is None or found[2] not in units:
        raise ProbeError(
            f"--slm-limit {text[:60]}: expected a number with one of the units {', '.join(units)}, such as {_EXAMPLES[quantity]}"
        )
    number = float(found[1]) * units[found[2]]
    if not 0 < number < math.inf:
        raise ProbeError(f"--slm-limit {text[:60]}: a limit must be above 0 and finite")
    return Limit(name, quantity, share, number)


def _named(name: str) -> tuple[str, float]:
    """Return the quantity and the quantile that a name means."""
    found = _QUANTILE.fullmatch(name)
    quantity = found[1] if found else name
    if quantity not in KINDS:
        raise ProbeError(f"--slm-limit: {unknown('limit', quantity[:40], KINDS)}")
    kind = KINDS[quantity]
    if (found is None) == (kind.share is None):
        example = _EXAMPLES[quantity]
        wanted = f"name its quantile, as in {example}" if found is None else f"it has no quantile: {example}"
        raise ProbeError(f"--slm-limit {name[:40]}: {wanted}")
    if found is None:
        return quantity, kind.share or 0.5
    share = float(found[2]) / 100
    if not 0.5 <= share <= 0.99:
        raise ProbeError(f"--slm-limit {name[:40]}: the quantile must lie between p50 and p99")
    return quantity, share
