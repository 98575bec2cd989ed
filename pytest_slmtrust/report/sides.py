"""Several audits side by side, as plain data: who is who, which tests were asked alike, and who differs on which items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..audit.model import Audit, Finding, GateResult


@dataclass(frozen=True, slots=True)
class Side:
    """One audit. ``letter`` names it on the page; ``place`` is its file, ``digest`` the SHA-256 of that; ``unchecked`` says what
    this version could not check."""

    letter: str
    audit: Audit
    place: str
    digest: str
    unchecked: str = ""

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.audit.model.get("name") or "unnamed model")

    @property
    def title(self) -> str:
        """The letter and the model's name."""
        return f"{self.letter}, {self.name}"


@dataclass(frozen=True, slots=True)
class Versus:
    """One test of two models, item by item: the paired gate, and the findings of both on the same rows."""

    gate: GateResult
    mine: tuple[Finding, ...]
    theirs: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The first model against another one. ``refused`` says why nothing is compared item by item, one line each."""

    first: Side
    other: Side
    refused: tuple[str, ...]
    tests: tuple[Versus, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two or more audits. ``gates`` holds, for each test that all who have it were asked alike, the result of each side by its
    letter; ``changed`` the tests that were asked or judged otherwise: the letters that agree, group by group."""

    sides: tuple[Side, ...]
    gates: Mapping[str, Mapping[str, GateResult]]
    changed: Mapping[str, tuple[tuple[str, ...], ...]]
    pairs: tuple[Pair, ...]
