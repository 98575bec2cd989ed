"""How often gates are wrong, how well intervals cover, and what stopping early saves: plain tables, from fixed seeds.

Run: ``python benchmarks/gates.py [--simulations 10000] [--seed 1]``; a few minutes on two cores. Sums over binomials are exact
and say so; a simulated share of 5 % has a standard error of 0.2 points at 10,000 simulations. It exits 1 if a bar falls short;
``benchmarks/all_gates.py`` prints these tables and those of scripted models, broken detectors, faults and published rules.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats
from tables import Bar, conclude, percent, show, table

from pytest_slmtrust.stats import (
    Boundaries,
    Confusion,
    Interval,
    Pairs,
    auc_interval,
    blocking_n,
    bootstrap_interval,
    boundaries,
    corrected_rate,
    exact_interval,
    follow_benchmark,
    follow_rate,
    largest_pass,
    margin_p_values,
    mean_interval,
    paired_interval,
    power,
    rate_gap,
    smallest_fail,
    upper_bound,
    wilson_interval,
)

ALPHA = 0.05
TOLERANCE = 0.05
GATES = 8
CASES = 5
ROUND = 32


# ------------------------------------------------------------------ false PASS


def beta_of(mean: float, correlation: float) -> tuple[float, float]:
    """The beta distribution of item rates with this mean and this correlation of two cases of one item."""
    total = 1 / correlation - 1
    return mean * total, (1 - mean) * total


def mean_for_items(rate: float, correlation: float, cases: int) -> float:
    """The case rate at which an item with ``cases`` cases fails (any of them) with probability ``rate``."""

    def excess(mean: float) -> float:
        a, b = beta_of(mean, correlation)
        return 1 - math.exp(special.betaln(a, b + cases) - special.betaln(a, b)) - rate

    return float(optimize.brentq(excess, 1e-9, 1 - 1e-9)) if correlation else 1 - (1 - rate) ** (1 / cases)


def draw_cases(
    rng: np.random.Generator, shape: tuple[int, ...], mean: float, correlation: float, cases: int
) -> NDArray[np.int64]:
    """Failing cases of each item, shape ``shape``."""
    rates = rng.beta(*beta_of(mean, correlation), shape) if correlation else np.full(shape, mean)
    return rng.binomial(cases, rates)


@dataclass(frozen=True, slots=True)
class FalsePass:
    """Shares of PASS at the tolerance, of one gate and of a whole audit, decided at the end and watched; None where the design
    cannot pass at all. ``clean``: P(PASS) of a model that never fails, so decided. ``careless``: the fixed bound, watched."""

    n: int
    correlation: float
    share: float
    fixed: tuple[float, float] | None
    watched: tuple[float, float] | None
    clean: tuple[float, float]
    careless: float


def false_pass_row(rng: np.random.Generator, n: int, correlation: float, simulations: int) -> FalsePass:
    edges, limit = boundaries(n, TOLERANCE, ALPHA), largest_pass(n, TOLERANCE, ALPHA)
    naive = naive_limits(n)
    mean = mean_for_items(TOLERANCE, correlation, CASES)
    fixed, watched, careless, shares = [], [], [], []
    for start in range(0, simulations, 500):
        size = (min(500, simulations - start), GATES, n)
        failed = draw_cases(rng, size, mean, correlation, CASES) > 0
        counts = np.cumsum(failed, axis=2)
        shares.append(failed.mean())
        fixed.append(counts[:, :, -1] <= (-1 if limit is None else limit))
        watched.append((counts <= edges.passes).any(axis=2))
        careless.append((counts[:, 0] <= naive).any(axis=1))
    one, seen = np.concatenate(fixed), np.concatenate(watched)
    clean = (float(limit is not None), float((edges.passes >= 0).any()))  # without a failure every count is 0
    return FalsePass(
        n, correlation, float(np.mean(shares)), _shares(one) if clean[0] else None, _shares(seen) if clean[1] else None,
        clean, float(np.concatenate(careless).mean()),
    )  # fmt: skip


def _shares(passed: NDArray[np.bool_]) -> tuple[float, float]:
    """False PASS of the first gate, and of an audit with all gates at the tolerance."""
    return float(passed[:, 0].mean()), float(passed.all(axis=1).mean())


def _cells(shares: tuple[float, float] | None, clean: float) -> list[str]:
    shown = ["void", "void"] if shares is None else [percent(shares[0]), f"{100 * shares[1]:.2f} %"]
    return [*shown, percent(clean)]


def naive_limits(n: int) -> NDArray[np.int64]:
    limits = [largest_pass(t, TOLERANCE, ALPHA) for t in range(1, n + 1)]
    return np.array([-1 if limit is None else limit for limit in limits])


def false_pass(rng: np.random.Generator, simulations: int) -> list[Bar]:
    found = [false_pass_row(rng, n, rho, simulations) for rho in (0.0, 0.3) for n in (59, 179, 361, 1000)]
    rows = [
        [r.n, r.correlation, percent(r.share), *_cells(r.fixed, r.clean[0]), *_cells(r.watched, r.clean[1]), percent(r.careless)]
        for r in found
    ]
    head = [
        "items", "corr.", "items failing", "gate", "audit", "clean", "watched gate", "audit", "clean", "fixed bound, watched",
    ]  # fmt: skip
    note = f"""{simulations} audits of {GATES} gates; items of {CASES} cases (beta-binomial) fail exactly at the tolerance of 5 %.
gate: false PASS of one gate, and of an audit whose other {GATES - 1} gates are clean. audit: all {GATES} gates at the tolerance.
clean: P(PASS) where nothing fails; void where that is 0. watched: e-process read after every item. The last column stops
at the first PASS of the fixed-n bound, which promises nothing then."""
    table("False PASS at the tolerance (simulated)", head, rows, note)
    most = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / simulations)
    bars = []
    for name, cells in (("", [r.fixed for r in found]), (", watched after every item", [r.watched for r in found])):
        alive = [cell for cell in cells if cell is not None]
        gate, audit = (max(cell[place] for cell in alive) for place in (0, 1))
        claim = f"false PASS of a gate and of an audit of {GATES}{name}: at most {percent(most)} (alpha + 3 errors)"
        bars.append(Bar(claim, max(gate, audit) <= most, f"{percent(gate)} and {percent(audit)}"))
        void = f"{len(cells) - len(alive)} of {len(cells)} cells void"
        claim = f"a model that never fails passes in more than half of the cells{name}"
        bars.append(Bar(claim, 2 * len(alive) > len(cells), void))
    return show(bars)


def wrong_units(rng: np.random.Generator, simulations: int) -> None:
    """What happens if cases are counted as if they were items."""
    rows = []
    for items, cases in ((20, 10), (40, 5), (72, 5), (361, 5)):
        for correlation in (0.0, 0.3):
            k = draw_cases(rng, (simulations, items), TOLERANCE, correlation, cases)
            total, n = k.sum(axis=1), items * cases
            limit = largest_pass(n, TOLERANCE, ALPHA)
            rates = k / cases
            errors = rates.std(axis=1, ddof=1) / math.sqrt(items)
            robust = rates.mean(axis=1) + stats.t.ppf(1 - ALPHA, items - 1) * errors
            exact = percent((total <= (-1 if limit is None else limit)).mean())
            zero = percent((total == 0).mean())
            rows.append([f"{items} x {cases}", correlation, exact, percent((robust <= TOLERANCE).mean()), zero])
    note = """5 % of cases fail; 5 % of these runs may PASS. The gate of this project counts items, so it is not in this table."""
    head = ["items x cases", "corr.", "exact bound over cases", "cluster-robust error", "no failure seen"]
    table("False PASS where cases are counted instead of items (simulated)", head, rows, note)


# ------------------------------------------------------------------ coverage


def wald_interval(k: int, n: int) -> Interval:
    half = 1.959964 * math.sqrt(k / n * (1 - k / n) / n)
    return Interval(max(0.0, k / n - half), min(1.0, k / n + half), 0.95, "estimate +- 1.96 standard errors")


def coverage_of_rates() -> list[Bar]:
    grid = (0.0, 0.0005, 0.002, 0.005, 0.01, 0.03, 0.05, 0.1, 0.3, 0.5)
    makers: list[tuple[str, Callable[[int, int], Interval]]] = [
        ("Clopper-Pearson (exact)", exact_interval),
        ("upper bound alone (gates, exact)", lambda k, n: Interval(0.0, upper_bound(k, n), 0.95, "")),
        ("Wilson", wilson_interval),
        ("betting mean", lambda k, n: mean_interval([1.0] * k + [0.0] * (n - k))),
        ("bootstrap (display only)", lambda k, n: bootstrap_interval([1.0] * k + [0.0] * (n - k), resamples=1000)),
        ("estimate +- 1.96 SE", wald_interval),
    ]
    least: dict[str, list[float]] = {name: [] for name, _ in makers}
    for n in (30, 59, 179, 361):
        rows = []
        for name, make in makers:
            ends = [make(k, n) for k in range(n + 1)]
            lower, upper = np.array([i.lower for i in ends]), np.array([i.upper for i in ends])
            chances = [float(stats.binom.pmf(np.arange(n + 1), n, p)[(lower <= p) & (p <= upper)].sum()) for p in grid]
            least[name].append(min(chances))
            rows.append([name, *[percent(c) for c in chances], f"{100 * ends[0].upper:.2f} %"])
        head = [f"n = {n}, nominal 95 %", *[f"p = {100 * p:g} %" for p in grid], "upper end at 0"]
        table("Coverage of a rate (exact sums)", head, rows)
    bars = []
    for name in ("Clopper-Pearson (exact)", "upper bound alone (gates, exact)", "betting mean"):
        lowest = min(least[name])
        bars.append(Bar(f"coverage of {name}: at least 95 % at every p and n", lowest >= 0.95 - 1e-12, percent(lowest)))
    return show(bars)


def covered(intervals: Sequence[Interval], true: float) -> float:
    return sum(i.lower <= true + 1e-12 and true - 1e-12 <= i.upper for i in intervals) / len(intervals)


def coverage_of_sequences(rng: np.random.Generator, simulations: int) -> list[Bar]:
    rows, least = [], 1.0
    draws = max(100, simulations // 25)
    for p in (0.0, 0.01, 0.05, 0.1, 0.5):
        followed = [follow_rate(rng.random(100) < p, 0.1, 100) for _ in range(draws)]
        fixed = np.arange(100) < round(100 * p)
        urns = [follow_benchmark(rng.permutation(fixed)[:60], 0.1, 100) for _ in range(draws)]
        shares = [covered([f.interval for f in runs], p) for runs in (followed, urns)]
        least = min(least, *shares)
        rows.append([f"p = {p:g}", *map(percent, shares), f"{np.mean([f.items for f in followed]):.0f}"])
    note = f"{draws} runs each, stopped at the first decision on a tolerance of 10 % or after 100 (60 of the 100) items."
    head = ["nominal 90 % (95 % each end)", "independent items", "without replacement", "mean items"]
    table("Coverage of the confidence sequence when it stops (simulated)", head, rows, note)
    needed = 0.9 - 3 * math.sqrt(0.9 * 0.1 / draws)
    claim = f"coverage of the confidence sequence: at least {percent(needed)} (90 % less 3 errors)"
    return show([Bar(claim, least >= needed, percent(least))])


def coverage_of_others(rng: np.random.Generator, simulations: int) -> None:
    draws, rows = max(100, simulations // 5), []
    for rate in (0.0, 0.05, 0.3):
        seen = rng.binomial((361, 80, 200), (rate * 0.8 + (1 - rate) * 0.03, 0.8, 0.97), (draws, 3)).tolist()
        made = [corrected_rate(k, 361, Confusion(tp, 80 - tp, tn, 200 - tn)).interval for k, tp, tn in seen]
        rows.append([f"corrected rate, true {rate:g}, Se 0.80 of 80, Sp 0.97 of 200", percent(covered(made, rate))])
    for shift in (0.0, 1.0, 2.5):
        true = float(stats.norm.cdf(shift / math.sqrt(2)))
        made = [auc_interval(rng.normal(shift, 1, 40), rng.normal(0, 1, 60)) for _ in range(draws)]
        rows.append([f"AUC {true:.3f}, 40 and 60 scores (DeLong)", percent(covered(made, true))])
    for low, high in ((0.0, 0.0), (0.05, 0.05), (0.05, 0.2)):
        counts = rng.binomial(60, (low, low, high), (draws // 4, 3))
        gaps = [rate_gap({str(g): (int(k), 60) for g, k in enumerate(row)}).interval for row in counts]
        name = f"largest gap of 3 groups of 60, true {high - low:g} (rates {low:g} to {high:g})"
        rows.append([name, percent(covered(gaps, high - low))])
    for worse, better in ((0.0, 0.0), (0.03, 0.03), (0.1, 0.02)):
        flips = rng.multinomial(200, (0.2, worse, better, 0.8 - worse - better), draws).tolist()
        made = [paired_interval(Pairs(*counts)) for counts in flips]
        rows.append([f"paired difference {worse - better:g} of 200, {worse:g} worse, {better:g} better (Newcombe)",
                     percent(covered(made, worse - better))])  # fmt: skip
    for a, b in ((1.0, 1.0), (0.2, 2.0)):
        made = [mean_interval(rng.beta(a, b, 60)) for _ in range(draws // 4)]
        rows.append([f"mean of 60 scores, beta({a:g}, {b:g}) (betting)", percent(covered(made, a / (a + b)))])
    note = "Corrected rates, AUC and paired differences are approximate, and the report says so: no bar is set for them."
    table("Coverage of other intervals, nominal 95 % (simulated)", ["interval", "coverage"], rows, note)


# ------------------------------------------------------------------ paired


def chances_of_flips(n: int, worse: float, better: float) -> NDArray[np.float64]:
    """Probability of each number of flips for the worse and for the better, shape (n + 1, n + 1)."""
    b, c = np.indices((n + 1, n + 1))
    rest = np.maximum(n - b - c, 0)
    ways = special.gammaln(n + 1) - special.gammaln(b + 1) - special.gammaln(c + 1) - special.gammaln(rest + 1)
    logs = ways + special.xlogy(b, worse) + special.xlogy(c, better) + special.xlogy(rest, 1 - worse - better)
    return np.where(b + c <= n, np.exp(logs), 0.0)


def newcombe_passes(n: int, margin: float, both: float, flips: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where Newcombe's upper bound alone is within the margin; of the items without a flip the share ``both`` fails twice."""
    passes = np.zeros((n + 1, n + 1), bool)
    for b, c in np.argwhere(flips):
        a = round(int(n - b - c) * both)
        passes[b, c] = paired_interval(Pairs(a, int(b), int(c), int(n - b - c - a)), 1 - 2 * ALPHA).upper <= margin
    return passes


def paired() -> list[Bar]:
    rows, false_passes, false_fails = [], [], []
    for n in (100, 200, 400):
        low, high = margin_p_values(n, TOLERANCE)
        at_margin = [chances_of_flips(n, TOLERANCE + q, q) for q in (0.0, 0.005, 0.01, 0.03, 0.1)]
        usual = chances_of_flips(n, 0.03, 0.03)
        likely = np.any([chances > 1e-7 for chances in (*at_margin, usual)], axis=0)
        kinds = [("exact (gates)", low <= ALPHA)]
        kinds += [(f"Newcombe, {both:g}", newcombe_passes(n, TOLERANCE, both, likely)) for both in (0.05, 0.5)]
        for name, passes in kinds:
            wrong = [float(chances[passes].sum()) for chances in at_margin]
            fails = ""
            if name.startswith("exact"):
                false_passes.append(max(wrong))
                false_fails.append(max(float(chances[high <= ALPHA].sum()) for chances in at_margin))
                fails = percent(false_fails[-1])
            rows.append([f"{n}  {name}", percent(usual[passes].sum()), *map(percent, wrong), fails])
    head = [
        "items, rule", "power, 3 : 3 %", "false PASS, 5 : 0 %", "5.5 : 0.5 %", "6 : 1 %", "8 : 3 %", "15 : 10 %", "false FAIL",
    ]  # fmt: skip
    note = """Flips for the worse : for the better. The exact unconditional test decides; Newcombe's bound beside it would depend
on the share of the other items that fail with both models (0.05, 0.5). Sums over all flips; alpha 5 %."""
    table("Non-inferiority at a margin of 5 %", head, rows, note)
    worst = max(*false_passes, *false_fails)
    return show([Bar("false PASS and false FAIL of the paired gate: at most 5 %", worst <= ALPHA + 1e-9, percent(worst))])


# ------------------------------------------------------------------ early stopping


def run_exactly(edges: Boundaries, p: float, every: int) -> tuple[float, float, float]:
    """P(PASS), P(FAIL) and mean items of a gate whose crossings, after any item, are acted on every ``every`` items."""
    n = edges.passes.size
    open_, passed, failed, items, stopped = np.zeros(n + 2), 0.0, 0.0, 0.0, 0.0
    open_[0] = 1.0
    for t in range(1, n + 1):
        open_[1:] = open_[1:] * (1 - p) + open_[:-1] * p
        open_[0] *= 1 - p
        most, fewest = int(edges.passes[t - 1]), int(edges.fails[t - 1])
        good, bad = open_[: most + 1].sum(), open_[fewest:].sum()
        passed, failed = passed + good, failed + bad
        items += (good + bad) * min(n, -(-t // every) * every)
        stopped += good + bad
        open_[: most + 1] = 0
        open_[fewest:] = 0
    return float(passed), float(failed), float(items + (1 - stopped) * n)


def curtailment(n: int, tolerance: float) -> Boundaries:
    """Where the fixed gate is settled: its own limits, as boundaries."""
    most, fewest, t = largest_pass(n, tolerance, ALPHA), smallest_fail(n, tolerance, ALPHA), np.arange(1, n + 1)
    passes = (-1 if most is None else most) - (n - t)
    return Boundaries(np.maximum(passes, -1), np.minimum(t + 1, n + 1 if fewest is None else fewest))


#: What stopping early must save against a fixed 361 items.
SAVED = {"clean (0)": 0.7, "good (tolerance / 4)": 0.5, "bad (4 x tolerance)": 0.7}
KINDS = {
    "clean (0)": 0.0, "good (tolerance / 4)": 0.25, "tolerance / 2": 0.5, "at the tolerance": 1.0, "2 x tolerance": 2.0,
    "bad (4 x tolerance)": 4.0,
}  # fmt: skip


def early_stopping(rng: np.random.Generator) -> list[Bar]:
    bars = []
    for tolerance in (0.05, 0.10):
        n, rows = blocking_n(tolerance), []
        edges, fixed = boundaries(n, tolerance, ALPHA), curtailment(n, tolerance)
        for kind, factor in KINDS.items():
            p = factor * tolerance
            every, rounds, settled = run_exactly(edges, p, 1), run_exactly(edges, p, ROUND), run_exactly(fixed, p, 1)
            saved, in_rounds = 1 - every[2] / n, 1 - rounds[2] / n
            urn = without_replacement(rng, p, tolerance, n)
            rows.append(
                [kind, percent(saved), percent(in_rounds), percent(1 - urn / n), percent(1 - settled[2] / n),
                 percent(every[0]), percent(power(n, tolerance, ALPHA, p)), percent(every[1])]
            )  # fmt: skip
            if kind in SAVED and n == 361:
                claim = f"early stopping saves at least {percent(SAVED[kind])} of {n} items on {kind}, in rounds of {ROUND}"
                bars.append(Bar(claim, min(saved, in_rounds) >= SAVED[kind], percent(min(saved, in_rounds))))
        head = ["true rate", "items saved", f"rounds of {ROUND}", "benchmark", "curtailment", "PASS", "PASS fixed", "FAIL"]
        note = "benchmark: without replacement from as many fixed items (300 simulated orders); the rest by exact recursion."
        table(f"Early stopping against a fixed {n} items at a tolerance of {100 * tolerance:g} %", head, rows, note)
    return show(bars)


def without_replacement(rng: np.random.Generator, p: float, tolerance: float, n: int) -> float:
    population = np.arange(n) < round(p * n)
    return float(np.mean([follow_benchmark(rng.permutation(population), tolerance, n, ALPHA).items for _ in range(300)]))


def report(simulations: int = 10_000, seed: int = 1) -> list[Bar]:
    """Print all tables, and give back their bars."""
    rng = np.random.default_rng(seed)
    bars = false_pass(rng, simulations)
    wrong_units(rng, simulations)
    bars += coverage_of_rates()
    bars += coverage_of_sequences(rng, simulations)
    coverage_of_others(rng, simulations)
    bars += paired()
    bars += early_stopping(rng)
    return bars


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    bars = report(options.simulations, options.seed)
    print(f"\n{time.perf_counter() - start:.0f} s, {options.simulations} simulations, seed {options.seed}")
    conclude(bars)


if __name__ == "__main__":
    main()
