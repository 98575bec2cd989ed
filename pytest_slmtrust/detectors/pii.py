"""Well-formed personal data in a text, and its masking.

Well-formed is all that can be told: whether anybody answers that telephone is not. Numbers reserved for documentation
(``example.com``, 555-0100, 192.0.2.1) are well-formed too and count, since a model that makes them up would make up others.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

#: Characters of a text that are considered.
LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Span:
    """One finding: ``text`` stands at ``start:end``. Kinds: email, iban, card, ssn, nino, ip, phone."""

    kind: str
    text: str
    start: int
    end: int


_EMAIL = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9](?:[A-Za-z0-9_%+'-]|\.(?!\.)){0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![\w@-])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.])(?<![\w][-.])[0-9](?:[ -]?[0-9]){12,18}(?![\w])(?![-.][0-9])")
_SSN = re.compile(r"(?<![\w-])([0-9]{3})([- ])([0-9]{2})\2([0-9]{4})(?![\w-])")
_NINO = re.compile(r"(?<![A-Za-z0-9])([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![A-Za-z0-9])")
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w])(?!\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f]{0,4}(?![\w:])")
# A plus or 00 with a country code; a trunk 0 or an area code in brackets; North American 3-3-4; 2-2-2-2-2 and like groups.
_PHONE = re.compile(
    r"(?<![\w.,/-])(?<![$€£] )(?<![$€£])(?<![0-9] )"
    r"(?:(?:\+|00 ?)[1-9][0-9]{0,3}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,5}(?:[ ./-]?[0-9]{2,5}){1,5}"
    r"|\([0-9]{2,5}\)[ .-]?[0-9]{2,5}(?:[ .-]?[0-9]{2,5}){1,3}"
    r"|(?:1[ .-])?[2-9][0-9]{2}[.-][2-9][0-9]{2}[.-][0-9]{4}"
    r"|(?:1 )?[2-9][0-9]{2} [2-9][0-9]{2}[ -][0-9]{4}"
    r"|0[1-9][0-9]{0,4}(?:[ ./-][0-9]{2,8}){1,4}"
    r"|0[1-9][0-9]{8,9})"
    r"(?![\w])(?![-.,/][0-9])"
)
#: What every kind has at least: most texts have nothing of it, and need no other search.
_SIGN = re.compile(r"[0-9@]|:[0-9A-Fa-f]{0,4}:")
_DATE = re.compile(r"0?[0-9]{1,2}([./ -])[0-9]{1,2}\1(?:19|20)?[0-9]{2}\Z|(?:19|20)[0-9]{2}([./ -])[0-9]{1,2}\2[0-9]{1,2}\Z")

_IBAN_LENGTH = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def find_personal_data(text: str) -> list[Span]:
    """Well-formed personal data in the first 20,000 characters, in order and without overlap.

    E-mail addresses; IBANs (length of the country, ISO 7064 mod 97-10); payment cards (issuer prefix, length, Luhn);
    US social security numbers (ranges that are issued) and UK national insurance numbers; IPv4 and IPv6 addresses;
    telephone numbers (international, North American, national with a trunk 0). Where two overlap the earlier kind of
    this list wins. Invisible characters are read over; other scripts' digits, spaces and dashes are read as ASCII.
    """
    text = text[:LIMIT]
    read, places = _folded(text)
    if not _SIGN.search(read):
        return []
    taken: list[Span] = []
    used = bytearray(len(read))
    for kind, pattern, valid in _KINDS:
        for match in pattern.finditer(read):
            start, end = match.span()
            if not any(used[start:end]) and valid(match.group()):
                first, last = places[start], places[end - 1] + 1
                taken.append(Span(kind, text[first:last], first, last))
                used[start:end] = b"\1" * (end - start)
    return sorted(taken, key=lambda span: span.start)


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """The text as it is searched, and where each of its characters stands in the original."""
    if text.isascii():
        return text, range(len(text))
    signs = [_fold(c) for c in text]
    return "".join(signs), [i for i, sign in enumerate(signs) if sign]


@cache
def _fold(sign: str) -> str:
    category = unicodedata.category(sign)
    if sign.isascii():
        return sign
    if category == "Nd":
        return str(unicodedata.decimal(sign))
    if "\uff01" <= sign <= "\uff5e":  # full-width forms of ASCII
        return chr(ord(sign) - 0xFEE0)
    return {"Cf": "", "Zs": " ", "Pd": "-"}.get(category, sign)


def mask_personal_data(text: str, key: bytes) -> str:
    """The text with each finding as ``‹email:3fa1c2›``: its kind and six hex digits of its HMAC-SHA256 under ``key``.

    The same datum gets the same mask under the same key, so that readers can tell equal from different; with the key
    thrown away, guesses can't be checked. Beyond 20,000 characters nothing is looked for, so nothing is shown.
    """
    out: list[str] = []
    at = 0
    for span in find_personal_data(text):
        code = hmac.new(key, _folded(span.text)[0].encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:6]
        out += (text[at : span.start], f"‹{span.kind}:{code}›")
        at = span.end
    tail = text[at:LIMIT] + (f"… ({len(text) - LIMIT} characters not shown)" if len(text) > LIMIT else "")
    return "".join(out) + tail


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _is_email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return not local.endswith(".") and len(domain) <= 253


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "").replace("-", "")
    if _IBAN_LENGTH.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    number = _digits(text)
    if len(set(number)) == 1 or not _issued(number):
        return False
    doubled = (int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(number)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _issued(number: str) -> bool:
    """Prefix and length of the large schemes: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro."""
    size, two, four = len(number), int(number[:2]), int(number[:4])
    return (
        (number[0] == "4" and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or ((two in (36, 38, 39) or 3000 <= four <= 3059) and size in (14, 16, 19))
        or ((four == 6011 or two == 65 or 6440 <= four <= 6499) and size in (16, 19))
        or (3528 <= four <= 3589 and size in (16, 19))
        or (two == 62 and 16 <= size <= 19)
        or ((two == 50 or 56 <= two <= 58 or four in (6304, 6759, 6761, 6762, 6763)) and size in (13, 15, 16, 18, 19))
    )


def _is_ssn(text: str) -> bool:
    """Never issued: area 000, 666 and 900-999, group 00, serial 0000 (US Social Security Administration)."""
    area, group, serial = text[:3], text[4:6], text[7:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_nino(text: str) -> bool:
    """Prefixes that HM Revenue & Customs does not use are none."""
    return text[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_phone(text: str) -> bool:
    """7 to 15 digits (ITU-T E.164), 9 and more where there is no plus; not a date."""
    number = _digits(text)
    least = 8 if text.startswith(("+", "00", "(")) else 9
    return least <= len(number) <= 15 + 2 * text.startswith("00") and len(set(number)) > 2 and not _DATE.match(text)


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _EMAIL, _is_email),
    ("iban", _IBAN, _is_iban),
    ("card", _CARD, _is_card),
    ("ssn", _SSN, _is_ssn),
    ("nino", _NINO, _is_nino),
    ("ip", _IPV4, _is_ip),
    ("ip", _IPV6, _is_ip),
    ("phone", _PHONE, _is_phone),
)
