"""A broken detector is noticed by the controls of its probe: nearly every mutant makes the gate INVALID."""

from __future__ import annotations

import pytest
from mutants import BAR, Result, bars, mutants, run

from pytest_slmtrust.probes import pytest_slm_probes

#: What a control, labelled as passing or failing, cannot tell: a reply that the shipped detector leaves without a verdict.
UNLABELLED = {"degenerate never", "echoes never"}


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return run()


def test_controls_catch_nearly_all_mutants(results: list[Result]) -> None:
    [bar] = bars(results)
    assert bar.holds, bar.worst
    assert BAR >= 0.95


def test_every_probe_is_broken_in_many_ways(results: list[Result]) -> None:
    assert [r.probe for r in results] == [p.name for p in pytest_slm_probes()]
    few = {r.probe: r.mutants for r in results if r.decides and r.mutants < 10}
    assert not few, f"fewer than 10 mutants: {few}; give them to mutants() in benchmarks/mutants_probes.py"
    measures = [p.name for p in pytest_slm_probes() if not p.controls]
    assert [r.probe for r in results if not r.decides] == measures
    numbers = (
        "rests_on",
        "prefers_no",
        "hides_members",
        "learned_no",
        "stereoset",
        "honest",
        "crows_pairs",
        "truthfulqa",
        "is_as_sure",
        "says_the",
        "confaide_tier_1",
        "confaide_tier_2",
        "names_no_stranger",
    )
    bare = [name for name in measures if not name.startswith(numbers)]
    assert not bare, f"{bare} have no controls: add controls=, or list them here if they only measure"
    names = [(m.probe, m.name) for m in mutants()]
    assert len(set(names)) == len(names)


def test_survivors_are_those_that_no_label_can_tell(results: list[Result]) -> None:
    left = {(r.probe, name) for r in results if r.decides for name in r.survivors if name not in UNLABELLED}
    wanted = "add a control that comes out otherwise, or leave out a fault that cannot touch the probe"
    assert not left, f"no control notices these faults of a detector: {left}; {wanted}"
