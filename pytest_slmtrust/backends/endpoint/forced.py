"""One token after others in llama.cpp, whose server scores no prompts but says how likely the tokens are that it may write.

It says so in two ways. Before sampling it gives any token that a bias forces, but sums 32-bit floats from the likeliest down, so
that the many unlikely ones are lost and each log-probability is too high, by 1e-4 nats where the distribution is flat. After
sampling it sums in 64 bits, but names the likeliest tokens only. The error before sampling is the same for all tokens of one
place: the likeliest, seen both ways, tells it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .fault import Fault
from .replicas import Replica
from .scored import NONE, Scored
from .wire import Wire

LLAMA = "/completion"
#: A bias above any logit.
_FORCE = 1e6
#: Tokens that are named for one place, the likeliest first.
_NAMED = 40
#: Nats within which two tokens are equally likely, and within which the two ways must agree.
_TIE, _SAME = 1e-6, 0.01
_KEPT = 20_000
#: Computes the whole prompt once more, not its last token alone.
_ANEW = {"cache_prompt": False}
#: Nats by which a log-probability may be above 0 before sampling, where 32-bit sums lose what is unlikely.
_MOST = 1.0
#: More tokens than any vocabulary has.
_ALL = 2**24


@dataclass(slots=True)
class Forced:
    """``exact``: whether the server names tokens after sampling, None before it did or did not; ``whole``: a token that is at
    least one whole character."""

    whole: int = 0
    exact: bool | None = None
    _named: dict[bytes, dict[int, float]] = field(default_factory=dict)

    async def score(self, wire: Wire, only: Replica | None, before: Sequence[int], token: int) -> Scored:
        """Return one token after others.

        Raises:
            Fault: the server does not say.
        """
        named = await self._likeliest(wire, only, before)
        if named is not None and token in named:
            return Scored(named[token], named[token] >= max(named.values()) - _TIE, token)
        forced = None if named is None else await wire.ask(LLAMA, _forcing(before, token), _reader(token), only)
        if forced is None or named is None:
            return await self._of_all(wire, only, before, token)
        if _apart(named, forced) > _SAME:
            # of few bits a last token computed by itself differs from one computed with its prompt: compute both alike
            named = (await wire.ask(LLAMA, _drawing(before) | _ANEW, _named, only))[1]
            forced = await wire.ask(LLAMA, _forcing(before, token) | _ANEW, _reader(token), only)
            if forced is None or _apart(named, forced) > _SAME:
                raise Fault(f"{NONE} that can be believed: one token has two different ones", status=400)
        value, top, best = forced
        return Scored(value + named.get(top, best) - best, top == token or value >= best - _TIE, token)

    async def _likeliest(self, wire: Wire, only: Replica | None, before: Sequence[int]) -> dict[int, float] | None:
        """Return the likeliest tokens after others with their log-probabilities.

        None are named by a server that cannot; None stands for a place where the drawn token is a part of a character.
        """
        if self.exact is False:
            return {}
        key = hashlib.sha256(repr(list(before)).encode()).digest()
        if key not in self._named:
            drawn, found = await wire.ask(LLAMA, _drawing(before), _named, only)
            if not drawn:
                return None
            self.exact = bool(found) if self.exact is None else self.exact
            if self.exact and not found:
                raise Fault(NONE, status=400)
            if len(self._named) >= _KEPT:
                self._named.clear()
            self._named[key] = found
        return self._named[key]

    async def _of_all(self, wire: Wire, only: Replica | None, before: Sequence[int], token: int) -> Scored:
        """Return a token that is a part of a character, which the server never shows by itself: out of the whole vocabulary."""
        found = await wire.ask(LLAMA, _forcing(before, self.whole, named=_ALL), _every, only)
        if token not in found:
            raise Fault(NONE, status=400)
        lost = math.log(math.fsum(map(math.exp, found.values())))
        return Scored(found[token] - lost, found[token] >= max(found.values()) - _TIE, token)


def _apart(named: Mapping[int, float], forced: tuple[float, int, float]) -> float:
    """Return by how much the two ways differ on the likeliest token, in nats; 0 where only one names it."""
    _, top, best = forced
    return abs(named.get(top, best) - best)


def _forcing(before: Sequence[int], token: int, named: int = 1) -> dict[str, Any]:
    body = {"prompt": list(before), "n_predict": 1, "n_probs": named, "temperature": 0.0, "logit_bias": [[token, _FORCE]]}
    return body | {"cache_prompt": True, "post_sampling_probs": False, "stream": False}


def _drawing(before: Sequence[int]) -> dict[str, Any]:
    body = {"prompt": list(before), "n_predict": 1, "n_probs": _NAMED, "temperature": 1.0, "samplers": ["temperature"]}
    return body | {"seed": 1, "cache_prompt": True, "post_sampling_probs": True, "stream": False}


def _entry(data: Any) -> dict[str, Any] | None:
    """Return what is said of the one token; None if that is a part of a character, of which the server says nothing.

    Raises:
        Fault: a reply of another form.
    """
    if not isinstance(data, dict) or not isinstance(data.get("content"), str):
        raise Fault(NONE, status=400)
    found = data.get("completion_probabilities")
    if not found:
        return None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise Fault(NONE, status=400)
    return found[0]


def _reader(token: int) -> Callable[[Any], tuple[float, int, float] | None]:
    def read(data: Any) -> tuple[float, int, float] | None:
        entry = _entry(data)
        if entry is None:
            return None
        try:
            top, value = entry["top_logprobs"][0], float(entry["logprob"])
            if entry["id"] != token:
                raise ValueError("another token than the one that was forced")
            return value, int(top["id"]), float(top["logprob"])
        except (ArithmeticError, LookupError, TypeError, ValueError):
            raise Fault(NONE, status=400) from None

    return read


def _every(data: Any) -> dict[int, float]:
    try:
        found = {int(one["id"]): float(one["logprob"]) for one in (_entry(data) or {})["top_logprobs"]}
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise Fault(NONE, status=400) from None
    if not any(math.isfinite(value) for value in found.values()) or not all(value <= _MOST for value in found.values()):
        raise Fault(NONE, status=400)
    return found


def _named(data: Any) -> tuple[bool, dict[int, float]]:
    """Read whether a token is shown, and the likeliest ones; none from a server that does not know how to name them."""
    entry = _entry(data)
    try:
        shares = {int(one["id"]): float(one["prob"]) for one in (entry or {})["top_probs"]}
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return entry is not None, {}
    usable = all(0.0 <= share <= 1.0 for share in shares.values()) and math.fsum(shares.values()) < 1.001
    return True, {token: math.log(share) for token, share in shares.items() if share > 0.0} if usable else {}
