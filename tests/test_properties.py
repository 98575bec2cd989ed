"""Properties: counterexamples are found, shrunk to what is needed, confirmed, and tried again; all cases in the same waves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drive import drive
from hypothesis import strategies as st

from pytest_slmtrust import Generate, ProbeError, Profile, Request, Steps, Verdict, ask, holds_under, probe
from pytest_slmtrust.authoring.edits import Change, apply, changes
from pytest_slmtrust.authoring.properties import WITH_KEPT, abreast, redrawn, shrink
from pytest_slmtrust.authoring.strategies import unnoticed
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store

CI = Profile("ci", 60, 180, 5, 0.10, 0.05, True)
TEXT = "The food was wonderful and the waiter was very kind."


def property_over(strategy: Callable[[str], Any] = unnoticed, temperature: float = 0.0, **options: Any) -> Any:
    @probe(dimension="robustness", rows=[{"text": TEXT}])
    @holds_under(strategy, **options)
    def stays(text: str) -> Steps[str | None]:
        """The answer stays."""
        reply = yield from ask(Generate(text, temperature=temperature))
        return reply.text.lower() or None

    return stays


def verdict(reply: Any, *args: Any, **options: Any) -> Verdict:
    return drive(property_over(*args, **options).cases(CI)[0], reply)


def reads(word: str) -> Callable[[Request[Any]], str]:
    return lambda request: "yes" if word in request.prompt else "no"  # type: ignore[attr-defined]


def test_an_answer_that_stays_passes() -> None:
    found = verdict("Fine")
    assert (found.passed, found.score) == (True, 1.0)
    assert found.evidence["edits tried"] == 8
    assert found.evidence["texts asked"] == 9
    assert "perturbed" not in found.evidence


def test_a_counterexample_is_shrunk_to_the_word_that_matters() -> None:
    found = verdict(reads("wonderful"))
    assert (found.passed, found.score) == (False, 0.0)
    [change] = changes(TEXT, found.evidence["perturbed"])
    assert change.old == "wonderful"
    assert found.evidence["original"] == TEXT
    assert found.evidence["difference"].startswith("'wonderful' -> '")
    assert (found.evidence["answer"], found.evidence["answer when perturbed"]) == ("yes", "no")
    assert found.evidence["confirmed"] == "3 of 3"
    assert len(changes(TEXT, found.evidence["first found"])) > 1
    assert found.evidence["found"] == "drawn in this run"


def test_no_answer_is_not_judged() -> None:
    assert verdict("").outcome == "unscored"
    assert verdict("x", lambda text: st.just(text)).reason == "the strategy gave no edit of this text"
    lost = verdict(
        lambda r: "yes" if r.prompt == TEXT else ""
    )  # an answer that is lost has changed, but cannot be confirmed less
    assert lost.passed is not True or lost.evidence["reading"] != "holds"


def test_a_sampled_answer_must_differ_again_and_again() -> None:
    def flaky(request: Any) -> str:  # only the very first draw of an edited text differs
        return "no" if request.prompt != TEXT and request.sample == 0 else "yes"

    found = verdict(flaky, temperature=1.0)
    assert found.passed is True
    assert found.evidence["reading"] == "no counterexample could be confirmed"
    steady = verdict(lambda request: "no" if request.prompt != TEXT else "yes", temperature=1.0)
    assert (steady.passed, steady.evidence["confirmed"]) == (False, "3 of 3")
    assert verdict(flaky, temperature=1.0, confirm=(1, 3)).passed is False


def test_other_draws_are_other_questions() -> None:
    def steps() -> Any:
        yield [Generate("a", temperature=1.0, sample=2), Generate("b")]

    drawn, plain = Generate("b"), Generate("a", temperature=1.0, sample=2)
    assert list(next(redrawn(steps(), 3))) == [replace(plain, sample=3002), drawn]
    assert next(redrawn(steps(), 0))[0] == plain


def test_kept_counterexamples_are_tried_first() -> None:
    made = property_over().run.__dict__[WITH_KEPT]
    kept, gone = TEXT.replace("wonderful", "wonderfil"), TEXT.replace("kind", "kiind")
    case = property_over().cases(CI)[0]
    again = drive_with(made(lambda *_: [kept, gone, TEXT]), reads("wonderful"))
    assert again.evidence["perturbed"] == kept
    assert again.evidence["found"] == "kept by an earlier run"
    assert again.evidence["kept by earlier runs"] == "1 of 2 still break"
    assert drive_with(made(lambda *_: [kept]), "same").evidence["kept by earlier runs"] == "0 of 1 still break"
    assert case.params == {"text": TEXT}


def drive_with(run: Any, reply: Any) -> Verdict:
    from dataclasses import replace

    return drive(replace(property_over(), run=run).cases(CI)[0], reply)


@pytest.mark.parametrize("calls", [8, 9, 10, 12, 20])
def test_calls_are_kept_to(calls: int) -> None:
    asked: list[Any] = []

    def reply(request: Any) -> str:
        asked.append(request.prompt)
        return "yes" if "wonderful" in request.prompt and "waiter" in request.prompt else "no"

    found = verdict(reply, calls=calls)
    assert found.evidence["texts asked"] <= calls
    assert len(asked) <= calls + 4 * 3 * 2  # four confirmations of three pairs at most
    if found.passed is False:
        assert changes(TEXT, found.evidence["perturbed"])


@pytest.mark.parametrize("options", [{"tries": 0}, {"tries": 9, "calls": 8}, {"confirm": (3, 2)}, {"confirm": (0, 2)}])
def test_numbers_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ProbeError, match="expected 0 < tries <= calls and k of n"):
        holds_under(unnoticed, **options)


# --- shrinking by itself


def run(steps: Steps[Any], breaks: Callable[[str], bool], waves: list[int] | None = None) -> Any:
    """Drive ``shrink`` with a rule that knows the answer."""
    try:
        next(steps)
        raise AssertionError("it asked a model")
    except StopIteration as stop:
        return stop.value


def shrunk(edit: Sequence[Change], rule: Callable[[str], bool], calls: int = 200) -> tuple[list[Change], list[int]]:
    waves: list[int] = []

    def breaks(texts: Sequence[str]) -> Steps[list[bool]]:
        waves.append(len(texts))
        yield from ()
        return [rule(text) for text in texts]

    return run(shrink("abcdefgh ij", edit, breaks, calls), rule), waves


EDIT = [Change(i, "abcdefgh"[i], "abcdefgh"[i].upper()) for i in range(8)]


@pytest.mark.parametrize("needed", ["A", "H", "AH", "BCD", "ACEG", "ABCDEFGH"])
def test_what_is_left_is_what_is_needed(needed: str) -> None:
    least, _ = shrunk(EDIT, lambda text: all(letter in text for letter in needed))
    assert "".join(change.new for change in least) == needed


def test_one_of_two_causes_is_enough() -> None:
    least, waves = shrunk(EDIT, lambda text: "C" in text or "F" in text)
    assert [change.new for change in least] == ["C"]
    assert waves == [8]


def test_without_calls_the_edit_stays() -> None:
    assert shrunk(EDIT, lambda _: True, calls=0) == (EDIT, [])
    least, waves = shrunk(EDIT, lambda text: "A" in text and "H" in text, calls=10)
    assert sum(waves) <= 10
    assert {"A", "H"} <= {change.new for change in least}


def test_several_generators_as_one() -> None:
    def counts(n: int) -> Steps[int]:
        for i in range(n):
            yield [Generate(f"{n}/{i}")]
        return n

    steps, waves = abreast([counts(2), counts(0), counts(3)]), []

    def through() -> Steps[list[int]]:
        wave = next(steps)
        while True:
            waves.append([r.prompt for r in wave if isinstance(r, Generate)])
            yield wave
            wave = steps.send([None] * len(wave))

    driven = through()
    with pytest.raises(RuntimeError) as end:  # what ends a generator inside another one
        list(driven)
    assert end.value.__cause__.value == [2, 0, 3]  # type: ignore[union-attr]
    assert waves == [["2/0", "3/0"], ["2/1", "3/1"], ["3/2"]]


def test_all_cases_shrink_in_the_same_waves(tmp_path: Path) -> None:
    words = ("soup", "bread", "salad", "fruit", "honey", "cheese")

    @probe(dimension="robustness", rows=[{"text": f"The {word} was wonderful and the waiter was very kind."} for word in words])
    @holds_under(unnoticed)
    def stays(text: str) -> Steps[str]:
        """The answer stays."""
        return (yield from ask(Generate(text))).text

    model = FakeBackend(reads("wonderful"))
    store = Store(tmp_path, "x")
    engine = Engine({("generate", "target"): model}, store)
    engine.prefetch(stays.cases(CI))
    # the original, the edits, the single changes: waves, however many cases
    assert len(model.calls) <= 4
    verdicts = [engine.run(case) for case in stays.cases(CI)]
    assert len(model.calls) <= 4
    assert [v.passed for v in verdicts] == [False] * 6
    store.close()


def test_parts_of_an_edit_apply_alone() -> None:
    assert apply("abcdefgh ij", EDIT[2:4]) == "abCDefgh ij"


def test_the_edited_parameter_must_be_there() -> None:
    def answers(question: str) -> Steps[str]:
        return (yield from ask(Generate(question))).text

    with pytest.raises(ProbeError, match=r"answers has no parameter 'text'; name the one that is edited: of='question'"):
        holds_under(unnoticed)(answers)
    holds_under(unnoticed, of="question")(answers)
    holds_under(unnoticed)(lambda **row: answers(row["text"]))
