"""The report says what the audit says, to a reader who has the file and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib  # type: ignore[import-untyped]
import pytest
from sample_audit import finding, gates, rate_gate, sample_audit

from pytest_slmtrust import report, report_view
from pytest_slmtrust.audit import Audit, AuditError, Estimate, Finding, GroupRate, Status
from pytest_slmtrust.report import check_schema, render

REPORTS = Path(report.__file__).parent.parent / "reports"


@pytest.fixture(scope="module")
def audit() -> Audit:
    return sample_audit()


@pytest.fixture(scope="module")
def page(audit: Audit) -> str:
    return render(audit)


@pytest.fixture(scope="module")
def root(page: str) -> Element:
    tree: Element = html5lib.HTMLParser(namespaceHTMLElements=False).parse(page)
    return tree


def by_id(root: Element, name: str) -> Element:
    return next(e for e in root.iter() if e.get("id") == name)


def local(element: Element) -> str:
    """The tag without the namespace that html5lib gives to SVG."""
    return str(element.tag).rpartition("}")[2]


def within(root: Element, tag: str) -> list[Element]:
    return [e for e in root.iter() if local(e) == tag]


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def island(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_every_section_is_there_in_order(root: Element) -> None:
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    wanted = ["verdict", "not-tested", "dimensions", "findings", "resources", "clauses", "provenance", "signature"]
    assert [i for i in ids if i in wanted] == wanted
    assert len(ids) == len(set(ids))


def test_every_internal_link_has_its_target(root: Element) -> None:
    ids = {e.get("id") for e in root.iter()}
    links = {e.get("href", "") for e in root.iter() if local(e) in ("a", "use")}
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    named = {part for e in root.iter() for part in e.get("aria-labelledby", "").split()}
    assert named <= ids


def test_gates_that_share_a_name_have_fragments_of_their_own() -> None:
    twin = replace(gates()[0], nodeid="probe_bot.py::gate[keeps_answer_under_typos]")
    page = render(replace(sample_audit(0), gates=(gates()[0], twin)))
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert page.count('href="#probe-robustness-keeps_answer_under_typos-2"') >= 2


def test_verdict_and_what_was_not_tested_stand_side_by_side(root: Element, audit: Audit) -> None:
    verdict, untested = by_id(root, "verdict"), by_id(root, "not-tested")
    assert audit.sentence in text(verdict)
    assert verdict.find(".//h2") is not None
    assert untested.find("h2") is not None
    for entry in audit.not_tested:
        assert entry.what in text(untested)
        assert entry.reason in text(untested)
    assert "PASS for 0 of 5 dimensions" in text(verdict)
    assert "PASS for 1 of 2 blocking gates" in text(verdict)


def test_notes_are_banners(root: Element) -> None:
    notes = {text(e): e.get("class", "") for e in root.iter() if e.get("role") == "note"}
    assert "strong" in notes["PARTIAL: 1 blocking gate was not run."]
    assert "strong" not in notes["The model has no safety training that its card states."]


def test_every_status_is_a_word_with_a_shape(root: Element) -> None:
    badges = [e for e in root.iter() if "badge" in e.get("class", "").split()]
    words = {text(b): within(b, "use")[0].get("href") for b in badges}
    shown = [s.value for s in Status if s is not Status.WAIVED]  # no verdict of this page
    assert set(shown) <= set(words)
    assert len({words[s] for s in shown}) == len(shown)


def test_gate_table_prints_the_numbers_of_each_gate(root: Element, audit: Audit) -> None:
    rows = {text(r).split()[0]: text(r) for r in by_id(root, "verdict").iter("tr")}
    assert set(rows) >= {g.probe for g in audit.gates}
    assert "1.9 %" in rows["keeps_system_secret"]
    assert "0.54 % – 3.7 %" in rows["keeps_system_secret"]
    assert "5.0 % 361" in rows["keeps_system_secret"]


@pytest.mark.parametrize(
    ("probe", "parts"),
    [
        (
            "privacy-gives_no_personal_data",
            ["7 items, 9 cases with an error", "between 3.0 % (had all passed) and 5.0 %", "about 214 more"],
        ),
        (
            "toxicity-continues_without_toxicity",
            [
                "passes up to 11 failing items, fails from 26",
                "half the tolerance 80.3 %",
                "profanity-check: sensitivity 81.1 % (334 of 412), specificity 96.0 % (771 of 803), threshold 0.5",
                "8 of 8 came out as labelled",
            ],
        ),
        ("toxicity-answers_harmless_requests", ["12 of 40; lower bound 18.3 % does not reach 80.0 %"]),
        ("toxicity-stays_polite_when_provoked", ["6 of 8 came out as labelled; wrong: control-3; control-6"]),
        ("privacy-forgets_members", ["0.537", "AUC of Min-K%++", "DeLong (approximate), 95 %"]),
        ("fairness-prefers_no_stereotype", ["By group", "religion", "n = 40"]),
    ],
)
def test_probe_says(root: Element, probe: str, parts: list[str]) -> None:
    said = text(by_id(root, f"probe-{probe}"))
    for part in parts:
        assert part in said


def test_bars_share_one_axis_and_say_their_numbers(root: Element) -> None:
    bars = {e.get("aria-labelledby", ""): e for e in within(root, "svg") if e.get("role") == "img"}
    bar = bars["bar-probe-toxicity-refuses_harmful_requests-t bar-probe-toxicity-refuses_harmful_requests-d"]
    by_class = {child.get("class"): child for child in bar}
    assert by_class["tolerance"].get("x1") == "5.000%"
    assert by_class["point"].get("cx") == "59.280%"
    assert float(by_class["range"].get("x", "").rstrip("%")) == pytest.approx(54.85, abs=0.02)
    assert "59.3 % observed over 361 source items" in text(bar)
    for other in bars.values():
        for shape in within(other, "rect"):
            left, width = (float(shape.get(k, "").rstrip("%")) for k in ("x", "width"))
            assert 0 <= left <= left + width <= 100.2


def test_findings_without_script_are_a_table_of_the_open_ones(root: Element, audit: Audit) -> None:
    static = by_id(root, "static")
    open_ones = [f for f in audit.findings if f.outcome in ("failed", "error", "unscored")]
    shown = list(static.iter("article"))
    assert len(shown) == len(open_ones) > 50
    assert [e.tag for e in static.iter() if e.tag in ("del", "ins")].count("ins") > 10
    toxic = [e for e in shown if " toxicity" in text(e)]
    assert toxic
    assert all(e.find("details") is not None and "order number" not in text(e).split("offensive")[0] for e in toxic)
    assert by_id(root, "browser").get("hidden") is not None


def test_static_table_has_a_stated_end() -> None:
    many = render(sample_audit(2_000))
    assert many.count('<article class="finding"') == 200
    assert "The first 200 of 750;" in many


def test_island_holds_every_finding_worst_first(page: str, audit: Audit) -> None:
    rows = island(page)["rows"]
    assert len(rows) == len(audit.findings)
    assert [r[6] for r in rows] == sorted((r[6] for r in rows), key=["failed", "error", "unscored", "measured", "passed"].index)
    assert {r[1] for r in rows} == {f.nodeid for f in audit.findings}


def test_thousands_of_findings_stay_small_and_quick() -> None:
    big = sample_audit(6_000)
    start = time.perf_counter()
    page = render(big)
    assert time.perf_counter() - start < 10
    assert len(page.encode()) < 10_000_000
    assert len(island(page)["rows"]) == 6_000


def test_what_does_not_fit_is_left_out_last_first_and_counted() -> None:
    gate = gates()[0]
    fat = [
        replace(finding(i, gate), evidence={f"text {k}": "ä" * 300 for k in range(12)}, outcome="passed" if i % 3 else "failed")
        for i in range(3_000)
    ]
    page = render(replace(sample_audit(0), findings=tuple(fat)))
    data = island(page)
    assert len(page.encode()) < 10_000_000
    assert sum(r[6] == "failed" for r in data["rows"]) == 1_000
    left = 3_000 - len(data["rows"])
    assert left > 0
    assert f"left out here, but in audit.json: {report_view.number(left)} passed" in page
    assert data["cut"] == 240
    assert "more characters]" in data["rows"][0][10]["text 0"]


def test_deep_and_wide_evidence_is_pruned_with_a_note() -> None:
    deep: Any = "end"
    for _ in range(50):
        deep = {"in": deep}
    odd = Finding("slm::x", "p", "privacy", "c", "s", "failed", evidence={"deep": deep, "wide": list(range(500))})
    row = island(render(replace(sample_audit(0), findings=(odd,))))["rows"][0]
    assert "deeper levels" in json.dumps(row[10])
    assert row[10]["wide"][-1] == "… [440 more are in audit.json]"


def test_clauses_without_a_test_say_so(root: Element) -> None:
    rows = {
        text(next(iter(r.iter("th")))).split()[0]: text(r) for r in by_id(root, "clauses").iter("tr") if r.find("td") is not None
    }
    assert "NOT TESTED" in rows["LLM10:2025"]
    assert "keeps_system_secret" in rows["LLM07:2025"]
    assert "× " in rows["LLM02:2025"]
    assert "ignores_instructions_in_data" not in rows["LLM09:2025"]
    said = text(by_id(root, "clauses")).lower()
    assert "evidence towards" in said
    assert "compliant" not in said


def test_a_clause_whose_gates_did_not_run_is_not_tested() -> None:
    silent = tuple(replace(g, status=Status.NOT_RUN) for g in gates())
    page = render(replace(sample_audit(0), gates=silent))
    clauses = page[page.index('id="clauses"') : page.index('id="provenance"')]
    rows = len(re.findall(r'<th scope="row">', clauses))
    assert clauses.count("</svg>NOT TESTED</span>") == rows > 30


def test_clause_file_is_complete() -> None:
    data = tomllib.loads((REPORTS / "clauses.toml").read_text(encoding="utf-8"))
    assert {f["id"] for f in data["framework"]} == {"eu-ai-act", "nist-ai-rmf", "nist-ai-600-1", "iso-42001", "owasp-llm-2025"}
    for framework in data["framework"]:
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", framework["date"])
        for row in framework["clause"]:
            assert set(row) <= {"clause", "title", "summary", "dimensions", "probes"}
            assert row["summary"].endswith(".")
            assert set(row.get("dimensions", ())) <= set(report_view.DIMENSIONS)


def test_provenance_tells_how_to_recompute(root: Element, audit: Audit) -> None:
    import hashlib

    said = text(by_id(root, "provenance"))
    assert hashlib.sha256(audit.to_json().encode()).hexdigest() in said
    assert "5a" * 32 in said
    assert "pytest --slm=smollm2-135m-instruct --slm-profile=audit --slm-toxicity profanity-check" in said
    assert "pytest --slm=smollm2-135m-instruct --slm-profile=audit --slm-toxicity=profanity-check" in text(by_id(root, "static"))
    assert "transformers4.57.6" in said
    assert "120.7" in text(by_id(root, "resources"))
    assert "sha256sum of the audit.json that this page was rendered from" in said
    assert "the upper bound the failed and the unscored ones" in said
    assert "betting or bootstrap intervals" in said


def test_group_rates_are_per_cents_in_the_picture_and_in_its_words() -> None:
    rate = Estimate(1 / 27, 0.000937, 0.1897, 27, "Clopper-Pearson, two-sided")
    gate = replace(gates()[0], estimate=rate, groups=(GroupRate("false end", rate),))
    page = render(replace(sample_audit(0), gates=(gate,)))
    assert "3.7\u00a0%, 0.09\u00a0% – 19.0\u00a0% (Clopper-Pearson, two-sided, 95\u00a0%)</desc>" in page
    mean = replace(gate, estimate=None)
    assert "0.037, 0.000937 – 0.19 (" in render(replace(sample_audit(0), gates=(mean,)))


def test_same_audit_same_bytes_in_any_process(page: str, audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(audit.to_json(), encoding="utf-8")
    code = (
        "import sys; from pytest_slmtrust.audit import Audit; from pytest_slmtrust.report import render;"
        "sys.stdout.buffer.write(render(Audit.from_json(open(sys.argv[1]).read())).encode())"
    )
    for seed in ("1", "2"):
        run = [sys.executable, "-c", code, str(tmp_path / "audit.json")]
        out = subprocess.run(run, env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True).stdout
        assert out == render(Audit.from_json(audit.to_json())).encode()


def test_audits_with_little_in_them_render() -> None:
    bare = Audit(Status.NOT_TESTED, "Nothing was tested.", "smoke", (), (), (), {})
    page = render(bare)
    assert "unnamed model" in page
    assert page.count("NOT TESTED: no probe of this dimension") == 5
    assert "date not recorded" in page


def test_measured_gate_with_scores_only_shows_the_mean_score() -> None:
    score = Estimate(0.42, 0.4, 0.44, 50, "betting interval of a bounded mean")
    gate = replace(
        rate_gate("fairness", "p", "C.", 0, 50, tolerance=None), lower=None, upper=None, best=None, worst=None, mean_score=score
    )
    seen = report_view.gate_view(gate, {}, ())
    assert (seen.observed, seen.interval) == ("0.42", "0.4 – 0.44")
    assert seen.bar is not None


def test_importing_the_report_loads_no_template_engine() -> None:
    code = "import sys, pytest_slmtrust.report as r; print(any(m in sys.modules for m in ('jinja2', 'jsonschema', 'markupsafe')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


# schema


def test_sample_audits_fit_the_schema(audit: Audit) -> None:
    check_schema(json.loads(audit.to_json()))
    check_schema(json.loads(Audit(Status.NOT_TESTED, "", "smoke", (), (), (), {}).to_json()))


def test_schema_names_every_field_of_our_types(audit: Audit) -> None:
    schema = json.loads((REPORTS / "audit.schema.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(asdict(audit))
    assert set(schema["$defs"]["gate"]["properties"]) == set(asdict(audit.gates[0]))
    assert set(schema["$defs"]["finding"]["properties"]) == set(asdict(audit.findings[0]))
    assert set(schema["$defs"]["status"]["enum"]) == {s.value for s in Status}


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("gates", 3, "failures"), -1, "$.gates[3].failures"),
        (("gates", 0, "tolerance"), "5 %", "$.gates[0].tolerance"),
        (("gates", 1, "status"), "GREAT", "$.gates[1].status"),
        (("gates", 2, "estimate", "value"), "0.1", "$.gates[2].estimate.value"),
        (("gates", 0, "extra"), 1, "$.gates[0]"),
        (("findings", 5, "outcome"), "fine", "$.findings[5].outcome"),
        (("findings", 5, "dimension"), "taste", "$.findings[5].dimension"),
        (("model",), [], "$.model"),
        (("format",), 1, "$.format"),
        (("verdict",), None, "$.verdict"),
        (("surprise",), 1, "$"),
        (("notes", 0), "\x1b[2J", None),
    ],
)
def test_a_fault_is_named_by_its_path(audit: Audit, path: tuple[Any, ...], value: Any, where: str | None) -> None:
    data = json.loads(audit.to_json())
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    if where is None:
        check_schema(data)
        return
    with pytest.raises(AuditError) as caught:
        check_schema(data)
    assert str(caught.value).startswith(where + ":")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("field", ["gates", "findings", "model", "verdict", "sentence", "profile"])
def test_a_missing_field_is_a_fault(audit: Audit, field: str) -> None:
    data = json.loads(audit.to_json())
    del data[field]
    with pytest.raises(AuditError, match=field):
        check_schema(data)


def test_an_audit_without_json_form_is_refused() -> None:
    with pytest.raises(AuditError, match="no JSON form"):
        render(replace(sample_audit(0), resources={"seconds": float("nan")}))


# numbers as text


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
    assert report_view.percent(value, rounding) == shown.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("value", "shown"), [(1234567, "1 234 567"), (0.5371, "0.537"), (-0.42, "−0.42"), (1511.25, "1 511.2"), (3.0, "3")]
)
def test_numbers(value: float, shown: str) -> None:
    assert report_view.number(value) == shown.replace(" ", "\u202f")


def test_twins_are_paired_by_name() -> None:
    evidence = {"original_reply": "a", "perturbed_reply": "b", "prompt": "c", "other": "d", "asked again": 3, "original": "e"}
    assert report_view.pairs(evidence) == [
        ("original reply against perturbed reply", "a", "original_reply", "perturbed_reply"),
        ("prompt against other", "c", "prompt", "other"),
    ]


def test_detector_quality_is_counted_from_the_rows_that_belong_to_it() -> None:
    row = {"tp": 8, "fn": 2, "tn": 0, "fp": 0, "threshold": 0.5, "data": "a set"}
    scorers: list[dict[str, Any]] = [
        {"name": "s", "kind": "toxicity scorer", "measured": [row, {"tp": "many"}, 3]},
        {"name": "other", "kind": "scorer", "measured": [row]},
        {},
    ]
    assert report_view.detector_quality("toxicity scorer of the session, toxic from 0.5 on", scorers) == (
        "s: sensitivity 80.0\u00a0% (8 of 10), specificity not measured, threshold 0.5; on a set",
        "s: measured, but not as counts",
    )
    assert report_view.detector_quality("", scorers) == ()


REFUSAL = {
    "name": "refusal rules", "kind": "rules", "detector": "refusal",
    "measured": [
        {"tp": 9, "fn": 1, "tn": 9, "fp": 1, "split": "tuned on: A", "note": "two models only"},
        {"tp": 7, "fn": 3, "tn": 8, "fp": 2, "split": "rated texts"},
        {"tp": 5, "fn": 5, "tn": 6, "fp": 4, "split": "held out: B", "data": "a set", "note": "two models only"},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("detector", "judged"),
    [
        ("refusal rules over the opening of the reply, or a pointer to help", True),
        ("words of the matter; refusal rules over the opening", True),
        ("rules for abstention, refusal and correction of a premise; degenerate replies are unscored", False),
        ("exact match of the answer in the passage, and rules for abstention", False),
        ("no refusal rules at all", False),
        ("refusal rulesets", False),
        ("toxicity scorer of the session", False),
    ],
)
def test_a_gate_has_the_error_rates_of_its_own_detector_only(detector: str, judged: bool) -> None:
    assert bool(report_view.detector_quality(detector, [REFUSAL])) is judged


def test_detector_quality_says_what_it_was_counted_on_and_held_out_comes_first(root: Element) -> None:
    lines = report_view.detector_quality("refusal rules", [REFUSAL])
    assert [line.split(":")[0] for line in lines] == [
        "refusal rules (held out", "refusal rules (rated texts)", "refusal rules (tuned on",
    ]  # fmt: skip
    assert lines[0] == (
        "refusal rules (held out: B): sensitivity 50.0\u00a0% (5 of 10), specificity 60.0\u00a0% (6 of 10)"
        "; on a set; two models only"
    )
    assert lines[2].endswith("; two models only")
    said = text(by_id(root, "probe-toxicity-refuses_harmful_requests"))
    assert 0 < said.index("refusal rules (held out: the other half)") < said.index("refusal rules (tuned on: one half)")


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


def test_usefulness_is_no_evidence_of_safety() -> None:
    data = tomllib.loads((REPORTS / "clauses.toml").read_text(encoding="utf-8"))
    names = ("answers_harmless_requests", "continues_without_toxicity", "refuses_harmful_requests")
    made = [replace(gates()[0], dimension="toxicity", probe=name) for name in names]
    shown = [report_view.gate_view(g, {}, ()) for g in made]
    found = {
        (f["id"], c.row["clause"]): {v.gate.probe for v in c.tested}
        for f in data["framework"]
        for c in report_view.clause_views(f, shown)
    }
    assert found["nist-ai-rmf", "MEASURE 2.6"] == found["nist-ai-600-1", "2.3"] == set(names[1:])
    assert found["nist-ai-600-1", "2.11"] == {"continues_without_toxicity"}


def test_long_names_break_after_an_underscore(page: str) -> None:
    assert ">keeps_<wbr>answer_<wbr>under_<wbr>typos</a>" in page
    bad = replace(gates()[0], probe="<b>_&\x1b_x", dimension="privacy")
    assert ">&lt;b&gt;_<wbr>&amp;\\x1b_<wbr>x</a>" in render(replace(sample_audit(0), gates=(bad,)))


def test_huge_whole_numbers_are_shown() -> None:
    huge = 10**400
    assert report_view.number(-huge) == "\u22121.00e+400"
    assert report_view.size(huge) == "1.00e+400\u00a0bytes"
    assert report_view.percent(huge) == "1.00e+400 × 100\u00a0%"
    counters = dict.fromkeys(sample_audit(0).resources, huge) | {"seconds": 3}
    estimate = Estimate(huge, -huge, huge, huge, "x")
    odd = replace(gates()[0], items=huge, cases=huge, estimate=estimate, groups=(GroupRate("g", estimate),))
    page = render(replace(sample_audit(0), resources=counters, gates=(odd,), model={"files": [{"bytes": huge}]}))
    assert "1.00e+400" in page
    assert ("3.33e+399", "tokens written a second of answering") in report_view.resource_cards(counters)


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


# looks


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_text_contrast_meets_wcag_aa(theme: int) -> None:
    css = (REPORTS / "report.css").read_text(encoding="utf-8")
    colours = {m[1]: (m[2], m[3])[theme] for m in re.finditer(r"--([a-z]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", css)}
    grounds = [colours["paper"], colours["panel"]]

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for name in ("ink", "muted", "link", "pass", "fail", "open", "odd", "idle", "calm"):
        assert min(contrast(colours[name], g) for g in grounds) >= 4.5, name
    assert min(contrast(colours["ink"], colours[n]) for n in ("del", "ins")) >= 4.5
    assert min(contrast(colours[n], g) for n in ("edge", "focus") for g in grounds) >= 3
