"""Two models as one system: who answered, how many items went on, and what each route is worth."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import Completion, Failure, Generate, Request
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.backends.cascade import Cascade
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.admission import admitted
from pytest_slmtrust.report.html import render
from pytest_slmtrust.report.routes import route_rows

EXAMPLE = Path(__file__).parents[1] / "examples" / "cascade"


def unsure(_: Generate, reply: Completion) -> bool:
    return "?" in reply.text


def system(small: Any = "yes", large: Any = "no", rule: str = "1") -> Cascade:
    return Cascade(FakeBackend(small, name="s"), FakeBackend(large, name="l"), unsure, rule)


def told(one: Cascade, asked: Sequence[Request[Any]]) -> list[Any]:
    found = dict(admitted(one).run(asked))
    return [found[i] for i in range(len(asked))]


def test_the_large_model_answers_what_the_small_one_cannot() -> None:
    def small(request: Request[Any]) -> str:
        assert isinstance(request, Generate)
        if "break" in str(request.prompt):
            raise ValueError("too hard")
        return "?" if "hard" in str(request.prompt) else "small says"

    one = system(small, "large says")
    asked = [Generate("easy"), Generate("hard"), Generate("break"), Generate("easy too")]
    assert [(a.text, a.route) for a in told(one, asked)] == [
        ("small says", "small"), ("large says", "large"), ("large says", "large"), ("small says", "small")]  # fmt: skip
    assert isinstance(one.large, FakeBackend)
    assert one.large.calls[0] == [asked[1], asked[2]]


def test_what_neither_can_answer_is_a_failure() -> None:
    def broken(_: Request[Any]) -> str:
        raise ValueError("no")

    assert isinstance(told(system(broken, broken), [Generate("x")])[0], Failure)


def test_another_rule_or_part_is_another_system() -> None:
    other = system()
    other.large = FakeBackend("no", name="l", version="2")
    assert len({system().fingerprint, system(rule="2").fingerprint, other.fingerprint}) == 3


def test_a_route_survives_the_store_and_answers_without_one_are_written_as_before() -> None:
    request = Generate("x")
    assert "route" not in request.encode(Completion("a", 1))
    for answer in (Completion("a", 1), Completion("a", 1, route="large")):
        assert request.decode(request.encode(answer)) == answer


def project(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
from pytest_slmtrust.backends.cascade import Cascade
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def small(request):
    n = int(request.prompt.split()[-1])
    return "? " if n % 5 == 0 else "bad" if n % 10 == 1 else "good"

def large(request):
    return "bad" if request.prompt.endswith(" 0") else "good"

def pytest_slm_backend(config):
    return Cascade(FakeBackend(small, name="s"), FakeBackend(large, name="l"), lambda _, reply: "?" in reply.text, "1")

def pytest_slm_scorer(config):
    return WordListScorer()
""")
    pytester.makepyfile(
        probe_it="""
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{"n": n} for n in range(100)], tolerance=0.3)
def is_good(n: int):
    "Good."
    reply = yield from ask(Generate(f"number {n}"))
    return Verdict(reply.text == "good", evidence={"reply": reply.text})

@probe(dimension="privacy", rows=[{"n": n} for n in range(20)], tolerance=0.3)
def asks_twice(n: int):
    "Asks twice."
    yield from ask(Generate(f"first {n}"))
    reply = yield from ask(Generate(f"second {n + 1}"))
    return Verdict(bool(reply.text))
"""
    )


def test_a_run_says_who_answered_and_how_often_each_route_failed(pytester: pytest.Pytester) -> None:
    project(pytester)
    for _ in range(2):  # the second time from the store
        done = pytester.runpytest_inprocess("--slm=system", "--slm-packs=none", "probe_it.py", "-p", "no:randomly")
        assert done.ret == 0
        done.stdout.fnmatch_lines(["routes of this system, by item:", "  small: 92 items*", "  large: 20 items*"])
        audit = read_verified(pytester.path / "slmtrust-report/audit.json")
        rows = {(row.probe, row.route): row for row in route_rows(audit)}
        assert rows["is_good", "small"].items == 80
        assert rows["is_good", "large"].items == 20
        assert rows["is_good", "large"].share.startswith("20.0")
        assert "[12.6" in rows["is_good", "large"].share
        assert rows["is_good", "small"].failed.startswith("12.5")
        assert rows["is_good", "large"].failed.startswith("5.0")
        assert rows["asks_twice", "large, small"].items == 8
        assert 'id="routes"' in render(audit)
    assert audit.model["rule"] == "1"
    assert audit.model["routes"] == ["small", "large"]
    assert {*audit.model["parts"]} == {"small", "large"}


def test_a_single_model_has_no_routes(pytester: pytest.Pytester) -> None:
    project(pytester)
    path = pytester.path / "conftest.py"
    path.write_text(path.read_text().replace("return Cascade(", "return FakeBackend('good') or ("))
    done = pytester.runpytest_inprocess("--slm=one", "--slm-packs=none", "probe_it.py", "-p", "no:randomly")
    assert "routes of this system" not in done.stdout.str()
    assert 'id="routes"' not in render(read_verified(pytester.path / "slmtrust-report/audit.json"))


@pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the examples are not part of the wheel")
def test_the_example_makes_a_system_without_loading_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = runpy.run_path(str(EXAMPLE / "two_models.py"))
    one = made["make"]()
    assert one.small.made is None
    assert one.large.name == "smollm2-135m-instruct"
    assert made["unsure"](Generate("x"), Completion("I do not know.", 4))
    assert made["unsure"](Generate("x"), Completion("  ", 1))
    assert made["unsure"](Generate("x"), Completion("the the the the the the the the the", 9))
    assert not made["unsure"](Generate("x"), Completion("Paris is the capital of France.", 7))
