"""Files of tasks from strangers: what cannot be used is refused or NOT TESTED in one line, and costs no other task."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="the extra 'lm-eval' is not installed")

from test_harness_tasks import CHOICES

from pytest_slmtrust.authoring.datafiles import NotAskable
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.catalog.harness import probes_of
from pytest_slmtrust.catalog.registry import Choice, entries_of
from pytest_slmtrust.gates.policy import load_policy

#: The harness takes seconds to import.
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data of twelve rows; data sets are kept in it too."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
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


def test_a_group_with_two_tasks_of_one_name_is_refused(folder: Path) -> None:
    one = CHOICES.replace("FOLDER", str(folder)).strip().replace("\n", "\n    ").replace("task: choices", "task: twin")
    text = f"group: pair\ntask:\n  - {one}\n  - {one}\n"
    (folder / "pair.yaml").write_text(text, "utf-8")
    with pytest.raises(ProbeError, match="two tasks of the name"):
        probes_of("pair.yaml", Choice(folder=folder))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else '1'}]\n" for n in range(12)), ""),
        ("include: again.yaml", "cycle"),
        ("a: &a [*a]", ""),
        ("task: []", ""),
        ("group: g\ntask: []", "holds no test"),
        ("[1, 2]", ""),
        ("a: " + "[" * 3000, ""),
        ("task: x\n#" + "x" * 2**20, "expected the file of a task"),
        ("group: g\ntask: [no_such_task]", "its group names the task 'no_such_task', which it does not hold"),
        ("group: g\ntask: [{task: hellaswag, num_fewshot: 2}]", "its group names the task 'hellaswag', which it does not hold"),
        ("group: g\ntask: [{group: h, task: [again.yaml]}]", "its group names the task 'again.yaml', which it does not hold"),
    ],
)
def test_a_file_of_a_stranger_is_refused_or_not_tested_in_one_line(folder: Path, text: str, said: str) -> None:
    (folder / "again.yaml").write_text(text, "utf-8")
    started = time.process_time()
    try:
        [entry] = entries_of([("again.yaml", folder)])
    except ProbeError as error:
        why = str(error)
    else:
        with pytest.raises(NotAskable) as refused:
            entry.probe.cases(load_policy("full").profile)
        why = str(refused.value)
    assert said in why
    assert "\n" not in why
    assert time.process_time() - started < 20


def _zero(place: Path) -> None:
    place.symlink_to("/dev/zero")


def _sparse(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(2 * 2**30)


def _chain(place: Path) -> None:
    for n in range(120):
        (place.parent / f"chain{n}.yaml").write_text(f"include: chain{n + 1}.yaml\n", "utf-8")
    place.symlink_to("chain0.yaml")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_zero, "it includes 'inside.yaml': a device; expected a regular file"),
        (os.mkfifo, "it includes 'inside.yaml': a pipe; expected a regular file"),
        (Path.mkdir, "it includes 'inside.yaml': a folder; expected a regular file"),
        (_sparse, "it includes 'inside.yaml': 2147483648 bytes"),
        (lambda place: place.symlink_to(place.name), "it includes 'inside.yaml': "),
        (lambda place: None, "it includes 'inside.yaml': no such file"),
        (_chain, "it includes more than 100 files"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("deep", [False, True])
def test_what_a_task_includes_is_a_file_of_the_same_kind_and_size(
    tmp_path: Path, make: Callable[[Path], object], said: str, deep: bool
) -> None:
    make(tmp_path / "inside.yaml")
    (tmp_path / "between.yaml").write_text("include: [inside.yaml]\n", "utf-8")
    (tmp_path / "outside.yaml").write_text(f"include: {'between' if deep else 'inside'}.yaml\ntask: x\n", "utf-8")
    with pytest.raises(ProbeError) as refused:
        probes_of("outside.yaml", Choice(folder=tmp_path))
    assert str(refused.value).startswith(f"--slm-tasks outside.yaml: {said}")
    assert "\n" not in str(refused.value)


def test_a_task_may_include_files_and_reach_them_by_links(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "common.yaml").write_text(CHOICES.replace("FOLDER", str(folder)), "utf-8")
    (other / "link.yaml").symlink_to("common.yaml")
    (other / "own.yaml").write_text(f"include: [link.yaml, '{folder / 'texts.yaml'}']\ntask: own\n", "utf-8")
    (folder / "texts.yaml").write_text("metadata: {version: 2.0}\n", "utf-8")
    assert [probe.name for probe in probes_of("own.yaml", Choice(folder=other))] == ["own"]


def test_a_task_of_a_group_that_cannot_be_loaded_costs_the_others_nothing(folder: Path) -> None:
    """All are written into the group: the data of the second are not on this machine, the third names a metric that is none."""
    texts = [
        CHOICES.replace("task: choices", f"task: {name}").replace("FOLDER", str(folder)).replace(*change)
        for name, change in (
            ("good", ("", "")), ("remote", ("dataset_path: json", "dataset_path: no-such-org/no-such-data")),
            ("strange", ("metric: acc", "metric: nothing_such")),
        )
    ]  # fmt: skip
    inline = "".join("  - " + text.strip().replace("\n", "\n    ") + "\n" for text in texts)
    (folder / "mixed.yaml").write_text(f"group: mixed\ntask:\n{inline}", "utf-8")
    probes = {probe.name: probe for probe in probes_of("mixed.yaml", Choice(folder=folder))}
    assert set(probes) == {"mixed_good", "mixed_remote", "mixed_strange"}
    assert len(probes["mixed_good"].cases(load_policy("full").profile)) == 12
    for name in ("mixed_remote", "mixed_strange"):
        with pytest.raises(NotAskable) as refused:
            probes[name].cases(load_policy("full").profile)
        assert "\n" not in str(refused.value)


def test_a_file_that_is_no_task_is_one_line(folder: Path) -> None:
    (folder / "none.yaml").write_text("hello: [1, 2", "utf-8")
    for name in ("none.yaml", "absent.yaml"):
        with pytest.raises(ProbeError, match="--slm-tasks") as error:
            probes_of(name, Choice(folder=folder))
        assert "\n" not in str(error.value)
