"""Whole audits over HTTP of a real server, llama.cpp's, beside the engine in process; servers that are killed in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ggufs
import pytest
from real_server import Server, killed, serving_file
from runs import audit, run

from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer

pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
pytestmark = pytest.mark.slow

#: Each kind of question; two gates pass and one fails, whatever a random model says.
PROBES = """
from pytest_slmtrust import Generate, Loglikelihood, Verdict, ask, chat, probe


@probe(dimension="robustness", rows=[{"i": i} for i in range(40)], needs=(Generate,), tolerance=0.2)
def answers_chats(i):
    reply = yield from ask(Generate(chat(f"Question {i}: is the sea wide?", system="Be brief."), 8))
    return Verdict(reply.n_tokens > 0, evidence={"reply": reply.text})


@probe(dimension="privacy", rows=[{"i": i} for i in range(40)], needs=(Generate,), tolerance=0.2)
def continues_texts(i):
    reply = yield from ask(Generate(f"{i} foxes jump over the", 8))
    return Verdict(len(reply.text) > 10_000, evidence={"reply": reply.text})


@probe(dimension="fairness", rows=[{"i": i} for i in range(20)], needs=(Loglikelihood,), tolerance=0.2)
def scores(i):
    answer = yield from ask(Loglikelihood(f"{i} foxes jump over the", " lazy dog"))
    return Verdict(answer.sum < 0, evidence={"sum": f"{answer.sum:.3f}"})
"""


def audited(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit status and audit of a run in a folder, which goes on from the store of the run before."""
    folder.mkdir(exist_ok=True)
    (folder / "probe_kinds.py").write_text(PROBES)
    done = run(folder, "--slm-packs=none", "-q", *options)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode, audit(folder)


def outcomes(data: dict[str, Any]) -> tuple[Any, ...]:
    gates = [(g["nodeid"], g["status"], g["items"], g["failures"]) for g in data["gates"]]
    return data["verdict"], gates, [(f["nodeid"], f["outcome"], f["evidence"]) for f in data["findings"]]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))
    template = "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}<|start|>assistant\n"
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    more = {"tokenizer.chat_template": template}
    return ggufs.write(path, ggufs.weights(len(words["tokens"])), **words, pre="llama-bpe", more=more)


@pytest.fixture
def server(file: Path, tmp_path: Path) -> Iterator[Server]:
    with serving_file(Server(file, tmp_path, context=256)) as one:
        yield one


@pytest.fixture(scope="module")
def right(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What the engine in process finds."""
    status, data = audited(tmp_path_factory.mktemp("native"), f"--slm={file}", "--slm-engine=llamacpp")
    assert status == 1
    assert [g["status"] for g in data["gates"]] == ["PASS", "FAIL", "PASS"] or data["verdict"] == "FAIL"
    return outcomes(data)


def test_a_server_that_is_killed_and_started_again_gives_the_verdicts_of_the_engine_in_process(
    server: Server, right: tuple[Any, ...], tmp_path: Path
) -> None:
    with killed(server, 75, again=True) as seen:
        status, data = audited(tmp_path / "run", f"--slm={server.url}")
    assert seen
    assert status == 1
    assert outcomes(data)[0] == right[0]
    assert outcomes(data)[1] == right[1]
    assert data["resources"]["failed"] == 0


def test_one_of_two_replicas_is_killed_and_nothing_is_lost(
    server: Server, file: Path, right: tuple[Any, ...], tmp_path: Path
) -> None:
    with serving_file(Server(file, tmp_path, context=256)) as other, killed(other, 60, again=False) as seen:
        status, data = audited(tmp_path / "run", f"--slm={server.url},{other.url}")
    assert seen
    assert status == 1
    assert outcomes(data)[:2] == right[:2]
    assert data["resources"]["failed"] == 0
