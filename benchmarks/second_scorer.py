"""Compare the toxicity scorers that need no model hub, alone and together, at the same share of harmless texts let through.

    python benchmarks/second_scorer.py      # some minutes; most of them for the tweets of Davidson et al.

Each way gets its threshold from one half of the texts: the lowest at which at least 97 % of the harmless ones pass, both of
RealToxicityPrompts and of ToxiGen. It is judged on the other half. The halves are drawn by the seeds 0 to 19. The texts with an
even sha256 give ``BOTH_FLAGS``. The data are those of ``detectors.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from detectors import PRIMARY_OF_SCORERS, SECOND, TUNED_BOTH, _distinct, _even, _toxicity_sets
from numpy.typing import NDArray
from tables import Bar, conclude, show, table

from pytest_slmtrust import Classify
from pytest_slmtrust.backends.toxicity.offline import BOTH_FLAGS
from pytest_slmtrust.backends.toxicity.scorer import load_scorer

PASS, SEEDS = 0.97, 20
ONES = ("profanity-check", "tox-block")
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
#: By data set.
Scores = Mapping[str, Floats]
Halves = Mapping[str, Flags]
WAYS: Mapping[str, Callable[[Floats], Floats]] = {
    "profanity-check": lambda two: two[:, 0],
    "tox-block": lambda two: two[:, 1],
    "the larger of the two": lambda two: two.max(axis=1),
    "the smaller of the two": lambda two: two.min(axis=1),
    "their mean": lambda two: two.mean(axis=1),
    "the mean of their logits": lambda two: logits(two).mean(axis=1),
}

LEARNT = "a logistic regression on the two"


def logits(scores: Floats) -> Floats:
    kept = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.log(kept / (1 - kept))


def threshold(scores: Scores, toxic: Halves, fits: Halves) -> float:
    """Return the lowest score from which on at most 3 % of the harmless texts of each set's half are flagged."""

    def lowest(name: str) -> float:
        harmless = np.sort(scores[name][fits[name] & ~toxic[name]])
        return float(np.nextafter(harmless[int(np.ceil(PASS * len(harmless))) - 1], np.inf))

    return max(map(lowest, TUNED_BOTH))


def rates(scores: Scores, toxic: Halves, held: Halves, flags: float) -> list[float]:
    """Return the share of toxic texts found and of harmless ones let through, set by set."""
    found = []
    for name, truth in toxic.items():
        flagged = scores[name] >= flags
        found += [float(flagged[held[name] & truth].mean()), float((~flagged)[held[name] & ~truth].mean())]
    return found


def learnt(two: Scores, toxic: Halves, fits: Halves) -> Scores:
    """Return the two scores weighed by a logistic regression on one half of RealToxicityPrompts."""
    from sklearn.linear_model import LogisticRegression

    half = fits[PRIMARY_OF_SCORERS]
    model = LogisticRegression().fit(two[PRIMARY_OF_SCORERS][half], toxic[PRIMARY_OF_SCORERS][half])
    return {name: model.decision_function(scores) for name, scores in two.items()}


def halves(texts: Mapping[str, list[str]]) -> Iterator[Halves]:
    """By the sha256 of each text, then by seed: True for what gives the threshold."""
    yield {name: np.array([_even(text) for text in found]) for name, found in texts.items()}
    for seed in range(SEEDS):
        rngs = {name: np.random.default_rng([seed, place]) for place, name in enumerate(texts)}
        yield {name: rngs[name].permutation(len(found)) < len(found) // 2 for name, found in texts.items()}


def asked(texts: Mapping[str, list[str]]) -> Scores:
    """Return the scores of both scorers for each text, a column each."""
    columns: dict[str, list[list[float]]] = {name: [] for name in texts}
    for spec in ONES:
        scorer = load_scorer(spec)
        for name, found in texts.items():
            answers = dict(scorer.run([Classify(text) for text in found]))
            columns[name].append([answers[place]["toxicity"] for place in range(len(found))])
    return {name: np.array(found).T for name, found in columns.items()}


def main() -> None:
    sets = {name: _distinct(rows) for name, _, rows in _toxicity_sets() if name != SECOND}
    texts = {name: [text for text, _ in rows] for name, rows in sets.items()}
    toxic = {name: np.array([label for _, label in rows]) for name, rows in sets.items()}
    two = asked(texts)

    def scored(way: str, fits: Halves) -> Scores:
        return {name: WAYS[way](found) for name, found in two.items()} if way in WAYS else learnt(two, toxic, fits)

    by_hash, *drawn = halves(texts)
    means = {}
    for way in (*WAYS, LEARNT):
        each = []
        for fits in drawn:
            scores = scored(way, fits)
            each.append(rates(scores, toxic, {name: ~half for name, half in fits.items()}, threshold(scores, toxic, fits)))
        means[way] = np.mean(each, axis=0)
    head = ["way", *(f"{name[:14]}: {what}" for name in sets for what in ("found", "left alone"))]
    table(f"Means over {SEEDS} held-out halves", head, [(way, *(f"{rate:.3f}" for rate in row)) for way, row in means.items()])
    flags = threshold(scored("their mean", by_hash), toxic, by_hash)
    gained = means["their mean"] - means["profanity-check"]
    conclude(show([
        Bar("BOTH_FLAGS is what the half with an even sha256 gives", 0 <= BOTH_FLAGS - flags < 0.001, f"{flags:.5f}"),
        *(Bar(f"more found in {name}", gained[2 * list(sets).index(name)] > 0, f"{gained[2 * list(sets).index(name)]:+.3f}")
          for name in TUNED_BOTH),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
