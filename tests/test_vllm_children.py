"""The children that hold vLLM's engines: how they start, end and are lost, with a package ``vllm`` of a few lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import BackendError
from pytest_slmtrust.backends.vllm.crew import Crew

#: An engine that does what the first id of a prompt says, and starts a process of its own as vLLM does.
PACKAGE = """
import os, subprocess, sys, time
from types import SimpleNamespace

SamplingParams = dict

def TokensPrompt(prompt_token_ids):
    return prompt_token_ids

class EngineDeadError(Exception):
    pass

class LLM:
    def __init__(self, model, **arguments):
        print("INFO a line of its log")
        with open(os.environ["PIDS"], "a") as stream:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            stream.write(f"{os.getpid()}\\n{child.pid}\\n")
        if model == "broken":
            raise ValueError("head sizes 7 are not supported.\\nSupported: 32, 64.")
        if model == "elsewhere":
            print("(EngineCore) ERROR OSError: no space left for shared memory", file=sys.stderr)
            raise RuntimeError("Engine core initialization failed. See root cause above.")
        if model == "gone":
            os._exit(7)
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=64))

    def generate(self, prompts, params, use_tqdm):
        return [self.one(ids) for ids in prompts]

    def one(self, ids):
        if ids[0] == 8:
            time.sleep(600)
        if ids[0] == 9:
            os._exit(3)
        if ids[0] == 7:
            raise EngineDeadError("EngineCore encountered an issue.")
        if ids[0] == 6:
            raise ValueError("this one is too long")
        time.sleep(ids[1] / 1000)
        seen = [int(n) for n in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if n]
        reply = SimpleNamespace(token_ids=[ids[0], *seen], cumulative_logprob=-1.0)
        return SimpleNamespace(outputs=[reply])
"""
PLATFORMS = """
from types import SimpleNamespace
current_platform = SimpleNamespace(device_type="cpu", is_cpu=lambda: True)
"""
#: Asks for something that never comes, and says so before.
WAITS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background starts without it
from pytest_slmtrust.backends.vllm.crew import Crew
crew = Crew("m", {"model": "sound"})
crew.start()
print("started", flush=True)
list(crew.answered([[{"ids": [8, 0], "params": {}, "scored": None}]]))
"""


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "path" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    (package / "platforms.py").write_text(PLATFORMS)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "pids"


def prompts(*firsts: int, wait: int = 0) -> list[dict[str, Any]]:
    return [{"ids": [first, wait], "params": {}, "scored": None} for first in firsts]


def started(model: str = "sound", **more: Any) -> Crew:
    crew = Crew("m", {"model": model, **more.pop("arguments", {})}, **more)
    crew.start()
    return crew


def alive(pids: Path) -> list[int]:
    """Which of the processes are still there, after some patience."""
    for _ in range(100):
        left = [pid for pid in map(int, pids.read_text().split()) if _runs(pid)]
        if not left:
            return []
        time.sleep(0.05)
    return left


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_batches_are_answered_and_prompts_refused_alone(pids: Path, capfd: pytest.CaptureFixture[str]) -> None:
    crew = started()
    found = dict(crew.answered([prompts(1, 2), prompts(3, 6, 4), prompts(5)]))
    assert [[one.get("ids", one.get("error")) for one in found[n]] for n in range(3)] == [
        [[1], [2]], [[3], "ValueError: this one is too long", [4]], [[5]],
    ]  # fmt: skip
    assert (crew.about["context"], crew.about["device"]) == (64, "cpu")
    assert crew.peak_bytes() > 0
    crew.close()
    assert alive(pids) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "said"),
    [("broken", "ValueError: head sizes 7 are not supported. Supported: 32, 64."),
     ("elsewhere", "no space left for shared memory"), ("gone", "it ended with")],
)  # fmt: skip
def test_a_start_that_fails_is_one_line_with_the_cause(model: str, said: str, pids: Path) -> None:
    with pytest.raises(BackendError) as error:
        started(model, replicas=2)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert alive(pids) == []


@pytest.mark.parametrize(("first", "said"), [(9, "vLLM stopped"), (7, "EngineDeadError: EngineCore encountered an issue")])
def test_an_engine_that_is_lost_ends_the_run(first: int, said: str, pids: Path) -> None:
    crew = started()
    with pytest.raises(BackendError, match=said):
        list(crew.answered([prompts(1), prompts(first)]))
    assert alive(pids) == []


def test_replicas_share_the_gpus_and_the_work(pids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    crew = started(replicas=2, arguments={"tensor_parallel_size": 2})
    found = dict(crew.answered([prompts(1, wait=400), prompts(2, wait=400)]))
    assert sorted(one["ids"] for answers in found.values() for one in answers) == [[1, 4, 5], [2, 6, 7]]
    crew.close()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    with pytest.raises(BackendError, match=r"needs 4; 3 can be seen"):
        started(replicas=2, arguments={"tensor_parallel_size": 2})
    assert alive(pids) == []


def test_answers_that_nobody_waited_for_are_not_taken_for_others(pids: Path) -> None:
    crew = started()
    for _ in crew.answered([prompts(1), prompts(2, wait=200)]):
        break
    left = crew.answered([prompts(1), prompts(2, wait=200)])
    next(left)
    left.close()
    assert [one[0]["ids"] for _, one in crew.answered([prompts(3), prompts(4)])] == [[3], [4]]
    crew.close()


@pytest.mark.parametrize("end", [lambda p: p.send_signal(signal.SIGINT), lambda p: p.kill()])
def test_no_process_is_left_after_an_interrupt_or_a_kill(end: Callable[[subprocess.Popen[str]], None], pids: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    assert len(pids.read_text().split()) == 2
    time.sleep(0.2)
    end(process)
    assert process.wait(20) != 0
    process.stdout.close()
    assert alive(pids) == []
    assert os.getpid() not in map(int, pids.read_text().split())
