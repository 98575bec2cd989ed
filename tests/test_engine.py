"""The engine: waves, de-duplication, replay, failures."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_slmtrust import (
    BackendError,
    Case,
    Classify,
    Completion,
    Failure,
    Generate,
    Loglikelihood,
    Logprob,
    Message,
    Perturb,
    ProbeError,
    RequestFailed,
    Steps,
    Verdict,
    ask,
    ask_all,
    probe,
)
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy

PROFILE = load_policy("full").profile


@probe(dimension="robustness", rows=[{"n": n} for n in range(200)])
def two_steps(n: int) -> Steps[Verdict]:
    """Asks twice, the second time about the first answer."""
    first = yield from ask(Generate(f"question {n % 100}"))
    second = yield from ask(Generate(f"again {first.text}"))
    return Verdict(passed=second.text.startswith("again"), evidence={"reply": second.text})


def echo(request: Any) -> str:
    return str(request.prompt)


def engine(folder: Path, backend: Any, session: str = "s") -> Engine:
    kinds = {(k.kind, "target"): backend for k in backend.answers}
    return Engine({**kinds, ("classify", "toxicity"): WordListScorer()}, Store(folder, session))


def run_all(made: Engine, cases: list[Case]) -> list[Verdict]:
    made.prefetch(cases)
    return [made.run(c) for c in cases]


def test_two_waves_are_two_bulk_calls_without_duplicates_and_none_the_second_time(tmp_path: Path) -> None:
    backend = FakeBackend(echo)
    cases = two_steps.cases(PROFILE)
    verdicts = run_all(engine(tmp_path, backend), cases)
    assert [len(call) for call in backend.calls] == [100, 100]
    assert all(v.passed for v in verdicts)
    again = FakeBackend(echo)
    assert run_all(engine(tmp_path, again), cases) == verdicts
    assert again.calls == []


def test_a_case_gives_the_same_verdict_alone_and_in_a_wave(tmp_path: Path) -> None:
    cases = two_steps.cases(PROFILE)[:20]
    together = run_all(engine(tmp_path / "a", FakeBackend(echo)), cases)
    alone = [engine(tmp_path / "b", FakeBackend(echo)).run(c) for c in reversed(cases)]
    assert together == alone[::-1]


def test_a_built_in_case_is_run_once_and_an_authors_again_in_its_test(tmp_path: Path) -> None:
    begun: list[int] = []

    @probe(dimension="robustness", rows=[{"n": n} for n in range(3)])
    def counted(n: int) -> Steps[Verdict]:
        """Says when it is run."""
        begun.append(n)
        reply = yield from ask(Generate(f"question {n}"))
        return Verdict(passed=True, evidence={"reply": reply.text})

    made = engine(tmp_path, FakeBackend(echo))
    authors = run_all(made, counted.cases(PROFILE))
    assert sorted(begun) == [0, 0, 1, 1, 2, 2]
    begun.clear()
    cases = replace(counted, packed=True).cases(PROFILE)
    assert run_all(made, cases) == authors
    assert sorted(begun) == [0, 1, 2]
    assert made.run(cases[0]) == authors[0]  # what was handed out is not held: a second time it is replayed
    assert len(begun) == 4


def test_an_authors_case_runs_again_without_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, read = engine(tmp_path, FakeBackend(echo)), list[int]()
    cases = two_steps.cases(PROFILE)[:20]
    made.prefetch(cases)
    monkeypatch.setattr(made.store, "get", lambda keys: read.append(len(keys)) or {})
    assert [made.run(case).passed for case in cases] == [True] * 20
    assert read == []


def test_a_key_is_kept_and_is_no_part_of_a_request() -> None:
    one, two = Generate("question", 8), Generate("question", 8)
    assert one.key is one.key
    assert (one.key, one, hash(one)) == (two.key, two, hash(two))
    assert replace(one, max_new_tokens=9).key != one.key
    for copied in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (copied, copied.key) == (one, one.key)


def test_another_version_of_the_model_is_asked_again(tmp_path: Path) -> None:
    cases = two_steps.cases(PROFILE)[:3]
    run_all(engine(tmp_path, FakeBackend(echo)), cases)
    other = FakeBackend(echo, version="2")
    run_all(engine(tmp_path, other), cases)
    assert sum(map(len, other.calls)) == 6


def test_a_failure_is_an_error_of_its_case_and_asked_again_in_the_next_session(tmp_path: Path) -> None:
    def broken(request: Any) -> Any:
        if "7" in request.prompt:
            raise RuntimeError("no answer to sevens")
        return echo(request)

    cases = two_steps.cases(PROFILE)[:10]
    made = engine(tmp_path, FakeBackend(broken))
    made.prefetch(cases)
    with pytest.raises(RequestFailed, match="no answer to sevens"):
        made.run(cases[7])
    assert made.run(cases[6]).passed
    same_session = FakeBackend(echo)
    with pytest.raises(RequestFailed):
        engine(tmp_path, same_session).run(cases[7])
    assert same_session.calls == []
    assert engine(tmp_path, FakeBackend(echo), session="next").run(cases[7]).passed


class Crashing(FakeBackend):
    """Raises out of ``run`` itself whenever a request names a seven."""

    def run(self, requests: Any) -> Iterator[tuple[int, Any]]:
        for index, request in enumerate(requests):
            if "7" in request.prompt:
                raise MemoryError("batch lost")
            yield index, Completion(request.prompt)


def test_a_request_that_breaks_its_batch_takes_no_other_with_it(tmp_path: Path) -> None:
    answers = engine(tmp_path, Crashing()).answer([Generate(f"q{n}") for n in range(10)])
    assert [isinstance(a, Failure) for a in answers] == [n == 7 for n in range(10)]


def test_a_backend_that_only_breaks_ends_the_session(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="fails on every request"):
        engine(tmp_path, Crashing()).answer([Generate(f"7{n}") for n in range(10)])


@pytest.mark.parametrize("bad", [Logprob(float("nan"), False, 1), Logprob(float("-inf"), False, 1), None, 3])
def test_an_answer_that_is_no_number_is_a_failure(tmp_path: Path, bad: Any) -> None:
    answer = engine(tmp_path, FakeBackend(lambda _: bad)).answer([Loglikelihood("a", "b"), Loglikelihood("a", "c")])
    assert all(isinstance(a, Failure) for a in answer)


def test_a_question_that_nothing_answers_is_a_failure(tmp_path: Path) -> None:
    made = Engine({}, Store(tmp_path, "s"))
    (answer,) = made.answer([Generate("x")])
    assert isinstance(answer, Failure)
    assert "'generate'" in answer.message


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (Generate, {"prompt": [{"role": "user", "content": "x"}]}, "prompt of Generate is list of dict; expected a text, or"),
        (Generate, {"prompt": {"role": "user"}}, "prompt of Generate is dict"),
        (Generate, {"prompt": (Message("user", cast(str, 7)),)}, "prompt of Generate is tuple of Message"),
        (Generate, {"prompt": "x", "max_new_tokens": 4.5}, "max_new_tokens of Generate is float; expected a whole number"),
        (Generate, {"prompt": "x", "max_new_tokens": "8"}, "max_new_tokens of Generate is str; expected a whole number"),
        (Generate, {"prompt": "x", "temperature": "1"}, "temperature of Generate is str; expected a number"),
        (Generate, {"prompt": "x", "stop": "no"}, "stop of Generate is str; expected a tuple of texts"),
        (Generate, {"prompt": "x", "stop": (7,)}, "stop of Generate is tuple of int"),
        (Classify, {"text": Completion("x")}, "text of Classify is Completion; expected a text (reply.text is the text"),
        (Loglikelihood, {"context": "x", "continuation": Completion("y")}, "continuation of Loglikelihood is Completion"),
        (Perturb, {"text": None, "recipe": "char-swap"}, "text of Perturb is NoneType; expected a text"),
    ],
)  # fmt: skip
def test_a_request_of_wrong_types_fails_its_own_case_and_no_other(
    tmp_path: Path, kind: Any, fields: dict[str, Any], said: str
) -> None:
    @probe(dimension="robustness", rows=[{"n": 0}])
    def asks_oddly(n: int) -> Steps[Verdict]:
        """Asks with values of other types."""
        yield from ask(kind(**fields))
        return Verdict(passed=True)

    made = engine(tmp_path, FakeBackend(echo))
    made.prefetch([*two_steps.cases(PROFILE)[:2], *asks_oddly.cases(PROFILE)])
    with pytest.raises(TypeError, match=re.escape(said)):
        made.run(asks_oddly.cases(PROFILE)[0])
    assert made.run(two_steps.cases(PROFILE)[0]).passed


def test_a_request_of_wrong_types_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError, match="recipe of Perturb is int") as caught:
        Perturb("x", cast(str, 1))
    assert caught.traceback[0].path == Path(__file__)
    for temperature in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="temperature is"):
            Generate("x", temperature=temperature)


@probe(dimension="toxicity", rows=[{"n": 0}])
def asks_nothing(n: int) -> Steps[Verdict]:
    """Says that there is nothing to ask."""
    yield from ask_all([])
    return Verdict.unscored("nothing to ask")


@probe(dimension="toxicity", rows=[{"n": 0}])
def forgets_its_verdict(n: int) -> Steps[Any]:
    """Returns no verdict."""
    yield from ask(Generate("x"))
    return "fine"


def test_probes_without_requests_and_without_verdicts(tmp_path: Path) -> None:
    made = engine(tmp_path, FakeBackend(echo))
    (case,) = asks_nothing.cases(PROFILE)
    made.prefetch([case])
    assert made.run(case).reason == "nothing to ask"
    (case,) = forgets_its_verdict.cases(PROFILE)
    made.prefetch([case])
    with pytest.raises(TypeError, match="must return a Verdict"):
        made.run(case)


def test_the_counters_add_up(tmp_path: Path) -> None:
    made = engine(tmp_path, FakeBackend(echo))
    cases = two_steps.cases(PROFILE)
    made.prefetch(cases)
    counted = made.counters
    assert (counted.planned, counted.unique, counted.cached, counted.failed) == (400, 200, 0, 0)


def test_roles_share_no_answers(tmp_path: Path) -> None:
    target, baseline = FakeBackend("a", name="one"), FakeBackend("b", name="two")
    made = Engine({("generate", "target"): target, ("generate", "baseline"): baseline}, Store(tmp_path, "s"))
    answers = made.answer([Generate("x"), Generate("x", role="baseline")])
    assert [a.text for a in answers] == ["a", "b"]


@probe(dimension="toxicity", rows=[{"n": n} for n in range(4)])
def ends_but_once(n: int) -> Steps[Verdict]:
    """Asks without end on one row, and catches all that is thrown."""
    for turn in itertools.count():
        try:
            yield [] if turn % 2 else [Generate(f"turn {turn} of {n}")]
        except Exception:
            continue
        if n != 2 and turn > 5:
            return Verdict(passed=True)
    raise AssertionError


def test_a_row_that_asks_without_end_ends_and_harms_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_slmtrust.engine.engine.MOST_ROUNDS", 30)
    made = engine(tmp_path, FakeBackend(echo))
    cases = ends_but_once.cases(PROFILE)
    made.prefetch(cases)
    for case in cases:
        if case.params["n"] != 2:
            assert made.run(case).passed
            continue
        with pytest.raises(ProbeError, match=r"probe 'ends_but_once' asks in more than .* rounds for one row: is there an end\?"):
            made.run(case)
    assert made.counters.unique < 60


def test_a_wave_without_end_fails_its_own_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_slmtrust.requests.verbs.MOST_AT_ONCE", 50)

    @probe(dimension="toxicity", rows=[{"n": n} for n in range(3)])
    def waves(n: int) -> Steps[Verdict]:
        """Asks for ever more at once on one row."""
        numbers = itertools.count() if n == 1 else range(50)
        yield from ask_all(Generate(f"{number} of {n}") for number in numbers)
        return Verdict(passed=True)

    made, cases = engine(tmp_path, FakeBackend(echo)), waves.cases(PROFILE)
    made.prefetch(cases)
    assert made.counters.unique == 100
    assert made.run(cases[0]).passed
    with pytest.raises(ValueError, match=r"ask_all got more than 50 requests: is there an end\?"):
        made.run(cases[1])
