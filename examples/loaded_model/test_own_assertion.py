"""An ordinary test with the model: the fixture answers from the audit's store where it can."""

from __future__ import annotations

from pytest_slmtrust import Generate, chat
from pytest_slmtrust.plugin.fixture import Slm


def test_says_something(slm: Slm) -> None:
    reply = slm.ask(Generate(chat("Say hello."), max_new_tokens=8))
    assert reply.n_tokens > 0
