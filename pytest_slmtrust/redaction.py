"""What leaves this machine: every finding that a report may show, with personal data masked, credentials taken out, and replies
that may do harm withheld."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from . import detectors
from .audit.model import Finding
from .audit.nodeids import PACKS
from .detectors.spec_secrets import spec_secrets
from .thinking import EVIDENCE as THOUGHTS

#: Words of a key of evidence that holds what a model wrote.
_WRITTEN = frozenset({
    "reply", "replies", "completion", "completions", "continuation", "continuations", "response", "responses", "output",
    "outputs", "generation", "generations", "sample", "samples", "thought", "thoughts", "reasoning", "thinking",
})  # fmt: skip
_WORD = re.compile(r"[a-z]+")
_TOXIC = 0.5
#: Characters of a decimal number that is none of a person or a card: those have nine digits at least.
_NO_PERSONS = 8
#: Key of evidence by which a probe says that its prompts, or the replies that it asks for, may do harm.
MAY_HARM = "may_harm"
#: What a text begins with that takes the place of one that may do harm.
WITHHELD = re.compile(r"\[withheld: \d+ characters that may do harm")


def offensive(found: Finding) -> bool:
    """Return whether a finding may hold offensive text: it speaks of toxicity, or a scorer found some in it."""
    return _provokes_harm(found) or _scored_toxic(found)


def _provokes_harm(found: Finding) -> bool:
    return found.dimension == "toxicity" or found.evidence.get(MAY_HARM) is True


def _scored_toxic(found: Finding) -> bool:
    scores = found.evidence.get("toxicity")
    every = list(scores.values()) if isinstance(scores, Mapping) else scores if isinstance(scores, (list, tuple)) else [scores]
    return any(isinstance(score, (int, float)) and score >= _TOXIC for score in every)


def scrub(text: str) -> str:
    """Replace each credential (:func:`pytest_slmtrust.detectors.find_credentials`) by ``[credential]``."""
    return _without_spots(text, detectors.find_credentials(text))


def scrub_spec(text: str) -> str:
    """Return what names a model, or an argument that does, without a user, a password or a key of its address."""
    return _without_spots(text, spec_secrets(text))


def _without_spots(text: str, spots: Iterable[tuple[int, int]]) -> str:
    out, at = "", 0
    for start, end in spots:
        out, at = f"{out}{text[at:start]}[credential]", end
    return out + text[at:] if at else text


@lru_cache(maxsize=8192)
def _masked(text: str, key: bytes) -> str:
    """Kept, because the same keys, groups and questions occur in many findings."""
    return detectors.mask_personal_data(scrub(text), key)


@lru_cache(maxsize=8192)
def _is_personal(number: str) -> bool:
    """Return whether a number is one of a card or of a person; a seed of ten digits may look like a telephone's, and is none."""
    short = len(number) <= _NO_PERSONS and number.removeprefix("-").replace(".", "", 1).isdecimal()
    return not short and any(span.kind != "phone" for span in detectors.find_personal_data(number))


@dataclass(frozen=True, slots=True)
class Mask:
    """Masks personal data with a key that is thrown away after the run, so that equal data is seen to be equal and no more.

    ``reveal`` leaves personal data as it is; credentials are taken out all the same. ``harmful`` keeps replies that may do harm:
    what a model wrote in a case of the toxicity dimension, or of a probe that says so of itself, that did not pass and is no
    refusal, and what a toxicity scorer flagged in any other. Nothing that a gate counts depends on them.
    """

    key: bytes
    reveal: bool = False
    harmful: bool = False

    def text(self, text: str) -> str:
        return scrub(text) if self.reveal else _masked(text, self.key)

    def spec(self, text: str) -> str:
        """Return what names a model, or an argument of a command line."""
        return self.text(scrub_spec(text))

    def value(self, value: Any) -> Any:
        """Return the same for every text inside evidence; what JSON has no form for becomes text."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.value(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(v) for v in value]
        if value is None or isinstance(value, bool):
            return value
        plain = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        return value if plain and not _is_personal(str(value)) else self.text(str(value))

    def finding(self, found: Finding) -> Finding:
        group = None if found.group is None else self.text(found.group)
        evidence = found.evidence if self.harmful else withheld(found)
        return replace(found, group=group, reason=self.text(found.reason), evidence=self.value(evidence))


def withheld(found: Finding) -> Mapping[str, Any]:
    """Return the evidence of a finding without replies that may do harm: their place and length are kept.

    Of probe packs only, which provoke harm on purpose; what a user's own probe file shows is its author's to choose.
    """
    toxic = _scored_toxic(found)
    harmless = not toxic and (not _provokes_harm(found) or found.outcome == "passed")
    if not found.nodeid.startswith(PACKS):
        return found.evidence
    # a thought may plan what the answer then refuses, and hold a refusal next to harm
    shown = dict(found.evidence)
    if offensive(found) and THOUGHTS in shown:
        shown[THOUGHTS] = _without(shown[THOUGHTS], True)
    if harmless:
        return shown
    return {key: _without(value, toxic) if _holds_replies(key) and key != THOUGHTS else value for key, value in shown.items()}


def _holds_replies(key: Any) -> bool:
    return not _WRITTEN.isdisjoint(_WORD.findall(str(key).lower()))


def _without(value: Any, toxic: bool) -> Any:
    """Return a value without its texts; of a finding in which nothing was found toxic, refusals may stay."""
    if isinstance(value, str):
        if not value.strip() or (not toxic and detectors.plainly_refuses(value)):
            return value
        return f"[withheld: {len(value)} characters that may do harm; --slm-include-harmful shows them]"
    if isinstance(value, Mapping):
        return {key: _without(one, toxic) for key, one in value.items()}
    return [_without(one, toxic) for one in value] if isinstance(value, (list, tuple)) else value
