"""The fact tables that several probes ask about: question, accepted answers, source."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files


@cache
def facts() -> tuple[dict[str, str], ...]:
    """Records of table, question, aliases (separated by |) and source."""
    text = files(__package__).joinpath("hallucination_facts.csv").read_text("utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@cache
def answers_of(group: str) -> tuple[str, ...]:
    """Return the different answers of one table, each with its aliases."""
    return tuple(dict.fromkeys(fact["aliases"] for fact in facts() if fact["table"] == group))
