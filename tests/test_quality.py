"""What a gate may conclude, given the errors of its detector."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_gates import findings, make

from pytest_slmtrust import Control, Judge, ProbeError, Verdict
from pytest_slmtrust.audit.counting import Items
from pytest_slmtrust.audit.model import GateResult, Status, Stopped
from pytest_slmtrust.gates.detector_errors import advice, corrected, detector_check, fails_after_correction, measured_row
from pytest_slmtrust.gates.gate import Beside, Gate, finding
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes import pytest_slm_probes

GOOD = {"tp": 190, "fn": 10, "tn": 795, "fp": 5, "data": "labelled", "split": "held out"}
WEAK = {"tp": 12, "fn": 8, "tn": 160, "fp": 12, "data": "labelled", "split": "held out"}


def check(failed: int, row: dict[str, Any] | None, n: int = 180, judge: Judge | None = None, lost: int = 0) -> GateResult:
    probe = make(1, judge=judge or Judge("refusal"))
    gate = Gate(probe, load_policy("ci").profile, n, 0.1)
    found = findings(["failed"] * failed + ["unscored"] * lost + ["passed"] * (n - failed - lost))
    return gate.check("id", found, [], [], Beside(measured=row))


def test_a_good_detector_lets_its_gate_block() -> None:
    result = check(3, GOOD)
    assert result.status is Status.PASS
    assert result.blocking
    assert result.advisory == ""
    assert result.measured is not None
    assert result.measured.good
    assert result.corrected is None  # other models' replies: this one's may be found out more or less often


def test_a_set_that_nobody_measured_leaves_the_row_that_speaks_for_the_detector() -> None:
    scorer = {"measured": [{**GOOD, "data": "tweets"}, {**GOOD, "data": "continuations", "primary": True}]}
    for data, row in (("tweets", 0), ("", 1), ("tweeds", 1)):
        assert measured_row(Judge("toxicity", data=data), scorer) == scorer["measured"][row]
    assert measured_row(Judge("toxicity", data="tweets"), {}) is None


def test_a_weak_detector_makes_its_gate_advisory() -> None:
    for failed, status in ((3, Status.PASS), (20, Status.INCONCLUSIVE), (28, Status.FAIL)):
        result = check(failed, WEAK)
        assert result.status is status
        assert not result.blocking
        assert "not known to be good enough" in result.advisory


def test_a_model_that_fails_even_after_correction_is_blocked_all_the_same() -> None:
    result = check(150, WEAK)
    assert result.status is Status.FAIL
    assert result.blocking
    assert result.reason.endswith("even after a correction for the errors that its detector made on other texts")
    assert "even after" not in check(150, GOOD).reason
    assert result.corrected is None
    assert not check(150, WEAK, judge=Judge("toxicity", single=False)).blocking  # a rate of items cannot be corrected there


@pytest.mark.parametrize(("failed", "blocks"), [(28, True), (9, False)])
def test_a_gate_that_stopped_early_is_blocked_by_a_model_that_fails_in_spite_of_its_detector(failed: int, blocks: bool) -> None:
    gate = Gate(make(1, judge=Judge("refusal")), load_policy("ci").profile, 180, 0.1)
    found = findings(["passed"] * (32 - failed) + ["failed"] * failed)
    stopped = Stopped(180, tuple(f.source for f in found))
    result = gate.check("id", found, [], [], Beside(measured=WEAK, stopped=stopped))
    assert result.status is Status.FAIL
    assert result.blocking is blocks
    assert result.corrected is None  # an estimate at a chosen time would be biased


def test_lost_items_do_not_make_a_failure_sure() -> None:
    """Of 30 judged items all failed; 150 could not be judged: nothing is sure after correction."""
    assert check(30, WEAK, lost=150).status is Status.FAIL
    assert not check(30, WEAK, lost=150).blocking


def test_an_unmeasured_detector_blocks_and_has_no_correction() -> None:
    result = check(3, None)
    assert result.blocking
    assert result.measured is None
    assert result.corrected is None


def test_what_the_detector_flags_may_be_what_passes() -> None:
    fails = detector_check(Judge("refusal"), GOOD, 0.1, 0.05)
    passes = detector_check(Judge("refusal", flag_fails=False), GOOD, 0.1, 0.05)
    assert (fails.tp, fails.fn, fails.tn, fails.fp) == (190, 10, 795, 5)
    assert (passes.tp, passes.fn, passes.tn, passes.fp) == (795, 5, 190, 10)
    assert fails.good
    assert not passes.good  # 10 of 200 refusals taken for help: a false FAIL at 5 %


def test_an_item_of_several_cases_is_not_corrected_for_errors_on_single_texts() -> None:
    gate = Gate(make(1, judge=Judge("refusal")), load_policy("ci").profile, 90, 0.1)
    found = [replace(f, source=f"s{i // 2}") for i, f in enumerate(findings(["failed"] * 150 + ["passed"] * 30))]
    result = gate.check("id", found, [], [], Beside(measured=WEAK))
    assert result.status is Status.FAIL
    assert result.corrected is None
    assert not result.blocking


def test_a_detector_no_better_than_chance_corrects_nothing() -> None:
    chance = detector_check(Judge("x"), {"tp": 50, "fn": 50, "tn": 50, "fp": 50}, 0.1, 0.05)
    assert corrected(Items(100, 90, 0, 0), chance, 0.05) is None
    assert not fails_after_correction(Items(100, 90, 0, 0), chance, 0.1, 0.05)
    assert advice(chance, 0.1, 0.05)


def test_what_decides_by_measured_rules_shows_their_errors() -> None:
    judges = {probe.name: probe.judge.name for probe in pytest_slm_probes() if probe.judge}
    assert judges["keeps_context_private"] == "disclosure"
    assert judges["ignores_injected_instructions"] == "injection"
    own = {probe.name for probe in pytest_slm_probes() if not probe.inputs}
    assert own & set(load_policy("ci").blocking) <= set(judges)
    assert judges["keeps_secret_over_turns"] == judges["keeps_system_secret"] == "leak"
    for name in set(judges.values()) - {"toxicity"}:  # the session's scorer has its own rows
        row = measured_row(Judge(name), {})
        assert row is not None, name
        assert row["outside"], name
        assert row["split"].startswith("held out"), name


@pytest.mark.parametrize(("wrong", "good"), [(0, True), (60, False)])
def test_labelled_rows_measure_a_probes_own_detector(wrong: int, good: bool) -> None:
    controls = [Control({"i": 0, "j": 0}, "", False)] * 200 + [Control({"i": 0, "j": 0}, "", True)] * 200
    probe = make(1, labelled=controls)
    cases = probe.labelled_cases()
    found = []
    for number, case in enumerate(cases):
        right = number >= wrong
        found.append((case, finding(case, case.id, Verdict(bool(case.expected) is right))))
    gate = Gate(probe, load_policy("ci").profile, 180, 0.1)
    result = gate.check("id", findings(["passed"] * 180), [], [], Beside(labelled=found))
    assert result.measured is not None
    assert (result.measured.tp, result.measured.fn) == (200 - wrong, wrong)
    assert result.measured.good is good
    assert result.blocking is good


def test_too_few_labelled_rows_are_refused() -> None:
    def rows(failing: int, passing: int) -> list[Control]:
        return [Control({"i": 0, "j": 0}, "", False)] * failing + [Control({"i": 0, "j": 0}, "", True)] * passing

    policy = load_policy("ci")
    for few in (rows(1, 1), rows(14, 58), rows(13, 59)):
        probe = make(200, labelled=few, tolerance=0.1)
        with pytest.raises(ProbeError, match="Give at least 14 and 59, or none"):
            Gate.plan(probe, policy, probe.cases(policy.profile))
    enough = make(200, labelled=rows(14, 59), tolerance=0.1)
    assert Gate.plan(enough, policy, enough.cases(policy.profile)).tolerance == 0.1


def test_labelled_rows_need_both_labels() -> None:
    probe = make(1, labelled=[Control({"i": 0, "j": 0}, "", True)])
    case = probe.labelled_cases()[0]
    gate = Gate(probe, load_policy("ci").profile, 180, 0.1)
    beside = Beside(labelled=[(case, finding(case, "n", Verdict(True)))])
    assert gate.check("id", findings(["passed"] * 180), [], [], beside).measured is None


def test_a_detector_that_its_authors_measured_makes_a_pass_advisory() -> None:
    for failed, status, blocks in ((3, Status.PASS, False), (20, Status.INCONCLUSIVE, False), (150, Status.FAIL, True)):
        result = check(failed, {**GOOD, "outside": False})
        assert result.status is status
        assert result.blocking is blocks  # a model that fails even after correction is blocked all the same
        assert bool(result.advisory) is not blocks
        assert "authors of its rules" in (result.advisory or "authors of its rules")


def test_a_rate_is_corrected_only_by_counts_on_the_same_models_replies() -> None:
    numbers = {"tp": 95, "fn": 5, "tn": 190, "fp": 10}
    check_ = detector_check(Judge("refusal"), numbers, 0.1, 0.05)
    assert corrected(Items(100, 30, 0, 0), check_, 0.05) is not None
    assert check(30, numbers).corrected is None
