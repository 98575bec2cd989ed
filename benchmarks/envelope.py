"""The envelope: how often a limit passes a model that is at it, the power, and the envelope of a model on this machine.

Run: ``python benchmarks/envelope.py [--model smollm2-135m-instruct] [--seconds 60] [--write]``. The simulations take half a
minute; ``--write`` puts all of it into ``docs/results/envelope.md``. Exits 1 if a simulated limit passes too often.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from results_page import page
from tables import percent

from pytest_slmtrust.audit.envelope import Envelope, EnvelopeReading, decided
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.envelope.measure import measure
from pytest_slmtrust.report.envelope import limit_rows, load_text, noise_lines
from pytest_slmtrust.stats import quantile_power

PAGE = Path(__file__).parents[1] / "docs" / "results" / "envelope.md"
RUNS, SEED = 2000, 1
#: A limit, the quantile of the worse tail that it holds, and draws whose true quantile is the limit.
AT_LIMIT: tuple[tuple[str, Callable[[np.random.Generator, int], Any]], ...] = (
    ("ttft_p95=1s", lambda rng, n: rng.lognormal(0, 0.5, n) / np.exp(0.5 * 1.6448536269514722)),
    ("ttft_p99=1s", lambda rng, n: rng.exponential(1 / np.log(100), n)),
    ("latency_p90=1s", lambda rng, n: rng.exponential(1 / np.log(10), n)),
    ("decode=1tok/s", lambda rng, n: rng.lognormal(0, 0.3, n)),
    ("energy=1J/tok", lambda rng, n: rng.gamma(2.0, 1 / 1.6783469900166605, n)),
)


def simulated() -> Iterator[tuple[str, int, float]]:
    """Yield limit, draws and the share of runs that pass a model which is exactly at the limit."""
    rng = np.random.default_rng(SEED)
    for text, make in AT_LIMIT:
        (limit,) = read_limits([text])
        for n in (59, 93, 300):
            readings = (
                EnvelopeReading(limit.quantity, limit.kind.unit, draws=tuple(map(float, make(rng, n)))) for _ in range(RUNS)
            )
            yield text, n, sum(decided(limit, one, 0.05).status == "PASS" for one in readings) / RUNS


def measured(model: str, seconds: float) -> Envelope:
    """Return the envelope of a model: first tokens first, since only they are cheap enough for a 95th percentile everywhere."""
    backend = load_backend(ModelSpec(model))
    first = measure(backend, read_limits(["ttft_p95=1s"]), seconds=1.0)
    rest = measure(backend, wanted=("latency", "decode", "energy", "memory", "size"), seconds=seconds)
    return Envelope(rest.load, (*first.readings, *rest.readings), first.limits)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    rows = list(simulated())
    false_pass = ["At the limit (2,000 simulated runs each) a model passed in: "
                  + "; ".join(f"{text} with {n} draws {percent(share)}" for text, n, share in rows) + "."]  # fmt: skip
    power = "; ".join(f"{n} draws {percent(quantile_power(n, 0.95, 0.05, 0.01))}" for n in (59, 93, 124, 181, 300))
    false_pass.append(f"Power of a 95th percentile where 1 % of the replies are beyond the limit (exact): {power}.")
    load = os.getloadavg()[0]
    found = measured(chosen.model, chosen.seconds)
    table = [(row.name, row.value, row.bounds, row.draws, row.reason) for row in limit_rows(found)]
    noise = ". ".join(noise_lines(found))
    crowd = f"Other work ran meanwhile (load {load:.1f} at the start): alone, the machine is faster than this."
    print("\n".join([*false_pass, load_text(found.load), *map(str, table), noise]))
    if chosen.write:
        page(PAGE, "The envelope of the embedded model", _sentence(load_text(found.load)), "benchmarks/envelope.py",
             ("quantity", "found", "bounds, each 95 % sure", "draws", "what was measured, or why not"), table, f"Noise: {noise}.",
             crowd if load > 1 else "Nothing else ran.", *false_pass)  # fmt: skip
    sys.exit(int(any(share > 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5 for *_, share in rows)))


if __name__ == "__main__":
    main()
