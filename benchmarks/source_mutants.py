"""Faults put into the source, one at a time: does the test suite notice each?

Run: ``python benchmarks/source_mutants.py [--each 4] [--seed 1] [--only gates/gate.py]``. The faults are drawn with a fixed seed
from all places where a comparison, a Boolean, a number or a result can be changed. The tree is copied: nothing here changes.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tables import Bar, conclude, percent, show, table

ROOT = Path(__file__).parents[1]
PACKAGE = "pytest_slmtrust"
#: Modules that decide, and the test files that are to notice a fault in them.
WATCHED: dict[str, tuple[str, ...]] = {
    "gates/gate.py": ("test_gates.py", "test_stopping.py", "test_quality.py", "test_measures.py"),
    "gates/bounds.py": ("test_gates.py", "test_limits.py"),
    "gates/detector_errors.py": ("test_quality.py",),
    "gates/early_stop.py": ("test_stopping.py", "test_stats_sequential.py"),
    "gates/paired_gate.py": ("test_versus.py", "test_compare.py"),
    "engine/engine.py": ("test_engine.py", "test_gatekeeper.py", "test_thinking.py"),
    "engine/store.py": ("test_store.py",),
    "engine/admission.py": ("test_gatekeeper.py",),
    "archive/verify.py": ("test_tampering.py", "test_audit_fields.py", "test_compare.py"),
    "archive/installed.py": ("test_tampering.py", "test_audit_fields.py", "test_edited_audits.py"),
    "audit/verdict.py": ("test_verdict.py",),
    "audit/counting.py": ("test_gates.py",),
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
SECONDS = 600


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
    elif isinstance(node, ast.If):
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
    drawn = []
    for module in WATCHED:
        if only in module:
            found = mutants_of(module)
            drawn += random.Random(f"{seed} {module}").sample(found, min(each, len(found)))
    return drawn


def noticed(tree: Path, mutant: Mutant, more: Sequence[str]) -> str:
    """The way in which the tests notice a fault in the copied tree: ``failed``, ``late``, or empty if they pass."""
    file = tree / PACKAGE / mutant.module
    sound = file.read_bytes()
    file.write_bytes(mutant.applied(sound))
    tests = [str(tree / "tests" / name) for name in (*WATCHED[mutant.module], *more)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not model and not browser", *tests]
    path = os.pathsep.join(map(str, (tree, tree / "tests", tree / "benchmarks")))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "late"
    finally:
        file.write_bytes(sound)
    return "failed" if done.returncode else ""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--each", type=int, default=4, help="faults for each module")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", default="", help="modules whose name contains this")
    asked.add_argument("--more", nargs="*", default=[], help="further test files to run for each fault")
    options = asked.parse_args()
    rows: list[list[object]] = []
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        for name in listed:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
        for mutant in chosen(options.each, options.seed, options.only):
            began = time.monotonic()
            how = noticed(tree, mutant, options.more)
            survivors += [] if how else [mutant]
            rows.append([mutant.module, mutant.line, how or "SURVIVED", f"{time.monotonic() - began:.0f} s", short(mutant)])
            print(*rows[-1], sep="  ", flush=True)
    table("Faults put into the source", ["module", "line", "", "took", "change"], rows)
    killed = len(rows) - len(survivors)
    bar = Bar(
        f"at least {percent(AT_LEAST)} of the faults are noticed", killed >= AT_LEAST * len(rows), f"{killed} of {len(rows)}"
    )
    conclude(show([bar]))


def short(mutant: Mutant) -> str:
    return " ".join(f"{mutant.old} -> {mutant.new}".split())[:100]


if __name__ == "__main__":
    main()
