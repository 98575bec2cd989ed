"""The latency of a bar: measured with the label probe's own requests, one text at a time, and recomputed from its draws."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest
from endpoint_backends import backend as endpoint
from endpoints import Toy, serving
from scripted import CI

from pytest_slmtrust import Bar, Completion, Generate, Loglikelihood, Logprob, Probe, label_probe
from pytest_slmtrust.archive.envelope import envelope_faults
from pytest_slmtrust.audit.envelope import Envelope
from pytest_slmtrust.audit.model import Audit, Status
from pytest_slmtrust.backends.batch.backend import BatchBackend
from pytest_slmtrust.engine.admission import admitted
from pytest_slmtrust.envelope.limits import bar_limits, read_limits
from pytest_slmtrust.envelope.measure import measure
from pytest_slmtrust.envelope.meters import Meters
from pytest_slmtrust.envelope.tasks import Task
from pytest_slmtrust.report.envelope import limit_rows, load_lines
from pytest_slmtrust.requests import Failure, Prompt, Request

MOODS = ("glad", "cross", "calm", "tired")


def mood_probe(bar: Bar, n: int = 80, by: Any = "generate", name: str = "names_moods") -> Probe:
    rows = [{"text": f"message {i} of a day", "label": MOODS[i % 4]} for i in range(n)]
    return label_probe(rows, bar, name=name, task="Name the mood.", by=by)


def task(probe: Probe, place: str = "probe_moods.py") -> Task:
    assert probe.bar is not None
    (limit,) = bar_limits({f"{place}::gate[{probe.name}]": probe.bar.latency_p95})
    return Task(limit, probe.cases(CI))


def told(prompt: Prompt) -> str:
    return (prompt if isinstance(prompt, str) else prompt[-1].content).partition("Text: ")[2].partition("\n")[0]


@dataclass
class Desk:
    """A model that answers with one word. ``takes``: seconds for one request, by its text and its place among all."""

    takes: Callable[[str, int], float]
    says: Callable[[str], Any] = lambda text: Completion("glad", 1)
    name: str = "desk"
    fingerprint: str = "desk:1"
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    now: float = 0.0
    asked: list[Request[Any]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        self.calls.append(len(requests))
        for index, one in enumerate(requests):
            scored = isinstance(one, Loglikelihood)
            text = told(one.context if isinstance(one, Loglikelihood) else one.prompt)  # type: ignore[attr-defined]
            self.now += self.takes(text, len(self.asked))
            self.asked.append(one)
            yield index, Logprob(-1.0, False, 1) if scored else self.says(text)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}


def measured(model: Desk, *tasks: Task, seconds: float = 1e-3, limits: Sequence[str] = ()) -> Envelope:
    meters = Meters(lambda: model.now)
    return measure(admitted(model), read_limits(limits), tasks=tasks, meters=meters, seconds=seconds)


def bar(latency: str) -> Bar:
    return Bar("2026-11-01", accuracy=0.5, latency_p95=latency)


@pytest.mark.parametrize(("by", "latency", "status"), [
    ("generate", "101ms", Status.PASS), ("generate", "99ms", Status.FAIL),
    ("likelihood", "401ms", Status.PASS), ("likelihood", "399ms", Status.FAIL),  # four labels to a text
])  # fmt: skip
def test_a_model_of_one_word_is_held_to_its_own_requests(by: str, latency: str, status: Status) -> None:
    model = Desk(lambda text, n: 0.1)
    found = measured(model, task(mood_probe(bar(latency), by=by)))
    (limit,) = found.limits
    assert (limit.status, limit.n, limit.name) == (status, 59, "names_moods:latency_p95")
    assert limit.nodeid == "envelope::probe_moods.py::names_moods:latency_p95"
    kind = Generate if by == "generate" else Loglikelihood
    assert all(isinstance(one, kind) for one in model.asked), "nothing but the probe's own requests"
    assert set(model.calls) == {1 if by == "generate" else 4}, "one text at a time"


def test_a_slow_tail_fails_and_the_number_of_draws_was_fixed_before() -> None:
    slow = Desk(lambda text, n: 5.0 if int(text.split()[1]) % 4 == 0 else 0.01)
    assert measured(slow, task(mood_probe(bar("1s")))).limits[0].status is Status.FAIL
    few = measured(Desk(lambda text, n: 0.01 if n < 30 else 0.9), task(mood_probe(bar("1s"))), seconds=0.62)
    assert few.limits[0].n == 59
    many = measured(Desk(lambda text, n: 0.01), task(mood_probe(bar("1s"))), seconds=1.3)
    assert many.limits[0].n == 124, "as many as fit the time"


def test_texts_come_again_only_when_all_have_come() -> None:
    model = Desk(lambda text, n: 0.01)
    found = measured(model, task(mood_probe(bar("1s"), n=23)))
    texts = [told(one.prompt) for one in model.asked if isinstance(one, Generate)][3:]
    assert len(set(texts[:23])) == 23
    assert sorted(Counter(texts).values()) == [2] * 10 + [3] * 13
    again = Desk(lambda text, n: 0.01)
    measured(again, task(mood_probe(bar("1s"), n=23)))
    assert again.asked == model.asked, "the sample is the same in every run"
    line = load_lines(found)[1]
    assert "59 draws over 23 of its 23 texts, each up to 3 times" in line
    assert line.startswith("names_moods: from the probe's own request to the end of the reply; one text at a time")
    whole = Desk(lambda text, n: 0.01)
    measured(whole, task(mood_probe(bar("1s"), n=200)))
    texts = [told(one.prompt) for one in whole.asked if isinstance(one, Generate)]
    assert len(set(texts)) == 62, "texts that warm up are others"


def breaks(text: str) -> Any:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(("says", "why"), [
    (lambda text: Failure("no weights here"), "no weights here"), (lambda text: Completion("", 0), "the reply was empty"),
    (breaks, "out of memory"), (lambda text: Completion("<think>Is it glad or", 5, finished=False), "thought was not finished"),
    (lambda text: 7, "not a usable answer"),
])  # fmt: skip
def test_a_model_that_gives_no_label_is_not_tested_and_not_asked_on(says: Callable[[str], Any], why: str) -> None:
    model = Desk(lambda text, n: 0.01, says)
    (limit,) = measured(model, task(mood_probe(bar("1s")))).limits
    assert limit.status is Status.NOT_TESTED
    assert why in limit.reason
    assert len(model.asked) <= 6


def test_texts_without_an_answer_count_against_the_latency() -> None:
    def says(text: str) -> Any:
        return Failure("busy") if int(text.split()[1]) % 7 == 0 else Completion("calm", 1)

    (limit,) = measured(Desk(lambda text, n: 0.01, says), task(mood_probe(bar("1s")))).limits
    assert limit.status is Status.INCONCLUSIVE
    assert limit.unscored > 0


def test_a_model_by_batch_has_no_times_and_is_asked_nothing() -> None:
    model = BatchBackend("some-model")
    moods = task(mood_probe(bar("1s")))
    found = measure(admitted(model), read_limits(["ttft_p95=1s"]), tasks=[moods])
    assert [one.status for one in found.limits] == [Status.NOT_TESTED] * 2
    assert all("some-model by batch: a batch is answered later" in one.reason for one in found.limits)
    assert not model.open
    lacking = replace(moods, lacking="it gives no scores")
    assert measure(admitted(model), tasks=[lacking]).limits[0].reason == "it gives no scores"


@pytest.mark.slow
def test_an_endpoint_is_timed_as_its_client_sees_it() -> None:
    with serving(Toy("vllm", between=0.002)) as toy:
        found = measure(admitted(endpoint(toy)), tasks=[task(mood_probe(bar("20s"), n=8))], seconds=0.1)
    assert [one.status for one in found.limits] == [Status.PASS]
    assert found.limits[0].n == 59


# ------------------------------------------------------------------ recomputing


@pytest.fixture(scope="module")
def two() -> tuple[Envelope, Mapping[str, Any]]:
    """Two probes with bars of their own, the second one scored: its model is four times as slow for a text."""
    probes = (mood_probe(bar("150ms")), mood_probe(bar("300ms"), by="likelihood", name="scores_moods"))
    gates = {f"probe_moods.py::gate[{one.name}]": one for one in probes}
    found = measured(Desk(lambda text, n: 0.1), *map(task, probes), limits=["size=1GB"])
    bars = {
        gate: {**asdict(one.bar), "sha256": one.bar.sha256, "changed": ""} for gate, one in gates.items() if one.bar is not None
    }
    return found, bars


def audited(envelope: Envelope | None, bars: Mapping[str, Any]) -> Audit:
    settings: Any = {"options": {"limit": "['size=1GB']"}, "bars": bars, **({"envelope": envelope} if envelope else {})}
    return Audit(Status.NOT_TESTED, "", "ci", (), (), (), {}, settings=settings)


def test_each_task_has_its_own_draws_and_its_own_limit(two: tuple[Envelope, Mapping[str, Any]]) -> None:
    found, bars = two
    assert {one.name: one.status for one in found.limits} == {
        "size": Status.NOT_TESTED, "names_moods:latency_p95": Status.PASS, "scores_moods:latency_p95": Status.FAIL,
    }  # fmt: skip
    assert list(envelope_faults(audited(found, bars))) == []
    back = Audit.from_json(audited(found, bars).to_json())
    assert back.envelope == found
    rows = {row.name: row for row in limit_rows(found)}
    assert "until all 4 labels are scored" in rows["scores_moods:latency_p95"].reason
    assert json.loads(audited(found, bars).to_json())["settings"]["envelope"]["readings"][1]["task"]


def test_edited_tasks_are_not_believed(two: tuple[Envelope, Mapping[str, Any]]) -> None:
    found, bars = two
    size, names, scores = found.limits
    fast, slow = found.readings[1], found.readings[2]
    swapped = (found.readings[0], replace(fast, task=slow.task), replace(slow, task=fast.task))
    for made in (
        replace(found, limits=(size, names)), replace(found, limits=(size, names, replace(scores, status=Status.PASS))),
        replace(found, limits=(size, names, replace(scores, task=names.task))), replace(found, readings=swapped),
        replace(found, limits=(size, names, replace(scores, limit=9.0))), None,
        replace(found, readings=(*found.readings[:2], replace(slow, draws=fast.draws))),
    ):  # fmt: skip
        assert list(envelope_faults(audited(made, bars))), made
    looser = {gate: {**one, "latency_p95": "9s"} for gate, one in bars.items()}
    assert list(envelope_faults(audited(found, looser)))


def test_a_bar_can_be_left_out_by_its_name(two: tuple[Envelope, Mapping[str, Any]]) -> None:
    moods = replace(task(mood_probe(bar("1s"))), lacking="it cannot be asked")
    for name, excuse in (("names_moods:latency_p95", "optional"), (moods.limit.nodeid, "optional"), ("latency_p95", "")):
        found = measure(admitted(Desk(lambda text, n: 0.1)), tasks=[moods], optional=[name])
        assert found.limits[0].excuse == excuse, name
