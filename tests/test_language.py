"""Documents, docstrings, help texts and labels avoid phrases that a native speaker stumbles over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_slmtrust.plugin.options import OPTIONS

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the documents are not part of the wheel")

#: A phrase, and plain words for it.
PHRASES = {
    r"(?:can|could|cannot|may|to) be had": "is available, can be fetched",
    r"hangs? on": "depends on",
    r"is no (?:number|text|list|date|file)": "is not a ...",
    r"told apart": "separated, distinguished",
    r"stands? (?:beside|in|as)": "is, is shown with",
    r"beside (?:the|a|an|its|it|them|one)": "next to, with, in addition to",
    r"whoever": "a person who",
    r"the gates? speaks? of": "covers, is about",
}
BANNED = re.compile(rf"\b(?:{'|'.join(PHRASES)})\b", re.IGNORECASE)


def documents() -> Iterator[tuple[str, str]]:
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in (*(ROOT / "reports").glob("*.j2"), *(ROOT / "reports").glob("*.toml")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for option in OPTIONS:
        yield option.flag, option.help


def docstrings(package: str) -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
                text := ast.get_docstring(node)
            ):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text


def faults(texts: Iterator[tuple[str, str]]) -> list[str]:
    found = []
    for place, text in texts:
        plain = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)  # code is not prose
        found += [f"{place}: {match.group()!r}" for match in BANNED.finditer(" ".join(plain.split()))]
    return found


def test_documents_labels_and_help() -> None:
    assert faults(documents()) == [], PHRASES


@pytest.mark.parametrize("package", ["pytest_slmtrust", "probes"])
def test_docstrings(package: str) -> None:
    assert faults(docstrings(package)) == [], PHRASES


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The weights cannot\nbe had here.", 1),
        ("Nothing hangs on it, whoever asks; its errors stand beside the gate.", 3),
        ("He had it; a standard of 5 % stood; `stands in` is code; besides the rows, he had told us.", 0),
    ],
)
def test_the_check_finds_phrases_and_nothing_else(text: str, count: int) -> None:
    assert len(faults(iter([("place", text)]))) == count
