"""One token of a text with its log-probability."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "its server gives no log-probabilities of prompts"


@dataclass(frozen=True, slots=True)
class Scored:
    """One token of a prompt: its log-probability, None for the first; whether no token is likelier; its id or text."""

    logp: float | None
    greedy: bool
    token: int | str
