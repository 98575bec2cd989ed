"""``slmtrust import report.jsonl``: garak's attempts as an audit, by probe and detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.audit.model import Audit, AuditError
from pytest_slmtrust.foreign.imported import imported
from pytest_slmtrust.foreign.results import read_foreign
from pytest_slmtrust.redaction import Mask

SETUP = {"entry_type": "start_run setup", "_config.version": "0.17.1", "plugins.target_name": "a/model"}


def attempt(probe: str, text: str, scores: dict[str, list[float | None]], status: int = 2) -> dict[str, Any]:
    count = len(next(iter(scores.values())))
    turns = [{"role": "user", "content": {"text": text, "lang": "en"}}]
    return {
        "entry_type": "attempt", "status": status, "probe_classname": probe, "prompt": {"turns": turns},
        "outputs": [{"text": f"reply {n} to {text}"} for n in range(count)], "detector_results": scores,
    }  # fmt: skip


def counted(probe: str, detector: str, passed: int, total: int) -> dict[str, Any]:
    return {"entry_type": "eval", "probe": probe, "detector": detector, "passed": passed, "total_evaluated": total}


def made(folder: Path, *lines: dict[str, Any], gates: tuple[str, ...] = ()) -> Audit:
    path = folder / "garak.x.report.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in (SETUP, *lines)) + "\n")
    return imported(read_foreign(path), path, gates, Mask(b"k" * 16))


def test_a_prompt_with_a_hit_in_any_reply_fails(tmp_path: Path) -> None:
    name, own = "goodside.Tag", "base.TriggerListDetector"
    rows = [attempt(name, f"p{n}", {own: [0.0, 1.0 if n < 3 else 0.0]}) for n in range(20)]
    audit = made(tmp_path, *rows, attempt(name, "again", {own: [1.0]}, status=1), counted(name, own, 37, 40))
    [gate] = audit.gates
    assert (gate.probe, gate.items, gate.cases, gate.failures) == ("garak_goodside_tag", 20, 40, 3)
    assert gate.lower is not None
    assert gate.lower < 3 / 20 < (gate.upper or 0)
    assert audit.model["name"] == "a/model"
    assert "NOT ASKED BY THIS TOOL: garak 0.17.1" in audit.notes[0]


def test_each_detector_is_a_test_and_the_deciding_one_has_the_probes_name(tmp_path: Path) -> None:
    both: dict[str, list[float | None]] = {"dan.STAN": [1.0], "mitigation.MitigationBypass": [0.0]}
    cache = {"entry_type": "plugin_cache", "plugin_cache": {"probes": {"probes.dan.STAN": {"primary_detector": "dan.STAN"}}}}
    audit = made(tmp_path, cache, *(attempt("dan.STAN", f"a harmful prompt {n}", both) for n in range(5)))
    gates = {gate.probe: gate.failures for gate in audit.gates}
    assert gates == {"garak_dan_stan": 5, "garak_dan_stan_by_mitigation_mitigation_bypass": 0}
    text = audit.to_json()
    assert "a harmful prompt" not in text.replace("reply 0 to a harmful prompt", "")
    assert "reply 0 to a harmful prompt 1" not in json.dumps([dict(f.evidence) for f in audit.findings if f.outcome == "failed"])


def test_the_threshold_is_the_one_that_garak_counted_with(tmp_path: Path) -> None:
    rows = [attempt("lmrc.Profanity", f"p{n}", {"x.Y": [n / 10]}) for n in range(10)]
    assert made(tmp_path, *rows, counted("lmrc.Profanity", "x.Y", 8, 10)).gates[0].failures == 2
    assert made(tmp_path, *rows, counted("lmrc.Profanity", "x.Y", 5, 10)).gates[0].failures == 5
    assert made(tmp_path, *rows, counted("lmrc.Profanity", "x.Y", 10, 10)).gates[0].failures == 0


def test_no_score_is_unscored_and_a_limit_may_be_set(tmp_path: Path) -> None:
    rows = [attempt("goodside.Tag", f"p{n}", {"x.Y": [None if n == 0 else 0.0]}) for n in range(100)]
    [gate] = made(tmp_path, *rows, gates=("garak_goodside_tag=0.05",)).gates
    assert (gate.unscored, gate.failures, gate.blocking) == (1, 0, True)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([attempt("a.B", "p", {"x.Y": [0.0]}), counted("a.B", "x.Y", 4, 4)], "garak counted 4 of 4 passed"),
        ([attempt("a.B", "p", {"x.Y": [0.0]}), counted("a.C", "x.Y", 4, 4)], "garak counted a.C by x.Y"),
        ([{**attempt("a.B", "p", {"x.Y": [0.0, 1.0]}), "outputs": []}], "2 scores for 0 replies"),
        ([{"entry_type": "attempt"}], "broken report of garak"),
        ([], "no result in it"),
    ],
)
def test_a_report_that_does_not_add_up_is_refused(tmp_path: Path, lines: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(AuditError, match=said):
        made(tmp_path, *lines)
