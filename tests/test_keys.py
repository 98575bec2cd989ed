"""Keys of requests: what a store was filled under is found again, and no key costs more than its text."""

from __future__ import annotations

import enum
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slmtrust import Classify, Generate, Loglikelihood, Message, Perturb, chat
from pytest_slmtrust.requests import Edits, Request, kinds

#: Keys that stores hold.
KNOWN: list[tuple[Request[Any], str]] = [
    (
        Generate('Say é "yes"\n', max_new_tokens=8, stop=("\n", "."), temperature=0.7, top_p=0.9, sample=3),
        "f488ac889790de47901f70234fbf6fdb130c13edab6338040f63fddf3028e355",
    ),
    (Generate(chat("Hi 🙂", system="Be brief.")), "5e5a1d71f3d9c5190e47d93d610abc4c999a9715e3770b4405853117c0060d31"),
    (Loglikelihood(chat("2+2="), " 4", detail=True), "13dd08fba583f3ded27015ca164c3d03c34dff19d6e0db30f6d7782f42abd670"),
    (Loglikelihood("", "whole text", split="rolling"), "f5c21a758ca283fe9abf92dfe28137dec1cee8a5c95666aea1ec5adaa3554a63"),
    (Classify("you \x00 fool"), "89bc10a5ff62bb5c555a9b0e1059537a25c8df9f2a27ed11f2490d5b29ac64e4"),
    (Perturb("a text", "char-swap", 2), "809e24617c54930525c38bab71aedf6491cd5df677a80b3fcc2ffcaa518621f0"),
    (
        Edits("a text", "deepwordbug", ((1, "b text"),), None, True, 1),
        "97a279d491eb389ea0cc933e086d5409ffb434e8d9168d7b3a039cd14eec7076",
    ),
]  # fmt: skip


class Word(str):
    """A text of an author's own type."""


class Number(enum.IntEnum):
    ONE = 1


def by_json(request: Request[Any]) -> str:
    """Return the key as ``json`` writes what it is of."""
    text = json.dumps([kinds.FORMAT, request.kind, request.payload()], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("request_", "key"), KNOWN)
def test_a_request_has_the_key_that_it_always_had(request_: Request[Any], key: str) -> None:
    assert request_.key == key == by_json(request_)


TEXTS = st.text(st.characters())  # lone surrogates, too
CHATS = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXTS), max_size=3).map(tuple)
WARMTHS = st.floats(0, allow_infinity=False) | st.just(-0.0)
SHARES = st.floats(0, 1, exclude_min=True) | st.just(1)


@given(
    TEXTS | CHATS,
    st.integers(1, 10**20),
    st.lists(TEXTS, max_size=3),
    st.floats(0, allow_infinity=False) | st.just(-0.0),
    SHARES,
    st.integers(),
)
def test_a_key_is_of_the_text_that_json_writes(
    prompt: Any, tokens: int, stop: list[str], temperature: float, top_p: float, sample: int
) -> None:
    made = Generate(prompt, tokens, tuple(stop), temperature, top_p, sample)
    assert made.key == by_json(made)
    scored = Loglikelihood(prompt, "x", sample > 0, split="length")
    assert scored.key == by_json(scored)


@pytest.mark.parametrize(
    "request_",
    [
        Generate(Word("a"), 1, ["x"], Number.ONE), Generate((), temperature=1),  # type: ignore[arg-type]
        Generate([Message("user", Word("a"))]), Edits("a", "b", word=3),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_other_types_have_the_key_of_their_json_text(request_: Request[Any]) -> None:
    assert request_.key == by_json(request_)


def test_no_encoder_is_made_for_usual_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """``json`` makes one for each text; a run has a million keys."""
    written: list[Any] = []
    monkeypatch.setattr(kinds, "_JSON", lambda value: written.append(value) or json.dumps(value, separators=(",", ":")))
    for request, key in KNOWN:
        object.__delattr__(request, "_key") if hasattr(request, "_key") else None
        assert request.key == key
    assert written == [None]  # the word of Edits
