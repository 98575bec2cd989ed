"""The pages in a real browser: accessible in every form, whole without script, its first page on the first sheet of paper."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_audit import sample_audit
from sides import BAD, GOOD, SECRET, audit, outcomes, sides

from pytest_slmtrust.archive.history import moment_of
from pytest_slmtrust.archive.side_by_side import side_by_side
from pytest_slmtrust.audit.model import Audit, Status
from pytest_slmtrust.report.comparison import render_comparison
from pytest_slmtrust.report.history import render_history
from pytest_slmtrust.report.html import render
from pytest_slmtrust.report.past import Past

BROWSER = shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")]
#: What A4 less the margins of the print style holds, in CSS pixels.
SHEET = (695, 1020)


def good() -> Audit:
    """A model that passes whatever counts."""
    kept = audit("kept", {SECRET: outcomes(range(2), 180), "toxicity::is_kind": outcomes((), 180)})
    return replace(kept, findings=(*kept.findings, *sample_audit(40).findings))


def partial() -> Audit:
    """A run of a selection, with rows that were not reached."""
    gates = tuple(replace(g, status=Status.NOT_RUN, excuse="unselected") if g.blocking else g for g in sample_audit(0).gates)
    return replace(sample_audit(30), gates=gates, verdict=Status.PARTIAL)


def compared() -> str:
    cheap = replace(BAD, model={**BAD.model, "parameters": 60_000_000})
    return render_comparison(side_by_side(sides(cheap, GOOD, replace(GOOD, scorers=({"name": "another"},)))))


def over_time() -> str:
    days = [replace(one, provenance={"started": f"2026-11-{10 + i}"}) for i, one in enumerate((GOOD, GOOD, BAD, GOOD))]
    left = (("old/audit.json", "$.format: an audit of format 2"),)
    return render_history(Past("audits", tuple(moment_of(one, f"{i}/audit.json") for i, one in enumerate(days)), left))


FORMS: dict[str, Callable[[], str]] = {
    "bad": lambda: render(sample_audit(120)), "good": lambda: render(good()), "partial": lambda: render(partial()),
    "comparison": compared, "history": over_time,
}  # fmt: skip
MODES: dict[str, tuple[int, str, str]] = {
    "desktop": (1280, "light", "screen"), "dark": (1280, "dark", "screen"), "phone": (380, "light", "screen"),
    "print": (1020, "light", "print"),
}  # fmt: skip


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("page")
    for name, made in FORMS.items():
        (folder / f"{name}.html").write_text(made(), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in FORMS}


@pytest.fixture(scope="module")
def address(addresses: dict[str, str]) -> str:
    return addresses["bad"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, address: str, width: int = 1280, **more: Any) -> Any:
    page = browser.new_context(viewport={"width": width, "height": 900}, **more).new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    return page


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    browser: Any, addresses: dict[str, str], form: str, mode: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    width, scheme, media = MODES[mode]
    page = opened(browser, addresses[form], width, color_scheme=scheme)
    if form not in ("comparison", "history") and media == "screen":
        page.wait_for_selector("#rows li")
    page.emulate_media(media=media, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


@pytest.mark.parametrize("form", ["comparison", "history"])
def test_pages_of_several_audits_need_no_script(browser: Any, addresses: dict[str, str], form: str) -> None:
    page = opened(browser, addresses[form], java_script_enabled=False)
    page.locator("summary").first.click()
    assert page.locator("details[open]").count() == 1
    assert page.locator("svg[role=img]").first.is_visible()
    page.locator("a.badge").first.click()
    assert page.locator("#words").is_visible()


def test_without_script_everything_that_is_read_is_there(browser: Any, address: str) -> None:
    page = opened(browser, address, java_script_enabled=False)
    assert page.locator("#static article").count() > 40
    assert page.locator("#static article").first.is_visible()
    assert not page.locator("#browser").is_visible()
    page.locator("details.untold summary").first.click()
    assert page.locator("details.untold[open] li").first.is_visible()
    page.locator("#verdict a[href='#word-limit']").first.click()
    assert page.locator("#word-limit").is_visible()


def test_the_first_page_is_the_first_sheet(browser: Any, address: str) -> None:
    page = opened(browser, address, SHEET[0])
    page.emulate_media(media="print")
    assert page.evaluate("document.querySelector('#verdict').getBoundingClientRect().bottom") <= SHEET[1]


def test_an_example_leads_to_its_finding(browser: Any, address: str) -> None:
    page = opened(browser, address)
    page.wait_for_selector("#rows li")
    link = page.locator("figure.example a").first
    target = link.get_attribute("href").removeprefix("#").removesuffix("-s")
    link.click()
    page.wait_for_selector(f"#{target} button[aria-expanded='true']")
