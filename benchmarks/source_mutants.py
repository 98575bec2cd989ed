"""Faults put into the source, one at a time: does the test suite notice each, and does ``make test`` notice what all tests do?

Run: ``python benchmarks/source_mutants.py [--each 2] [--seed 1] [--only gates/gate.py] [--write]``. The faults are drawn with a
fixed seed from all places where a comparison, a Boolean, a number or a result can be changed. The tree is copied: nothing here
changes but, with ``--write``, ``docs/results/mutants.md``. A run adds its faults to the section of its commit and draw there.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from tables import Bar, conclude, percent, show, table

ROOT = Path(__file__).parents[1]
PACKAGE = "pytest_slmtrust"
#: Modules that decide, and the test files that are to notice a fault in them.
WATCHED: dict[str, tuple[str, ...]] = {
    "gates/gate.py": ("test_gates.py", "test_stopping.py", "test_quality.py", "test_measures.py"),
    "audit/bounds.py": ("test_gates.py", "test_limits.py"),
    "gates/detector_errors.py": ("test_quality.py",),
    "gates/early_stop.py": ("test_stopping.py", "test_stats_sequential.py"),
    "gates/paired_gate.py": ("test_versus.py", "test_compare.py"),
    "engine/engine.py": ("test_engine.py", "test_admission.py", "test_gatekeeper.py", "test_thinking.py"),
    "engine/store.py": ("test_store.py",),
    "engine/admission.py": ("test_admission.py", "test_gatekeeper.py"),
    "archive/verify.py": ("test_tampering.py", "test_audit_fields.py", "test_compare.py"),
    "archive/own_words.py": ("test_tampering.py", "test_audit_fields.py", "test_compare.py"),
    "archive/installed.py": ("test_tampering.py", "test_audit_fields.py", "test_edited_audits.py"),
    "audit/verdict.py": ("test_verdict.py",),
    "audit/counting.py": ("test_gates.py", "test_precision.py"),
    "detectors/refusal.py": ("test_detectors_refusal.py",),
    "detectors/leak.py": ("test_detectors_leak.py",),
    "detectors/pii.py": ("test_personal_data.py", "test_detectors_pii.py"),
    "detectors/credentials.py": ("test_credentials.py",),
}
SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
#: Share of the faults that the suite must notice. What is left changes nothing that can be seen, such as a message's wording.
AT_LEAST = 0.85
SECONDS = 900
#: What is said of tests that did not end in time: an endless loop, or a busy machine. It is no proof that they notice a fault.
LATE = "late"
#: What ``make test`` runs of the test files, and what ``make test-full`` adds. A fault that the first notices needs no second.
SHORT, MORE = "not browser and not full", "full and not browser"
PAGE = ROOT / "docs" / "results" / "mutants.md"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: source text ``old`` at ``line`` of a module becomes ``new``."""

    module: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]


def changes(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """A part of the tree with the source that takes its place."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
        yield node, ast.unparse(ast.Compare(node.left, [SWAPPED[type(node.ops[0])]()], node.comparators))
    elif isinstance(node, ast.BoolOp):
        yield node, ast.unparse(ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, ast.unparse(node.operand)
    elif isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING":  # no test sees it: mypy does
        yield node.test, f"not ({ast.unparse(node.test)})"
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield node, ast.unparse(ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right))
    elif isinstance(node, ast.Return) and isinstance(node.value, (ast.Compare, ast.BoolOp, ast.Call)):
        yield node.value, "None"


def mutants_of(module: str) -> list[Mutant]:
    """Every change of a module, in the order of its source. Text inside f-strings is a message, and stays."""
    source = (ROOT / PACKAGE / module).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in unquoted(ast.parse(source)):
        for part, new in changes(node):
            assert isinstance(part, ast.expr)
            start = starts[part.lineno - 1] + part.col_offset
            end = starts[(part.end_lineno or 0) - 1] + (part.end_col_offset or 0)
            old = source[start:end].decode()
            found.append(Mutant(module, part.lineno, start, end, old, f"({new})"))
    return sorted(found, key=lambda one: (one.start, one.new))


def unquoted(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.JoinedStr, ast.Raise)):
            yield from unquoted(child)


def chosen(each: int, seed: int, only: str) -> list[Mutant]:
    """A first fault of each module, then a second of each, and so on: a run that is cut short has seen all modules."""
    drawn = []
    for module in WATCHED:
        if only in module:
            found = mutants_of(module)
            drawn += list(enumerate(random.Random(f"{seed} {module}").sample(found, min(each, len(found)))))
    return [mutant for _, mutant in sorted(drawn, key=lambda pair: pair[0])]


def tested(tree: Path, tests: Sequence[str], selection: str) -> str:
    """The first test that fails in the copied tree, ``import`` where none could run, ``late``; empty if all pass."""
    files = [str(tree / "tests" / name) for name in tests]
    lean = [word for name in ("anyio", "html", "cov", "xdist") for word in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *lean, "-m", selection, *files]
    try:
        done = inside(tree, command)
    except subprocess.TimeoutExpired:
        return LATE
    if done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return ""
    named = re.search(r"^(?:FAILED|ERROR) \S*?(test_\w+)\.py::(\w+)", done.stdout, re.MULTILINE)
    return f"{named[1]}::{named[2]}" if named else "import"


def inside(tree: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that imports the copied tree."""
    path = os.pathsep.join(map(str, (tree, tree / "tests", tree / "benchmarks")))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)


def noticed(tree: Path, mutant: Mutant, more: Sequence[str]) -> tuple[str, str]:
    """Whether the short and the long suite notice a fault in the copied tree."""
    file = tree / PACKAGE / mutant.module
    sound = file.read_bytes()
    tests = (*WATCHED[mutant.module], *more)
    file.write_bytes(mutant.applied(sound))
    try:
        short = tested(tree, tests, SHORT)
        return short, short or tested(tree, tests, MORE)
    finally:
        file.write_bytes(sound)


@dataclass(frozen=True, slots=True)
class Result:
    """What the tests said of one fault, after how many seconds."""

    mutant: Mutant
    short: str
    long: str
    seconds: float

    @property
    def row(self) -> list[str]:
        change = " ".join(f"{self.mutant.old} -> {self.mutant.new}".split())[:100]
        return [self.mutant.module, str(self.mutant.line), self.short or "SURVIVED", self.long or "SURVIVED", change]


def result(free: SimpleQueue[Path], mutant: Mutant, more: Sequence[str]) -> Result:
    """Test one fault in a copy of the tree that no other is in."""
    tree, began = free.get(), time.monotonic()
    try:
        short, long = noticed(tree, mutant, more)
        return Result(mutant, short, long, time.monotonic() - began)
    finally:
        free.put(tree)


HEAD = ("module", "line", "make test", "make test-full", "change")


#: A row of the page: what both suites said of one fault.
ROW = re.compile(r"^\|[\w/]+\.py\|\d+\|([^|]*)\|([^|]*)\|.*$", re.MULTILINE)


def page(old: str, results: Sequence[Result], command: str) -> str:
    """The page with these results in the section of this commit and draw; all other sections stay as they are."""
    shown = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    title = f"Commit {shown.strip()}, `{command}`\n"
    sections = dict.fromkeys(old.split("\n## ")[1:])
    mine = next((section for section in sections if section.startswith(title)), "")
    rows = dict.fromkeys(found[0] for found in ROW.finditer(mine))
    for one in results:
        cells = [*one.row[:-1], "`" + one.row[-1].replace("|", "\\|").replace("`", "'") + "`"]
        rows["|" + "|".join(cells) + "|"] = None
    when = f"{datetime.date.today().isoformat()}, Python {platform.python_version()}, {machine()}."
    section = "\n".join([f"{title}\n{when}\n", "|" + "|".join(HEAD) + "|", "|" + "-|" * len(HEAD), *rows, ""])
    whole = [section if one == mine else one for one in sections] + [section] * (not mine)
    return "\n## ".join([head("\n".join(whole)), *whole])


def head(sections: str) -> str:
    """The first lines of the page, with the counts of all its rows."""
    said = [found.groups() for found in ROW.finditer(sections)]
    decided = [both for both in said if LATE not in both]
    short, long = (sum(both[suite] != "SURVIVED" for both in decided) for suite in (0, 1))
    return f"""# Faults put into the source

{len(said)} faults, one at a time, each against the test files of its module. Of {len(decided)} that came to an end within
{SECONDS} s `make test` noticed {short}, and `make test-full` {long}. Of the others ({len(said) - len(decided)}) nothing is known.
A fault that `make test` notices was not put to `make test-full`, which runs the same tests too.
"""


def machine() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}"


def copied(folder: Path) -> Path:
    """The files of the repository, in a folder where they can be changed.

    Raises:
        SystemExit: this Python imports the package from elsewhere, so no fault would be seen.
    """
    tree = folder / "tree"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in listed:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    found = inside(tree, [sys.executable, "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)"])
    if not found.stdout.startswith(str(tree)):
        raise SystemExit(f"{PACKAGE} is imported from {found.stdout.strip() or found.stderr[-200:]}, not from the changed copy")
    return tree


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--each", type=int, default=4, help="faults for each module")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", default="", help="modules whose name contains this")
    asked.add_argument("--more", nargs="*", default=[], help="further test files to run for each fault")
    asked.add_argument("--jobs", type=int, default=1, help="copies of the tree that are tested at a time")
    asked.add_argument("--write", action="store_true", help=f"add to {PAGE.relative_to(ROOT)} after each fault")
    options = asked.parse_args()
    more = f" --more {' '.join(options.more)}" if options.more else ""
    command = f"python benchmarks/source_mutants.py --each {options.each} --seed {options.seed}{more}"
    drawn = chosen(options.each, options.seed, options.only)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            free.put(copied(Path(folder) / str(number)))
        for done in as_completed([pool.submit(result, free, mutant, options.more) for mutant in drawn]):
            results.append(done.result())
            results.sort(key=lambda one: drawn.index(one.mutant))
            print(*done.result().row, f"{done.result().seconds:.0f} s", sep="  ", flush=True)
            if options.write:
                PAGE.write_text(page(PAGE.read_text("utf-8"), results, command), "utf-8")
    table("Faults put into the source", HEAD, [r.row for r in results])
    decided = [r for r in results if LATE not in (r.short, r.long)]
    killed, all_killed = sum(bool(r.short) for r in decided), sum(bool(r.long) for r in decided)
    bars = [
        Bar(
            f"make test notices at least {percent(AT_LEAST)} of the faults",
            killed >= AT_LEAST * len(decided),
            f"{killed} of {len(decided)}; {len(results) - len(decided)} did not end",
        ),
        Bar("make test notices what all tests notice", killed == all_killed, f"{killed} and {all_killed}"),
    ]
    conclude(show(bars))


if __name__ == "__main__":
    main()
