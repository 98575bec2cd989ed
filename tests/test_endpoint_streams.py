"""Replies that come piece by piece: the same answers, the time to the first token, and streams that break off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from endpoint_backends import ASKED, answers, backend, started
from endpoints import FAULTS, Toy, events, serving

from pytest_slmtrust import Completion, Generate, chat
from pytest_slmtrust.backends.endpoint.stream import BrokenStream, Pieces
from pytest_slmtrust.requests import BackendError, Failure

SAID = {
    "model": "m", "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    "choices": [{"message": {"content": "Größe 你好 is\u2028 it", "reasoning_content": "so so"}, "finish_reason": "stop"}],
}  # fmt: skip
RAW = {"model": "m", "usage": {"prompt_tokens": 1}, "choices": [{"text": " \n a  b ", "finish_reason": "length"}]}


def streams(*toys: Toy) -> Any:
    """A backend that streams every question, of servers that a start found to stream."""
    one = started(*toys)
    one.stream_one_in = 1
    return one


@pytest.mark.parametrize("said", [SAID, RAW])
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_pieces_make_the_whole_however_they_are_cut(said: dict[str, Any], size: int) -> None:
    data = b"event: x\n" + b"".join(events(said)).replace(b"\n", b"\r\n")
    pieces = Pieces()
    for i in range(0, len(data), size):
        pieces.feed(data[i : i + size])
    assert pieces.whole() == {**said, "streamed": True}
    assert pieces.first is not None


@pytest.mark.parametrize("more", [
    b"data: {half\n\n", b"data: [1]\n\n", b'data: {"choices": [{"index": 1, "delta": {"content": "other"}}]}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {"content": 5}}]}\n\n', b'data: {"error": {"message": "out of memory"}}\n\n',
    b'data: {"choices": ["x"]}\n\n',
])  # fmt: skip
def test_a_piece_of_another_form_breaks_the_stream(more: bytes) -> None:
    made = events(SAID)
    with pytest.raises(BrokenStream) as error:
        Pieces().feed(b"".join([*made[:3], more, *made[3:]]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("left", range(1, 5))
def test_a_stream_without_its_last_events_is_no_reply(left: int) -> None:
    pieces = Pieces()
    pieces.feed(b"".join(events(SAID)[:-left]))
    with pytest.raises(BrokenStream, match="broke off"):
        pieces.whole()


@pytest.mark.parametrize(("toy", "found"), [
    (Toy("chat"), ("/v1/chat/completions",)), (Toy("vllm"), ("/v1/chat/completions", "/v1/completions")),
    (Toy("ollama"), ("/v1/chat/completions",)), (Toy("chat", streams="no"), ()), (Toy("vllm", streams="uncounted"), ()),
    (Toy("chat", thought="The user greets me."), ("/v1/chat/completions",)),
])  # fmt: skip
def test_a_server_is_streamed_from_where_its_pieces_are_its_reply(toy: Toy, found: tuple[str, ...]) -> None:
    with serving(toy):
        one = backend(toy, stream_one_in=1)
        about = one.describe()
        assert one.make().abilities.streams == found
        assert about["abilities"]["streams"] == ("yes" if found else "no")
        asked = [Generate(chat("Hello"), 5), Generate(chat("Hello"), 5, temperature=0.7)]
        streamed = answers(one, asked)
        assert answers(backend(toy, stream_one_in=10**30), asked) == streamed
        assert one.counters.extra.get("streamed", 0) == (2 if found else 0)


def test_the_time_to_the_first_token_is_measured() -> None:
    with serving(Toy("chat")) as toy:
        whole, one = started(toy), streams(toy)
        expected = answers(whole)
        toy.between = 0.03
        assert answers(one) == expected
        extra, some = one.counters.extra, whole.counters.extra
    assert extra["streamed"] == len(ASKED)
    assert 0 < some["streamed"] < len(ASKED)
    assert extra["first_token_p50"] <= extra["first_token_p95"] <= extra["first_token_p99"]
    assert extra["latency_p50"] - extra["first_token_p50"] > 0.1


def test_which_questions_are_streamed_depends_on_nothing_else() -> None:
    def asked(order: list[Any]) -> set[str]:
        with serving(Toy("chat")) as toy:
            answers(started(toy), order)
            return {json.dumps(body["messages"]) for _, body, _ in toy.seen if body and body["stream"]}

    assert asked(ASKED) == asked(ASKED[::-1]) != set()


@pytest.mark.parametrize("fault", ["truncated", "half json", "cut", "aborted", "wrong model", "timeout"])
def test_a_stream_that_breaks_now_and_then_changes_no_answer(fault: str) -> None:
    with serving(Toy("chat")) as toy:
        one = streams(toy)
        right = answers(one)
        begun = toy.count
        toy.fault = lambda path, n: fault if n > begun and n % 9 == 4 else ""
        assert answers(one) == right


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"timeout"}))
def test_streams_that_always_break_are_no_answers(fault: str) -> None:
    with serving(Toy("chat", fault=lambda path, n: fault, goal="http://elsewhere.example/x")) as toy:
        [answer] = answers(streams(toy), ASKED[:1])
        assert isinstance(answer, Failure)
        with pytest.raises(BackendError, match="answers nothing any more"):
            answers(streams(toy))


def test_a_key_that_is_cut_into_pieces_leaves_no_trace() -> None:
    key = "s3cret key 0123456789".replace(" ", "-")
    toy = Toy("chat", key=key, reply=lambda talk: f"It is {key}.")
    toy_events = events(toy._whole({"message": {"content": f"It is {key}."}, "finish_reason": "stop"}, 9, 4))
    assert any(key.encode() in event for event in toy_events)
    with serving(toy):
        one = backend(toy, key=key, stream_one_in=1)
        [answer] = answers(one, ASKED[:1])
    assert isinstance(answer, Completion)
    assert answer.text == "It is [API key]."
