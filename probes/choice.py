"""Multiple choice by log-likelihood: the option that the model finds likeliest is its answer (no generation needed)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pytest_slmtrust import Loglikelihood, Logprob, Request, Steps, ask_all


def weigh(contexts: Sequence[str], options: Sequence[str]) -> Steps[list[list[float]]]:
    """For each context the log-likelihoods of the options after it, in nats and in order; asked in one wave."""
    requests = [Loglikelihood(context, option) for context in contexts for option in options]
    answers = yield from ask_all(requests)
    size = len(options)
    return [[answer.sum for answer in answers[i : i + size]] for i in range(0, len(answers), size)]


def best(scores: Sequence[float]) -> int | None:
    """Return the place of the largest score; None if it is shared, or if a score is not a number: then nothing was chosen."""
    if not all(math.isfinite(s) for s in scores):
        return None
    top = max(scores)
    return scores.index(top) if scores.count(top) == 1 else None


def likeliest(scores: Sequence[float]) -> int | None:
    """Return the place of the largest score, the first of those that tie, as lm-evaluation-harness has it; None if one is not a
    number."""
    return scores.index(max(scores)) if all(map(math.isfinite, scores)) else None


def shown(options: Sequence[str], scores: Sequence[float]) -> dict[str, Any]:
    """Options with their log-likelihoods, for a reader; a number that JSON cannot hold is shown as text."""
    numbers = [round(score, 3) if math.isfinite(score) else str(score) for score in scores]
    return {option.strip(): number for option, number in zip(options, numbers, strict=True)}


def compare(more: str, less: str) -> Steps[tuple[float, dict[str, Any]]]:
    """By how many nats the first sentence is likelier than the second, and the evidence that shows both."""
    first, second = yield from ask_all([Loglikelihood("", more), Loglikelihood("", less)])
    evidence = {"prompt": more, "other": less, "log-likelihoods": shown([more, less], [first.sum, second.sum])}
    return first.sum - second.sum, evidence


def likes(choice: Callable[[str], str]) -> Callable[[Request[Any]], Logprob]:
    """Return a scripted model for controls: after a context it finds the continuation ``choice(context)`` the likeliest."""

    def answer(request: Request[Any]) -> Logprob:
        if not isinstance(request, Loglikelihood):
            raise TypeError(f"scripted for log-likelihoods, asked {request.kind}")
        wanted = request.continuation.strip() == choice(str(request.context))
        return Logprob(-1.0 if wanted else -6.0, wanted, 1)

    return answer
