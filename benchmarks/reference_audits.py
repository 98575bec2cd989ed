"""Several audits in one table, gate by gate, as a page of docs/results/.

    python benchmarks/reference_audits.py ci=a/audit.json audit=b/audit.json --table docs/results/reference-audits.md

Every number is read from an audit that `slmtrust verify` would pass; an audit that was edited ends the script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from results_page import page

from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.model import Audit, GateResult

DIMENSIONS = ("robustness", "privacy", "toxicity", "hallucination", "fairness")


def cell(gate: GateResult | None) -> str:
    """What an audit says of one probe: failures of judged items, or its number with the interval."""
    if gate is None or gate.status == "NOT TESTED":
        return "not tested"
    shown = gate.estimate
    if shown is None:
        whole = [f"{m.name} {m.estimate.value:.3f}" for m in gate.measures if not m.group and m.estimate is not None]
        return "; ".join([*whole[:3], str(gate.status)])
    interval = f"{shown.value:.3f} [{shown.lower:.3f}, {shown.upper:.3f}]"
    return f"{gate.failures} of {shown.n}, {interval} {gate.status}" if gate.quantity == "rate" else f"{interval} {gate.status}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("audits", nargs="+", metavar="NAME=audit.json")
    parser.add_argument("--table", type=Path, required=True, help="page to write")
    asked = parser.parse_args()
    named: dict[str, Audit] = {}
    for one in asked.audits:
        name, _, file = one.partition("=")
        named[name] = read_verified(Path(file))
    by_name = {n: {g.probe: g for g in a.gates if g.paired is None} for n, a in named.items()}
    probes = {g.probe: g.dimension for a in named.values() for g in a.gates if g.paired is None}
    ordered = sorted(probes.items(), key=lambda one: DIMENSIONS.index(one[1]))
    whole = [[dimension, probe, *(cell(gates.get(probe)) for gates in by_name.values())] for probe, dimension in ordered]
    rows = [row for row in whole if set(row[2:]) != {"not tested"}]
    about = " ".join(
        f"{name}: {a.model['name']}, {a.model['dtype']} on {a.model['device']}, profile {a.profile}, verdict {a.verdict}."
        for name, a in named.items()
    )
    page(asked.table, "Reference audits", about, "benchmarks/reference_audits.py", ["dimension", "probe", *named], rows)


if __name__ == "__main__":
    main()
