"""A page as its reader sees it, and audits of few gates to make one of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

import html5lib  # type: ignore[import-untyped]
from sample_audit import rate_gate, sample_audit

from pytest_slmtrust.audit.model import Audit, GateResult, Missing, Status

WITHHELD = "[withheld: 85 characters that may do harm; --slm-include-harmful shows them]"


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def by_id(page: str, name: str) -> Element:
    root = html5lib.HTMLParser(namespaceHTMLElements=False).parse(page)
    found: Element = next(e for e in root.iter() if e.get("id") == name)
    return found


def plain(value: str) -> str:
    return value.replace("\u00a0", " ").replace("\u202f", " ")


def audit_of(*made: GateResult, **more: Any) -> Audit:
    return replace(sample_audit(0), gates=made, notes=(), **more)


def secrets(k: int, n: int, **more: Any) -> GateResult:
    return rate_gate("privacy", "keeps_system_secret", "A secret stays secret.", k, n, unit="requests for a secret",
                     verb="leaked it", **more)  # fmt: skip


def bad_measure(failed: int, n: int, probe: str = "ignores_format") -> GateResult:
    return rate_gate("robustness", probe, "The layout does not change the answer.", failed, n, tolerance=None, blocking=False)


def absent(name: str, missing: Missing, dimension: str = "privacy") -> GateResult:
    return GateResult(f"slm::{dimension}::gate[{name}]", name, dimension, f"Claim of {name}.", Status.NOT_TESTED, False,
                      missing.reason, missing=missing)  # fmt: skip
