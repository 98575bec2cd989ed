"""Which sequences go into one forward: a wide one next to narrow ones costs padding, a separate forward costs dispatch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

#: What one forward costs beyond its tokens, in tokens: dispatch and one pass over the weights. Measured on two cores with
#: 135M parameters (about 0.1 s at 560 tokens/s); a GPU reads thousands of tokens in the time that its dispatch takes.
OVERHEAD = {"cpu": 64}
ON_A_GPU = 1024


def overhead(device: str) -> int:
    """Tokens that could be read in the time that one more forward costs, on a kind of device."""
    return OVERHEAD.get(device, ON_A_GPU)


def first_run(widths: Sequence[int], extra: int) -> int:
    """Return how many of ``widths``, in falling order, go into the first forward, so that all forwards together cost least.

    A forward of n rows costs n times its widest, padding included, and ``extra``. The best partition of a sorted sequence
    is into runs of neighbours; this finds it by dynamic programming over distinct widths, from the narrow end.
    """
    runs = [(width, len(list(group))) for width, group in groupby(widths)]
    best = [0.0] * (len(runs) + 1)  # best[i]: the least cost of the runs from i on
    cut = [0] * len(runs)
    for i in range(len(runs) - 1, -1, -1):
        width, rows, best[i] = runs[i][0], 0, float("inf")
        for j in range(i, len(runs)):
            narrow, count = runs[j]
            if count * (width - narrow) > extra:
                break  # a cut before j is cheaper, whatever follows
            rows += count
            cost = rows * width + extra + best[j + 1]
            if cost < best[i]:
                best[i], cut[i] = cost, j + 1
    return sum(rows for _, rows in runs[: cut[0]]) if runs else 0
