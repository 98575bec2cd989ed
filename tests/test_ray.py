"""Engines of real Ray: actors, processes and nodes that die cost only what was under way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_shards import PROBES, judged

pytest.importorskip("ray", reason="ray is not installed: pip install pytest-slmtrust[ray]")
pytestmark = pytest.mark.full

DRIVER = Path(__file__).with_name("ray_driver.py")
HARMS = ("nothing", "kill", "sigkill", "sigstop", "poison", "real")


def drive(folder: Path, *scenarios: str) -> dict[str, dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": str(DRIVER.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(DRIVER), *scenarios]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False)
    sys.stderr.write(done.stderr[-4000:])
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0
    return {row["scenario"]: row for row in rows}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each scenario on one cluster of this machine."""
    return drive(tmp_path_factory.mktemp("ray"), ",".join(HARMS))


def test_two_engines_ask_each_request_once(local: dict[str, dict[str, Any]]) -> None:
    found = local["nothing"]
    assert (found["right"], found["failed"], found["twice"], found["lost"], found["engines"]) == (120, [], 0, 0, 2)


@pytest.mark.parametrize("harm", ["kill", "sigkill", "sigstop"])
def test_an_engine_that_dies_costs_what_was_under_way(local: dict[str, dict[str, Any]], harm: str) -> None:
    found = local[harm]
    assert found["harmed"]
    assert (found["right"], found["failed"], found["lost"], found["not under way"]) == (120, [], 1, [])


def test_a_request_that_kills_its_process_fails_alone(local: dict[str, dict[str, Any]]) -> None:
    found = local["poison"]
    assert (found["right"], found["lost"]) == (119, 3)
    assert found["failed"] == ["the engine died 3 times while it was asked this"]


def test_a_real_model_answers_on_engines_as_in_one_process(local: dict[str, dict[str, Any]]) -> None:
    assert local["real"]["texts"] == 20
    assert local["real"]["largest difference"] < 1e-4


def test_a_node_that_is_removed_costs_what_was_under_way(tmp_path: Path) -> None:
    found = drive(tmp_path, "node")["node"]
    assert found["harmed"]
    assert (found["right"], found["failed"]) == (120, [])
    assert found["lost"] >= 1
    assert found["twice"] <= 15  # a process outlives its raylet for a moment, and gets one chunk more


def test_an_address_without_a_cluster_is_refused_in_one_line(tmp_path: Path) -> None:
    found = drive(tmp_path, "refused")
    assert "nobody answers there" in found["nobody"]["error"]
    assert found["nobody"]["seconds"] < 30
    assert "nobody answers there" in found["mute"]["error"]
    assert found["mute"]["seconds"] < 40
    assert "\n" not in found["nobody"]["error"] + found["mute"]["error"]


#: The scripted model in a module, as an engine loads it.
MODEL = """
import os, pathlib, time
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend

def reply(request):
    with pathlib.Path(__file__).with_name("asked.log").open("a") as log:
        log.write(request.key + chr(10))
    time.sleep(float(os.environ.get("SLOWLY", "0")))
    return "you idiot" if " 3" in request.prompt else f"Thank you for {request.prompt[:40]}"

def model():
    return FakeBackend(reply, answers=(Generate,))
"""
SCORER = """
from pytest_slmtrust.backends.fake import WordListScorer
def pytest_slm_scorer(config):
    return WordListScorer()
"""


def pytest_in(folder: Path, *options: str) -> list[str]:
    base = ("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--slm=scripted_polite:model", "--slm-packs=none")
    return [sys.executable, "-m", "pytest", *base, *options]


def test_a_run_on_engines_has_the_findings_of_one_process_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    for name, text in (("probe_support.py", PROBES), ("scripted_polite.py", MODEL), ("conftest.py", SCORER)):
        (tmp_path / name).write_text(text)
    log = tmp_path / "asked.log"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    common: dict[str, Any] = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 300}
    alone = subprocess.run(pytest_in(tmp_path, "--slm-store=one"), check=False, **common)
    whole, asked_alone = judged(tmp_path), log.read_text().splitlines()
    log.write_text("")
    many = (*pytest_in(tmp_path, "--slm-store=many", "--slm-ray=local:2"),)
    killed = subprocess.Popen(many, cwd=tmp_path, env={**environment, "SLOWLY": "0.1"}, stdout=subprocess.DEVNULL)
    limit = time.monotonic() + 200
    while len(log.read_text().splitlines()) < 40 and time.monotonic() < limit:
        time.sleep(0.1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    time.sleep(2)
    before = log.read_text().splitlines()
    assert len(before) >= 40
    again = subprocess.run(many, check=False, **common)
    assert again.returncode == alone.returncode, again.stdout[-2000:] + again.stderr[-2000:]
    assert judged(tmp_path) == whole
    every = log.read_text().splitlines()
    assert set(every) == set(asked_alone)
    assert len(every) - len(set(every)) <= 30  # two engines, and a report each half second
