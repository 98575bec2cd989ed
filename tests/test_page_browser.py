"""The page in a real browser: accessible in every form, whole without script, its first page on the first sheet of paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_audit import sample_audit

from pytest_slmtrust.report.html import render

BROWSER = shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")]
#: What A4 less the margins of the print style holds, in CSS pixels.
SHEET = (695, 1020)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "audit.html"
    path.write_text(render(sample_audit(160)), encoding="utf-8")
    return path.as_uri()


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


@pytest.mark.parametrize(
    ("width", "more"),
    [(1280, {"color_scheme": "light"}), (1280, {"color_scheme": "dark"}), (380, {"color_scheme": "light"})],
    ids=["desktop", "dark", "phone"],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(browser: Any, address: str, width: int, more: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(browser, address, width, **more)
    page.wait_for_selector("#rows li")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_script_everything_that_is_read_is_there(browser: Any, address: str) -> None:
    page = opened(browser, address, java_script_enabled=False)
    assert page.locator("#static article").count() > 50
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
