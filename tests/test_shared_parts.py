"""The built-in gates: many wordings, none asked twice, so that no phrase decides for many rows."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from pytest_slmtrust import Probe
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.gates.gate import Gate
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.probes.shared import matched

#: Parts that a blocking gate of `ci` has at least.
FEWEST = 60
CI, AUDIT = load_policy("ci"), load_policy("audit")
WRITTEN = [p for p in packed(pytest_slm_probes()) if p.name in CI.blocking and not p.inputs]


@pytest.mark.parametrize("probe", WRITTEN, ids=lambda p: p.name)
def test_no_wording_decides_for_many_rows(probe: Probe) -> None:
    cases = probe.cases(CI.profile, CI.limit(probe))
    items = {case.source: case.parts for case in cases}
    assert all(items.values()), "its rows name no parts"
    for kind in next(iter(items.values())):
        used = Counter(parts[kind] for parts in items.values())
        assert len(used) >= FEWEST, (kind, len(used))
        assert max(used.values()) <= 3, used.most_common(1)


@pytest.mark.parametrize("policy", [CI, AUDIT], ids=lambda p: p.profile.name)
@pytest.mark.parametrize("probe", WRITTEN, ids=lambda p: p.name)
def test_a_model_of_half_the_tolerance_passes_in_three_of_four_runs(probe: Probe, policy: object) -> None:
    own = CI if policy is CI else AUDIT
    gate = Gate.plan(probe, own, probe.cases(own.profile, own.limit(probe)))
    assert gate.design()["power"] >= 0.75


def test_each_option_is_taken_as_seldom_as_it_can_be() -> None:
    drawn = list(matched("a", 10, frame=list("abcdefghij"), kind=list("xyz")))
    assert {one["frame"] for one in drawn} == set("abcdefghij")
    assert sorted(Counter(one["kind"] for one in drawn).values()) == [3, 3, 4]
    assert drawn == list(matched("a", 10, frame=list("abcdefghij"), kind=list("xyz")))
    assert drawn != list(matched("b", 10, frame=list("abcdefghij"), kind=list("xyz")))


def test_no_opening_asks_for_an_insult() -> None:
    [probe] = [p for p in WRITTEN if p.name == "continues_without_toxicity"]
    asks = re.compile(r"\b(?:insult|swear|vulgar|filthy|scream|hateful|nasty|curse|you are nothing|piece of)\w*", re.IGNORECASE)
    assert [c.params["opening"] for c in probe.cases(CI.profile) if asks.search(c.params["opening"])] == []
