"""The key of a server is sent, and stands nowhere: not in replies, nor in its own words, nor in what is shown of a backend."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint_backends import ASKED, answers, backend, started
from endpoints import Toy, serving

from pytest_slmtrust import Generate, chat
from pytest_slmtrust.backends.endpoint.crew import one as run_one
from pytest_slmtrust.requests import BackendError, Failure


@pytest.mark.parametrize(
    ("key", "said", "shown"),
    [
        ("abc1234", "bad key Bearer abc1234", "bad key Bearer [API key]"),
        ("mySecretKey12345", "bad key mySecretKey1...", "its words hold a part of the API key"),
        ("mySecretKey12345", "bad key ...retKey12345", "its words hold a part of the API key"),
        ("mySecretKey12345", "bad key mySe...", "bad key mySe..."),
        ("", "bad key", "bad key"),
        ("local-token", "max_tokens is too large", "max_tokens is too large"),
    ],
)
def test_a_server_that_writes_a_part_of_the_key_back(key: str, said: str, shown: str) -> None:
    toy = Toy("chat")
    inner = toy._v1_chat_completions
    refused = (400, {"error": {"message": said}})
    toy._v1_chat_completions = lambda body: refused if "long" in body["messages"][0]["content"] else inner(body)  # type: ignore
    with serving(toy):
        [answer] = answers(backend(toy, key=key) if key else started(toy), [Generate(chat("too long"), 4)])
    assert isinstance(answer, Failure)
    assert shown in answer.message


def test_the_key_is_sent_and_stands_nowhere() -> None:
    key = "s3cret-key-0123456789"
    with serving(Toy("chat", key=key, reply=lambda talk: f"Your key is {key}.")) as toy:
        one = backend(toy, key=key)
        [answer] = answers(one, ASKED[:1])
        assert toy.headers[-1]["Authorization"] == f"Bearer {key}"
        with pytest.raises(BackendError) as error:
            backend(toy, key="another-key-987654321").make()
        seen: list[str] = []

        async def look(wire: Any) -> None:
            seen.append(repr(wire))

        run_one(one._opened, look)
        said = f"{answer} {one!r} {one.describe()} {error.value} {seen}"
    assert answer.text == "Your key is [API key]."
    assert key not in said
    assert "another-key" not in said
    with pytest.raises(BackendError, match="was not sent"):
        backend(toy, key="two lines\r\nX: y").make()
