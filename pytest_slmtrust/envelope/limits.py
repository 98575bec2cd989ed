"""Limits of the envelope as a user writes them: ``memory=600MB``, ``ttft_p95=300ms``, ``decode=20tok/s``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..arguments import unknown
from ..audit.amounts import amount
from ..audit.envelope import KINDS, Limit
from ..authoring.declarations import ProbeError

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


def bar_limits(latencies: Mapping[str, str]) -> tuple[Limit, ...]:
    """Return the limits of registered bars: a latency each, by the node id of the gate whose bar asks it; empty: none.

    They come in the order of these ids, as an audit keeps its bars.

    Raises:
        ProbeError: a latency that is no time.
    """
    return tuple(replace(_limit(f"latency_p95={text}"), task=gate) for gate, text in sorted(latencies.items()) if text)


def _limit(text: str) -> Limit:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ProbeError(f"--slm-limit {text[:60]}: expected NAME=VALUE, such as {_EXAMPLES.get(name, 'memory=600MB')}")
    quantity, share = _named(name)
    kind = KINDS[quantity]
    try:
        number = amount(value, kind.unit, _EXAMPLES[quantity])
    except ValueError as error:
        raise ProbeError(f"--slm-limit {text[:60]}: {error}") from None
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
