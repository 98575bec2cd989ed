"""Numbers of a classification: macro-F1 and its bootstrap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .interval import Floats, Interval, check_share

#: Resamples that are summed up at a time.
_AT_ONCE = 200


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
    place = {label: i for i, label in enumerate(sorted(labels))}  # the draws must not depend on the order of rows
    k = len(place)
    counts = Counter((place[t], place.get(s, k)) for t, s in zip(true, said, strict=True))
    cells = sorted(counts)
    chances = np.array([counts[cell] for cell in cells]) / len(true)
    rng, drawn = np.random.default_rng(seed), list[Floats]()
    for start in range(0, resamples, _AT_ONCE):
        some = rng.multinomial(len(true), chances, size=min(_AT_ONCE, resamples - start))
        drawn.append(_f1(some.T, cells, k))
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail))
    value = float(_f1(np.array([[counts[cell]] for cell in cells]), cells, k)[0])
    ends = min(value, float(low)), max(value, float(high))
    return value, Interval(*ends, confidence, f"bootstrap, {resamples} resamples, seed {seed}")


def _f1(counts: NDArray[np.int64], cells: Sequence[tuple[int, int]], k: int) -> Floats:
    """Return macro-F1 of confusion matrices from their cells that are not empty, shape (cells, matrices); ``k``: the column of
    answers without a label."""
    hits, both = np.zeros((2, k, counts.shape[1]))
    for (true, said), own in zip(cells, counts, strict=True):
        both[true] += own
        if said < k:
            both[said] += own
        if said == true:
            hits[true] += own
    return np.asarray(np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0).mean(axis=0))
