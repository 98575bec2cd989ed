"""Two models on the same items: counting pairs, the non-inferiority gate, and what may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sample_audit import sample_audit
from statsmodels.stats.contingency_tables import mcnemar as oracle
from test_gates import findings, gate

from pytest_slmtrust.archive.verify import _Check
from pytest_slmtrust.audit.counting import ItemOutcome
from pytest_slmtrust.audit.model import Audit, ControlCheck, Finding, FloorCheck, GateResult, PairCounts, Status
from pytest_slmtrust.audit.nodeids import gate_key
from pytest_slmtrust.gates.asked import Asked, differences
from pytest_slmtrust.gates.paired_gate import (
    Context,
    PairedGate,
    Reading,
    count,
    paired_power,
    score_difference,
    smallest_margin,
)
from pytest_slmtrust.stats import Pairs, non_inferior

ABOUT = replace(gate(200).not_run(""), alpha=0.05)
FINE = ControlCheck(4)


def pairs(both: int, worse: int, better: int, neither: int) -> tuple[list[Finding], list[Finding]]:
    """Findings of a target and a baseline with these counts of items."""
    target = ["failed"] * (both + worse) + ["passed"] * (better + neither)
    baseline = ["failed"] * both + ["passed"] * worse + ["failed"] * better + ["passed"] * neither
    return findings(target), findings(baseline)


def check(two: tuple[Sequence[Finding], Sequence[Finding]], margin: float | None = 0.05, **more: object) -> GateResult:
    context = Context("parent", more.pop("controls", FINE), **more)  # type: ignore[arg-type]
    return PairedGate(ABOUT, len(two[0]), margin).check("id", *two, context)


@pytest.mark.parametrize(
    ("worse", "better", "status"), [(0, 0, "PASS"), (3, 3, "PASS"), (9, 5, "INCONCLUSIVE"), (30, 2, "FAIL"), (2, 30, "PASS")]
)
def test_three_outcomes_against_a_baseline(worse: int, better: int, status: str) -> None:
    result = check(pairs(20, worse, better, 180 - worse - better))
    assert result.status == status, (result.reason, result.paired)
    assert result.paired is not None
    assert result.paired.judged == PairCounts(20, worse, better, 180 - worse - better)
    assert result.estimate is not None
    assert result.estimate.value == pytest.approx((worse - better) / 200)
    assert result.estimate.lower <= result.estimate.value <= result.estimate.upper
    said = oracle([[20, worse], [better, 180 - worse - better]], exact=True).pvalue if worse + better else 1.0
    assert result.paired.mcnemar == pytest.approx(said)
    assert result.blocking


def test_the_three_readings_of_what_was_not_judged() -> None:
    kinds: list[ItemOutcome] = ["failed", "passed", "unscored"]
    target = {f"{a}{b}": a for a in kinds for b in kinds}
    baseline = {f"{a}{b}": b for a in kinds for b in kinds}
    readings: tuple[Reading, ...] = ("judged", "worst", "best")
    made = {reading: count(target, baseline, reading) for reading in readings}
    assert made["judged"] == PairCounts(1, 1, 1, 1)
    assert made["worst"] == PairCounts(2, 4, 1, 2)
    assert made["best"] == PairCounts(2, 1, 4, 2)


def test_what_was_not_judged_can_not_make_a_pass_or_a_fail() -> None:
    target, baseline = pairs(0, 0, 0, 200)
    lost = [replace(f, outcome="error") if i < 20 else f for i, f in enumerate(target)]
    assert check((target, baseline)).status is Status.PASS
    assert check((lost, baseline)).status is Status.INCONCLUSIVE
    target, baseline = pairs(0, 30, 0, 170)
    lost = [replace(f, outcome="error") if i < 30 else f for i, f in enumerate(target)]
    assert check((target, baseline)).status is Status.FAIL
    assert check((lost, baseline)).status is Status.INCONCLUSIVE


def test_a_baseline_of_other_items_is_no_baseline() -> None:
    target, baseline = pairs(1, 1, 1, 1)
    with pytest.raises(ValueError, match="must be the same"):
        check((target, baseline[:-1]))


def test_a_pass_must_be_earned() -> None:
    met, missed = FloorCheck("answers", 30, 30, 0.9, 0.5), FloorCheck("answers", 0, 30, 0.0, 0.5)
    good = pairs(0, 0, 0, 200)
    assert check(good, floor=met, baseline_floor=met).status is Status.PASS
    assert check(good, floor=missed, baseline_floor=met).status is Status.UNEARNED
    assert check(pairs(0, 60, 0, 140), floor=missed, baseline_floor=met).status is Status.FAIL
    nothing = check(good, floor=missed, baseline_floor=missed)
    assert nothing.status is Status.MEASURED
    assert not nothing.blocking
    assert check(good, controls=ControlCheck(4, ("control-1 is wrong",))).status is Status.INVALID


def test_no_difference_within_the_noise_floor_decides() -> None:
    bad = pairs(0, 30, 2, 168)
    assert check(bad, noise=None).status is Status.FAIL
    assert check(bad, noise=10).status is Status.FAIL
    inside = check(bad, noise=28)
    assert inside.status is Status.INCONCLUSIVE
    assert "noise floor of 28 flips" in inside.reason
    assert check(pairs(0, 0, 0, 200), noise=28).status is Status.PASS


def test_a_measured_case_does_not_switch_the_gate_off() -> None:
    target, baseline = pairs(0, 100, 0, 100)
    mixed = [replace(f, outcome="measured", score=0.5) if i == 0 else f for i, f in enumerate(target)]
    result = check((mixed, baseline))
    assert result.status is Status.FAIL
    assert result.blocking
    assert result.unscored == 1


def test_nothing_compared_is_nothing_shown() -> None:
    target, baseline = pairs(0, 0, 0, 200)
    result = check((target, [replace(f, outcome="error") for f in baseline]))
    assert result.status is Status.INCONCLUSIVE
    assert "nothing was compared" in result.reason


@pytest.mark.parametrize("note", ["", "raised to what 60 items can show"])
def test_a_comparison_that_did_not_run_is_rebuilt_from_its_own_words(note: str) -> None:
    silent = PairedGate(ABOUT, 200, 0.05, note).not_run("p.py::gate[keeps_it:vs]", "the session ended before")
    assert _Check(sample_audit(0))._silent(silent, None) == silent


def test_a_broken_detector_of_the_baseline_invalidates() -> None:
    assert check(pairs(0, 0, 50, 150), baseline_controls=ControlCheck(2, ("control-0",))).status is Status.INVALID


def test_scores_are_only_measured() -> None:
    case = findings(["measured"] * 100)
    lower = [replace(f, score=0.3) for f in case]
    result = check((lower, case))
    assert result.status is Status.MEASURED
    assert not result.blocking
    assert result.estimate is not None
    assert result.estimate.value == pytest.approx(-0.2)
    assert result.estimate.upper < 0


def test_scores_outside_a_range_are_bootstrapped_and_nothing_is_made_of_none() -> None:
    case = findings(["measured"] * 30)
    shifted = [replace(f, score=5.0 + i / 30) for i, f in enumerate(case)]
    estimate = score_difference(shifted, case)
    assert estimate is not None
    assert "approximate" in estimate.method
    assert score_difference([replace(f, score=None) for f in case], case) is None


def test_a_margin_is_what_the_items_can_show() -> None:
    assert PairedGate.plan(ABOUT, 200, 0.05).margin == 0.05
    raised = PairedGate.plan(ABOUT, 60, 0.05)
    assert raised.margin is not None
    assert 0.05 < raised.margin < 0.15
    assert "support no margin below" in raised.note
    assert paired_power(60, raised.margin, 0.05) >= 0.8 > paired_power(60, raised.margin - 0.005, 0.05)
    few = PairedGate.plan(ABOUT, 5, 0.05)
    assert few.margin is None
    assert few.label == "measure[keeps_it:vs]"
    assert PairedGate.plan(ABOUT, 60, 0.05, chosen=True).margin == 0.05
    assert PairedGate.plan(ABOUT, 5, 0.05, chosen=True).margin is None
    assert PairedGate.plan(ABOUT, 0, 0.05).margin is None
    assert smallest_margin(3000, 0.05, 0.05) == 0.05


def test_power_is_what_the_test_does() -> None:
    rng = np.random.default_rng(3)
    draws = rng.multinomial(200, (0.03, 0.03, 0.94), 2000)
    seen = np.mean([non_inferior(Pairs(0, int(b), int(c), int(rest)), 0.05).decision == "PASS" for b, c, rest in draws])
    assert paired_power(200, 0.05, 0.05) == pytest.approx(seen, abs=0.03)


def test_above_five_hundred_items_the_limit_of_the_exact_test_is_taken() -> None:
    near = non_inferior(Pairs(0, 15, 15, 470), 0.05)
    beyond = non_inferior(Pairs(0, 15, 15, 471), 0.05)
    assert "exact" in near.method
    assert "asymptotic" in beyond.method
    assert beyond.p_pass == pytest.approx(near.p_pass, abs=2e-3)
    assert non_inferior(Pairs(100, 400, 100, 3000), 0.05).decision == "FAIL"


def asked(**more: object) -> Asked:
    parts = {
        "rows": {"slm::toxicity::gate[a]": "1", "slm::toxicity::measure[b]": "2"}, "profile": {"samples": 5},
        "model": {"chat_template": "own", "template_sha256": "t"}, "scorers": [{"fingerprint": "s"}], "version": "1",
    }  # fmt: skip
    return Asked.made(**{**parts, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": {"slm::toxicity::gate[a]": "9", "slm::toxicity::gate[b]": "2"}}, "cases: slm::toxicity::a asks other cases"),
        ({"rows": {"slm::toxicity::gate[a]": "1"}}, "cases: slm::toxicity::b is in one of them only"),
        ({"profile": {"samples": 25}}, "draws a prompt: 5 here, 25 in the baseline"),
        ({"model": {"chat_template": "plain", "template_sha256": "t"}}, "template:"),
        ({"model": {"chat_template": "own", "template_sha256": "u"}}, "template:"),
        ({"scorers": [{"fingerprint": "z"}]}, "scorers:"),
        ({"version": "2"}, "version of pytest-slmtrust: 1 here, 2 in the baseline"),
    ],
)
def test_what_was_not_asked_the_same_is_not_compared(change: dict[str, object], said: str) -> None:
    assert differences(asked(), asked()) == []
    found = differences(asked(), asked(**change))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_gate_is_known_again_whether_it_blocks_or_not() -> None:
    assert gate_key("slm::toxicity::gate[a]") == gate_key("slm::toxicity::measure[a]") == "slm::toxicity::a"
    only = asked(rows={"slm::toxicity::measure[a]": "1"})
    assert differences(asked(), only, partly=True) == []


def test_an_audit_says_how_it_was_asked(audit_text: str) -> None:
    audit = Audit.from_json(audit_text)
    assert differences(Asked.of(audit), Asked.of(audit)) == []


@pytest.fixture
def audit_text() -> str:
    from sample_audit import sample_audit

    return sample_audit().to_json()
