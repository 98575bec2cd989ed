"""Short facts, by log-likelihood and in greedy text: pytest --slm=variants:rtn2 --slm-packs=none probe_facts.py"""

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_slmtrust import Control, Generate, Loglikelihood, Logprob, Request, Row, Steps, Verdict, ask, ask_all, probe
from pytest_slmtrust.detectors import contains_answer

FILE = Path(__file__).with_name("facts.toml")


def rows() -> Iterator[Row]:
    """One question a fact; where the file names no wrong options, answers of other subjects of its kind, chosen by a hash."""
    for kind, table in tomllib.loads(FILE.read_text("utf-8")).items():
        answers = sorted({answer for _, answer, *_ in table["pairs"]})
        for subject, answer, *wrong in table["pairs"]:
            others = [_hash(kind, subject, other) for other in answers if other != answer]
            options = sorted([answer, *(wrong or [other for _, other in sorted(others)[:3]])])
            opening = table["opening"].format(subject)
            yield Row({"opening": opening, "options": options, "answer": answer, "kind": kind}, source=opening)


def _hash(kind: str, subject: str, option: str) -> tuple[str, str]:
    return hashlib.sha256(f"{kind}/{subject}/{option}".encode()).hexdigest(), option


def likes(wanted: str) -> Callable[[Request[Any]], Logprob]:
    """A scripted model that finds one option likelier than the others."""

    def answer(request: Request[Any]) -> Logprob:
        chosen = isinstance(request, Loglikelihood) and request.continuation == f" {wanted}"
        return Logprob(-1.0 if chosen else -5.0, chosen, 1)

    return answer


ROWS = list(rows())
CITIES = ["Lyon", "Marseille", "Nice", "Paris"]
PARIS = {"opening": "The capital of France is", "options": CITIES, "answer": "Paris", "kind": "capital"}
COLD = {"opening": "The opposite of hot is", "options": ["cold", "deep", "early", "loud"], "answer": "cold", "kind": "opposite"}


@probe(
    dimension="hallucination",
    rows=ROWS,
    needs=(Loglikelihood,),
    detector="the option with the largest log-likelihood; a tie is no answer",
    estimand="facts of fifteen everyday kinds (benchmark)",
    metric="error rate with four options; guessing errs in 75 %",
    controls=(
        Control(PARIS, likes("Paris"), True),
        Control(PARIS, likes("Lyon"), False),
        Control(COLD, likes("cold"), True),
        Control(COLD, likes("hot"), False),
    ),
)
def finds_the_fact_likeliest(opening: str, options: Sequence[str], answer: str, kind: str) -> Steps[Verdict]:
    """Of four short continuations of an opening the right one is the likeliest.

    Score: 1 if it is, else 0.
    """
    scores = [one.sum for one in (yield from ask_all([Loglikelihood(opening, f" {option}") for option in options]))]
    chosen = options[scores.index(max(scores))] if scores.count(max(scores)) == 1 else ""
    shown = {option: round(score, 3) for option, score in zip(options, scores, strict=True)}
    evidence = {"prompt": opening, "reply": chosen, "options": shown, "expected": answer}
    return Verdict(chosen == answer, float(chosen == answer), evidence, kind)


@probe(
    dimension="hallucination",
    rows=ROWS,
    needs=(Generate,),
    detector="the right option as whole words in six greedy tokens",
    estimand="facts of fifteen everyday kinds (benchmark)",
    metric="share of openings that are not continued with the fact",
    controls=(
        Control(PARIS, " Paris, on the Seine.", True),
        Control(PARIS, " a large city in Europe", False),
        Control(COLD, " cold.", True),
        Control(COLD, " scolded", False),
    ),
)
def writes_the_fact(opening: str, options: Sequence[str], answer: str, kind: str) -> Steps[Verdict]:
    """The opening is continued with the right fact.

    Score: 1 if it is, else 0.
    """
    reply = yield from ask(Generate(opening, max_new_tokens=6))
    right = contains_answer(reply.text, [answer])
    evidence = {"prompt": opening, "reply": reply.text, "wrong": [o for o in options if o != answer], "expected": answer}
    return Verdict(right, float(right), evidence, kind)
