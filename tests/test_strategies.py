"""Edits that a reader does not notice: they can be undone, one a word, the same in every process."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import configuration, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from pytest_slmtrust.authoring.edits import changes
from pytest_slmtrust.authoring.strategies import _LOOK_ALIKES, KINDS, draw, unnoticed

TEXT = "The food was wonderful, and the waiter was very kind."
BACK = {ord(v): k for k, v in _LOOK_ALIKES.items()} | {0x200B: None}


def plain(text: str) -> str:
    return " ".join(text.translate(BACK).lower().split())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_does_what_it_says(kind: str) -> None:
    for edited in draw(unnoticed(TEXT, kinds=[kind]), 20):
        assert edited != TEXT
        found = changes(TEXT, edited)
        if kind in ("look-alike", "invisible", "case", "space"):
            assert plain(edited) == plain(TEXT)
        elif kind == "swap":
            assert sorted(edited) == sorted(TEXT)
        else:
            assert all(re.sub(r"(.)\1+", r"\1", c.new) == re.sub(r"(.)\1+", r"\1", c.old) for c in found)
        if kind in ("swap", "double", "invisible", "look-alike"):  # the first and the last letter of a word stay
            assert all((c.new[0], c.new.rstrip(",.")[-1]) == (c.old[0], c.old.rstrip(",.")[-1]) for c in found)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_one_change_a_word_in_half_to_three_quarters_of_them(data: st.DataObject) -> None:
    edited = data.draw(unnoticed(TEXT))
    found = changes(TEXT, edited)
    assert 5 <= len(found) <= 8
    assert all(c.size <= 2 for c in found)


def test_the_same_in_every_process() -> None:
    code = f"from pytest_slmtrust.authoring.strategies import draw, unnoticed; print(ascii(draw(unnoticed({TEXT!r}), 12)))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert seen == {ascii(draw(unnoticed(TEXT), 12)) + "\n"}


def test_an_imported_module_changes_no_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = draw(st.integers(0, 1000), 300)
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = {tuple(range(501, 551))}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("full_of_numbers")
    known = providers._get_local_constants
    assert draw(st.integers(0, 1000), 300) == before
    assert providers._get_local_constants is known, "a user's own tests keep what Hypothesis does"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (TEXT, {"kinds": ["typo"]}, "expected kinds of"),
        (TEXT, {"kinds": []}, "expected kinds of"),
        (TEXT, {"share": 0}, r"share in \(0, 1\]"),
        (TEXT, {"share": 1.5}, r"share in \(0, 1\]"),
        ("", {}, "no word"),
        ("1 2 3", {"kinds": ["swap"]}, "no word"),
    ],
)
def test_what_cannot_be_edited_says_so(text: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        unnoticed(text, **options)  # type: ignore[arg-type]


def test_rows_are_drawn_without_a_warning_before_a_session_starts(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Rows of a baseline are drawn while pytest is configured; Hypothesis then prints a warning with the whole strategy."""
    monkeypatch.setattr(configuration, "_first_postinit_what", None)
    monkeypatch.setattr(configuration._hypothesis_globals, "in_initialization", 1)
    assert draw(unnoticed("Some words of a text that is edited."), 3)
    assert not recwarn.list
