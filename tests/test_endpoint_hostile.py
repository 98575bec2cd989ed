"""Servers that answer in a form that nobody expects: a Failure of that request, no other exception, and no key in any text."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endpoint_backends import ASKED, answers, backend, started
from endpoints import FAULTS, Toy, serving

from pytest_slmtrust import Loglikelihood
from pytest_slmtrust.backends.endpoint import forced
from pytest_slmtrust.backends.endpoint.dialect import read_reply
from pytest_slmtrust.backends.endpoint.fault import Fault
from pytest_slmtrust.backends.endpoint.identity import _read as kept_starts
from pytest_slmtrust.backends.endpoint.wire import _after
from pytest_slmtrust.requests import BackendError, Failure

HUGE = 10**400
#: Values of each type, in the place of one that is expected.
ODD: list[Any] = [None, True, 5, -1, 1e308, HUGE, float("nan"), float("inf"), "x", "", [], [[]], {}, {"a": []}, [None], ["a", 1]]
CHAT = {"model": "toy", "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 0}}}  # fmt: skip
LOGPROBS = {"choices": [{"text": "a", "finish_reason": "stop", "logprobs": {"tokens": ["a"], "token_logprobs": [-1.0],
    "content": [{"token": "a", "logprob": -1.0}]}}]}  # fmt: skip
OLLAMA = {"response": "a", "done": True, "done_reason": "stop", "model": "toy", "eval_count": 1, "thinking": "b"}


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in children for place in _places(one, (*path, key)))]


def _with(value: Any, path: tuple[Any, ...], put: Any) -> Any:
    if not path:
        return put
    if isinstance(value, dict):
        return {key: _with(one, path[1:], put) if key == path[0] else one for key, one in value.items()}
    return [_with(one, path[1:], put) if i == path[0] else one for i, one in enumerate(value)]


@pytest.mark.parametrize("whole", [CHAT, LOGPROBS, OLLAMA], ids=["chat", "completion", "ollama"])
def test_a_value_of_any_type_at_any_place_is_read_or_a_fault(whole: dict[str, Any]) -> None:
    for path in _places(whole):
        for put in ODD:
            try:
                reply = read_reply(_with(whole, path, put))
            except Fault:
                continue
            assert type(reply.text) is type(reply.thought) is type(reply.model) is str, (path, put)
            assert type(reply.n_tokens) is type(reply.thought_tokens) is int, (path, put)


#: Replies whose reading raises something else than a Fault, as the server sends them.
FORMS: dict[str, Callable[[Any, int, Any], None]] = {
    "an end that is a list": lambda h, s, d: h._send(200, b'{"response": "x", "done": true, "done_reason": []}'),
    "a redirect to no address": lambda h, s, d: h._send(307, b"", Location="http://[::1"),
    "a wait without end": lambda h, s, d: h._send(503, b"", Retry_After="Mon, 01 Jan 2024 00:00:00 +9999999999999999"),
    "counts in the depth": lambda h, s, d: h._send(200, b'{"choices": 1, "usage": ' + b"[" * 900 + b"]" * 900 + b"}"),
    "a piece in the depth": lambda h, s, d: h._send(
        200, b'data: {"usage": ' + b"[" * 960 + b"]" * 960 + b"}\n\ndata: [DONE]\n\n", "text/event-stream"),
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_reply_of_another_form_fails_alone(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def seventh(handler: Any, status: int, said: Any) -> None:
        (FORMS[form] if "Question 7 of" in str(handler.asked) else type(handler).send)(handler, status, said)

    monkeypatch.setitem(FAULTS, form, seventh)
    with serving(Toy("chat")) as toy:
        one = started(toy)
        right = answers(one)
        toy.fault = lambda path, n: form
        found = answers(one)
    assert [i for i, answer in enumerate(found) if answer != right[i]] == [7]
    assert isinstance(found[7], Failure)
    assert "Error" not in found[7].message


@pytest.mark.parametrize(
    "text", ["Mon, 01 Jan 2024 00:00:00 +9999999999999999", "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT"]
)
def test_a_wait_that_is_no_time_is_none(text: str) -> None:
    assert _after(text) is None


def test_no_cookie_is_kept() -> None:
    def sets(handler: Any, status: int, said: Any) -> None:
        handler._send(status, json.dumps(said).encode(), Set_Cookie="session=of-an-earlier-request; Path=/")

    with serving(Toy("chat")) as toy, pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAULTS, "cookie", sets)
        one = started(toy)
        toy.fault = lambda path, n: "cookie"
        answers(one)
    assert not [held for held in toy.headers if "Cookie" in held]


KEY = 's3cr/et-k"ey-012345'


def _escaped(text: str) -> bytes:
    return json.dumps(text).replace("/", "\\/").replace("s3", "\\u0073\\u0033").encode()


LEAKS: dict[str, Callable[[Any, int, Any], None]] = {
    "escaped in a reply": lambda h, s, d: h._send(200, b'{"model": "toy", "choices": [{"message": {"content": '
        + _escaped(f"It is {KEY}.") + b'}, "finish_reason": "stop"}]}'),
    "escaped in an error": lambda h, s, d: h._send(400, b'{"error": {"message": ' + _escaped(f"bad {KEY}") + b"}}"),
    "in an error of a stream": lambda h, s, d: h._send(
        200, b'data: {"error": {"code": 400, "message": ' + _escaped(f"bad {KEY}") + b"}}\n\n", "text/event-stream"),
    "in a kind": lambda h, s, d: h._send(200, b"x", f"text/{KEY}"),
    "in a redirect": lambda h, s, d: h._send(307, b"", Location=f"http://{KEY.replace('/', '')}.example/{KEY}"),
    "in a name of the model": lambda h, s, d: h._send(200, b'{"model": ' + _escaped(KEY)
        + b', "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}'),
}  # fmt: skip


@pytest.mark.parametrize("leak", sorted(LEAKS))
def test_a_key_that_a_server_writes_back_is_in_no_answer(leak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, leak, LEAKS[leak])
    key = KEY.replace("/", "") if leak == "in a redirect" else KEY
    with serving(Toy("chat")) as toy:
        one = started(toy)
        one.key = key
        toy.fault = lambda path, n: leak
        try:
            said = str(answers(one, ASKED[:3]))
        except BackendError as error:
            said = str(error)
    assert said
    assert key not in said
    assert "s3cr" not in said


@pytest.mark.parametrize("dialect", ["vllm", "echo"])
def test_scores_of_another_model_are_no_scores(dialect: str) -> None:
    toy = Toy(dialect)
    with serving(toy):
        one = backend(toy)
        one.make()
        inner = toy._whole
        toy._whole = lambda *given: {**inner(*given), "model": "another-model"}  # type: ignore[method-assign]
        [answer] = answers(one, [Loglikelihood("The capital of France is", " Paris")])
    assert isinstance(answer, Failure)
    assert "answers as 'another-model'; expected 'toy'" in answer.message


def test_a_text_has_no_more_tokens_than_it_can_have() -> None:
    toy = Toy("vllm")
    toy._tokenize = lambda body: (200, {"tokens": [1] * 100_000})  # type: ignore[method-assign]
    with serving(toy):
        assert backend(toy).make().abilities.found["tokenisation"] == "none"


def _entry(**changes: Any) -> Any:
    first = {"id": 1, "logprob": -1.0, "prob": 0.5}
    entry = {"id": 1, "logprob": -1.0, "top_logprobs": [{**first}], "top_probs": [{**first}]}
    return {"content": "x", "completion_probabilities": [{**entry, **changes}]}


@pytest.mark.parametrize("odd", [HUGE, float("inf"), float("nan"), None, "x", [], {}])
def test_numbers_of_llama_cpp_that_are_none_are_a_fault(odd: Any) -> None:
    for name in ("id", "logprob"):
        changed = [{"id": 1, "logprob": -1.0, name: odd}]
        for read, data in ((forced._every, _entry(top_logprobs=changed)), (forced._reader(1), _entry(top_logprobs=changed))):
            try:
                found = read(data)
            except Fault:
                continue
            assert isinstance(found, (tuple, dict)), (name, odd)
    for name in ("id", "prob"):
        shown, named = forced._named(_entry(top_probs=[{"id": 1, "prob": 0.5, name: odd}]))
        assert shown
        assert named in ({}, {odd: math.log(0.5)} if odd == HUGE else {})


@pytest.mark.parametrize("values", [[float("-inf")], [800.0], [float("nan")], [-1.0, float("inf")], []])
def test_a_vocabulary_that_sums_to_nothing_is_a_fault(values: list[float]) -> None:
    with pytest.raises(Fault):
        forced._every(_entry(top_logprobs=[{"id": i, "logprob": value} for i, value in enumerate(values)]))


def test_a_written_value_that_is_no_number_is_not_believed() -> None:
    toy = Toy("vllm")
    inner = toy._v1_completions

    def lies(body: Any) -> Any:
        status, said = inner(body)
        held = said["choices"][0].get("logprobs")
        if held is not None:
            held["token_logprobs"] = [float("nan")] * len(held["token_logprobs"])
        return status, said

    toy._v1_completions = lies  # type: ignore[method-assign]
    with serving(toy):
        assert backend(toy).make().abilities.scorer is None


def test_earlier_starts_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endpoints.json")
    assert kept_starts(tmp_path / "endpoints.json") == {}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/tokenize"])
def test_a_server_that_takes_a_question_and_says_nothing_is_asked_it_once_at_the_start(path: str) -> None:
    toy = Toy("vllm", fault=lambda at, n: "timeout" if at == path else "")
    with serving(toy):
        one = backend(toy, model="toy")  # 0.8 s for a reply that takes 1.2 s
        if path == "/tokenize":
            assert one.make().abilities.found["tokenisation"] == "none"
        else:
            with pytest.raises(BackendError, match=r"no whole reply within 0\.8 s"):
                one.make()
            assert toy.asked.count("/tokenize") == 0
    assert sum(at == path and "content" not in body for at, body, _ in toy.seen) == 1  # without llama.cpp's own form of it
