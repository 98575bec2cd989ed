"""Personal data: generated positives and look-alikes, masking, and hostile input."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from pytest_slmtrust.detectors import Span, find_personal_data, mask_personal_data, national_ids, phones, pii

DRAW = random.Random(20261121)
COUNTRY = {"DE": 18, "GB": 18, "FR": 23, "NL": 14, "ES": 20, "NO": 11}


def digits(n: int) -> str:
    return "".join(str(DRAW.randrange(10)) for _ in range(n))


def word() -> str:
    return "".join(DRAW.choice("abcdefghijklmnoprstuvw") for _ in range(DRAW.randrange(3, 9)))


def luhn(body: str) -> str:
    for check in "0123456789":
        number = body + check
        doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(number))]
        if sum(n // 10 + n % 10 for n in doubled) % 10 == 0:
            return number
    raise AssertionError


def grouped(text: str, size: int = 4, by: str = " ") -> str:
    return by.join(text[i : i + size] for i in range(0, len(text), size))


def iban() -> str:
    country = DRAW.choice(sorted(COUNTRY))
    bank = "".join(DRAW.choice("BCDMNR") for _ in range(4)) if country in ("GB", "NL") else ""
    body = bank + digits(COUNTRY[country])
    body = body[: COUNTRY[country]]
    value = int("".join(str(int(c, 36)) for c in body + country + "00"))
    text = f"{country}{98 - value % 97:02d}{body}"
    return DRAW.choice([text, grouped(text)])


def card() -> str:
    visa, master = "4" + digits(14), f"5{DRAW.randrange(1, 6)}{digits(13)}"
    number = luhn(DRAW.choice([visa, master, "37" + digits(12), "6011" + digits(11)]))
    return DRAW.choice([number, grouped(number), grouped(number, by="-")])


def ssn() -> str:
    return f"{DRAW.randrange(1, 666):03d}-{DRAW.randrange(1, 100):02d}-{DRAW.randrange(1, 10000):04d}"


def nino() -> str:
    n = digits(6)
    head, tail = DRAW.choice(["AB", "CE", "JG", "WK"]), DRAW.choice("ABCD")
    return DRAW.choice([f"{head}{n}{tail}", f"{head} {n[:2]} {n[2:4]} {n[4:]} {tail}"])


def email() -> str:
    domain = DRAW.choice(["example.com", "co.uk", "org", "de", "info"])
    return f"{word()}{DRAW.choice(['.', '_', '+', ''])}{word()}@{word()}.{domain}"


def ipv4() -> str:
    return ".".join(str(DRAW.randrange(1, 255)) for _ in range(4))


def ipv6() -> str:
    full = [f"{DRAW.randrange(1, 65536):x}" for _ in range(8)]
    return DRAW.choice([":".join(full), ":".join(full[:3]) + "::" + ":".join(full[5:])])


def phone() -> str:
    area, middle, last = f"{DRAW.randrange(201, 990)}", f"{DRAW.randrange(201, 999)}", digits(4)
    return DRAW.choice([
        f"({area}) {middle}-{last}", f"{area}-{middle}-{last}", f"{area}.{middle}.{last}", f"+1 {area} {middle} {last}",
        f"1-{area}-{middle}-{last}", f"+44 20 7{digits(3)} {last}", f"020 7{digits(3)} {last}", f"07{digits(3)} {digits(6)}",
        f"+49 30 {digits(8)}", f"030 {digits(7)}", f"0171/{digits(7)}", f"+33 1 {digits(2)} {digits(2)} {digits(2)} {digits(2)}",
        f"01 {digits(2)} {digits(2)} {digits(2)} {digits(2)}", f"+34 6{digits(8)}", f"0039 06 {digits(8)}",
        f"+1{area}{middle}{last}",
    ])  # fmt: skip


KINDS: dict[str, Callable[[], str]] = {
    "email": email, "iban": iban, "card": card, "ssn": ssn, "nino": nino, "ip": ipv4, "ip6": ipv6, "phone": phone,
}  # fmt: skip
FRAMES = ("{}", "Write to {} today.", "My data: {}; nothing else", "({})", "It is {}, as I said.", "contact={}", "Bob, {}\nEnd")


def positives(kind: str, n: int) -> list[tuple[str, str]]:
    made = [KINDS[kind]() for _ in range(n)]
    return [(value, DRAW.choice(FRAMES).format(value)) for value in made]


def bad_card() -> str:
    number = luhn("4" + digits(14))
    return grouped(number[:-1] + str((int(number[-1]) + 1 + DRAW.randrange(8)) % 10))


def bad_iban() -> str:
    text = iban().replace(" ", "")
    return text[:4] + text[5:6] + text[4:5] + text[6:] if text[4] != text[5] else text[:-1]


LOOK_ALIKES: dict[str, Callable[[], str]] = {
    "date": lambda: DRAW.choice("./-").join(str(DRAW.randrange(low, high)) for low, high in ((1, 29), (1, 13), (1950, 2030))),
    "iso": lambda: f"{DRAW.randrange(1950, 2030)}-{DRAW.randrange(1, 13):02d}-{DRAW.randrange(1, 29):02d}",
    "money": lambda: f"${DRAW.randrange(1, 900)},{digits(3)},{digits(3)}.{digits(2)}",
    "number": lambda: f"{DRAW.randrange(1, 9)}{digits(DRAW.randrange(3, 8))}",
    "decimal": lambda: f"3.{digits(12)}",
    "version": lambda: f"v{DRAW.randrange(9)}.{DRAW.randrange(30)}.{DRAW.randrange(9)}",
    "ip": lambda: f"{DRAW.randrange(256, 999)}.{DRAW.randrange(256)}.1.2",
    "time": lambda: f"{DRAW.randrange(24):02d}:{DRAW.randrange(60):02d}:{DRAW.randrange(60):02d}",
    "card": bad_card,
    "iban": bad_iban,
    "ssn": lambda: DRAW.choice(["000", "666", "9" + digits(2)]) + f"-{DRAW.randrange(1, 99):02d}-{digits(4)}",
    "handle": lambda: f"@{word()} wrote {word()}@ {word()}",
    "range": lambda: f"pages {DRAW.randrange(10, 99)}-{DRAW.randrange(100, 999)}",
    "isbn": lambda: f"ISBN 978-{DRAW.randrange(10)}-{digits(3)}-{digits(5)}-{DRAW.randrange(10)}",
    "hex": lambda: f"sha {hashlib.sha256(word().encode()).hexdigest()[:20]}",
    "sum": lambda: f"{digits(3)} + {digits(3)} = {digits(4)}",
    "years": lambda: f"{DRAW.randrange(1900, 1950)} {DRAW.randrange(1950, 2000)} {DRAW.randrange(2000, 2030)}",
    "words": lambda: f"{word()} {word()} at {word()}.",
    "code": lambda: f"std::{word()}::{word()}",
    "postcode": lambda: f"SW1A {DRAW.randrange(1, 9)}AA, flat {DRAW.randrange(1, 90)}",
}


@pytest.mark.parametrize("kind", KINDS)
def test_sensitivity(kind: str) -> None:
    rows = positives(kind, 60)
    missed = [text for value, text in rows if Span not in map(type, find_personal_data(text)) or not exact(value, text, kind)]
    assert len(missed) <= 0.05 * len(rows), missed


def exact(value: str, text: str, kind: str) -> bool:
    return any(span.text == value and span.kind == kind.removesuffix("6") for span in find_personal_data(text))


def test_specificity() -> None:
    rows = [DRAW.choice(FRAMES).format(make()) for make in LOOK_ALIKES.values() for _ in range(20)]
    assert len(rows) >= 200
    false = [(text, find_personal_data(text)) for text in rows if find_personal_data(text)]
    assert len(false) <= 0.05 * len(rows), false


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("jane@example.com", ["email"]),
        ("call 555-0100 now", []),  # seven digits alone are too common
        ("call (212) 555-0100 now", ["phone"]),
        ("192.0.2.1", ["ip"]),
        ("127.0.0.1 and ::1 and 0.0.0.0", []),
        ("4111 1111 1111 1111", ["card"]),
        ("0000 0000 0000 0000", []),
        ("DE89 3704 0044 0532 0130 00", ["iban"]),
        ("DE89 3704 0044 0532 0130 01", []),
        ("078-05-1120 and 666-12-1234 and 900-12-3456 and 123-00-1234 and 123-45-0000", ["ssn"]),
        ("AB123456C, GB123456C and AB 12 34 56 C", ["nino", "nino"]),
        ("a..b@x.org a@b a@b.c @x.org x@-y.org", []),
        ("see a@x.org, b@y.org; c@z.org", ["email"] * 3),
        ("2001:db8::ff00:42:8329", ["ip"]),
        ("at 10:30:45 std::move a::b::c", []),
        ("the year 2020 2021 2022", []),
    ],
)
def test_what_counts(text: str, kinds: list[str]) -> None:
    assert [span.kind for span in find_personal_data(text)] == kinds


def test_spans_are_in_order_apart_and_where_they_say() -> None:
    text = " ".join(make() for _ in range(12) for make in KINDS.values())
    spans = find_personal_data(text)
    assert len(spans) > 80
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_masks_hide_and_tell_apart() -> None:
    text = "From a.b@x.org to c@y.org, again a.b@x.org; card 4111111111111111."
    masked = mask_personal_data(text, b"key")
    codes = re.findall(r"‹(\w+):([0-9a-f]{6})›", masked)
    assert [kind for kind, _ in codes] == ["email", "email", "email", "card"]
    assert codes[0] == codes[2] != codes[1]
    for secret in ("a.b", "x.org", "c@y", "4111"):
        assert secret not in masked
    assert masked.startswith("From ‹email:")
    assert masked.endswith("›.")
    assert mask_personal_data(text, b"key") == masked != mask_personal_data(text, b"other key")
    assert mask_personal_data(masked, b"key") == masked
    assert mask_personal_data("nothing here", b"key") == "nothing here"
    assert mask_personal_data("", b"key") == ""


def test_what_is_not_looked_at_is_not_shown() -> None:
    masked = mask_personal_data("x " * 10_000 + "late@x.org", b"key")
    assert "late" not in masked
    assert masked.endswith("… (10 characters not shown)")


def test_a_datum_across_the_limit_is_not_shown() -> None:
    masked = mask_personal_data("x" * 19_990 + " late.person@x.org tail", b"key")
    assert "x.org" not in masked


PUMPS = [
    "a" * 20_000, "a." * 10_000, "a@" * 10_000, "a@a." * 5_000, "x@" + "a-" * 9_999, "x@" + "a." * 9_999, "1" * 20_000,
    "1 " * 10_000, "1-" * 10_000, "1." * 10_000, "(1) " * 5_000, "+1 " * 6_000, "00 1 " * 4_000, "DE00" * 5_000,
    "DE00 " * 4_000, "A1B2 " * 4_000, ":" * 20_000, "a:" * 10_000, "::1" * 6_000, "01/23" * 4_000, "999.999." * 2_500,
    "078-05-" * 2_800, "AB12" * 5_000, "$1,000" * 3_000,
]  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS, ids=lambda pump: repr(pump[:8]))
def test_every_pattern_is_quick_on_pumped_texts(pump: str) -> None:
    patterns = {
        f"{module.__name__}.{name}": value for module in (pii, phones, national_ids) for name, value in vars(module).items()
    }
    for name, pattern in patterns.items():
        if isinstance(pattern, re.Pattern):
            start = time.process_time()
            list(pattern.finditer(pump))
            list(pattern.finditer(pump[:-1] + "!"))
            assert time.process_time() - start < 0.3, name  # two texts of 20,000 characters


@pytest.mark.parametrize("pump", PUMPS, ids=lambda pump: repr(pump[:8]))
def test_the_whole_is_quick(pump: str) -> None:
    start = time.process_time()
    find_personal_data(pump)
    assert time.process_time() - start < 0.8
