"""The resource envelope: decisions on models with known times, and runs that measure it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from endpoint_backends import backend as endpoint
from endpoints import Toy, serving
from timed import Timed, gate, meters

from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.envelope import Envelope, EnvelopeReading, Load
from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.audit.verdict import is_red, overall
from pytest_slmtrust.cli import main
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.envelope.measure import hold, measure, unmeasured
from pytest_slmtrust.envelope.meters import Meters
from pytest_slmtrust.report.html import render
from pytest_slmtrust.requests import Failure, Request

# ------------------------------------------------------------------ models with known times


def statuses(model: Timed, root: Path, *limits: str, **more: Any) -> dict[str, Status]:
    found = measure(model, read_limits(limits), meters=meters(model, root), **more)
    return {one.name: one.status for one in found.limits}


@pytest.mark.parametrize(("limit", "status"), [
    ("ttft_p95=110ms", Status.PASS), ("ttft_p95=100.001ms", Status.PASS), ("ttft_p95=99ms", Status.FAIL),
    ("latency_p95=740ms", Status.PASS), ("latency_p95=0.72s", Status.FAIL), ("decode=99tok/s", Status.PASS),
    ("decode=101tok/s", Status.FAIL), ("memory=400MB", Status.PASS), ("memory=399MB", Status.FAIL), ("size=90MB", Status.PASS),
    ("size=85MiB", Status.FAIL), ("energy=2J/tok", Status.NOT_TESTED),
])  # fmt: skip
def test_a_model_of_known_times_and_sizes_is_decided_rightly(tmp_path: Path, limit: str, status: Status) -> None:
    assert statuses(Timed(), tmp_path, limit) == {limit.partition("=")[0]: status}


def test_slow_first_tokens_now_and_then_fail_the_95th_percentile_and_not_the_median(tmp_path: Path) -> None:
    rng = random.Random(3)
    model = Timed(read=lambda n: 2.0 if rng.random() < 0.25 else 0.1)
    found = statuses(model, tmp_path, "ttft_p95=1s", "ttft_p50=1s", "latency_p99=60s")
    assert found == {"ttft_p95": Status.FAIL, "ttft_p50": Status.PASS, "latency_p99": Status.PASS}


def test_short_replies_say_nothing_of_the_time_to_the_end(tmp_path: Path) -> None:
    """A model that ends early is fast only because it says less: it never passes by that."""
    model = Timed(tokens=lambda n: 20)
    found = measure(model, read_limits(["latency_p95=9s", "decode=99tok/s", "ttft_p95=1s"]), meters=meters(model, tmp_path))
    assert [one.status for one in found.limits] == [Status.NOT_TESTED, Status.PASS, Status.PASS]
    assert "20 tokens, not 64" in found.limits[0].reason
    some = Timed(tokens=lambda n: 20 if n % 5 == 0 else 64)
    found = measure(some, read_limits(["latency_p50=9s", "latency_p95=9s"]), meters=meters(some, tmp_path))
    assert [one.status for one in found.limits] == [Status.PASS, Status.INCONCLUSIVE]
    assert found.limits[1].unscored > 0


def test_a_model_that_answers_nothing_is_not_tested(tmp_path: Path) -> None:
    class Broken(Timed):
        def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
            yield 0, Failure("no weights")

    found = measure(Broken(), read_limits(["ttft_p95=1s"]), meters=Meters(root=tmp_path))
    assert found.limits[0].status is Status.NOT_TESTED
    assert found.limits[0].reason == "no weights"


def test_every_prompt_is_another_and_the_number_of_draws_is_fixed_before(tmp_path: Path) -> None:
    model = Timed()
    found = measure(model, read_limits(["ttft_p95=1s"]), meters=meters(model, tmp_path), seconds=1e-3)
    reading = found.reading("ttft")
    assert reading is not None
    assert len(reading.draws) == 59
    prompts = [one.prompt for one in model.asked]
    assert len(set(prompts)) == len(prompts)
    again = Timed()
    measure(again, read_limits(["ttft_p95=1s"]), meters=meters(again, tmp_path), seconds=1e-3)
    assert [one.prompt for one in again.asked] == prompts
    assert found.load == Load(found.load.device, 1, 0, 64, 3, found.load.seconds)


def test_a_machine_that_slows_down_is_seen_in_the_halves(tmp_path: Path) -> None:
    model = Timed(read=lambda n: 0.1 if n < 60 else 0.3)
    reading = measure(model, wanted=["ttft"], meters=meters(model, tmp_path)).reading("ttft")
    assert reading is not None
    assert reading.halves == pytest.approx((0.1, 0.3), rel=0.01) or reading.halves == pytest.approx((0.3, 0.3))
    assert reading.spread is not None


@pytest.mark.parametrize("peak", [0, -1])
def test_memory_that_nobody_counted_keeps_no_limit(tmp_path: Path, peak: int) -> None:
    model = Timed()
    found = measure(model, read_limits(["memory=1GB"]), meters=meters(model, tmp_path, peak))
    assert [one.status for one in found.limits] == [Status.NOT_TESTED]


# ------------------------------------------------------------------ energy


def powercap(root: Path, **packages: tuple[int, int]) -> None:
    for name, (now, most) in packages.items():
        folder = root / "sys/class/powercap" / name.replace("_", ":").replace("rapl", "intel-rapl")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(f"{now}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")


class Burning(Timed):
    """Uses 3 J for each token of a reply and 3 J for its prompt; two packages count it, and one of the counters wraps."""

    root: Path
    first = [10_000_000, 240_000_000]

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for pair in super().run(requests):
            joules = 3 * pair[1].n_tokens
            self.first = [(one + joules * 500_000) % 250_000_000 for one in self.first]
            powercap(self.root, rapl_0=(self.first[0], 250_000_000), rapl_1=(self.first[1], 250_000_000))
            powercap(self.root, rapl_0_0=(7, 250_000_000))  # cores: in the package already
            yield pair


@pytest.mark.parametrize(
    ("limit", "status"), [("3.001J/tok", Status.PASS), ("2999mJ/tok", Status.FAIL), ("3100J/1000tok", Status.PASS)]
)
def test_energy_is_that_of_all_packages_over_a_turn_of_the_counter(tmp_path: Path, limit: str, status: Status) -> None:
    model = Burning()
    model.root = tmp_path
    powercap(tmp_path, rapl_0=(10_000_000, 250_000_000), rapl_1=(240_000_000, 250_000_000))
    assert statuses(model, tmp_path, f"energy={limit}") == {"energy": status}


def test_energy_of_a_gpu_or_a_server_is_not_tested(tmp_path: Path) -> None:
    powercap(tmp_path, rapl_0=(1, 2))
    for about in ({"kind": "scripted", "device": "cuda:0"}, {"kind": "endpoint", "hosts": ["h"]}):
        model = Timed()
        model.describe = lambda about=about: about  # type: ignore[method-assign, misc]
        assert statuses(model, tmp_path, "energy=1J/tok") == {"energy": Status.NOT_TESTED}


# ------------------------------------------------------------------ endpoints


@pytest.mark.slow
def test_an_endpoint_is_timed_by_its_stream() -> None:
    with serving(Toy("vllm", between=0.002)) as toy:
        server = endpoint(toy, stream_one_in=10**9)
        found = measure(server, read_limits(["ttft_p50=5s", "memory=1GB", "size=1GB"]), wanted=["decode"], seconds=0.5)
        assert server.stream_one_in == 10**9
    assert [one.status for one in found.limits] == [Status.PASS, Status.NOT_TESTED, Status.NOT_TESTED]
    assert toy.url.split("/")[2] in found.load.device
    reading = found.reading("ttft")
    assert reading is not None
    assert len(reading.usable) >= 10


# ------------------------------------------------------------------ the verdict


KEPT = hold(Envelope(Load("cpu"), (EnvelopeReading("size", "bytes", "files", (5e7,)),)), read_limits(["size=60MB"]), 0.05)


def test_limits_block_and_never_make_an_audit_pass() -> None:
    broken = hold(KEPT, read_limits(["size=40MB"]), 0.05)
    absent = unmeasured(read_limits(["size=40MB"]), 0.05)
    assert overall([gate(Status.PASS), *KEPT.limits]) is Status.PASS
    assert overall([gate(Status.PASS), *broken.limits]) is Status.FAIL
    assert overall([gate(Status.PASS), *absent.limits]) is Status.NOT_RUN
    assert overall([gate(Status.MEASURED, blocking=False), *KEPT.limits]) is Status.MEASURED
    assert overall([*KEPT.limits]) is Status.NOT_TESTED
    nothing = Envelope(Load("cpu"), (EnvelopeReading("energy", "J/tok", lacking="none"),))
    excused = hold(nothing, read_limits(["energy=1J/tok"]), 0.05, ["energy"])
    bare = hold(excused, read_limits(["energy=1J/tok"]), 0.05)
    assert overall([gate(Status.PASS), *excused.limits]) is Status.PASS
    verdict = overall([gate(Status.PASS), *bare.limits])
    assert verdict is Status.NOT_TESTED
    assert is_red(verdict, [gate(Status.PASS), *bare.limits])


# ------------------------------------------------------------------ a run


REPLY = "from pytest_slmtrust import Completion; n = request.max_new_tokens; return Completion('hello ' * n, n)"


@pytest.fixture
def run(project: Callable[..., pytest.Pytester]) -> Callable[..., tuple[Any, dict[str, Any]]]:
    def go(*options: str) -> tuple[Any, dict[str, Any]]:
        tester = project(REPLY, n=30, extra=", tolerance=0.5")
        done = tester.runpytest("--slm=fake", "--slm-packs=none", "probe_support.py", *options)
        return done, json.loads((tester.path / "slmtrust-report/audit.json").read_text())

    return go


def test_a_run_measures_first_and_says_it_everywhere(
    run: Callable[..., tuple[Any, dict[str, Any]]], pytester: pytest.Pytester, tmp_path: Path
) -> None:
    done, data = run("--slm-limit=ttft_p95=9s,memory=100GB", "--slm-limit=latency_p95=60s")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*envelope: one request at a time*", "*PASS*ttft_p95:*", "*PASS*memory:*", "*PASS*latency_p95:*"])
    folder = pytester.path / "slmtrust-report"
    audit = read_verified(folder / "audit.json")
    assert audit.envelope is not None
    assert [one.name for one in audit.envelope.limits] == ["ttft_p95", "memory", "latency_p95"]
    assert "Peak" not in render(audit) or "Envelope" in render(audit)
    calls = [json.loads(line) for line in (pytester.path / "calls.log").read_text().splitlines()]
    assert all(n == 1 for n, _ in calls[:100])
    assert not list((pytester.path / ".slmtrust").glob("envelope-*"))
    again = pytester.runpytest("--slm=fake", "--slm-packs=none", "probe_support.py", "--slm-limit=ttft_p95=9s")
    assert again.ret == 0
    more = (pytester.path / "calls.log").read_text().splitlines()
    assert len(more) > len(calls) + 59, "times are measured in every run, never taken from the store"
    for form in ("markdown", "sarif", "csv", "ctrf", "cyclonedx", "oscal", "intoto"):
        assert main(["export", str(folder / "audit.json"), "--to", form, "-o", str(tmp_path / form)]) == 0
    assert data["settings"]["envelope"]["load"]["warm"] == 3


@pytest.mark.parametrize(("limit", "options", "red", "status"), [
    ("ttft_p95=1us", (), 1, "FAIL"), ("size=1GB", (), 1, "NOT TESTED"), ("size=1GB", ("--slm-optional=size",), 0, "NOT TESTED"),
    ("size=1GB", ("--slm-optional=envelope::size",), 0, "NOT TESTED"), ("memory=1kB", ("--slm-profile=smoke",), 1, "FAIL"),
    ("memory=1kB", ("--slm-optional=memory",), 1, "FAIL"),
])  # fmt: skip
def test_a_limit_decides_the_exit_status(
    run: Callable[..., tuple[Any, dict[str, Any]]], limit: str, options: tuple[str, ...], red: int, status: str
) -> None:
    done, data = run(f"--slm-limit={limit}", *options)
    assert done.ret == red
    assert [one["status"] for one in data["settings"]["envelope"]["limits"]] == [status]


def test_a_limit_that_cannot_be_is_a_usage_error(run: Callable[..., tuple[Any, dict[str, Any]]]) -> None:
    done, data = run("--slm-limit=memmory=1GB")
    assert done.ret == 4
    assert data["verdict"] == "INCOMPLETE"
    done.stderr.fnmatch_lines(["*Did you mean 'memory'?*"])
    done, _ = run("--slm-limit=memory=1GB", "--slm-optional=size")
    assert done.ret == 4


@pytest.mark.slow
def test_of_two_workers_one_measures(run: Callable[..., tuple[Any, dict[str, Any]]], pytester: pytest.Pytester) -> None:
    done, data = run("--slm-limit=ttft_p95=9s", "-n2")
    assert done.ret == 0
    assert data["settings"]["envelope"]["limits"][0]["status"] == "PASS"
    alone = [json.loads(line) for line in (pytester.path / "calls.log").read_text().splitlines()]
    assert len({pid for n, pid in alone if n == 1}) == 1


# ------------------------------------------------------------------ the command


def test_the_command_measures_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripted_here.py").write_text(
        "from pytest_slmtrust import Completion\nfrom pytest_slmtrust.backends.fake import FakeBackend\n\n"
        "def reply(request):\n    return Completion('word ' * request.max_new_tokens, request.max_new_tokens)\n\n"
        "def make():\n    return FakeBackend(reply)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    target = tmp_path / "out.json"
    command = ["envelope", "scripted_here:make", "--seconds=0.05", "--json", str(target)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "one request at a time" in said
    assert "energy" in said
    assert {one["quantity"] for one in json.loads(target.read_text())["readings"]} == {
        "ttft", "latency", "decode", "energy", "memory", "size"}  # fmt: skip
    assert main([*command, "--limit=memory=1kB"]) == 1
    assert main([*command, "--limit=size=1kB"]) == 1
    assert main([*command, "--limit=size=1kB", "--optional=size"]) == 0
    assert main([*command, "--limit=speed=1kB"]) == 2
    assert main([*command, "--optional=size"]) == 2
