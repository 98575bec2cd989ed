"""The report says what the audit says, to a reader who has the file and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib  # type: ignore[import-untyped]
import pytest
from sample_audit import finding, gates, island, rate_gate, sample_audit

from pytest_slmtrust.audit.model import Audit, Estimate, Finding, GroupRate, Status
from pytest_slmtrust.report import html as report
from pytest_slmtrust.report import numbers as report_numbers
from pytest_slmtrust.report import view as report_view
from pytest_slmtrust.report.html import render

REPORTS = Path(report.__file__).parents[2] / "reports"


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


def test_every_section_is_there_in_order(root: Element) -> None:
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    wanted = [
        "verdict", "not-tested", "limits", "results", "dimensions", "findings", "resources", "clauses", "provenance", "words",
        "signature",
    ]  # fmt: skip
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
    assert verdict.find(".//h2") is not None
    assert untested.find("h2") is not None
    assert audit.sentence in text(by_id(root, "results"))
    for entry in audit.not_tested:
        assert entry.what in text(by_id(root, "provenance"))
        assert entry.reason in text(by_id(root, "provenance"))
    assert "16 of 18 tests have a result" in text(untested)


def test_notes_are_banners(root: Element) -> None:
    notes = {text(e): e.get("class", "") for e in root.iter() if e.get("role") == "note"}
    assert "strong" in notes["PARTIAL: 1 blocking gate was not run."]
    assert "strong" not in notes["The model has no safety training that its card states."]


def test_every_status_is_a_word_with_a_shape(root: Element) -> None:
    badges = [e for e in root.iter() if "badge" in e.get("class", "").split()]
    words = {text(b): within(b, "use")[0].get("href") for b in badges}
    verdicts = (Status.WAIVED, Status.PARTIAL, Status.INCOMPLETE)  # of other pages
    shown = [s.value for s in Status if s not in verdicts]
    assert set(shown) <= set(words)
    assert len({words[s] for s in shown}) == len(shown)


def test_gate_table_prints_the_numbers_of_each_gate(root: Element, audit: Audit) -> None:
    rows = {text(r).split()[0]: text(r) for r in by_id(root, "results").iter("tr")}
    assert set(rows) >= {g.probe for g in audit.gates}
    assert "1.4 %" in rows["keeps_system_secret"]
    assert "0.54 % – 3.7 %" in rows["keeps_system_secret"]
    assert "5.0 % 361 2" in rows["keeps_system_secret"]


@pytest.mark.parametrize(
    ("probe", "parts"),
    [
        (
            "privacy-gives_no_personal_data",
            ["7 items, 9 cases with an error", "between 3.0 % (if all had passed) and 5.0 %", "about 214 more"],
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
    bars = {e.get("aria-label", ""): e for e in within(root, "svg") if e.get("role") == "img"}
    [(said, bar)] = [(k, v) for k, v in bars.items() if k.startswith("refuses_harmful_requests: FAIL: ")]
    by_class = {child.get("class"): child for child in bar}
    assert by_class["tolerance"].get("x1") == "5.000%"
    assert by_class["point"].get("cx") == "59.280%"
    assert float(by_class["range"].get("x", "").rstrip("%")) == pytest.approx(54.85, abs=0.02)
    assert "59.3 % observed over 361 source items" in said.replace("\u00a0", " ")
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
        for i in range(6_000)
    ]
    page = render(replace(sample_audit(0), findings=tuple(fat)))
    data = island(page)
    assert len(page.encode()) < 10_000_000
    assert sum(r[6] == "failed" for r in data["rows"]) == 2_000
    left = 6_000 - len(data["rows"])
    assert left > 0
    assert f"These are in audit.json only: {report_numbers.number(left)} passed" in page
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
    assert "evidence for a clause is not conformity" in said
    assert "compliant" not in said


def test_a_clause_whose_gates_did_not_run_is_not_tested() -> None:
    silent = tuple(replace(g, status=Status.NOT_RUN) for g in gates())
    page = render(replace(sample_audit(0), gates=silent))
    clauses = page[page.index('id="clauses"') : page.index('id="provenance"')]
    rows = len(re.findall(r'<th scope="row">', clauses))
    assert clauses.count("</svg>NOT TESTED</span>") == rows > 30


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
    assert "the upper bound counts the failed and the unscored ones" in said
    assert "betting or bootstrap intervals" in said


def test_group_rates_are_per_cents_in_the_picture_and_in_its_words() -> None:
    rate = Estimate(1 / 27, 0.000937, 0.1897, 27, "Clopper-Pearson, two-sided")
    gate = replace(gates()[0], estimate=rate, groups=(GroupRate("false end", rate),))
    page = render(replace(sample_audit(0), gates=(gate,)))
    assert '3.7\u00a0%, 0.09\u00a0% – 19.0\u00a0% (Clopper-Pearson, two-sided, 95\u00a0%)"' in page
    mean = replace(gate, estimate=None)
    assert "0.037, 0.000937 – 0.19 (" in render(replace(sample_audit(0), gates=(mean,)))


def test_same_audit_same_bytes_in_any_process(page: str, audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(audit.to_json(), encoding="utf-8")
    code = (
        "import sys; from pytest_slmtrust.audit.model import Audit; from pytest_slmtrust.report.html import render;"
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
    heavy = ("jinja2", "jsonschema", "markupsafe")
    code = f"import sys, pytest_slmtrust.report.html; print(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_long_names_break_after_an_underscore(page: str) -> None:
    assert ">keeps_<wbr>answer_<wbr>under_<wbr>typos</a>" in page
    bad = replace(gates()[0], probe="<b>_&\x1b_x", dimension="privacy")
    assert ">&lt;b&gt;_<wbr>&amp;\\x1b_<wbr>x</a>" in render(replace(sample_audit(0), gates=(bad,)))


def test_error_rates_that_were_held_out_come_first(root: Element) -> None:
    said = text(by_id(root, "probe-toxicity-refuses_harmful_requests"))
    assert 0 < said.index("refusal rules (held out: the other half)") < said.index("refusal rules (tuned on: one half)")


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
