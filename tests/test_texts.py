"""Differences of two texts: what is applied again gives the other text, in whole words, and a reader sees all of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slmtrust.authoring.edits import Change, apply, changes, difference, size, words_changed

WORDS = st.lists(st.sampled_from(["a", "bc", "def", "ghij", "abba", "\u200b"]), max_size=8).map(" ".join)


@given(WORDS, WORDS)
def test_changes_turn_the_one_text_into_the_other(before: str, after: str) -> None:
    found = changes(before, after)
    assert apply(before, found) == after
    assert (found == []) == (before == after)
    assert all(before[c.start : c.stop] == c.old and c.old != c.new for c in found)
    assert all(a.stop <= b.start for a, b in itertools.pairwise(found))


@given(st.text(alphabet="ab \n", max_size=20), st.text(alphabet="ab \n", max_size=20))
def test_any_two_texts(before: str, after: str) -> None:
    assert apply(before, changes(before, after)) == after
    assert (size(changes(before, after)) == 0) == (before == after)


def test_words_stay_whole() -> None:
    assert changes("a good film", "a fine film") == [Change(2, "good", "fine")]
    both = changes("a good long film", "a fine long movie")
    assert [c.new for c in both] == ["fine", "movie"]
    assert apply("a good long film", both[:1]) == "a fine long film"
    assert changes("the food was", "the  Food waas") == [
        Change(3, " ", "  "),
        Change(4, "food", "Food"),
        Change(9, "was", "waas"),
    ]
    assert apply("one two", changes("one two", "one")) == "one"


@pytest.mark.parametrize(
    ("before", "after", "characters"),
    [("wonderful", "wonderfull", 1), ("form", "from", 2), ("case", "Case", 1), ("good", "bad", 3), ("a b", "a  b", 1)],
)
def test_size_counts_characters(before: str, after: str, characters: int) -> None:
    assert size(changes(before, after)) == characters


def test_a_reader_sees_what_cannot_be_seen() -> None:
    assert difference("a word", "a wo\u200brd") == "'word' -> 'wo\\u200brd'"
    assert difference("two words", "two") == "' words' -> nothing"
    assert difference("same", "same") == ""


def test_words_changed() -> None:
    assert words_changed("a b c", "a x c") == 1
    assert words_changed("a b c", "a c") == 1
    assert words_changed("a b c", "c") == 2
    assert words_changed("a b", "a b") == 0
