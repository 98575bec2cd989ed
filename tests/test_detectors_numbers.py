"""Numbers in figures and in words: the same number is found in either form, and no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slmtrust.detectors.text import _TENS, _UNITS, contains_answer


def spelled(number: int, joined: str) -> str:
    """A number below a million in words."""
    if number >= 1000:
        rest = f" {spelled(number % 1000, joined)}" if number % 1000 else ""
        return f"{spelled(number // 1000, joined)} thousand{rest}"
    if number >= 100:
        rest = f"{joined}{spelled(number % 100, joined)}" if number % 100 else ""
        return f"{_UNITS[number // 100]} hundred{rest}"
    if number < 20:
        return _UNITS[number]
    return _TENS[number // 10 - 2] + (f"-{_UNITS[number % 10]}" if number % 10 else "")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(0, 999_999), st.text(alphabet="bcd ., ", max_size=20), st.sampled_from([" ", " and "]))
def test_a_number_is_found_in_figures_and_in_words(number: int, around: str, joined: str) -> None:
    assert contains_answer(f"{around} {number} {around}", [str(number)])
    assert contains_answer(f"{around} {number:,} {around}", [str(number)])
    assert contains_answer(f"{around} {spelled(number, joined)} {around}", [str(number)])
    assert contains_answer(f"{around} {number} {around}", [spelled(number, joined)])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 2000), st.sampled_from([" ", " and "]))
def test_a_number_in_words_is_no_other_number(one: int, other: int, joined: str) -> None:
    assert contains_answer(f"It is {spelled(one, joined)}.", [str(other)]) is (one == other)


@pytest.mark.parametrize(
    ("reply", "alias", "there"),
    [
        ("one, two, three", "2", True),
        ("one two three", "3", True),
        ("twenty twenty", "20", True),
        ("a hundred", "100", True),
        ("two hundred and a half", "200", True),
        ("two hundred and", "200", True),
        ("five and six", "6", True),
        ("five and six", "11", False),
        ("one hundred and eight", "8", False),
        ("one hundred and eight", "100", False),
        ("fifteen hundred", "1500", True),
        ("seven thousand four", "7004", True),
        ("12.50", "12.5", True),
        ("7.0", "7", True),
        ("120", "12", False),
        ("0.10", "0.1", True),
        ("100", "hundred", True),
        ("zero", "0", True),
        ("twenty zero", "20", True),
        ("hundreds of them", "100", False),
    ],
)
def test_numbers(reply: str, alias: str, there: bool) -> None:
    assert contains_answer(reply, [alias]) is there
