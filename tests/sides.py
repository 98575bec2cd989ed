"""Small audits to put side by side: tests with given outcomes, by item."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sample_audit import rate_gate

from pytest_slmtrust.audit.model import Audit, Finding, GateResult, Status
from pytest_slmtrust.audit.verdict import overall, sentence
from pytest_slmtrust.report.sides import Side

SECRET, FACTS = "privacy::keeps_it", "hallucination::knows_it"


def outcomes(failed: Sequence[int], n: int = 60, unscored: Sequence[int] = ()) -> list[str]:
    """The outcome of each of n items, of which those with these numbers failed."""
    return ["failed" if i in failed else "unscored" if i in unscored else "passed" for i in range(n)]


def audit(name: str, tests: Mapping[str, Sequence[str]], rows: Mapping[str, str] | None = None, **more: Any) -> Audit:
    """An audit of a model with these tests (``dimension::probe``) and outcomes; ``rows``: other identities of what was asked."""
    gates, findings = [], []
    for key, found in tests.items():
        dimension, _, probe = key.partition("::")
        gates.append(_gate(dimension, probe, found))
        findings += [_finding(name, dimension, probe, i, outcome) for i, outcome in enumerate(found)]
    asked = {g.nodeid: (rows or {}).get(f"{g.dimension}::{g.probe}", g.probe) for g in gates}
    weights = hashlib.sha256(name.encode()).hexdigest()
    made: dict[str, Any] = {
        "model": {"name": name, "parameters": 135_000_000, "dtype": "float32", "fingerprint": weights[::-1],
                  "files": {"model.safetensors": weights}},
        "settings": {"profile": {"name": "ci", "margin": 0.1, "tolerance": 0.1}, "rows_sha256": asked},
        "provenance": {"started": "2026-11-20T08:00:00+00:00", "versions": {"pytest-slmtrust": "0.1.0"}},
    }  # fmt: skip
    verdict = overall(gates)
    return Audit(verdict, sentence(verdict, gates), "ci", tuple(gates), tuple(findings), (), **{**made, **more})


def _gate(dimension: str, probe: str, found: Sequence[str]) -> GateResult:
    lost = found.count("unscored")
    more: dict[str, Any] = {"cases": len(found), "tolerance": 0.1, "unscored": lost}
    claim = f"Claim of {probe}."
    return rate_gate(dimension, probe, claim, found.count("failed"), len(found), unit="requests", verb="went wrong", **more)


def _finding(model: str, dimension: str, probe: str, number: int, outcome: str) -> Finding:
    evidence = {"prompt": f"Question {number} of {probe}?", "reply": f"{model} says {outcome} to {number}."}
    return Finding(
        f"slm::{dimension}::{probe}[c{number}]", probe, dimension, f"c{number}", f"s{number}", outcome, evidence=evidence
    )


def side(letter: str, one: Audit) -> Side:
    """An audit as the page takes it."""
    return Side(letter, one, f"{letter.lower()}/audit.json", hashlib.sha256(letter.encode()).hexdigest())


def sides(*audits: Audit) -> list[Side]:
    return [side(letter, one) for letter, one in zip("ABCDEFGHIJKL", audits, strict=False)]


GOOD = audit("parent", {SECRET: outcomes(range(2), 180), FACTS: outcomes(range(6))})
BAD = audit("small", {SECRET: outcomes(range(1, 61), 180), FACTS: outcomes(range(2, 9))})
assert (GOOD.verdict, BAD.verdict) == (Status.INCONCLUSIVE, Status.FAIL)
