"""A number with a wide interval says how many items would make it 20 points wide."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pytest_slmtrust.audit.counting import Items, rate_estimate
from pytest_slmtrust.audit.model import Estimate, GateResult, GroupRate, Measure, Status
from pytest_slmtrust.audit.precision import informed, wanting, with_needed
from pytest_slmtrust.audit.units import group_rates
from pytest_slmtrust.gates.readings import measures_of
from pytest_slmtrust.report import words
from pytest_slmtrust.report.account import rough
from pytest_slmtrust.stats import exact_interval, gap_items, mean_interval, rate_gap, rate_items, root_items


@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 12), (10, 20), (32, 41), (5, 5)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99375])
def test_from_the_items_needed_on_a_rate_is_narrow_enough(k: int, n: int, confidence: float) -> None:
    needed = rate_items(k, n, confidence)
    assert needed is not None
    assert exact_interval(k, n, confidence).width > 0.2
    widths = {m: exact_interval(round(k / n * m), m, confidence).width for m in range(max(1, needed - 1), needed + 40)}
    assert all(width <= 0.2 for m, width in widths.items() if m >= needed)
    assert needed == 1 or widths[needed - 1] > 0.2


@pytest.mark.parametrize(
    "counts",
    [
        {"a": (2, 20), "b": (8, 20), "c": (5, 20)},
        {"a": (0, 11), "b": (0, 30)},
        {"one": (3, 9), "two": (9, 9), "three": (4, 25), "four": (1, 8), "five": (2, 14)},
    ],
)
def test_a_gap_with_the_items_needed_is_20_points_wide(counts: dict[str, tuple[int, int]]) -> None:
    before = rate_gap(counts).interval.width
    needed = gap_items(counts)
    assert needed is not None
    assert before > 0.2
    times = needed / sum(n for _, n in counts.values())
    grown = {g: (round(k * times), round(n * times)) for g, (k, n) in counts.items()}
    assert rate_gap(grown).interval.width == pytest.approx(0.2, abs=0.012)


def test_a_gap_needs_two_groups_and_counts_that_can_be() -> None:
    assert gap_items({"a": (3, 400), "b": (1, 400)}) is None
    with pytest.raises(ValueError, match="at least two"):
        gap_items({"only": (1, 9)})
    with pytest.raises(ValueError, match="more failures than items"):
        gap_items({"a": (3, 2), "b": (1, 2)})


def test_the_square_root_is_about_right_for_means() -> None:
    values = np.random.default_rng(7).beta(0.6, 1.1, 25)
    width = mean_interval(values.tolist(), 0.95).width
    times = round((root_items(25, width) or 0) / 25)
    assert mean_interval(np.tile(values, times).tolist(), 0.95).width == pytest.approx(0.2, abs=0.05)


def _estimate(low: float, high: float, n: int = 24, needed: int | None = None) -> Estimate:
    return Estimate((low + high) / 2, low, high, n, "some method", needed=needed)


def test_only_a_wide_share_needs_more_items() -> None:
    assert with_needed(_estimate(0.3, 0.49)) == _estimate(0.3, 0.49)
    assert with_needed(_estimate(-0.4, 0.4)) == _estimate(-0.4, 0.4, needed=384)
    assert with_needed(_estimate(-6.0, 3.0)) == _estimate(-6.0, 3.0)  # nats have no points
    assert with_needed(_estimate(0.1, 0.9, needed=77)) == _estimate(0.1, 0.9, needed=77)  # its maker knows better
    assert with_needed(_estimate(0.0, 1.0, n=0)) == _estimate(0.0, 1.0, n=0)
    assert with_needed(None) is None


def _gate(**fields: object) -> GateResult:
    gate = GateResult("p::measure[x]", "x", "fairness", "c", Status.MEASURED, False, "measured", items=24, unit="openings")
    return replace(gate, **fields)  # type: ignore[arg-type]


def test_every_number_of_a_gate_says_what_it_needs() -> None:
    wide = _estimate(0.2, 0.7)
    gate = informed(
        _gate(estimate=wide, mean_score=wide, gap=wide, groups=(GroupRate("g", wide),), measures=(Measure("m", wide, "g"),))
    )
    numbers = [gate.estimate, gate.mean_score, gate.gap, gate.groups[0].estimate, gate.measures[0].estimate]
    assert [one.needed for one in numbers if one is not None] == [150] * 5
    kept = measures_of(lambda _: gate.measures, ())
    assert kept == gate.measures


def test_a_rate_knows_what_it_needs_by_its_own_method() -> None:
    few = rate_estimate(Items(15, 3, 2, 0))
    assert few is not None
    assert few.needed == rate_items(3, 13)
    assert (few.value, few.n) == (3 / 13, 13)
    many = rate_estimate(Items(400, 3, 2, 0))
    assert many is not None
    assert many.needed is None
    assert group_rates([]) == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"estimate": _estimate(0.2, 0.7)}, "it is known to within 50 points from 24 openings; about 150 would make that 20"),
        ({"estimate": _estimate(0.2, 0.3), "gap": _estimate(0.0, 0.5)}, "the largest gap between groups is known to within 50"),
        ({"mean_score": _estimate(0.1, 0.55)}, "known to within 45 points from 24 openings; about 122"),
        ({"estimate": _estimate(0.2, 0.3)}, ""),
        ({"estimate": _estimate(0.2, 0.7), "status": Status.PASS}, ""),
    ],
)
def test_the_page_and_the_terminal_say_how_many_items_a_measured_number_needs(fields: dict[str, object], said: str) -> None:
    gate = informed(_gate(**fields))
    assert said in words.narrower(gate)
    assert (wanting(gate) is not None) or not said
    if said:
        assert words.narrower(gate)[3:] in rough(gate)
        assert "1 of them too rough to say much" in words.without_limit([gate, _gate(estimate=_estimate(0.2, 0.3))])
    elif gate.status is Status.MEASURED:
        assert "too rough" not in words.without_limit([gate])


def test_items_needed_are_whole_and_grow_with_the_width() -> None:
    assert [root_items(10, width) for width in (0.1, 0.2, 0.3, 0.4)] == [None, None, 23, 40]
    with pytest.raises(ValueError, match="NaN"):
        root_items(10, math.nan)
