"""The children that hold vLLM's engines: one, or as many as replicas were asked for, each with its share of the GPUs."""

from __future__ import annotations

import os
import select
import subprocess
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...requests import BackendError
from .. import hosting
from .worker import CODE

#: Seconds for a model to be loaded, compiled and tried by vLLM.
LOADS = 3600.0
#: GiB of a CPU's memory for keys and values where the user's environment names no other size.
CPU_CACHE = "4"
VISIBLE = "CUDA_VISIBLE_DEVICES"
_SET = {
    # the engine in the child, and not in a process apart: it ends with the child, and batches are the same in each run
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING", "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip


@dataclass(slots=True, weakref_slot=True)
class Crew:
    """Answers batches of prompts, each by the next engine that is free. ``name``: of the model, for messages."""

    name: str
    arguments: Mapping[str, Any]
    replicas: int = 1
    threads: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)
    _children: list[subprocess.Popen[str]] = field(default_factory=list)
    _logs: list[Any] = field(default_factory=list)
    _ends: list[Any] = field(default_factory=list)
    _asked: int = 0

    def start(self) -> None:
        """Load the model in every child.

        Raises:
            BackendError: vLLM cannot load it; one line with the cause.
        """
        try:
            for number in range(self.replicas):
                child, log = hosting.start(CODE, self._environment(number))
                self._children.append(child)
                self._logs.append(log)
                self._ends.append(weakref.finalize(self, hosting.end, child, log))
                hosting.tell(child, self.arguments)
            for child, log in zip(self._children, self._logs, strict=True):
                said = hosting.hear(child, LOADS)
                if "context" not in said:
                    why = _cause(str(said.get("error", "")), log) or f"it ended with {child.poll()}"
                    raise BackendError(f"{self.name}: vLLM cannot load it ({why})")
                self.about = said
        except BaseException:
            self.close()
            raise

    def answered(self, batches: Iterable[Sequence[Mapping[str, Any]]]) -> Generator[tuple[int, list[Any]], None, None]:
        """Yield the number of each batch with its answers, as they come.

        Raises:
            BackendError: an engine is gone.
        """
        waiting = deque(enumerate(batches))
        busy: dict[int, tuple[int, int]] = {}  # by child: the batch, and the number that its answer bears
        while waiting or busy:
            for child in range(len(self._children)):
                if waiting and child not in busy:
                    self._asked += 1
                    place, prompts = waiting.popleft()
                    busy[child] = place, self._asked
                    hosting.tell(self._children[child], {"number": self._asked, "prompts": list(prompts)})
            for child in self._ready(busy):
                place, number = busy.pop(child)
                yield place, self._heard(child, number)

    def peak_bytes(self) -> int:
        """Return the largest resident sizes of the children, summed up."""
        return sum(hosting.peak_bytes(child.pid) or 0 for child in self._children)

    def close(self) -> None:
        """End the children, and all that they started."""
        for end in self._ends:
            end()
        self._children, self._logs, self._ends = [], [], []

    def _ready(self, busy: Iterable[int]) -> list[int]:
        """Return the children that said something."""
        streams: dict[int, int] = {}
        for child in busy:
            stream = self._children[child].stdout
            assert stream is not None
            streams[stream.fileno()] = child
        ready, _, _ = select.select(list(streams), [], [])
        return sorted(streams[stream] for stream in ready)

    def _heard(self, child: int, number: int) -> list[Any]:
        """Return the answers to a batch, past those to batches that nobody waits for any more."""
        while True:
            said = hosting.hear(self._children[child])
            if "answers" not in said:
                raise self._gone(child, said)
            if said["number"] == number:
                return list(said["answers"])

    def _gone(self, child: int, said: Mapping[str, Any]) -> BackendError:
        why = _cause(str(said.get("error", "")), self._logs[child]) or "it ended without a word"
        self.close()
        return BackendError(f"{self.name}: vLLM stopped ({why})")

    def _environment(self, number: int) -> dict[str, str]:
        """Return the environment of one child: the user's, quiet and offline, with its share of GPUs and threads."""
        env = {**os.environ, **_SET}
        env.setdefault("VLLM_CPU_KVCACHE_SPACE", CPU_CACHE)
        env.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        env["OMP_NUM_THREADS"] = str(max(1, self.threads // self.replicas))
        if self.replicas > 1:
            env[VISIBLE] = ",".join(_share(number, self._gpus_each(), self.replicas))
        return env

    def _gpus_each(self) -> int:
        return int(self.arguments.get("tensor_parallel_size", 1)) * int(self.arguments.get("pipeline_parallel_size", 1))


def _share(number: int, each: int, replicas: int) -> list[str]:
    """Return the GPUs of one replica, of those that the user's environment shows."""
    shown = os.environ.get(VISIBLE)
    nodes = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    gpus = shown.split(",") if shown else sorted(nodes, key=int)
    if gpus and len(gpus) < each * replicas:
        raise BackendError(
            f"data_parallel_size={replicas} with {each} GPU{'s' if each > 1 else ''} each needs {each * replicas}; "
            f"{len(gpus)} can be seen"
        )
    return gpus[number * each : (number + 1) * each]


def _cause(said: str, log: Any) -> str:
    """Return why vLLM stopped: what it raised, or the last error of its log where that names another process."""
    logged = hosting.last_error(log, otherwise=False)
    return logged if logged and (not said or "root cause" in said.lower()) else said
