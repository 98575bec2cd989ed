"""Exports in Markdown: no text of an audit is taken for markup, and plain words stay plain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exported import github, written
from hostile import PAYLOADS
from sample_audit import gates, sample_audit

from pytest_slmtrust.exports import markdown
from pytest_slmtrust.exports.source import Source

#: Elements of the Markdown that is ours.
ALLOWED = {"h2", "p", "code", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "strong", "sub", "br"}


@pytest.mark.parametrize("name", ["markdown", "hf"])
def test_no_text_is_taken_for_markdown(name: str) -> None:
    more = ("# h", "1. x", "- x", "+ x", "| a | b |", "``` x", "~~~", "***b***", "__b__", "~~s~~", "[a](b)", "![a](b)", "[^1]",
            "<!--", "www.evil.example", "https://evil.example", "a@evil.example", "@team", "#12", "==x", "> q", "    code", "a\\",
            "GH-1", "&lt;b&gt;", ":tada:", "$$x$$", "2) x", "  3. x", "WWW.evil.example", "x:+1:", "mailto:a",
            "xmpp:b")  # fmt: skip
    every = [*PAYLOADS, *more, *(f"\n{one}\n" for one in more)]
    for at in range(0, len(every), 25):
        some = every[at : at + 25]
        made = [replace(gates()[7], nodeid=f"p.py::gate[{i}]", probe=one, claim=one, reason=one) for i, one in enumerate(some)]
        audit = replace(sample_audit(0), gates=tuple(made), sentence=" ".join(some), model={"name": some[0]}, incomplete=some[1])
        text = written(name, Source(replace(audit, notes=tuple(some[-5:]))))
        tree = github(text)
        found = {e.tag for e in tree.iter() if isinstance(e.tag, str)}
        assert found <= ALLOWED | {"DOCUMENT_FRAGMENT"}, found - ALLOWED
        assert all(not e.attrib or e.attrib.keys() == {"align"} for e in tree.iter() if isinstance(e.tag, str))
        assert len({len(list(row)) for row in tree.iter("tr")}) == 1
        assert "::error" not in text
        assert not {c for c in text if ord(c) < 32 and c != "\n"}


def test_plain_words_stay_readable_in_the_source_of_markdown() -> None:
    sentence = "FAIL: 5 of 6 gates pass; see audit.json of version 0.1.0, 90.1 % sure (at most)."
    audit = replace(sample_audit(0), sentence=sentence, gates=(replace(gates()[7], advisory="it is weak: few texts. None"),))
    text = written("markdown", Source(audit))
    assert f"\n{sentence}\n" in text
    assert "| advisory, does not block: it is weak: few texts. None |" in text
    assert markdown.plain(":tada: www.x.y http://a") == ("&#58;<!-- -->tada: www&#46;x.y http&#58;<!-- -->&#47;&#47;a")


def test_a_mention_is_parted_and_the_summary_is_short() -> None:
    many = tuple(
        replace(gates()[7], nodeid=f"p.py::gate[g{i}]", probe=f"g{i}", claim="x" * 9000, advisory="") for i in range(900)
    )
    text = written("markdown", Source(replace(sample_audit(0), gates=many, notes=("@team " + "y" * 9000,) * 50)))
    assert len(text) < 60_100
    assert "@team" not in text
    assert text.count("\n| **") <= 25
    assert "875 FAIL" in text
