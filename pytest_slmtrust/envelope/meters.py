"""What is read of the machine besides time: energy of the processor, peak memory, size of the model's files, the device's name.

Energy is that of the processor's packages (Linux powercap, RAPL): cores, caches and the memory controller, with all that runs
there at the same time. It is not that of the board, of a GPU or of the power supply. CodeCarbon and Zeus read the same counters.
They were not taken: the first estimates where it cannot read, the second is made for GPUs, and both bring many packages.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backends.transformers.runtime import energy, joules, peak_bytes
from ..requests import Backend

#: Kinds of backends that run in a process or on a machine that we cannot look into.
_ELSEWHERE = "the model runs behind a server, and only the client is here"
_ENGINES = "the engines of --slm-ray are other processes, some of them on other machines"


@dataclass(frozen=True, slots=True)
class Value:
    """A number that was read, with what it is of; or why there is none."""

    number: float | None
    of: str = ""
    lacking: str = ""


#: Engines that run in a child process, by the kind that their backend names.
_IN_A_CHILD = {"llama.cpp": "llama.cpp", "vllm": "vLLM"}


@dataclass(frozen=True, slots=True)
class Meters:
    """Where time, energy and memory are read: tests give their own. ``root``: of the file system, for powercap and cgroups."""

    clock: Callable[[], float] = time.perf_counter
    root: Path = field(default_factory=lambda: Path("/"))
    process_peak: Callable[[], int] = peak_bytes

    def energy(self) -> Mapping[str, tuple[int, int]]:
        """Read every package's counter."""
        return energy(self.root)

    def memory(self, backend: Backend, about: Mapping[str, Any]) -> Value:
        """Return the peak memory, and say of what."""
        if _any_part(about, "endpoint"):
            return Value(None, lacking=_ELSEWHERE)
        if "ray" in about:
            return Value(None, lacking=_ENGINES)
        if about.get("parts") and (on_gpu(about) or any(_any_part(about, kind) for kind in _IN_A_CHILD)):
            return Value(None, lacking="its models do not all run in this process, and their peaks cannot be added")
        if about.get("kind") in _IN_A_CHILD:
            engine = _IN_A_CHILD[about["kind"]]
            if on_gpu(about) and engine == "vLLM":
                return Value(None, lacking="vLLM takes a share of the GPU's memory before it is asked anything")
            child = getattr(backend, "child_peak_bytes", lambda: None)()
            said = f"peak resident set of the child process in which {engine} runs the model"
            return Value(child, said) if child else Value(None, lacking=f"the child process of {engine} cannot be read")
        if str(about.get("device", "")).startswith("cuda"):
            peak = getattr(getattr(backend, "counters", None), "peak_bytes", 0)
            return Value(peak, f"peak of the tensors on {about['device']}; the host's memory is not in it")
        return Value(self.process_peak(), "peak resident set of this process: Python, libraries and model")


def size_of(backend: Backend) -> Value:
    """Return the bytes of the model's files as they are shipped, where the backend can say them."""
    ask = getattr(backend, "disk_bytes", None)
    found = ask() if callable(ask) else None
    if type(found) is not int or found <= 0:
        return Value(None, lacking="the files of this model cannot be seen from here")
    return Value(found, "the model's files on this disk: weights, configuration, tokenizer")


def no_energy(about: Mapping[str, Any], meters: Meters) -> str:
    """Say why energy cannot be measured; empty if it can."""
    if _any_part(about, "endpoint"):
        return _ELSEWHERE
    if "ray" in about:
        return _ENGINES
    if on_gpu(about):
        return "the model runs on a GPU, and only the counters of the processor are read"
    if not meters.energy():
        return "no counter of the processor's energy can be read here (Linux: /sys/class/powercap/intel-rapl:*/energy_uj)"
    return ""


def spent(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> float | None:
    """Return the joules between two readings; None where a package is gone or nothing was counted."""
    if set(before) != set(after):
        return None
    return joules(before, after) or None


def on_gpu(about: Mapping[str, Any]) -> bool:
    """Return whether a description says that the model, or one of a composed system, runs on a GPU."""
    if any(on_gpu(one) for one in _parts(about)):
        return True
    return str(about.get("device", "cpu")).split(":")[0] not in ("cpu", "auto", "None")


def _parts(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the descriptions of the models of a composed system."""
    parts = about.get("parts")
    return [one for one in parts.values() if isinstance(one, Mapping)] if isinstance(parts, Mapping) else []


def _any_part(about: Mapping[str, Any], kind: str) -> bool:
    """Return whether a model, or one of a composed system, is of a kind."""
    return about.get("kind") == kind or any(_any_part(one, kind) for one in _parts(about))


def device_name(about: Mapping[str, Any], meters: Meters) -> str:
    """Name the device that was measured: the processor with its threads, a GPU, or the server's host."""
    if about.get("kind") == "endpoint":
        return f"server {', '.join(map(str, about.get('hosts', ())))}, as seen from this client"
    processor = _processor(meters.root)
    threads = f", {about['threads']} threads" if about.get("threads") else ""
    if on_gpu(about):
        return f"{about.get('gpu') or about['device']}, host {processor}"
    return f"{processor}{threads}"


def _processor(root: Path) -> str:
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = sum(line.startswith("processor") for line in lines)
    return f"{named or platform.processor() or platform.machine()}{f' ({cores} CPUs)' if cores else ''}"
