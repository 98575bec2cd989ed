# mypy: disable-error-code="arg-type"
"""No answer that is nonsense passes a gate, whichever kind it is and wherever it comes from."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_answers import ANSWERS, COUNT, Scripted
from msgspec.structs import asdict, replace
from runs import audit

from pytest_slmtrust import (
    Classify,
    Completion,
    Edit,
    Edits,
    Failure,
    Generate,
    Labels,
    Loglikelihood,
    Logprob,
    Perturb,
    Request,
    TokenLogprob,
    Verdict,
)
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.admission import Admitted
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.gatekeeper import LONGEST, Refused, VerdictError, accept, check_verdict, plain_data
from pytest_slmtrust.engine.store import Store, store_key

ASKED: dict[str, Request[Any]] = {
    "generate": Generate("say", max_new_tokens=8), "loglikelihood": Loglikelihood("a", "four", detail=True),
    "classify": Classify("a text"), "perturb": Perturb("a text", "char-swap"), "edits": Edits("a text", "deepwordbug"),
}  # fmt: skip
TABLE = [(kind, number) for kind, rows in ANSWERS.items() for number in range(len(rows))]


@pytest.mark.parametrize(("kind", "number"), TABLE)
def test_each_hostile_answer_is_refused_in_one_line(kind: str, number: int) -> None:
    answer, message = ANSWERS[kind][number]
    [(index, got)] = Admitted(Scripted(lambda _: [(0, answer)])).run([ASKED[kind]])
    assert index == 0
    assert type(got) is Failure
    assert message in got.message
    assert "\n" not in got.message
    assert len(got.message) < 300
    assert type(answer) is Failure or got.message.startswith("stub: not a usable answer to ")


GOOD: list[tuple[Request[Any], Any, Any]] = [
    (ASKED["generate"], Completion("", 0, False), None),
    (ASKED["generate"], Completion(np.str_("ok"), np.int64(2), np.bool_(True)), Completion("ok", 2, True)),
    (ASKED["generate"], Completion("\x00\x1b[2J\u202e::error::", 8), None),
    (ASKED["generate"], Completion("<think>" + "x " * 3000 + "</think>yes", 9), Completion("yes", 9, thought=("x " * 3000)[:-1])),
    (ASKED["loglikelihood"], Logprob(-0.0, True, 1), None),
    (ASKED["loglikelihood"], Logprob(1e-7, True, 3), None),
    (ASKED["loglikelihood"], Logprob(np.float32(-2.5), np.bool_(False), np.int32(1)), Logprob(-2.5, False, 1)),
    (ASKED["loglikelihood"], Logprob(-3, False, 2, [TokenLogprob(-1, -2, 0), TokenLogprob(-2.0, -2.5, 1.5)]),
     Logprob(-3.0, False, 2, (TokenLogprob(-1.0, -2.0, 0.0), TokenLogprob(-2.0, -2.5, 1.5)))),
    (ASKED["classify"], Labels({"toxicity": 1, "insult": np.float64(0.25)}), Labels({"toxicity": 1.0, "insult": 0.25})),
    (Classify("a", "spam"), Labels({"yes": 0.5}), None),
    (ASKED["perturb"], "a tetx", None),
    (ASKED["edits"], (), None),
    (ASKED["edits"], [Edit(-1, ""), Edit(np.int64(1), "a tetx")], (Edit(-1, ""), Edit(1, "a tetx"))),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "answer", "wanted"), GOOD)
def test_a_usable_answer_is_rebuilt_from_exact_types_and_survives_the_store(
    request_: Request[Any], answer: Any, wanted: Any
) -> None:
    [(_, made)] = Admitted(Scripted(lambda _: iter([(0, answer)]))).run([request_])
    assert made == (answer if wanted is None else wanted)
    assert accept(request_, request_.decode(request_.encode(made))) == made
    names = [f.name for f in fields(made)] if is_dataclass(made) else getattr(made, "__struct_fields__", ())
    values = [getattr(made, name) for name in names] or list(made)
    assert {type(v) for v in values} <= {str, int, float, bool, tuple, dict, Edit}


def test_what_a_reply_may_hold_has_an_end_whatever_is_asked() -> None:
    with pytest.raises(Refused, match=f"at most {LONGEST}"):
        accept(Generate("a", max_new_tokens=10**9), Completion("x" * (LONGEST + 1), 1))
    assert accept(Generate("a", max_new_tokens=64), Completion(" " * 128 * 64, 64)).n_tokens == 64


PROBES = """
from hostile_answers import ANSWERS
from pytest_slmtrust import Classify, Edits, Generate, Loglikelihood, Perturb, Row, Verdict, ask, probe

ASK = {"generate": lambda t: Generate(t, max_new_tokens=8), "loglikelihood": lambda t: Loglikelihood(t, "four", detail=True),
       "classify": Classify, "perturb": lambda t: Perturb(t, "char-swap"), "edits": lambda t: Edits(t, "deepwordbug")}

def made(kind, number):
    def run(text):
        "It passes whatever is answered."
        yield from ask(ASK[kind](text))
        return Verdict(True)
    rows = [Row({"text": f"{kind}|{number}|{i}"}, id=str(i)) for i in range(6)]
    return probe(dimension="privacy", rows=rows, name=f"{kind}_{number}", tolerance=0.6)(run)

for kind, rows in ANSWERS.items():
    for number in range(len(rows)):
        globals()[f"{kind}_{number}"] = made(kind, number)
"""
CONFTEST = """
from hostile_answers import ANSWERS
from pytest_slmtrust import Classify, Edits, Perturb
from pytest_slmtrust.backends.fake import FakeBackend

class Stub(FakeBackend):
    def run(self, requests):
        for index, request in enumerate(requests):
            text = getattr(request, "prompt", None) or getattr(request, "context", None) or request.text
            kind, number, _ = text.split("|")
            yield index, ANSWERS[kind][int(number)][0]

def pytest_slm_backend(config):
    return Stub(name="stub")

def pytest_slm_scorer(config):
    return Stub(name="stub", answers=(Classify,))

def pytest_configure(config):
    import pytest_slmtrust.backends.textattack.perturb as home
    config.add_cleanup(lambda kept=home.TextAttackBackend: setattr(home, "TextAttackBackend", kept))
    home.TextAttackBackend = lambda: Stub(name="stub", answers=(Perturb, Edits))
"""


@pytest.mark.slow
def test_a_session_of_hostile_answers_has_no_gate_that_passes(pytester: pytest.Pytester) -> None:
    assert COUNT >= 60
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_all=PROBES)
    result = pytester.runpytest_inprocess("--slm=x", "--slm-packs=none", "-q", "-p", "no:terminalreporter")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    data = audit(pytester.path)
    assert data["verdict"] == "INCONCLUSIVE"
    assert len(data["gates"]) == COUNT
    assert {g["status"] for g in data["gates"] if g["blocking"]} == {"INCONCLUSIVE"}
    wrong = []
    for found in data["findings"]:
        kind, _, number = found["probe"].rpartition("_")
        if found["outcome"] != "error" or ANSWERS[kind][int(number)][1] not in found["reason"]:
            wrong.append((found["nodeid"], found["outcome"], found["reason"]))
    assert wrong == []
    assert len(data["findings"]) == 6 * COUNT


@pytest.mark.parametrize("text", [
    '{"scores":{"toxicity":-5.0}}', '{"scores":{"toxicity":false}}', '{"scores":{"toxicity":NaN}}', '{"scores":{}}',
    '{"scores":[]}', '{"scores":{"insult":0.0}}', '{"score":{"toxicity":0.0}}', "[]", "null", "0", "{", "[" * 100_000,
])  # fmt: skip
def test_a_stored_answer_passes_the_same_checks_and_is_asked_anew(tmp_path: Path, text: str) -> None:
    backend = FakeBackend(lambda _: Labels({"toxicity": 0.75}), answers=(Classify,))
    request, store = Classify("a text"), Store(tmp_path, "s")
    key = store_key(backend.fingerprint, request.key)
    store.put([(key, text)])
    assert Engine({("classify", "toxicity"): backend}, store).answer([request]) == [Labels({"toxicity": 0.75})]
    assert store.get([key]) == {key: '{"scores":{"toxicity":0.75}}'}


USUAL = '{"text":"no","n_tokens":2,"finished":true,"thought":"","thought_finished":true,"thought_tokens":0'


@pytest.mark.parametrize("text", [
    USUAL + ',"cut":true}', USUAL + ',"text":"yes","unsure":1}', USUAL.replace('"thought":""', '"thoughts":""') + "}",
    USUAL.replace("2", "2.0") + "}", USUAL.replace("2", "true") + "}", USUAL.replace("true", "1") + "}",
    USUAL.replace("2", "-1") + "}", USUAL.replace("2", "1" + "0" * 30) + "}", USUAL.replace('"no"', "null") + "}",
    USUAL.replace("no", r"\ud800") + "}", USUAL.replace("no", "no" * 5000) + "}", USUAL + "}{}", USUAL,
])  # fmt: skip
def test_a_stored_reply_that_no_version_of_ours_wrote_is_asked_anew(tmp_path: Path, text: str) -> None:
    """Each of these has the checksum of a row that is whole: anyone can compute it."""
    backend = FakeBackend(lambda _: Completion("asked", 1))
    request, store = Generate("a text", max_new_tokens=8), Store(tmp_path, "s")
    key = store_key(backend.fingerprint, request.key)
    store.put([(key, text)])
    assert Engine({("generate", "target"): backend}, store).answer([request]) == [Completion("asked", 1)]
    assert store.get([key]) == {key: request.encode(Completion("asked", 1))}


@pytest.mark.parametrize(
    "text", [USUAL + "}", USUAL.replace(",", ", ") + "}", '{"text":"no","n_tokens":2}', USUAL + ',"route":""}']
)
def test_a_stored_reply_in_another_form_of_the_same_is_read(tmp_path: Path, text: str) -> None:
    backend = FakeBackend(lambda _: Completion("asked", 1))
    request, store = Generate("a text", max_new_tokens=8), Store(tmp_path, "s")
    store.put([(store_key(backend.fingerprint, request.key), text)])
    assert Engine({("generate", "target"): backend}, store).answer([request]) == [Completion("no", 2)]
    assert backend.calls == []


@pytest.mark.parametrize("field", Completion.__struct_fields__)
def test_every_field_of_a_reply_is_checked(field: str) -> None:
    request = Generate("say", max_new_tokens=8)
    for wrong in (None, [], 10**9, -1, "x" * 10**7, 0.5, "\ud800", object()):
        with pytest.raises(Refused):
            accept(request, replace(Completion("ok", 1), **{field: wrong}))


@pytest.mark.parametrize("reply", [
    Completion("a"), Completion('\"\\\n\x00\x7f\u2028é中🙂', 3, False), Completion("b", 1, True, "so <think>", False, 7),
    Completion("c", route="large"), Completion("", thought="é", route="\n"),
])  # fmt: skip
def test_a_reply_is_written_as_json_writes_it_and_read_back(reply: Completion) -> None:
    request = Generate("say")
    data = asdict(reply) if reply.route else {k: v for k, v in asdict(reply).items() if k != "route"}
    assert request.encode(reply) == json.dumps(data, separators=(",", ":"))
    assert request.decode(request.encode(reply)) == reply


VERDICTS: list[tuple[Verdict, str]] = [
    (Verdict(1), "passed is 1; it must be True, False or None"),  # type: ignore[arg-type]
    (Verdict("no"), "passed is 'no'"),  # type: ignore[arg-type]
    (Verdict(np.array([True])), "passed is a ndarray"),  # type: ignore[arg-type]
    (Verdict(True, "0.5"), "score is '0.5'; it must be a number or None"),  # type: ignore[arg-type]
    (Verdict(None, True), "score is True"),
    (Verdict(None, 10**400), "score is"),
    (Verdict(None, 1e308), "score is 1e+308; it must lie between -1e+100 and 1e+100"),
    (Verdict(True, -1e101), "score is -1e+101"),
    (Verdict(True, group=3), "group is 3; it must be a str or None"),  # type: ignore[arg-type]
    (Verdict(None, reason=ValueError("x")), "reason is a ValueError"),  # type: ignore[arg-type]
    (Verdict(True, evidence=["reply"]), "evidence is a list; it must be a dict"),  # type: ignore[arg-type]
    (Verdict(True, evidence={"n": list(range(100_000))}), "evidence has more than 50000 entries"),
]


@pytest.mark.parametrize(("verdict", "message"), VERDICTS, ids=[m for _, m in VERDICTS])
def test_a_verdict_of_wrong_types_is_its_authors_mistake(verdict: Verdict, message: str) -> None:
    with pytest.raises(VerdictError) as caught:
        check_verdict(verdict, "mine")
    assert str(caught.value).startswith("probe 'mine': Verdict.")
    assert message in str(caught.value)


def test_a_verdict_keeps_its_numbers_and_odd_evidence_becomes_text() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    evidence: dict[Any, Any] = {"a": np.float32(0.5), 3: {2, 1}, "b": (1, [None, True]), "c": Odd(), "d": math.inf, "e": 10**30}
    made = check_verdict(Verdict(np.bool_(False), np.float64(0.25), evidence, np.str_("g")), "mine")  # type: ignore[arg-type]
    assert (made.passed, made.score, made.group) == (False, 0.25, "g")
    assert made.evidence == {"a": 0.5, "3": [1, 2], "b": [1, [None, True]], "c": "<unreadable Odd>", "d": "inf", "e": str(10**30)}
    assert check_verdict(Verdict(True, math.nan), "mine").outcome == "unscored"
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Refused):
        plain_data(loop)
