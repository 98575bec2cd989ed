"""Faults of a server against verdicts: twelve kinds at rates of 1, 10 and 100 %, after a start that went well.

    python benchmarks/endpoint_faults.py docs/results/endpoint-faults.md      # some minutes; prints the table and writes it

The server of the tests makes the faults. A run may lose its verdict by a fault, never gain one: there is no PASS that the run
without faults does not have, and no exit status 0, since one of the two gates fails without faults.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from endpoints import FAULTS, Toy, serving  # type: ignore[import-not-found]
from results_page import page
from runs import audit, run  # type: ignore[import-not-found]

HEAD = ("fault", "rate", "exit", "verdict", "gates", "requests", "")
RATES = (0.01, 0.10, 1.0)
KINDS = (
    "429", "500", "503", "timeout", "cut", "html", "truncated", "half json", "gone", "wrong model", "no choices", "redirect",
)  # fmt: skip
#: Half of the questions are answered wrongly: one gate passes and one fails.
PROBES = """
from pytest_slmtrust import Generate, Verdict, ask, chat, probe


@probe(dimension="robustness", rows=[{"i": i} for i in range(120)], needs=(Generate,), tolerance=0.1)
def passes(i):
    reply = yield from ask(Generate(chat(f"Good {i}"), 4))
    return Verdict("yes" in reply.text)


@probe(dimension="privacy", rows=[{"i": i} for i in range(120)], needs=(Generate,), tolerance=0.1)
def fails(i):
    reply = yield from ask(Generate(chat(f"Bad {i}"), 4))
    return Verdict("yes" in reply.text)
"""


def main() -> None:
    rows, wrong = [], 0
    without = one("", 0.0)
    print(f"without faults: exit {without[0]}, {without[1]}, {without[2]}")
    for kind in KINDS:
        for rate in RATES:
            status, verdict, gates, requests = one(kind, rate)
            gained = [name for name, found in gates.items() if found == "PASS" and without[2].get(name) != "PASS"]
            green = status == 0
            bad = bool(gained) or green
            wrong += bad
            shown = ", ".join(f"{name} {found}" for name, found in gates.items()) or "no gate"
            rows.append([kind, f"{rate:.0%}", status, verdict, shown, requests, "WRONG" if bad else "right"])
            print(" | ".join(map(str, rows[-1])), flush=True)
    print(f"\n{len(rows)} runs; {wrong} gained a PASS or were green")
    if sys.argv[1:]:
        about = f"{(__doc__ or '').splitlines()[0]} {len(rows)} runs; {wrong} gained a PASS or were green."
        page(Path(sys.argv[1]), "Faults of a server", about, "benchmarks/endpoint_faults.py", HEAD, rows)
    sys.exit(wrong > 0)


def one(kind: str, rate: float) -> tuple[int, str, dict[str, str], int]:
    """Exit status, verdict, gates and number of requests of one run."""
    draw = random.Random(f"{kind} {rate}")
    toy = Toy("chat", reply=lambda talk: "yes" if "Good" in talk[-1]["content"] else "no")

    def fault(path: str, n: int) -> str:  # noqa: ARG001
        return kind if _is_question(toy) and draw.random() < rate else ""

    toy.fault = fault if kind else toy.fault
    with tempfile.TemporaryDirectory() as name, serving(toy):
        folder = Path(name)
        (folder / "probe_two.py").write_text(PROBES)
        (folder / "conftest.py").write_text(QUICK)
        done = run(folder, f"--slm={toy.url}", "--slm-packs=none", "-q")
        if "Traceback" in done.stdout + done.stderr:
            print(done.stdout, done.stderr)
        found = audit(folder)
        return done.returncode, found["verdict"], {g["probe"]: g["status"] for g in found["gates"]}, toy.count


def _is_question(toy: Toy) -> bool:
    """Whether the request under way is a probe's: the start is not disturbed."""
    body = toy.seen[-1][1]
    return "Good" in json.dumps(body) or "Bad" in json.dumps(body)


#: Waits as short as they can be, so that 36 runs take minutes.
QUICK = """
from pytest_slmtrust.backends.endpoint import wire
old = wire.Patience.__init__
def quick(self, *args, **more):
    old(self, *args, **{"first": 0.01, "most": 0.05, "request": 0.8, "down": 1.0, **more})
wire.Patience.__init__ = quick
"""


if __name__ == "__main__":
    assert set(KINDS) <= set(FAULTS)
    main()
