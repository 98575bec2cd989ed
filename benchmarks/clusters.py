"""How often a gate wrongly PASSes when its items share parts: a table over designs, sizes and correlations.

Run: ``python benchmarks/clusters.py [--simulations 10000] [--seed 1]``; some minutes on one core. A simulated share of 5 %
has a standard error of 0.22 points at 10,000 simulations, so no cell may be above 5.7 %. ``items alone`` is the same with every
item as its own part: what a gate would do that does not know of the parts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tables import Bar, conclude, percent, show, table

from pytest_slmtrust.stats import Grouping, draw, excess_chance, largest_pass, part_power

ALPHA, MOST_FALSE, LEAST_POWER = 0.05, 0.057, 0.75
SIZES, A_PART, CORRELATIONS = (59, 180, 240, 361), (1, 3, 5, 10, 15), (0.0, 0.1, 0.3)

Design = Sequence[Mapping[str, str]]


def grouped(n: int, size: int) -> Design:
    """Parts of so many items each; the last may be smaller."""
    return [{"frame": str(i // size)} for i in range(n)]


def uneven(n: int, size: int) -> Design:
    """Parts of 1, 2, ... up to twice the size less one, over and over."""
    sizes = np.resize(np.arange(1, 2 * size), n)
    return [{"frame": str(part)} for part in np.repeat(np.arange(n), sizes)[:n]]


def crossed(n: int, size: int) -> Design:
    """Frames and acts, each of so many items, put together at random."""
    rng = np.random.default_rng(n + size)
    frames, acts = rng.permutation(np.arange(n) // size), rng.permutation(np.arange(n) // size)
    return [{"frame": str(f), "act": str(a)} for f, a in zip(frames, acts, strict=True)]


def blocks(n: int, size: int) -> Design:
    """Every frame of a block with every act of the same block: ``size`` of either."""
    return [{"frame": str(i // size), "act": f"{i // size**2} {i % size}"} for i in range(n)]


DESIGNS = {"parts of one size": grouped, "parts of uneven size": uneven, "frames crossed with acts": crossed, "blocks": blocks}


def beta_binomial(
    grouping: NDArray[np.int64], rate: float, correlation: float, runs: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Items of one way to group whose parts have rates of a beta distribution; shape (runs, items)."""
    total = 1 / correlation - 1
    rates = rng.beta(rate * total, (1 - rate) * total, (runs, int(grouping.max()) + 1))
    return rng.random((runs, grouping.size)) < rates[:, grouping]


def labels_of(design: Design) -> NDArray[np.int64]:
    """The parts as they are drawn, before anything is left out or joined; shape (ways, items)."""
    kinds = sorted({kind for parts in design for kind in parts})
    return np.array([np.unique([parts[kind] for parts in design], return_inverse=True)[1] for kind in kinds])


def cells(tolerance: float, simulations: int, seed: int) -> Iterator[tuple[list[object], float, bool]]:
    """A row for each cell, its share of false PASS, and whether it could PASS at all."""
    for name, make in DESIGNS.items():
        for n in SIZES:
            for size in A_PART[1:] if make is not grouped else A_PART:
                design = make(n, size)
                grouping, drawn = Grouping.of(design), labels_of(design)
                alone = largest_pass(n, tolerance, ALPHA)
                possible = bool(excess_chance(np.zeros(n), grouping, tolerance)[0] <= ALPHA)
                shares: list[str] = []
                worst = 0.0
                for number, correlation in enumerate(CORRELATIONS):
                    rng = np.random.default_rng([seed, n, size, number])
                    runs = [draw(drawn, tolerance, correlation, simulations, rng)]
                    if len(drawn) == 1 and correlation:
                        runs.append(beta_binomial(drawn[0], tolerance, correlation, simulations, rng))
                    false = [passes(r, grouping, tolerance, alone or 0) if possible else 0.0 for r in runs]
                    naive = float((runs[-1].sum(axis=1) <= (-1 if alone is None else alone)).mean())
                    worst = max(worst, *false)
                    shares += [percent(max(false)), percent(naive)]
                power = percent(part_power(grouping, tolerance, ALPHA)) if possible else "cannot PASS"
                yield [name, n, size, len(grouping.labels), grouping.parts, *shares, power], worst, possible


def passes(failed: NDArray[np.bool_], grouping: Grouping, tolerance: float, alone: int) -> float:
    """The share of runs that PASS. Runs with clearly more failures than PASS for items ``alone`` are not worked out."""
    few = failed[failed.sum(axis=1) <= alone + 2]
    return float((excess_chance(few.astype(float), grouping, tolerance) <= ALPHA).sum() / len(failed)) if len(few) else 0.0


def simulate(simulations: int, seed: int) -> list[Bar]:
    bars = []
    for tolerance in (0.10, 0.075, 0.05):
        found = list(cells(tolerance, simulations, seed))
        head = ["design", "n", "a part", "ways", "parts"]
        head += [text for c in CORRELATIONS for text in (f"false at {c:g}", "items alone")] + ["power at 0.1"]
        table(f"False PASS at a tolerance of {tolerance:.1%}, {simulations} simulations a cell", head, [row for row, *_ in found])
        worst = max(share for _, share, _ in found)
        claim = f"no cell above {percent(MOST_FALSE)} at a tolerance of {tolerance:.1%}"
        bars.append(Bar(claim, worst <= MOST_FALSE, f"largest {percent(worst)} of {len(found)} cells"))
    return bars


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    conclude(show(simulate(args.simulations, args.seed)))


if __name__ == "__main__":
    main()
