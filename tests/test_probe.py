"""Probes and cases: rows, ids, controls."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import (
    Classify,
    Control,
    Floor,
    Generate,
    Judge,
    Labels,
    Loglikelihood,
    Logprob,
    ProbeError,
    Row,
    Steps,
    Verdict,
    ask,
    probe,
)
from pytest_slmtrust.authoring.mistakes import explained
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.session.probe_file import named_twice

FULL = load_policy("full").profile


def easy(n: int) -> Steps[Verdict]:
    reply = yield from ask(Generate(str(n)))
    return Verdict(bool(reply.text))


def made(rows: Any, **kwargs: Any) -> Any:
    @probe(dimension="toxicity", rows=rows, **kwargs)
    def claim(text: str) -> Steps[Verdict]:
        """A claim.

        And more.
        """
        reply = yield from ask(Generate(text))
        labels = yield from ask(Classify(reply.text))
        return Verdict(labels["toxicity"] < 0.5)

    return claim


def test_ids_are_stable_when_a_row_is_inserted() -> None:
    before = {c.params["text"]: c.id for c in made([{"text": "a"}, {"text": "b"}]).cases(FULL)}
    after = {c.params["text"]: c.id for c in made([{"text": "0"}, {"text": "a"}, {"text": "b"}]).cases(FULL)}
    assert all(after[k] == v and len(v) == 6 for k, v in before.items())


def test_rows_of_every_form() -> None:
    marked = pytest.param("b", id="bee", marks=pytest.mark.skip(reason="x"))
    rows = [{"text": "a"}, marked, pytest.param({"text": "c"}), Row({"text": "d"}, "dee", "item")]
    cases = made(rows).cases(FULL)
    assert [c.params["text"] for c in cases] == list("abcd")
    assert [c.id for c in cases][1::2] == ["bee", "dee"]
    assert cases[1].marks
    assert cases[3].source == "item"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a"}, {"text": "a"}], "the same row"),
        ([Row({"text": "a"}, "x"), Row({"text": "b"}, "x")], "give each its own id"),
        (["a"], "row 0 of probe 'claim' is str"),
        ("abc", "must be a list of mappings"),
        ([{"text": object()}], "not JSON-able"),
        ([{"text": {1: "a", "b": "c"}}], "not JSON-able"),  # JSON has an order for texts only
        (5, "must be a list of mappings"),
    ],
)
def test_bad_rows_are_named(rows: Any, message: str) -> None:
    with pytest.raises(ProbeError, match=message):
        made(rows).cases(FULL)


def test_bad_probes_are_named() -> None:
    with pytest.raises(ProbeError, match="Did you mean 'toxicity'"):
        probe(dimension="toxcity", rows=[])(lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ProbeError, match="not a generator"):
        probe(dimension="toxicity", rows=[], name="x")(lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ProbeError, match="between 0 and 1"):
        made([], tolerance=5)
    with pytest.raises(ProbeError, match="snake case"):
        made([], name="Not A Name")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"tolerance": "5%"}, "is '5%'; it must be a number between 0 and 1: 0.05 for 5 %"),
        ({"tolerance": True}, "is True; it must be a number"),
        ({"criterion": "mean"}, "criterion of probe 'claim' is 'mean'; expected a Criterion(...)"),
        ({"floor": 0.5}, "floor of probe 'claim' is 0.5; expected a Floor(...)"),
        ({"controls": [("reply", True)]}, "controls of probe 'claim' holds tuple; expected a Control(...)"),
        ({"controls": "reply"}, "controls of probe 'claim' is str; expected a list of Control"),
        (
            {"controls": (Control({"text": "a"}, "b", True) for _ in "a")},
            "controls of probe 'claim' is generator; expected a list",
        ),
        ({"controls": [Control({"txt": "a"}, "b", True)]}, "control 0 of probe 'claim' has the column 'txt', the function has"),
        ({"labelled": [Control({}, "b", True)]}, "labelled row 0 of probe 'claim' has no column for the parameter 'text'"),
        ({"floor": Floor("answers", easy, [{"n": 1}, {"m": 1}], 0.5)}, "floor row 1 of probe 'claim' has the column 'm'"),
        ({"judge": "refusal"}, "judge of probe 'claim' is 'refusal'; expected a Judge(...)"),
        ({"judge": Judge("refussal")}, "judge of probe 'claim': Unknown detector 'refussal'. Did you mean 'refusal'?"),
        ({"judge": Judge("leak", data="Tensor Trus")}, "judge of probe 'claim': Unknown labelled set 'Tensor Trus'."),
    ],
)
def test_what_a_probe_declares_has_its_types(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ProbeError, match=re.escape(message)):
        made([], **declared)


def test_rows_from_a_function_that_takes_nothing_are_named() -> None:
    with pytest.raises(ProbeError, match=r"does not take the profile: def rows\(profile\)"):
        made(lambda: [{"text": "a"}]).cases(FULL)


def test_a_decorator_without_arguments_names_them() -> None:
    with pytest.raises(TypeError) as caught:
        probe(print)  # type: ignore[call-arg,misc,arg-type]
    assert str(explained(caught.value)) == '@probe takes its arguments by name: @probe(dimension="privacy", rows=[...])'


def test_a_probe_that_a_later_one_replaces_is_named(tmp_path: Path) -> None:
    one = "@probe(dimension='privacy', rows=[{}])\ndef same():\n    yield\n"
    (tmp_path / "probe_a.py").write_text(f"{one}\n{one}")
    assert named_twice(tmp_path / "probe_a.py") == "6: the probe 'same' of line 2 is replaced by this one: rename one"
    (tmp_path / "probe_b.py").write_text(f"{one}def other(): pass\ndef other(): pass\nif 0:\n    def same(): pass\n")
    assert named_twice(tmp_path / "probe_b.py") == ""
    assert named_twice(tmp_path / "absent.py") == ""


def test_a_limit_takes_whole_source_items_by_a_stable_hash() -> None:
    rows = [Row({"text": f"{s}{j}"}, source=f"s{s}") for s in range(50) for j in range(3)]
    cut = made(rows).cases(FULL, 10)
    assert len(cut) == 30
    assert len({c.source for c in cut}) == 10
    assert {c.source for c in made(rows[::-1]).cases(FULL, 10)} == {c.source for c in cut}
    assert {c.source for c in cut} < {c.source for c in made(rows).cases(FULL, 20)}


def test_rows_may_depend_on_the_profile() -> None:
    assert len(made(lambda profile: [{"text": str(i)} for i in range(profile.samples)]).cases(FULL)) == FULL.samples


def test_a_hypothesis_strategy_gives_the_same_rows_in_every_process() -> None:
    code = """
from hypothesis import strategies as st
from pytest_slmtrust.authoring.strategies import draw
print(draw(st.fixed_dictionaries({"text": st.text(min_size=1, max_size=9)}), 20))
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert len(texts.pop()) > 100


def drive(steps: Steps[Verdict], scorer: Any) -> Verdict:
    wave = next(steps)
    try:
        while True:
            wave = steps.send([scorer(r) for r in wave])
    except StopIteration as stop:
        result: Verdict = stop.value
        return result


def test_a_control_scripts_the_model_and_asks_the_real_detector() -> None:
    claim = made([], controls=[Control({"text": "t"}, "nice", True), Control({"text": "t"}, lambda r: claim_reply(r), False)])

    def claim_reply(request: Any) -> Any:
        from pytest_slmtrust import Completion

        assert isinstance(request, Generate)
        return Completion("awful")

    asked = []

    def scorer(request: Any) -> Labels:
        asked.append(request)
        return Labels({"toxicity": 0.9 if request.text == "awful" else 0.1})

    verdicts = [drive(c.steps(), scorer).passed for c in claim.control_cases()]
    assert verdicts == [True, False]
    assert [type(r) for r in asked] == [Classify, Classify]


def test_keys_name_everything_that_an_answer_depends_on() -> None:
    questions: list[Any] = [
        Generate("a"), Generate("b"), Generate("a", max_new_tokens=3), Generate("a", stop=("x",)), Generate("a", temperature=1.0),
        Generate("a", temperature=1.0, sample=1), Loglikelihood("a", "b"), Loglikelihood("a", "b", detail=True), Classify("a"),
    ]  # fmt: skip
    assert len({q.key for q in questions}) == len(questions)
    assert Generate("a", role="baseline").key == Generate("a").key


def test_answers_survive_the_store() -> None:
    request = Loglikelihood("a", "b", detail=True)
    from pytest_slmtrust import TokenLogprob

    answer = Logprob(-1.25, True, 2, (TokenLogprob(-1.0, -2.0, 0.5),))
    assert request.decode(request.encode(answer)) == answer
    with pytest.raises(ValueError):
        request.encode(Logprob(float("nan"), True, 1))


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict(True), "passed"), (Verdict(False), "failed"), (Verdict(None, 1.0), "measured"), (Verdict(None), "unscored"),
        (Verdict.unscored("x"), "unscored"), (Verdict(True, float("inf")), "unscored"),
        (Verdict(None, 1.0, reason="x"), "unscored"),
    ],
)  # fmt: skip
def test_outcomes(verdict: Verdict, outcome: str) -> None:
    assert verdict.outcome == outcome


def test_a_label_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="this classifier gives: toxicity"):
        Labels({"toxicity": 0.1})["insult"]


def test_ids_grow_where_six_digits_collide() -> None:
    cases = made([{"text": str(i)} for i in range(9000)]).cases(FULL)
    assert len({c.id for c in cases}) == 9000
    assert {len(c.id) for c in cases} == {6, 12}


def test_ids_are_text_without_separators() -> None:
    (case,) = made([Row({"text": "a"}, 7)]).cases(FULL)  # type: ignore[arg-type]
    assert case.id == "7"
    (case,) = made([Row({"text": "a"}, "\x1b]0;x")]).cases(FULL)
    assert case.id.isprintable()
    with pytest.raises(ProbeError, match="separates the parts"):
        made([Row({"text": "a"}, "one::two")]).cases(FULL)


def test_an_endless_strategy_ends() -> None:
    from hypothesis import strategies as st

    assert 500 < len(made(st.fixed_dictionaries({"text": st.text()})).cases(FULL)) <= 1000


def test_rows_from_a_generator_are_kept() -> None:
    claim = made({"text": str(i)} for i in range(3))
    assert len(claim.cases(FULL)) == len(claim.cases(FULL)) == 3


def test_a_probe_without_its_input_is_not_tested() -> None:
    from pytest_slmtrust.backends.fake import FakeBackend
    from pytest_slmtrust.engine.engine import Engine
    from pytest_slmtrust.engine.store import Store
    from pytest_slmtrust.gates.policy import load_policy
    from pytest_slmtrust.redaction import Mask
    from pytest_slmtrust.session.session import AuditSession

    @probe(dimension="privacy", rows=lambda p: [{"text": p.inputs["members"]}], inputs=("members",), tolerance=0.5)
    def remembers(text: str) -> Steps[Verdict]:
        yield from ask(Generate(text))
        return Verdict(True)

    def session(inputs: dict[str, str]) -> AuditSession:
        engine = Engine({("generate", "target"): FakeBackend("yes")}, Store(Path(tempfile.mkdtemp()), "s"))
        return AuditSession(load_policy("smoke", inputs=inputs), engine, Mask(b"k"))

    lacking = session({})
    result, _ = lacking.gate_result(lacking.add(remembers, "p"))
    assert result.status == "NOT TESTED"
    assert result.reason == "needs --slm-members"
    given = session({"members": "a.jsonl"})
    assert [dict(c.params) for c in given.add(remembers, "p").cases] == [{"text": "a.jsonl"}]
