"""Engines of ``--slm-ray``, without Ray: what is asked again, what fails, when it ends, and what the run is told."""

from __future__ import annotations

import socket
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_ray import Fake, faked

from pytest_slmtrust import BackendError, Completion, Failure, Generate, Loglikelihood, Request
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.requests import Counters
from pytest_slmtrust.scale import ray_backend
from pytest_slmtrust.scale.ray_backend import RayBackend
from pytest_slmtrust.scale.ray_cluster import check_address, places_of
from pytest_slmtrust.scale.spread import spread

NODE = {"NodeID": "n1", "Alive": True, "Resources": {"CPU": 2.0}}


class Scripted(FakeBackend):
    """Answers, counts, and breaks where a test says so."""

    counters: Counters
    breaks: Callable[[Scripted, Request[Any]], None]
    log: list[str]

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for index, request in enumerate(requests):
            assert isinstance(request, Generate)
            self.log.append(str(request.prompt))
            self.breaks(self, request)
            self.counters.generated += 2
            yield index, Completion(f"reply to {request.prompt}", 2)


class Crew:
    """A scripted model on two engines of a stand-in for Ray."""

    def __init__(self, fake: Fake, module: Any) -> None:
        self.fake, self.module = fake, module
        self.log: list[str] = []
        self.said: list[str] = []
        self.breaks: Callable[[Scripted, Request[Any]], None] = lambda backend, request: None
        module.model = self.model

    def model(self) -> Scripted:
        made = Scripted()
        made.counters, made.log = Counters(), self.log
        made.breaks = lambda backend, request: self.breaks(backend, request)
        return made

    def backend(self, address: str = "local:2") -> RayBackend:
        spec = ModelSpec("scripted_crew:model")
        made = spread(load_backend(spec), spec, address, self.said.append)
        assert isinstance(made, RayBackend)
        return made

    def die(self, backend: object) -> None:
        """Kill the engine that asks this, in the middle of a request."""
        self.fake.actor_of(backend).dead = True
        threading.Event().wait()


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    module = types.ModuleType("scripted_crew")
    monkeypatch.setitem(sys.modules, "scripted_crew", module)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("pytest_slmtrust.scale.ray_worker.REPORT", 0.02)
    with faked(monkeypatch, [dict(NODE)]) as fake:
        yield Crew(fake, module)


def questions(count: int) -> list[Generate]:
    return [Generate(f"question {i}", max_new_tokens=1 + i % 7) for i in range(count)]


def right(found: dict[int, Any], count: int, but: Sequence[int] = ()) -> bool:
    wanted = {i: f"reply to question {i}" for i in range(count) if i not in but}
    return wanted == {i: one.text for i, one in found.items() if isinstance(one, Completion)}


def test_two_engines_answer_all_and_each_request_is_asked_once(crew: Crew) -> None:
    backend = crew.backend()
    assert backend.describe()["ray"] == {"engines": 0, "lost": 0}
    assert right(dict(backend.run(questions(80))), 80)
    assert Counter(crew.log) == Counter(f"question {i}" for i in range(80))
    assert (backend.counters.generated, backend.lost) == (160, 0)
    assert backend.describe()["ray"]["engines"] == 2
    assert [engine.actor.options["num_cpus"] for engine in backend.engines] == [1, 1]
    assert right(dict(backend.run(questions(9))), 9)  # the next wave finds them loaded
    assert len(crew.fake.actors) == 2
    assert (backend.name, backend.fingerprint) == ("fake", "fake:fake:1")


def test_findings_of_an_engine_session_are_those_of_one_process(crew: Crew, tmp_path: Path) -> None:
    answers = []
    for number, backend in enumerate((crew.backend(), crew.model())):
        model: Any = backend
        engine = Engine({("generate", "target"): model}, Store(tmp_path / str(number), "run"))
        answers.append(engine.answer(questions(40)))
        engine.store.close()
    assert answers[0] == answers[1]


def test_what_a_dead_engine_had_under_way_goes_to_the_others(crew: Crew) -> None:
    died: list[str] = []

    def breaks(backend: Scripted, request: Request[Any]) -> None:
        if not died and len(crew.log) > 20:
            died.append(str(request))
            crew.die(backend)

    crew.breaks = breaks
    backend = crew.backend()
    assert right(dict(backend.run(questions(120))), 120)
    assert (backend.lost, len(crew.fake.actors)) == (1, 3)
    assert any("died" in line and "started again" in line for line in crew.said)
    twice = [text for text, n in Counter(crew.log).items() if n > 1]
    assert len(twice) < 60


def test_a_request_that_kills_every_engine_fails_alone(crew: Crew) -> None:
    crew.breaks = lambda backend, request: crew.die(backend) if "question 13" in str(request) else None
    backend = crew.backend()
    found = dict(backend.run(questions(60)))
    assert right(found, 60, but=[13])
    assert found[13] == Failure("the engine died 3 times while it was asked this")
    assert backend.lost == 3


def test_requests_fail_by_name_once_no_engine_is_left(crew: Crew) -> None:
    some = 0

    def breaks(backend: Scripted, request: Request[Any]) -> None:
        nonlocal some
        if some:
            crew.die(backend)

    crew.breaks = breaks
    backend = crew.backend()
    found = {}
    for index, answer in backend.run(questions(200)):
        found[index] = answer
        some += isinstance(answer, Completion)
    failed = [one for one in found.values() if isinstance(one, Failure)]
    assert len(found) == 200
    assert 100 < len(failed) < 200
    assert any("no engine is left" in one.message for one in failed)
    assert backend.lost == 2 * (1 + ray_backend.RESTARTS)
    assert all(isinstance(one, Failure) for _, one in backend.run(questions(3)))


def test_an_engine_on_a_node_that_is_gone_is_not_started_again(crew: Crew) -> None:
    crew.fake.nodes[:] = [{**NODE, "NodeID": name, "Resources": {"CPU": 1.0}} for name in ("n1", "n2")]

    def breaks(backend: Scripted, request: Request[Any]) -> None:
        actor = crew.fake.actor_of(backend)
        if len(crew.log) > 20 and actor.options["scheduling_strategy"] == "n2":
            crew.fake.nodes[1]["Alive"] = False
            crew.die(backend)

    crew.breaks = breaks
    backend = crew.backend("127.0.0.1:1")
    assert right(dict(backend.run(questions(90))), 90)
    assert [engine.actor is None for engine in backend.engines] == [False, True]
    assert len(crew.fake.actors) == 2
    assert any("engines left: 1" in line for line in crew.said)


def test_an_engine_that_says_nothing_counts_as_dead(crew: Crew) -> None:
    def breaks(backend: Scripted, request: Request[Any]) -> None:
        if len(crew.log) == 25:
            crew.fake.actor_of(backend).hangs = True

    crew.breaks = breaks
    backend = crew.backend()
    backend.silence = 0.3
    assert right(dict(backend.run(questions(70))), 70)
    assert backend.lost == 1
    assert any("said nothing for 0 s" in line for line in crew.said)


def test_engines_that_answer_as_another_model_are_left_out(crew: Crew) -> None:
    versions = iter(["1", "2", "1"])

    def model() -> Scripted:
        made = Crew.model(crew)
        made.version = next(versions)
        return made

    crew.module.model = model
    backend = crew.backend()
    backend.make()
    assert right(dict(backend.run(questions(30))), 30)
    assert sum(engine.actor is not None for engine in backend.engines) == 1
    assert any("other files or other library versions" in line for line in crew.said)


def test_a_model_that_no_engine_can_load_ends_the_run_in_one_line(crew: Crew) -> None:
    made = []

    def model() -> Scripted:
        made.append(1)
        if len(made) > 1:
            raise OSError("no weights\nhere")
        return Crew.model(crew)

    crew.module.model = model
    backend = crew.backend()
    backend.make()
    with pytest.raises(BackendError, match="--slm-ray=local:2: no engine can answer") as caught:
        list(backend.run(questions(5)))
    assert "no weights" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_answers_nothing_ends_the_run(crew: Crew) -> None:
    def breaks(backend: Scripted, request: Request[Any]) -> None:
        raise BackendError("the weights are not whole")

    crew.breaks = breaks
    with pytest.raises(BackendError, match="the weights are not whole"):
        list(crew.backend().run(questions(5)))


def test_a_request_that_breaks_its_chunk_fails_alone(crew: Crew) -> None:
    def breaks(backend: Scripted, request: Request[Any]) -> None:
        if "question 4" in str(request):
            raise SystemExit("a panic")

    crew.breaks = breaks
    found = dict(crew.backend().run(questions(20)))
    assert right(found, 20, but=[4])
    assert "a panic" in found[4].message


def test_a_wave_that_was_not_read_to_its_end_leaves_nothing_behind(crew: Crew) -> None:
    backend = crew.backend()
    first: Any = backend.run([Generate(f"early {i}") for i in range(50)])
    next(first)
    first.close()
    pairs = list(backend.run(questions(40)))
    assert right(dict(pairs), 40)
    assert len(pairs) == 40


def test_closing_lets_the_engines_go(crew: Crew) -> None:
    backend = crew.backend()
    list(backend.run(questions(4)))
    backend.close()
    assert all(actor.dead for actor in crew.fake.actors)
    assert right(dict(backend.run(questions(4))), 4)


def test_what_a_model_cannot_answer_is_known_of_it_on_engines_too() -> None:
    class Half(FakeBackend):
        lacks = {"detail": "no detail"}

        def refusal(self, request: Request[Any]) -> str:
            return "no detail" if isinstance(request, Loglikelihood) and request.detail else ""

    half, whole = (RayBackend(ModelSpec("x"), inner, "local:2") for inner in (Half(), FakeBackend()))
    asked = Loglikelihood("a", "b", detail=True)
    assert (half.lacks, half.refusal(asked), half.refusal(Generate("a"))) == ({"detail": "no detail"}, "no detail", "")
    assert (whole.lacks, whole.refusal(asked), whole.disk_bytes()) == ({}, "", None)


@pytest.mark.parametrize(
    ("address", "nodes", "threads", "wanted"),
    [
        ("local", [{"CPU": 2}], 8, [(1, 0, 4), (1, 0, 4)]),
        ("local:3", [{"CPU": 3}], 2, [(1, 0, 1)] * 3),
        ("local", [{"CPU": 9, "GPU": 3}], 9, [(0, 1.0, None)] * 3),
        ("local:4", [{"CPU": 9, "GPU": 3}], 9, [(0, 0.75, None)] * 4),
        ("h:1", [{"CPU": 16}, {"GPU": 2, "CPU": 8}, {"memory": 1}], 0, [(16, 0, 16), (0, 1, None), (0, 1, None)]),
        ("auto", [], 0, []),
    ],
)
def test_places_are_gpus_or_whole_nodes(
    monkeypatch: pytest.MonkeyPatch, address: str, nodes: list[dict[str, float]], threads: int, wanted: list[Any]
) -> None:
    listed = [{"NodeID": f"n{i}", "Alive": True, "Resources": one} for i, one in enumerate(nodes)]
    gone = {"NodeID": "gone", "Alive": False, "Resources": {"CPU": 4, "GPU": 4}}
    with faked(monkeypatch, [*listed, gone]):
        assert [(p.cpus, p.gpus, p.threads) for p in places_of(address, threads)] == wanted


@pytest.mark.parametrize("address", ["local", "local:1", "local:64", "auto", "head:6379", "10.0.0.1:1", "[::1]:6379"])
def test_addresses(address: str) -> None:
    assert check_address(address) == ""


@pytest.mark.parametrize(
    "address", ["local:0", "local:", "head", "ray://head:10001", "http://head:8265", "h:0", "h:99999", "a b:1"]
)
def test_what_is_not_an_address_is_refused(crew: Crew, address: str) -> None:
    with pytest.raises(SpecError, match=r"--slm-ray is .*expected local, local:N, auto, or HOST:PORT"):
        crew.backend(address)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not the head of a cluster"),
        (b"", "not the head of a cluster"),
        (None, "nobody answers there"),
    ],
)
def test_an_address_where_no_cluster_is_ends_the_run_in_one_line(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, reply: bytes | None, why: str
) -> None:
    monkeypatch.setattr(sys.modules["ray"], "is_initialized", lambda: False)
    monkeypatch.setattr("pytest_slmtrust.scale.ray_cluster._KNOCK", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            one, _ = server.accept()
            with one:
                one.recv(100)
                if reply is None:
                    time.sleep(1)
                else:
                    one.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(BackendError, match=why) as caught:
            list(crew.backend(f"127.0.0.1:{server.getsockname()[1]}").run(questions(1)))
    assert "\n" not in str(caught.value)


def test_a_server_spreads_its_requests_itself_and_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(answers=(Generate, Loglikelihood))
    assert spread(backend, ModelSpec("x"), "") is backend
    for spec in ("http://host/v1#m", "batch:m"):
        with pytest.raises(SpecError, match="leave --slm-ray out"):
            spread(backend, ModelSpec(spec), "local:2")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"reinstall this package with its extra \[ray\]"):
        spread(backend, ModelSpec("x"), "local:2")


def test_a_model_in_memory_cannot_be_spread(project: Any) -> None:
    result = project().runpytest("-q", "--slm=fake", "--slm-packs=none", "--slm-ray=local:2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --slm-ray: pytest_slm_backend gives the model, and engines must load it*"])
