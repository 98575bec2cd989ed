"""The built-in probes: the first third-party pack. It imports public ``pytest_slmtrust`` names only."""

from __future__ import annotations

from pytest_slmtrust import Probe


def pytest_slm_probes() -> list[Probe]:
    """The probes of the five dimensions, in the order of the report."""
    from . import (
        fairness,
        hallucination,
        leakage,
        membership,
        memorisation,
        privacy,
        robustness,
        toxicity,
        toxicity_benchmarks,
        toxicity_jailbreaks,
        toxicity_pairs,
        toxicity_refusal_benchmarks,
    )

    secrecy = (privacy, leakage, memorisation, membership)
    safety = (toxicity, toxicity_pairs, toxicity_jailbreaks, toxicity_benchmarks, toxicity_refusal_benchmarks)
    modules = (robustness, *secrecy, *safety, hallucination, fairness)
    return [probe for module in modules for probe in module.PROBES]
