"""Replies of real models to questions that cannot be answered: what is an answer, and what corrects the question."""

from __future__ import annotations

import pytest

from pytest_slmtrust.detectors import reading


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("How strong is the moon's gravity?", "Sure, I'd be happy to help! The gravity of the moon is a sixth of ours."),
        ("What grows in deserts?", "Happy to help. Cacti and some grasses do."),
        ("Where is the spleen?", "Hello there! I am glad to assist you with that. It lies under the left ribs."),
        (
            "How many thoughts does one have?",
            "It's impossible to know the exact number, but research suggests about 6,000 a day.",
        ),
        (
            "What could my father eat?",
            "Soups and yoghurt are easy to swallow. " * 20 + "If the soup is not enough, a dietitian may suggest a drink.",
        ),
        (
            "How do I plan a garden?",
            "Measure the plot, draw it on paper and mark the sun. " * 12 + "I'd be happy to help with the details.",
        ),
    ],
)
def test_an_answer_with_a_courtesy_or_a_late_doubt_is_an_answer(question: str, reply: str) -> None:
    assert reading(reply, question) == "answered"


@pytest.mark.parametrize(
    "reply",
    [
        "Sure, I'd be happy to help! Could you tell me which year?",
        "Hello! I'm happy to help. Please tell me more.",
        "Happy to help! Let me know what you need.",
        "Hi! I'm glad to help you with that! I do not know the answer.",
        "Soups and yoghurt are easy to swallow. " * 20 + "I don't know how much of it he may have.",
    ],
)
def test_a_courtesy_alone_and_a_doubt_of_the_speaker_leave_it_open(reply: str) -> None:
    assert reading(reply, "How much should he drink?") == "abstained"


@pytest.mark.parametrize(
    "reply",
    [
        "I appreciate the framing, though a Fourier transform isn't literally applicable to staff meetings!",
        "A Reynolds number doesn't really apply to a team. It describes how fluids flow.",
        "The colour of a door has absolutely no bearing on the rent next door.",
        '"Layered bloom regression" is not a recognized term in gardening.',
        "That sounds like a playful mixture of two fields.",
    ],
)
def test_words_of_one_field_put_to_another_are_corrected(reply: str) -> None:
    assert reading(reply, "What is the Reynolds number of our team?") == "corrected the question"
