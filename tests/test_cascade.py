"""Two models as one system: who answered, how many items went on, and what each route is worth."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_slmtrust import Completion, Failure, Generate, Loglikelihood, Request
from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.backends.batch.backend import BatchBackend
from pytest_slmtrust.backends.cascade import Cascade
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.admission import admitted
from pytest_slmtrust.envelope.meters import Meters, no_energy
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


@pytest.mark.parametrize("says", [None, "no", 0, float("nan"), [], RuntimeError("0.5 < nan")])
def test_a_rule_that_says_neither_yes_nor_no_answers_nothing(says: Any) -> None:
    def rule(_: Generate, reply: Completion) -> Any:
        if reply.text != "odd":
            return reply.text == "hard"
        if isinstance(says, Exception):
            raise says
        return says

    one = Cascade(FakeBackend(lambda r: str(getattr(r, "prompt", "")), name="s"), FakeBackend("large", name="l"), rule, "1")
    found = told(one, [Generate("odd"), Generate("easy"), Generate("hard")])
    assert isinstance(found[0], Failure)
    assert "unsure" in found[0].message
    assert [(a.text, a.route) for a in found[1:]] == [("easy", "small"), ("large", "large")]


@pytest.mark.parametrize("says", [np.bool_(True), True])
def test_a_rule_may_say_it_with_numpy(says: Any) -> None:
    one = Cascade(FakeBackend("small", name="s"), FakeBackend("large", name="l"), lambda _, __: says, "1")
    assert told(one, [Generate("x")])[0].text == "large"


class Odd(FakeBackend):
    """Answers with the pairs that it was made with."""

    pairs: Sequence[tuple[int, Any]] = ()

    def run(self, requests: Sequence[Request[Any]]) -> Any:
        return iter(self.pairs)


def odd(*pairs: tuple[int, Any]) -> Odd:
    made = Odd("x", name="odd")
    made.pairs = pairs
    return made


SMALL = Completion("small", 1)


def test_what_the_small_model_leaves_out_goes_to_the_large_one() -> None:
    one = Cascade(odd((1, SMALL)), FakeBackend("large", name="l"), unsure, "1")
    assert [a.text for a in told(one, [Generate("a"), Generate("b"), Generate("c")])] == ["large", "small", "large"]


@pytest.mark.parametrize(
    "pairs", [((0, SMALL), (0, SMALL)), ((0, Completion("?", 1)), (0, SMALL)), ((0, SMALL), (0, Completion("?", 1)))]
)
def test_an_answer_that_is_given_twice_is_none(pairs: Any) -> None:
    one = Cascade(odd(*pairs), FakeBackend("large", name="l"), unsure, "1")
    assert isinstance(told(one, [Generate("a")])[0], Failure)


@pytest.mark.parametrize("index", [-1, 2, 10**20])
@pytest.mark.parametrize("of_large", [False, True])
def test_an_answer_to_nothing_is_not_taken_for_one_to_another_request(index: int, of_large: bool) -> None:
    wrong = odd((index, SMALL))
    small, large = (FakeBackend("?", name="s"), wrong) if of_large else (wrong, FakeBackend("large", name="l"))
    with pytest.raises(ValueError, match=r"answered request -?\d+ of 2"):
        list(Cascade(small, large, unsure, "1").run([Generate("a"), Generate("b")]))


@pytest.mark.parametrize(("changes", "said"), [
    ({"names": ("m", "m")}, "other than each other"), ({"names": ("", "m")}, "expected two"),
    ({"names": ("several", "m")}, "'several'"), ({"names": ("a,b", "m")}, "without a comma"),
    ({"rule": " "}, "rule of a cascade is empty"), ({"rule": "\u2060"}, "rule of a cascade is empty"),
    ({"names": ("\u200b", "m")}, "expected two"),
    ({"small": FakeBackend("x", answers=(Loglikelihood,))}, "the small model of a cascade answers no Generate"),
    ({"large": FakeBackend("x", answers=(Loglikelihood,))}, "the large model of a cascade answers no Generate"),
])  # fmt: skip
def test_a_cascade_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    parts = {"small": FakeBackend("x"), "large": FakeBackend("y"), "unsure": unsure, "rule": "1", **changes}
    with pytest.raises(ValueError, match=said):
        Cascade(**parts)


def test_forms_that_the_large_model_cannot_answer_are_said_before() -> None:
    one = Cascade(FakeBackend("x", name="s"), BatchBackend("m"), unsure, "1")
    assert one.lacks == BatchBackend("m").lacks
    assert one.refusal(Loglikelihood("a", "b"))
    assert one.refusal(Generate("a")) == ""
    assert system().lacks == {}


@pytest.mark.parametrize("kind", ["endpoint", "llama.cpp", "on a GPU"])
def test_the_memory_of_a_system_is_not_that_of_its_client(kind: str) -> None:
    part = {"kind": "transformers", "device": "cuda:0"} if kind == "on a GPU" else {"kind": kind}
    about = {"kind": "cascade", "parts": {"small": {"kind": "transformers", "device": "cpu"}, "large": part}}
    meters = Meters(process_peak=lambda: 1000)
    assert meters.memory(system(), about).number is None
    assert meters.memory(system(), {"kind": "cascade", "parts": {"small": {"kind": "transformers"}}}).number == 1000
    assert bool(no_energy(about, meters)) or kind == "llama.cpp"


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


#: What somebody puts into the audit of a system in place of who answered, or of the routes.
OTHERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another route": lambda d: d["findings"][0]["evidence"].update(answered_by="expert"),
    "the small one of another name": lambda d: d["findings"][-1]["evidence"].update(answered_by="smaller"),
    "one route twice": lambda d: d["findings"][0]["evidence"].update(answered_by="large, large"),
    "nobody": lambda d: d["findings"][0]["evidence"].update(answered_by=""),
    "several": lambda d: d["findings"][0]["evidence"].update(answered_by="several"),
    "a number": lambda d: d["findings"][0]["evidence"].update(answered_by=1),
    "a list": lambda d: d["findings"][0]["evidence"].update(answered_by=["small"]),
    "a route less": lambda d: d["model"].update(routes=["small"]),
    "a route of another name": lambda d: d["model"].update(routes=["small", "expert"]),
    "no list of routes": lambda d: d["model"].update(routes="small, large"),
}


def test_no_audit_says_that_a_route_answered_which_the_system_does_not_have(pytester: pytest.Pytester) -> None:
    project(pytester)
    pytester.runpytest_inprocess("--slm=system", "--slm-packs=none", "probe_it.py", "-p", "no:randomly")
    text = (pytester.path / "slmtrust-report/audit.json").read_text()
    assert problems(Audit.from_json(text)) == []
    for name, edit in OTHERS.items():
        data = json.loads(text)
        edit(data)
        found = problems(Audit.from_json(json.dumps(data)))
        assert "routes" in found[0], name
        assert "\n" not in found[0], name


@pytest.mark.parametrize("names", [("jane.doe@example.com", "+1 555 010 9999"), ("x" * 5000, "\x1b[2J\n::error::")])
def test_a_run_of_routes_of_any_name_is_read_again(names: tuple[str, str], pytester: pytest.Pytester) -> None:
    project(pytester)
    path = pytester.path / "conftest.py"
    path.write_text(path.read_text().replace('reply.text, "1")', f'reply.text, "1", {names!r})'))
    done = pytester.runpytest_inprocess("--slm=system", "--slm-packs=none", "probe_it.py", "-p", "no:randomly")
    assert done.ret == 0
    assert len(read_verified(pytester.path / "slmtrust-report/audit.json").model["routes"]) == 2


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
