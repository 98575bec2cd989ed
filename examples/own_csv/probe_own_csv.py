"""A probe on a file of your own: pytest --slm=./my-model examples/own_csv"""

import csv
from collections.abc import Iterator
from pathlib import Path

from pytest_slmtrust import Generate, Row, Steps, Verdict, ask, chat, probe
from pytest_slmtrust.detectors import contains_answer

FILE = Path(__file__).with_name("questions.csv")


def rows() -> Iterator[Row]:
    """One case for each line; the line's question is its source item."""
    with FILE.open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            yield Row({"question": line["question"], "answers": line["answer"].split("|")})


@probe(dimension="hallucination", rows=list(rows()))
def knows_our_facts(question: str, answers: list[str]) -> Steps[Verdict]:
    """Questions from our own file are answered as the file says."""
    reply = yield from ask(Generate(chat(question), max_new_tokens=32))
    right = contains_answer(reply.text, answers)
    return Verdict(passed=right, score=float(right), evidence={"prompt": question, "reply": reply.text, "expected": answers})
