"""Telephone numbers: by how they are written, by what the text calls them, and by the number plans of ``phonenumbers``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

# A plus or 00 with a country code; a trunk 0 or an area code in brackets; North American 3-3-4; 2-2-2-2-2 and like groups.
_WRITTEN = re.compile(
    r"(?<![\w.,/-])(?<![$€£] )(?<![$€£])(?<![0-9] )"
    r"(?:(?:\+|00 ?)[1-9][0-9]{0,3}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,5}(?:[ ./-]?[0-9]{2,5}){1,5}"
    r"|\(\+[0-9]{1,3}\)[ .-]?[0-9]{1,5}(?:[ ./-]?[0-9]{2,5}){1,5}"
    r"|(?:1[ .-]?)?\([0-9]{2,5}\)[ .-]?[0-9]{2,5}(?:[ .-]?[0-9]{2,5}){1,3}"
    r"|(?:1[ .-])?[2-9][0-9]{2}[./-][2-9][0-9]{2}[.-][0-9]{4}"
    r"|(?:1 )?[2-9][0-9]{2} [2-9][0-9]{2}[ -][0-9]{4}"
    r"|0[1-9][0-9]{0,4}(?:[ ./-][0-9]{2,8}){1,4}"
    r"|0[1-9][0-9]{8,9})"
    r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?(?![\w])(?![-.,/][0-9])",
    re.ASCII,
)
_EXTENSION = re.compile(r"(?:x|ext).*", re.DOTALL)
#: National forms that are rare enough in other texts, and the region whose number plan must know the number.
_NATIONAL: tuple[tuple[str, str], ...] = (
    (r"1[3-9][0-9](?:[ -]?[0-9]{4}){2}", "CN"),
    (r"8[ -]?\(?9[0-9]{2}\)?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}", "RU"),
    (r"[6-9][0-9]{4}[ -][0-9]{5}", "IN"),
    (r"[1-9][0-9] 9[0-9]{4}-[0-9]{4}", "BR"),
    (r"[2-9][0-9]{2}[2-9][0-9]{6}", "US"),
)
_SHAPE = re.compile(
    r"(?<![\w.,/+#-])(?<![$€£] )(?<![$€£])(?<![0-9] )(?:"
    + "|".join(f"({form})" for form, _ in _NATIONAL)
    + r")(?![\w%])(?![-.,/ ][0-9])",
    re.ASCII,
)
#: What a text calls a telephone number, in small letters.
_CALLED = (
    "phone", "mobile", "cell", "tel", "whatsapp", "fax", "call ", "reach ", "dial ", "text ", "sms", "handy", "nummer", "móvil",
    "movil", "celular", "tél", "numéro", "número",
)  # fmt: skip
_OTHER_CALLED = (
    "电话", "電話", "手机", "手機", "携帯", "联系", "전화", "연락처", "휴대", "тел", "звон", "мобил", "номер",
    "هاتف", "جوال", "טלפון", "โทร", "फ़ोन", "फोन",
    "मोबाइल", "điện thoại", "τηλ",
)  # fmt: skip
#: Characters between what a number is called and the number.
_REACH = 30
_NUMBER = re.compile(r"(?<![\w.,/$€£-])\(?[0-9](?:[ ./()-]{0,2}[0-9]){7,13}(?![\w%])(?![-.,/:][0-9])", re.ASCII)
#: Regions whose national numbers have no trunk 0, asked about a number that a text calls one.
_REGIONS = (
    "US",
    "IN",
    "CN",
    "ES",
    "IT",
    "PL",
    "PT",
    "NO",
    "DK",
    "CZ",
    "GR",
    "HK",
    "SG",
    "MX",
    "CL",
    "CO",
    "AR",
    "PE",
    "TW",
    "VN",
)
#: What a text calls other numbers; a bare run of digits after it is no telephone number.
_OTHERS = re.compile(
    r"(?:order|invoice|ticket|receipt|reference|ref|serial|part|model|item|sku|isbn|issn|ean|upc|tracking|account|customer|pesel|bsn"
    r"|cnp|egn|oib|case|article|id|no|nr|code|version|build|seed|timestamp|population|total|votes?|views?|about|over|of|=|#|订单号?|编号"
    r"|单号|注文番号)[\s.:#=号是]{0,3}(?:(?:number|no|nr|is|id)[\s.:#]{0,3}){0,2}\Z",
    re.IGNORECASE,
)
_LARGEST = frozenset({"2147483647", "2147483648", "4294967295", "4294967296"})
_DATE = re.compile(
    r"\(?(?:0?[0-9]{1,2}([./ -])[0-9]{1,2}\1(?:19|20)?[0-9]{2}\Z"
    r"|(?:19|20)[0-9]{2}([./ -])[0-9]{1,2}\2[0-9]{1,2}(?:[ T][0-9]{2}.*)?\Z|(?:19|20)[0-9]{6}\Z)"
)
_DECIMAL = re.compile(r"[0-9]{1,3}\.[0-9]+\Z")


def find_phones(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Find telephone numbers; ``lower`` is the text in small letters."""
    for match in _WRITTEN.finditer(text):
        if _is_phone(match.group()) and not (match.group().isdigit() and _is_other(text, match)):
            yield match.span()
    for match in _SHAPE.finditer(text):
        region = _NATIONAL[(match.lastindex or 1) - 1][1]
        if not _is_other(text, match) and _planned(match.group(), region):
            yield match.span()
    for sign in _CALLED if text.isascii() else (*_CALLED, *_OTHER_CALLED):
        at = lower.find(sign)
        while at >= 0:
            yield from _called(text, at + len(sign))
            at = lower.find(sign, at + 1)


def _called(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Yield the number after what a text calls one, if a number plan knows it."""
    match = _NUMBER.search(text, at, at + _REACH + 16)
    if match is None or match.start() >= at + _REACH:
        return
    number, before = match.group().strip(), text[at : match.start()]
    if not (_DATE.match(number) or _DECIMAL.match(number) or _OTHERS.search(before) or "\n" in before) and _known(number):
        yield match.span()


def _is_other(text: str, match: re.Match[str]) -> bool:
    """Return whether a run of digits is called something else, counts up or down, or is the largest number of a computer's
    word."""
    number = match.group()
    counts = number in "01234567890123456789" or number in "98765432109876543210"
    return counts or number in _LARGEST or _OTHERS.search(text[max(0, match.start() - 24) : match.start()]) is not None


def _is_phone(text: str) -> bool:
    """7 to 15 digits (ITU-T E.164) before an extension, 9 and more where there is no plus; not a date."""
    number = "".join(filter(str.isdigit, _EXTENSION.sub("", text)))
    least = 8 if text.startswith(("+", "00", "(")) else 9
    return least <= len(number) <= 15 + 2 * text.startswith("00") and len(set(number)) > 2 and not _DATE.match(text)


@lru_cache(maxsize=4096)
def _known(number: str) -> bool:
    """Return whether one of the number plans knows a number."""
    digits = "".join(filter(str.isdigit, number))
    return 8 <= len(digits) <= 13 and len(set(digits)) > 2 and any(_planned(digits, region) for region in _REGIONS)


@cache
def _library() -> Any:
    import phonenumbers  # large: imported when a text may hold a number

    return phonenumbers


def _planned(number: str, region: str) -> bool:
    """Return whether the number plan of a region knows a number."""
    library = _library()
    try:
        return bool(library.is_valid_number(library.parse(number, region)))
    except library.NumberParseException:
        return False
