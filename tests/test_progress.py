"""Progress: the remaining time is right soon, whatever is long and whatever comes first."""

from __future__ import annotations

import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_slmtrust import Classify, Completion, Failure, Generate, Labels, Loglikelihood, chat
from pytest_slmtrust.backends.fake import FakeBackend, neutral_logprob
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.engine.work_estimate import Wave, begin, efforts, seconds_left
from pytest_slmtrust.plugin.progress import ProgressLine, duration
from pytest_slmtrust.requests import Counters

WRITTEN, READ = 0.01, 0.002  # seconds a token in these tests: their ratio is that of a real model

Make = Callable[..., pytest.Pytester]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Paced(FakeBackend):
    """Answers in a given order; each answer takes its time: tokens read and written, one after the other."""

    def __init__(self, clock: Clock, order: Callable[[Any], float], length: Callable[[Generate], int]) -> None:
        super().__init__()
        self.clock, self.order, self.length = clock, order, length
        self.read: set[Any] = set()

    def run(self, requests: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        for index in sorted(range(len(requests)), key=lambda i: self.order(requests[i])):
            request = requests[index]
            if isinstance(request, Generate):
                n = min(request.max_new_tokens, self.length(request))
                self.clock.now += len(str(request.prompt)) / 4.2 * READ + n * WRITTEN
                yield index, Completion("x", n, n < request.max_new_tokens)
            else:
                new = request.continuation if request.context in self.read else f"{request.context}{request.continuation}"
                self.read.add(request.context)
                self.clock.now += 2 * (1 + len(new) / 3.5) * READ  # with padding, and the head at every place
                yield index, neutral_logprob(request)


class Batched(FakeBackend):
    """A batch of replies, one token a step; a reply that ends makes place for the next, longest limits first."""

    def __init__(self, clock: Clock, length: Callable[[Generate], int], rows: int) -> None:
        super().__init__()
        self.clock, self.length, self.rows, self.counters = clock, length, rows, Counters()

    def run(self, requests: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        waiting = sorted(range(len(requests)), key=lambda i: -requests[i].max_new_tokens)
        active: dict[int, int] = {}
        while waiting or active:
            while waiting and len(active) < self.rows:
                active[waiting.pop(0)] = 0
            self.clock.now += 0.1 + WRITTEN * len(active)
            self.counters.generated += len(active)
            for index in list(active):
                active[index] += 1
                limit = requests[index].max_new_tokens
                if active[index] >= min(limit, self.length(requests[index])):
                    n = active.pop(index)
                    yield index, Completion("x", n, n < limit)


def told(tmp_path: Path, clock: Clock, backend: Any, asked: Sequence[Any]) -> list[tuple[float, float]]:
    """Ratios of the told to the true remaining time, by the share of the true time that has passed."""
    seen: list[tuple[float, float | None]] = []
    line = ProgressLine(config(), clock)

    def watch(wave: Wave) -> None:
        line(wave)
        seen.append((clock.now, seconds_left(wave, line.spent, line.known)[0]))

    Engine({(k, "target"): backend for k in ("generate", "loglikelihood")}, Store(tmp_path, "s"), watch).answer(asked)
    start, end = 100.0, clock.now
    return [((now - start) / (end - start), left / (end - now)) for now, left in seen if left is not None and now < end]


def config() -> Any:
    return SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda _name: None))


def mixed() -> list[Any]:
    """Few long replies, many short ones, and scored options after shared questions."""
    long = [Generate(f"write an essay on the matter of {n}", max_new_tokens=256) for n in range(40)]
    short = [Generate(chat(f"is {n} a number? say yes or no"), max_new_tokens=8) for n in range(400)]
    asked = [f"question {n}: " + "which of the options is the right one? " * 4 for n in range(200)]
    return [*long, *short, *(Loglikelihood(text, f" option {o}") for text in asked for o in "abcd")]


ORDERS: dict[str, Callable[[Any], float]] = {
    "long replies first": lambda r: -getattr(r, "max_new_tokens", 0),
    "long replies last": lambda r: getattr(r, "max_new_tokens", 0),
    "scores, then long replies": lambda r: -getattr(r, "max_new_tokens", 10**6),
    # no order, but the options of a question together, as their beginning is read once
    "no order": lambda r: zlib.crc32(str(getattr(r, "context", r)).encode()),
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_remaining_time_is_right_after_a_tenth(order: str, tmp_path: Path) -> None:
    clock = Clock()
    ratios = told(tmp_path, clock, Paced(clock, ORDERS[order], lambda r: r.max_new_tokens), mixed())
    late = [ratio for share, ratio in ratios if 0.1 <= share <= 0.97]
    assert len(late) > 20
    assert min(late) >= 1 / 1.5
    assert max(late) <= 1.5


@pytest.mark.parametrize("mean", [30, 80, 10_000])
def test_replies_that_end_early_and_replies_under_way_are_reckoned_with(mean: int, tmp_path: Path) -> None:
    clock, source = Clock(), random.Random(1)
    asked = [Generate(f"question {n}", max_new_tokens=(32, 64, 128)[n % 3]) for n in range(800)]
    lengths = {r.key: 1 + int(source.expovariate(1 / mean)) for r in asked}
    ratios = told(tmp_path, clock, Batched(clock, lambda r: lengths[r.key], 48), asked)
    # the last rows, alone in their batch, are slower than can be known: there a tenth of the whole time is near enough
    late = [ratio for share, ratio in ratios if share >= 0.1 and abs(ratio - 1) * (1 - share) > 0.1]
    assert min(late, default=1) >= 1 / 1.5
    assert max(late, default=1) <= 1.5


def test_shared_beginnings_are_work_once() -> None:
    head = "the same long beginning of every question " * 20
    units = efforts({str(n): Loglikelihood(head, f" {n}") for n in range(50)})
    alone = efforts({"0": Loglikelihood(head, " 0")})["0"]
    assert sum(units.values()) < alone + 50 * 6
    assert max(units.values()) == alone


def test_a_failure_is_no_work_done() -> None:
    asked: dict[str, Any] = {"a": Generate("x", max_new_tokens=10), "b": Generate("y", max_new_tokens=10)}
    wave, units = begin(1, asked)
    wave.book(asked["a"], units["a"], Failure("too long"))
    assert (wave.done, wave.finished) == (1, {})
    assert seconds_left(wave, {"generate": 0.0}, {}) == (None, ("generate",))


def test_a_scorer_that_has_not_begun_goes_at_its_pace_in_earlier_waves() -> None:
    wave, _ = begin(2, {"a": Classify("x" * 396)})
    assert seconds_left(wave, {}, {}) == (None, ("classify",))
    left, beside = seconds_left(wave, {}, {"classify": 0.5})
    assert (left, beside) == (pytest.approx(50), ())


def test_a_scorer_of_unknown_pace_is_not_reckoned_at_that_of_the_model() -> None:
    asked: dict[str, Any] = {str(n): Generate(f"question {n}", max_new_tokens=10) for n in range(4)}
    asked |= {f"text {n}": Classify("x" * 3960) for n in range(100)}
    wave, units = begin(2, asked)
    for n in range(2):
        wave.book(asked[str(n)], units[str(n)], Completion("x", 10, False))
    left, beside = seconds_left(wave, {"generate": 60.0}, {})
    assert (left, beside) == (pytest.approx(60), ("classify",))


def test_a_model_is_not_reckoned_at_the_pace_of_a_scorer() -> None:
    asked: dict[str, Any] = {"a": Generate("question"), "b": Classify("x"), "c": Classify("y")}
    wave, units = begin(1, asked)
    wave.book(asked["b"], units["b"], Labels({"toxicity": 0.0}))
    assert seconds_left(wave, {"classify": 0.1}, {}) == (None, ("generate",))
    # what of the model has begun tells of its other kinds
    asked["d"] = Loglikelihood("question", " answer")
    wave, units = begin(1, asked)
    wave.book(asked["a"], units["a"], Completion("x", 10, True))
    left, beside = seconds_left(wave, {"generate": 6.0}, {"classify": 0.0})
    assert left is not None
    assert left > 0
    assert beside == ()


def test_the_line_names_what_its_time_does_not_hold(tmp_path: Path) -> None:
    line = ProgressLine(config(), Clock())
    asked: dict[str, Any] = {"a": Generate("one", max_new_tokens=10), "b": Generate("two", max_new_tokens=10), "c": Classify("x")}
    wave, units = begin(1, asked)
    wave.book(asked["a"], units["a"], Completion("x", 10, False))
    line.spent = {"generate": 12.0}
    assert line.line(wave).endswith("about 12 s left, then classify")


def test_while_loading_takes_most_of_the_time_no_time_left_is_said(tmp_path: Path) -> None:
    clock, said = Clock(), list[tuple[float, str]]()
    line = ProgressLine(config(), clock)

    def slow(request: Any) -> str:
        clock.now += 1.0 if said else 40.0  # the model is loaded before the first answer
        return "yes"

    def watch(wave: Wave) -> None:
        line(wave)
        if wave.done:
            said.append((clock.now - 100.0, line.line(wave)))

    asked = [Generate(f"question {n}") for n in range(100)]
    Engine({("generate", "target"): FakeBackend(slow)}, Store(tmp_path, "s"), watch).answer(asked)
    assert [" left" in text for _, text in said] == [seconds >= 80 for seconds, _ in said]  # it took 40 s: as long again
    assert said[10][1].endswith("11 of 100 requests, 11% of the work")


@pytest.mark.parametrize(("terminal", "pause"), [(True, 0.4), (False, 20.0)])
def test_lines_come_at_their_times(
    terminal: bool, pause: float, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    line = ProgressLine(config(), clock)

    def slow(request: Any) -> str:
        clock.now += pause
        return "yes"

    made = Engine({("generate", "target"): FakeBackend(slow)}, Store(tmp_path, "s"), line)
    made.answer([Generate(f"question {n}") for n in range(8)])
    line.close()
    text = capsys.readouterr().err
    lines = [part for part in text.replace("\r\x1b[K", "\n").split("\n") if part.strip()]
    assert len(lines) == 4
    assert "wave 1: 2 of 8 requests, 25% of the work, about" in lines[0]
    assert "8 of 8 requests, 100% of the work, about 0 s left" in lines[-1]
    assert ("[#####               ]" in lines[0]) == terminal
    line.note("fetching")
    assert "slm: fetching\n" in capsys.readouterr().err


def test_durations_are_short() -> None:
    assert [duration(s) for s in (0.4, 89, 91, 3600, 9000)] == ["0 s", "89 s", "2 min", "60 min", "2 h 30 min"]


@pytest.mark.parametrize("capture", ["fd", "no"])
def test_a_line_is_seen_at_once_while_a_backend_turns_stderr_away(project: Make, capture: str) -> None:
    made = project()
    made.makeconftest("""
        import contextlib, io, sys
        from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
        from pytest_slmtrust.plugin import CONTROLLER

        class Converts(FakeBackend):
            def run(self, requests):
                with contextlib.redirect_stderr(io.StringIO()):
                    self.note("de-quantising model.gguf")
                    seen = open("log").read()
                open("seen", "w").write(seen)
                yield from FakeBackend.run(self, requests)

        BACKEND = Converts("fine")

        def pytest_slm_backend(config):
            return BACKEND

        def pytest_slm_scorer(config):
            return WordListScorer()

        def pytest_sessionstart(session):
            type(BACKEND).note = staticmethod(session.config.pluginmanager.get_plugin(CONTROLLER).progress.note)
    """)
    command = [sys.executable, "-m", "pytest", "-q", "--slm=fake", "--slm-packs=none", f"--capture={capture}"]
    with (made.path / "log").open("w") as log:
        assert subprocess.run(command, cwd=made.path, stdout=log, stderr=log, check=False).returncode == 0
    assert "slm: de-quantising model.gguf" in (made.path / "seen").read_text()
