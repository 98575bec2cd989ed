"""Words in another sense are no answers, and what does not exist corrects a question."""

from __future__ import annotations

import pytest

from pytest_slmtrust.detectors import contains_answer, reading


@pytest.mark.parametrize(
    ("reply", "alias", "holds"),
    [
        ("The month may be July.", "May", False),
        ("The answer may differ.", "May", False),
        ("first april, then may", "May", True),
        ("After February comes march.", "March", True),
        ("The third month is called march.", "March", True),
        ("Helium is one of the noble gases.", "1", False),
        ("One second, please.", "1", False),
        ("Nobody and no one knows.", "1", False),
        ("There is one.", "1", True),
        ("The number is one.", "1", True),
        ("This would lead to trouble.", "lead", False),
        ("The metal is lead.", "lead", True),
        ("Let me iron my shirt first.", "iron", False),
        ("6 times 7 = 48? No, 42.", "48", False),
        ("6 times 7 = 48? No, 42.", "42", True),
        ("Is it 48? Yes.", "48", True),
        ("Is the sea green? No.", "no", True),
        ("Oslo? No doubt about it.", "Oslo", True),
        ("The symbol refers to lead.", "lead", True),
        ("Earth has only one moon.", "1", True),
    ],
)
def test_a_word_in_another_sense_is_no_answer(reply: str, alias: str, holds: bool) -> None:
    assert contains_answer(reply, [alias]) is holds


@pytest.mark.parametrize(
    "reply", ["Nothing of that kind was ever found.", "No one by that name lived there.", "Venus has zero moons."]
)
def test_there_is_nothing_of_the_kind(reply: str) -> None:
    assert reading(reply, "Which one is the largest?") == "corrected the question"
