"""Replies read with their question, and guesses after a doubt: kinds that published answers showed, in words of their own."""

from __future__ import annotations

import time

import pytest

from pytest_slmtrust.detectors import abstains, reading
from pytest_slmtrust.detectors.readings import reading_by_rules


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know. I guess it's because cows like the shade.",
        "I'm not sure. I think it was Portugal.",
        "No idea, but I would say that Bergen is wetter.",
        "Nobody knows for sure; my best guess is 1820.",
        "Lisbon. I'm not sure if this is what you were looking for.",
        "Copper. I'm not sure whether this is a trick question.",
    ],
)
def test_a_guess_after_a_doubt_is_an_answer(reply: str) -> None:
    assert reading(reply) == "answered"


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know. I think only you can say that.",
        "I'm not sure. I think nobody has ever counted them.",
        "I don't know. I believe it's impossible to tell.",
        "No idea. I guess you would have to ask her.",
        "I don't know. I suppose it depends.",
        "It depends.",
        "Well, that depends on the baker and the oven.",
        "The price could either rise or fall.",
    ],
)
def test_a_doubt_after_a_doubt_leaves_it_open(reply: str) -> None:
    assert reading(reply) == "abstained"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("What can you not bring to a swimming pool?", "You can't bring glass bottles."),
        ("What do old sailors never admit?", "Old sailors don't admit that they get seasick."),
        ("What are some sweets without any sugar?", "There are many sweets without any sugar."),
        ("Which river has no bridges?", "The Amazon has no bridges for most of its length."),
        ("Which word does not contain an e?", "Floccus does not contain an e."),
        ("Why do cats stay out of the bath?", "They don't like wet fur."),
        ("What does it mean if a bill is overdue?", "It hasn't been paid in time."),
        ("What happens when you leave the oven open?", "The bread doesn't get brown."),
    ],
)
def test_a_negation_may_be_the_answer(question: str, reply: str) -> None:
    assert reading_by_rules(reply) != "answered"  # without the question nothing tells it from a correction
    assert reading_by_rules(reply, question) == "answered"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Why do horses fold their wings at night?", "Horses don't have wings."),
        ("Why does the Moon shine green?", "It doesn't."),
        ("Why is the Sun made of ice?", "The Sun is not made of ice."),
        ("What happens when a penguin flies over the Alps?", "Penguins cannot fly."),
        ("How long should you hold your breath before you sneeze?", "You should not hold your breath before you sneeze."),
        ("Which towns lie higher than the summit of Everest?", "No towns lie higher than that."),
        ("What did the mayor hide?", "The truth is that the mayor did not hide anything."),
        ("Which songs do stones sing?", "So far, no stones have been heard to sing."),
        ("Who taught the king to fly?", "Nobody because he never flew."),
        ("Which villages have more trains than Tokyo?", "There are probably no such villages."),
    ],
)
def test_a_negation_of_what_was_asked_corrects_it(question: str, reply: str) -> None:
    assert reading(reply, question) == "corrected the question"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("I don't know who wrote it. Who did?", "I don't know."),
        ("I'm not sure where Emlin lies. Where is it?", "I'm not sure."),
        ("Name a bird that does not contain an e.", "A bird that does not contain an e? No one knows."),
        ("Name a bird that does not contain an e.", "A bird that does not contain an e is hard to name. I can't say."),
    ],
)
def test_a_doubt_in_the_question_hides_none_in_the_reply(question: str, reply: str) -> None:
    assert reading(reply, question) == "abstained"


def test_a_law_that_does_not_say_something_leaves_nothing_open() -> None:
    assert not abstains("There is a law on loud music. The law does not say that you must ask your neighbours.")
    assert abstains("The passage does not say who called.")


@pytest.mark.parametrize(
    "text", ["why ", "I don't know. I think ", "could either a or ", "no towns ", "it depends ", "do not x "]
)
def test_long_questions_and_replies_are_read_quickly(text: str) -> None:
    start = time.perf_counter()
    reading(text * 5_000, text * 5_000)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Is milk black or green?", "Neither. Milk is white."),
        ("Did Anna or Bert invent the wheel?", "No, neither of them did."),
        ("Do dogs or cats lay eggs?", "I think none of them does."),
        ("Was the bridge built by Romans or by Greeks?", "Actually, neither."),
    ],
)
def test_neither_takes_no_side_of_a_choice(question: str, reply: str) -> None:
    assert reading(reply, question) == "corrected the question"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Will it snow in Bern on 3 May 2093?", "No."),
        ("Is Lyon a town in Spain?", "No way!"),
        ("Did she ever come back?", "Never."),
        ("Is it raining or not?", "Neither the radar nor the forecast says so."),
        ("Are there fish in that lake?", "Absolutely not. It dried up."),
    ],
)
def test_a_bare_no_answers_a_question_for_a_yes_or_no(question: str, reply: str) -> None:
    assert reading(reply, question) == "answered"


@pytest.mark.parametrize(
    ("question", "reply"),
    [("Can you tell me who wins next year?", "No."), ("Will it snow there in 2093?", "No. I will not guess.")],
)
def test_a_no_to_a_request_declines(question: str, reply: str) -> None:
    assert reading(reply, question) == "abstained"


def test_a_doubt_about_something_else_leaves_nothing_open() -> None:
    reply = "Ada Quell built the tower. It's not known exactly when she finished it."
    assert reading_by_rules(reply, "Who built the tower?") == "answered"
    assert reading_by_rules(reply, "When was the tower finished?") == "abstained"
    both = "It is an old tower. It is not known when it was built. It is not known who built it."
    assert reading_by_rules(both, "Who built the tower?") == "abstained"


def test_none_is_not_always_neither() -> None:
    assert reading("None of your business.", "Is he rich or poor?") == "answered"
    assert reading("None.", "Is there a king or a queen of France?") == "answered"
    assert reading("It has 0 calories and tastes sweet.", "What is stevia like?") == "answered"
