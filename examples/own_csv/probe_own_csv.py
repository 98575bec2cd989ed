"""A probe on a file of your own: pytest --slm=./my-model examples/own_csv"""

from pathlib import Path

from pytest_slmtrust import Generate, Steps, Verdict, ask, chat, from_csv, probe
from pytest_slmtrust.detectors import contains_answer

ROWS = from_csv(Path(__file__).with_name("questions.csv"), {"question": str, "answer": str})


@probe(dimension="hallucination", rows=ROWS)
def knows_our_facts(question: str, answer: str) -> Steps[Verdict]:
    """Questions from our own file are answered as the file says; ``|`` stands between answers that are right."""
    reply = yield from ask(Generate(chat(question), max_new_tokens=32))
    right = contains_answer(reply.text, answer.split("|"))
    return Verdict(passed=right, score=float(right), evidence={"prompt": question, "reply": reply.text, "expected": answer})
