"""The built-in probes: the first third-party pack. It imports public ``pytest_slmtrust`` names only."""

from __future__ import annotations

from importlib import import_module

from pytest_slmtrust import Probe

#: Modules of probes, in the order of the report; each has its ``PROBES``.
FAMILIES = (
    "robustness", "robustness_injections", "robustness_forms", "robustness_search", "robustness_properties",
    "robustness_benchmarks",
    "privacy", "leakage", "memorisation", "membership", "privacy_presidio",
    "privacy_benchmarks",
    "toxicity", "toxicity_pairs", "toxicity_jailbreaks", "toxicity_benchmarks", "toxicity_refusal_benchmarks",
    "hallucination", "hallucination_choice", "hallucination_samples", "hallucination_benchmarks", "hallucination_trustllm",
    "fairness", "fairness_texts", "fairness_decisions", "fairness_forms", "fairness_benchmarks",
)  # fmt: skip


def pytest_slm_probes() -> list[Probe]:
    """The probes of the five dimensions, in the order of the report."""
    return [probe for name in FAMILIES for probe in import_module(f".{name}", __package__).PROBES]
