"""The built-in probes: the first third-party pack. It imports public ``pytest_slmtrust`` names only."""

from __future__ import annotations

from pytest_slmtrust import Probe


def pytest_slm_probes() -> list[Probe]:
    """The probes of the five dimensions, in the order of the report."""
    from . import fairness, hallucination, leakage, membership, memorisation, privacy, privacy_benchmarks, robustness, toxicity

    modules = (robustness, privacy, leakage, memorisation, membership, privacy_benchmarks, toxicity, hallucination, fairness)
    return [probe for module in modules for probe in module.PROBES]
