"""Text of a model, a path or an exception stays text, wherever it stands in the audit."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import html5lib  # type: ignore[import-untyped]
import pytest
from hostile import PAYLOADS, poisoned
from sample_audit import island, sample_audit

from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.report.html import render
from pytest_slmtrust.report.view import finding_anchor


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TAGS = words(
    """html head meta title link style body a svg symbol defs g path use nav p ol ul li button main header h1 h2 h3 h4 h5
    span b section div table thead tbody tr th td line rect circle text desc article dl dt dd code small form label
    select option input details summary del ins br wbr script figure figcaption pre"""
)
ATTRIBUTES = words(
    """lang http-equiv content charset name rel href class width height aria-hidden id viewBox d aria-label type hidden
    tabindex aria-labelledby role scope colspan data-label x1 x2 y1 y2 x y rx cx cy r text-anchor data-probe data-dimension
    data-outcome value autocomplete spellcheck placeholder data-command open"""
)
GROUPS = [PAYLOADS[i::6] for i in range(6)]
BROWSER = shutil.which("chromium")


def small(payload: str, *, closed: bool = False) -> Audit:
    """A poisoned audit with a few findings of every evidence shape."""
    return poisoned(sample_audit(40), payload, closed=closed)


def markup(page: str) -> str:
    """The page without its data island."""
    return re.sub(r'<script type="application/octet-stream".*?</script>', "", page, count=1, flags=re.S)


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_nothing_outside_the_allow_list_is_parsed(group: int) -> None:
    page = render(small("\n".join(GROUPS[group]), closed=bool(group % 2)))
    tree = html5lib.HTMLParser(namespaceHTMLElements=False).parse(page)
    scripts = []
    for element in tree.iter():
        if not isinstance(element.tag, str):
            raise AssertionError(f"a comment or instruction: {element.text!r}")
        tag = element.tag.rpartition("}")[2]
        assert tag in TAGS, tag
        assert set(element.attrib) <= ATTRIBUTES, (tag, set(element.attrib) - ATTRIBUTES)
        if "href" in element.attrib and tag != "link":
            assert re.fullmatch(r"#[a-z0-9-][a-zA-Z0-9_-]*", element.attrib["href"])
        if tag == "script":
            scripts.append(element.text or "")
    assert len(scripts) == 2
    assert re.fullmatch("[A-Za-z0-9+/=]+", scripts[0])
    assert island(page)["rows"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff]", page)
    page.encode("utf-8")


def counted(page: str) -> dict[str, int]:
    kept = markup(page).replace("_<wbr>", "_")  # a name may be broken after each underscore, of which payloads have some
    return {c: kept.count(c) for c in "<>\"'"}


@pytest.fixture(scope="module")
def harmless() -> dict[str, int]:
    return counted(render(few("x")))


def few(payload: str) -> Audit:
    """Without pairs of original and perturbed text, whose marks depend on the words."""
    audit = sample_audit(16)
    return poisoned(replace(audit, findings=tuple(f for f in audit.findings if f.dimension != "robustness")), payload)


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_a_payload_adds_no_markup(number: int, harmless: dict[str, int]) -> None:
    page = render(few(PAYLOADS[number]))
    assert counted(page) == harmless
    assert island(page)["rows"]


def test_hostile_controls_are_shown() -> None:
    page = render(small("\x1b[2J\u202e\x07"))
    assert page.count(r"\x1b[2J\u202e\x07") > 100


def test_policy_comes_first_and_allows_this_style_and_script_only() -> None:
    page = render(sample_audit(3))
    head = page.index("<head>") + len("<head>")
    policy = re.match(r'\s*<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page[head:])
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"

    def hash_of(tag: str) -> str:
        body = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
        assert len(body) == 1
        return "'sha256-" + base64.b64encode(hashlib.sha256(body[0].encode()).digest()).decode() + "'"

    assert rules["style-src"] == hash_of("style")
    assert rules["script-src"] == hash_of("script")
    assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", markup(page))
    assert "http://" not in markup(page).replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_script_writes_no_markup() -> None:
    script = (Path(__file__).parent.parent / "reports" / "report.js").read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "XMLHttp",
        ".style",
    ):
        assert word not in script


def dump(page: Path, home: Path, fragment: str = "") -> tuple[str, str]:
    """The document after its scripts ran, and what the console and the browser logged."""
    assert BROWSER
    run = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={home}",
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=4000",
            "--dump-dom",
            page.as_uri() + fragment,
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return run.stdout.decode(), "\n".join(line for line in run.stderr.decode().splitlines() if "CONSOLE" in line)


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_hostile_audit_runs_nothing_in_a_browser(tmp_path: Path) -> None:
    audit = small("\n".join(PAYLOADS))
    shown = next(f for f in audit.findings if f.dimension == "robustness" and f.outcome == "failed")
    (tmp_path / "audit.html").write_text(render(audit), encoding="utf-8")
    document, console = dump(tmp_path / "audit.html", tmp_path / "home", f"#{finding_anchor(shown)}")
    root = document[document.index("<html") : document.index(">", document.index("<html"))]
    assert "data-pwned" not in root
    assert 'class="js"' in root, "the page's own script did not run"
    assert console == ""
    assert re.search(r'<li id="finding-[0-9a-f]{12}"><button[^>]* aria-expanded="true"', document), "the deep link opened nothing"
    assert "40 of 40 findings" in document


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_the_browser_test_can_fail(tmp_path: Path) -> None:
    page = render(sample_audit(3)).replace("</main>", f'<p style="color:red">x</p>{PAYLOADS[10]}</main>')
    (tmp_path / "guarded.html").write_text(page, encoding="utf-8")
    assert "Content Security Policy" in dump(tmp_path / "guarded.html", tmp_path / "a")[1]
    open_page = re.sub(r"<meta http-equiv[^>]*>", "", page)
    (tmp_path / "open.html").write_text(open_page, encoding="utf-8")
    assert "data-pwned" in dump(tmp_path / "open.html", tmp_path / "b")[0].split("<head>")[0]
