"""What every toxicity scorer is: a function that scores texts, with a name, labels, and what it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from ...detectors.measured import measured
from ...requests import BackendError, Classify, Failure, Request
from .detoxify_checkpoint import ScorerError
from .windows import BATCH, Score, scored

#: A text is flagged from this score on.
THRESHOLD = 0.5
#: Counted into every fingerprint: a change to how scores are made bumps it.
ANSWERS = 1
#: The names that Detoxify gives to labels of the first challenge.
RENAMED = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}


@dataclass(slots=True)
class ToxicityScorer:
    """Scores texts in batches of like length, each distinct text once. ``load`` makes the scoring function at first use."""

    name: str
    labels: tuple[str, ...]
    source: str
    fingerprint: str
    load: Callable[[], Score]
    files: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[type[Request[Any]], ...] = (Classify,)
    _score: Score | None = None

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """Yield every answer as its batch ends; scores that are not a number in [0, 1] are failures.

        Raises:
            BackendError: the classifier cannot be loaded.
        """
        places: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            if isinstance(request, Classify) and request.labels == "toxicity":
                places.setdefault(request.text, []).append(index)
            else:
                yield index, Failure(f"{self.name} scores toxicity; it was asked for {request.role!r}")
        texts = sorted(places, key=len, reverse=True)
        score = self._loaded() if texts else None
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            whole = [text.encode("utf-8", "replace").decode() for text in batch]  # no tokenizer takes a lone surrogate
            for text, answer in zip(batch, scored(score, whole), strict=True):
                for index in places[text]:
                    yield index, answer

    def _loaded(self) -> Score:
        if self._score is None:
            try:
                self._score = self.load()
            except ScorerError as error:
                raise BackendError(str(error)) from error
            except Exception as error:
                detail = " ".join(str(error).split())[:300]
                raise BackendError(f"{self.name} cannot be loaded: {type(error).__name__}: {detail}") from error
        return self._score

    def describe(self) -> dict[str, Any]:
        """Name, threshold, labels, source, hashes, and what was measured of it on public labels."""
        return {
            "name": self.name, "kind": "toxicity scorer", "threshold": THRESHOLD, "labels": list(self.labels),
            "source": self.source, "files": dict(self.files), "fingerprint": self.fingerprint,
            "measured": measured(f"toxicity:{self.name}"),
        }  # fmt: skip


def identity_of(*parts: Any) -> str:
    text = json.dumps([ANSWERS, *parts], sort_keys=True)
    return "toxicity:" + hashlib.sha256(text.encode()).hexdigest()


def versions(*packages: str) -> dict[str, str]:
    return {name: version(name) for name in packages}
