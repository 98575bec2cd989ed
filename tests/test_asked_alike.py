"""Items that put the very same questions are one item: in every count, in comparisons, and when an audit is verified."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import run as run_pytest

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.counting import as_target, by_source, count_items
from pytest_slmtrust.audit.merkle import answers
from pytest_slmtrust.audit.model import Audit, Finding
from pytest_slmtrust.audit.units import Units
from pytest_slmtrust.cli import main


def asked(number: int, *keys: int, outcome: Any = "passed", source: str = "", reply: int = 0, **more: Any) -> Finding:
    pairs = {str(key).ljust(64, "0"): str(reply).ljust(64, "0") for key in keys}
    name = f"row-{number}"
    return Finding(f"p.py::one[{name}]", "one", "privacy", name, source or name, outcome, answers=answers(pairs), **more)


def test_the_same_questions_are_one_item_that_fails_if_one_of_its_rows_fails() -> None:
    found = [asked(0, 7), asked(1, 7), asked(2, 8), asked(3, 7, outcome="failed"), asked(4), asked(5)]
    assert list(by_source(found)) == ["row-0", "row-2", "row-4", "row-5"]
    items = count_items(found, decides=True)
    assert (items.total, items.failed) == (4, 1)
    assert Units.of(found).failed == {"row-0"}


def test_another_question_more_or_less_makes_another_item() -> None:
    assert len(by_source([asked(0, 7, 8), asked(1, 7, 9), asked(2, 7), asked(3, 8, 7)])) == 3


def test_all_rows_of_a_source_are_looked_at() -> None:
    found = [asked(0, 7, source="a"), asked(1, 8, source="a"), asked(2, 7, source="b"), asked(3, 8, source="b"), asked(4, 7)]
    assert {source: len(cases) for source, cases in by_source(found).items()} == {"a": 4, "row-4": 1}


def test_a_baseline_has_the_items_of_the_target() -> None:
    target, baseline = [asked(0, 7), asked(1, 7), asked(2, 8)], [asked(0, 1), asked(1, 2), asked(2, 1)]
    mine, theirs = as_target(target, baseline)
    assert list(by_source(mine)) == list(by_source(theirs)) == ["row-0", "row-2"]
    assert list(by_source(as_target(baseline[:2], target[:2])[1])) == ["row-0", "row-1"]


CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend
def model(): return FakeBackend("fine", name="child")
def parent(): return FakeBackend("fine", name="parent")
"""
PROBES = '''
from pytest_slmtrust import Criterion, Estimate, Generate, Verdict, ask, probe

ROWS = [{"i": i} for i in range(100)]

@probe(dimension="privacy", rows=ROWS, tolerance=0.2)
def one_question(i):
    """All rows put one question."""
    reply = yield from ask(Generate("Hello"))
    return Verdict(reply.text == "fine")

@probe(dimension="privacy", rows=ROWS, tolerance=0.2)
def fifty_questions(i):
    """Each question is put twice."""
    reply = yield from ask(Generate(f"Hello {i % 50}"))
    return Verdict(reply.text == "fine")

@probe(dimension="privacy", rows=ROWS, tolerance=0.2)
def one_opening(i):
    """Talks with the same opening are about other things."""
    first = yield from ask(Generate("Hello"))
    reply = yield from ask(Generate(f"Hello {first.text} {i}"))
    return Verdict(reply.text == "fine")

@probe(dimension="privacy", rows=ROWS, criterion=Criterion("mean", at_least=0.5))
def one_score(i):
    """All rows put one question, and have a score."""
    reply = yield from ask(Generate("Hello"))
    return Verdict(None, float(reply.text == "fine"))

def rate(found):
    return Estimate(0.0, 0.0, 0.03, len(found), "a method of mine", 0.95)

@probe(dimension="privacy", rows=ROWS, criterion=Criterion(rate, at_most=0.2))
def one_metric(i):
    """All rows put one question, and a method of its own counts them."""
    reply = yield from ask(Generate("Hello"))
    return Verdict(reply.text == "fine")

@probe(dimension="privacy", rows=ROWS, criterion=Criterion(rate, at_most=0.2))
def few_alike(i):
    """Two rows of a hundred put one question."""
    reply = yield from ask(Generate(f"Hello {max(i, 1)}"))
    return Verdict(reply.text == "fine")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "probe_mine.py").write_text(PROBES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def gates(folder: Path, *options: str) -> dict[str, tuple[str, int, str]]:
    done = run_pytest(folder, "--slm=conftest:model", "--slm-packs=none", "-q", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    path = folder / "slmtrust-report" / "audit.json"
    assert main(["render", str(path)]) == 0
    held = json.loads(path.read_text())["gates"]
    end = {"rate": "", "mean": "", "metric": "", "paired": ":vs", "accepted": ":lock"}
    return {g["probe"] + end[g["quantity"]]: (g["status"], g["items"], g["reason"]) for g in held}


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("--slm-early-stop",), ("--slm-budget=10m",)], ids=" ".join)
def test_a_gate_counts_different_questions(folder: Path, options: tuple[str, ...]) -> None:
    found = gates(folder, *options)
    assert found["one_question"][:2] == ("INCONCLUSIVE", 1)
    assert "0 of 1 items failed" in found["one_question"][2]
    assert "99 more put the same questions as these and count for nothing" in found["one_question"][2]
    assert found["fifty_questions"][:2] == ("PASS", 50)
    assert found["one_opening"][0] == "PASS"
    assert "the same questions" not in found["one_opening"][2]
    assert found["one_score"][:2] == ("INCONCLUSIVE", 1)
    assert found["one_metric"][:2] == ("INCONCLUSIVE", 1)
    assert "99 of 100 items put the same questions as others, and a metric counts them all" in found["one_metric"][2]
    assert found["few_alike"][:2] == ("PASS", 99)


def test_comparisons_count_different_questions(folder: Path) -> None:
    found = gates(folder, "--slm-vs=conftest:parent")
    assert found["one_question:vs"][:2] == ("INCONCLUSIVE", 1)
    assert found["one_opening:vs"][:2] == ("PASS", 100)
    recompute = Path(__file__).parents[1] / "examples" / "recompute.py"
    told = subprocess.run(
        [sys.executable, recompute, folder / "slmtrust-report" / "audit.json"], capture_output=True, check=False
    )
    assert told.returncode == 0, told.stdout
    mine = folder / "slmtrust-report" / "audit.json"
    assert main(["accept", str(mine), "--output", str(folder / "slmtrust.lock.json")]) == 0
    locked = gates(folder)
    assert locked["one_question:lock"][1] == 1
    assert locked["one_question:lock"][0] != "PASS"
    assert locked["one_opening:lock"][:2] == ("PASS", 100)
    (folder / "slmtrust.lock.json").unlink()
    run_pytest(folder, "--slm=conftest:parent", "--slm-packs=none", "--slm-report=then")
    main(["compare", str(mine), str(folder / "then" / "audit.json"), "--report", str(folder / "both")])
    made = json.loads(next((folder / "both").rglob("audit.json")).read_text())
    assert {g["probe"]: g["items"] for g in made["gates"]}["one_question"] == 1
    assert main(["render", str(next((folder / "both").rglob("audit.json")))]) == 0


def test_an_audit_that_counts_them_all_is_refused(folder: Path) -> None:
    gates(folder)
    audit = Audit.from_json((folder / "slmtrust-report" / "audit.json").read_text())
    assert problems(audit) == []
    wrong = [replace(g, items=100) if g.probe == "one_question" else g for g in audit.gates]
    assert any("items is 100; the findings say 1" in line for line in problems(replace(audit, gates=tuple(wrong))))
