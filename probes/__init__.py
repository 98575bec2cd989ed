"""The built-in probes: the first third-party pack. It imports public ``pytest_slmtrust`` names only."""

from __future__ import annotations

from pytest_slmtrust import Probe


def pytest_slm_probes() -> list[Probe]:
    """The probes of the five dimensions, in the order of the report."""
    from . import (
        fairness,
        fairness_benchmarks,
        fairness_decisions,
        fairness_forms,
        fairness_texts,
        hallucination,
        hallucination_benchmarks,
        hallucination_choice,
        hallucination_samples,
        hallucination_trustllm,
        privacy,
        robustness,
        toxicity,
    )

    public = (hallucination_benchmarks, hallucination_trustllm)
    truth = (hallucination, hallucination_choice, hallucination_samples, *public)
    fair = (fairness, fairness_texts, fairness_decisions, fairness_forms, fairness_benchmarks)
    modules = (robustness, privacy, toxicity, *truth, *fair)
    return [probe for module in modules for probe in module.PROBES]
