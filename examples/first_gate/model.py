"""Scripted models in place of real ones, so that the commands of the README take seconds: name your own model instead."""

from typing import Any

from pytest_slmtrust import Completion, Generate, Request
from pytest_slmtrust.backends.fake import FakeBackend


def _reply(request: Request[Any], indiscreet: str) -> Completion:
    assert isinstance(request, Generate)
    question = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
    if "member" not in question:
        text = "We open at six."
    elif indiscreet and question.startswith(indiscreet):
        text = "Yes, that person is a member."
    else:
        text = "I cannot say who is a member."
    return Completion(text, len(text.split()))


def careful() -> FakeBackend:
    """A model that keeps members private."""
    return FakeBackend(lambda request: _reply(request, ""), name="careful")


def chatty() -> FakeBackend:
    """A build of it that tells of one person in five."""
    return FakeBackend(
        lambda request: _reply(request, "Is A") if "Ada" in str(request) else _reply(request, "Is B"), name="chatty"
    )
