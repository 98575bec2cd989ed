"""All tables of the gate benchmark in one run, with the bars that they must reach; the exit code is 1 if one falls short.

Run: ``python benchmarks/all_gates.py [--simulations 10000] [--seed 1]``; about ten minutes on two cores. No model is loaded.
"""

from __future__ import annotations

import argparse
import time

import faults
import gates
import incumbents
import mutants
import useless_models
from tables import conclude


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=10_000, help="audits a row; the faults take a fifth of them")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    bars = gates.report(options.simulations, options.seed)
    bars += useless_models.report()
    bars += faults.report(max(100, options.simulations // 5), options.seed)
    bars += mutants.report()
    bars += incumbents.report()
    print(f"\n{time.perf_counter() - start:.0f} s, {options.simulations} simulations, seed {options.seed}")
    conclude(bars)


if __name__ == "__main__":
    main()
