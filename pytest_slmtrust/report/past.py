"""Audits of one project in the order of their dates, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..audit.model import GateResult, Status


@dataclass(frozen=True, slots=True)
class Moment:
    """One audit without its findings.

    ``weights`` is what the digest is of and the digest itself, ``parts`` that of weights, settings and template together;
    ``build`` identifies the built-in probes, ``packs`` are the packs that were asked, and ``owner`` is who the audit says owns
    the model. ``passed`` of the ``counted`` blocking gates passed, comparisons and limits of the machine among them; ``lacking``
    are the required dimensions that were not tested, ``besides`` says which rows failed as tests by themselves, and what else
    makes the audit red. ``gates`` and ``rows`` hold the result and the identity of the rows of each gate, by its key.
    """

    place: str
    started: datetime
    model: str
    weights: tuple[str, str]
    parts: str
    tool: str
    build: str
    profile: str
    packs: tuple[str, ...]
    owner: str
    verdict: Status
    passed: int
    counted: int
    lacking: tuple[str, ...]
    gates: Mapping[str, GateResult]
    rows: Mapping[str, str]
    unchecked: str = ""
    besides: tuple[str, ...] = ()

    @property
    def date(self) -> str:
        """When it began, in UTC."""
        return f"{self.started:%Y-%m-%d %H:%M} UTC"

    @property
    def aside(self) -> str:
        """What else the verdict rests on; empty if nothing."""
        lacking = [f"required and not tested: {', '.join(self.lacking)}"] if self.lacking else []
        return "".join(f"; {said}" for said in (*lacking, *self.besides))

    @property
    def day(self) -> str:
        return f"{self.started:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Past:
    """The audits below one folder, the oldest first, and each file that was left out with the reason."""

    folder: str
    moments: tuple[Moment, ...]
    left_out: tuple[tuple[str, str], ...]
