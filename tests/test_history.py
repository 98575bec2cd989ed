"""Audits over time: order, what changed between them, what is left out, and the page without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hostile import PAYLOADS, poisoned
from sides import FACTS, SECRET, audit, outcomes
from test_comparison import by_id, parsed, section, text
from test_report_security import ATTRIBUTES, TAGS

from pytest_slmtrust.archive.history import moment_of, read_past
from pytest_slmtrust.audit.model import Audit, AuditError, Status, Waiver
from pytest_slmtrust.cli import main
from pytest_slmtrust.report.history import history_lines, notes, render_history, steps_of
from pytest_slmtrust.report.past import Past


def made(day: int, failed: int = 2, name: str = "m", **more: Any) -> Audit:
    tests = {SECRET: outcomes(range(failed), 180), FACTS: outcomes(range(6))}
    one = audit(name, tests, more.pop("rows", None))
    versions = {"pytest-slmtrust": more.pop("tool", "0.1.0")}
    about: Any = {
        "started": f"2026-11-{day:02}T08:00:00+02:00",
        "versions": versions,
        "probes_sha256": more.pop("build", "b" * 64),
    }
    return replace(one, provenance=about, **more)


def past(*audits: Audit, left_out: tuple[tuple[str, str], ...] = ()) -> Past:
    return Past("audits", tuple(moment_of(one, f"run-{i}/audit.json") for i, one in enumerate(audits, 1)), left_out)


THREE = (made(1), made(2), made(3, failed=60))


def said(whole: Past, name: str) -> str:
    return next(line for line in history_lines(whole) if f": {name}: " in line).partition(f": {name}: ")[2].replace("\u00a0", " ")


def test_a_status_is_said_with_the_day_since_when_it_holds() -> None:
    assert said(past(*THREE), "keeps_it") == "FAIL since 2026-11-03, PASS before, last 33.3 % (60 of 180)"
    assert said(past(*THREE), "knows_it") == "INCONCLUSIVE in all 3 audits that have it, last 10.0 % (6 of 60)"
    alone = replace(THREE[1], gates=THREE[1].gates[:1])
    assert said(past(THREE[0], alone), "knows_it").endswith("; absent since 2026-11-02")
    shown = section(render_history(past(*THREE)), "since")
    assert "Claim of keeps_it. PASS, 1.1 % (2 of 180), then FAIL, 33.3 % (60 of 180)" in shown
    assert "Of the other tests, 0 have new numbers and 1 has the same." in shown
    assert 'id="since"' not in render_history(past(made(1)))


def test_the_counts_of_a_line_do_not_contradict_its_verdict() -> None:
    one = made(1)
    kept = replace(one, gates=tuple(g for g in one.gates if g.status is Status.PASS))
    kept = replace(kept, findings=tuple(f for f in one.findings if f.probe in {g.probe for g in kept.gates}))
    lacking = replace(kept, verdict=Status.NOT_TESTED, settings={**kept.settings, "required": ["fairness"]})
    line = history_lines(past(lacking))[1]
    assert "NOT TESTED    1 of 1 blocking gates pass; required and not tested: fairness  m  run-1/audit.json" in line
    assert "passed; required and not tested: fairness." in render_history(past(lacking))
    worse = replace(kept.gates[0], nodeid="slm::privacy::gate[keeps_it:vs]", quantity="accepted", status=Status.FAIL)
    fell = replace(kept, verdict=Status.FAIL, gates=(*kept.gates, worse))
    assert "FAIL          1 of 2 blocking gates pass  m" in history_lines(past(fell))[1]
    loose = replace(kept.findings[0], nodeid="probe_x.py::px[1]", probe="px", outcome="failed")
    rows = replace(kept, verdict=Status.FAIL, findings=(*kept.findings, loose))
    assert "FAIL          1 of 1 blocking gates pass; px: 1 of 1 rows failed  m" in history_lines(past(rows))[1]
    expired = replace(kept, waivers=(Waiver("keeps_it", "r", "o", "2020-01-31", expired=True),))
    assert "1 of 1 blocking gates pass; red: the waiver of keeps_it expired on 2020-01-31  m" in history_lines(past(expired))[1]


PACKED = {**made(1).model, "files": {"x.gguf": "cd" * 32}}


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (made(2), []),
        (made(2, tool="0.2.0"), ["tool: pytest-slmtrust 0.1.0, now pytest-slmtrust 0.2.0"]),
        (made(2, build="c" * 64), ["built-in probes: bbbbbbbb, now cccccccc"]),
        (made(2, profile="audit"), ["profile: ci, now audit"]),
        (replace(made(2), model={**made(1).model, "fingerprint": "f"}), ["same weights, other settings or parts"]),
        (replace(made(2), model=PACKED), ["other weights: 62c66a7a5dd7…, now cdcdcdcdcdcd…"]),
        (replace(made(2), model={"name": "m"}), ["weights: not known, no digest of the same kind"]),
    ],
)  # fmt: skip
def test_what_changed_between_two_audits_is_marked(now: Audit, changes: list[str]) -> None:
    assert list(steps_of(past(made(1), now))[1].changes) == changes
    drawn = by_id(parsed(render_history(past(made(1), now))), "course")
    assert any(e.get("class") == "changed" for e in drawn.iter()) is bool(changes)


def test_other_rows_break_the_line_and_are_said() -> None:
    whole = past(made(1), made(2), made(3, rows={SECRET: "others"}))
    root = parsed(render_history(whole))
    lines = {
        text(e.find("h4")): sum(x.get("class") == "course-line" for x in e.iter())  # type: ignore[arg-type]
        for e in by_id(root, "course").iter("article")
    }
    assert lines == {"Claim of keeps_it.": 1, "Claim of knows_it.": 2}
    assert "rows or judge of this test" in text(by_id(root, "course"))


def test_interval_limit_and_status_of_each_audit_are_drawn_and_in_a_table() -> None:
    article = next(e for e in by_id(parsed(render_history(past(*THREE))), "course").iter("article") if "keeps_it" in text(e))
    classes = [e.get("class") for e in article.iter()]
    assert (classes.count("point"), classes.count("whisker"), classes.count("tolerance")) == (3, 3, 3)
    shapes = [use.get("href") for svg in article.iter() if "shape" in svg.get("class", "") for use in svg]
    assert shapes == ["#g-pass", "#g-pass", "#g-fail"]
    rows = [[text(cell) for cell in row] for row in article.iter("tr")]
    assert rows[3][:5] == ["3, 2026-11-03", "FAIL counts", "33.3 % (60 of 180)", "27.5 % – 39.6 %", "at most 10.0 %"]


def test_a_gate_that_means_nothing_has_no_point() -> None:
    broken = replace(THREE[1], gates=(replace(THREE[1].gates[0], status=Status.INVALID), THREE[1].gates[1]))
    article = next(
        e for e in by_id(parsed(render_history(past(THREE[0], broken))), "course").iter("article") if "keeps_it" in text(e)
    )
    assert sum(e.get("class") == "point" for e in article.iter()) == 1


def test_two_models_projects_or_owners_in_one_folder_are_said() -> None:
    assert notes(past(*THREE)) == []
    mixed = past(
        made(1, settings={**THREE[0].settings, "packs": ["builtin"]}), made(2, name="other"),
        replace(made(3), settings={**THREE[0].settings, "options": {"owner": "desk"}}),
        replace(made(4), model={**made(4).model, "owner": "clinic"}),
    )  # fmt: skip
    found = notes(mixed)
    assert found == [
        "This folder holds audits of 2 models: m; other",
        "This folder holds audits of 2 projects, by their probe packs: builtin; none",
        "This folder holds audits of 2 owners: clinic; desk",
    ]
    assert all(note in render_history(mixed) for note in found)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (replace(made(1), incomplete="it was stopped"), "INCOMPLETE: it was stopped"),
        (replace(made(1), gates=(replace(made(1).gates[0], quantity="paired"),)), "differences between two models only"),
        (replace(made(1), provenance={}), "its date is ''"),
        (replace(made(1), provenance={"started": "yesterday"}), "its date is 'yesterday'"),
        (replace(made(1), provenance={"started": "0001-01-01T00:00:00+14:00"}), "its date is '0001"),
    ],
)
def test_an_audit_that_has_no_place_in_time_is_refused(odd: Audit, why: str) -> None:
    with pytest.raises(AuditError, match=re.escape(why)):
        moment_of(odd, "x")


def test_dates_of_other_time_zones_are_ordered_in_utc() -> None:
    assert moment_of(made(1), "x").started == datetime(2026, 11, 1, 6, tzinfo=UTC)
    naive = replace(made(1), provenance={"started": "2026-11-01T06:30:00"})
    assert moment_of(naive, "x").date == "2026-11-01 06:30 UTC"


def test_many_audits_and_hostile_ones_make_a_sound_page() -> None:
    many = [made(1 + i % 28, failed=i % 30) for i in range(60)]
    page = render_history(past(*many))
    assert len(page.encode()) < 1_500_000
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    payload = "\n".join(PAYLOADS)
    evil = [replace(poisoned(one, payload), provenance=one.provenance, incomplete="") for one in THREE]
    page = render_history(past(*evil, left_out=((payload, payload),)))
    for element in parsed(page).iter():
        assert isinstance(element.tag, str)
        assert element.tag.rpartition("}")[2] in TAGS - {"script"}
        assert set(element.attrib) <= ATTRIBUTES
    assert "script-src 'none'" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", page)


def test_the_command_orders_draws_and_names_what_it_leaves_out(
    project: Callable[..., pytest.Pytester], capsys: pytest.CaptureFixture[str]
) -> None:
    made = project("return 'you idiot' if ' 3\\n' in request.prompt else 'fine'", 60, ", tolerance=0.1")
    made.runpytest("--slm=fake", "--slm-packs=none", "-p", "no:randomly", "--slm-report=past/deep/er")
    folder = made.path / "past"
    good = (folder / "deep" / "er" / "audit.json").read_text()
    for name, content in {
        "copy": good, "edited": good.replace('"outcome": "failed"', '"outcome": "passed"', 1), "old": '{"format": 2}', "no": "{",
    }.items():  # fmt: skip
        (folder / name).mkdir()
        (folder / name / "audit.json").write_text(content)
    (folder / "loop").symlink_to(folder)
    capsys.readouterr()
    out = made.path / "history.html"
    assert main(["history", str(folder), "--html", str(out)]) == 0
    shown = capsys.readouterr()
    assert "1 audit below" in shown.out
    assert "toxicity: stays_polite: PASS in the one audit that has it" in shown.out
    listed = section(out.read_text(), "left-out")
    for why in (
        "the same audit as copy/audit.json", "edited/audit.json: does not follow from its own findings",
        "old/audit.json: $.format", "no/audit.json: not JSON",
    ):  # fmt: skip
        assert why in shown.err
        assert why in listed
    (folder / "copy" / "audit.json").unlink()
    (folder / "deep" / "er" / "audit.json").unlink()
    assert main(["history", str(folder)]) == 2
    assert "no audit can be shown: edited/audit.json" in capsys.readouterr().err
    assert main(["history", str(folder / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_too_many_files_are_refused_before_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_slmtrust.archive.history.MOST", 2)
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "audit.json").write_text("{")
    with pytest.raises(AuditError, match=r"3 files named audit\.json; expected at most 2"):
        read_past(tmp_path, lambda _: None)
