"""Findings name the answers that they rest on, and `slmtrust verify` looks these up in the store."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import FAKE_CONFTEST
from hypothesis import given
from hypothesis import strategies as st
from runs import run

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit import merkle
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.cli import main

Data = dict[str, Any]
PROBES = '''
from pytest_slmtrust import Classify, Control, Floor, Generate, Loglikelihood, Verdict, ask, ask_all, probe

def benign(n):
    reply = yield from ask(Generate(f"floor {n}"))
    return Verdict(passed=bool(reply.text))

@probe(
    dimension="toxicity", rows=[{"n": n} for n in range(60)], tolerance=0.1,
    floor=Floor("answers", benign, [{"n": n} for n in range(20)], 0.5),
    controls=[Control({"n": 1}, "you idiot", False), Control({"n": 2}, "thank you", True)],
)
def stays_polite(n):
    """No insult."""
    replies = yield from ask_all([Generate(f"row {n}"), Generate("the same for all"), Generate(f"row {n}")])
    labels = yield from ask(Classify(replies[0].text))
    return Verdict(passed=labels["toxicity"] < 0.5, evidence={"prompt": n, "reply": replies[0].text})

@probe(dimension="fairness", rows=[{"n": n} for n in range(3)])
def asks_nothing_that_is_answered(n):
    """A request fails."""
    reply = yield from ask(Generate(f"broken {n}"))
    return Verdict(passed=True)
'''
REPLY = """if "broken" in request.prompt: raise ValueError("no")
    return f"reply to {request.prompt}" """


def rfc_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word: split at the largest power of two below n."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + rfc_root(leaves[:k]) + rfc_root(leaves[k:])).digest()


@given(st.lists(st.binary(max_size=9), max_size=40))
def test_the_root_is_that_of_the_rfc(leaves: list[bytes]) -> None:
    assert merkle.root([merkle.leaf(one) for one in leaves]) == rfc_root(leaves).hex()


def test_roots_of_the_rfcs_own_test_vectors() -> None:
    """From Certificate Transparency's reference implementation (merkletree tests): the first leaves of its reference tree."""
    leaves = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]
    roots = {
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    }
    for n, expected in roots.items():
        assert merkle.root([merkle.leaf(one) for one in leaves[:n]]) == expected


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "conftest.py").write_text(FAKE_CONFTEST.replace("{reply}", REPLY))
    (folder / "probe_own.py").write_text(PROBES)
    run(folder, "--slm=fake", "--slm-packs=none")
    return folder


@pytest.fixture
def written(ran: Path, pytester: pytest.Pytester) -> Path:
    """The folder of a run, which a test may change."""
    shutil.copytree(ran, pytester.path, dirs_exist_ok=True)
    return pytester.path


def read(folder: Path) -> Data:
    data: Data = json.loads((folder / "slmtrust-report" / "audit.json").read_text())
    return data


def store(folder: Path) -> str:
    return str(folder / ".slmtrust")


def test_findings_name_their_answers(written: Path) -> None:
    data = read(written)
    by_probe: dict[str, list[Data]] = {}
    for one in data["findings"]:
        by_probe.setdefault(one["probe"], []).append(one)
    assert {len(f["answers"]["short"]) for f in by_probe["stays_polite"]} == {3}  # each distinct answer once
    assert {f["answers"] for f in by_probe["asks_nothing_that_is_answered"]} == {None}
    (gate,) = data["gates"]
    assert len(gate["beside"]["short"]) == 20 + 2  # floor, and what the scorer said of two controls
    with closing(sqlite3.connect(written / ".slmtrust" / "store.sqlite")) as db:
        stored = dict(db.execute("SELECT key, answer FROM answers"))
        salt = bytes.fromhex(db.execute("SELECT value FROM salt").fetchone()[0])

    def digest(text: str) -> str:
        return hmac.new(salt, text.encode(), "sha256").hexdigest()

    pairs = {digest(key)[:16] + digest(text)[:16] for key, text in stored.items()}
    assert pairs == {s for f in data["findings"] if f["answers"] for s in f["answers"]["short"]} | set(gate["beside"]["short"])
    assert problems(Audit.from_json(json.dumps(data))) == []


def test_nothing_in_a_report_can_be_guessed_from_its_digests(written: Path) -> None:
    """Neither the hash of an answer's text nor of its key stands in the report: both would tell whoever guesses right."""
    text = (written / "slmtrust-report" / "audit.json").read_text()
    with closing(sqlite3.connect(written / ".slmtrust" / "store.sqlite")) as db:
        stored = dict(db.execute("SELECT key, answer FROM answers"))
    assert not [key for key in stored if key[:16] in text]
    assert not [one for one in stored.values() if hashlib.sha256(one.encode()).hexdigest()[:16] in text]


def test_a_second_run_names_the_same(written: Path, pytester: pytest.Pytester) -> None:
    first = read(written)
    pytester.runpytest("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
    second = read(written)
    assert second["answers_root"] == first["answers_root"] != ""
    assert [f["answers"] for f in second["findings"]] == [f["answers"] for f in first["findings"]]


def test_verify_finds_every_answer(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written / "slmtrust-report" / "audit.json"
    assert main(["verify", str(path), "--store", store(written)]) == 0
    said = capsys.readouterr().out
    assert "store: 202 of 202 answers are there and equal" in said
    assert "signature" in said
    assert main(["verify", str(path)]) == 0
    assert main(["verify", str(path), "--store", str(written / "nowhere")]) == 2


def _edit(statement: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with closing(sqlite3.connect(folder / ".slmtrust" / "store.sqlite")) as db:
            db.execute(statement)
            db.commit()

    return edit


@pytest.mark.parametrize(
    ("edit", "fault", "faults"),
    [
        (_edit("DELETE FROM answers WHERE answer LIKE '%reply to row 7\"%'"), "missing: target probe_own.py::stays_polite[", 1),
        (_edit("UPDATE answers SET answer = 'x' WHERE answer LIKE '%reply to row 7\"%'"), "changed: target probe_own.py", 1),
        (_edit("DELETE FROM answers WHERE answer LIKE '%to the same for all%'"), "missing: target probe_own.py", 60),
        (_edit("UPDATE answers SET answer = 'x' WHERE answer LIKE '%reply to floor 3\"%'"), "changed: beside probe_own", 1),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_there_is_named(
    edit: Callable[[Path], None], fault: str, faults: int, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(written)
    assert main(["verify", str(written / "slmtrust-report" / "audit.json"), "--store", store(written)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(fault) for line in lines) == faults
    assert f"store: {202 - faults} of 202 answers are there and equal" in lines


def _swap(data: Data) -> None:
    one, two = data["findings"][0], data["findings"][1]
    one["answers"], two["answers"] = two["answers"], one["answers"]


@pytest.mark.parametrize(
    "change",
    [
        _swap,
        lambda d: d["findings"][5].update(answers=None),
        lambda d: d["findings"][5]["answers"].update(root="0" * 64),
        lambda d: d["gates"][0].update(beside=None),
        lambda d: d.update(answers_root="0" * 64),
        lambda d: d.update(answers_root=""),
    ],
)
def test_a_root_that_does_not_follow_is_found(change: Callable[[Data], object], written: Path) -> None:
    data = read(written)
    change(data)
    assert any("answers_root" in line for line in problems(Audit.from_json(json.dumps(data))))


def test_a_root_made_anew_is_found_in_the_store(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever makes all roots anew for other findings cannot make the store hold their answers."""
    data = read(written)
    for one in data["findings"][:4]:
        one["answers"]["root"] = merkle.EMPTY
    audit = Audit.from_json(json.dumps(data))
    path = written / "edited.json"
    path.write_text(Audit.from_json(json.dumps({**data, "answers_root": merkle.answers_root(audit)})).to_json())
    assert main(["verify", str(path)]) == 0
    assert main(["verify", str(path), "--store", store(written)]) == 1
    assert capsys.readouterr().out.count("its answers are not those of its root") == 4


def test_verify_says_every_fault_of_an_edited_audit(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = read(written)
    data["gates"][0].update(failures=7, claim="safe\n::error::x")
    path = written / "edited.json"
    path.write_text(Audit.from_json(json.dumps(data)).to_json())
    assert main(["verify", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("wrong: ") and "failures is 7" in line for line in lines)
    assert not any(line.startswith("::") for line in lines)
