"""What the report shows of an audit: numbers as text, the errors of a detector, resources, clauses, any shape of a field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_audit import gates, sample_audit

from pytest_slmtrust.audit.clauses import built_in
from pytest_slmtrust.audit.model import DetectorCheck, Estimate, GateResult, GroupRate, Status
from pytest_slmtrust.report import html as report
from pytest_slmtrust.report import numbers as report_numbers
from pytest_slmtrust.report import view as report_view
from pytest_slmtrust.report.clauses import clause_views
from pytest_slmtrust.report.html import render

REPORTS = Path(report.__file__).parents[2] / "reports"


@pytest.mark.parametrize(
    ("value", "rounding", "shown"),
    [
        (0.05, "near", "5.0 %"),
        (0.0496, "up", "5.0 %"),
        (0.050004, "up", "5.1 %"),
        (0.0999, "down", "9.9 %"),
        (0.0, "down", "0 %"),
        (1.0, "up", "100 %"),
        (0.00001, "up", "0.01 %"),
        (0.9999, "down", "99.9 %"),
        (0.9999, "near", "100 %"),
        (None, "near", "–"),
        (0.00012, "near", "0.01 %"),
    ],
)
def test_percent_rounds_bounds_outwards(value: float | None, rounding: str, shown: str) -> None:
    assert report_numbers.percent(value, rounding) == shown.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("value", "shown"), [(1234567, "1 234 567"), (0.5371, "0.537"), (-0.42, "−0.42"), (1511.25, "1 511.2"), (3.0, "3")]
)
def test_numbers(value: float, shown: str) -> None:
    assert report_numbers.number(value) == shown.replace(" ", "\u202f")


def test_twins_are_paired_by_name() -> None:
    evidence = {"original_reply": "a", "perturbed_reply": "b", "prompt": "c", "other": "d", "asked again": 3, "original": "e"}
    assert report_view.pairs(evidence) == [
        ("original reply against perturbed reply", "a", "original_reply", "perturbed_reply"),
        ("prompt against other", "c", "prompt", "other"),
    ]


def judged_by(name: str) -> GateResult:
    return GateResult("slm::toxicity::gate[p]", "p", "toxicity", "c", Status.PASS, True, "r", judge=name)


def test_detector_quality_is_counted_from_the_rows_that_belong_to_it() -> None:
    row = {"tp": 8, "fn": 2, "tn": 0, "fp": 0, "threshold": 0.5, "data": "a set"}
    scorers: list[dict[str, Any]] = [
        {"name": "s", "role": "toxicity", "kind": "toxicity scorer", "measured": [row, {"tp": "many"}, 3]},
        {"name": "other", "kind": "scorer", "measured": [row]},
        {},
    ]
    assert report_view.detector_quality(judged_by("toxicity"), scorers) == (
        "s: sensitivity 80.0\u00a0% (8 of 10), specificity not measured, threshold 0.5; on a set",
        "s: measured, but not as counts",
    )
    assert report_view.detector_quality(judged_by(""), scorers) == ()


REFUSAL = {
    "name": "refusal rules", "kind": "rules", "detector": "refusal",
    "measured": [
        {"tp": 9, "fn": 1, "tn": 9, "fp": 1, "split": "tuned on: A", "note": "two models only"},
        {"tp": 7, "fn": 3, "tn": 8, "fp": 2, "split": "rated texts"},
        {"tp": 5, "fn": 5, "tn": 6, "fp": 4, "split": "held out: B", "data": "a set", "note": "two models only"},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("judge", "judged"), [("refusal", True), ("abstention", False), ("refusal rules", False), ("toxicity", False), ("", False)]
)
def test_a_gate_has_the_error_rates_of_its_own_detector_only(judge: str, judged: bool) -> None:
    for prose in ("refusal rules over the opening of the reply", "exact match", ""):
        assert bool(report_view.detector_quality(replace(judged_by(judge), detector=prose), [REFUSAL])) is judged


def test_a_detector_that_was_measured_in_the_run_is_shown_with_its_counts() -> None:
    own = DetectorCheck("the probe's detector", "the probe's labelled cases", 19, 1, 40, 2, True, labelled=True)
    line = "the probe's detector: failures found 19 of 20, others let through 40 of 42; on the probe's labelled cases"
    assert report_view.detector_quality(replace(judged_by(""), measured=own), [REFUSAL]) == (line,)
    assert len(report_view.detector_quality(replace(judged_by("refusal"), measured=own), [REFUSAL])) == 4


def test_detector_quality_says_what_it_was_counted_on_and_held_out_comes_first() -> None:
    lines = report_view.detector_quality(judged_by("refusal"), [REFUSAL])
    assert [line.split(":")[0] for line in lines] == [
        "refusal rules (held out", "refusal rules (rated texts)", "refusal rules (tuned on",
    ]  # fmt: skip
    assert lines[0] == (
        "refusal rules (held out: B): sensitivity 50.0\u00a0% (5 of 10), specificity 60.0\u00a0% (6 of 10)"
        "; on a set; two models only"
    )
    assert lines[2].endswith("; two models only")


def test_a_replay_shows_no_speed_and_no_zero() -> None:
    zero = dict.fromkeys(("forwards", "failed", "generated", "prefilled", "peak_bytes", "load_seconds"), 0)
    replay = zero | {"planned": 9, "unique": 8, "cached": 8, "seconds": 0.4}
    assert report_view.resource_cards(replay) == [("answered from the store", "no forward in this run")]
    page = render(replace(sample_audit(0), resources=replay))
    assert "tokens written a second" not in page
    assert "0\u00a0bytes" not in page
    partly = replay | {"cached": 5, "seconds": 4}
    assert report_view.resource_cards(partly) == [("4\u00a0s", "answering")]
    ran = replay | {"forwards": 2, "generated": 10, "prefilled": 30, "seconds": 4, "peak_bytes": 1024, "load_seconds": 0.5}
    assert [figure for figure, _ in report_view.resource_cards(ran)] == ["4\u00a0s", "2.5", "7.5", "0.5\u00a0s", "1.0\u00a0KiB"]
    assert report_view.resource_cards({}) == []
    served = {
        "forwards": 9,
        "seconds": 4.0,
        "generated": 10,
        "tokens_per_second": 12.345,
        "latency_p50": 0.1,
        "latency_p95": 0.25,
    }
    served |= {"latency_p99": 1.5, "first_token_p50": 0.02, "first_token_p95": 0.03, "first_token_p99": 10**400}
    assert [figure for figure, _ in report_view.resource_cards(served)] == [
        "4\u00a0s", "12.3", "0.1 / 0.25 / 1.5\u00a0s", "0.02 / 0.03 / 1.00e+400\u00a0s",
    ]  # fmt: skip


def test_usefulness_is_no_evidence_of_safety() -> None:
    names = ("answers_harmless_requests", "continues_without_toxicity", "refuses_harmful_requests")
    made = [replace(gates()[0], dimension="toxicity", probe=name) for name in names]
    shown = [report_view.gate_view(g, {}, ()) for g in made]
    found = {(f.id, c.row.clause): {v.gate.probe for v in c.tested} for f in built_in() for c in clause_views(f, shown)}
    assert found["nist-ai-rmf", "MEASURE 2.6"] == found["nist-ai-600-1", "2.3"] == set(names[1:])
    assert found["nist-ai-600-1", "2.11"] == {"continues_without_toxicity"}


def test_huge_whole_numbers_are_shown() -> None:
    huge = 10**400
    assert report_numbers.number(-huge) == "\u22121.00e+400"
    assert report_numbers.size(huge) == "1.00e+400\u00a0bytes"
    assert report_numbers.percent(huge) == "1.00e+400 × 100\u00a0%"
    counters = dict.fromkeys(sample_audit(0).resources, huge) | {"seconds": 3}
    estimate = Estimate(huge, -huge, huge, huge, "x")
    odd = replace(gates()[0], items=huge, cases=huge, estimate=estimate, groups=(GroupRate("g", estimate),))
    page = render(replace(sample_audit(0), resources=counters, gates=(odd,), model={"files": [{"bytes": huge}]}))
    assert "1.00e+400" in page
    assert ("3.33e+399", "tokens written per second") in report_view.resource_cards(counters)


@pytest.mark.parametrize("files", ["weights.bin", 3, True, 2.5, ["a", 1, None], {"a": 1}, [[{"path": "x"}]]])
def test_model_files_of_any_shape_render(files: Any) -> None:
    page = render(replace(sample_audit(0), model={"files": files}))
    assert "<h4>Files</h4>" in page
    if isinstance(files, str):
        assert '<span class="text">weights.bin</span>' in page


def test_word_changes_keep_both_texts() -> None:
    pieces = report_view.word_changes("the quick fox  jumps", "the slow fox  jumps high")
    assert "".join(t for k, t in pieces if k != "added") == "the quick fox  jumps"
    assert "".join(t for k, t in pieces if k != "removed") == "the slow fox  jumps high"
    assert ("removed", "quick") in pieces
    assert report_view.word_changes("a " * 5_000, "b") == [("removed", "a " * 5_000), ("added", "b")]
