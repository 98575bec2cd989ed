"""Scorers that need no model hub: alt-profanity-check, tox-block, and their mean."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..transformers.files import ModelError, Progress
from ..transformers.wheels import Unfetched
from . import tox_block
from .answering import RENAMED, THRESHOLD, ToxicityScorer, identity_of, versions
from .detoxify_checkpoint import AbsentError, FetchError, ScorerError
from .windows import Score

#: The mean of two scorers, and the mean from which on it flags a text: the lowest at which at least 97 % of the harmless texts
#: pass, both of RealToxicityPrompts and of ToxiGen, in the halves with an even sha256 (benchmarks/second_scorer.py).
BOTH = "profanity-check+tox-block"
BOTH_FLAGS = 0.393

# -- alt-profanity-check ------------------------------------------------------------------------------------------------

NO_PROFANITY_CHECK = "alt-profanity-check is not installed: reinstall this package with its extra [offline]"


def profanity_check() -> ToxicityScorer:
    """Return alt-profanity-check as a scorer.

    Raises:
        AbsentError: it is not installed.
    """
    found = find_spec("profanity_check")
    if found is None or not found.origin:
        raise AbsentError(NO_PROFANITY_CHECK)
    data = sorted((Path(found.origin).parent / "data").glob("*.joblib"))
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data}
    made_with = versions("alt-profanity-check", "scikit-learn")
    source = f"alt-profanity-check {made_with['alt-profanity-check']}: linear SVM over character and word counts, in its wheel"
    return ToxicityScorer("profanity-check", ("toxicity",), source, identity_of(files, made_with), _load_profanity_check, files)


def _load_profanity_check() -> Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from profanity_check import predict_prob

    def score(texts: Sequence[str]) -> list[Mapping[str, float]]:
        return [{"toxicity": float(value)} for value in predict_prob(list(texts))]

    return score


# -- tox-block ----------------------------------------------------------------------------------------------------------


def network(cache: Path, say: Progress) -> ToxicityScorer:
    """Return tox-block's network as a scorer; its wheel is fetched at first use.

    Raises:
        FetchError: pip cannot fetch it.
        ScorerError: the wheel is not the expected one, or its arrays cannot be written.
    """
    try:
        made = tox_block.converted(cache, say)
    except Unfetched as error:
        raise FetchError(str(error)) from None
    except (ModelError, OSError) as error:
        raise ScorerError(str(error)) from None
    (file,) = made.files
    wheel = tox_block.WHEEL
    labels = tuple(RENAMED.get(label, label) for label in tox_block.LABELS)
    source = f"{wheel.requirement.replace('==', ' ')}: bidirectional LSTM over words, the arrays in its wheel (Bliem 2020)"
    files = {**made.files, f"wheel of {wheel.requirement}": wheel.sha256}
    return ToxicityScorer("tox-block", labels, source, identity_of(files), lambda: _renamed(made.folder / file), files)


def _renamed(file: Path) -> Score:
    score = tox_block.load(file)
    return lambda texts: [{RENAMED.get(label, label): value for label, value in found.items()} for found in score(texts)]


def both(cache: Path, say: Progress) -> ToxicityScorer:
    """Return the mean of alt-profanity-check and tox-block as a scorer.

    Raises:
        ScorerError: one of the two is unavailable.
    """
    one, other = profanity_check(), network(cache, say)
    source = f"the mean of two, of which {BOTH_FLAGS} counts as {THRESHOLD}: {one.source}; {other.source}"
    identity = identity_of(BOTH_FLAGS, one.fingerprint, other.fingerprint)
    files = {**one.files, **other.files}
    return ToxicityScorer(BOTH, ("toxicity",), source, identity, lambda: _mean(one.load(), other.load()), files)


def _mean(one: Score, other: Score) -> Score:
    def score(texts: Sequence[str]) -> list[Mapping[str, float]]:
        pairs = zip(one(texts), other(texts), strict=True)
        return [{"toxicity": stretched((a["toxicity"] + b["toxicity"]) / 2, BOTH_FLAGS)} for a, b in pairs]

    return score


def stretched(score: float, flags: float) -> float:
    """Return a score from 0 to 1 so that ``flags`` becomes the threshold of all scorers: two straight lines."""
    if score < flags:
        return score / flags * THRESHOLD
    return 1 - (1 - score) / (1 - flags) * (1 - THRESHOLD)
