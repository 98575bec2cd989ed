# mypy: disable-error-code="arg-type, call-overload, dict-item"
"""Answers that no gate may count: well-formed nonsense, by the kind of request that they answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

from pytest_slmtrust import Completion, Edit, Failure, Labels, Logprob, TokenLogprob
from pytest_slmtrust.backends.fake import FakeBackend


class Loud(str):
    """A text that is another one when it is printed."""

    def __str__(self) -> str:
        return "harmless"


class Long(Completion):
    """A completion by inheritance."""


class Word(StrEnum):
    YES = "yes"


class Endless(Mapping[str, float]):
    """Labels without end."""

    def __getitem__(self, key: str) -> float:
        return 0.0

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            yield f"label {(number := number + 1)}"


class Broken:
    """Breaks wherever it is touched."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("\x1b[2J::error::touched")

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def bare(kind: type) -> Any:
    """An instance whose fields were never set."""
    return kind.__new__(kind)


def token(logp: Any = -1.0, mean: Any = -2.0, var: Any = 1.0) -> TokenLogprob:
    return TokenLogprob(logp, mean, var)


def logprob(total: Any = -1.0, greedy: Any = False, n: Any = 1, tokens: Any = ()) -> Logprob:
    return Logprob(total, greedy, n, tokens)


def toxicity(score: Any) -> Labels:
    return Labels({"toxicity": score})


#: For a request of 8 new tokens, and a continuation of 4 letters.
ANSWERS: dict[str, list[tuple[Any, str]]] = {
    "generate": [
        (None, "it is None; expected a Completion"),
        (7, "it is 7"),
        (True, "it is True"),
        ([], "it is a list"),
        ({"text": "x", "n_tokens": 1, "finished": True}, "it is a dict"),
        (SimpleNamespace(text="x", n_tokens=1, finished=True), "it is a SimpleNamespace"),
        (Long("x", 1), "it is a Long"),
        (Broken(), "not a usable answer"),
        (logprob(), "it is a Logprob"),
        (toxicity(0.0), "it is a Labels"),
        (Completion(None, 1), "text is None; expected a str"),
        (Completion(b"ok", 1), "text is a bytes"),
        (Completion(["o", "k"], 1), "text is a list"),
        (Completion({"text": "ok"}, 1), "text is a dict"),
        (Completion(7, 1), "text is 7"),
        (Completion(Loud("ok"), 1), "text is a Loud"),
        (Completion(Word.YES, 1), "text is a Word"),
        (Completion(Broken(), 1), "text is a Broken"),
        (Completion("a\ud800b", 1), "lone surrogate at character 1"),
        (Completion("x" * 3000, 1), "text has 3000 characters; expected at most 2048"),
        (Completion("ok", "1"), "n_tokens is '1'; expected an int"),
        (Completion("ok", True), "n_tokens is True"),
        (Completion("ok", 1.0), "n_tokens is 1.0"),
        (Completion("ok", -1), "n_tokens is -1; expected 0 to 96"),
        (Completion("ok", 10**9), "n_tokens is 1000000000"),
        (Completion("ok", 10**5000), "n_tokens is"),
        (Completion("ok", 1, 1), "finished is 1; expected True or False"),
        (Completion("ok", 1, None), "finished is None"),
        (Completion("ok", 1, "yes"), "finished is 'yes'"),
        (Completion("ok", 1, thought=None), "thought is None"),
        (Completion("ok", 1, thought=7), "thought is 7; expected a str"),
        (Completion("ok", 1, thought_finished=1), "thought_finished is 1"),
        (Completion("ok", 1, thought_tokens=-1), "thought_tokens is -1"),
        (Completion("<think>x</think>" + "x" * 3000, 1), "text has 3000 characters; expected at most 2048"),
        (Failure(None), "a Failure whose message is None"),
        (Failure("\ud800\x1b[2J\n::error::x"), r"\ud800\x1b[2J\n::error::x"),
    ],
    "loglikelihood": [
        (-1.0, "it is -1.0; expected a Logprob"),
        ((-1.0, False), "it is a tuple"),
        (Completion("x"), "it is a Completion"),
        (logprob(math.nan), "sum is nan; expected a finite number"),
        (logprob(-math.inf), "sum is -inf"),
        (logprob(0.5), "sum is 0.5; expected at least -1e+06 and at most 0.001"),
        (logprob(-1e300), "sum is -1e+300"),
        (logprob(False), "sum is False; expected a number"),
        (logprob("-1"), "sum is '-1'"),
        (logprob(-(10**400)), "sum is"),
        (logprob([-1.0]), "sum is a list"),
        (logprob(np.array([-1.0])), "sum is a ndarray"),
        (logprob(np.float32("nan")), "sum is nan"),
        (logprob(complex(-1)), "sum is a complex"),
        (logprob(greedy=1), "greedy is 1"),
        (logprob(greedy="False"), "greedy is 'False'"),
        (logprob(n=-1), "n_tokens is -1"),
        (logprob(n=True), "n_tokens is True"),
        (logprob(n=1.5), "n_tokens is 1.5"),
        (logprob(n=10**7), "n_tokens is 10000000"),
        (logprob(-3.0, n=0), "sum is -3 of 0 tokens"),
        (logprob(tokens="a"), "tokens is 'a'"),
        (logprob(tokens=(token(), token())), "tokens has 2 entries and n_tokens is 1"),
        (logprob(tokens=(-1.0,)), "tokens[0] is -1.0; expected a TokenLogprob"),
        (logprob(-9.0, tokens=(token(-1.0),)), "sum is -9 and its tokens sum to -1"),
        (logprob(tokens=(token(var=-2.0),)), "tokens[0].var is -2; expected at least -0.001"),
        (logprob(tokens=(token(mean=4.0),)), "tokens[0].mean is 4"),
        (logprob(tokens=(token(logp=0.2),)), "tokens[0].logp is 0.2"),
        (logprob(tokens=(token(var=math.inf),)), "tokens[0].var is inf"),
    ],
    "classify": [
        (0.0, "it is 0.0; expected a Labels"),
        ({"toxicity": 0.0}, "it is a dict"),
        ("toxicity", "it is 'toxicity'"),
        (toxicity(-5.0), "scores['toxicity'] is -5; expected at least 0 and at most 1"),
        (toxicity(1.5), "scores['toxicity'] is 1.5"),
        (toxicity(-1e-9), "scores['toxicity'] is -1e-09"),
        (toxicity(False), "scores['toxicity'] is False; expected a number"),
        (toxicity(np.bool_(False)), "scores['toxicity'] is False"),
        (toxicity("0.0"), "scores['toxicity'] is '0.0'"),
        (toxicity(None), "scores['toxicity'] is None"),
        (toxicity(math.nan), "scores['toxicity'] is nan"),
        (toxicity([0.0]), "scores['toxicity'] is a list"),
        (Labels({}), "scores has no labels"),
        (Labels({"insult": 0.0}), "scores has no label 'toxicity', only 'insult'"),
        (Labels({"toxicity": 0.0, 3: 0.0}), "a label is 3"),
        (Labels({"toxicity": 0.0, "": 0.0}), "the label '' is empty"),
        (Labels({"toxicity": 0.0, "x" * 300: 0.0}), "a label has 300 characters"),
        (Labels({"toxicity": 0.0, "other": 2}), "scores['other'] is 2"),
        (Labels([("toxicity", 0.0)]), "scores is a list"),
        (Labels(Endless()), "scores has 1001 labels"),
        (Labels(None), "scores is None"),
        (bare(Labels), "reading it raised AttributeError"),
    ],
    "perturb": [
        (None, "the text is None"),
        (["a"], "the text is a list"),
        (b"a", "the text is a bytes"),
        (Loud("a"), "the text is a Loud"),
        (Completion("a"), "the text is a Completion"),
        ("\udfff", "lone surrogate at character 0"),
        ("x" * 5000, "the text has 5000 characters"),
    ],
    "edits": [
        (None, "the answer is None; expected a tuple"),
        ("text", "the answer is 'text'"),
        ((("a", 1),), "edit 0 is a tuple; expected an Edit"),
        ((Edit(-2, "a"),), "the word of edit 0 is -2"),
        ((Edit(True, "a"),), "the word of edit 0 is True"),
        ((Edit(0, None),), "the text of edit 0 is None"),
        ((Edit(0, "x" * 5000),), "the text of edit 0 has 5000 characters"),
        ((Edit(0, "a"),) * 20_001, "the answer has 20001 entries"),
        ((Edit(0, "\ud800"),), "lone surrogate"),
    ],
}  # fmt: skip
COUNT = sum(map(len, ANSWERS.values()))


Run = Callable[[Sequence[Any]], Any]


class Scripted(FakeBackend):
    """Yields what a function of the requests gives."""

    def __init__(self, script: Run) -> None:
        FakeBackend.__init__(self, name="stub")
        self.script = script

    def run(self, requests: Sequence[Any]) -> Any:
        self.calls.append(list(requests))
        return self.script(requests)
