"""What tells two sets of documents apart without any model: their words, their dates, their length.

An attack on membership means something only where this means nothing (Das, Zhang and Tramer 2024, arXiv 2406.16201).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

FOLDS = 5
_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"\b(?:1[89]|20)[0-9]{2}\b")

Features = frozenset[str]


def blind_scores(members: Sequence[str], others: Sequence[str]) -> list[dict[str, float]]:
    """For each document, the members first, how much it looks like a member to three readers that never ask the model.

    ``words`` and ``dates``: log-odds of a naive Bayes classifier over the words, or the years and decades, in a document, each
    document judged by the folds that it is not in. ``length``: its characters, to be read on both sides.
    """
    texts = [*members, *others]
    labels = [True] * len(members) + [False] * len(others)
    folds = [i % FOLDS for i in range(len(members))] + [i % FOLDS for i in range(len(others))]
    words, dates = (_crossed([read(t) for t in texts], labels, folds) for read in (_words, _dates))
    return [
        {"words": round(w, 6), "dates": round(d, 6), "length": float(len(t))} for w, d, t in zip(words, dates, texts, strict=True)
    ]


def _words(text: str) -> Features:
    return frozenset(_WORD.findall(text.casefold()))


def _dates(text: str) -> Features:
    years = _DATE.findall(text)
    return frozenset([*years, *(f"{year[:3]}0s" for year in years)])


def _crossed(features: Sequence[Features], labels: Sequence[bool], folds: Sequence[int]) -> list[float]:
    scores = [0.0] * len(features)
    for fold in range(FOLDS):
        weigh = _bayes([(f, y) for f, y, own in zip(features, labels, folds, strict=True) if own != fold])
        for i, own in enumerate(folds):
            if own == fold:
                scores[i] = weigh(features[i])
    return scores


def _bayes(rows: Sequence[tuple[Features, bool]]) -> Callable[[Features], float]:
    """Bernoulli naive Bayes over the features that are present, with Laplace's correction; only those seen twice count."""
    totals = Counter(label for _, label in rows)
    seen = {label: Counter(f for features, y in rows if y is label for f in features) for label in (True, False)}

    def weigh(features: Features) -> float:
        odds = 0.0
        for feature in sorted(features):  # a sum of floats depends on its order
            here, there = seen[True][feature], seen[False][feature]
            if here + there > 1:
                odds += math.log((here + 1) / (totals[True] + 2)) - math.log((there + 1) / (totals[False] + 2))
        return odds

    return weigh
