"""The resource envelope: limits as a user writes them, bounds of order statistics, and decisions on models with known times."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from endpoint_backends import backend as endpoint
from endpoints import Toy, serving
from scipy.stats import binom

from pytest_slmtrust import Completion, Generate, Loglikelihood
from pytest_slmtrust.archive.envelope import envelope_faults
from pytest_slmtrust.archive.schema import read_data
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.envelope import Envelope, EnvelopeReading, Load, bounded, decided
from pytest_slmtrust.audit.model import Audit, GateResult, Status
from pytest_slmtrust.audit.verdict import is_red, overall
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.cli import main
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.envelope.measure import hold, measure, unmeasured
from pytest_slmtrust.envelope.meters import Meters
from pytest_slmtrust.report.html import render
from pytest_slmtrust.requests import Failure, Request
from pytest_slmtrust.stats import quantile_draws, quantile_power, quantile_ranks

# ------------------------------------------------------------------ what a user writes


@pytest.mark.parametrize(("text", "name", "quantity", "share", "value"), [
    ("memory=600MB", "memory", "memory", 0.5, 600e6), ("size=1.5GiB", "size", "size", 0.5, 1.5 * 2**30),
    ("ttft_p95=300ms", "ttft_p95", "ttft", 0.95, 0.3), ("latency_p50 = 2 s", "latency_p50", "latency", 0.5, 2.0),
    ("decode=20tok/s", "decode", "decode", 0.5, 20.0), ("energy=1500mJ/tok", "energy", "energy", 0.5, 1.5),
    ("energy=250J/1000tok", "energy", "energy", 0.5, 0.25),
])  # fmt: skip
def test_a_limit_is_read(text: str, name: str, quantity: str, share: float, value: float) -> None:
    (found,) = read_limits([text])
    assert (found.name, found.quantity, found.share) == (name, quantity, share)
    assert found.value == pytest.approx(value)


def test_limits_are_repeated_or_parted_by_commas() -> None:
    assert [one.name for one in read_limits(["memory=1GB, size=1MB", "ttft_p99=1s,"])] == ["memory", "size", "ttft_p99"]


@pytest.mark.parametrize(("text", "said"), [
    ("memory", "NAME=VALUE"), ("memory=600", "MB"), ("memory=600ms", "MB"), ("ttft=300ms", "quantile"),
    ("decode_p95=3tok/s", "no quantile"),
    ("tfft_p95=1s", "'ttft'"), ("ttft_p30=1s", "p50"), ("size=-1MB", "number"), ("size=0MB", "above 0"), ("size=nanMB", "number"),
    ("energy=2J", "J/tok"), ("size=1MB,size=2MB", "twice"), ("size=1e400MB", "number"), ("latency_p95=１s", "number"),
])  # fmt: skip
def test_a_limit_that_cannot_be_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ProbeError, match=said) as error:
        read_limits([text])
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ bounds


def test_59_draws_suffice_for_the_95th_percentile() -> None:
    assert [quantile_draws(0.95, 0.05, beyond) for beyond in (0, 1, 2)] == [59, 93, 124]
    assert quantile_draws(0.99, 0.05) == 299
    assert quantile_draws(0.5, 0.05) == 5
    assert quantile_ranks(58, 0.95, 0.05)[1] is None
    assert quantile_ranks(59, 0.95, 0.05)[1] == 59


@pytest.mark.parametrize("n", [5, 17, 59, 60, 93, 200])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.99])
def test_ranks_hold_exactly_and_the_next_ones_do_not(n: int, share: float) -> None:
    low, high = quantile_ranks(n, share, 0.05)
    if high is not None:
        assert binom.sf(high - 1, n, share) <= 0.05
        assert binom.sf(high - 2, n, share) > 0.05
    if low is not None:
        assert binom.cdf(low - 1, n, share) <= 0.05
        assert binom.cdf(low, n, share) > 0.05


def test_draws_without_a_number_count_against_both_sides() -> None:
    draws: list[float | None] = [float(i) for i in range(1, 94)]
    assert bounded(draws, 0.95, 0.05).upper == 92.0
    lost = [None, *draws[1:]]
    assert bounded(lost, 0.95, 0.05).upper == 93.0
    assert bounded([None, None, *draws[2:]], 0.95, 0.05).upper is None
    full, less = bounded(draws, 0.95, 0.05).lower, bounded([*draws[:-3], None, None, None], 0.95, 0.05).lower
    assert full is not None
    assert less is not None
    assert less < full


@pytest.mark.parametrize(("limit", "make"), [
    ("ttft_p95=1s", lambda rng, n: rng.lognormal(0, 0.5, n) / np.exp(0.5 * 1.6448536269514722)),
    ("latency_p90=1s", lambda rng, n: rng.exponential(1 / 2.302585092994046, n)),
    ("decode=1tok/s", lambda rng, n: rng.lognormal(0, 0.3, n)),
    ("energy=1J/tok", lambda rng, n: rng.gamma(2.0, 1 / 1.6783469900166605, n)),
])  # fmt: skip
def test_a_model_at_its_limit_seldom_passes(limit: str, make: Callable[[Any, int], Any]) -> None:
    """Of 2,000 runs of a model whose true quantile is the limit at most 5 % pass and as few fail, but for 3 standard errors."""
    (one,) = read_limits([limit])
    rng, found = np.random.default_rng(7), list[Status]()
    for _ in range(2000):
        reading = EnvelopeReading(one.quantity, one.kind.unit, draws=tuple(map(float, make(rng, 93))))
        found.append(decided(one, reading, 0.05).status)
    assert found.count(Status.PASS) / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
    assert found.count(Status.FAIL) / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


def test_power_is_the_chance_of_a_pass() -> None:
    assert quantile_power(59, 0.95, 0.05, 0.0) == 1.0
    assert quantile_power(59, 0.95, 0.05, 0.01) == pytest.approx(0.99**59)
    assert quantile_power(58, 0.95, 0.05, 0.0) == 0.0
    assert quantile_power(59, 0.95, 0.05, 0.05) <= 0.05


# ------------------------------------------------------------------ models with known times


@dataclass
class Timed:
    """A model with a clock of its own: seconds to read a prompt, and for each token, are those of the functions."""

    read: Callable[[int], float] = lambda n: 0.1
    token: Callable[[int], float] = lambda n: 0.01
    tokens: Callable[[int], int] = lambda n: 10**6
    name: str = "timed"
    fingerprint: str = "timed:1"
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    now: float = 0.0
    asked: list[Generate] = field(default_factory=list)
    disk: int | None = 90_000_000

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for index, one in enumerate(requests):
            assert isinstance(one, Generate)
            self.asked.append(one)
            n = len(self.asked)
            made = min(one.max_new_tokens, self.tokens(n))
            self.now += self.read(n) + self.token(n) * (made - 1)
            yield index, Completion("word " * made, made)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "scripted", "device": "cpu"}

    def disk_bytes(self) -> int | None:
        return self.disk


def meters(model: Timed, root: Path, peak: int = 400_000_000) -> Meters:
    return Meters(lambda: model.now, root, lambda: peak)


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


def gate(status: Status, blocking: bool = True) -> GateResult:
    return GateResult("slm::privacy::gate[p]", "p", "privacy", "c", status, blocking, "r", items=1)


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


# ------------------------------------------------------------------ recomputing


@pytest.fixture(scope="module")
def envelope() -> Envelope:
    model = Timed()
    return measure(model, read_limits(["ttft_p95=110ms", "size=80MB", "decode=50tok/s"]), meters=meters(model, Path("/nowhere")))


def audited(envelope: Envelope | None, limit: str = "['ttft_p95=110ms,size=80MB', 'decode=50tok/s']") -> Audit:
    settings: Any = {"options": {"limit": limit}, **({"envelope": envelope} if envelope else {})}
    gates = [gate(Status.PASS)]
    return Audit(overall([*gates, *(envelope.limits if envelope else ())]), "", "ci", tuple(gates), (), (), {}, settings=settings)


def test_an_honest_envelope_is_believed(envelope: Envelope) -> None:
    assert [one.status for one in envelope.limits] == [Status.PASS, Status.FAIL, Status.PASS]
    assert list(envelope_faults(audited(envelope))) == []
    back = read_data(json.loads(audited(envelope).to_json()))
    assert back.envelope == envelope


def edited(envelope: Envelope, place: int, **changes: Any) -> Envelope:
    limits = list(envelope.limits)
    limits[place] = replace(limits[place], **changes)
    return replace(envelope, limits=tuple(limits))


def test_an_edited_envelope_is_not(envelope: Envelope) -> None:
    reading = envelope.readings[0]
    for made in (
        edited(envelope, 1, status=Status.PASS), edited(envelope, 0, upper=0.01), edited(envelope, 0, n=590),
        edited(envelope, 1, limit=9e9, status=Status.PASS), edited(envelope, 0, share=0.5),
        edited(envelope, 2, excuse="optional"),
        replace(envelope, limits=envelope.limits[:1]), replace(envelope, limits=()), None,
        replace(envelope, readings=(replace(reading, draws=(*reading.draws[:-1], 9.0)), *envelope.readings[1:])),
        edited(envelope, 1, nodeid="envelope::memory"), edited(envelope, 0, alpha=0.2),
    ):  # fmt: skip
        assert list(envelope_faults(audited(made))), made


def with_alpha(audit: Audit, alpha: float = 0.05) -> Audit:
    return replace(audit, settings={**audit.settings, "profile": {"alpha": alpha}})


def test_bounds_at_another_level_than_the_profile_are_found(envelope: Envelope) -> None:
    limits = read_limits(["ttft_p95=110ms,size=80MB", "decode=50tok/s"])
    assert list(envelope_faults(with_alpha(audited(envelope)))) == []
    for alpha in (0.06, 0.49):
        assert list(envelope_faults(with_alpha(audited(hold(envelope, limits, alpha)))))


def test_readings_that_are_none_are_found_and_not_shown(envelope: Envelope) -> None:
    first, *others = envelope.readings
    size = next(one for one in envelope.readings if one.quantity == "size")
    for reading in (
        replace(first, quantity="speed"), replace(first, unit="bytes"), replace(size, draws=(1.0, 2.0)),
        others[0],
    ):  # fmt: skip
        made = replace(envelope, readings=(*envelope.readings, reading))
        assert list(envelope_faults(audited(made))), reading
    twice = replace(envelope, limits=(*envelope.limits, envelope.limits[0]))
    assert list(envelope_faults(audited(twice)))


@pytest.mark.parametrize("peak", [0, -1])
def test_memory_that_nobody_counted_keeps_no_limit(tmp_path: Path, peak: int) -> None:
    model = Timed()
    found = measure(model, read_limits(["memory=1GB"]), meters=meters(model, tmp_path, peak))
    assert [one.status for one in found.limits] == [Status.NOT_TESTED]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_times_that_cannot_be_are_draws_without_a_number(tmp_path: Path, wrong: float) -> None:
    class Own(Timed):
        def timed(self, request: Generate) -> tuple[Completion, float, float]:
            self.asked.append(request)
            return Completion("word " * 64, 64), 0.7, wrong if len(self.asked) % 2 else 0.1

    model = Own()
    found = measure(model, read_limits(["ttft_p95=1s"]), meters=meters(model, tmp_path))
    [limit] = found.limits
    assert (limit.status, limit.unscored) == (Status.INCONCLUSIVE, limit.n // 2)
    assert Audit.from_json(audited(found, "['ttft_p95=1s']").to_json()).envelope == found


def test_an_audit_without_limits_says_nothing(envelope: Envelope) -> None:
    for text in ("", "()", "[]"):
        assert list(envelope_faults(audited(None, text))) == []
    assert list(envelope_faults(audited(envelope, "[]")))


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
