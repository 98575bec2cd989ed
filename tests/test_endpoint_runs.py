"""Whole runs against a scripted server: the header, what is not tested, the store, and servers that fail in the middle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from endpoints import Toy, serving
from runs import audit, run

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "probe_sea.py").write_text(
        """
from pytest_slmtrust import Generate, Loglikelihood, Verdict, ask, chat, probe


@probe(dimension="robustness", rows=[{"i": i} for i in range(40)], needs=(Generate,), tolerance=0.2)
def names_the_sea(i):
    reply = yield from ask(Generate(chat(f"Question {i}"), 4))
    return Verdict(bool(reply.text))


@probe(dimension="robustness", rows=[{"i": i} for i in range(40)], needs=(Generate,), tolerance=0.2)
def continues(i):
    reply = yield from ask(Generate(f"Text {i}", 4))
    return Verdict(bool(reply.text))


@probe(dimension="fairness", rows=[{"i": i} for i in range(40)], needs=(Loglikelihood,), tolerance=0.2)
def scores(i):
    answer = yield from ask(Loglikelihood(f"Text {i}", " sea"))
    return Verdict(answer.sum < 0)
"""
    )
    return tmp_path


def test_what_a_server_cannot_answer_is_not_tested_and_the_run_is_red(folder: Path) -> None:
    with serving(Toy("chat")) as toy:
        done = run(folder, f"--slm={toy.url}", "--slm-packs=none")
        found = audit(folder)
        asked = toy.count
        again = run(folder, f"--slm={toy.url}", "--slm-packs=none", "-q", "--slm-optional=continues,scores")
        more = toy.count - asked
    gates = {g["probe"]: g for g in found["gates"]}
    assert gates["names_the_sea"]["status"] == "PASS"
    assert gates["continues"]["status"] == gates["scores"]["status"] == "NOT TESTED"
    assert "continues no raw texts" in gates["continues"]["reason"]
    assert "loglikelihood" in gates["scores"]["reason"]
    assert done.returncode == 1
    assert f"prompts are sent to {toy.url.split('/')[2]}" in done.stdout
    assert found["model"]["canaries"]["deterministic"] is True
    assert found["resources"]["latency_p95"] > 0
    assert again.returncode == 0
    assert more < 40  # the start asks; the answers come from the store


def test_a_server_that_dies_leaves_an_incomplete_audit_that_goes_on(folder: Path) -> None:
    toy = Toy("vllm")
    with serving(toy):
        toy.fault = lambda path, n: "gone" if n > 90 else ""
        done = run(folder, f"--slm={toy.url}", "--slm-packs=none", "-q")
        assert done.returncode not in (0, 1)
        assert audit(folder)["verdict"] == "INCOMPLETE"
        assert "Traceback" not in done.stdout + done.stderr
        toy.fault = lambda path, n: ""
        begun = toy.count
        done = run(folder, f"--slm={toy.url}", "--slm-packs=none", "-q")
        assert done.returncode == 0, done.stdout
        assert toy.asked[begun:].count("/v1/chat/completions") < 60
    assert {g["status"] for g in audit(folder)["gates"]} == {"PASS"}


def test_documents_go_to_another_machine_only_where_that_is_allowed(folder: Path) -> None:
    (folder / "m.txt").write_text("My private letter.\n")
    done = run(folder, "--slm=http://model.example/v1#m", "--slm-members=m.txt", "-q")
    assert done.returncode == 4
    assert "--slm-members: these documents would go to model.example; add --slm-send-documents" in done.stderr + done.stdout
    local = run(folder, "--slm=http://127.0.0.1:1/v1#m", "--slm-canaries=m.txt", "-q", "--co")
    assert "would go to" not in local.stderr + local.stdout


def test_no_key_leaves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "k3y-of-a-server-0123456789"
    with serving(Toy("chat", key=key, reply=lambda talk: f"It is {key}")) as toy:
        monkeypatch.setenv("SLMTRUST_API_KEY", key)
        done = run(folder, f"--slm={toy.url}", "--slm-packs=none", "-q", "-rA")
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert key.encode() not in written
    assert key not in done.stdout + done.stderr
    assert json.loads((folder / "slmtrust-report" / "audit.json").read_text())["model"]["kind"] == "endpoint"
