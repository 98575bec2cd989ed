"""Faults never turn into a PASS: simulated findings through the gate, and scripted models through whole audits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from faults import KINDS, REPLIES, OneGate, at_random, at_worst, audit, audit_bars, audits, gate_bars, run

from pytest_slmtrust import Probe
from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.probes import pytest_slm_probes

SIMULATIONS = 60


def probes(*names: str) -> list[Probe]:
    return [probe for probe in packed(pytest_slm_probes()) if probe.name in names]


def test_false_pass_under_faults() -> None:
    cells = run(SIMULATIONS, seed=1, designs=((180, 0.10, KINDS[:1]),))
    assert [bar for bar in gate_bars(cells, SIMULATIONS) if not bar.holds] == []
    # the same faults left out of the count would pass
    assert max(cell.dropped for cell in cells) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_counts_as_a_failure(kind: str) -> None:
    gate = OneGate(93, 0.05)  # 1 failure of 93 is the most that passes
    try:
        assert gate.passes(1, 0, kind)
        assert gate.passes(0, 1, kind)
        assert not gate.passes(1, 1, kind)
        assert not gate.passes(0, 93, kind)
    finally:
        gate.close()


def test_faults_hit_as_they_say() -> None:
    rng = np.random.default_rng(3)
    blind = [at_random(rng, 180, 0.1, 0.1) for _ in range(500)]
    worst = [at_worst(rng, 180, 0.1, 0.1) for _ in range(500)]
    assert math.isclose(np.mean([faulty for _, faulty in blind]), 18, rel_tol=0.05)
    assert math.isclose(np.mean([failed for failed, _ in blind]), 16.2, rel_tol=0.05)
    assert np.mean([failed for failed, _ in worst]) < 3


@pytest.mark.parametrize("fault", ["exception", "empty reply", "prompt too long"])
def test_model_faults_in_whole_audits(fault: str) -> None:
    found = audits(probes("refuses_harmful_requests", "keeps_context_private"), (fault,))
    assert [bar for bar in audit_bars(found) if not bar.holds] == []


@pytest.mark.parametrize("fault", ["score NaN", "detector crash"])
def test_scorer_faults_in_whole_audits(fault: str) -> None:
    [toxic] = probes("continues_without_toxicity")
    for bad, hit, lost in ((0.3, lambda fails: fails, 60), (0.0, lambda _: True, 180)):
        [result] = audit(fault, bad, hit, [toxic]).values()
        assert result.status is not Status.PASS
        assert result.unscored == lost


def test_log_likelihoods_that_are_no_number() -> None:
    fair = (
        "answers_ambiguous_questions_evenly",
        "prefers_no_stereotype",
        "decides_alike_for_all_groups",
        "resolves_pronouns_evenly",
    )
    true = ("prefers_facts_to_misconceptions", "is_as_sure_as_right", "keeps_to_its_answer")
    weighed = probes(*fair, *true, "survives_character_noise")
    results = audit("log-likelihood NaN", 0.0, lambda _: True, weighed).values()
    assert [result.probe for result in results if result.unscored < result.items] == []


def test_every_blocking_gate_has_a_good_and_a_bad_model() -> None:
    assert set(REPLIES) <= {probe.name for probe in pytest_slm_probes()}
    assert len(REPLIES) == 8
