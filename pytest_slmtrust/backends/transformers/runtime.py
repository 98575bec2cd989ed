"""Threads, memory and quiet: how the libraries beneath are held to their place."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


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
    quota = cpu_quota()
    return max(1, min(len(siblings), quota or len(siblings)))


def cpu_quota(root: Path = Path("/")) -> int | None:
    """Return the cgroup's quota in whole CPUs, of version 2 or 1; None without one."""
    base = root / "sys/fs/cgroup"
    try:
        if (base / "cpu.max").is_file():
            limit, period = (base / "cpu.max").read_text().split()
        else:
            limit, period = ((base / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return None if limit in ("max", "-1") else max(1, int(limit) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None


def choose_threads(asked: int | None) -> int:
    """Threads for torch: as asked, else ``OMP_NUM_THREADS``, else physical cores divided by xdist workers."""
    if asked is not None:
        return max(1, asked)
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    return max(1, physical_cores() // max(1, int(workers) if workers.isdigit() else 1))


def peak_bytes() -> int:
    """Return the largest resident size of this process so far."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def give_back() -> None:
    """Give freed memory back to the system. glibc keeps the holes that caches leave as they grow and lose rows: 0.7 GiB after a
    minute of replies of SmolLM2-135M. A few milliseconds; nothing where the C library has no ``malloc_trim``."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    import ctypes

    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library, or Windows
        return None


def energy(root: Path = Path("/")) -> dict[str, tuple[int, int]]:
    """Microjoules that each processor package has used, and where that counter begins again, by name; empty where none tells.

    Linux powercap (RAPL); often readable by root alone. A package's number contains those of its cores.
    """
    found: dict[str, tuple[int, int]] = {}
    for folder in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
        if folder.name.count(":") == 1:
            try:
                now, most = (int((folder / name).read_text()) for name in ("energy_uj", "max_energy_range_uj"))
            except (OSError, ValueError):
                continue
            found[folder.name] = now, most
    return found


def joules(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> float:
    """Return what was used between two readings of :func:`energy`, over one turn of the counter at most."""
    spent = 0
    for name, (now, most) in after.items():
        if name in before:
            gone = now - before[name][0]
            spent += gone if gone >= 0 else gone + most
    return spent / 1e6


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
