"""Items that share parts: the parts are the units of a gate, whatever the correlation inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_slmtrust import Generate, Probe, ProbeError, Row, Steps, Verdict, ask, probe
from pytest_slmtrust.audit.model import ControlCheck, Finding, GateResult, Status
from pytest_slmtrust.gates.gate import Gate, finding
from pytest_slmtrust.gates.paired_gate import Context, PairedGate
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.stats import (
    Grouping,
    draw,
    effective_n,
    excess_chance,
    lower_bound,
    mean_lower,
    mean_upper,
    part_power,
    upper_bound,
)

Design = list[dict[str, str]]


def frames(n: int, size: int) -> Design:
    return [{"frame": str(i // size)} for i in range(n)]


def crossed(n: int, most: int, acts: int) -> Design:
    return [{"frame": str(i % most), "act": str((7 * i + i // most) % acts)} for i in range(n)]


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 59), (11, 180), (3, 7), (180, 180)])
def test_parts_of_one_item_have_the_exact_bounds(k: int, n: int) -> None:
    values = np.array([1.0] * k + [0.0] * (n - k))
    alone = Grouping.of([{"frame": str(i), "act": f"a{i}"} for i in range(n)])
    assert alone.independent
    assert mean_upper(values, alone) == pytest.approx(upper_bound(k, n), abs=1e-9)
    assert mean_lower(values, alone) == pytest.approx(lower_bound(k, n), abs=1e-9)


def test_parts_that_fail_and_pass_as_a_whole_are_single_items() -> None:
    values = np.repeat([1.0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 6)
    assert mean_upper(values, Grouping.of(frames(60, 6))) == pytest.approx(upper_bound(2, 10), abs=1e-9)


def test_the_bound_agrees_with_drawing_its_weights() -> None:
    rng = np.random.default_rng(3)
    shares = np.array([0.0] * 20 + [1 / 3] * 6 + [2 / 3] * 3 + [1.0] * 2)
    values = np.concatenate([np.array([1.0] * round(3 * s) + [0.0] * (3 - round(3 * s))) for s in shares])
    weights = rng.exponential(size=(400_000, shares.size + 1))
    means = weights @ np.append(shares, 1.0) / weights.sum(axis=1)
    assert mean_upper(values, Grouping.of(frames(93, 3))) == pytest.approx(np.quantile(means, 0.95), abs=2e-3)


def test_a_finer_way_is_left_out_and_crossed_ones_are_kept() -> None:
    nested = [{"frame": str(i // 3), "act": str(i // 6), "id": str(i)} for i in range(36)]
    assert Grouping.of(nested).parts == 6
    assert len(Grouping.of(crossed(180, 60, 61)).labels) == 2
    pairs = [{"frame": f"{i // 4} {i % 2}", "act": f"{i // 4} {i // 2 % 2}"} for i in range(80)]
    assert (len(Grouping.of(pairs).labels), Grouping.of(pairs).parts) == (1, 20)
    assert Grouping.of([{}, {"frame": "a"}, {"frame": "b"}]).independent


# at these designs a gate that counts items alone PASSes at its tolerance in 7 to 25 % of runs
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3, 0.9])
@pytest.mark.parametrize(
    "design", [frames(180, 3), frames(361, 5), frames(59, 1), crossed(361, 121, 120), frames(180, 2), crossed(180, 60, 60)]
)
def test_a_model_at_the_tolerance_passes_in_one_of_twenty_runs(design: Design, correlation: float) -> None:
    kinds = sorted(design[0])
    labels = np.array([np.unique([parts[k] for parts in design], return_inverse=True)[1] for k in kinds])
    runs = draw(labels, 0.1, correlation, 1000, np.random.default_rng(5))
    assert runs.mean() == pytest.approx(0.1, abs=0.02)
    assert (excess_chance(runs.astype(float), Grouping.of(design), 0.1) <= 0.05).mean() <= 0.07


def test_power_falls_as_parts_are_shared() -> None:
    alone, threes = (part_power(Grouping.of(frames(180, size)), 0.1) for size in (1, 3))
    assert alone >= 0.75
    assert threes < 0.5


def test_effective_n_lies_between_parts_and_items() -> None:
    grouping, values = Grouping.of(frames(180, 3)), np.zeros(180)
    assert effective_n(0.0, mean_upper(values, grouping), 180) == pytest.approx(60, abs=1e-3)
    values[[0, 3, 6, 9]] = 1
    assert 60 < effective_n(4 / 180, mean_upper(values, grouping), 180) < 180


# --- the gate -----------------------------------------------------------------------------------------------------


def made(n: int = 180, size: int = 3, name: str = "keeps_it", **kwargs: Any) -> Probe:
    rows = [Row({"i": i}, source=f"item {i}", parts={"frame": f"frame {i // size}"}) for i in range(n)]

    @probe(dimension="privacy", rows=rows, name=name, **kwargs)
    def run(i: int) -> Steps[Verdict]:
        """Keeps it."""
        yield from ask(Generate(str(i)))
        return Verdict(True)

    return run


def found(own: Probe, outcome: Callable[[int], str]) -> list[Finding]:
    verdicts: Mapping[str, Verdict] = {"passed": Verdict(True), "failed": Verdict(False), "unscored": Verdict(None, reason="no")}
    cases = own.cases(load_policy("ci").profile)
    return [finding(c, f"n{i}", verdicts[outcome(i)]) for i, c in enumerate(cases)]


def result(outcome: Callable[[int], str], n: int = 180, size: int = 3, tolerance: float = 0.1) -> GateResult:
    own = made(n, size, tolerance=tolerance)
    policy = load_policy("ci")
    return Gate.plan(own, policy, own.cases(policy.profile)).check("id", found(own, outcome), [], [])


def test_failures_of_few_phrases_weigh_more_than_as_many_of_many() -> None:
    apart = result(lambda i: "failed" if i % 30 == 0 else "passed")
    together = result(lambda i: "failed" if i < 6 else "passed")
    assert apart.failures == together.failures == 6
    assert apart.upper is not None
    assert together.upper is not None
    assert upper_bound(6, 180) < apart.upper < together.upper
    assert apart.effective is not None
    assert together.effective is not None
    assert 60 <= together.effective < apart.effective < 180
    assert f"as much as {apart.effective:g} independent items would say" in apart.reason


def test_unscored_items_count_against_both_claims() -> None:
    lost = result(lambda i: "unscored" if i % 9 == 0 else "passed")
    assert lost.status is Status.INCONCLUSIVE
    assert (lost.lower, lost.failures, lost.unscored) == (0.0, 0, 20)


def test_items_without_shared_parts_are_counted_as_ever() -> None:
    one = result(lambda i: "failed" if i < 11 else "passed", size=1)
    assert (one.status, one.effective, one.left_out) == (Status.PASS, 180.0, None)
    assert one.upper == upper_bound(11, 180)


def test_no_phrase_decides_unseen() -> None:
    one = result(lambda i: "failed" if i < 3 or i == 100 else "passed")
    assert one.left_out is not None
    assert one.left_out.part == "frame: frame 0"
    assert (one.left_out.least, one.left_out.most) == (1 / 177, 4 / 177)


def test_no_kind_of_item_decides_unseen() -> None:
    """Items that share no part still share a kind: the range says how far each kind moves the rate."""
    own = made(180, 1, tolerance=0.1)
    policy = load_policy("ci")
    cases = own.cases(policy.profile)
    kinds = [f"kind {i // 15}" for i in range(len(cases))]
    judged = [finding(c, c.id, Verdict(not 15 <= i < 25, group=kinds[i])) for i, c in enumerate(cases)]
    one = Gate.plan(own, policy, cases).check("id", judged, [], [])
    assert (one.failures, one.effective) == (10, 180.0)
    assert one.left_out is not None
    assert one.left_out.part == "kind: kind 1"
    assert (one.left_out.least, one.left_out.most) == (0.0, 10 / 165)


def test_a_tolerance_that_the_parts_cannot_show_is_an_error() -> None:
    own = made(180, 15, tolerance=0.1)
    with pytest.raises(ProbeError, match="cannot be passed with 12 parts"):
        Gate.plan(own, load_policy("ci"), own.cases(load_policy("ci").profile))


def test_items_that_share_parts_are_not_stopped_early() -> None:
    policy, both = load_policy("ci"), (made(360, 2, tolerance=0.1), made(360, 1, tolerance=0.1))
    assert [Gate.plan(p, policy, p.cases(policy.profile)).watchable for p in both] == [False, True]


def test_rows_of_one_source_have_one_set_of_parts() -> None:
    rows = [Row({"i": i}, source="one", parts={"frame": str(i)}) for i in range(2)]

    @probe(dimension="privacy", rows=rows)
    def odd(i: int) -> Steps[Verdict]:
        """Odd."""
        yield from ask(Generate(str(i)))
        return Verdict(True)

    with pytest.raises(ProbeError, match="different parts"):
        odd.cases(load_policy("ci").profile)


def test_parts_that_name_a_person_are_shown_as_a_digest() -> None:
    rows = [Row({"i": 1}, parts={"writer": "adela.marlowick@pellwick-flowers.com"})]

    @probe(dimension="privacy", rows=rows)
    def letter(i: int) -> Steps[Verdict]:
        """Letter."""
        yield from ask(Generate(str(i)))
        return Verdict(True)

    [case] = letter.cases(load_policy("ci").profile)
    assert "adela" not in case.parts["writer"]
    assert case.parts["writer"]


def test_a_mean_is_held_to_its_parts() -> None:
    from pytest_slmtrust.audit.bounds import mean_bounds

    own = made(60, 6)
    scored = [replace(f, outcome="measured", score=float(i // 6 == 0)) for i, f in enumerate(found(own, lambda _: "passed"))]
    assert mean_bounds(scored, 0.05).upper == pytest.approx(upper_bound(1, 10), abs=1e-9)


# --- two models ---------------------------------------------------------------------------------------------------


def compared(size: int, worse: Callable[[int], bool]) -> GateResult:
    own = made(300, size)
    policy = load_policy("ci")
    gate = Gate.plan(own, policy, own.cases(policy.profile))
    target, baseline = found(own, lambda i: "failed" if worse(i) else "passed"), found(own, lambda _: "passed")
    paired = PairedGate.plan(gate.not_run(""), 300, 0.1, True, gate.grouping)
    return paired.check("id:vs", target, baseline, Context("parent", ControlCheck(0)))


def test_two_models_are_compared_by_parts() -> None:
    alone, shared = (compared(size, lambda i: i < 15) for size in (1, 15))
    assert alone.status is Status.PASS
    assert shared.status in (Status.MEASURED, Status.INCONCLUSIVE)
    apart, bunched = compared(5, lambda i: i % 60 == 0), compared(5, lambda i: i < 5)
    assert apart.paired is not None
    assert bunched.paired is not None
    assert apart.paired.judged == bunched.paired.judged
    assert apart.paired.p_pass < bunched.paired.p_pass
    assert not apart.paired.exact
    assert bunched.paired.mcnemar is not None
    assert bunched.paired.mcnemar > 0.3
