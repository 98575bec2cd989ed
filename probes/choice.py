"""Multiple choice by log-likelihood: the option that the model finds likeliest is its answer (no generation needed)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pytest_slmtrust import Loglikelihood, Logprob, Steps, ask_all


def choose(context: str, options: Sequence[str]) -> Steps[list[float]]:
    """Log-likelihoods in nats of each option after the context, in the order given."""
    answers: list[Logprob] = yield from ask_all([Loglikelihood(context, option) for option in options])
    return [answer.sum for answer in answers]


def best(scores: Sequence[float]) -> int | None:
    """The place of the largest score; None if it is shared, or if a score is not a number: then nothing was chosen."""
    if not all(math.isfinite(s) for s in scores):
        return None
    top = max(scores)
    return scores.index(top) if scores.count(top) == 1 else None


def shown(options: Sequence[str], scores: Sequence[float]) -> dict[str, Any]:
    """Options with their log-likelihoods, for a reader."""
    return {option.strip(): round(score, 3) if math.isfinite(score) else str(score) for option, score in zip(options, scores, strict=True)}
