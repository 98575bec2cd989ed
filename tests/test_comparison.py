"""Audits side by side: what is compared, what is named instead, and what the page shows to a reader without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib  # type: ignore[import-untyped]
import pytest
from hostile import PAYLOADS, poisoned
from sides import BAD, FACTS, GOOD, SECRET, audit, outcomes, side, sides
from test_report_security import ATTRIBUTES, TAGS

from pytest_slmtrust.archive.side_by_side import read_sides, side_by_side
from pytest_slmtrust.audit.model import Audit, AuditError, Status
from pytest_slmtrust.cli import main
from pytest_slmtrust.report.comparison import render_comparison
from pytest_slmtrust.report.pareto import Plot, tradeoff
from pytest_slmtrust.report.shifts import PairView, pair_views

TWO = (BAD, GOOD)


def page(*audits: Audit) -> str:
    return render_comparison(side_by_side(sides(*audits)))


def parsed(text: str) -> Element:
    root: Element = html5lib.HTMLParser(namespaceHTMLElements=False).parse(text)
    return root


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split()).replace("\u00a0", " ").replace("\u202f", " ")


def by_id(root: Element, name: str) -> Element:
    return next(e for e in root.iter() if e.get("id") == name)


def section(made: str, name: str) -> str:
    return text(by_id(parsed(made), name))


def view(*audits: Audit) -> PairView:
    (made,) = pair_views(side_by_side(sides(*audits)))
    return made


# what is said of two models


@pytest.mark.parametrize(("dates", "said"), [
    (("2026-11-26T06:10:00+00:00", "2026-11-26T06:03:00+00:00"), "A is the later audit."),
    (("2026-11-26T06:10:00+00:00", "2026-11-26T07:10:00+02:00"), "A is the later audit."),
    (("2025-01-01T00:00:00+00:00", "2026-11-26T06:03:00+00:00"), "B is the later audit."),
    (("2025-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"), "B on 2025-01-01 00:00:00 UTC."),
    (("2025-01-01T00:00:00+00:00", "yesterday"), "which of the two is later: an audit has no date."),
])  # fmt: skip
def test_the_page_says_which_audit_is_the_later_one(dates: tuple[str, str], said: str) -> None:
    made = [replace(one, provenance={**one.provenance, "started": date}) for one, date in zip(TWO, dates, strict=True)]
    assert said in section(page(*made), "differences")


def test_a_clear_difference_is_said_with_its_numbers_and_opens_to_both_replies() -> None:
    shown = page(*TWO)
    differs = section(shown, "differences")
    assert "A and B have different weights: their digests differ." in differs
    assert "A is worse than B, beyond chance: Claim of keeps_it. A: 60 of 180 went wrong; B: 2 of 180 went wrong" in differs
    assert "FAIL in A, PASS in B" in differs
    assert "knows_it" not in differs
    opened = next(e for e in by_id(parsed(shown), "items").iter("details") if "is-worse" in e.get("class", ""))
    assert "59 failed with A only and 1 with B only: A is worse (McNemar p < 0.001" in text(opened)
    assert "Question 2 of keeps_it?" in text(opened)
    assert "small says failed to 2." in text(opened)
    assert "parent says passed to 2." in text(opened)
    assert "54 more are in the two audit.json" in text(opened)


def test_a_few_flips_in_both_directions_are_not_called_a_difference() -> None:
    shift = next(s for name, some in view(*TWO).dimensions for s in some if name == "hallucination")
    assert (shift.told, len(shift.flips), shift.left) == ("", 5, 0)
    assert "3 failed with A only and 2 with B only: this may be chance" in shift.said


@pytest.mark.parametrize("tests", [2, 12])
def test_differences_are_held_to_all_tests_together(tests: int) -> None:
    """Six flips one way have p = 0.031: alone a difference, one of twelve tests none."""
    several = {f"privacy::p{i}": outcomes(range(6 if i == 0 else 0), 20) for i in range(tests)}
    clean = {key: outcomes((), 20) for key in several}
    told = [s.told for _, some in view(audit("a", several), audit("b", clean)).dimensions for s in some]
    assert told == [""]
    eight = {**several, "privacy::p0": outcomes(range(8), 20)}
    told = [s.told for _, some in view(audit("a", eight), audit("b", clean)).dimensions for s in some]
    assert told == (["worse"] if tests == 2 else [""])


def test_the_same_weights_are_said_to_be_the_same() -> None:
    other = replace(GOOD, model={**GOOD.model, "fingerprint": "ab" * 32, "dtype": "bfloat16"})
    assert view(GOOD, GOOD).lines[0].said == "A and B are the same model: all digests are equal."
    assert "the same weights, and were run with different settings" in view(GOOD, other).lines[0].said
    unknown = replace(GOOD, model={"name": "m"})
    assert "not known whether" in view(GOOD, unknown).lines[0].said
    assert "not known whether" in view(unknown, unknown).lines[0].said
    assert view(GOOD, GOOD).equal == ("keeps_it", "knows_it")
    assert "(the same as B)" in section(page(GOOD, other), "models")


def test_an_audit_that_holds_no_replies_says_so() -> None:
    bare = replace(BAD, findings=tuple(replace(f, evidence={"prompt": f.evidence["prompt"]}) for f in BAD.findings))
    items = section(page(bare, GOOD), "items")
    assert "[this audit holds no reply to this item]" in items
    assert "parent says passed to 2." in items
    assert "small says" not in items


def test_offensive_texts_are_folded_and_withheld_ones_stay_withheld() -> None:
    harm = "[withheld: 85 characters that may do harm; --slm-include-harmful shows them]"
    bad = audit("a", {"toxicity::is_kind": outcomes(range(40))})
    bad = replace(bad, findings=tuple(replace(f, evidence={**f.evidence, "reply": harm}) for f in bad.findings))
    items = by_id(parsed(page(bad, audit("b", {"toxicity::is_kind": outcomes(())}))), "items")
    folded = [e for e in items.iter("details") if e.get("class") == "toxic"]
    assert len(folded) == 5
    assert all("[withheld, because it may do harm]" in text(e) for e in folded)
    assert harm not in text(items)


# what is not compared


def test_a_test_with_changed_rows_is_named_and_not_compared() -> None:
    changed = replace(GOOD, settings={**GOOD.settings, "rows_sha256": {**GOOD.settings["rows_sha256"]}})
    changed.settings["rows_sha256"]["slm::privacy::gate[keeps_it]"] = "other rows"  # type: ignore[index]
    together = side_by_side(sides(BAD, changed, GOOD))
    assert together.changed == {"slm::privacy::keeps_it": (("A", "C"), ("B",))}
    shown = render_comparison(together)
    assert "1 test asked or judged otherwise" in section(shown, "differences")
    assert "slm::privacy::keeps_it: alike in A and C; B" in section(shown, "left-out")
    assert "keeps_it" not in section(shown, "tests")
    assert all(v.gate.probe == "knows_it" for pair in together.pairs for v in pair.tests)


def otherwise(**more: Any) -> Audit:
    return replace(GOOD, model={**GOOD.model, **more})


NEWER: Any = {**GOOD.provenance, "versions": {"pytest-slmtrust": "0.2.0"}}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(GOOD, provenance=NEWER), "version of pytest-slmtrust: 0.1.0 in A, 0.2.0 in B"),
        (otherwise(template_sha256="ab"), "template: "),
        (otherwise(thinking="off"), "thinking: auto in A, off in B"),
        (replace(GOOD, scorers=({"name": "another"},)), "scorers: "),
        (replace(GOOD, incomplete="it was stopped", verdict=Status.INCOMPLETE), "B is INCOMPLETE (it was stopped)"),
    ],
)
def test_models_that_were_asked_in_another_way_are_not_compared_item_by_item(other: Audit, why: str) -> None:
    shown = page(BAD, other)
    assert why in section(shown, "differences")
    assert why in section(shown, "items")
    assert "McNemar p" not in re.sub("exact McNemar p-value", "", section(shown, "items"))
    assert "33.3 % (60 of 180)" in section(shown, "tests")  # each audit's own result is there


def test_a_test_that_only_one_audit_has_is_shown_as_absent() -> None:
    alone = audit("c", {FACTS: outcomes(range(6))})
    row = next(e for e in by_id(parsed(page(BAD, alone)), "tests").iter("tr") if "keeps_it" in text(e))
    assert [text(cell) for cell in row.iter("td")][1] == "not in this audit"


def test_a_gate_without_a_result_does_not_make_its_rows_changed() -> None:
    rows = {SECRET: "no rows"}
    silent = audit("c", {SECRET: outcomes((), 180), FACTS: outcomes(())}, rows)
    gates = (replace(silent.gates[0], status=Status.NOT_TESTED, items=0, cases=0), silent.gates[1])
    silent = replace(silent, gates=gates, findings=tuple(f for f in silent.findings if f.probe == "knows_it"))
    together = side_by_side(sides(BAD, silent))
    assert not together.changed
    assert [v.gate.probe for v in together.pairs[0].tests] == ["knows_it"]
    assert "NOT TESTED" in section(render_comparison(together), "tests")


# trust and cost


def plots(*audits: Audit) -> dict[str, Plot]:
    return {plot.id: plot for plot in tradeoff(side_by_side(sides(*audits))).plots}


def sized(one: Audit, parameters: object, **counters: float) -> Audit:
    return replace(one, model={**one.model, "parameters": parameters}, resources=counters)


def test_a_model_is_beaten_by_one_that_passes_no_less_at_no_higher_cost() -> None:
    small, middle, large, same = sized(GOOD, 1e6), sized(BAD, 2e6), sized(GOOD, 50e6), sized(GOOD, 1e6)
    plot = plots(small, middle, large, same)["size"]
    assert {m.letter: m.front for m in plot.marks} == {"A": True, "B": False, "C": False, "D": True}
    assert plot.logarithmic
    assert [m.trust for m in plot.marks] == ["1 of 2", "0 of 2", "1 of 2", "1 of 2"]
    assert [m.label for m in plot.marks] == ["A, D", "B", "C", ""]  # not one letter on the other
    faster = plots(sized(BAD, 1e6, generated=900, model_seconds=3), sized(GOOD, 1e6, generated=100, model_seconds=1))["speed"]
    assert {m.letter: (m.cost, m.front) for m in faster.marks} == {"A": ("300", True), "B": ("100", True)}


def test_a_server_is_drawn_by_what_was_measured_of_it() -> None:
    fast, slow = (
        sized(BAD, 1e6, tokens_per_second=80.0, latency_p50=0.4),
        sized(GOOD, 1e6, tokens_per_second=9.0, latency_p50=2.5),
    )
    found = plots(fast, slow)
    assert [m.cost for m in found["speed"].marks] == ["80", "9"]
    assert [(m.cost, m.front) for m in found["latency"].marks] == [("0.4", True), ("2.5", True)]


@pytest.mark.parametrize("odd", [None, True, "many", 0, -5, 10**400, 1e308])
def test_a_size_that_is_no_number_is_not_drawn(odd: object) -> None:
    made = plots(sized(GOOD, 1e6), sized(BAD, 3e6), sized(BAD, odd))
    assert made["size"].absent == ("C",)
    assert "Not drawn, because the number is not known: C." in section(
        page(sized(GOOD, 1e6), sized(BAD, 3e6), sized(BAD, odd)), "tradeoff"
    )


def test_equal_costs_and_answers_from_the_store_are_not_drawn() -> None:
    assert plots(GOOD, BAD) == {}
    stored = {"generated": 500, "model_seconds": 2.0, "forwards": 0}
    assert plots(sized(GOOD, 1e6, **stored), sized(BAD, 1e6, **{**stored, "generated": 900})) == {}
    assert "nothing to draw. Tests passed: A 1 of 2; B 0 of 2." in section(page(GOOD, BAD), "tradeoff")


def test_every_plot_has_a_title_a_description_and_a_table_of_the_same_numbers() -> None:
    root = parsed(page(sized(GOOD, 1e6, peak_bytes=2**31), sized(BAD, 3e6, peak_bytes=2**32)))
    found = [e for e in by_id(root, "tradeoff").iter() if str(e.tag).endswith("svg")]
    assert len(found) == 2
    for svg in found:
        ids = (svg.get("aria-labelledby") or "").split()
        title, about = (text(by_id(root, name)) for name in ids)
        assert title.startswith("Tests passed, by ")
        assert "A: 1 of 2 tests passed" in about
    rows = [[text(cell) for cell in row] for row in by_id(root, "tradeoff").iter("tr")]
    assert ["A parent", "1 of 2", "1", "10.0 % (knows_it)", "no"] in rows
    assert ["B small", "0 of 2", "4 100", "33.3 % (keeps_it)", "yes"] in rows


# the page as a file


@pytest.mark.parametrize("number", range(3))
def test_hostile_audits_add_no_element_and_no_attribute(number: int) -> None:
    payload = "\n".join(PAYLOADS[number::3])
    root = parsed(page(*(poisoned(one, payload) for one in TWO)))
    for element in root.iter():
        assert isinstance(element.tag, str)
        assert element.tag.rpartition("}")[2] in TAGS - {"script"}, element.tag
        assert set(element.attrib) <= ATTRIBUTES | {"dx", "dy"}
        if "href" in element.attrib and element.tag != "link":
            assert re.fullmatch(r"#[a-z0-9-][a-zA-Z0-9_-]*", element.attrib["href"])


def test_the_policy_allows_this_style_and_no_script() -> None:
    import base64
    import hashlib

    made = page(*TWO)
    policy = re.search(r'<head>\s*<meta http-equiv="Content-Security-Policy" content="([^"]*)">', made)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    (style,) = re.findall("<style>(.*?)</style>", made, re.S)
    assert rules["style-src"] == "'sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() + "'"
    assert rules["default-src"] == rules["script-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "<script" not in made
    assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", made)
    assert "https://" not in made
    assert "http://" not in made.replace("http://www.w3.org/2000/svg", "")


def test_links_lead_somewhere_ids_are_unique_and_bytes_repeat() -> None:
    made = page(*TWO, GOOD)
    ids = re.findall(r' id="([^"]*)"', made)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', made)) <= set(ids)
    assert set(" ".join(re.findall(r'aria-labelledby="([^"]+)"', made)).split()) <= set(ids)
    assert made == page(*TWO, GOOD)


def test_twelve_audits_stay_small() -> None:
    made = page(*([BAD, GOOD] * 6))
    assert len(made.encode()) < 1_500_000
    assert "12 audits side by side" in made
    items = by_id(parsed(made), "items")
    assert sum(e.get("class") == "flip" for e in items.iter("div")) <= 600


# the command


@pytest.fixture
def two(project: Callable[..., pytest.Pytester]) -> tuple[Path, Path]:
    """The audits of two scripted models, as runs write them."""
    folders = []
    for name, rude in (("a", "' 3\\n' in request.prompt or ' 4' in request.prompt"), ("b", "' 3\\n' in request.prompt")):
        made = project(f"return 'you idiot' if {rude} else 'fine'", 60, ", tolerance=0.1")
        made.runpytest("--slm=fake", "--slm-packs=none", "-p", "no:randomly", f"--slm-report={name}", f"--slm-store=.{name}")
        folders.append(made.path / name / "audit.json")
    return folders[0], folders[1]


def test_the_command_prints_as_before_writes_the_page_and_draws_nothing_of_an_edited_audit(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = map(str, two)
    out = two[0].with_name("side.html")
    capsys.readouterr()
    status = main(["compare", a, b])
    before = capsys.readouterr().out
    assert main(["compare", a, b, "--html", str(out)]) == status == 1
    said = capsys.readouterr()
    assert said.out == before
    assert "wrote" in said.err
    shown = section(out.read_text(), "items")
    assert "11 failed with A only and 0 with B only: A is worse" in shown
    assert "complaint 4 Reply to" not in shown
    assert main(["compare", a, b, b, "--html", str(out)]) == 1
    three = capsys.readouterr()
    assert three.out.count("A, fake against") == 2
    assert "3 audits side by side" in out.read_text()
    assert main(["compare", a, b, a, "--report", "r"]) == 2
    assert "--report writes the comparison of two audits" in capsys.readouterr().err
    edited = two[1].read_text().replace('"outcome": "failed"', '"outcome": "passed"', 1)
    assert edited != two[1].read_text()
    two[1].write_text(edited)
    assert main(["compare", a, b, "--html", str(out.with_name("none.html"))]) == 2
    assert "does not follow from its own findings" in capsys.readouterr().err
    assert not out.with_name("none.html").exists()


@pytest.mark.parametrize("number", [1, 13])
def test_one_audit_and_too_many_are_refused(number: int) -> None:
    with pytest.raises(AuditError, match=f"{number} audits; expected 2 to 12"):
        read_sides([Path("x.json")] * number, lambda _: None)


def test_a_comparison_is_no_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_slmtrust.archive import side_by_side as module
    from pytest_slmtrust.archive.compare import compare_audits
    from pytest_slmtrust.archive.verify import Verification

    made = compare_audits(BAD, GOOD, "b/audit.json")
    monkeypatch.setattr(module, "read_and_verify", lambda _: (made, Verification(())))
    with pytest.raises(AuditError, match="holds differences between two models only"):
        read_sides([tmp_path, tmp_path], lambda _: None)


def test_probes_without_a_result_are_counted_and_not_listed() -> None:
    from pytest_slmtrust.archive.compare import compare_audits, comparison_lines

    made = compare_audits(BAD, GOOD, "b/audit.json")
    quiet = replace(made.gates[0], status=Status.NOT_RUN, probe="quiet")
    unnamed = "a_probe_with_a_name_that_is_longer_than_forty_letters"
    lines = comparison_lines(replace(made, gates=(replace(made.gates[0], probe=unnamed), quiet, quiet)))
    assert lines[-2] == "not compared: 2 NOT RUN"
    assert [f"{unnamed}:vs" in line for line in lines] == [False, True, False, False]


def test_what_could_not_be_checked_is_said_of_its_audit() -> None:
    first: Any = side("A", BAD)
    made = render_comparison(side_by_side([replace(first, unchecked="another build"), side("B", GOOD)]))
    assert "NOT CHECKED in A: another build" in made
