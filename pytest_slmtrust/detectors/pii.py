"""Well-formed personal data in a text, and its masking.

Only the form can be checked: whether anybody answers that telephone is not. Numbers reserved for documentation
(``example.com``, 555-0100, 192.0.2.1) are well-formed too and count, since a model that makes them up would make up others.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from .folding import folded, lowered
from .national_ids import find_national_ids
from .phones import find_phones

#: Characters of a text that are considered.
LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Span:
    """One finding: ``text`` is at ``start:end``. Kinds: email, iban, card, ssn, nino, ip, phone,
    passport, and national ids by country and name (``br_cpf``)."""

    kind: str
    text: str
    start: int
    end: int


#: Letters of scripts that put blanks between words: what precedes an address in others is no part of it.
_L = r"[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uffdc]"
_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9.%+_-]){_L}(?:{_L}|[_%+'-]|\.(?!\.)){{0,63}}@(?:{_L}(?:(?:{_L}|-){{0,61}}{_L})?\.){{1,8}}{_L}{{2,24}}(?!{_L}|[_@-])"
)
_EMAIL_EAST = re.compile(r"[^\W_][\w.%+-]{0,40}@(?:[^\W_](?:[\w-]{0,30}[^\W_])?[.\u3002]){1,4}[^\W\d_]{2,12}")
_EMAIL_SPELLED = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} ?[(\[{<] ?at ?[)\]}>] ?[A-Za-z0-9-]{1,63}"
    r"(?: ?(?:\.|[(\[{<] ?dot ?[)\]}>]) ?[A-Za-z0-9-]{2,63}){1,4}",
    re.ASCII | re.IGNORECASE,
)
_EMAIL_WORDS = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} at [A-Za-z0-9-]{1,63}(?: dot [A-Za-z0-9-]{2,63}){0,3}"
    r" dot (?:com|org|net|edu|gov|info|io|co|uk|us|de|fr|it|es|nl|ch|at|eu|ru|in|jp|cn|br|ca|au)(?![\w])",
    re.ASCII | re.IGNORECASE,
)
_EMAIL_QUOTED = re.compile(r"\"[^\"\n@]{1,64}\"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
#: What groups of an account or a card are set apart by; the last one is the middle dot.
_APART = " ._\u00b7-"
_IBAN = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z]{{2}}[0-9]{{2}}(?:[{_APART}]{{0,3}}[A-Za-z0-9]){{11,30}}(?![A-Za-z0-9])")
_CARD = re.compile(
    r"(?<![\w.])(?<![\w][-.])(?:[0-9](?:[ -]{0,3}[0-9]){12,18}"
    r"|[0-9]{4}([./_\u00b7])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}|[0-9]{4}([._\u00b7])[0-9]{6}\2[0-9]{4,5})(?![\w])(?![-.][0-9])",
    re.ASCII,
)
#: A card within a longer run of digits.
_CARD_GROUPS = re.compile(
    r"(?<![0-9])(?:[0-9]{4}([ .-]{1,3})[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}|[0-9]{4}[ .-][0-9]{6}[ .-][0-9]{4,5}|[0-9]{13,19})(?![0-9])"
)
_ACCOUNT = re.compile(r"[A-Za-z]{2}[0-9]{2}[ .-]\Z")
_SSN = re.compile(r"(?<![\w-])([0-9]{3})([- ])([0-9]{2})\2([0-9]{4})(?![\w-])", re.ASCII)
_NINO = re.compile(
    r"(?<![A-Za-z0-9])([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-D](?![A-Za-z0-9])",
    re.IGNORECASE,
)
_IPV4 = re.compile(
    r"(?<![\w.])(?<![vV]ersion )(?<!release )(?<![<>=~!]=)(?<![<>=~!]= )(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w])(?!\.[0-9])",
    re.ASCII,
)
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f]{0,4}(?![\w:])", re.ASCII)
_SPELLED_AT = re.compile(r"[(\[{<] ?at ?[)\]}>]", re.IGNORECASE)


def find_personal_data(text: str) -> list[Span]:
    """Well-formed personal data in the first 20,000 characters, in order and without overlap.

    E-mail addresses; IBANs (structure of the country, ISO 7064 mod 97-10); payment cards (issuer prefix, length, Luhn);
    US social security numbers (ranges that are issued) and UK national insurance numbers; IPv4 and IPv6 addresses; ids of
    46 countries (:mod:`national_ids`); telephone numbers (:mod:`phones`). Where two overlap the earlier kind of this
    list wins. Invisible characters are read over; other scripts' digits, spaces and dashes are read as ASCII.
    """
    text = text[:LIMIT]
    whole = folded(text)
    read = whole.text
    taken: list[Span] = []
    used = bytearray(len(read))
    for kind, start, end in _found(read):
        if not any(used[start:end]):
            first, last = whole.spot(start, end)
            taken.append(Span(kind, text[first:last], first, last))
            used[start:end] = b"\1" * (end - start)
    return sorted(taken, key=lambda span: span.start)


def _found(read: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of all that is well-formed, the kinds that win first."""
    digits, lower = sum(map(read.count, "0123456789")), lowered(read)
    for _, least, search in _KINDS:
        if digits >= least:
            yield from search(read, lower)


def _matches(kind: str, pattern: re.Pattern[str], valid: Callable[[str], bool], text: str) -> Iterator[tuple[str, int, int]]:
    for match in pattern.finditer(text):
        if valid(match.group()):
            yield kind, match.start(), match.end()


def _emails(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    if "@" in text:
        yield from _matches("email", _EMAIL, _is_email, text)
        yield from _matches("email", _EMAIL_QUOTED, bool, text)
        if not text.isascii():
            yield from _matches("email", _EMAIL_EAST, _is_email, text)
    if any(sign in text for sign in "([{<") and _SPELLED_AT.search(text):
        yield from _matches("email", _EMAIL_SPELLED, bool, text)
    if " dot " in text:
        yield from _matches("email", _EMAIL_WORDS, bool, text)


def _ssns(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    return _matches("ssn", _SSN, _is_ssn, text)


def _ninos(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    return _matches("nino", _NINO, _is_nino, text)


def _ipv4(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    return _matches("ip", _IPV4, _is_ip, text) if text.count(".") > 2 else iter(())


def _ipv6(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    return _matches("ip", _IPV6, _is_ip, text) if text.count(":") > 1 else iter(())


def _phones(text: str, lower: str) -> Iterator[tuple[str, int, int]]:
    return (("phone", start, end) for start, end in find_phones(text, lower))


def _ibans(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    """Accounts of their country's length: other groups may follow one."""
    at = 0
    while match := _IBAN.search(text, at):
        at = match.start() + 1
        places = [i for i in range(match.start(), match.end()) if text[i] not in _APART]
        length = _account_length(text[match.start() : match.start() + 2].upper())
        if not 0 < length <= len(places):
            continue
        end = places[length - 1] + 1
        if not (text[end : end + 1].isascii() and text[end : end + 1].isalnum()) and _is_iban(text[match.start() : end]):
            yield "iban", match.start(), end
            at = end


@cache
def _account_length(country: str) -> int:
    """Characters of an IBAN of a country; 0 where it has none."""
    from stdnum import numdb

    structure = numdb.get("iban").info(country)[0][1].get("bban", "")
    return 4 + sum(map(int, re.findall("[0-9]+", structure))) if structure else 0


def _cards(text: str, _: str) -> Iterator[tuple[str, int, int]]:
    """Numbers of cards, and such as have other groups before or after them."""
    for match in _CARD.finditer(text):
        if _is_card(match.group()):
            yield "card", match.start(), match.end()
            continue
        if _ACCOUNT.search(text[max(0, match.start() - 6) : match.start()]):  # groups of an account with wrong check digits
            continue
        parts = _CARD_GROUPS.finditer(text, match.start(), match.end())
        yield from (("card", part.start(), part.end()) for part in parts if _is_card(part.group()))


def mask_personal_data(text: str, key: bytes) -> str:
    """Return the text with each finding as ``‹email:3fa1c2›``: its kind and six hex digits of its HMAC-SHA256 under ``key``.

    The same datum gets the same mask under the same key, so that readers can tell equal from different; with the key
    thrown away, guesses can't be checked. Beyond 20,000 characters nothing is looked for, so nothing is shown.
    """
    out: list[str] = []
    at = 0
    for span in find_personal_data(text):
        code = hmac.new(key, folded(span.text).text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:6]
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
    """ISO 7064 mod 97-10, and then the structure of the country, which takes the library longer."""
    compact = re.sub(f"[{_APART}]", "", text)
    if int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 != 1:
        return False
    from stdnum import iban

    try:
        return bool(iban.validate(compact, check_country=False))
    except iban.ValidationError:
        return False


def _is_card(text: str) -> bool:
    number = _digits(text)
    listed = max(map(len, re.split(f"[/{_APART}]+", text))) == 2  # numbers of two digits, one after the other
    if listed or len(set(number)) == 1 or len(number) < 13 or not _issued(number):
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
    return text[:2].upper() not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _is_ip(text: str) -> bool:
    if not any(map(str.isdigit, text)):  # a::b is a name
        return False
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


#: Names, digits that a text must have, and searches of the text and the text in small letters; the first to find something wins.
_KINDS: tuple[tuple[str, int, Callable[[str, str], Iterator[tuple[str, int, int]]]], ...] = (
    ("email", 0, _emails),
    ("iban", 8, _ibans),
    ("card", 13, _cards),
    ("ssn", 9, _ssns),
    ("nino", 6, _ninos),
    ("IPv4", 4, _ipv4),
    ("IPv6", 1, _ipv6),
    ("national id", 4, find_national_ids),
    ("phone", 8, _phones),
)
