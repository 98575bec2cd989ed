"""The leak detector on scripted replies: what is counted, and that the file says so."""

from __future__ import annotations

from collections import Counter

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
