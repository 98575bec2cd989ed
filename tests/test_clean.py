"""What a terminal, a page or an XML parser would act on is written out."""

from __future__ import annotations

import time
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slmtrust.escaping import visible, xml_safe

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
        ("\x9b31mred", r"\x9b31mred"),
        ("pay \u202e0001 to me", r"pay \u202e0001 to me"),
        ("\u2066isolate\u2069", r"\u2066isolate\u2069"),
        ("over\rwrite\b", r"over\x0dwrite\x08"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("ha\u200dlf \u200c", r"ha\u200dlf \u200c"),
        ("\ud800 alone \udfff", r"\ud800 alone \udfff"),
        ("\U000e0041hidden", r"\U000e0041hidden"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_acts_on_a_reader_is_written_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@pytest.mark.parametrize(
    "text", ["plain", "two\nlines\tand a tab", "naïve ☕ 日本語", "👨\u200d👩\u200d👧", "می\u200cخواهم", r"\x1b typed"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert visible(text) == text


def test_one_line_leaves_no_line_break() -> None:
    assert visible("a\nb\tc\r\n", one_line=True) == r"a\nb\tc\x0d\n"


@given(ANY)
def test_result_is_encodable_stable_and_free_of_controls(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not [
        c for c in shown if unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    ]


@given(ANY)
def test_xml_safe_text_parses_and_keeps_what_is_allowed(text: str) -> None:
    safe = xml_safe(text)
    element = ElementTree.Element("x")
    element.text = safe
    again = ElementTree.fromstring(ElementTree.tostring(element, encoding="unicode")).text or ""
    assert again == safe.replace("\r\n", "\n").replace("\r", "\n")
    assert xml_safe("keep \t\n ü 😀") == "keep \t\n ü 😀"


@pytest.mark.parametrize("piece", ["\x1b[", "\u202e", "\u200d", "a\u200d", "\ud800", "x", "\u200d\u200c", "👨\u200d"])
def test_pumped_text_is_quick(piece: str) -> None:
    text = piece * 100_000
    start = time.perf_counter()
    visible(text)
    xml_safe(text)
    assert time.perf_counter() - start < 1.0
