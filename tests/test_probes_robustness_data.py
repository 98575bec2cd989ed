"""SST-2 styles and AdvGLUE from ``--slm-data``: the shared data as they are, small files, and damaged ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from drive import drive
from public_data import DATA, MISSING
from scripted import by_log, check_controls

from pytest_slmtrust import Probe, ProbeError, Profile
from pytest_slmtrust.authoring.datafiles import DataMissing
from pytest_slmtrust.probes.robustness_benchmarks import STYLES, answers_adversarial_glue, reads_other_styles

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=MISSING)


def profile(folder: Path, items: int = 200, samples: int = 25) -> Profile:
    return Profile("audit", items, items, samples, 0.05, 0.05, True, inputs={"data": str(folder)})


@pytest.mark.parametrize("probe", [reads_other_styles, answers_adversarial_glue], ids=lambda p: p.name)
def test_controls_come_out_as_labelled(probe: Probe) -> None:
    check_controls(probe)


@needs_data
def test_the_shared_styles() -> None:
    cases = reads_other_styles.cases(profile(DATA))
    assert len(cases) == 1500
    assert len({c.source for c in cases}) == 150
    assert Counter(c.params["style"] for c in cases) == dict.fromkeys(STYLES, 150)
    assert all(count > 600 for count in Counter(c.params["gold"] for c in cases).values())
    few = reads_other_styles.cases(profile(DATA, samples=5))
    assert len(few) == 300
    assert len({c.params["style"] for c in few}) == 10


@needs_data
def test_the_shared_adversarial_glue() -> None:
    cases = answers_adversarial_glue.cases(profile(DATA))
    assert Counter(c.params["task"] for c in cases) == {"sst2": 131, "qnli": 133, "mnli": 121, "qqp": 71}
    assert all(c.params["plain"] != c.params["changed"] for c in cases)
    assert {c.params["gold"] for c in cases} == {"yes", "no", "maybe", "positive", "negative"}


def style_file(folder: Path, **changes: Any) -> Path:
    rows = {name: [{"sentence": f"a fine film, {name}", "label": "1", "id": 0}] for name in ("base", *STYLES)}
    place = folder / "decodingtrust" / "ood_sst2_styles" / "style.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"dev": rows | changes}))
    return folder


def test_styles_two_sided(tmp_path: Path) -> None:
    cases = reads_other_styles.cases(profile(style_file(tmp_path)))
    assert len(cases) == len(STYLES)
    assert all(drive(c, by_log(lambda _: "positive")).passed for c in cases)
    plain = by_log(lambda context: "positive" if "base" in context else "negative")
    verdict = drive(cases[0], plain)
    assert (verdict.passed, verdict.score, verdict.group) == (False, 0.0, cases[0].params["style"])
    assert verdict.evidence["reading"] == "lost"
    assert drive(cases[0], by_log(lambda _: "negative")).passed is True


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"sentence": "x", "label": "1", "id": 7}, "id 7 and label '1'"),
        ({"sentence": "x", "label": "2", "id": 0}, "id 0 and label '2'"),
        ({"sentence": "x", "label": "1"}, "id"),
        ({"sentence": 3, "label": "1", "id": 0}, "sentence"),
    ],
)
def test_damaged_styles_name_the_row(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        reads_other_styles.cases(profile(style_file(tmp_path, shake_w=[row])))


def test_a_style_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ProbeError):
        reads_other_styles.cases(profile(style_file(tmp_path, shake_w={})))
    with pytest.raises(DataMissing):
        answers_adversarial_glue.cases(profile(tmp_path))


def pair(**changes: Any) -> list[dict[str, Any]]:
    row = {"index": 1, "task": "sst2", "prompt": "Is a fine film good?", "label": 1, "method": "TextBugger", "type": "original"}
    return [row, row | {"prompt": "Is a fnie film good?", "type": "modified"} | changes]


def glue_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    place = folder / "trustllm" / "robustness" / "AdvGLUE.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(rows))
    return folder


def test_glue_two_sided(tmp_path: Path) -> None:
    [case] = answers_adversarial_glue.cases(profile(glue_file(tmp_path, pair())))
    assert case.params["gold"] == "positive"
    assert drive(case, by_log(lambda _: "positive")).passed is True
    lost = drive(case, by_log(lambda context: "positive" if "fine" in context else "negative"))
    assert (lost.passed, lost.group, lost.evidence["method"]) == (False, "sst2", "TextBugger")
    assert drive(case, by_log(lambda _: "negative")).passed is True


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "cola"}, "row 2: task 'cola'"),
        ({"label": 2}, "label 2"),
        ({"label": -1}, "label -1"),
        ({"label": 0}, "label 0 in one form and 1 in the other"),
        ({"type": "changed"}, "type 'changed'"),
        ({"index": 2}, "has no"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_damaged_glue_names_the_row(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        answers_adversarial_glue.cases(profile(glue_file(tmp_path, pair(**changes))))
