"""A model behind a server: dialects, identity and load, against a scripted server on loopback."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
from endpoint_backends import ASKED, answers, backend, started
from endpoints import Toy, ids_of, logprob, logprobs_after, serving
from toy_model import PIECES

from pytest_slmtrust import Generate, Loglikelihood, Message, chat
from pytest_slmtrust.backends.endpoint.address import is_loopback, read_address
from pytest_slmtrust.backends.endpoint.backend import EndpointBackend
from pytest_slmtrust.backends.endpoint.dialect import same_model
from pytest_slmtrust.backends.endpoint.notes import notes
from pytest_slmtrust.backends.endpoint.pace import FIRST, MOST, Pace
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.backends.transformers.template import PLAIN_STOP
from pytest_slmtrust.requests import BackendError, Failure, Logprob


@pytest.mark.parametrize(
    ("text", "urls", "model"),
    [
        ("http://localhost:8080/v1", ("http://localhost:8080/v1",), ""),
        ("HTTP://[::1]:9/v1/#qwen/x:7b", ("http://[::1]:9/v1",), "qwen/x:7b"),
        ("http://a/v1, http://b:2/v1#m", ("http://a/v1", "http://b:2/v1"), "m"),
        ("https://h.example/openai/v1#m,https://i.example/v1#m", ("https://h.example/openai/v1", "https://i.example/v1"), "m"),
    ],
)
def test_an_address(text: str, urls: tuple[str, ...], model: str) -> None:
    found = read_address(text)
    assert (found.urls, found.model) == (urls, model)
    assert isinstance(load_backend(ModelSpec(text)), EndpointBackend)


@pytest.mark.parametrize(
    "text",
    ["http://", "http:///v1", "http://user:pa55word@h/v1", "http://h/v1?api_key=pa55word", "http://h/v1,http://h/v1", "http://h:99999/v1",
     "http://h/v1#a,http://i/v1#b", "http://h/v1,folder", "http://h\\@evil/v1", "http://h:0/v1"],
)  # fmt: skip
def test_an_unusable_address(text: str) -> None:
    with pytest.raises(SpecError) as error:
        load_backend(ModelSpec(text))
    assert "pa55word" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.8.9.1", True), ("::1", True), ("LocalHost", True), ("localhost.example", False), ("10.0.0.1", False),
     ("0.0.0.0", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_loopback_is_by_number(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("dialect", "raw", "scores", "lacks"),
    [
        ("vllm", "/v1/completions", "vllm", {"scores_detail"}),
        ("sglang", "/v1/completions", "sglang", {"scores_detail", "scores_chat", "scores_empty"}),
        ("echo", "/v1/completions", "echo", {"scores_detail", "scores_chat", "scores_empty"}),
        ("llama.cpp", "/v1/completions", "llama.cpp", {"scores_detail"}),
        ("ollama", "/api/generate", "none", {"scores", "scores_detail", "scores_chat", "scores_empty"}),
        ("chat", "none", "none", {"raw", "scores", "scores_detail", "scores_chat", "scores_empty"}),
    ],
)
def test_what_a_server_can_do_is_tried(dialect: str, raw: str, scores: str, lacks: set[str]) -> None:
    with serving(Toy(dialect)) as toy:
        one = backend(toy)
        about = one.describe()
        assert about["abilities"]["raw"] == raw
        assert about["abilities"]["log_probabilities"] == scores
        assert about["abilities"]["system_role"] == "own"
        assert about["abilities"]["seed"] == "honoured"
        assert set(one.lacks) == lacks
        assert (Loglikelihood in one.answers) is (scores != "none")
        assert "somebody" not in json.dumps(about)


CONTEXTS = ["The old house", "The old house ", "the sea is red, the cap", "a  b\n"]


@pytest.mark.parametrize("dialect", ["vllm", "sglang", "echo", "llama.cpp"])
def test_log_likelihoods_are_the_models_own(dialect: str) -> None:
    asked = [Loglikelihood(context, more) for context in CONTEXTS for more in (" is red", "ital of the sea", " zebra?")]
    with serving(Toy(dialect)) as toy:
        found = answers(backend(toy), asked)
    for request, answer in zip(asked, found, strict=True):
        assert isinstance(request.context, str)
        kept = request.context.rstrip()
        whole, head = [0, *ids_of(request.context + request.continuation)], [0, *ids_of(kept)]
        begins = next((i for i, (x, y) in enumerate(zip(head, whole, strict=False)) if x != y), len(head))
        expected = math.fsum(logprob(whole[:i], whole[i]) for i in range(begins, len(whole)))
        assert isinstance(answer, Logprob)
        assert answer.sum == pytest.approx(expected, abs=1e-6)
        assert answer.n_tokens == len(whole) - begins


@pytest.mark.parametrize("dialect", ["vllm", "sglang", "llama.cpp"])
def test_a_context_ends_where_a_task_of_the_harness_ends_it(dialect: str) -> None:
    """``length``: the tokens that the context has alone, then what the joint text has after as many."""
    joins, parts = (
        Loglikelihood("red, the cap", "ital of the sea", split="length"),
        Loglikelihood("a sea ", " is", split="length"),
    )
    nothing = Loglikelihood("red, the cap", "ital", split="length")
    with serving(Toy(dialect)) as toy:
        joined, parted, none = answers(backend(toy), [joins, parts, nothing])
    assert parted.sum == pytest.approx(_sum_after([0, *ids_of("a sea")], ids_of("a sea  is")[len(ids_of("a sea")) :]))
    if dialect == "sglang":  # it lends no tokenizer: nothing is asked about other tokens than those of the task
        assert "lends no tokenizer" in joined.message
        assert "lends no tokenizer" in none.message
        return
    head = ids_of("red, the cap")
    assert ids_of("red, the capital of the sea")[: len(head)] != head
    assert joined.sum == pytest.approx(_sum_after([0, *head], ids_of("red, the capital of the sea")[len(head) :]))
    assert "no token after as many" in none.message


def test_a_whole_text_is_scored_after_the_token_that_begins_texts() -> None:
    asked = [Loglikelihood("", "the old house is red", split=split) for split in ("rolling", "common")]
    with serving(Toy("vllm")) as toy:
        rolled, plain = answers(backend(toy), asked)
    # as the harness does: the first token of all, then the text as its tokenizer begins it
    assert rolled.sum == pytest.approx(_sum_after([0], [0, *ids_of("the old house is red")]))
    assert plain.sum == pytest.approx(_sum_after([0], ids_of("the old house is red")))


def _sum_after(head: list[int], rest: list[int]) -> float:
    return math.fsum(logprob(head + rest[:i], rest[i]) for i in range(len(rest)))


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp"])
def test_chats_are_put_as_plain_texts_where_the_template_is_switched_off(dialect: str) -> None:
    talk, bare = chat("Is the sea red?"), "User: Is the sea red?\nAssistant:"
    with serving(Toy(dialect)) as toy:
        templated, plain = backend(toy), backend(toy, plain=True)
        in_chat, scored = answers(plain, [Generate(talk, 6), Loglikelihood(talk, "Yes")])
        as_text, as_score = answers(templated, [Generate(bare, 6, stop=(PLAIN_STOP,)), Loglikelihood(bare, " Yes")])
        assert (in_chat, scored) == (as_text, as_score)
        about = plain.describe()
        assert (about["chat_template"], about["template_sha256"]) == ("plain", hashlib.sha256(b"null").hexdigest())
        assert plain.fingerprint != templated.fingerprint
        assert load_backend(ModelSpec(toy.url, template=False)).fingerprint == plain.fingerprint
    with serving(Toy("chat")) as toy:
        only_chats = backend(toy, plain=True)
        only_chats.make()
        assert Generate not in only_chats.answers
        assert only_chats.refusal(Generate(talk, 6)).startswith("its server continues no raw texts")


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp"])
def test_chats_and_empty_contexts_are_scored(dialect: str) -> None:
    talk = (Message("user", "Is the sea red?"),)
    with serving(Toy(dialect)) as toy:
        in_chat, alone, detail = answers(
            backend(toy), [Loglikelihood(talk, " Yes"), Loglikelihood("", "the sea"), Loglikelihood("a", " sea", True)]
        )
    head = ids_of("<s>[user]Is the sea red?\n[assistant]")
    assert in_chat.sum == pytest.approx(logprob(head, ids_of(" Yes")[0]))
    ids = [0, *ids_of("the sea")]
    assert alone.sum == pytest.approx(math.fsum(logprob(ids[:i], ids[i]) for i in range(1, len(ids))))
    assert isinstance(detail, Failure)
    assert "whole vocabulary" in detail.message


@pytest.mark.parametrize(("lost", "names", "off"), [(3e-4, 5, 0.0), (2e-3, 1, 0.0), (3e-4, 0, 3e-4), (0.0, 0, 0.0)])
def test_what_llama_cpp_loses_in_its_sum_is_made_good_where_it_names_its_tokens(lost: float, names: int, off: float) -> None:
    asked = [Loglikelihood("The old house", more) for more in (" is", " zebra", " fish", " Paris", " one")]
    with serving(Toy("llama.cpp", lost=lost, names=names)) as toy:
        one = backend(toy)
        one.make()
        begun = toy.count
        found = answers(one, asked)
        calls = [path for path, _, _ in toy.seen[begun:]].count("/completion")
    head = [0, *ids_of("The old house")]
    for request, answer in zip(asked, found, strict=True):
        [token] = ids_of(request.continuation)
        assert answer.sum - logprob(head, token) == pytest.approx(off, abs=1e-9)
    assert calls <= 2 * len(asked)


def test_a_part_of_a_character_is_scored_out_of_the_whole_vocabulary() -> None:
    asked = [Loglikelihood("The old house", more) for more in (" zebra of", " fish")]
    head = [0, *ids_of("The old house")]
    likeliest = max(logprobs_after(head), key=lambda token: logprob(head, token))
    with serving(Toy("llama.cpp", lost=3e-4, parts=(ids_of(" zebra")[0], likeliest))) as toy:
        first, second = answers(backend(toy), asked)
    zebra, of = ids_of(" zebra of")
    # the toy's vocabulary grows with each text that it is shown, so its shares sum to a little more than one
    whole = math.log(math.fsum(math.exp(logprob(head, token)) for token in PIECES))
    assert first.sum == pytest.approx(logprob(head, zebra) - whole + logprob([*head, zebra], of), abs=1e-9)
    assert second.sum == pytest.approx(logprob(head, ids_of(" fish")[0]) - whole, abs=1e-9)


def test_a_last_token_that_is_computed_otherwise_by_itself_is_computed_with_its_prompt() -> None:
    """Weights of few bits: a product of one row rounds otherwise than one of many, by up to a tenth of a nat."""
    asked = [Loglikelihood("The old house", more) for more in (" is", " zebra", " fish")]
    with serving(Toy("llama.cpp", rounding=0.1, names=1)) as toy:
        found = answers(backend(toy), asked)
    head = [0, *ids_of("The old house")]
    for request, answer in zip(asked, found, strict=True):
        assert answer.sum == pytest.approx(logprob(head, ids_of(request.continuation)[0]), abs=1e-9)


def test_two_ways_of_llama_cpp_that_disagree_are_not_believed() -> None:
    with serving(Toy("llama.cpp", lost=0.5)) as toy:
        assert "scores" in backend(toy).make().abilities.lacks


def test_a_server_that_echoes_only_what_it_wrote_scores_nothing() -> None:
    """As some servers do: the number of log-probabilities is not that of the prompt."""
    toy = Toy("echo")
    inner = toy._v1_completions
    toy._v1_completions = lambda body: inner({**body, "echo": False})  # type: ignore[method-assign]
    with serving(toy):
        assert "scores" in backend(toy).make().abilities.lacks


def test_numbers_that_contradict_what_the_server_wrote_are_not_believed() -> None:
    toy = Toy("vllm")
    inner = toy._ranked
    toy._ranked = lambda before, token: {k: {**v, "logprob": v["logprob"] - 3} for k, v in inner(before, token).items()}  # type: ignore
    with serving(toy):
        found = backend(toy).make().abilities
    assert found.scorer is None or found.scorer.name != "vllm"


@pytest.mark.parametrize(("system", "usage", "role"), [
    ("own", True, "own"), ("dropped", True, "merged: the server drops it"), ("refused", True, "merged: the server refuses it"),
    ("own", False, "merged: the server counts no tokens of prompts, so that its loss would not be seen"),
])  # fmt: skip
def test_a_system_text_reaches_the_model(system: str, usage: bool, role: str) -> None:
    with serving(Toy("chat", system=system, usage=usage)) as toy:
        one = backend(toy)
        answers(one, [Generate(chat("Hello", system="The secret is 42."), 4)])
        assert one.describe()["abilities"]["system_role"] == role
        sent = toy.seen[-1][1]["messages"]
    assert "The secret is 42." in sent[-1 if role != "own" else 0]["content"]
    assert len(sent) == (2 if role == "own" else 1)


def test_draws_and_stops() -> None:
    asked = [Generate(chat("Hello"), 8, temperature=1.0, top_p=0.9, sample=i) for i in (0, 0, 1)]
    stops = Generate(chat("Hello"), 30, stop=(" of", " sea", ".", ",", " and", " the"))
    with serving(Toy("vllm")) as toy:
        a, b, c, stopped = answers(backend(toy), [*asked, stops])
        seeds = {body["seed"] for _, body, _ in toy.seen if body and body.get("top_p") == 0.9}  # in any order
    assert a == b != c
    assert seeds == {one.seed % 2**31 for one in asked}
    assert not any(stop in stopped.text for stop in stops.stop)
    assert stopped.finished


def test_a_thought_that_the_server_tells_apart() -> None:
    with serving(Toy("chat", thought="The user greets me.")) as toy:
        one = backend(toy, thought_tokens=100)
        [answer] = answers(one, [Generate(chat("Hello"), 4)])
        assert toy.seen[-1][1]["max_tokens"] == 104
        assert one.describe()["abilities"]["thinks"]
    assert answer.thought == "The user greets me."


@pytest.mark.parametrize("asked", ["on", "off"])
def test_the_switch_for_thinking_is_sent(asked: str) -> None:
    with serving(Toy("chat")) as toy:
        answers(backend(toy, thinking=asked), ASKED[:1])
        assert toy.seen[-1][1]["chat_template_kwargs"] == {"enable_thinking": asked == "on"}


# -- identity -----------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_the_same_at_every_start_and_another_for_another_model(tmp_path: Path) -> None:
    toy = Toy("llama.cpp", about={"meta": {"n_params": 5}})
    with serving(toy):
        first, again = backend(toy), backend(toy)
        assert first.fingerprint == again.fingerprint
        first.compare_with_last(tmp_path / "endpoints.json")
        again.compare_with_last(tmp_path / "endpoints.json")
        assert again.changed == ""
        toy.about = {"meta": {"n_params": 6}}
        said = backend(toy)
        said.compare_with_last(tmp_path / "endpoints.json")
        assert said.fingerprint != first.fingerprint
        assert said.changed == "what the server says of itself"
        toy.about, toy.seed = {"meta": {"n_params": 5}}, "tuned"
        changed = backend(toy)
        changed.compare_with_last(tmp_path / "endpoints.json")
        assert changed.fingerprint != first.fingerprint
        assert "known questions" in changed.changed
        assert any("ENDPOINT CHANGED" in note for note in notes(changed.describe()))
        assert not notes(first.describe())


def test_a_server_that_does_not_repeat_itself_is_said_so() -> None:
    with serving(Toy("chat", noise=1)) as toy:
        one, again = backend(toy), backend(toy)
        assert one.describe()["canaries"] == {"asked": 8, "unstable": 8, "deterministic": False}
        assert one.fingerprint != again.fingerprint  # nothing tells it from another model: old answers are not used
        assert any("NOISE" in note for note in notes(one.describe()))


def test_a_reply_that_changes_now_and_then_leaves_the_others_to_tell_a_server(tmp_path: Path) -> None:
    def reply(talk: list[dict[str, str]]) -> str:
        text = talk[-1]["content"]
        return f"{toy.count}" if "proverb" in text else f"{toy.seed} answer to {text}"

    toy = Toy("chat", reply=reply)
    with serving(toy):
        one, again = backend(toy), backend(toy)
        assert one.describe()["canaries"] == {"asked": 8, "unstable": 1, "deterministic": False}
        assert one.fingerprint == again.fingerprint
        toy.seed = "other"
        assert backend(toy).fingerprint != one.fingerprint


def test_the_model_must_be_named_where_there_are_several_or_none() -> None:
    toy = Toy("chat")
    toy._v1_models = lambda _: (200, {"data": [{"id": "a"}, {"id": "b"}]})  # type: ignore[method-assign]
    with serving(toy):
        with pytest.raises(BackendError, match=r"#MODEL \(it serves a, b\)"):
            backend(toy).make()
        with pytest.raises(BackendError, match="no model c"):
            backend(toy, model="c").make()
        assert backend(toy, model="toy").make().model == "toy"


@pytest.mark.parametrize(("asked", "found", "same"), [
    ("m", "m", True), ("m", "M:latest", True), ("/models/m.gguf", "m.gguf", True), ("gpt-x", "gpt-x-2026-01-31", True),
    ("org/m", "m", True), ("m", "m2", False), ("m-7b", "m", False), ("a/m", "b/m", False),
])  # fmt: skip
def test_names_of_one_model(asked: str, found: str, same: bool) -> None:
    assert same_model(asked, found) is same


# -- load ---------------------------------------------------------------------------------------------------------


def test_more_requests_are_under_way_while_throughput_grows_and_fewer_when_it_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pytest_slmtrust.backends.endpoint.pace.time.monotonic", lambda: now[0])
    pace = Pace(replicas=2)
    pace.begin()

    def look(rate: float) -> int:
        """Answer as many requests as are looked at together, at so many a second."""
        for _ in range(2 * pace.limit):
            now[0] += 1 / rate
            pace.answered(0.01)
        return pace.limit

    grown = [look(rate) for rate in (10, 20, 40, 80)]
    assert grown == sorted(grown)
    assert grown[-1] > 4 * FIRST
    assert look(80) == grown[-1]
    assert look(40) < grown[-1]
    assert max(look(2.0**step) for step in range(7, 40)) == 2 * MOST


def test_latencies_and_pace_of_a_server_are_kept() -> None:
    with serving(Toy("chat")) as toy:
        one = started(toy)
        toy.delay = 0.01
        answers(one, [Generate(chat(f"Load {i}"), 2) for i in range(150)])
        assert one._pace is not None
        assert one._pace.most_used >= FIRST
        extra = one.counters.extra
    assert 0.01 <= extra["latency_p50"] <= extra["latency_p95"] <= extra["latency_p99"]
    assert extra["tokens_per_second"] > 0


def test_a_crowded_server_is_asked_less_at_once() -> None:
    pace = Pace()
    pace.limit = 32
    for _ in range(5):
        pace.crowded()  # all that are under way are refused in the same second
    assert pace.limit == 16
