"""Stopping early without paying for peeking: e-processes of one rate, by betting.

A bettor starts with 1 and stakes on each item that the rate is better (or worse) than the tolerance. If it is not, the capital is
a nonnegative supermartingale, so it ever reaches ``1 / alpha`` with probability at most ``alpha`` (Ville 1939), whenever one
looks. Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (2010.09686):
``K_t = prod(1 + lambda_t * (m_t - x_t))`` with ``lambda_t`` fixed before item t and in ``[0, 1 / (1 - m_t))``; ``m_t`` is the
tolerance, or without replacement the rate that the null leaves among the items not yet seen.

The bets: a mixture over alternatives whose odds are a fixed multiple c of the null's, for which
``lambda = (1 - c) / (1 - m + c * m)``. Capital is then monotone in the null, so inverting it gives a confidence sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .design import Bools, Decision, Ints, largest_pass, largest_where, smallest_fail
from .interval import Floats, Interval, check_count, check_share

#: Odds of the alternatives as multiples of the null's, with equal stakes. None is 0 or infinite: no single item ruins a bet.
BETTER = (0.02, 0.1, 0.3)
WORSE = (1.5, 2.0, 3.0, 5.0, 9.0)
#: Share of the stake bet on "a full run would pass": with less, a gate of 180 items falls below 80 % power at half its tolerance.
FULL_RUN = 0.95


@dataclass(frozen=True, slots=True)
class Sequential:
    """The state of a gate that is watched item by item.

    ``items`` and ``failures`` are those at the first decision, or all so far; ``interval`` is the confidence sequence there, with
    each end at ``1 - alpha``; ``better`` and ``worse`` are the capitals, which decide at ``1 / alpha``."""

    decision: Decision
    items: int
    failures: int
    better: float
    worse: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watched gate says after the items so far: its first decision, bounds at ``1 - alpha`` each, and whether it is
    ``hopeless``: nothing that may still follow decides it."""

    decision: Decision
    lower: float
    upper: float
    hopeless: bool


@dataclass(frozen=True, slots=True)
class Boundaries:
    """At place t - 1: the most failures in t items that PASS (-1: none), the fewest that FAIL (t + 1: none). Shape (horizon,)."""

    passes: Ints
    fails: Ints


def curtailed(k: SupportsIndex, seen: SupportsIndex, n: SupportsIndex, tolerance: float, alpha: float = 0.05) -> Decision | None:
    """Return what a gate over ``n`` items will say whatever the rest brings, after ``k`` failures in ``seen``; None while it is
    open.

    Exact and free: the error rates are those of the full run.

    Raises:
        ValueError: impossible counts, more seen than ``n``, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    total, seen = check_count("n", n, 1), check_count("seen", seen)
    k = check_count("k", k)
    if not k <= seen <= total:
        raise ValueError(f"k = {k} of {seen} seen of n = {total}; they must not decrease in this order")
    most, fewest = largest_pass(total, tolerance, alpha), smallest_fail(total, tolerance, alpha)
    worst = k + total - seen
    if fewest is not None and k >= fewest:
        return "FAIL"
    if most is not None and worst <= most:
        return "PASS"
    hopeless = (most is None or k > most) and (fewest is None or worst < fewest)
    return "INCONCLUSIVE" if hopeless else None


def boundaries(horizon: SupportsIndex, tolerance: float, alpha: float = 0.05) -> Boundaries:
    """When a gate over items drawn independently decides, for every number of items up to the ``horizon`` fixed beforehand.

    Raises:
        ValueError: no items, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    check_share("tolerance", tolerance)
    goal = -math.log(check_share("alpha", alpha))
    bets = _Bets(check_count("horizon", horizon, 1), tolerance, alpha)
    t = np.arange(1, bets.horizon + 1)
    passes = largest_where(lambda k: bets.better(k, t, tolerance) >= goal, t)
    fails = largest_where(lambda k: _mixture(k, t, tolerance, WORSE) < goal, t) + 1
    return Boundaries(passes, fails)


def follow_rate(
    outcomes: Sequence[bool] | NDArray[np.bool_], tolerance: float, horizon: SupportsIndex, alpha: float = 0.05
) -> Sequential:
    """Follow a gate on the *population* estimand: items drawn independently, in the order drawn; True is a failure.

    The ``horizon`` is the number of items planned, fixed before the first; below about 70 items at 5 % nothing can PASS.

    Raises:
        ValueError: no outcomes, more than ``horizon``, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    counts = _cumulate(outcomes)
    n = check_count("horizon", horizon, counts.size)
    edges = boundaries(n, tolerance, alpha)
    decision, stop = _first(counts <= edges.passes[: counts.size], counts >= edges.fails[: counts.size])
    k, t = counts[:stop], np.arange(1, stop + 1)
    bets, goal = _Bets(n, tolerance, alpha), -math.log(alpha)
    lower, upper = _ends(bets, k, k, goal)
    interval = _around(int(k[-1]) / stop, lower, upper, alpha, "betting confidence sequence")
    better, worse = bets.better(k[-1:], t[-1:], tolerance)[0], _mixture(k[-1:], t[-1:], tolerance, WORSE)[0]
    return Sequential(decision, stop, int(k[-1]), _exp(better), _exp(worse), interval)


def watch(
    failed: Sequence[bool] | Bools, worst: Sequence[bool] | Bools, tolerance: float, horizon: SupportsIndex, alpha: float = 0.05
) -> Watched:
    """Watch a gate some of whose items could not be judged: ``failed`` counts these as passing, ``worst`` as failing.

    A PASS rests on ``worst`` and a FAIL on ``failed`` alone, so each false one has probability at most ``alpha`` whatever the
    lost items were. Both rows list the same items, drawn independently, in the order drawn.

    Raises:
        ValueError: rows of different length, none, more than ``horizon``, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    low, high = _cumulate(failed), _cumulate(worst)
    if low.size != high.size:
        raise ValueError(f"the rows have {low.size} and {high.size} items; they must list the same ones")
    n, seen = check_count("horizon", horizon, low.size), low.size
    edges = boundaries(n, tolerance, alpha)
    decision, _ = _first(high <= edges.passes[:seen], low >= edges.fails[:seen])
    lower, upper = _ends(_Bets(n, tolerance, alpha), low, high, -math.log(alpha))
    ahead = np.arange(1, n - seen + 1)
    can_pass = bool((high[-1] <= edges.passes[seen:]).any())
    can_fail = bool((low[-1] + ahead >= edges.fails[seen:]).any())
    return Watched(decision, lower, upper, decision == "INCONCLUSIVE" and not can_pass and not can_fail)


def exceeds(outcomes: Sequence[bool] | Bools, rate: float, alpha: float = 0.05) -> bool:
    """Return whether the capital staked on "more than the share ``rate`` fails" ever reached ``1 / alpha``; True is a failure.

    Raises:
        ValueError: no outcomes, or ``rate`` or ``alpha`` outside (0, 1).
    """
    counts = _cumulate(outcomes)
    capital = _mixture(counts, np.arange(1, counts.size + 1), check_share("rate", rate), WORSE)
    return bool((capital >= -math.log(check_share("alpha", alpha))).any())


def follow_benchmark(
    outcomes: Sequence[bool] | NDArray[np.bool_], tolerance: float, n: SupportsIndex, alpha: float = 0.05
) -> Sequential:
    """Follow a gate on the *benchmark* estimand: the failing share of ``n`` fixed items, in a random order without repeats.

    PASS says that at most ``tolerance * n`` of the ``n`` items fail, FAIL that more do; after all ``n`` this is certain.

    Raises:
        ValueError: no outcomes, more than ``n``, or ``tolerance`` or ``alpha`` outside (0, 1).
    """
    check_share("tolerance", tolerance)
    goal = -math.log(check_share("alpha", alpha))
    counts = _cumulate(outcomes)
    total = check_count("n", n, counts.size)
    allowed = math.floor(tolerance * total + 1e-9)
    better, worse = _urn(counts, allowed + 1, total, BETTER), _urn(counts, allowed, total, WORSE)
    decision, stop = _first(better >= goal, worse >= goal)
    seen = counts[:stop]
    # of all possible totals keep those that no capital up to here rejects
    least = _smallest(lambda a: not bool((_urn(seen, a, total, WORSE) >= goal).any()), 0, total)
    most = _smallest(lambda a: bool((_urn(seen, a + 1, total, BETTER) >= goal).any()), 0, total)
    method = "betting confidence sequence, without replacement"
    interval = _around(int(seen[-1]) / stop, least / total, most / total, alpha, method)
    return Sequential(decision, stop, int(seen[-1]), _exp(better[stop - 1]), _exp(worse[stop - 1]), interval)


class _Bets:
    """The stakes on "better than the null" of a gate with a horizon: a mixture of odds, and the bet that a full run would pass.

    That last one is the martingale ``P(full run has at most target failures | items so far) / P(full run has at most target)``.
    """

    def __init__(self, horizon: int, tolerance: float, alpha: float) -> None:
        self.horizon = horizon
        most = np.arange(horizon + 1)
        self._target = most
        # the most failures with which a full run still reaches 1 / alpha
        enough = np.flatnonzero(self.better(most, np.full_like(most, horizon), tolerance) >= -math.log(alpha))
        self._target = np.array(enough[-1] if enough.size else 0)

    def better(self, k: Ints, t: Ints, null: float) -> Floats:
        """Log capital after ``k`` failures in ``t`` items against the rate ``null``; shape of ``t``."""
        spare, left = self._target - k, self.horizon - t
        chance = np.where(spare < 0, 0.0, special.bdtr(np.clip(spare, 0, left), left, null))
        before = special.bdtr(self._target, self.horizon, null)
        # far above the target both chances vanish in floating point: there this stake counts as lost
        full_run = np.divide(chance, before, out=np.zeros(t.shape), where=before > 0)
        with np.errstate(divide="ignore"):
            log_full_run = np.log(FULL_RUN * full_run)
        log_capital: Floats = np.logaddexp(math.log(1 - FULL_RUN) + _mixture(k, t, null, BETTER), log_full_run)
        return log_capital


def _ends(bets: _Bets, low: Ints, high: Ints, goal: float) -> tuple[float, float]:
    """Return the rates that no capital rejects after any of the items: the lower end by the counts ``low``, the upper by
    ``high``."""
    t = np.arange(1, low.size + 1)
    upper = _crossing(lambda m: bool((bets.better(high, t, m) >= goal).any()))
    return 1 - _crossing(lambda m: bool((_mixture(low, t, 1 - m, WORSE) >= goal).any())), upper


def _mixture(k: Ints, t: Ints, null: float, odds: tuple[float, ...]) -> Floats:
    """Log of the mean capital of the bets on each multiple of the odds; shape of ``t``."""
    c = np.array(odds)[:, None]
    log_capital: Floats = special.logsumexp(k * np.log(c) - t * np.log1p(null * (c - 1)), axis=0) - math.log(len(odds))
    return log_capital


def _urn(counts: Ints, null: int, n: int, odds: tuple[float, ...]) -> Floats:
    """Log capital after each item against ``null`` failures among ``n`` items, drawn without replacement; shape of ``counts``.

    It is infinite from where the counts refute the null for certain.
    """
    t = np.arange(1, counts.size + 1)
    before = np.concatenate(([0], counts[:-1]))
    rate = np.clip((null - before) / (n - t + 1), 0, 1)
    c = np.array(odds)[:, None]
    steps = (counts - before) * np.log(c) - np.log1p(rate * (c - 1))
    log_capital: Floats = special.logsumexp(np.cumsum(steps, axis=1), axis=0) - math.log(len(odds))
    refuted = counts + n - t < null if odds[0] < 1 else counts > null
    log_capital[refuted] = np.inf
    return log_capital


def _cumulate(outcomes: Sequence[bool] | Bools) -> Ints:
    array = np.asarray(outcomes)
    if array.ndim != 1 or array.size == 0 or not np.isin(array, (0, 1)).all():
        raise ValueError("outcomes must be a non-empty row of True (the item failed) and False")
    return np.cumsum(array.astype(np.int64))


def _first(passed: Bools, failed: Bools) -> tuple[Decision, int]:
    """Return the first decision and after how many items it came; all of them if there is none."""
    decided = np.flatnonzero(passed | failed)
    if not decided.size:
        return "INCONCLUSIVE", passed.size
    return ("PASS" if passed[decided[0]] else "FAIL"), int(decided[0]) + 1


def _crossing(rejects: Callable[[float], bool]) -> float:
    """Return the rate from which on all larger ones are rejected, by halving; 1 if none is."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if rejects(middle) else (middle, high)
    return high


def _smallest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the smallest number in ``[low, high]`` that holds, where all larger ones do."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _around(rate: float, lower: float, upper: float, alpha: float, method: str) -> Interval:
    """Return an interval that holds the observed rate: with probability up to ``alpha`` the sequence has left it."""
    return Interval(min(lower, rate), max(upper, rate), max(0.0, 1 - 2 * alpha), method)


def _exp(log_capital: float) -> float:
    return math.exp(log_capital) if log_capital < 700 else math.inf
