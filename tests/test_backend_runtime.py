"""Threads, memory and quiet."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from pytest_slmtrust.backends.transformers import runtime


def test_threads_are_divided_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(runtime, "physical_cores", lambda: 8)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    assert runtime.choose_threads(None) == 8
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    assert runtime.choose_threads(None) == 2
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "99")
    assert runtime.choose_threads(None) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert runtime.choose_threads(None) == 5
    assert runtime.choose_threads(4) == 4


def test_the_machine_is_seen() -> None:
    assert runtime.physical_cores() >= 1
    assert runtime.peak_bytes() > 2**20


def test_out_of_memory_is_told_from_other_errors() -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    assert runtime.out_of_memory(MemoryError())
    assert runtime.out_of_memory(OutOfMemoryError())
    assert runtime.out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert runtime.out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not runtime.out_of_memory(RuntimeError("shapes do not fit"))
    assert not runtime.out_of_memory(ValueError("out of memory"))


def test_quiet_puts_everything_back() -> None:
    from transformers.utils import logging as hf_logging

    before = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled(), list(warnings.filters)
    with runtime.quiet():
        warnings.warn("noise", UserWarning, stacklevel=1)
        assert not hf_logging.is_progress_bar_enabled()
    assert (hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled(), list(warnings.filters)) == before


def _package(folder: Path, now: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{now}\n")
    (folder / "max_energy_range_uj").write_text("9000000\n")


def test_energy_is_that_of_the_packages_and_their_counters_turn_over(tmp_path: Path) -> None:
    base = tmp_path / "sys/class/powercap"
    assert runtime.energy(tmp_path) == {}
    for name, now in (("intel-rapl:0", 1_000_000), ("intel-rapl:1", 8_000_000), ("intel-rapl:0:0", 1)):
        _package(base / name, now)
    (base / "intel-rapl:2").mkdir()
    before = runtime.energy(tmp_path)
    assert list(before) == ["intel-rapl:0", "intel-rapl:1"]
    _package(base / "intel-rapl:0", 3_500_000)
    _package(base / "intel-rapl:1", 500_000)
    assert runtime.joules(before, runtime.energy(tmp_path)) == 2.5 + 1.5
    assert runtime.joules({}, before) == 0


def test_a_quota_of_cpus_counts(tmp_path: Path) -> None:
    assert runtime.cpu_quota(tmp_path) is None
    base = tmp_path / "sys/fs/cgroup"
    (base / "cpu").mkdir(parents=True)
    (base / "cpu/cpu.cfs_period_us").write_text("100000\n")
    for quota, cpus in (("-1", None), ("350000", 3), ("50000", 1)):
        (base / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
        assert runtime.cpu_quota(tmp_path) == cpus
    for text, cpus in (("max 100000", None), ("200000 100000", 2), ("nonsense", None)):
        (base / "cpu.max").write_text(f"{text}\n")
        assert runtime.cpu_quota(tmp_path) == cpus
