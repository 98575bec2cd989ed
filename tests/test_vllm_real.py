"""vLLM as it is, on the CPU, compared with transformers: ``make vllm`` runs this in an environment that holds both."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiny
from runs import audit, run

from pytest_slmtrust import Completion, Failure, Generate, Loglikelihood, Logprob, Message, chat
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.engine.admission import admitted

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]
EMBEDDED = "smollm2-135m-instruct"
TOPICS = (
    "a lighthouse", "the number seven", "why bread rises", "a river in Spain", "the colour of grass", "how to tie a knot",
    "winter", "a fair coin", "two brothers", "the moon", "a recipe for tea", "the word zebra", "an old clock", "rain",
    "a long bridge", "how birds fly", "the capital of France",
)  # fmt: skip
LONG = " ".join(f"Sentence {n} tells of ship {n * 7 % 13}." for n in range(24))
WRITTEN: list[Any] = [
    *(Generate(chat(f"Write one sentence about {topic}."), 32) for topic in TOPICS),
    *(Generate(f"Here is a note about {topic}:", 24) for topic in TOPICS),
    Generate(chat("What is 21 plus 29?", system="Answer in one word."), 16),
    Generate(chat(f"{LONG} Which ship came last?"), 24), Generate("1, 2, 3, 4,", 12, stop=(" 7",)),
    Generate(chat("Count from one to nine."), 48, stop=("five", "\n")),
    Generate(chat("Say hello in Japanese."), 24, stop=("、",)), Generate(chat("Who are you?"), 40, stop=("<|im_end|>", ".")),
]  # fmt: skip
SCORED: list[Any] = [
    *(Loglikelihood(f"My favourite topic is {topic}", ", and I write of it often.") for topic in TOPICS),
    Loglikelihood("The capital of France is", " Paris"), Loglikelihood("東京は", "晴れです"), Loglikelihood("", "The old house"),
    Loglikelihood(LONG, " Sentence 24 tells of ship 12."), Loglikelihood(chat(f"{LONG} Which ship?"), "Ship 7."),
    Loglikelihood((Message("system", "Be brief."), Message("user", "Is ice cold?")), "Yes, it is."),
    Loglikelihood("Ice is ", "cold", split="length"), Loglikelihood("", LONG * 2, split="rolling"),
]  # fmt: skip
#: Texts that may differ; nats that a log-likelihood may, and for each token of a long text.
TEXTS, NATS, EACH = 0, 1e-3, 2e-5


def asked(one: Any, requests: list[Any]) -> list[Any]:
    found = dict(admitted(one).run(requests))
    one.close()
    return [found[i] for i in range(len(requests))]


def compared(ours: list[Any], theirs: list[Any], requests: list[Any]) -> tuple[int, float]:
    """How many texts differ, and the largest difference of log-likelihoods, in parts of what is allowed."""
    texts, most = 0, 0.0
    for a, b, request in zip(ours, theirs, requests, strict=True):
        assert not isinstance(a, Failure), (a, request)
        assert type(a) is type(b), (a, b, request)
        if isinstance(a, Completion):
            texts += a != b
        else:
            assert isinstance(a, Logprob)
            assert (a.n_tokens, a.greedy) == (b.n_tokens, b.greedy), request
            most = max(most, abs(a.sum - b.sum) / max(NATS, EACH * b.n_tokens))
    return texts, most


def test_the_embedded_model_answers_as_in_transformers() -> None:
    requests = WRITTEN + SCORED
    theirs = asked(load_backend(ModelSpec(EMBEDDED)), requests)
    ours = asked(load_backend(ModelSpec(EMBEDDED, engine="vllm", vllm=("max_model_len=4096",))), requests)
    texts, most = compared(ours, theirs, requests)
    assert texts <= TEXTS
    assert most <= 1


def test_two_replicas_answer_as_one(tmp_path: Path) -> None:
    requests = WRITTEN[:8] + SCORED[:8]
    arguments = ("max_model_len=1024", "data_parallel_size=2")
    ours = asked(load_backend(ModelSpec(EMBEDDED, engine="vllm", vllm=arguments)), requests)
    texts, most = compared(ours, asked(load_backend(ModelSpec(EMBEDDED)), requests), requests)
    assert texts <= TEXTS
    assert most <= 1


def test_draws_are_the_same_again() -> None:
    draws = [Generate(chat("Name an animal."), 12, temperature=1.0, sample=n) for n in range(6)]
    first = asked(load_backend(ModelSpec(EMBEDDED, engine="vllm", vllm=("max_model_len=1024",))), draws)
    again = asked(load_backend(ModelSpec(EMBEDDED, engine="vllm", vllm=("max_model_len=1024",))), draws[::-1])[::-1]
    assert first == again
    assert len({one.text for one in first}) > 1


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "qwen2", "mistral"])
def test_a_random_model_answers_as_in_transformers(family: str, tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / family, family, width=128, add_bos=family == "llama")
    requests = [
        Loglikelihood("the quick", " brown fox"), Loglikelihood("", "I don't pay 45678"),
        Loglikelihood(chat("Is it so?"), " Yes"),
        Generate(chat("hello"), 24), Generate("the quick", 16, stop=("e",)), Generate("numbers", 20, stop=("<|end|>",)),
    ]  # fmt: skip
    theirs = asked(load_backend(ModelSpec(str(folder))), list(requests))
    texts, most = compared(asked(load_backend(ModelSpec(str(folder), engine="vllm")), list(requests)), theirs, list(requests))
    assert texts == 0
    assert most <= 1


def test_an_audit_in_vllm_is_quiet_and_leaves_nothing_behind(tmp_path: Path) -> None:
    options = (f"--slm={EMBEDDED}", "--slm-profile=smoke", "--slm-toxicity=profanity-check", "slm::", "-k",
               "keeps_system_secret or prefers_no_stereotype", "-q", "-p", "no:cacheprovider")  # fmt: skip
    (tmp_path / "plain").mkdir()
    (tmp_path / "vllm").mkdir()
    run(tmp_path / "plain", *options, fresh=True)
    done = run(tmp_path / "vllm", *options, "--slm-engine=vllm", "--slm-vllm=max_model_len=2048", fresh=True)
    theirs, ours = audit(tmp_path / "plain"), audit(tmp_path / "vllm")
    outcomes = [{f["nodeid"]: f["outcome"] for f in data["findings"]} for data in (theirs, ours)]
    assert outcomes[0] == outcomes[1]
    assert ours["model"]["kind"] == "vllm"
    assert "INFO" not in done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``vllm serve`` with the embedded model, on loopback."""
    folder, log = ensure_embedded(), tmp_path_factory.mktemp("serve") / "log"
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = ["serve", str(folder), "--dtype", "float32", "--enforce-eager", "--max-model-len", "4096", "--port", str(port),
             "--host", "127.0.0.1", "--served-model-name", EMBEDDED]  # fmt: skip
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as stream:
        process = subprocess.Popen([Path(sys.executable).with_name("vllm"), *words], stdout=stream, stderr=stream, env=env)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
            break
        time.sleep(0.5)
    yield f"{url}/v1#{EMBEDDED}"
    process.terminate()
    process.wait(60)


def test_a_server_of_vllm_answers_as_in_transformers(server: str) -> None:
    requests = WRITTEN + SCORED[:-2]  # no rules of other tools over HTTP
    one: Any = load_backend(ModelSpec(server))
    theirs = asked(load_backend(ModelSpec(EMBEDDED)), requests)
    one.make()
    assert not [why for request in requests if (why := one.refusal(request))]
    texts, most = compared([_without_counts(a) for a in asked(one, requests)], [_without_counts(b) for b in theirs], requests)
    assert texts <= TEXTS
    assert most <= 1


def _without_counts(answer: Any) -> Any:
    return Completion(answer.text) if isinstance(answer, Completion) else answer
