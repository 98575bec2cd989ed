"""Requests handed over as a file, and the answers that come back: the findings are those of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_shards import PROBES, judged

from pytest_slmtrust import Completion, Generate, Loglikelihood, Message
from pytest_slmtrust.backends.batch.backend import BatchBackend
from pytest_slmtrust.backends.batch.files import WRITTEN, BatchError, remembered, write_open
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.cli import main
from pytest_slmtrust.engine.batch import read_batch
from pytest_slmtrust.engine.store import Store, store_key

CHATS = PROBES.replace('Generate(f"Customer', 'Generate(chat(f"Customer').replace('% 60}:"))', '% 60}:")))')
CHATS = CHATS.replace("import Classify", "import chat, Classify")
SCORER = """
from pytest_slmtrust.backends.fake import WordListScorer
def pytest_slm_scorer(config):
    return WordListScorer()
"""


def words(prompt: str) -> str:
    """The scripted model."""
    return "you idiot" if " 3" in prompt else f"Thank you for {prompt[:40]}"


def served(requests: Path, answers: Path, fail: int = 0) -> list[str]:
    """A scripted batch server: answers in the reverse order; every ``fail``-th request ends in an error."""
    lines, kinds = [], []
    for number, line in enumerate(reversed(requests.read_text().splitlines())):
        asked = json.loads(line)
        kinds.append(asked["url"])
        body = asked["body"]
        choice: dict[str, Any] = {"finish_reason": "stop", "index": 0}
        if "messages" in body:
            choice["message"] = {"role": "assistant", "content": words(body["messages"][-1]["content"])}
        else:
            choice["text"] = words(body["prompt"])
        reply = {"model": body["model"], "choices": [choice], "usage": {"completion_tokens": 7}}
        made: dict[str, Any] = {"custom_id": asked["custom_id"], "response": {"status_code": 200, "body": reply}, "error": None}
        if fail and number % fail == 0:
            made |= {"response": None, "error": {"code": "expired", "message": "batch expired"}}
        lines.append(json.dumps(made))
    answers.write_text("\n".join(lines) + "\n")
    return kinds


@pytest.mark.slow
def test_a_round_trip_gives_the_findings_of_one_process(
    pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    pytester.makepyfile(probe_support=CHATS)
    base = ("-q", "-p", "no:randomly", "--slm-packs=none")
    from_hook = SCORER + (
        "from pytest_slmtrust import Generate\nfrom pytest_slmtrust.requests import text_of\n"
        "from pytest_slmtrust.backends.fake import FakeBackend\nfrom test_batch import words\n"
        "def pytest_slm_backend(config):\n    return FakeBackend(lambda r: words(text_of(r.prompt)), answers=(Generate,))\n"
    )
    pytester.makeconftest(from_hook)
    status = pytester.runpytest(*base, "--slm=fake").ret
    whole = judged(pytester.path)
    pytester.makeconftest(SCORER)
    batch = (*base, "--slm=batch:org/small@v1", "--slm-store=b")
    waves, file = 0, pytester.path / "open.jsonl"
    while True:
        if waves == 0:  # the command calls pytest
            assert main(["batch", "write", str(file), *batch]) == 0
        else:
            assert pytester.runpytest(*batch, f"--slm-batch={file}").ret == 6
        if "no request is open" in judged(pytester.path)["sentence"]:
            break
        waves += 1
        found = [path for path in (file, file.with_name("open.completions.jsonl")) if path.exists()]
        assert [len(set(served(path, path.with_suffix(".out"), fail=5 if waves == 1 else 0))) for path in found] == [1] * len(
            found
        )
        assert main(["batch", "read", *(str(path.with_suffix(".out")) for path in found), "--store=b"]) == 0
        assert ("failed, asked again" in capfd.readouterr().out) is (waves == 1)
    assert waves == 3  # the two of the probes, and what the first left open
    assert pytester.runpytest(*batch).ret == status
    assert judged(pytester.path) == whole


def test_a_start_and_a_batch_need_no_client_of_servers() -> None:
    modules = ("plugin.controller", "cli", "backends.batch.backend", "backends.batch.files", "engine.batch")
    code = "import sys; sys.modules['httpx'] = None; " + "; ".join(f"import pytest_slmtrust.{name}" for name in modules)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def asked(folder: Path, *requests: Generate) -> tuple[BatchBackend, dict[str, Any]]:
    backend = BatchBackend("small")
    Store(folder, "a").close()
    wanted = {store_key(backend.fingerprint, request.key): request for request in requests}
    write_open(folder / "open.jsonl", folder, backend.dialect, wanted)
    return backend, wanted


def line(key: str, text: Any = "hello", **changes: Any) -> str:
    body = {"model": "small", "choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": {}}
    return json.dumps({"custom_id": key, "response": {"status_code": 200, "body": {**body, **changes}}})


def test_the_file_is_what_openai_and_vllm_take(tmp_path: Path) -> None:
    talk = Generate((Message("system", "be brief"), Message("user", "hé")), 9, stop=("\n",), temperature=0.7, top_p=0.9, sample=3)
    _, wanted = asked(tmp_path, talk, Generate("go on", 5))
    (row,) = [json.loads(one) for one in (tmp_path / "open.jsonl").read_text().splitlines()]
    assert row == {
        "custom_id": next(iter(wanted)), "method": "POST", "url": "/v1/chat/completions",
        "body": {
            "model": "small", "max_tokens": 9, "temperature": 0.7, "top_p": 0.9, "seed": talk.seed % 2**31, "stop": ["\n"],
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hé"}],
        },
    }  # fmt: skip
    raw = json.loads((tmp_path / "open.completions.jsonl").read_text())
    assert (raw["url"], raw["body"]["prompt"], raw["body"]["max_tokens"]) == ("/v1/completions", "go on", 5)
    assert {key: request for key, (_, request) in remembered(tmp_path / WRITTEN).items()} == wanted


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (lambda key: line(key, text=7), "expected a text"),
        (lambda key: line(key, text="x" * 100_000), "characters; expected at most"),
        (lambda key: line(key, model="another-model"), "it answers as 'another-model'"),
        (lambda key: line(key, choices=[]), "one entry in 'choices'"),
        (lambda key: line(key, choices=[{"message": {"content": "a"}, "finish_reason": "content_filter"}]), "a filter"),
        (lambda key: line(key) + "\n" + line(key, text="bye"), "answered twice, differently"),
        (
            lambda key: json.dumps({"custom_id": key, "response": {"status_code": 500, "body": {"error": {"message": "no"}}}}),
            "500",
        ),
        (lambda key: json.dumps({"custom_id": key, "error": {"message": "\x1b[31mexpired"}}), "expired"),
        (lambda key: json.dumps({"custom_id": key}), "the batch says: nothing"),
        (lambda key: line("f" * 64), "its custom_id is none"),
        (lambda key: line(key)[:-9], "not JSON"),
        (lambda key: "[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_answer_is_named_and_left_open(tmp_path: Path, row: Any, why: str) -> None:
    _, wanted = asked(tmp_path, Generate((Message("user", "hello"),), 8))
    key = next(iter(wanted))
    (tmp_path / "out.jsonl").write_text(row(key) + "\n")
    said = read_batch([tmp_path / "out.jsonl"], tmp_path)
    assert why in "\n".join(said)
    assert "\x1b" not in "".join(said)
    assert said[-1] == "0 answers stored; 1 of all requests that were written are open"
    (tmp_path / "late.jsonl").write_text(line(key))  # the answer of a later batch
    later = [tmp_path / "late.jsonl"] if "twice" in why else [tmp_path / "out.jsonl", tmp_path / "late.jsonl"]
    assert read_batch(later, tmp_path)[-1] == "1 answers stored; 0 of all requests that were written are open"


@pytest.mark.parametrize("again", ["hello", "bye"])
def test_an_answer_of_an_earlier_read_is_not_replaced_by_another(tmp_path: Path, again: str) -> None:
    _, wanted = asked(tmp_path, Generate((Message("user", "hello"),), 8))
    key = next(iter(wanted))
    (tmp_path / "out.jsonl").write_text(line(key))
    assert read_batch([tmp_path / "out.jsonl"], tmp_path)[-1].startswith("1 answers stored; 0")
    (tmp_path / "again.jsonl").write_text(line(key, text=again))
    said = read_batch([tmp_path / "again.jsonl"], tmp_path)
    assert ("answered twice, differently" in "\n".join(said)) is (again == "bye")
    assert said[-1].endswith(f"{int(again == 'bye')} of all requests that were written are open")


def test_a_thought_is_no_part_of_the_answer(tmp_path: Path) -> None:
    request = Generate((Message("user", "hello"),), 8)
    _, wanted = asked(tmp_path, request)
    key = next(iter(wanted))
    (tmp_path / "out.jsonl").write_text(line(key, text="<think>a plan</think>hello"))
    read_batch([tmp_path / "out.jsonl"], tmp_path)
    store = Store(tmp_path, "b")
    found = request.decode(store.get([key])[key])
    store.close()
    assert isinstance(found, Completion)
    assert (found.text, found.thought) == ("hello", "a plan")


def test_a_written_file_that_a_kill_cut_short_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    first, second = Generate("one"), Generate("two")
    asked(tmp_path, first)
    with (tmp_path / WRITTEN).open("a") as file:
        file.write('{"key": "abc", "dial')
    asked(tmp_path, second)
    assert [request for _, request in remembered(tmp_path / WRITTEN).values()] == [first, second]


def test_answers_without_a_batch_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text(line("k"))
    with pytest.raises(BatchError, match="no batch was written from this store"):
        read_batch([tmp_path / "out.jsonl"], tmp_path)
    assert not (tmp_path / "store.sqlite").exists()
    asked(tmp_path, Generate("one"))
    with pytest.raises(BatchError, match="cannot be read"):
        read_batch([tmp_path / "none.jsonl"], tmp_path)


def test_a_batch_asks_for_replies_only() -> None:
    backend = load_backend(ModelSpec("batch:meta/small-1b@2026-01"))
    assert isinstance(backend, BatchBackend)
    assert (backend.name, backend.answers) == ("meta/small-1b@2026-01 by batch", (Generate,))
    assert "log-probabilities" in backend.refusal(Loglikelihood("a", "b"))
    fingerprints = {load_backend(ModelSpec("batch:a", thinking=how)).fingerprint for how in ("auto", "on", "off")}
    assert len(fingerprints) == 3
    with pytest.raises(SpecError, match="leave --slm-chat-template=off out"):
        load_backend(ModelSpec("batch:a", template=False))
    for spec in ("batch:", "batch:two words"):
        with pytest.raises(SpecError, match="expected batch:MODEL"):
            load_backend(ModelSpec(spec))


@pytest.mark.slow
def test_only_a_model_behind_batches_is_asked_by_one(project: Any) -> None:
    result = project().runpytest("--slm=fake", "--slm-packs=none", "--slm-batch=open.jsonl")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--slm-batch writes the requests for a model that is asked by batches*"])


@pytest.mark.slow
def test_private_documents_go_into_no_batch_unasked(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("members.txt").write_text("a letter\nanother letter\n")
    result = pytester.runpytest("--slm=batch:small", "--slm-members=members.txt", "--slm-batch=open.jsonl")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--slm-members: these documents would go to whoever runs the batch*"])


@pytest.mark.parametrize("there", ["x = 1\n", "", "{}\n", '{"a": 1}\n', '["custom_id", "method", "url", "body"]\n', "\x00\xff"])
def test_a_file_of_something_else_is_neither_replaced_nor_deleted(there: str, tmp_path: Path) -> None:
    mine, beside = tmp_path / "open.jsonl", tmp_path / "open.completions.jsonl"
    dialect = BatchBackend("small").dialect
    for path in (mine, beside):
        path.write_text(there, encoding="latin-1")
    assert write_open(mine, tmp_path, dialect, {}) == {}
    for request in (Generate("go on", 5), Generate((Message("user", "hello"),), 8)):
        with pytest.raises(BatchError, match="holds something else than requests of a batch; it was not replaced"):
            write_open(mine, tmp_path, dialect, {"k": request})
    assert [path.read_text(encoding="latin-1") for path in (mine, beside)] == [there, there]
    assert not (tmp_path / WRITTEN).exists()


def test_a_link_is_neither_followed_nor_deleted(tmp_path: Path) -> None:
    dialect = BatchBackend("small").dialect
    write_open(tmp_path / "real.jsonl", tmp_path, dialect, {"k": Generate((Message("user", "hello"),), 8)})
    before = (tmp_path / "real.jsonl").read_text()
    (tmp_path / "open.jsonl").symlink_to(tmp_path / "real.jsonl")
    with pytest.raises(BatchError, match="something else"):
        write_open(tmp_path / "open.jsonl", tmp_path, dialect, {"l": Generate((Message("user", "bye"),), 8)})
    assert write_open(tmp_path / "open.jsonl", tmp_path, dialect, {}) == {}
    assert (tmp_path / "real.jsonl").read_text() == before


def test_requests_of_an_earlier_wave_are_replaced_then_deleted(tmp_path: Path) -> None:
    mine, dialect = tmp_path / "open.jsonl", BatchBackend("small").dialect
    for text in ("one", "two"):
        assert write_open(mine, tmp_path, dialect, {text: Generate((Message("user", text),), 8)}) == {mine: 1}
        assert json.loads(mine.read_text())["custom_id"] == text
    assert write_open(mine, tmp_path, dialect, {}) == {}
    assert not mine.exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_what_was_asked_is_a_regular_file(make: Any, tmp_path: Path) -> None:
    make(tmp_path / WRITTEN)
    with pytest.raises(BatchError, match="cannot be read"):
        remembered(tmp_path / WRITTEN)
    with pytest.raises(BatchError, match="cannot be read"):
        write_open(tmp_path / "open.jsonl", tmp_path, BatchBackend("small").dialect, {"k": Generate("go on", 5)})


@pytest.mark.parametrize("odd", [[], {}, 10**400, float("inf")])
def test_a_reply_of_another_form_is_named_and_ends_nothing(odd: Any, tmp_path: Path) -> None:
    _, wanted = asked(tmp_path, Generate((Message("user", "hello"),), 8), Generate((Message("user", "bye"),), 8))
    one, other = wanted
    reply = {"response": "x", "done": True, "done_reason": odd}
    scored = [{"text": "a", "finish_reason": "stop", "logprobs": {"tokens": ["a"], "token_logprobs": [odd]}}]
    for body in (reply, {"model": "small", "choices": scored, "usage": odd}):
        bad = json.dumps({"custom_id": one, "response": {"status_code": 200, "body": body}})
        (tmp_path / "answers.jsonl").write_text(f"{bad}\n{line(other)}\n")
        assert any(
            "1 answers stored" in said or "2 answers stored" in said
            for said in read_batch([tmp_path / "answers.jsonl"], tmp_path)
        )
