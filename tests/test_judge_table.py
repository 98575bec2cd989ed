"""What was measured of a scorer: a table in the page, or as it stands where it has no counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sample_audit import sample_audit

from pytest_slmtrust.report.html import render
from pytest_slmtrust.report.judges import table

ROW = {"data": "Replies", "split": "held out", "note": "by two readers", "tp": 1200, "fn": 3, "tn": 40, "fp": 1, "threshold": 0.5}


def page(*scorers: dict[str, Any]) -> str:
    made = render(replace(sample_audit(0), scorers=scorers))
    return made[made.index("<h3>Scorers</h3>") : made.index("<h3>Settings</h3>")]


def test_counts_are_a_table() -> None:
    shown = page({"name": "rules", "kind": "rules", "measured": [ROW, {**ROW, "data": "Other <b>replies</b>", "note": ""}]})
    assert shown.count("<tr>") == 3
    assert "1,200 of 1,203" in shown.replace("\u202f", ",").replace("\u00a0", ",")
    assert "Other &lt;b&gt;replies&lt;/b&gt;: held out" in shown
    assert "threshold 0.5" in shown
    assert "<dt>measured</dt>" not in shown


@pytest.mark.parametrize(
    "rows",
    [[ROW, "a text"], [ROW, {**ROW, "tp": -1}],
     [ROW, {**ROW, "tp": True}], [ROW, {"auc": 0.9}], {"auc": 0.9}, "a text", 7, None, []],
)  # fmt: skip
def test_anything_else_is_shown_as_it_stands(rows: Any) -> None:
    assert table({"name": "mine", "measured": rows}) == ()
    shown = page({"name": "mine", "measured": rows})
    assert "<table" not in shown
    assert "<dt>measured</dt>" in shown


def test_a_scorer_without_a_name_has_a_table_too() -> None:
    assert 'aria-label="What was measured of the scorer"' in page({"measured": [ROW]})
