"""Untrusted text made harmless to look at: what a terminal, a page or an XML file would act on is shown as an escape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

#: C0 and C1 controls and DEL (but tab and line feed), soft hyphen, bidi marks, embeddings, overrides and isolates, line and
#: paragraph separators, zero-width and other invisible characters, interlinear annotations, tag characters, non-characters and
#: lone surrogates.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
#: They join letters and emoji of living scripts, and so are escaped only next to ASCII or at an end of the text.
_JOINERS = "\u200c\u200d"
#: Everything outside the Char production of XML 1.0 (fifth edition, 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def visible(text: str, *, one_line: bool = False) -> str:
    r"""Return the text with controls, bidi controls, invisible characters and lone surrogates written out: ``\x1b``, ``\u202e``.

    Tab and line feed stay, unless ``one_line`` asks for ``\t`` and ``\n``. Linear in the length of the text; the result can
    always be encoded as UTF-8.
    """
    shown = text if text.isprintable() else _UNSEEN.sub(_unless_joining, text)
    return shown.replace("\t", "\\t").replace("\n", "\\n") if one_line else shown


#: Letters and a symbol that are drawn as nothing: the fillers of Hangul, and the Braille pattern without a dot.
_DRAWN_AS_NOTHING = "\u115f\u1160\u3164\uffa0\u2800"


def blank(text: str) -> bool:
    """Return whether nothing of a text can be seen: spaces, controls, invisible characters and marks on nothing alone."""
    return not any(unicodedata.category(sign)[0] in "LNPS" and sign not in _DRAWN_AS_NOTHING for sign in text)


#: How a line begins that GitHub (after white space of any kind, U+00A0 and U+3000 too), GitLab and Travis read as a command.
_COMMAND = re.compile(r"^([^\S\n]*)(?=::|section_(?:start|end):|travis_fold:)", re.MULTILINE)
#: What GitHub's older form, Azure Pipelines and TeamCity read as a command wherever it is in a line.
_ANYWHERE = re.compile(r"#(?=#\[|#\w{1,40}\[)")


def one_line(text: str) -> str:
    """Return the text as one line of a log: like :func:`visible`, and no terminal or CI service obeys it."""
    return _uncommanded(visible(text, one_line=True))


def block(text: str) -> str:
    """Return the text as lines of a log, none of which a terminal or a CI service obeys."""
    return _uncommanded(visible(text))


def _uncommanded(text: str) -> str:
    return _ANYWHERE.sub("#\\\\", _COMMAND.sub(r"\1\\", text)) if "::" in text or "##" in text or "_" in text else text


def said(error: BaseException) -> str:
    """Return an exception's type and words in one line, whatever its own ``__str__`` does."""
    try:
        words = shortened(str(error), 2000)
    except Exception:
        words = "it has no readable message"
    words = without_halves(words) if isinstance(error, AssertionError) else words
    return one_line(f"{type(error).__name__}: {words}" if words else type(error).__name__)


#: Where pytest cuts a long value, and what takes the place of the words that it cut in two.
_CUT, _GONE = "...", "[cut]"
#: How a line of a difference between two texts begins: it is whole, but for its end.
_DIFFERENCE = re.compile(r"E?\s*[-+?] (?! )")
#: How unittest says that it cut a value, and pytest that it cut the lines of a difference, at which end.
_OF_UNITTEST = re.compile(r"\[\d+ chars\]| \[truncated\]\.\.\.")
_SKIPPED = re.compile(r"Skipping \d+ identical (leading|trailing) characters in diff")
_SIGN = re.compile(r"E?\s*(?:[-+?] )?")
_QUOTES, _OF_NUMBERS = "'\"()[]{},", frozenset("0123456789().+-/")


def without_halves(text: str) -> str:
    """Return what pytest says of an assertion without the words and numbers that it cut in two.

    Of half a key nobody can tell what it is. Linear in the length of the text.
    """
    if "[" in text:
        text = _OF_UNITTEST.sub(_CUT, text)
    if "Skipping " not in text:
        return "\n".join(_whole(line) for line in text.split("\n")) if _CUT in text else text
    lines, ends = [], set[str]()
    for line in text.split("\n"):
        found = _SKIPPED.search(line)
        lines.append(line if found else _without_ends(line, ends) if ends else _whole(line))
        ends |= {found[1]} if found else set()
    return "\n".join(lines)


def shortened(text: str, limit: int) -> str:
    """Return a text of at most about so many characters, that ends with a whole word."""
    if len(text) <= limit:
        return text
    before, line_feed, last = text[:limit].rpartition("\n")
    return f"{before}{line_feed}{_whole(last + _CUT, at_end=True)}"


def _whole(line: str, at_end: bool = False) -> str:
    """Return a line without the words at its cuts; ``at_end``: at its end only."""
    if _CUT not in line:
        return line
    words: list[str | None] = [*line.split(" ")]
    first = next((at for at, word in enumerate(words) if word not in ("", "E")), 0)
    at_end = at_end or _DIFFERENCE.match(line) is not None
    for at in range(len(words) - 1 if at_end else 0, len(words)):
        before, dots, after = (words[at] or "").partition(_CUT)
        if not dots or not (before + after).strip(f"{_QUOTES}.") or (not before and at == first):
            continue  # a whole word, a list that goes on, or a note of pytest's own
        if _GONE in before + after:
            words[at] = _GONE
            continue
        after = after.rpartition(_CUT)[2] or after
        words[at] = f"{before[: len(before) - len(before.lstrip(_QUOTES))]}{_GONE}{after[len(after.rstrip(_QUOTES)) :]}"
        for part, step in ((before, -1), (after, 1)):
            near = at + step
            while _is_number(part.strip(_QUOTES), True) and 0 <= near < len(words) and _is_number(words[near] or ""):
                words[near] = None  # the rest of a number that has spaces in it
                near += step
    return " ".join(word for word in words if word is not None)


def _without_ends(line: str, ends: Collection[str]) -> str:
    """Return a line of a difference without the words at the ends that were skipped."""
    sign = _SIGN.match(line)
    assert sign is not None
    said = line[sign.end() :]
    if not said or "?" in sign.group():
        return line
    begin, end = f"x{_CUT}" if "leading" in ends else "", f"{_CUT}x" if "trailing" in ends else ""
    return sign.group() + _whole(f"{begin}{said}{end}")


def _is_number(word: str, or_nothing: bool = False) -> bool:
    bare = word.strip("'\",")
    return _OF_NUMBERS.issuperset(bare) and any(map(str.isdigit, bare)) if bare else or_nothing


def xml_safe(text: str) -> str:
    r"""Return the text with each character that XML 1.0 forbids written out as ``\x00``; linear."""
    return _NOT_XML.sub(_escape, text)


def _unless_joining(match: re.Match[str]) -> str:
    if match.group() in _JOINERS:
        before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
        if before > "\x7f" and after > "\x7f":
            return match.group()
    return _escape(match)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
