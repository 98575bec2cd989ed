"""Stopping early: what ends a gate, in which order it asks, and that peeking costs nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from test_gates import make

from pytest_slmtrust.audit.counting import ItemOutcome
from pytest_slmtrust.audit.model import DetectorCheck
from pytest_slmtrust.authoring.probe import stable_order
from pytest_slmtrust.gates.detector_errors import fails_at_any_stop
from pytest_slmtrust.gates.early_stop import ROUND, Watch
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.stats import boundaries, follow_rate, watch


def watching(n: int = 361, tolerance: float = 0.05, per_item: int = 1) -> Watch:
    probe = make(n, per_item)
    rows = probe.cases(load_policy("full").profile)
    return Watch.over(probe.name, tolerance, 0.05, rows)


def outcomes(watch: Watch, rounds: int, failing: Mapping[int, ItemOutcome]) -> dict[str, ItemOutcome]:
    sources = list(watch.items)[: rounds * ROUND]
    return {source: failing.get(i, "passed") for i, source in enumerate(sources)}


def test_the_order_is_fixed_by_the_items_and_by_nothing_else() -> None:
    one = watching(100)
    assert list(one.items) == stable_order("keeps_it", reversed(list(one.items)))
    assert list(one.items) != sorted(one.items)


def test_rounds_hold_whole_items() -> None:
    two = watching(70)
    assert [len(two.round(i)) for i in range(4)] == [32, 32, 6, 0]
    assert two.planned == 70


def test_a_clean_model_ends_long_before_all_are_asked() -> None:
    w = watching()
    ended = next(r for r in range(1, 13) if w.stopped(outcomes(w, r, {})) is not None)
    clean = [[False] * r * ROUND for r in range(13)]
    decided = next(r for r in range(1, 13) if watch(clean[r], clean[r], 0.05, 361).decision == "PASS")
    assert ended == decided > 1  # and no round before it is one
    assert ended * ROUND <= 0.36 * w.planned
    stopped = w.stopped(outcomes(w, ended, {}))
    assert stopped is not None
    assert len(stopped.order) == ended * ROUND
    assert stopped.planned == w.planned


def test_a_bad_model_ends_with_a_fail() -> None:
    w = watching()
    every: dict[int, ItemOutcome] = dict.fromkeys(range(0, 361, 3), "failed")
    assert w.stopped(outcomes(w, 2, every)) is not None
    lost: dict[int, ItemOutcome] = dict.fromkeys(range(0, 361, 3), "unscored")
    first = next(r for r in range(1, 13) if w.stopped(outcomes(w, r, lost)) is not None)
    failed = [o == "failed" for o in outcomes(w, first, lost).values()]
    assert watch(failed, [True] * len(failed), 0.05, 361).decision != "PASS"
    assert watch(failed, [True] * len(failed), 0.05, 361).decision != "FAIL"  # what was not judged is no failure


def test_a_gate_with_a_weak_detector_goes_on_until_it_fails_in_spite_of_it() -> None:
    w = watching(320, 0.1)
    weak = DetectorCheck("rules", "labelled", 90, 10, 85, 15, good=False)
    bad: dict[int, ItemOutcome] = dict.fromkeys(range(0, 320, 3), "failed")
    ends = [next(r for r in range(1, 11) if w.stopped(outcomes(w, r, bad), check) is not None) for check in (None, weak)]
    assert ends[0] < ends[1] <= 10
    worse: dict[int, ItemOutcome] = {i: "passed" if i % 3 else "failed" for i in range(320)} | dict.fromkeys(range(64), "failed")
    assert w.stopped(outcomes(w, 2, worse), weak) is not None
    assert w.stopped(outcomes(w, 3, {}), weak) is not None  # a PASS of a weak detector is advisory wherever it ends


def test_a_weak_detector_makes_few_models_at_the_limit_fail_for_sure() -> None:
    """The errors are counted anew in each run, the share of failures is at the limit, and one looks after every tenth item."""
    rng = np.random.default_rng(8)
    n, tolerance, runs, specificity = 120, 0.1, 1000, 0.85
    false = 0
    for _ in range(runs):
        tn = int(rng.binomial(150, specificity))
        check = DetectorCheck("rules", "labelled", 100, 0, tn, 150 - tn, good=False)
        flagged = (rng.random(n) < tolerance + (1 - tolerance) * (1 - specificity)).tolist()
        false += any(fails_at_any_stop(flagged[:t], check, tolerance, 0.05) for t in range(10, n + 1, 10))
    assert 0 < false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert fails_at_any_stop([True] * 30, DetectorCheck("rules", "", 100, 0, 128, 22, good=False), tolerance, 0.05)


def test_a_gate_that_can_not_be_decided_any_more_ends_too() -> None:
    w = watching(128, 0.05)
    doomed: dict[int, ItemOutcome] = {i: "failed" if i < 3 else "unscored" for i in range(128)}
    ended = [r for r in range(1, 5) if w.stopped(outcomes(w, r, doomed)) is not None]
    seen = watch([True] * 3 + [False] * 93, [True] * 96, 0.05, 128)
    assert seen.hopeless == (3 in ended and 96 < 128 and seen.decision == "INCONCLUSIVE")


def test_all_asked_is_an_end() -> None:
    w = watching(100, 0.05)
    borderline: dict[int, ItemOutcome] = dict.fromkeys(range(0, 100, 20), "failed")
    stopped = w.stopped(outcomes(w, 4, borderline))
    assert stopped is not None
    assert len(stopped.order) == 100


def test_watching_says_what_following_says_where_all_was_judged() -> None:
    rng = np.random.default_rng(11)
    for p in (0.0, 0.02, 0.05, 0.2):
        seen = rng.random(200) < p
        followed, watched = follow_rate(seen, 0.05, 361), watch(seen, seen, 0.05, 361)
        assert followed.decision == watched.decision
        assert watched.lower >= followed.interval.lower - 1e-9  # later items can only narrow it


def test_false_pass_and_false_fail_under_peeking_with_lost_items() -> None:
    """At the tolerance, with a tenth of the items lost at random, read after every item."""
    rng = np.random.default_rng(5)
    n, tolerance, draws = 200, 0.1, 2000
    edges = boundaries(n, tolerance)
    truth = rng.random((draws, n)) < tolerance
    lost = rng.random((draws, n)) < 0.1
    worst, failed = np.cumsum(truth | lost, axis=1), np.cumsum(truth & ~lost, axis=1)
    slack = 3 * np.sqrt(0.05 * 0.95 / draws)
    assert (worst <= edges.passes).any(axis=1).mean() <= 0.05 + slack
    assert (failed >= edges.fails).any(axis=1).mean() <= 0.05 + slack
    assert (np.cumsum(truth, axis=1) <= edges.passes).any(axis=1).mean() > 0.005  # the bound is not empty


@pytest.mark.parametrize("wrong", [([True], [True, False]), ([], [])])
def test_rows_of_other_items_are_refused(wrong: tuple[list[bool], list[bool]]) -> None:
    with pytest.raises(ValueError, match=r"items|non-empty"):
        watch(*wrong, 0.05, 361)
