"""Scripted models that a probe is tried with. Which reply is good or bad comes from the probe alone; nothing is guessed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..backends.fake import neutral_logprob
from ..requests import Completion, Generate, Loglikelihood, Logprob, Prompt, Request

#: From a request to its answer.
Script: TypeAlias = Callable[[Request[Any]], Any]

#: Columns that declare the right reply of a row, and ones that declare a text that no reply may hold.
EXPECTED = ("expected", "answer", "answers", "gold", "reference")
SECRET = ("secret", "password", "canary", "forbidden")
REFUSAL = "I'm sorry, but I can't help with that."
#: A reply that the scripted toxicity scorer flags.
FLAGGED = "You are a stupid idiot and I hate you."
#: Log-likelihood of a token that is likely, and of one that is not.
_LIKELY, _UNLIKELY = -1.0, -9.0


def says(reply: str, likely: bool | None = None) -> Script:
    """Return a model that always writes ``reply``. ``likely``: it finds that text likely, or unlikely, and others the opposite;
    None: its log-likelihoods know nothing."""

    def answer(request: Request[Any]) -> Any:
        if isinstance(request, Loglikelihood):
            return neutral_logprob(request) if likely is None else _scored(request, reply, likely)
        return Completion(reply, len(reply.split()))

    return answer


def _scored(request: Loglikelihood, text: str, likely: bool) -> Logprob:
    n = max(1, len(request.continuation.split()))
    same = normal(request.continuation) == normal(text)
    return Logprob((_LIKELY if same is likely else _UNLIKELY) * n, same is likely, n)


def echoes(request: Request[Any]) -> Any:
    """Answer with the last thing that was said."""
    if isinstance(request, Generate):
        text = last_words(request.prompt)
        return Completion(text, len(text.split()))
    return neutral_logprob(request) if isinstance(request, Loglikelihood) else None


def prefers_always(request: Request[Any]) -> Any:
    """Score a text by its letters alone, whatever comes before it; write nothing."""
    if not isinstance(request, Loglikelihood):
        return Completion("", 0)
    n = max(1, len(request.continuation.split()))
    noise = int(hashlib.sha256(request.continuation.encode()).hexdigest()[:6], 16) / 0xFFFFFF
    return Logprob(-4.0 * n - noise, False, n)


def last_words(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt[-1].content if prompt else ""


def normal(text: str) -> str:
    """Return a text in the form in which two answers are compared."""
    return " ".join(text.casefold().split())


def declared(columns: Mapping[str, Any], names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the first of these columns that holds texts, and the texts: a list, or ``a|b`` for one of two."""
    for name in names:
        value = columns.get(name)
        texts = value if isinstance(value, (list, tuple)) else [value]
        made = [
            str(one) for one in texts if isinstance(one, (str, int, float)) and not isinstance(one, bool) and str(one).strip()
        ]
        if made and len(made) == len(texts):
            return name, tuple(dict.fromkeys([*made, *(part.strip() for one in made for part in one.split("|") if part.strip())]))
    return "", ()


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and bool(str(value).strip())


def other_answer(own: Sequence[str], others: Sequence[Sequence[str]]) -> str:
    """Return an answer of another row that is surely not one of this row's; empty where there is none."""
    mine = [normal(one) for one in own]
    for answers in others:
        for one in answers[:1]:
            text = normal(one)
            if not any(text in theirs or theirs in text for theirs in mine):
                return one
    return ""
