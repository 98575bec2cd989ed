"""Threads, memory and quiet."""

from __future__ import annotations

import warnings

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
    assert runtime.available_bytes() > 0
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
