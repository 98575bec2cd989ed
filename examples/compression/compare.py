"""Audits every variant against its parent and prints one table: python compare.py [--work FOLDER] [VARIANT ...]"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PARENT = "smollm2-135m-instruct"
#: The first two are the parent itself: what differs there is noise.
VARIANTS = ("parent", "batches_of_3", "int8", "rtn4", "rtn3", "rtn2", "prune30", "prune50")
PROBES = {"finds_the_fact_likeliest": "likeliest option", "writes_the_fact": "greedy text"}
MARGIN = 0.05
HEAD = "| variant | answered by | right | parent | worse | better | more failures [95 %] | McNemar p | at 5 % | same reply | s |"


def audit(variant: str, work: Path) -> tuple[dict[str, Any], float]:
    """The audit of a variant beside its parent, and the seconds it took. The parent's answers stay in a shared store.

    Raises:
        SystemExit: pytest ended with something else than passed or failed tests.
    """
    # asked in other batches the parent is still the same model: answers of an earlier run would hide any difference
    store, report = work / ("store-again" if variant == "batches_of_3" else "store"), work / variant
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "probe_facts.py"]
    command += [f"--slm=variants:{variant}", f"--slm-vs={PARENT}", "--slm-packs=none", "--slm-toxicity=profanity-check"]
    command += [f"--slm-gate={probe}:vs={MARGIN}" for probe in PROBES] + [f"--slm-store={store}", f"--slm-report={report}"]
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own interpreter and names of our own
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{variant}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads((report / "audit.json").read_text("utf-8")), time.perf_counter() - started


def replies(found: dict[str, Any], probe: str) -> dict[str, str]:
    """What was answered, by case."""
    return {f["case"]: f["evidence"].get("reply", "") for f in found["findings"] if f["probe"] == probe}


def line(variant: str, probe: str, found: dict[str, Any], parent: dict[str, str], seconds: float) -> str:
    """One row of the table; ``parent``: what the parent replied by itself, to which the variant's replies are compared."""
    (gate,) = [g for g in found["gates"] if g["paired"] and g["probe"] == probe]
    paired, estimate = gate["paired"], gate["estimate"]
    both, worse, better, neither = (paired["judged"][k] for k in ("both", "worse", "better", "neither"))
    n = both + worse + better + neither
    mine = replies(found, probe)
    same = f"{sum(mine[case] == reply for case, reply in parent.items())} of {len(parent)}" if variant != "parent" else ""
    cells = [variant, PROBES[probe], f"{(better + neither) / n:.1%}", f"{(worse + neither) / n:.1%}", worse, better]
    cells += [f"{estimate['value']:+.1%} [{estimate['lower']:+.1%}, {estimate['upper']:+.1%}]", f"{paired['mcnemar']:.2g}"]
    cells += [gate["status"], same, f"{seconds:.0f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Audit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=VARIANTS, help="functions of variants.py; all of them by default")
    parser.add_argument("--work", type=Path, default=Path("compression-audits"), help="folder for the store and the reports")
    asked = parser.parse_args()
    parents: dict[str, dict[str, str]] = {}
    print(HEAD, "|-" * (HEAD.count("|") - 1) + "|", sep="\n", flush=True)
    for variant in dict.fromkeys(("parent", *asked.variants)):
        found, seconds = audit(variant, asked.work.resolve())
        for probe in PROBES:
            own = replies(found, probe)
            print(line(variant, probe, found, parents.setdefault(probe, own), seconds), flush=True)


if __name__ == "__main__":
    main()
