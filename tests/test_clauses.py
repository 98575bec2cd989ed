"""The map of clauses: editions and dates, what was read, a reviewer's own map, and counts that agree with the verdict's."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import html5lib  # type: ignore[import-untyped]
import pytest
from hostile import PAYLOADS
from runs import run
from sample_audit import gates, sample_audit
from test_versus import CONFTEST, OPTIONS, PROBE

from pytest_slmtrust import probes as pack
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.clauses import LARGEST, Clause, Framework, built_in, check_names, read_clauses
from pytest_slmtrust.audit.model import AuditError, Estimate, GateResult, GroupRate, Status
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.report.clauses import clause_views
from pytest_slmtrust.report.html import render
from pytest_slmtrust.report.view import gate_view

OWN = """
[[framework]]
id = "house"
title = "House rules"
source = "our wiki"
date = 2026-11-01

[[framework.clause]]
clause = "1"
title = "Manners"
summary = "Be polite."
probes = ["stays_polite"]
"""


def test_every_framework_says_its_edition_and_how_it_is_known() -> None:
    found = {f.id: f for f in built_in()}
    assert len(found) == 13
    assert found["eu-ai-act"].applies_from == "2027-12-02"
    assert "Digital Omnibus" in found["eu-ai-act"].amended
    assert found["eu-gpai"].applies_from == "2025-08-02"
    assert found["nist-ai-800-2"].read == found["owasp-aitg"].read == "secondary"
    assert {row.clause for row in found["owasp-aitg"].clause} >= {"AITG-APP-01", "AITG-MOD-07", "AITG-INF-06", "AITG-DAT-05"}
    assert {row.clause for row in found["ailuminate"].clause} >= {"vcr", "ssh", "hte", "prv"}
    for f in found.values():
        assert f.read == "not read" or re.fullmatch(r"20\d\d-\d\d-\d\d", f.date), f.id
        assert f.read == "not read" or re.fullmatch(r"20\d\d-\d\d-\d\d", f.read_on), f.id
        assert f.read != "not read" or not any(row.probes or row.dimensions for row in f.clause)
        for row in f.clause:
            assert row.summary.endswith("."), row
            assert bool(row.cannot) == bool(row.probes or row.dimensions), (f.id, row.clause)


def test_every_pattern_fits_a_built_in_gate() -> None:
    names = [p.name for p in pack.pytest_slm_probes()]
    for f in built_in():
        for row in f.clause:
            for pattern in row.probes:
                assert any(fnmatchcase(name, pattern) for name in names), (f.id, row.clause, pattern)


def views(made: tuple[GateResult, ...], *rows: Clause) -> list[tuple[dict[Status, int], dict[Status, int]]]:
    framework = Framework("x", "x", "x", "", rows)
    shown = [gate_view(g, {}, ()) for g in made]
    return [(dict(v.statuses), dict(v.advisory)) for v in clause_views(framework, shown)]


def test_a_clause_about_some_rows_shows_their_rates() -> None:
    rates = (
        GroupRate("theft", Estimate(0.25, 0.05, 0.6, 8, "exact", 0.95)),
        GroupRate("spc_fin", Estimate(1.0, 0.3, 1.0, 2, "exact", 0.95)),
    )
    one = replace(next(g for g in gates() if g.status is Status.FAIL), groups=rates)
    rows = (
        Clause("1", "t", "s.", (one.dimension,), groups=("thef*",)),
        Clause("2", "t", "s.", (one.dimension,), groups=("spc*", "x")),
    )
    found = clause_views(
        Framework("x", "x", "x", "", (*rows, Clause("3", "t", "s.", (one.dimension,)))), [gate_view(one, {}, ())]
    )
    assert [[(name, rate.n) for _, name, rate in view.groups] for view in found] == [[("theft", 8)], [("spc_fin", 2)], []]
    own = (Framework("own", "Own", "here", "", rows),)
    page = render(replace(sample_audit(0), gates=(one,), settings={**sample_audit(0).settings, "clauses": own}))
    assert "theft: 2 of 8 items of" in page
    assert "spc_fin: 2 of 2 items of" in page


def test_a_clause_names_its_gates_or_a_whole_dimension_in_one_link() -> None:
    one = next(g for g in gates() if g.status is Status.FAIL)
    made = [replace(one, probe=f"p{n}", nodeid=f"slm::{one.dimension}::gate[p{n}]") for n in range(5)]
    made += [replace(g, probe=f"not_{g.probe}", status=Status.NOT_RUN) for g in made[:4]]
    rows = (
        Clause("1", "t", "s.", dimensions=(str(one.dimension),)),
        Clause("2", "t", "s.", probes=("p0", "p1", "p2", "p3", "not_p0")),
    )
    whole, part = clause_views(Framework("x", "x", "x", "", rows), [gate_view(g, {}, ()) for g in made])
    assert [(link.text, link.anchor) for link in (*whole.named, *whole.missing)] == [
        (f"all 5 tests of {one.dimension} that have a result", f"dimension-{one.dimension}"),
        (f"the other 4 of {one.dimension}", f"dimension-{one.dimension}"),
    ]
    assert [link.text for link in (*part.named, *part.missing)] == ["p0", "p1", "p2", "p3", "not_p0"]
    page = render(replace(sample_audit(0), gates=tuple(made)))
    assert f'id="dimension-{one.dimension}"' in page
    assert f'<a href="#dimension-{one.dimension}">all 5 tests of ' in page


def test_the_hazards_of_the_built_in_requests_are_counted_apart() -> None:
    made = next(p for p in pack.pytest_slm_probes() if p.name == "refuses_harmful_requests")
    hazards = {str(case.params["hazard"]) for case in made.cases(load_policy("ci").profile)}
    ailuminate = next(f for f in built_in() if f.id == "ailuminate")
    assert hazards == {name for name in hazards if any(name in row.groups for row in ailuminate.clause)}


def test_advisory_gates_are_counted_apart() -> None:
    failing = next(g for g in gates() if g.status is Status.FAIL)
    weak = replace(failing, probe="weak", nodeid="slm::toxicity::gate[weak]", blocking=False, advisory="weak detector")
    row = Clause("1", "t", "s.", dimensions=("toxicity",))
    ((counted, advisory),) = views((failing, weak), row)
    assert (counted, advisory) == ({Status.FAIL: 1}, {Status.FAIL: 1})
    page = render(replace(sample_audit(0), gates=(failing, weak)))
    clauses = page[page.index('id="clauses"') : page.index('id="provenance"')]
    assert "advisory: " in clauses


def test_the_page_says_what_is_known_from_others_only() -> None:
    page = render(sample_audit(0))
    for words in ("secondary sources only", "Not read", "Applies from 2027-12-02", "Not shown: ", "Digital Omnibus"):
        assert words in page


def own(folder: Path, text: str) -> Path:
    path = folder / "clauses.toml"
    path.write_text(text)
    return path


def test_a_map_of_ones_own_is_read(tmp_path: Path) -> None:
    (made,) = read_clauses(own(tmp_path, OWN))
    assert (made.id, made.date, made.clause[0].probes) == ("house", "2026-11-01", ("stays_polite",))
    check_names((made,), ["stays_polite", "other"])
    with pytest.raises(AuditError, match=r"house 1: no gate fits 'stays_polite'; did you mean 'stays_polit'\?"):
        check_names((made,), ["stays_polit"])


WRONG = {
    "not TOML": "[[framework",
    "no framework": "x = 1",
    "empty": "",
    "a framework that is a text": 'framework = ["x"]',
    "no id": OWN.replace('id = "house"\n', ""),
    "empty title": OWN.replace('"House rules"', '""'),
    "a title that nobody sees": OWN.replace('"House rules"', '"\\u200b"'),
    "unknown field": OWN + 'passes = true\n',
    "unknown field of a framework": OWN.replace('id = "house"', 'id = "house"\nverdict = "PASS"'),
    "another type": OWN.replace('["stays_polite"]', '"stays_polite"'),
    "unknown dimension": OWN + 'dimensions = ["beauty"]\n',
    "another way of reading": OWN.replace("date =", 'read = "by heart"\ndate ='),
    "two of one id": OWN + OWN,
    "a long text": OWN.replace("Be polite.", "x" * 3_000),
    "many clauses": OWN + '[[framework.clause]]\nclause = "2"\ntitle = "t"\nsummary = "s"\n' * 500,
    "deep": "x = " + "[" * 5_000,
    "large": "# " + "x" * LARGEST,
    "hostile": OWN.replace('"house"', '"house"\n"\\u001b]0;x\\u0007\\n::error::x" = 1'),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_map_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(AuditError) as error:
        read_clauses(own(tmp_path, WRONG[name]))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_no_file_a_pipe_and_a_folder_are_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for name in ("nowhere", "pipe", "."):
        with pytest.raises(AuditError):
            read_clauses(tmp_path / name)


def test_texts_of_a_map_stay_text() -> None:
    text = "\n".join(PAYLOADS)
    hostile = Framework(
        text, text, text, text, (Clause(text, text, text, ("toxicity",), (), (text,), text, text, text),), text, text, text, text
    )
    audit = sample_audit(0)
    page = render(replace(audit, settings={**audit.settings, "clauses": (hostile,)}))
    tree = html5lib.HTMLParser(namespaceHTMLElements=False).parse(page)
    assert not {e.tag for e in tree.iter() if isinstance(e.tag, str)} & {"img", "iframe", "object", "embed", "base"}


def test_a_run_shows_the_map_and_refuses_an_unknown_gate(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "probe_polite.py").write_text(PROBE.format(n=12, extra=", tolerance=0.4"))
    own(tmp_path, OWN.replace("our wiki", "our wiki ghp_" + "a1B2" * 9))
    done = run(tmp_path, "--slm=conftest:child", "--slm-clauses=clauses.toml", *OPTIONS)
    path = tmp_path / "slmtrust-report" / "audit.json"
    audit = read_verified(path)
    assert [f["id"] for f in json.loads(path.read_text())["settings"]["clauses"]] == ["house"], done.stdout[-1500:]
    page = render(audit)
    assert "House rules" in page
    assert "ghp_" not in page
    own(tmp_path, OWN.replace("stays_polite", "stays_politer"))
    done = run(tmp_path, "--slm=conftest:child", "--slm-clauses=clauses.toml", *OPTIONS)
    assert done.returncode == 4
    assert "no gate fits 'stays_politer'; did you mean 'stays_polite'?" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
