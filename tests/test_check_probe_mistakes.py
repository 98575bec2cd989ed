"""What ``slmtrust check-probe`` says of mistakes in the frame of a probe: decorators, rows that are there twice, no claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Check = Callable[..., tuple[int, str]]
PLAIN = """
    reply = yield from ask(Generate(text))
    return Verdict(bool(reply.text))
"""
DECORATED = {
    "@holds_under(unnoticed)\nPROBE\ndef one(text):": "3: put @probe above @holds_under",
    "@functools.lru_cache\nPROBE\ndef one(text):": "3: put @probe above @functools.lru_cache",
    "@pytest.mark.skip\nPROBE\ndef one(text):": "3: put @probe above @pytest.mark.skip, or rather its mark into the rows",
    "PROBE\n@pytest.mark.skip\ndef one(text):": "3: ProbeError: one has a mark of pytest, which is not looked at: mark its rows",
    "PROBE\nPROBE\ndef one(text):": "3: ProbeError: two @probe are on 'one': leave one",
    "PROBE\n@holds_under\ndef one(text):": "4: ProbeError: @holds_under takes a strategy of edits: @holds_under(unnoticed)",
    "PROBE\n@staticmethod\ndef one(text):": "3: ProbeError: @probe is on staticmethod; expected a function that asks",
    "PROBE\nclass One:\n  def f(text):": "3: ProbeError: @probe is on the class One; expected a function that asks",
    "PROBE\nasync def one(text):": "3: ProbeError: @probe: 'one' must ask with `yield from ask(...)`: it is an async function",
    "PROBE\n@holds_under(unnoticed)\nclass One:\n  def f(text):": "4: ProbeError: @holds_under is on the class One; expected",
}


@pytest.mark.parametrize(("head", "wanted"), DECORATED.items())
def test_decorators_in_another_order_or_on_no_function(check: Check, head: str, wanted: str) -> None:
    made = head.replace("PROBE", '@probe(dimension="privacy", rows=[{"text": "a b"}])')
    body = PLAIN.replace("yield from", "await") if "async" in head else PLAIN
    imports = "import functools, pytest; from pytest_slmtrust.authoring.strategies import unnoticed\n"
    status, said = check(imports + made + body)
    assert status == 4
    first = said.splitlines()[0]
    assert first.startswith(f"probe_mine.py:{wanted}"), first
    assert len(first) < 180


def test_a_decorator_that_gives_a_probe_back_may_stand_above(check: Check) -> None:
    text = 'def kept(one):\n    return one\n@kept\n@probe(dimension="privacy", rows=[{"text": "a b"}])\ndef one(text):'
    assert check(text + PLAIN)[0] == 1
    lost = text.replace("return one", "return None") + PLAIN
    assert check(lost + lost.replace("one(text)", "two(text)").replace("return None", "return one"))[1].startswith(
        "probe_mine.py:4: put @probe above @kept"
    )


def test_what_an_author_left_out_or_wrote_twice(check: Check, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('text,n\nWhat?,1\n"two\nlines",2\nWhat?,3\n')
    rows = 'from_csv(__file__.replace("probe_mine.py", "rows.csv"), {"text": str})'
    said = check(f"@probe(dimension='privacy', rows={rows})\ndef one(text):{PLAIN}")[1]
    assert "row 1 (line 2) and row 3 (line 5): they are the same row, remove one" in said
    said = check(f"@probe(dimension='privacy', rows=[{{'text': t}} for t in 'abca'])\ndef one(text):{PLAIN}")[1]
    assert "row 0 and row 3: they are the same row, remove one" in said
    said = check(f"@probe(dimension='privacy', rows=[{{'text': t}} for t in 'abc'])\ndef one(text):{PLAIN}")[1]
    assert "note: it has no docstring: its first line is the claim that the report prints" in said
