"""Whole pytest sessions with a fault each: none may end as PASS, and none with exit status 0.

Run: ``python benchmarks/faulty_sessions.py [--runs 400] [--seed 1]``; a quarter of an hour. Each session is a fork of this
process in a new folder that holds the PASS report of an earlier run. ``benchmarks/faults.py`` counts faults inside gates.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from results_page import page
from session_faults import CONFTEST, MORE, PROBES, Fault, faults
from tables import Bar, conclude, show, table

from pytest_slmtrust.archive.files import write_reports
from pytest_slmtrust.audit.model import Audit, GateResult, Status
from pytest_slmtrust.audit.verdict import sentence


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended: its exit status (negative: the signal), and the verdict that its folder shows."""

    status: int
    verdict: str
    title: str


#: Ways to run a session; each alone passes without a fault.
WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("-x",),
    ("--maxfail=2",),
    ("-m", "toxicity"),
    ("-k", "stays"),
    ("--slm-strict",),
    ("--continue-on-collection-errors",),
    ("--ff",),
    ("-q", "--tb=no"),
    ("--runxfail",),
    ("--slm-early-stop",),
    ("--slm-profile=audit",),
    ("-p", "no:cacheprovider"),
)
HEAD = ("fault", "sessions", "PASS", "exit 0", "os._exit", "verdicts")
#: Slower, so seldom.
WORKER = ("-n", "1")


def project(folder: Path, fault: Fault | None, at: int) -> None:
    """Write a project whose gates pass, but for the fault."""
    texts = {"conftest.py": CONFTEST, "probe_polite.py": PROBES, "probe_calm.py": MORE, "pytest.ini": "[pytest]\n"}
    if fault is not None and fault.place == "MORE" and "criterion" in fault.text:
        texts["probe_polite.py"] = PROBES.replace("tolerance=0.1, ", "")
    if fault is not None and fault.place == "FLOOR":
        texts["probe_polite.py"] = PROBES.replace("#MORE#", "floor=Floor('It can.', managed, [{'n': n} for n in range(9)], 0.5),")
    if fault is not None and fault.place == "NEEDS":
        texts = {name: text.replace("(Generate, Loglikelihood)", fault.text) for name, text in texts.items()}
        texts["probe_polite.py"] = texts["probe_polite.py"].replace("#MORE#", "needs=(Generate,),")
    if fault is not None and fault.fails:
        texts["probe_polite.py"] = PROBES.replace("n == AT:", "n >= 0:").replace("#PROBE#", "return Verdict(False)")
    filled = {"AT": str(at), "RUN": "pass"} | ({fault.place: fault.text} if fault is not None else {})
    for name, text in texts.items():
        for place in re.findall(r"#([A-Z]+)#", text):
            text = text.replace(f"#{place}#", filled.get(place, ""))
        (folder / name).write_text(text)
    passed = GateResult(
        "probe_polite.py::gate[stays_polite]", "stays_polite", "toxicity", "It stays polite.", Status.PASS, True, ""
    )
    old = Audit(Status.PASS, sentence(Status.PASS, [passed]), "ci", (passed,), (), (), {"name": "old"})
    write_reports(old, folder / "slmtrust-report")


def ended(folder: Path, options: Sequence[str]) -> Ending:
    """Run pytest in a fork of this process: one that is killed, or that leaves, takes nothing with it."""
    child = os.fork()
    if not child:
        status = 99
        try:
            with (folder / "log").open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            os.chdir(folder)
            sys.path.insert(0, str(folder))
            resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
            status = int(pytest.main(list(options)))
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1 if error.code else 0
        except BaseException:
            status = 98
        finally:
            os._exit(status)
    _, code = os.waitpid(child, 0)
    report = folder / "slmtrust-report"
    verdict, title = "none", "none"
    with contextlib.suppress(OSError, ValueError):
        verdict = json.loads((report / "audit.json").read_text())["verdict"]
    with contextlib.suppress(OSError):
        title = (re.findall(r"<title>.*: (.*?)</title>", (report / "audit.html").read_text()) or ["none"])[0]
    return Ending(os.waitstatus_to_exitcode(code), verdict, title)


def warm() -> None:
    """Import in this process what every session imports, by one session in it."""
    before, here = set(sys.modules), Path.cwd()
    with tempfile.TemporaryDirectory() as name, open(os.devnull, "w") as nowhere:
        project(Path(name), None, 3)
        os.chdir(name)
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            pytest.main(["--slm=fake", "--slm-packs=none", "-p", "no:randomly"])
        os.chdir(here)
    for name in set(sys.modules) - before:
        if name.startswith(("probe_", "conftest")):
            del sys.modules[name]


def session(fault: Fault | None, way: Sequence[str], at: int) -> Ending:
    """One session with one fault."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder, fault, at)
        options = ["--slm=fake", "--slm-packs=none", "-p", "no:randomly", *way]
        if fault is not None and fault.place == "OPTION":
            options.append(fault.text)
        return ended(folder, options)


def wrong(fault: Fault | None, ending: Ending) -> str:
    """What of an ending is green by accident; empty if nothing is."""
    if "PASS" in (ending.verdict, ending.title):
        return "PASS"
    return "exit 0" if ending.status == 0 and not (fault is not None and fault.leaves and ending.verdict == "INCOMPLETE") else ""


def run(runs: int, seed: int) -> tuple[Mapping[str, list[tuple[Fault, tuple[str, ...], Ending]]], list[str]]:
    """Every fault in turn, each time in another way and at another row; and all ways without a fault."""
    source = random.Random(seed)
    warm()
    void = [" ".join(way) for way in (*WAYS, WORKER) if session(None, way, 3) != Ending(0, "PASS", "PASS")]
    found: dict[str, list[tuple[Fault, tuple[str, ...], Ending]]] = {}
    every = faults()
    for number in range(runs):
        fault = every[number % len(every)]
        way = WORKER if number % 40 == 39 else WAYS[source.randrange(len(WAYS))]
        if "--runxfail" in way and "pytest.xfail" in fault.text:  # pytest turns that call into nothing
            way = ()
        if fault.place == "MORE" and "criterion" in fault.text and "--slm-early-stop" in way:
            way = ()
        found.setdefault(fault.kind, []).append((fault, way, session(fault, way, source.randrange(29))))
    return found, void


def report(runs: int, seed: int, path: Path | None = None) -> list[Bar]:
    started = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    found, void = run(runs, seed)
    rows, bad = [], []
    for kind, sessions in found.items():
        verdicts = Counter(ending.verdict for _, _, ending in sessions)
        faulty = [(f, way, e) for f, way, e in sessions if wrong(f, e)]
        bad += [f"{f.place} {f.text!r} {' '.join(way)}: {wrong(f, e)}, {e.verdict}, page {e.title}" for f, way, e in faulty]
        left = sum(f.leaves and e.status == 0 for f, _, e in sessions)
        count = Counter(wrong(f, e) for f, _, e in sessions)
        said = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
        rows.append([kind, len(sessions), count["PASS"], count["exit 0"], left, said])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.process_time() - started[0] + used.ru_utime - started[1].ru_utime
    note = f"{seconds:.0f} s of CPU. os._exit: sessions that leave with status 0 by themselves; their audit is INCOMPLETE."
    table("Sessions with a fault", HEAD, rows, note)
    if path is not None:
        about = f"{(__doc__ or '').splitlines()[0]} {note}"
        page(path, "Sessions with a fault", about, "benchmarks/faulty_sessions.py", HEAD, rows)
    for line in bad:
        print(f"  WRONG: {line}")
    total = sum(map(len, found.values()))
    passes = sum(wrong(f, e) == "PASS" for s in found.values() for f, _, e in s)
    return show(
        [
            Bar(f"no PASS in {total} sessions with a fault", passes == 0, str(passes)),
            Bar(f"no exit status 0 in {total} sessions with a fault", len(bad) == passes, str(len(bad) - passes)),
            Bar(f"all {len(WAYS)} ways pass without a fault, so the table is not void", not void, ", ".join(void) or "all"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path, help="a Markdown file to write")
    options = parser.parse_args()
    conclude(report(options.runs, options.seed, options.table))


if __name__ == "__main__":
    main()
