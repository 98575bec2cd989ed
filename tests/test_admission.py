# mypy: disable-error-code="arg-type"
"""A backend that breaks its contract, in its answers, its words or its hook, is one line and leaves nothing behind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_answers import Run, Scripted

from pytest_slmtrust import BackendError, Completion, Failure, Generate
from pytest_slmtrust.engine.admission import Admitted
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store, store_key


def good(requests: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(i, Completion(f"reply to {r.prompt}", 3)) for i, r in enumerate(requests)]


def forever(requests: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from good(requests)


async def later(requests: Sequence[Any]) -> list[Any]:
    return good(requests)


def middle(error: BaseException) -> Run:
    def run(requests: Sequence[Any]) -> Iterator[Any]:
        for pair in good(requests):
            if pair[1].text.endswith("2"):
                raise error
            yield pair

    return run


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Pairs(tuple[Any, ...]):
    """A pair by inheritance."""


#: From a run() to the places of the four requests that end in a Failure, and what their message says.
RUNS: list[tuple[str, Run, set[int], str]] = [
    ("None", lambda r: None, {0, 1, 2, 3}, "run() returned None; expected (index, answer) pairs"),
    ("a number", lambda r: 4, {0, 1, 2, 3}, "run() returned 4"),
    ("a text", lambda r: "0123", {0, 1, 2, 3}, "run() returned '0123'"),
    ("a dict", lambda r: dict(good(r)), {0, 1, 2, 3}, "run() returned a dict"),
    ("a coroutine", later, {0, 1, 2, 3}, "run() returned a coroutine"),
    ("answers alone", lambda r: [a for _, a in good(r)], {0, 1, 2, 3}, "run() yielded a Completion; expected an (index, answer)"),
    ("triples", lambda r: [(*p, 1) for p in good(r)], {0, 1, 2, 3}, "run() yielded a tuple; expected an (index, answer)"),
    ("pairs by inheritance", lambda r: map(Pairs, good(r)), {0, 1, 2, 3}, "run() yielded a Pairs"),
    ("garbage at the end", lambda r: [*good(r), None], {0, 1, 2, 3}, "run() yielded None"),
    ("counted from one", lambda r: [(i + 1, a) for i, a in good(r)], {0, 1, 2, 3}, "index of run() is 4; expected 0 to 3"),
    ("counted from the end", lambda r: [(i - 4, a) for i, a in good(r)], {0, 1, 2, 3}, "index of run() is -4"),
    ("a true index", lambda r: [(bool(i), a) for i, a in good(r)][:2], {0, 1, 2, 3}, "index of run() is False"),
    ("a text for an index", lambda r: [(str(i), a) for i, a in good(r)], {0, 1, 2, 3}, "index of run() is '0'"),
    ("twice the same", lambda r: [*good(r), good(r)[2]], {2}, "stub answered this request twice"),
    ("twice, at last right", lambda r: [(1, Completion("wrong")), *good(r)], {1}, "stub answered this request twice"),
    ("good, then a failure", lambda r: [*good(r), (3, Failure("no"))], {3}, "stub answered this request twice"),
    ("a failure, then good", lambda r: [(3, Failure("no")), *good(r)], {3}, "stub answered this request twice"),
    ("for ever", forever, {0, 1, 2, 3}, "more than it was asked for"),
    ("one left out", lambda r: [p for p in good(r) if not p[1].text.endswith("q2")], {2}, "stub gave no answer"),
    ("nothing", lambda r: [], {0, 1, 2, 3}, "stub gave no answer"),
    ("breaks", middle(RuntimeError("\x1b[2J\n::error::x")), {2}, r"RuntimeError: \x1b[2J\n::error::x"),
    ("leaves", middle(SystemExit(0)), {2}, "SystemExit: 0"),
    ("breaks without words", middle(Unspeakable()), {2}, "Unspeakable: it has no readable message"),
    ("pairs in lists", lambda r: [list(p) for p in good(r)], set(), ""),
    ("indices of NumPy", lambda r: [(np.int64(i), a) for i, a in good(r)], set(), ""),
    ("backwards", lambda r: good(r)[::-1], set(), ""),
]  # fmt: skip


@pytest.mark.parametrize(("script", "failed", "message"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS])
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_a_backend_that_breaks_its_contract_leaves_nothing_in_the_store(
    tmp_path: Path, script: Run, failed: set[int], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_slmtrust.engine.open_questions._COMMIT_SECONDS", -1.0)  # each answer is stored as it comes
    backend = Scripted(script)
    asked = [Generate(f"q{n}", max_new_tokens=8) for n in range(4)]
    store = Store(tmp_path, "s")
    answers = Engine({("generate", "target"): backend}, store).answer(asked)
    assert {i for i, a in enumerate(answers) if isinstance(a, Failure)} == failed
    for place in failed:
        assert message in answers[place].message
        assert "\n" not in answers[place].message
    assert [a.text for i, a in enumerate(answers) if i not in failed] == [f"reply to q{i}" for i in range(4) if i not in failed]
    keys = [store_key(backend.fingerprint, r.key) for r in asked]
    assert set(store.get(keys)) == {keys[i] for i in range(4) if i not in failed}
    assert set(store.failures(keys)) == {keys[i] for i in failed}


class Odd:
    """A backend with one part replaced."""

    name, fingerprint = "stub", "stub:1"
    answers: Any = (Generate,)

    def run(self, requests: Sequence[Any]) -> Any:
        return good(requests)

    def describe(self) -> Any:
        return {"name": "stub"}


def broken(*_: Any) -> Any:
    raise ValueError("\x1b[2J no")


@pytest.mark.parametrize(("part", "value", "message"), [
    ("name", 3, "its name is 3; expected a str"),
    ("name", " ", "its name is empty; expected a text"),
    ("fingerprint", "\u200b\u2028", "its fingerprint is empty; expected a text"),
    ("name", "x" * 300, "its name has 300 characters"),
    ("name", property(broken), r"its name cannot be read (ValueError: \x1b[2J no)"),
    ("fingerprint", None, "its fingerprint is None"),
    ("fingerprint", "\ud800", "its fingerprint holds a lone surrogate"),
    ("fingerprint", property(lambda _: exit(0)), "its fingerprint cannot be read (SystemExit: 0)"),
    ("answers", "generate", "its answers is 'generate'; expected a tuple of kinds"),
    ("answers", ("generate",), "its answers is a tuple that holds 'generate'"),
    ("answers", (int,), "its answers is a tuple that holds the class int"),
    ("describe", lambda _: None, "describe() gave None; expected a dict"),
    ("describe", broken, r"describe() failed (ValueError: \x1b[2J no)"),
    ("describe", lambda _: {"deep": [[[[[[[[[[[[[1]]]]]]]]]]]]]}, "describe() has more than"),
])  # fmt: skip
def test_a_backend_whose_words_are_wrong_is_refused_before_it_is_asked(
    tmp_path: Path, part: str, value: Any, message: str
) -> None:
    made = type("Made", (Odd,), {part: value})()
    made_engine = Engine({("generate", "target"): made}, Store(tmp_path, "s"))
    with pytest.raises(BackendError) as caught:
        _ = made_engine.answer([Generate("a")]), Admitted(made).answers
    assert message in str(caught.value)
    assert str(caught.value).startswith("backend Made: ")


def test_a_description_becomes_json_data() -> None:
    class Described(Odd):
        def describe(self) -> Any:
            return {1: Path("a"), "nan": math.nan, "kinds": {"b", "a"}, "n": np.int64(3), "\ud800": "\ud800", "big": 10**40}

    made = Admitted(Described()).describe()
    assert made == {"1": "a", "nan": "nan", "kinds": ["a", "b"], "n": 3, "\ud800": "\ud800", "big": str(10**40)}


HOOKS = [
    ("return 7", "pytest_slm_backend: gave a int, which is not a Backend (no name)"),
    ("return Odd", "gave the class Odd; expected a Backend, so call it"),
    ("return (1, 2, 3)", "pytest_slm_backend gave a tuple of 3; expected a (model, tokenizer) pair"),
    ("return changed(run=None)", "gave a Made, which is not a Backend (no run)"),
    ("return changed(name=7)", "pytest_slm_backend: its name is 7; expected a str"),
    ("return changed(answers=Generate)", "its answers is a "),
    ("return changed(describe=lambda s: 1 / 0)", "describe() failed (ZeroDivisionError: division by zero)"),
    ("return changed(fingerprint=property(lambda s: exit(3)))", "its fingerprint cannot be read (SystemExit: 3)"),
    ("raise SystemExit(0)", "pytest_slm_backend failed: SystemExit: 0"),
    ("raise ValueError('\\x1b[2J\\n::error::x')", r"pytest_slm_backend failed: ValueError: \x1b[2J\n::error::x"),
]


@pytest.mark.parametrize(("body", "message"), HOOKS, ids=[body for body, _ in HOOKS])
def test_a_hook_that_hands_over_nonsense_ends_in_one_line(pytester: pytest.Pytester, body: str, message: str) -> None:
    pytester.makeconftest(f"""
from test_admission import Odd
from pytest_slmtrust import Generate

def changed(**parts):
    return type("Made", (Odd,), parts)()

def pytest_slm_backend(config):
    {body}
""")
    pytester.makepyfile(
        probe_one="""
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"n": n} for n in range(6)], tolerance=0.6)
def passes(n):
    "It passes."
    yield from ask(Generate(str(n)))
    return Verdict(True)
"""
    )
    result = pytester.runpytest_inprocess("--slm=x", "--slm-packs=none")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sum(line.startswith("ERROR: ") and message in line for line in result.errlines + result.outlines) == 1
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert "\x1b[2J" not in text
