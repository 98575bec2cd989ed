"""Threads, memory and quiet: how the libraries beneath are held to their place."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, log lines or progress bars of transformers inside; its settings are put back after."""
    from transformers.utils import logging as hf_logging

    level = hf_logging.get_verbosity()
    bars = hf_logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hf_logging.set_verbosity(hf_logging.CRITICAL)
        hf_logging.disable_progress_bar()
        try:
            yield
        finally:
            hf_logging.set_verbosity(level)
            if bars:
                hf_logging.enable_progress_bar()


def physical_cores() -> int:
    """Cores that this process may use: affinity, hyper-threads counted once, and the cgroup's quota."""
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in cpus:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings.add(path.read_text().strip() if path.is_file() else str(cpu))
    quota = _cgroup_number("cpu.max")
    return max(1, min(len(siblings), quota or len(siblings)))


def _cgroup_number(name: str) -> int | None:
    """``cpu.max`` in whole CPUs; None without a quota."""
    path = Path("/sys/fs/cgroup") / name
    try:
        limit, period = path.read_text().split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1, int(limit) // int(period))


def choose_threads(asked: int | None) -> int:
    """Threads for torch: as asked, else ``OMP_NUM_THREADS``, else physical cores divided by xdist workers."""
    if asked is not None:
        return max(1, asked)
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    return max(1, physical_cores() // max(1, int(workers) if workers.isdigit() else 1))


def available_bytes() -> int:
    """Memory that can still be had: the smaller of the system's and the cgroup's, 4 GiB where neither tells."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except OSError:
        pass
    base = Path("/sys/fs/cgroup")
    try:
        limit = (base / "memory.max").read_text().strip()
        if limit != "max":
            found.append(int(limit) - int((base / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(0, min(found)) if found else 4 * 2**30


def peak_bytes() -> int:
    """The largest resident size of this process so far."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
