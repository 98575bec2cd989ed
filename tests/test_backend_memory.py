"""Memory: what can be had under cgroups, what a model needs, and batches that fit, or a refusal before loading."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import pytest
import tiny

from pytest_slmtrust import BackendError, Generate, Loglikelihood, chat
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers import engine, memory, runtime
from pytest_slmtrust.backends.transformers.backend import TransformersBackend
from pytest_slmtrust.backends.transformers.memory import Cost, Limits, available_bytes, check_fits, cost_of, fit, widest

MEGA = 2**20


def machine(root: Path, own: str = "", free: int = 8000 * MEGA) -> Path:
    """A root folder that says how much memory the system has and which cgroup the process is in."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:   {free // 1024} kB\n")
    (root / "proc/self/cgroup").write_text(own)
    return root


def group(folder: Path, limit: object, used: int, cached: int = 0, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


def test_without_cgroups_the_system_tells(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path)) == 8000 * MEGA
    assert available_bytes(tmp_path / "nothing") is None
    here = available_bytes()
    assert here is None or here > 0


def test_the_limit_of_a_container_counts_less_what_is_used(tmp_path: Path) -> None:
    group(machine(tmp_path, "0::/\n") / "sys/fs/cgroup", 1000 * MEGA, 400 * MEGA, cached=100 * MEGA)
    assert available_bytes(tmp_path) == 700 * MEGA


def test_the_tightest_of_all_groups_above_counts(tmp_path: Path) -> None:
    base = machine(tmp_path, "0::/a/b\n") / "sys/fs/cgroup"
    group(base / "a/b", "max", 10 * MEGA)
    group(base / "a", 500 * MEGA, 200 * MEGA)
    group(base, 900 * MEGA, 300 * MEGA)
    group(base / "other", 1, 1)
    assert available_bytes(tmp_path) == 300 * MEGA


@pytest.mark.parametrize("visible", [True, False])
def test_version_one_has_other_names_and_no_word_for_no_limit(visible: bool, tmp_path: Path) -> None:
    base = machine(tmp_path, "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n") / "sys/fs/cgroup/memory"
    group(base / "docker/abc" if visible else base, 600 * MEGA, 100 * MEGA, version=1)
    if visible:
        group(base, 9223372036854771712, 10, version=1)
    assert available_bytes(tmp_path) == 500 * MEGA


@pytest.mark.parametrize("own", ["0::/../../etc\n", "nonsense\n", "::\n", ""])
def test_a_strange_cgroup_file_is_no_error(own: str, tmp_path: Path) -> None:
    group(machine(tmp_path, own) / "sys/fs/cgroup", 1000 * MEGA, 2000 * MEGA)
    (tmp_path / "sys/fs/cgroup/memory").mkdir()
    (tmp_path / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("many")
    assert available_bytes(tmp_path) == 0


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "qwen2", "gemma", "mistral"])
def test_keys_and_values_cost_what_the_files_say(family: str) -> None:
    from pytest_slmtrust.backends.transformers.model import prepare

    loaded = prepare(tiny.model(family), tiny.tokenizer())
    count = sum(p.numel() for p in loaded.model.parameters())
    cost = cost_of(tiny.config(family).to_dict(), "float32", count)
    assert (cost.kv, cost.weights, cost.logits) == (loaded.kv_bytes, 4 * count, 4 * 420)
    half = cost_of(tiny.config(family).to_dict(), "bfloat16", count)
    assert (half.kv, half.weights, half.logits) == (cost.kv // 2, 2 * count, 4 * 420)


def test_a_config_that_tells_little_costs_its_weights() -> None:
    assert cost_of({"model_type": "mamba", "num_hidden_layers": "2"}, "float32", 10) == Cost(40, 0, 0, 0)


def test_the_widest_row_is_that_of_the_longest_request() -> None:
    asked: list[Any] = [
        Generate("x" * 400, max_new_tokens=50),
        Loglikelihood("y" * 100, "z" * 20),
        Generate(chat("u" * 80, system="s" * 80)),
    ]
    assert widest(asked) == 150
    assert widest([]) == 0


COST = Cost(weights=500 * MEGA, kv=50_000, work=20_000, logits=200_000)


def test_limits_are_lowered_until_the_largest_batch_fits() -> None:
    wanted = Limits(64, 4096, 2**20)
    roomy = fit(wanted, COST, 64 * 2**30, narrows=True)
    assert (roomy.rows, roomy.tokens, roomy.logits) == (64, 4096, memory.LOGITS)
    for at_hand in (2000 * MEGA, 300 * MEGA, 30 * MEGA):
        for narrows in (True, False):
            got = fit(wanted, COST, at_hand, narrows)
            head = 0 if narrows else 2 * COST.logits
            spent = (
                2 * got.cache_tokens * COST.kv
                + got.tokens * (COST.work + head)
                + got.rows * memory.COPIES * COST.logits
                + got.logits
            )
            assert spent <= at_hand
            assert 1 <= got.rows <= 64
    assert fit(wanted, COST, 300 * MEGA, narrows=True).rows < 64
    assert fit(wanted, COST, 0, narrows=True) == Limits(1, 1, 1, COST.logits)
    assert fit(wanted, COST, None, narrows=True).rows == 64


def test_what_cannot_fit_is_refused_in_one_line() -> None:
    check_fits(COST, 1000, "float32", 600 * MEGA)
    check_fits(COST, 1000, "float32", None)
    with pytest.raises(ValueError, match=r"0\.5 GiB for its weights") as caught:
        check_fits(COST, 4000, "float32", 600 * MEGA)
    text = str(caught.value)
    assert "0.6 GiB is free" in text
    assert "--slm-dtype=bfloat16" in text
    assert "\n" not in text
    with pytest.raises(ValueError) as caught:
        check_fits(COST, 4000, "bfloat16", 600 * MEGA)
    assert "--slm-dtype" not in str(caught.value)


def scripted(folder: Path, monkeypatch: pytest.MonkeyPatch, at_hand: int, **options: Any) -> TransformersBackend:
    monkeypatch.setattr(engine, "available_bytes", lambda: at_hand)
    made = load_backend(ModelSpec(str(folder), threads=1, device="cpu", **options))
    assert isinstance(made, TransformersBackend)
    return made


def test_a_run_is_refused_before_the_weights_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save(tmp_path / "m")
    monkeypatch.setattr(engine, "load_model", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(BackendError, match=r"the model needs .* for its weights as float32 .* is free"):
        list(scripted(folder, monkeypatch, 100_000).run([Generate("the fox")]))
    # the weights fit, and not with one row of 100 million tokens
    with pytest.raises(BackendError, match="one row of about 100000000 tokens"):
        list(scripted(folder, monkeypatch, 8000 * MEGA).run([Generate("", max_new_tokens=10**8)]))


def test_a_cache_on_a_cpu_is_bounded_however_much_memory_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save(tmp_path / "m")
    for most in (memory.CPU_CACHE, memory.CPU_CACHE // 8):
        monkeypatch.setattr(engine, "CPU_CACHE", most)
        made = scripted(folder, monkeypatch, 2**40)
        list(made.run([Generate("the fox", max_new_tokens=1)]))
        assert made._engine is not None
        assert made._engine.loaded.kv_bytes > 0
        assert made._engine.limits.cache_tokens == most // made._engine.loaded.kv_bytes
    # weights of four times as much let it hold more
    monkeypatch.setattr(engine, "CPU_CACHE", 1)
    made = scripted(folder, monkeypatch, 2**40)
    list(made.run([Generate("the fox", max_new_tokens=1)]))
    assert made._engine is not None
    weights = 4 * sum(part.numel() for part in made._engine.loaded.model.parameters())
    assert made._engine.limits.cache_tokens == weights // 4 // made._engine.loaded.kv_bytes


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(runtime._malloc_trim() is None, reason="this C library has no malloc_trim")
def test_freed_memory_goes_back_to_the_system() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    size = 2**16  # small enough to lie on the heap, where what is still used keeps holes from going back
    blocks = [libc.malloc(size) for _ in range(2000)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    held = resident()
    for block in blocks[:-1]:
        libc.free(block)
    assert resident() > held - 20 * 2**20
    runtime.give_back()
    assert resident() < held - 100 * 2**20
    libc.free(blocks[-1])


def test_little_memory_makes_small_batches_and_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save(tmp_path / "m")
    asked: list[Any] = [Generate(f"the quick brown {n}", max_new_tokens=6) for n in range(12)]
    asked += [Loglikelihood("the quick brown fox jumps over", f" the lazy {n}") for n in range(12)]
    roomy = scripted(folder, monkeypatch, 8000 * MEGA)
    want = dict(roomy.run(asked))
    tight = scripted(folder, monkeypatch, MEGA)
    got = dict(tight.run(asked))
    assert tight.counters.forwards > 1.5 * roomy.counters.forwards
    assert tight._engine is not None
    assert tight._engine.limits.tokens < memory.CPU_TOKENS
    assert [got[i].text for i in range(12)] == [want[i].text for i in range(12)]
    assert [got[i].sum for i in range(12, 24)] == pytest.approx([want[i].sum for i in range(12, 24)], abs=1e-4)
