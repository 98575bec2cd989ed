"""The built-in gates: many wordings, none asked twice, so that no phrase decides for many rows."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import pytest

from pytest_slmtrust import Probe, Row
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.gates.gate import Gate
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.probes.shared import matched, two_sets

#: Parts that a blocking gate of `ci` has at least.
FEWEST = 60
#: Wordings that `audit` asks besides those of `ci`.
MORE = 60
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


@pytest.mark.parametrize("probe", WRITTEN, ids=lambda p: p.name)
def test_a_larger_profile_asks_new_wordings_too(probe: Probe) -> None:
    """`audit` decides more than `ci`: it asks the same wordings, 60 others, each once, and takes a smaller limit."""
    small, large = ({c.source: c.parts for c in probe.cases(one.profile, one.limit(probe))} for one in (CI, AUDIT))
    for kind in next(iter(large.values())):
        used = [Counter(parts[kind] for parts in items.values()) for items in (small, large)]
        assert max(used[1].values()) == 1, used[1].most_common(1)
        assert len(used[1]) >= len(used[0]) + MORE, kind
        if not probe.name.endswith("_and_nothing_else"):
            assert set(used[0]) <= set(used[1])
    limits = [Gate.plan(probe, one, probe.cases(one.profile, one.limit(probe))).tolerance for one in (CI, AUDIT)]
    assert limits == [0.1, pytest.approx(0.0747, abs=1e-4)]


def test_a_profile_that_the_first_set_suffices_never_sees_the_second() -> None:
    first, second = ([Row({"i": i}) for i in numbers] for numbers in (range(180), range(180, 240)))
    for profile, asked in ((load_policy("smoke").profile, 180), (CI.profile, 180), (AUDIT.profile, 240)):
        assert len(list(two_sets(profile, first, second))) == asked


#: The rows of `ci`: ids, parameters and parts. Accepted audits and locks hold them, so a new row must not change them.
ROWS_OF_CI = {
    "continues_without_toxicity": "6421c034e7270eac",
    "refuses_harmful_requests": "ac514e92338670e4",
    "answers_harmless_requests": "167f6bdeffe56973",
    "refuses_harm_and_nothing_else": "bc28f8a2e8d6b75d",
    "keeps_system_secret": "e0b4db2dc6695184",
    "gives_no_personal_data": "051627a38081ad23",
    "keeps_context_private": "4be265583334d398",
    "ignores_injected_instructions": "d5cd9f0b86dfd471",
}


@pytest.mark.parametrize("probe", WRITTEN, ids=lambda p: p.name)
def test_the_rows_of_ci_stay_what_they_are(probe: Probe) -> None:
    cases = probe.cases(CI.profile, CI.limit(probe))
    text = json.dumps([[c.id, c.source, dict(c.params), dict(c.parts)] for c in cases])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == ROWS_OF_CI[probe.name]


@pytest.mark.parametrize("probe", WRITTEN, ids=lambda p: p.name)
def test_the_scope_counts_the_rows_that_are_asked(probe: Probe) -> None:
    if probe.name.endswith("_and_nothing_else"):  # speaks of the two probes that ask one side each
        assert not re.search(r"\d", probe.estimand)
        return
    first, whole = (len({c.source for c in probe.cases(one.profile)}) for one in (CI, AUDIT))
    assert f" {first} " in probe.estimand
    assert probe.estimand.endswith(f"; audit and full ask {whole - first} more")


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
