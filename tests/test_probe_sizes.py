"""Every built-in probe is asked as many items as its interval needs to say something."""

from __future__ import annotations

import pytest

from pytest_slmtrust import Finding, Probe, Profile
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.probes.fairness_decisions import decides_alike_for_all_groups
from pytest_slmtrust.probes.fairness_numbers import worst_group
from pytest_slmtrust.probes.shared import few_items
from pytest_slmtrust.stats import exact_interval

CI = load_policy("ci")
BUILT_IN = [p for p in packed(pytest_slm_probes()) if not p.inputs and p.name != "survives_synonyms"]  # that needs WordNet


@pytest.mark.parametrize("probe", BUILT_IN, ids=lambda p: p.name)
def test_an_interval_of_ci_is_at_most_forty_points_wide(probe: Probe) -> None:
    items = len({case.source for case in probe.cases(CI.profile, CI.limit(probe))})
    ends = exact_interval(items // 2, items, 0.95)
    assert ends.upper - ends.lower <= 0.4, items


def test_the_worst_of_nine_groups_is_known_in_ci() -> None:
    own = next(p for p in BUILT_IN if p.name == decides_alike_for_all_groups.name)
    asked = own.cases(CI.profile, CI.limit(own))
    alike = [
        Finding(f"x::{c.id}", own.name, own.dimension, c.id, c.source, "passed", 0.0, str(c.params["attribute"])) for c in asked
    ]
    assert len(alike) == CI.profile.blocking_items
    assert worst_group(alike).upper < 0.35


@pytest.mark.parametrize(("items", "asked"), [(6, 3), (60, 30), (100, 30), (200, 50), (1_000_000, 250_000)])
def test_a_dear_probe_asks_few_items_but_not_too_few(items: int, asked: int) -> None:
    assert few_items(Profile("x", items, items, 1, 0.1, 0.05, True)) == asked
