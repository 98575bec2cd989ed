"""Gates over source items: what passes, what fails, what is not decided, what was not earned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_slmtrust import Case, Control, Floor, Generate, Probe, ProbeError, Steps, Verdict, ask, probe
from pytest_slmtrust.audit.model import Finding, GateResult, Status
from pytest_slmtrust.audit.quantities import round_down, round_up
from pytest_slmtrust.audit.verdict import overall
from pytest_slmtrust.gates.gate import Gate, count_items, finding
from pytest_slmtrust.gates.policy import Policy, load_policy
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.stats import items_needed


def make(n: int = 200, per_item: int = 1, **kwargs: Any) -> Probe:
    rows = [{"i": i, "j": j} for i in range(n) for j in range(per_item)]

    @probe(dimension="privacy", rows=rows, name="keeps_it", **kwargs)
    def run(i: int, j: int) -> Steps[Verdict]:
        """Keeps it."""
        yield from ask(Generate(f"{i} {j}"))
        return Verdict(passed=True)

    return run


def findings(outcomes: list[str], made: Probe | None = None) -> list[Finding]:
    case = (made or make(1)).cases(load_policy("full").profile)[0]
    verdicts = {"passed": Verdict(True), "failed": Verdict(False), "measured": Verdict(None, 0.5)}
    return [replace(finding(case, f"n{i}", verdicts.get(o)), source=f"s{i}", outcome=o) for i, o in enumerate(outcomes)]


def gate(n: int, tolerance: float | None = 0.1, profile: str = "ci", **kwargs: Any) -> Gate:
    return Gate(make(1, **kwargs), load_policy(profile).profile, n, tolerance)


def check(failed: int, unscored: int, n: int, tolerance: float | None = 0.1, **kwargs: Any) -> GateResult:
    outcomes = ["failed"] * failed + ["unscored"] * unscored + ["passed"] * (n - failed - unscored)
    return gate(n, tolerance, **kwargs).check("id", findings(outcomes), [], [])


# exact one-sided decisions at 180 items and 10 %: the upper bound of 11 failures is 9.9 %, the lower of 26 is 10.3 %
@pytest.mark.parametrize(
    ("failed", "status"),
    [(0, "PASS"), (10, "PASS"), (11, "PASS"), (12, "INCONCLUSIVE"), (25, "INCONCLUSIVE"), (26, "FAIL"), (180, "FAIL")],
)
def test_three_outcomes(failed: int, status: str) -> None:
    result = check(failed, 0, 180)
    assert result.status == status, (result.reason, result.largest_pass, result.smallest_fail)
    assert result.largest_pass is not None
    assert result.smallest_fail is not None
    assert (failed <= result.largest_pass) == (status == "PASS")
    assert (failed >= result.smallest_fail) == (status == "FAIL")
    assert (result.needed is not None) == (status == "INCONCLUSIVE")


def test_what_could_not_be_scored_never_helps_and_never_condemns() -> None:
    assert check(0, 60, 180).status == Status.INCONCLUSIVE
    assert check(0, 180, 180).status == Status.INCONCLUSIVE
    assert check(0, 5, 180).status == Status.PASS
    assert check(60, 5, 180).status == Status.FAIL
    result = check(9, 9, 180)
    assert (result.best, result.worst) == (9 / 180, 18 / 180)


def test_zero_cases_are_never_green() -> None:
    assert check(0, 0, 0).status == Status.INCONCLUSIVE
    assert check(0, 0, 0, tolerance=None).status == Status.NOT_TESTED


def test_an_item_fails_if_any_of_its_cases_fails() -> None:
    rows = findings(["passed", "failed", "unscored", "passed", "error", "passed"])
    sources = ["a", "a", "b", "b", "c", "d"]
    items = count_items([replace(f, source=s) for f, s in zip(rows, sources, strict=True)])
    assert (items.total, items.failed, items.unscored) == (4, 1, 2)


def controls(*outcomes: tuple[bool, str]) -> list[tuple[Case, Finding]]:
    made = make(1, controls=[Control({"i": 0, "j": 0}, "x", passes) for passes, _ in outcomes])
    return [
        (case, replace(finding(case, "c", Verdict(True)), outcome=o))
        for case, (_, o) in zip(made.control_cases(), outcomes, strict=True)
    ]


def test_a_control_that_comes_out_wrong_invalidates_everything() -> None:
    made = gate(180)
    rows = findings(["passed"] * 180)
    assert made.check("id", rows, controls((True, "passed"), (False, "failed")), []).status == Status.PASS
    for wrong in ("passed", "unscored", "error", "measured"):
        result = made.check("id", rows, controls((True, "passed"), (False, wrong)), [])
        assert result.status == Status.INVALID
        assert "control-1" in result.reason


def floor_gate(n: int = 180) -> Gate:
    def run() -> Steps[Verdict]:
        yield from ask(Generate("x"))
        return Verdict(True)

    return gate(n, floor=Floor("answers", run, [{}], 0.5))


def test_a_pass_below_the_floor_is_not_earned() -> None:
    made, clean = floor_gate(), findings(["passed"] * 180)
    assert made.check("id", clean, [], findings(["passed"] * 15 + ["failed"] * 5)).status == Status.PASS
    low = made.check("id", clean, [], findings(["passed"] * 13 + ["failed"] * 7))
    assert low.status == Status.UNEARNED
    assert low.floor is not None
    assert not low.floor.met
    assert made.check("id", clean, [], findings(["unscored"] * 20)).status == Status.UNEARNED
    assert made.check("id", clean, [], []).status == Status.UNEARNED
    assert made.check("id", findings(["failed"] * 180), [], findings(["failed"] * 20)).status == Status.FAIL


def plan(made: Probe, policy: Policy) -> Gate:
    return Gate.plan(made, policy, made.cases(policy.profile))


def test_a_tolerance_that_cannot_be_passed_is_the_users_mistake() -> None:
    with pytest.raises(ProbeError, match="needs at least 59"):
        plan(make(58, tolerance=0.05), load_policy("ci"))
    assert plan(make(59, tolerance=0.05), load_policy("ci")).tolerance == 0.05
    with pytest.raises(ProbeError, match="keeps_it"):
        plan(make(58), load_policy("ci", ["keeps_it=5%"]))
    assert not plan(make(5, tolerance=0.05), load_policy("smoke")).decidable


def test_a_built_in_gate_takes_the_tolerance_that_its_items_support() -> None:
    made = replace(make(180), packed=True, name="keeps_system_secret")
    assert plan(made, load_policy("ci")).tolerance == 0.1
    few = plan(replace(make(100), packed=True, name="keeps_system_secret"), load_policy("ci"))
    assert few.tolerance is not None
    assert few.tolerance > 0.1
    assert "100 source items" in few.note
    assert plan(replace(make(3), packed=True, name="keeps_system_secret"), load_policy("ci")).tolerance is None


def test_the_unit_is_the_source_item() -> None:
    policy = load_policy("ci")
    rows = [{"i": i, "j": j} for i in range(30) for j in range(10)]
    made = replace(make(1), rows=rows)
    assert plan(made, policy).n == 300
    from pytest_slmtrust import Row

    grouped = replace(made, rows=[Row(r, source=f"t{r['i']}") for r in rows])
    assert plan(grouped, policy).n == 30


def test_measured_scores_have_a_mean_and_groups() -> None:
    rows = [replace(f, score=s, group=g) for f, s, g in zip(findings(["measured"] * 4), (0, 1, 1, 1), "aabb", strict=True)]
    result = gate(4, None).check("id", rows, [], [])
    assert result.status == Status.MEASURED
    assert not result.blocking
    assert result.mean_score is not None
    assert result.mean_score.value == 0.75
    assert [(g.group, g.estimate.value) for g in result.groups] == [("a", 0.5), ("b", 1.0)]
    assert result.lower is None


def test_smoke_asks_few_rows_of_a_floor_and_other_profiles_ask_all() -> None:
    [made] = [probe for probe in pytest_slm_probes() if probe.name == "refuses_harmful_requests"]
    assert made.floor is not None
    asked = {name: load_policy(name).fitted(made).floor_cases() for name in ("smoke", "ci", "audit")}
    every = len(made.floor.rows)
    assert {name: len(cases) for name, cases in asked.items()} == {"smoke": 6, "ci": every, "audit": every}
    assert [c.id for c in asked["smoke"]] == [c.id for c in asked["ci"]][:6]
    assert load_policy("smoke").fitted(replace(made, floor=None)).floor is None


def test_smoke_decides_nothing() -> None:
    assert gate(180, profile="smoke").check("id", findings(["passed"] * 180), [], []).status == Status.NOT_DECIDABLE


def test_a_score_that_is_no_number_is_unscored() -> None:
    case = make(1).cases(load_policy("full").profile)[0]
    found = finding(case, "id", Verdict(True, float("nan")))
    assert (found.outcome, found.score) == ("unscored", None)


@pytest.mark.parametrize("text", ["x", "x=", "x=2", "x=0", "=0.1", "x=nan", "x=-1", "x=abc%"])
def test_gates_are_written_name_and_tolerance(text: str) -> None:
    with pytest.raises(ProbeError, match="NAME=TOLERANCE"):
        load_policy("ci", [text])


def test_policy_options() -> None:
    policy = load_policy("audit", ["a=7%", "b = 0.2", "c=off"])
    assert dict(policy.tolerances) == {"a": 0.07, "b": 0.2, "c": None}
    with pytest.raises(ProbeError, match="Did you mean 'keeps_it'"):
        load_policy("ci", ["keep_it=0.1"]).check([make(1).name])
    with pytest.raises(ProbeError, match="Did you mean 'audit'"):
        load_policy("audti")


def result(status: Status, blocking: bool = True) -> GateResult:
    return GateResult("id", "p", "privacy", "claim", status, blocking, "why")


def test_the_audit_passes_only_if_every_blocking_gate_does() -> None:
    passed, measured = result(Status.PASS), result(Status.MEASURED, False)
    assert overall([passed, passed, measured]) == Status.PASS
    for status in (Status.FAIL, Status.INVALID, Status.UNEARNED, Status.INCONCLUSIVE, Status.NOT_RUN):
        assert overall([passed, result(status), measured]) == status
    assert overall([measured]) == Status.MEASURED
    assert overall([]) == Status.NOT_TESTED
    assert overall([result(Status.FAIL), result(Status.INVALID)]) == Status.INVALID


def test_what_was_only_measured_passes_no_rate_gate() -> None:
    result = gate(60).check("id", findings(["measured"] * 60), [], [])
    assert result.status == Status.INCONCLUSIVE
    assert (result.unscored, result.worst) == (60, 1.0)


def test_printed_bounds_are_on_the_safe_side() -> None:
    assert (round_up(0.050128), round_down(0.050128)) == ("5.1%", "5.0%")
    assert (round_up(0.05), round_down(0.05)) == ("5.0%", "5.0%")


def test_more_items_are_asked_for_in_the_direction_that_decides() -> None:
    assert check(22, 3, 180).needed == items_needed(22, 180, 0.1)
    assert check(14, 2, 180).needed == items_needed(16, 180, 0.1)
    assert check(3, 100, 180).needed is None


@pytest.mark.parametrize("passed", ["no", (1,), float("nan"), 2])
def test_a_verdict_is_true_false_or_none(passed: Any) -> None:
    case = make(1).cases(load_policy("full").profile)[0]
    with pytest.raises(TypeError, match="must be True, False or None"):
        finding(case, "id", Verdict(passed))
