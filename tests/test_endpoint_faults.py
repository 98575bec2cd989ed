"""Servers that fail, and replicas of one model, against a scripted server on loopback that makes the faults."""

from __future__ import annotations

import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from endpoint_backends import ASKED, QUICK, answers, backend, started
from endpoints import FAULTS, Toy, serving

from pytest_slmtrust import Completion, Generate, chat
from pytest_slmtrust.backends.endpoint.address import read_address
from pytest_slmtrust.backends.endpoint.backend import EndpointBackend
from pytest_slmtrust.backends.endpoint.identity import CANARIES
from pytest_slmtrust.backends.endpoint.notes import notes
from pytest_slmtrust.backends.endpoint.stream import BrokenStream, Pieces
from pytest_slmtrust.requests import BackendError, Failure

# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_now_and_then_changes_no_answer(fault: str) -> None:
    lasting = fault in ("gone", "redirect", "huge")
    with serving(Toy("chat")) as toy:
        one = started(toy)
        # a busy machine may not take a connection for a while, and a retry among several requests may be a seventh one again
        one.patience = replace(QUICK, attempts=12, connect=10.0, down=10.0)
        right = answers(one)
        begun = toy.count
        toy.fault = lambda path, n: fault if n > begun and n % 7 == 3 else ""
        found = answers(one)
    wrong = [a for a, b in zip(found, right, strict=True) if a != b]
    assert all(isinstance(answer, Failure) for answer in wrong)
    assert bool(wrong) is lasting


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"timeout"}))
def test_a_fault_of_every_reply_ends_in_one_line(fault: str) -> None:
    with serving(Toy("chat", goal="http://elsewhere.example/x")) as toy:
        one = started(toy)
        toy.fault = lambda path, n: fault
        with pytest.raises(BackendError) as error:
            answers(one)
    assert "\n" not in str(error.value)
    assert "answers nothing any more" in str(error.value)


@pytest.mark.parametrize("fault", ["500", "html", "redirect", "cut", "no choices"])
def test_a_server_that_never_works_is_refused_at_the_start(fault: str) -> None:
    with serving(Toy("chat", fault=lambda path, n: fault)) as toy, pytest.raises(BackendError) as error:
        backend(toy, model="toy").make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("sent", [b"HTTP/1.1 103 Early Hints\r\n\r\n" * 512, b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 512, b""])
def test_a_server_that_says_nothing_of_itself_without_an_end_is_left_soon(sent: bytes) -> None:
    def flood(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while not ended.is_set():
                connection.sendall(sent)
                ended.wait(0 if sent else 0.05)

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accept = threading.Thread(target=lambda: flood(listener.accept()[0]), daemon=True)
        accept.start()
        address = read_address(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        began = time.monotonic()
        with pytest.raises(BackendError, match="does not list its models"):
            EndpointBackend(address, patience=replace(QUICK, request=600.0, listing=0.3)).make()
        ended.set()
        accept.join()
    assert time.monotonic() - began < 30  # two attempts would wait for a second connection, which nobody takes


def test_nobody_listens() -> None:
    with serving(Toy()) as toy:
        pass
    with pytest.raises(BackendError, match=r"no server answers: 127\.0\.0\.1:\d+: no connection"):
        backend(toy).make()


def test_a_redirect_is_not_followed() -> None:
    with serving(Toy("chat")) as other, serving(Toy("chat", goal=other.url + "/chat/completions")) as toy:
        one = started(toy)
        toy.fault = lambda path, n: "redirect"
        [answer] = answers(one, ASKED[:1])
        assert isinstance(answer, Failure)
        assert other.count == 0


def test_retry_after_is_waited_for() -> None:
    with serving(Toy("chat")) as toy:
        one = started(toy)
        FAULTS["wait"] = lambda h, s, d: h._send(429, b"{}", Retry_After="1")
        begun = toy.count
        toy.fault = lambda path, n: "wait" if n == begun + 1 else ""
        [answer] = answers(one, ASKED[:1])
        first, second = [at for _, _, at in toy.seen[-2:]]
    assert isinstance(answer, Completion)
    assert second - first >= 0.95


def test_a_request_that_the_server_refuses_fails_alone() -> None:
    toy = Toy("chat")
    inner = toy._v1_chat_completions
    too_long = (400, {"error": {"message": "context length exceeded"}})
    toy._v1_chat_completions = lambda body: too_long if "long" in body["messages"][0]["content"] else inner(body)  # type: ignore
    with serving(toy):
        one = started(toy)
        one.patience = replace(QUICK, attempts=5)
        asked = [Generate(chat(f"Question {i:02d}"), 4) for i in (1, 16, 18, 2)]
        found = answers(one, [*asked, Generate(chat("too long\x07"), 4), Generate(chat("half \ud83d"), 4)])
    assert [type(answer) for answer in found] == [Completion] * 4 + [Failure] * 2
    assert "context length exceeded" in found[4].message
    assert "surrogate" in found[5].message


def test_a_prompt_that_the_server_cuts_is_a_failure() -> None:
    toy = Toy("chat")
    inner = toy._v1_chat_completions
    toy._v1_chat_completions = lambda b: (200, {**inner(b)[1], "usage": {"prompt_tokens": 200, "completion_tokens": 4}})  # type: ignore
    with serving(toy):
        short, long = answers(backend(toy), [Generate(chat("Hello"), 4), Generate(chat("Many words about it. " * 500), 4)])
    assert isinstance(short, Completion)
    assert isinstance(long, Failure)
    assert "cut the prompt" in long.message


# -- replicas -----------------------------------------------------------------------------------------------------


def test_a_replica_that_dies_is_left_out_and_nothing_is_lost() -> None:
    with serving(Toy("chat")) as left, serving(Toy("chat", delay=0.005)) as dying:
        one = started(left, dying)
        right = answers(one)
        assert min(left.count, dying.count) > 5
        found: dict[int, Any] = {}
        for i, answer in one.run(ASKED):
            found[i] = answer
            if len(found) == 5:
                dying.stop()  # type: ignore[attr-defined]
        assert [found[i] for i in range(len(ASKED))] == right
        assert answers(one, [Generate(chat(f"More {i}"), 4) for i in range(60)])


def test_a_replica_that_dies_while_it_is_asked_who_it_is_is_left_out_too() -> None:
    with serving(Toy("chat", delay=0.005)) as left, serving(Toy("chat", delay=0.005)) as dying:

        def fault(path: str, n: int) -> str:
            """It breaks one connection, and is gone once it is asked a question that tells models apart."""
            gone = any(CANARIES[-1] in json.dumps(body, ensure_ascii=False) for _, body, _ in list(dying.seen))
            if gone and not stopped.is_set():
                stopped.set()
                dying.stop()  # type: ignore[attr-defined]
            first = not broken.is_set()
            broken.set()
            return "cut" if gone or first else ""

        broken, stopped = threading.Event(), threading.Event()
        right = answers(started(left))
        dying.fault = fault
        one = started(left, dying)
        assert answers(one) == right
        assert stopped.is_set()
        assert one.counters.extra["replicas_lost"] == 1


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("after", [2, 9, 14])
def test_a_replica_that_dies_in_the_middle_of_the_start_is_named(after: int, first: bool) -> None:
    with serving(Toy("chat")) as toy, serving(Toy("chat")) as dying:

        def fault(path: str, n: int) -> str:
            if n == after:
                dying.stop()  # type: ignore[attr-defined]
            return "cut" if n >= after else ""

        dying.fault = fault
        one = backend(dying, toy) if first else backend(toy, dying)
        assert one.describe()["left_out"] == [dying.url.split("/")[2]]
        assert dying.count >= after
        assert all(isinstance(answer, Completion) for answer in answers(one))


@pytest.mark.parametrize("after", [1, 7, 19, 30, 39])
def test_a_server_that_is_killed_and_started_again_loses_nothing(after: int) -> None:
    with serving(Toy("chat", delay=0.002)) as toy, ExitStack() as stack:
        one = started(toy)
        right = answers(one)
        one.patience = replace(QUICK, down=30.0, attempts=1000)  # a slow machine takes its time to start the second server
        found: dict[int, Any] = {}
        for i, answer in one.run(ASKED):
            found[i] = answer
            if len(found) == after:
                toy.fault = lambda path, n: "cut"
                toy.stop()  # type: ignore[attr-defined]
                stack.enter_context(serving(Toy("chat"), int(toy.url.split(":")[2].split("/")[0])))
        assert [found[i] for i in range(len(ASKED))] == right


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("seed", ["", "other"])
def test_another_model_that_comes_back_at_the_address_ends_the_run(alone: bool, seed: str) -> None:
    asked = [Generate(chat(f"Question {i} of the sea"), 6) for i in range(120)]
    with serving(Toy("chat", delay=0.03)) as toy, serving(Toy("chat", delay=0.03)) as other, ExitStack() as stack:
        one = started(toy) if alone else started(toy, other)
        one.patience = replace(QUICK, down=30.0, attempts=1000)
        found, said = [], ""
        try:
            for _, answer in one.run(asked):
                found.append(answer)
                if len(found) == 9:
                    toy.fault = lambda path, n: "cut"
                    toy.stop()  # type: ignore[attr-defined]
                    time.sleep(0.1)
                    stack.enter_context(serving(Toy("chat", seed=seed), int(toy.url.split(":")[2].split("/")[0])))
        except BackendError as error:
            said = str(error)
        right = answers(started(other), asked)
    assert all(answer in right for answer in found)
    assert (len(found) == len(asked)) is (seed == "")
    assert ("came back as another model: to 'What is the capital" in said) is (seed == "other")
    assert "\n" not in said


def test_replicas_must_be_one_model() -> None:
    with serving(Toy("chat")) as a, serving(Toy("chat", seed="other")) as b:
        both = backend(a, b)
        with pytest.raises(BackendError, match="not replicas of one model: to 'What is the capital"):
            both.make()


def test_a_replica_that_is_dead_at_the_start_is_named() -> None:
    with serving(Toy("chat")) as dead:
        pass
    with serving(Toy("chat")) as toy:
        one = backend(toy, dead)
        assert one.describe()["left_out"] == [dead.url.split("/")[2]]
        assert all(isinstance(answer, Completion) for answer in answers(one))
        assert any("REPLICAS LEFT OUT" in note for note in notes(one.describe()))


def test_closing_early_ends_what_is_under_way() -> None:
    with serving(Toy("chat", delay=0.02)) as toy:
        one = started(toy)
        running: Any = one.run(ASKED)
        next(running)
        running.close()
        before = toy.count
        time.sleep(0.1)
        assert toy.count <= before + 4


# -- hostile bodies ------------------------------------------------------------------------------------------------


def packed(times: int, data: bytes, form: int = zlib.MAX_WBITS | 16) -> bytes:
    for _ in range(times):
        made = zlib.compressobj(9, zlib.DEFLATED, form)
        data = made.compress(data) + made.flush()
    return data


def sends(data: Callable[[bytes], bytes], encoding: str) -> Callable[[Any, int, Any], None]:
    return lambda h, status, said: h._send(status, data(h.encoded(said)), Content_Encoding=encoding)


def in_its_time(toy: Toy, one: EndpointBackend) -> Any:
    toy.fault = lambda path, n: "packed"
    tracemalloc.start()
    try:
        [answer] = answers(one, ASKED[:1])
        return answer, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", lambda said: packed(1, said)),
        ("Deflate", lambda said: packed(1, said, zlib.MAX_WBITS)),
        ("x-gzip", lambda said: packed(1, said + b" " * 1_500_000)),
        ("identity", lambda said: said),
    ],
)
def test_a_reply_that_was_packed_unasked_is_read(
    encoding: str, data: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Toy("chat")) as toy:
        one = started(toy)
        right = answers(one, ASKED[:1])
        monkeypatch.setitem(FAULTS, "packed", sends(data, encoding))
        assert [in_its_time(toy, one)[0]] == right


@pytest.mark.parametrize(
    ("encoding", "data", "said"),
    [
        ("gzip", lambda said: packed(1, said + b" " * 2**28), "more than 2000000 bytes"),
        ("gzip, gzip", lambda said: packed(2, said + b" " * 2**28), "packed as 'gzip, gzip'"),
        ("deflate, gzip", lambda said: packed(2, said), "packed as"),
        ("br", lambda said: said, "packed as 'br'"),
        ("zstd", lambda said: said, "packed as 'zstd'"),
        ("gzip", lambda said: packed(1, said)[:-9], "ends too early"),
        ("gzip", lambda said: said, "cannot be unpacked"),
    ],
)
def test_a_packed_bomb_is_refused_small(
    encoding: str, data: Callable[[bytes], bytes], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []

    def once(answer: bytes) -> bytes:
        kept[:] = kept or [data(answer)]
        return kept[0]

    once(b"{}")
    with serving(Toy("chat")) as toy:
        one = started(toy)
        monkeypatch.setitem(FAULTS, "packed", sends(once, encoding))
        answer, most = in_its_time(toy, one)
    assert isinstance(answer, Failure)
    assert said in answer.message
    assert most < 24 * 2**20


@pytest.mark.parametrize(
    "choices", [5, True, 1e300, "text", {"index": 0}, [5], ["x"], [None], [{"index": 1}], [{"delta": {"content": [1]}}]]
)
def test_a_stream_of_another_form_is_broken_and_raises_nothing_else(choices: Any) -> None:
    with pytest.raises(BrokenStream):
        Pieces().feed(b"data: " + json.dumps({"choices": choices}).encode() + b"\n\n")


def test_a_line_without_end_in_small_pieces_takes_linear_time() -> None:
    class Counted(bytearray):
        splits = 0

        def split(self, *given: Any) -> Any:
            Counted.splits += 1
            return super().split(*given)

    pieces = Pieces(_line=Counted())
    for _ in range(2000):
        pieces.feed(b"x" * 500)
    assert Counted.splits == 0
    pieces.feed(b"\n")
    assert Counted.splits == 1
