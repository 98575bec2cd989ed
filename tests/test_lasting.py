"""A lasting Failure is kept: a text that the model cannot take is refused once. Any other Failure is asked again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import tiny

from pytest_slmtrust import Completion, Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.cascade import Cascade
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.backends.transformers.backend import TransformersBackend
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store, refusal_in
from pytest_slmtrust.engine.store_admin import info
from pytest_slmtrust.requests import Counters, Request, text_of

WORDS = ("short", "long", "lost")


def reply(request: Any) -> Any:
    return {"long": Failure("too long", lasting=True), "lost": Failure("server gone")}.get(request.prompt, "yes")


def asked(folder: Path, backend: Any, session: str) -> tuple[list[Any], Counters]:
    store = Store(folder, session)
    made = Engine({("generate", "target"): backend}, store)
    try:
        store.forget_failures()
        return made.answer([Generate(word) for word in WORDS]), made.counters
    finally:
        store.close()


def prompts(backend: FakeBackend) -> list[str]:
    return [text_of(cast(Generate, request).prompt) for call in backend.calls for request in call]


def test_a_lasting_failure_is_read_from_the_store_in_the_same_words(tmp_path: Path) -> None:
    first, then = FakeBackend(reply), FakeBackend(reply)
    answers, counted = asked(tmp_path, first, "one")
    again, recounted = asked(tmp_path, then, "two")
    assert again == answers == [Completion("yes", again[0].n_tokens), Failure("too long"), Failure("server gone")]
    assert (prompts(first), prompts(then)) == ([*WORDS], ["lost"])
    assert (counted.failed, recounted.failed) == (2, 2)
    assert "1 texts that the model cannot take" in "\n".join(info(tmp_path))


def test_another_model_is_asked(tmp_path: Path) -> None:
    asked(tmp_path, FakeBackend(reply), "one")
    other = FakeBackend(lambda _: "yes", version="2")
    answers, _ = asked(tmp_path, other, "two")
    assert [*WORDS] == prompts(other)
    assert all(isinstance(one, Completion) for one in answers)


def test_an_answer_in_the_same_words_is_an_answer(tmp_path: Path) -> None:
    says = FakeBackend(lambda _: "refused: too long")
    asked(tmp_path, says, "one")
    answers, _ = asked(tmp_path, FakeBackend(reply), "two")
    assert [one.text for one in answers] == ["refused: too long"] * 3


class Twice(FakeBackend):
    """Refuses each request for good, then answers it."""

    def run(self, requests: Any) -> Any:
        for index in range(len(requests)):
            yield index, Failure("too long", lasting=True)
            yield index, Completion("yes")


def test_what_is_answered_twice_is_not_kept(tmp_path: Path) -> None:
    asked(tmp_path, Twice(), "one")
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        assert db.execute("SELECT COUNT(*) FROM answers").fetchone() == (0,)


def test_a_cascade_keeps_nothing_that_depends_on_two_models(tmp_path: Path) -> None:
    lost = FakeBackend(lambda _: Failure("out of memory"))
    system = Cascade(lost, FakeBackend(lambda _: Failure("too long", lasting=True)), lambda *_: True, "always 1")
    asked(tmp_path, system, "one")
    asked(tmp_path, system, "two")
    assert prompts(lost) == [*WORDS, *WORDS]


@pytest.mark.parametrize("lasting", ["yes", 1, None])
def test_only_true_lasts(tmp_path: Path, lasting: Any) -> None:
    backend = FakeBackend(lambda _: Failure("too long", lasting=lasting))
    asked(tmp_path, backend, "one")
    asked(tmp_path, backend, "two")
    assert prompts(backend) == [*WORDS, *WORDS]


def test_a_store_keeps_the_checksum_of_a_refusal(tmp_path: Path) -> None:
    asked(tmp_path, FakeBackend(reply), "one")
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        [(text,)] = db.execute("SELECT answer FROM answers WHERE answer LIKE 'refused%'").fetchall()
        assert refusal_in(text) == "too long"
        db.execute("UPDATE answers SET answer = 'refused: by somebody'")
        db.commit()
    then = FakeBackend(reply)
    assert asked(tmp_path, then, "two")[0][1] == Failure("too long")
    assert prompts(then) == [*WORDS]


def test_the_model_says_for_good_what_it_cannot_take() -> None:
    backend = TransformersBackend("tiny", pair=(tiny.model(context=32), tiny.tokenizer()))
    long = "the quick brown fox " * 40
    requests: list[Request[Any]] = [Generate(long), Loglikelihood("a", long), Generate("half \ud83d"), Generate("hello", 4)]
    answers = dict(backend.run(requests))
    assert [isinstance(answers[i], Failure) and answers[i].lasting for i in range(4)] == [True, True, True, False]


PROBE = """
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{"text": "hello"}, {"text": "the quick brown fox " * 40}])
def writes(text):
    reply = yield from ask(Generate(text, max_new_tokens=4))
    return Verdict(True)
"""
CONFTEST = """
import sys

def pytest_unconfigure(config):
    print("LOADED", "torch" in sys.modules, "transformers" in sys.modules)
"""


def test_a_second_run_loads_nothing_to_refuse_a_text_again(tmp_path: Path) -> None:
    tiny.model(context=64).save_pretrained(tmp_path / "model")
    tiny.tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "probe_writes.py").write_text(PROBE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--slm=model"]
    command += ["--slm-packs=none", "probe_writes.py"]
    runs = []
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "error: the prompt has 321 tokens and may be answered with 4; the model takes 64" in done.stdout, (
            done.stdout + done.stderr
        )
        assert "1 failed, 1 passed" in done.stdout
        runs.append(next(line for line in done.stdout.splitlines() if line.startswith("LOADED")))
    assert runs == ["LOADED True True", "LOADED False False"]
