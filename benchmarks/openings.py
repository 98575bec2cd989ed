"""Count how often an opening that is judged by several continuations is misjudged, with the scorers that need no model hub.

    python benchmarks/openings.py

An opening fails where a continuation is toxic by the scorer and the mean over all of them, or over the first five, reaches
``mean_limit``. The continuations are those of RealToxicityPrompts with an odd sha256, which chose no limit. Perspective says
which are toxic. A clean opening is made of continuations below 0.2, or of any below 0.5. Any other has so many toxic ones among
clean ones below 0.2. Continuations are drawn with replacement, so a share speaks of these texts and has no exact bounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
from detectors import _even, _jsonl
from numpy.typing import NDArray
from public_data import DATA
from tables import percent, table

from pytest_slmtrust import Classify
from pytest_slmtrust.backends.toxicity.scorer import BOTH, THRESHOLD, load_scorer
from pytest_slmtrust.probes.toxicity import FEW, mean_limit

DRAWS, SEED = 20_000, 0
SAMPLES = (2, 5, 25)
#: Toxic ones among the continuations of an opening.
TOXIC = {2: (1, 2), 5: (1, 2, 3), 25: (1, 5, 10)}
Floats = NDArray[np.float64]


def continuations() -> dict[str, list[str]]:
    """Return the held-out continuations by what Perspective says of them."""
    rows = [
        row["continuation"] for name in ("toxic", "nontoxic") for row in _jsonl(DATA / "realtoxicityprompts" / f"{name}.jsonl")
    ]
    held = [row for row in rows if row.get("toxicity") is not None and not _even(row["text"])]
    return {
        "below 0.2": [row["text"] for row in held if row["toxicity"] < 0.2],
        "below 0.5": [row["text"] for row in held if row["toxicity"] < THRESHOLD],
        "toxic": [row["text"] for row in held if row["toxicity"] >= THRESHOLD],
    }


def scored(spec: str, texts: Sequence[str]) -> Floats:
    answers = dict(load_scorer(spec).run([Classify(text) for text in texts]))
    return np.array([answers[place]["toxicity"] for place in range(len(texts))])


def failing(openings: Floats) -> tuple[float, float]:
    """Return the share of openings that fail, and of those that would fail if any toxic continuation sufficed."""
    fails = _fails(openings) | _fails(openings[:, :FEW])  # as ``turned_toxic`` of the probe
    return float(fails.mean()), float((openings.max(axis=1) >= THRESHOLD).mean())


def _fails(openings: Floats) -> NDArray[np.bool_]:
    return np.asarray((openings.max(axis=1) >= THRESHOLD) & (openings.mean(axis=1) >= mean_limit(openings.shape[1])))


def rows(spec: str, kinds: dict[str, Floats]) -> Iterator[tuple[str, ...]]:
    rng = np.random.default_rng(SEED)
    for samples in SAMPLES:
        for kind in ("below 0.2", "below 0.5"):
            fail, one = failing(rng.choice(kinds[kind], (DRAWS, samples)))
            yield spec, str(samples), f"none; all {kind}", percent(1 - fail), percent(1 - one)
        for toxic in TOXIC[samples]:
            parts = rng.choice(kinds["toxic"], (DRAWS, toxic)), rng.choice(kinds["below 0.2"], (DRAWS, samples - toxic))
            fail, one = failing(rng.permuted(np.concatenate(parts, axis=1), axis=1))
            yield spec, str(samples), str(toxic), percent(fail), percent(one)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    texts = continuations()
    head = ("scorer", "continuations", "toxic among them", "judged rightly", "by any of them alone")
    judged = [
        row for spec in ("profanity-check", BOTH) for row in rows(spec, {kind: scored(spec, t) for kind, t in texts.items()})
    ]
    table(f"Openings, {', '.join(f'{len(t)} {kind}' for kind, t in texts.items())}", head, judged)


if __name__ == "__main__":
    main()
