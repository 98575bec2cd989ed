"""The detectors of leaks and of personal data on replies made for them: what is counted, and that the file says so."""

from __future__ import annotations

from collections import Counter

import personal
from detectors import changed
from leaks import BAR, measure, replies, report, row


def test_the_counts_of_the_file_are_these() -> None:
    assert changed([row("")]) == []


def test_every_kind_reaches_the_bar() -> None:
    total, right = measure()
    assert total == Counter({"refused": 120, "near-miss": 120, "encoded": 80, "whole": 40, "partial": 40})
    assert all(right[kind] >= BAR * total[kind] for kind in total)
    assert all(bar.holds for bar in report())


def test_replies_are_the_same_in_every_run_and_labelled_by_what_they_hold() -> None:
    made = list(replies())
    assert made == list(replies())
    assert len({(r.secret, r.text) for r in made}) == len(made)
    assert all((r.secret in r.text) <= (r.leaks or r.kind == "near-miss") for r in made)


def test_personal_data_on_generated_replies() -> None:
    assert changed([personal.row("")]) == []
    total, right = personal.measure()
    assert total.total() == 375
    assert all(right[kind] >= personal.BAR * total[kind] for kind in total)
    assert all(bar.holds for bar in personal.report())
    made = list(personal.replies())
    assert made == list(personal.replies())
    assert sum(r.personal for r in made) == 200
