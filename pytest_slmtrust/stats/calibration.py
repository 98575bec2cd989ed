"""Does stated confidence match accuracy: reliability bins, expected calibration error, Brier score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interval import Floats, Interval, Numbers, check_count, check_share, check_values
from .intervals import exact_interval


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers with confidence in ``(lower, upper]``: how many, their mean confidence, their accuracy and its exact interval."""

    lower: float
    upper: float
    n: int
    confidence: float
    accuracy: float
    interval: Interval


def brier(confidences: Numbers, correct: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Mean squared distance of confidence from 1 (correct) or 0 (Brier 1950); 0 is perfect, 0.25 is what always saying 0.5 earns.

    Raises:
        ValueError: no answers, lengths that differ, or a confidence outside [0, 1].
    """
    p, y = _check(confidences, correct)
    return float(np.mean((p - y) ** 2))


def ece(confidences: Numbers, correct: Sequence[bool] | NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: the mean of ``|accuracy - confidence|`` over bins of equal width, weighted by their answers.

    Naeini et al. 2015; Guo et al. 2017 (1706.04599, equation 3). It depends on ``bins`` and is biased upwards for few answers.

    Raises:
        ValueError: no answers, lengths that differ, a confidence outside [0, 1], or no bins.
    """
    rows = reliability(confidences, correct, bins)
    return sum(row.n * abs(row.accuracy - row.confidence) for row in rows) / sum(row.n for row in rows)


def ece_interval(
    confidences: Numbers, correct: Sequence[bool] | NDArray[np.bool_], bins: int = 10, confidence: float = 0.95,
    *, resamples: int = 1000, seed: int = 0,
) -> Interval:  # fmt: skip
    """Percentile bootstrap of :func:`ece` over answers: for display only, and biased upwards as the error itself.

    Raises:
        ValueError: no answers, lengths that differ, a confidence outside [0, 1], no bins, or ``confidence`` outside (0, 1).
    """
    p, y = _check(confidences, correct)
    tail, rng = (1 - check_share("confidence", confidence)) / 2, np.random.default_rng(seed)
    count = check_count("bins", bins, 1)
    place = np.searchsorted(np.arange(1, count) / count, p, side="left")
    drawn = rng.integers(0, p.size, (check_count("resamples", resamples, 1), p.size))
    found = [np.abs(np.bincount(place[i], (y - p)[i], count)).sum() / p.size for i in drawn]
    lower, upper = np.quantile(found, [tail, 1 - tail])
    return Interval(float(lower), float(upper), confidence, "percentile bootstrap over answers (display only)")


def reliability(confidences: Numbers, correct: Sequence[bool] | NDArray[np.bool_], bins: int = 10) -> tuple[Bin, ...]:
    """Return the non-empty bins of equal width, lowest confidence first; a confidence of 0 belongs to the first.

    Raises:
        ValueError: no answers, lengths that differ, a confidence outside [0, 1], or no bins.
    """
    p, y = _check(confidences, correct)
    count = check_count("bins", bins, 1)
    place = np.searchsorted(np.arange(1, count) / count, p, side="left")
    rows = []
    for i in np.unique(place):
        chosen = place == i
        right, n = int(y[chosen].sum()), int(chosen.sum())
        ends = float(i / count), float((i + 1) / count)
        rows.append(Bin(*ends, n, float(p[chosen].mean()), right / n, exact_interval(right, n)))
    return tuple(rows)


def _check(confidences: Numbers, correct: Sequence[bool] | NDArray[np.bool_]) -> tuple[Floats, Floats]:
    p, y = check_values("confidences", confidences, 0, 1), np.asarray(correct)
    if y.shape != p.shape:
        raise ValueError(f"{p.size} confidences but correct has shape {y.shape}; each answer needs both")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("correct must be True or False for every answer")
    return p, y.astype(np.float64)
