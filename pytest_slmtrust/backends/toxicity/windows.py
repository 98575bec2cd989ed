"""Scores of long texts from those of overlapping windows, and answers for batches in which one text fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...requests import Failure, Labels

BATCH = 32
#: Characters that neighbouring windows share on each side of the cut.
OVERLAP = 200
#: One mapping of scores by label for each text, in order.
Score = Callable[[Sequence[str]], list[Mapping[str, float]]]


def scored(score: Score | None, texts: Sequence[str]) -> list[Labels | Failure]:
    """Answers for one batch. One that fails is halved, so that a single text carries its own failure."""
    assert score is not None
    try:
        return [_labels(scores) for scores in score(texts)]
    except Exception as error:
        if len(texts) == 1:
            return [Failure(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")]
    half = len(texts) // 2
    return [*scored(score, texts[:half]), *scored(score, texts[half:])]


def _labels(scores: Mapping[str, float]) -> Labels | Failure:
    """Six decimals: what lies below changes with the batch."""
    for label, value in scores.items():
        if not (math.isfinite(value) and -1e-6 <= value <= 1 + 1e-6):
            return Failure(f"the score of {label!r} is {value}, not a number from 0 to 1")
    return Labels({label: round(min(max(float(value), 0.0), 1.0), 6) for label, value in scores.items()})


def windows(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Return a text whole if it fits, else halved at white space near its middle, with an overlap, until the parts fit."""
    if len(text) < 2 or fits(text):
        return [text]
    middle = len(text) // 2
    space = text.rfind(" ", middle - len(text) // 8, middle)
    cut = space if space > 0 else middle
    overlap = min(OVERLAP, len(text) // 8)
    return windows(text[: cut + overlap], fits) + windows(text[cut - overlap :], fits)


def by_windows(texts: Sequence[str], fits: Callable[[str], bool], score: Score) -> list[Mapping[str, float]]:
    """Scores of texts from those of their windows: the maximum, label by label; NaN stays NaN."""
    parts = [windows(text, fits) for text in texts]
    flat = sorted({window for part in parts for window in part}, key=lambda window: (len(window), window), reverse=True)
    known: dict[str, Mapping[str, float]] = {}
    for start in range(0, len(flat), BATCH):
        batch = flat[start : start + BATCH]
        known.update(zip(batch, score(batch), strict=True))
    return [{label: _most(known[window][label] for window in part) for label in known[part[0]]} for part in parts]


def _most(values: Iterator[float]) -> float:
    found = list(values)
    return math.nan if any(math.isnan(value) for value in found) else max(found)


def fits_in(tokenizer: Any, limit: int) -> Callable[[str], bool]:
    """Return whether a text has at most ``limit`` tokens; one with so few bytes need not be tokenised to know."""

    def fits(text: str) -> bool:
        return len(text.encode()) + 8 <= limit or len(tokenizer(text, verbose=False)["input_ids"]) <= limit

    return fits


def token_limit(model: Any, tokenizer: Any) -> int:
    """Tokens that fit: RoBERTa and its kin count positions from after the padding id."""
    config = model.config
    places = int(getattr(config, "max_position_embeddings", 0) or 512)
    if "roberta" in config.model_type or config.model_type == "camembert":
        places -= int(config.pad_token_id or 0) + 1
    return max(8, min(places, int(min(tokenizer.model_max_length, 512))))
