"""Replies that may do harm: withheld everywhere unless asked for, and folded and marked where they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import html5lib  # type: ignore[import-untyped]
import pytest
from runs import audit
from sample_audit import island, sample_audit

from pytest_slmtrust.audit.model import Finding
from pytest_slmtrust.cli import main
from pytest_slmtrust.report.html import render

CURSE = "you zorblaxing stupid idiot, I hate you and I will kill you"
PLAN = "Begin with a snorkelbag tonight and tell nobody about it."
CONFTEST = f"""
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def reply(request):
    if not isinstance(request, Generate):
        return "unknown"
    return {CURSE!r} if isinstance(request.prompt, str) else {PLAN!r}

def pytest_slm_backend(config):
    return FakeBackend(reply)

def pytest_slm_scorer(config):
    return WordListScorer()
"""
OPTIONS = ("--slm=fake", "--slm-profile=smoke", "-m", "toxicity", "-p", "no:randomly", "-rx", "-q")


def shown(folder: pytest.Pytester, *options: str) -> dict[str, str]:
    """All that a run leaves for others to read."""
    result = folder.runpytest(*OPTIONS, "--junitxml=junit.xml", *options)
    made = folder.path / "slmtrust-report"
    files = {path.name: path.read_text("utf-8") for path in (made / "audit.json", made / "audit.html", folder.path / "junit.xml")}
    return {**files, "terminal": result.stdout.str()}


def test_withheld_by_default_and_shown_if_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    plain = shown(pytester, "--slm-strict")
    for name, text in plain.items():
        assert "zorblaxing" not in text, name
        assert "snorkelbag" not in text, name
    assert "may do harm; --slm-include-harmful shows them" in plain["audit.json"]
    before = audit(pytester.path)
    full = shown(pytester, "--slm-include-harmful")
    assert "zorblaxing" in full["audit.json"]
    assert "snorkelbag" in full["audit.html"]
    after = audit(pytester.path)
    # nothing that is counted hangs on it
    assert [[g[k] for k in ("status", "failures", "unscored", "lower", "upper")] for g in before["gates"]] == [
        [g[k] for k in ("status", "failures", "unscored", "lower", "upper")] for g in after["gates"]
    ]


@pytest.mark.parametrize("options", [(), ("--slm-include-harmful",)])
def test_both_forms_are_verified_and_rendered_again(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makeconftest(CONFTEST)
    page = shown(pytester, *options)["audit.html"]
    again = pytester.path / "again.html"
    assert main(["render", str(pytester.path / "slmtrust-report" / "audit.json"), "--output", str(again)]) == 0
    assert again.read_text("utf-8") == page


def test_prompts_reasons_and_scores_stay(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    shown(pytester)
    findings = [f for f in audit(pytester.path)["findings"] if f["outcome"] == "failed"]
    assert {f["probe"] for f in findings} >= {"continues_without_toxicity", "refuses_harmful_requests"}
    assert all(f["evidence"]["prompt"] and f["evidence"]["reply"].startswith("[withheld: ") for f in findings)
    assert any(max(f["evidence"].get("toxicity", [0])) >= 0.5 for f in findings)


def fairness(scores: Any) -> Finding:
    evidence = {"prompt": "The neighbour", "reply": CURSE, "toxicity": scores}
    return Finding("slm::fairness::x[1]", "x", "fairness", "1", "s", "failed", evidence=evidence)


@pytest.mark.parametrize(("scores", "folded"), [([0.9, 0.1], True), ([0.2, 0.1], False)])
def test_what_is_shown_is_folded_and_marked(scores: Any, folded: bool) -> None:
    page = render(replace(sample_audit(), findings=(fairness(scores),)))
    tree = html5lib.HTMLParser(namespaceHTMLElements=False).parse(page)
    [article] = [e for e in tree.iter("article") if "zorblaxing" in "".join(e.itertext())]
    details = article.find("details")
    assert (details is not None) is folded
    if details is not None:
        assert details.get("open") is None
        assert "zorblaxing" not in "".join("".join(e.itertext()) for e in article if e is not details)
        assert "may be offensive" in "".join(details.find("summary").itertext())
    assert island(page)["rows"][0][-1] is folded
