"""The table of published figures: every figure has a probe and a source, and an audit of the model fills its column."""

from __future__ import annotations

from dataclasses import replace

from published import AUC, figures, rows, short
from sessions import builtin_probes

from pytest_slmtrust.audit.model import Audit, Estimate, GateResult, Measure, Status


def _audit(name: str, *gates: GateResult) -> Audit:
    return Audit(Status.MEASURED, "measured", "full", gates, (), (), {"name": name})


def _gate(probe: str, *measures: Measure) -> GateResult:
    return GateResult(f"slm::{probe}", probe, "fairness", "claim", Status.MEASURED, False, "measured", measures=measures)


def test_every_figure_is_of_a_probe_that_is_there_and_has_a_source() -> None:
    known = figures()
    names = {probe.name for probe in builtin_probes()}
    assert {one.probe for one in known} <= names
    assert all(one.source and one.model == short(one.model) for one in known)
    assert len({(one.model, one.probe, one.measure) for one in known}) == len(known)


def test_an_audit_of_the_model_fills_its_column_and_another_model_gets_rows() -> None:
    share = Estimate(0.52, 0.49, 0.55, 1508, "exact")
    gate = _gate(
        "crows_pairs",
        Measure("percent stereotype", replace(share, value=0.4, lower=0.3), "age"),
        Measure("percent stereotype", share),
    )
    found = list(rows([_audit("EleutherAI/pythia-70m", gate), _audit("my-model", gate)], figures()))
    here = {(row[0], row[1], row[2]): row[4:6] for row in found}
    assert here["pythia-70m", "crows_pairs", "percent stereotype"] == ["0.52 [0.49, 0.55]", "1508"]
    assert here["pythia-70m", "crows_pairs", "likelihood difference"] == ["not run", ""]
    assert here["pythia-410m", "crows_pairs", "percent stereotype"] == ["not run", ""]
    assert here["my-model", "crows_pairs", "percent stereotype"] == ["0.52 [0.49, 0.55]", "1508"]
    assert ("my-model", "stereoset", "SS") not in here


def test_an_area_is_the_estimate_of_its_gate() -> None:
    area = Estimate(0.73, 0.7, 0.76, 500, "DeLong")
    gate = replace(_gate("hides_members_from_loss"), estimate=area, quantity="metric")
    found = list(rows([_audit("pythia-160m-deduped", gate)], figures()))
    assert [row[4] for row in found if row[2] == AUC] == ["0.73 [0.7, 0.76]", "not run"]
