"""Recompute an audit's numbers from its findings: ``python examples/recompute.py slmtrust-report/audit.json``.

Exact rates are done here with SciPy alone; the rarer intervals come from ``pytest_slmtrust.stats``, which imports nothing else
of the package. Exits 1 if anything differs.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scipy.stats import beta, binom, binomtest

from pytest_slmtrust import stats

Data = dict[str, Any]
Items = dict[str, list[Data]]
Pairs = Iterator[tuple[float, float]]  # a number as recomputed, and as the audit has it


def low(k: int, n: int, alpha: float) -> float:
    return float(beta.ppf(alpha, k, n - k + 1)) if k else 0.0


def high(k: int, n: int, alpha: float) -> float:
    return float(beta.ppf(1 - alpha, k + 1, n - k)) if k < n else 1.0


def of_gate(gate: Data, findings: list[Data]) -> list[Data]:
    place = gate["nodeid"].rpartition("::")[0] + "::"
    return [f for f in findings if f["probe"] == gate["probe"] and f["nodeid"].startswith(place)]


def items_of(gate: Data, findings: list[Data]) -> Items:
    """By source; those of which the target was asked the very same questions are one item."""
    items, asked, first = Items(), dict[str, set[str]](), dict[Any, str]()
    for f in of_gate(gate, audit["findings"]):
        asked.setdefault(f["source"], set()).update(one[:16] for one in (f["answers"] or {}).get("short", ()))
    name = {source: first.setdefault(frozenset(keys) or source, source) for source, keys in asked.items()}
    for f in of_gate(gate, findings):
        items.setdefault(name.get(f["source"]) or f["source"], []).append(f)
    return items


def outcomes(items: Items, decides: bool = True) -> dict[str, str]:
    lost = {"unscored", "error", "measured"} if decides else {"unscored", "error"}
    seen = {source: {c["outcome"] for c in cases} for source, cases in items.items()}
    return {s: "failed" if "failed" in o else "lost" if o & lost else "passed" for s, o in seen.items()}


def means(items: Items) -> list[float]:
    scores = [[c["score"] for c in cases if c["score"] is not None] for cases in items.values()]
    return [sum(s) / len(s) for s in scores if s]


def rate(gate: Data, found: list[str]) -> Pairs:
    n, k, lost, a = len(found), found.count("failed"), found.count("lost"), gate["alpha"]
    yield from [(n, gate["items"]), (k, gate["failures"]), (lost, gate["unscored"])]
    yield from [(low(k, n, a), gate["lower"]), (high(k + lost, n, a), gate["upper"])]
    yield from [(k / n, gate["best"]), ((k + lost) / n, gate["worst"])]
    if (e := gate["estimate"]) and (m := n - lost):
        yield from [(k / m, e["value"]), (low(k, m, 0.025), e["lower"]), (high(k, m, 0.025), e["upper"])]
    if gate["p_fail"] is not None:
        limit = gate["tolerance"]
        yield float(binom.sf(k - 1, n, limit)), gate["p_fail"]
        if gate["largest_pass"] is not None:
            yield stats.largest_pass(n, limit, a) or 0, gate["largest_pass"]
            yield float(binom.cdf(gate["largest_pass"], n, limit / 2)), gate["power"]


def watched(gate: Data, found: dict[str, str]) -> Pairs:
    order = [found[source] for source in gate["stopped"]["order"]]
    failed, worst = [o == "failed" for o in order], [o != "passed" for o in order]
    seen = stats.watch(failed, worst, gate["tolerance"], gate["stopped"]["planned"], gate["alpha"])
    yield from [(seen.lower, gate["lower"]), (seen.upper, gate["upper"])]


def beside(gate: Data, items: Items) -> Pairs:
    """Floor, mean score and groups."""
    if (floor := gate["floor"]) and floor["total"]:
        yield low(floor["passed"], floor["total"], gate["alpha"]), floor["lower"]
    if (e := gate["mean_score"]) and "betting" in e["method"]:
        ends = stats.mean_interval(means(items))
        yield from [(sum(means(items)) / e["n"], e["value"]), (ends.lower, e["lower"]), (ends.upper, e["upper"])]
    for group in gate["groups"]:
        e, members = group["estimate"], [f for f in audit["findings"] if f["group"] == group["group"]]
        own = items_of(gate, members)
        if e["method"].startswith("Clopper"):
            k = list(outcomes(own).values()).count("failed")
            yield from [(k / e["n"], e["value"]), (low(k, e["n"], 0.025), e["lower"]), (high(k, e["n"], 0.025), e["upper"])]
        else:
            yield sum(means(own)) / e["n"], e["value"]


def corrected(gate: Data, found: list[str]) -> Pairs:
    d, e = gate["measured"], gate["corrected"]
    table = stats.Confusion(d["tp"], d["fn"], d["tn"], d["fp"])
    made = stats.corrected_rate(found.count("failed"), len(found) - found.count("lost"), table, 1 - 2 * gate["alpha"])
    yield from [(made.value, e["value"]), (made.interval.lower, e["lower"]), (made.interval.upper, e["upper"])]


def paired(gate: Data, items: Items) -> Pairs:
    others = items_of(gate, audit["baseline"]["findings"])
    judges = any(c["outcome"] in ("passed", "failed") for side in (items, others) for cases in side.values() for c in cases)
    mine, theirs = outcomes(items, judges), outcomes(others, judges)
    both = [(mine[s], theirs[s]) for s in mine if "lost" not in (mine[s], theirs[s])]
    worse, better, p, e = both.count(("failed", "passed")), both.count(("passed", "failed")), gate["paired"], gate["estimate"]
    yield from [(worse, p["judged"]["worse"]), (better, p["judged"]["better"])]
    if worse + better:
        yield float(binomtest(worse, worse + better).pvalue), p["mcnemar"]
    if not both:
        return
    counts = stats.Pairs(both.count(("failed", "failed")), worse, better, both.count(("passed", "passed")))
    ends = stats.paired_interval(counts)
    yield from [((worse - better) / counts.n, e["value"]), (ends.lower, e["lower"]), (ends.upper, e["upper"])]
    if gate["tolerance"] is not None and not gate["unscored"]:
        made = stats.non_inferior(counts, gate["tolerance"], gate["alpha"])
        yield from [(made.p_pass, p["p_pass"]), (made.p_fail, p["p_fail"])]


def numbers(gate: Data) -> Pairs:
    items = items_of(gate, audit["findings"])
    found = outcomes(items, gate["tolerance"] is not None)
    yield from beside(gate, items)
    if gate["paired"]:
        yield from paired(gate, items)
    elif gate["quantity"] == "rate" and gate["lower"] is not None:
        yield from watched(gate, found) if gate["stopped"] else rate(gate, list(found.values()))
        if gate["corrected"]:
            yield from corrected(gate, list(found.values()))


audit = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
compared = {gate["nodeid"]: list(numbers(gate)) for gate in audit["gates"]}
wrong = [(name, *pair) for name, pairs in compared.items() for pair in pairs if abs(pair[0] - pair[1]) > 1e-6]
print(f"{sum(map(len, compared.values()))} numbers of {len(compared)} gates recomputed, {len(wrong)} differ")
for name, made, said in wrong:
    print(f"  {name}: {made} by the findings, {said} in the audit")
sys.exit(bool(wrong))
