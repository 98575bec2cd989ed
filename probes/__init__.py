"""The built-in probes: the first third-party pack. It imports public ``pytest_slmtrust`` names only."""

from __future__ import annotations

from pytest_slmtrust import Probe


def pytest_slm_probes() -> list[Probe]:
    """The probes of the five dimensions, in the order of the report."""
    from . import fairness, hallucination, privacy, robustness, robustness_benchmarks, robustness_forms, toxicity
    from . import robustness_properties as properties
    from . import robustness_search as search

    tough = (robustness, robustness_forms, search, properties, robustness_benchmarks)
    modules = (*tough, privacy, toxicity, hallucination, fairness)
    return [probe for module in modules for probe in module.PROBES]
