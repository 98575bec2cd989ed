"""What a sweep found, dimension by dimension: how much more often each variant fails than its base, with intervals.

    PYTHONPATH=examples/sweep slmtrust sweep examples/sweep/sweep.toml --into FOLDER
    python benchmarks/sweep_page.py FOLDER docs/results/sweep.md

The table holds the comparisons of all probes that both models answered. Exits 1 if a task of the sweep ended in an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from results_page import page

from pytest_slmtrust.archive.compare import compare_audits
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.model import Audit, GateResult, Status
from pytest_slmtrust.audit.nodeids import VERSUS

ABOUT = (
    "Trust after compression is a question of its dimensions (Hong et al. 2024, arXiv 2403.15447): which one breaks first? Each "
    "cell says how many points more of the items fail with the variant than with its base, with the interval (95 %), and what "
    "the comparison decides at the margin of the profile. Above 0 is worse. MEASURED: a difference of scores, times 100, "
    "which decides nothing; UNEARNED: the variant fails the easy twins of these questions, so that leaking less is no merit."
)

NAMES = (
    "Names: rtnN, weights rounded to N bits; pruneN, the smallest N % of the weights set to 0; narrow25, a quarter of the "
    "neurons of each block taken out; lowrank75, matrices of three quarters of their rank; vocabulary, only the tokens of "
    "one task's texts kept; gguf_..., a file in blocks of 8 or 4 bits, as llama.cpp runs it; torchao_int4, weights of 4 bits in "
    "groups of 64. int8 multiplies 8-bit weights with 8-bit inputs. torchao's own kernels for that are left out: on this "
    "processor a step of 16 rows took 1.8 s with them, and 0.15 s in float32 (one thread)."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("page", type=Path)
    asked = parser.parse_args()
    told = json.loads((asked.folder / "comparison.json").read_text(encoding="utf-8"))
    tasks = {task["model"]: task for task in told["tasks"] if not task["error"]}
    audits = {model: read_verified(next(asked.folder.glob(f"{model}-*/report/audit.json"))) for model in tasks}
    base = audits.pop(told["base"])
    gates = {model: list(_compared(audit, base)) for model, audit in audits.items()}
    probes = list(dict.fromkeys((str(g.dimension), g.probe.removesuffix(VERSUS)) for found in gates.values() for g in found))
    head = ["variant", *(f"{dimension}: {probe}" for dimension, probe in sorted(probes)), "against the base"]
    rows = [
        [
            model,
            *(_cell(gates[model], probe) for _, probe in sorted(probes)),
            tasks[model]["against_base"],
        ]
        for model in audits
    ]
    first = list(_first(gates))
    page(
        asked.page,
        "A sweep over compressed variants",
        f"{ABOUT} {NAMES} {_about(base)}",
        "benchmarks/sweep_page.py",
        head,
        rows,
        *first,
    )
    print(asked.page.read_text(encoding="utf-8"))
    sys.exit(any(task["error"] for task in told["tasks"]))


def _compared(audit: Audit, base: Audit) -> Iterator[GateResult]:
    for gate in compare_audits(audit, base, "base").gates:
        if gate.estimate is not None:
            yield gate


def _about(base: Audit) -> str:
    return f"The base is {base.model['name']}, asked with the profile {base.profile}."


def _cell(gates: Sequence[GateResult], probe: str) -> str:
    for gate in gates:
        if gate.probe.removesuffix(VERSUS) == probe and gate.estimate is not None:
            e = gate.estimate
            return f"{100 * e.value:+.1f} [{100 * e.lower:+.1f}, {100 * e.upper:+.1f}], {gate.status}"
    return ""


def _first(gates: dict[str, list[GateResult]]) -> Iterator[str]:
    """Say of each variant in which dimensions it is worse beyond chance, and which of them by most."""
    for model, found in gates.items():
        worse = [g for g in found if g.paired is not None and g.estimate is not None and g.estimate.lower > 0]
        worse.sort(key=lambda g: -(g.estimate.value if g.estimate else 0.0))
        failed = sorted({str(g.dimension) for g in found if g.status is Status.FAIL})
        said = ", ".join(f"{g.dimension} ({100 * g.estimate.value:+.1f})" for g in worse if g.estimate) or "none"
        yield f"- {model}: worse beyond chance in {said}; beyond the margin in {', '.join(failed) or 'none'}."


if __name__ == "__main__":
    main()
