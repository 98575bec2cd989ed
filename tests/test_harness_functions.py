"""Functions of a task's own code that cannot be imported: their task is NOT TESTED by name, and the others are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="the extra 'lm-eval' is not installed")

from test_harness_tasks import CHOICES

from pytest_slmtrust.authoring.datafiles import NotAskable
from pytest_slmtrust.catalog.harness import probes_of
from pytest_slmtrust.catalog.registry import Choice
from pytest_slmtrust.gates.policy import load_policy

#: The harness takes seconds to import.
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with data of twelve rows."""
    rows = [{"q": f"question {n}", "options": ["yes", "no"], "gold": n % 2} for n in range(12)]
    (tmp_path / "choices.json").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return tmp_path


LEAVES = {
    "exits": ("raise SystemExit(0)", "exits.py (SystemExit: 0)"),
    "exits_deep": ("import os\nclass Gone(BaseException): pass\nraise Gone('\\x1b[2J\\n::error::x')", "exits_deep.py (Gone: "),
    "broken": ("1 / 0", "broken.py (ZeroDivisionError"),
    "other": ("def x(): pass", "other.py (AttributeError"),
    "cut": ("def judge(:", "cut.py (SyntaxError"),
}


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("key", ["process_results", "process_docs", "class"])
def test_a_function_that_cannot_be_imported_costs_its_own_task_alone(name: str, key: str, folder: Path) -> None:
    """The code of a task may end the process as it is imported; a good task is written into the same group."""
    code, place = LEAVES[name]
    (folder / f"{name}.py").write_text(code, "utf-8")
    good, bad = (CHOICES.replace("task: choices", f"task: {own}").replace("FOLDER", str(folder)).strip() for own in "ab")
    bad += f"\n{key}: !function {name}.judge"
    inline = "".join("  - " + text.replace("\n", "\n    ") + "\n" for text in (good, bad))
    (folder / "mixed.yaml").write_text(f"group: mixed\ntask:\n{inline}", "utf-8")
    (folder / "alone.yaml").write_text(bad, "utf-8")
    choice, profile = Choice(folder=folder), load_policy("full").profile
    probes = {probe.name: probe for probe in (*probes_of("mixed.yaml", choice), *probes_of("alone.yaml", choice))}
    assert set(probes) == {"mixed_a", "mixed_b", "b"}
    assert len(probes["mixed_a"].cases(profile)) == 12
    for own in ("mixed_b", "b"):
        with pytest.raises(NotAskable) as refused:
            probes[own].cases(profile)
        assert f"!function {name}.judge cannot be imported from {place}" in str(refused.value)
        assert str(refused.value).isprintable()


def test_a_function_of_the_whole_group_is_one_of_each_task(folder: Path) -> None:
    (folder / "exits.py").write_text("raise SystemExit(0)", "utf-8")
    one = CHOICES.replace("FOLDER", str(folder)).strip().replace("\n", "\n    ")
    (folder / "all.yaml").write_text(f"group: all\nprocess_docs: !function exits.x\ntask:\n  - {one}\n", "utf-8")
    (probe,) = probes_of("all.yaml", Choice(folder=folder))
    with pytest.raises(NotAskable, match=r"from exits\.py \(SystemExit: 0\)"):
        probe.cases(load_policy("full").profile)
