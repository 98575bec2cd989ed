"""``slmtrust sweep --ray``: tasks on nodes of a cluster, results as without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_ray import Fake, Function, faked
from test_sweep import PROBE, SCRIPTED, SWEEP

from pytest_slmtrust.requests import BackendError
from pytest_slmtrust.scale.ray_sweep import run_there
from pytest_slmtrust.scale.sweep import Job, SweepError, Task

TWO = [{"NodeID": name, "Alive": True, "Resources": {"CPU": 2.0}} for name in ("here", "there")]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Three tasks; instead of pytest each writes its own name and the environment's threads."""

    def run(job: Job, environment: Any = None) -> str:
        (job.folder / "report").mkdir(parents=True, exist_ok=True)
        (job.folder / "report" / "audit.json").write_text(f"{job.task.name} {environment['OMP_NUM_THREADS']}")
        return f"exit status {len(job.task.name)}"

    monkeypatch.setattr("pytest_slmtrust.scale.sweep.Job.run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    tasks = [Task(name, name, f"scripted:{name}", "smoke", "fast") for name in ("one", "three", "eleven")]
    return [Job(task, tmp_path, tmp_path / "into" / task.name, task.identity) for task in tasks]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    with faked(monkeypatch, [dict(node) for node in TWO]) as made:
        yield made


def test_tasks_run_on_all_nodes_and_their_files_come_back(jobs: list[Job], fake: Fake, tmp_path: Path) -> None:
    said: list[str] = []
    ended = {job.task.name: status for job, status in run_there("127.0.0.1:1", jobs, said.append)}
    assert ended == {"one": "exit status 3", "three": "exit status 5", "eleven": "exit status 6"}
    assert [(job.folder / "report" / "audit.json").read_text() for job in jobs] == ["one 2", "three 2", "eleven 2"]
    assert {line.rpartition(" ")[2] for line in said} == {"here", "there"}
    assert list((tmp_path / "elsewhere").iterdir())  # a task of the other machine ran in a folder of that machine


def test_a_task_whose_node_is_lost_runs_again_elsewhere(jobs: list[Job], fake: Fake) -> None:
    lost: list[str] = []

    def breaks(call: Function) -> bool:
        if call.options["scheduling_strategy"] == "there" and not lost:
            lost.append("there")
            fake.nodes[1]["Alive"] = False
            return True
        return False

    fake.breaks = breaks
    said: list[str] = []
    ended = dict(run_there("127.0.0.1:1", jobs, said.append))
    assert len(ended) == 3
    assert all(status.startswith("exit status") for status in ended.values())
    assert any("lost" in line for line in said)


def test_a_task_that_loses_its_node_each_time_ends_in_an_error(jobs: list[Job], fake: Fake) -> None:
    fake.breaks = lambda call: call.arguments[0].task.name == "three"
    ended = {job.task.name: status for job, status in run_there("127.0.0.1:1", jobs, lambda line: None)}
    assert ended == {"one": "exit status 3", "three": "lost 3 times", "eleven": "exit status 6"}


def test_no_node_is_left(jobs: list[Job], fake: Fake) -> None:
    def breaks(call: Function) -> bool:
        for node in fake.nodes:
            node["Alive"] = False
        return True

    fake.breaks = breaks
    ended = [status for _, status in run_there("127.0.0.1:1", jobs, lambda line: None)]
    assert ended == ["no node is left"] * 3


def test_what_cannot_run_is_refused_in_one_line(jobs: list[Job], fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SweepError, match="--ray is 'ray://h:1'; expected local"):
        list(run_there("ray://h:1", jobs, lambda line: None))
    fake.nodes.clear()
    with pytest.raises(SweepError, match="no node with a GPU or a CPU"):
        list(run_there("auto", jobs, lambda line: None))
    monkeypatch.setattr(sys.modules["ray"], "is_initialized", lambda: False)
    with pytest.raises(BackendError, match="nobody answers there"):
        list(run_there("127.0.0.1:1", jobs, lambda line: None))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SweepError, match=r"extra \[ray\]"):
        list(run_there("local", jobs, lambda line: None))


@pytest.mark.full
def test_a_sweep_on_ray_has_the_results_of_one_without(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install pytest-slmtrust[ray]")
    rows = []
    for name, options in (("without", []), ("on ray", ["--ray", "local:2"])):
        folder = tmp_path / name
        folder.mkdir()
        for file, text in (("sweep.toml", SWEEP), ("scripted.py", SCRIPTED), ("probe_replies.py", PROBE)):
            (folder / file).write_text(text)
        code = "import sys; from pytest_slmtrust.cli import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run([sys.executable, "-c", code, "sweep", "sweep.toml", *options], cwd=folder, timeout=400, check=False)
        assert done.returncode == 2  # one of the models cannot be made
        tasks = json.loads((folder / "slmtrust-sweep" / "comparison.json").read_text())["tasks"]
        rows.append([{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second", "error")} for row in tasks])
    assert rows[0] == rows[1]
