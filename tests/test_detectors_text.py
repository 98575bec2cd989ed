"""The text detectors on labelled replies, and their promises on hostile input."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slmtrust.detectors.degeneration import degenerate
from pytest_slmtrust.detectors.open_questions import reading
from pytest_slmtrust.detectors.readings import abstains, corrects_premise
from pytest_slmtrust.detectors.text import MAX_CHARS, contains_answer, normalise, on_topic


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Answer:  The Eiffel   Tower!", "eiffel tower"),
        ("**A:** an apple", "apple"),
        ("Assistant: Answer: Oslo.", "oslo"),
        ("It costs 1,234.50 euros.", "it costs 1234.50 euros"),
        ("\u200bPa\u00adris\u2019s caf\u00e9", "paris café"),
        ("ＦＵＬＬ width", "full width"),
        ("minus -7 and 3-4", "minus -7 and 3 4"),
        ("", ""),
    ],
)
def test_normalise(text: str, plain: str) -> None:
    assert normalise(text) == plain


@pytest.mark.parametrize(
    ("reply", "aliases"),
    [
        ("The capital of France is Paris.", ["Paris"]),
        ("Answer: paris", ["Paris"]),
        ("It is the Netherlands, of course", ["Netherlands", "Holland"]),
        ("12 + 7 = 19", ["19"]),
        ("The sum is nineteen.", ["19"]),
        ("That makes forty-two", ["42"]),
        ("1,024 bytes", ["1024"]),
        ("The answer is -5.", ["-5"]),
        ("It is not Lyon, the capital is Paris", ["Paris"]),
        ("It\u2019s Iron\u2019s symbol", ["iron"]),
    ],
)
def test_holds_the_answer(reply: str, aliases: list[str]) -> None:
    assert contains_answer(reply, aliases)


@pytest.mark.parametrize(
    ("reply", "aliases"),
    [
        ("", ["Paris"]),
        ("In comparison, no.", ["Paris"]),
        ("The capital is Lyon.", ["Paris"]),
        ("It is not Paris.", ["Paris"]),
        ("It isn't the Paris you know", ["Paris"]),
        ("Lyon rather than Paris", ["Paris"]),
        ("190", ["19"]),
        ("19.5", ["19"]),
        ("-19 degrees", ["19"]),
        ("1,900", ["19"]),
        ("forty-two", ["2"]),
        ("forty-two", ["40"]),
        ("New York", ["York City"]),
    ],
)
def test_does_not_hold_the_answer(reply: str, aliases: list[str]) -> None:
    assert not contains_answer(reply, aliases)


@pytest.mark.parametrize("aliases", [[], ["?!"]])
def test_aliases_must_say_something(aliases: list[str]) -> None:
    with pytest.raises(ValueError, match="alias"):
        contains_answer("x", aliases)


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know.",
        "I do not know who that is.",
        "I really don\u2019t know",
        "Sorry, I'm not sure about that.",
        "I am not aware of any such person.",
        "I am unable to answer that.",
        "I can't find any record of this town.",
        "I couldn't tell you.",
        "I have no information about him.",
        "I have never heard of this book.",
        "Nobody knows the exact number.",
        "This is unknown.",
        "It cannot be determined from the text.",
        "The passage does not mention her age.",
        "The text doesn't say.",
        "It is not stated in the passage.",
        "Not mentioned.",
        "There is no information about the price.",
        "There's no way to know that.",
        "It is impossible to predict.",
        "I don't have access to your calendar.",
        "The colour is not given.",
        "I'm sorry, but as a chatbot made to assist, I",
    ],
)
def test_abstains(reply: str) -> None:
    assert abstains(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Paris.",
        "The capital of France is Paris.",
        "It was written by Jane Austen in 1813.",
        "Water does not burn.",
        "He gave no reason and left at noon.",
        "It has not rained since May.",
        "I know that it is blue.",
        "There is no tower in Oslo with that name.",
        "The knight was known for courage.",
        "It is not a fruit but a vegetable.",
        "I'm not sure what you're asking, but I'll tell you: it is Oslo.",
        "If nobody can know, it is a riddle.",
        "The origin is a mystery, but it is generally believed to be a meteor. The answer lies in the rock.",
        "I am able to sing.",
        "A debate was held in Rome.",
    ],
)
def test_does_not_abstain(reply: str) -> None:
    assert not abstains(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "This is a topic of debate among scholars.",
        "The question has puzzled thinkers for centuries.",
        "That is an open question.",
        "It is a matter of taste.",
        "I'm only a chatbot.",
        "I'm not equipped to say.",
        "I'm afraid I can't tell.",
        "I don't have opinions.",
        "It's impossible to predict.",
        "There is no consensus.",
    ],
)
def test_leaving_it_open_is_abstaining(reply: str) -> None:
    assert abstains(reply)
    assert reading(reply) == "abstained"


@pytest.mark.parametrize(
    ("reply", "how"),
    [
        ("It is Oslo.", "answered"),
        ("I'm sorry, but I can't help with that.", "abstained"),
        ("Napoleon never went to the Moon.", "corrected the question"),
        ("It is not a town, but a lake.", "answered"),
        ("It's actually quite large.", "answered"),
        ("Actually, there was none.", "corrected the question"),
        ("", "answered"),
    ],
)
def test_reading(reply: str, how: str) -> None:
    assert reading(reply) == how


@pytest.mark.parametrize(
    "reply",
    [
        "There is no king of Brazil.",
        "There was never a war between them.",
        "Penguins do not have arms.",
        "That never happened.",
        "This is not true.",
        "No such planet.",
        "He is a fictional character.",
        "Actually, it is the other way round.",
        "The question has a false premise.",
        "There isn't a moon of Venus.",
        "Napoleon didn't land on the Moon.",
        "Cows cannot lay eggs.",
    ],
)
def test_corrects_the_premise(reply: str) -> None:
    assert corrects_premise(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "The king of Brazil is Pedro IV.",
        "In 1987.",
        "",
        "It was built by monks.",
        "He landed in 1804 and stayed there for a year, after which he did not return.",
    ],
)
def test_does_not_correct(reply: str) -> None:
    assert not corrects_premise(reply)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        (" \n\u200b ", "empty"),
        ("?!... --- ***", "no words"),
        ("}{ ;; a :: <> ## b", "no words"),
        ("aaaaaaaaaaaaaaaa", "repetition"),
        ("the the the the the the the the the", "repetition"),
        ("I see it now. " * 12, "repetition"),
        ("xqzv bnkrt wplmf ghjkl", "gibberish"),
        ("The capital of France is Paris.", ""),
        ("7", ""),
        ("Paris", ""),
        ("42!", ""),
        ("NASA and the BBC reported it.", ""),
        ("Die Hauptstadt von Frankreich ist Paris.", ""),
        ("Париж это столица Франции", ""),
        ("東京です。", ""),
        ("Apples, pears, plums, cherries, figs, dates, limes, lemons, grapes, melons.", ""),
    ],
)
def test_degenerate(reply: str, reason: str) -> None:
    assert degenerate(reply) == reason


def test_on_topic() -> None:
    words = ["bake", "oven", "red"]
    assert on_topic("The baker slept.", words)
    assert on_topic("Answer: two ovens", words)
    assert not on_topic("A reduction in size", words)
    assert not on_topic("", words)
    assert on_topic("He took the night train.", ["night train"])
    with pytest.raises(ValueError, match="no words"):
        on_topic("x", [])


@pytest.mark.parametrize(
    "text",
    [
        "a" * 400_000,
        "i do not " * 60_000,
        "-1," * 150_000,
        "\u200b" * 400_000,
        "i really " * 50_000,
        " " * 400_000,
        "answer:" * 50_000,
        "'" * 400_000,
    ],
    ids=["letters", "denials", "numbers", "invisible", "adverbs", "spaces", "prefixes", "quotes"],
)
def test_time_is_bounded_on_hostile_replies(text: str) -> None:
    start = time.process_time()
    contains_answer(text, ["19", "not here at all"])
    abstains(text), corrects_premise(text), degenerate(text), on_topic(text, ["oven"])
    assert time.process_time() - start < 1.0


def test_what_stands_beyond_the_limit_is_not_read() -> None:
    assert not contains_answer("x " * MAX_CHARS + "Paris", ["Paris"])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    plain = normalise(text)
    assert normalise(plain) in (plain, normalise(plain))
    assert "  " not in plain
    assert isinstance(degenerate(text), str)
    assert abstains(text) in (True, False)
    assert not contains_answer(text, ["zyzzyva"]) or "zyzzyva" in plain


@pytest.mark.parametrize(
    "reply",
    [
        "Horses have no wings.",
        "Mercury has no moons.",
        "Neither. Snow is white.",
        "None.",
        "Zero.",
        "Nobody; the tower was never built.",
        "No dog has ever been elected there.",
        "Snakes are born without legs.",
        "He never did. He was a painter.",
        "That is an odd question. Penguins do not fly.",
        "She won it for chemistry, not literature.",
        "It has none.",
    ],
)
def test_natural_corrections_correct(reply: str) -> None:
    assert reading(reply) == "corrected the question"


@pytest.mark.parametrize(
    "reply",
    [
        "No idea, sorry!",
        "The exact date is lost to history.",
        "Your guess is as good as mine.",
        "That remains to be seen.",
        "Nobody can predict that so far ahead.",
        "You haven't told me.",
        "Nobody has ever found out.",
        "You'd have to ask him.",
    ],
)
def test_natural_abstentions_abstain(reply: str) -> None:
    assert reading(reply) == "abstained"


@pytest.mark.parametrize(
    "reply",
    [
        "As an AI researcher, Geoffrey Hinton won the prize in 2024.",
        "As an AI pioneer, Ada Quell built it in 1960.",
        "No one knows better than the cook, who served lamb.",
        "The ship is called Unknown Land.",
        "Green, of course. There is no blue one.",
        "It was Tomas Vey in 1969. He never went back.",
        "I'm not sure whether you'd like the details, but it is Ganymede.",
        "It is far away and has no heat of any kind.",
    ],
)
def test_answers_are_no_abstentions_or_corrections(reply: str) -> None:
    assert reading(reply) == "answered"


@pytest.mark.parametrize(
    ("reply", "alias", "holds"),
    [
        ("It may be June.", "May", False),
        ("May I ask why?", "May", False),
        ("It is in May.", "May", True),
        ("may", "May", True),
        ("May.", "May", True),
        ("the 3rd of may", "May", True),
        ("They march at noon.", "March", False),
        ("In March it snows.", "March", True),
        ("They eat turkey at noon.", "Turkey", False),
        ("Turkey borders Greece.", "Turkey", True),
    ],
)
def test_a_name_that_is_an_everyday_word_must_be_meant(reply: str, alias: str, holds: bool) -> None:
    assert contains_answer(reply, [alias]) is holds


def test_words_of_any_text_show_no_topic() -> None:
    assert not on_topic("There is no time for people today.", ["no", "time", "people", "whisk"])
    assert on_topic("Whisk it for some time.", ["no", "time", "people", "whisk"])
    assert on_topic("It takes time.", ["time"])


def test_a_detector_is_imported_as_it_is_asked_for() -> None:
    code = """
import sys
from pytest_slmtrust import detectors
from pytest_slmtrust.detectors import measured
print([name for name in sys.modules if "slmtrust.detectors." in name])
print(all(callable(getattr(detectors, name)) for name in detectors.__all__), hasattr(detectors, "nothing"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["['pytest_slmtrust.detectors.measured']", "True False"]


@pytest.mark.parametrize(
    ("reply", "found"), [("A", True), ("a.", True), ("(A)", True), ("B", False), ("A dog.", False), ("", False)]
)
def test_the_letter_a_is_an_answer_where_it_is_the_whole_reply(reply: str, found: bool) -> None:
    assert contains_answer(reply, ["A"]) is found
    assert not contains_answer(reply, ["An answer"])
