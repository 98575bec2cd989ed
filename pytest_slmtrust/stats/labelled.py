"""Numbers of a classification: macro-F1 and its bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .interval import Floats, Interval, check_share


def macro_f1_interval(
    true: Sequence[str], said: Sequence[str], labels: Sequence[str], confidence: float = 0.9, *, resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, Interval]:  # fmt: skip
    """Return the mean of F1 over labels with a percentile bootstrap that draws whole texts; approximate.

    A label that occurs neither among the true ones nor among the answers of a resample counts as 0 there.

    Raises:
        ValueError: no texts, lengths that differ, or a confidence that is not between 0 and 1.
    """
    tail = (1 - check_share("confidence", confidence)) / 2
    if not true or len(true) != len(said):
        raise ValueError(f"{len(true)} labels and {len(said)} answers; expected as many of each, and at least one")
    place = {label: i for i, label in enumerate(labels)}
    k = len(labels)
    cells = np.array([place[t] * (k + 1) + place.get(s, k) for t, s in zip(true, said, strict=True)])
    counts = np.bincount(cells, minlength=k * (k + 1))
    drawn = np.random.default_rng(seed).multinomial(len(cells), counts / counts.sum(), size=resamples)
    low, high = np.quantile(_f1(drawn, k), (tail, 1 - tail))
    value = float(_f1(counts[None, :], k)[0])
    ends = min(value, float(low)), max(value, float(high))
    return value, Interval(*ends, confidence, f"bootstrap, {resamples} resamples, seed {seed}")


def _f1(counts: NDArray[np.int64], k: int) -> Floats:
    """Return macro-F1 of confusion matrices, shape (matrices, k * (k + 1)); the last column holds answers without a label."""
    tables = counts.reshape(-1, k, k + 1).astype(float)
    hits = np.diagonal(tables, axis1=1, axis2=2)
    both = tables.sum(axis=2) + tables.sum(axis=1)[:, :k]
    return np.asarray(np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0).mean(axis=1))
