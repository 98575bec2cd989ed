"""A probe pack: ``pytest --slm=MODEL --slm-packs=builtin,acme``."""

from __future__ import annotations

from pytest_slmtrust import Control, Generate, Probe, Steps, Verdict, ask, probe

NUMBERS = [{"number": n} for n in range(1, 1001)]


@probe(
    dimension="hallucination",
    rows=NUMBERS,
    controls=[
        Control({"number": 7}, "The next number is 8.", passes=True),
        Control({"number": 7}, "The next number is 9.", passes=False),
    ],
    detector="the successor as a whole number in the reply",
    estimand="the share of the numbers from 1 to 1,000",
)
def counts_on(number: int) -> Steps[Verdict]:
    """The model names the number that follows."""
    reply = yield from ask(Generate(f"After {number} comes the number", max_new_tokens=8))
    words = "".join(c if c.isdigit() else " " for c in reply.text).split()
    return Verdict(passed=str(number + 1) in words, evidence={"number": number, "reply": reply.text})


def pytest_slm_probes() -> list[Probe]:
    """The probes of this pack, in the order of the report."""
    return [counts_on]
