"""Personal data of many scripts and countries: what is found and what is left alone, counted by kind, and hostile input."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from sensitive import Sample, hidden, personal_data

from pytest_slmtrust.detectors import find_credentials, find_personal_data, national_ids
from pytest_slmtrust.redaction import Mask

POSITIVES, LOOK_ALIKES = list(personal_data("positives")), list(personal_data("look_alikes"))


def wrong(samples: list[Sample]) -> list[Sample]:
    """Samples of which a part that must be hidden is shown, or of which something is hidden that need not be."""
    found = {s.text: [(span.start, span.end) for span in find_personal_data(s.text)] for s in samples}
    return [s for s in samples if not all(hidden(found[s.text], spot) for spot in s.spots) or (not s.spots and found[s.text])]


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(POSITIVES) >= 200
    assert len(LOOK_ALIKES) >= 200
    missed, false = wrong(POSITIVES), wrong(LOOK_ALIKES)
    with capsys.disabled():
        for name, samples, bad in (("personal data", POSITIVES, missed), ("look-alikes", LOOK_ALIKES, false)):
            total, errors = Counter(s.kind for s in samples), Counter(s.kind for s in bad)
            print(f"\n{name}: {len(bad)} of {len(samples)} wrong;", *(f"{k} {errors[k]}/{n}," for k, n in total.items()))  # noqa: T201
    assert len(missed) <= 0.02 * len(POSITIVES), [s.text for s in missed]
    assert len(false) <= 0.01 * len(LOOK_ALIKES), [s.text for s in false]


#: By kind: well-formed, and of nobody.
DATA = {
    "email": "jane.quarrendon@harbour-mail.org", "iban": "de46 3982 5979 1907 4833 78", "card": "4101.7018.8752.5155",
    "ip": "10.20.30.44", "phone": "+81 90-1234-5678", "br_cpf": "290.838.440-05", "cn_ric": "360424199101010095",
}  # fmt: skip


@pytest.mark.parametrize(
    "frame",
    ["{}", "他的数据是{}。", "これは{}です", "그것은{}입니다", "ข้อมูล{}ครับ", "данные:{};", "«{}»", "\u2067{}\u2069", "| {} |"],
)
@pytest.mark.parametrize("kind", DATA)
def test_any_script_may_stand_next_to_it(kind: str, frame: str) -> None:
    text = frame.format(DATA[kind])
    [span] = find_personal_data(text)
    assert (span.kind, span.text) == (kind, DATA[kind])
    assert text[span.start : span.end] == span.text
    assert DATA[kind] not in Mask(b"k").text(text)


@pytest.mark.parametrize("sign", ["", " ", "  ", "-", ".", "_", "\u00b7"])
def test_groups_of_accounts_and_cards_may_be_set_apart_by_any_sign(sign: str) -> None:
    for groups in (
        "de46 3982 5979 1907 4833 78",
        "FR29 6697 2510 2734 6468 6958 969",
        "4101 7018 8752 5155",
        "3761 920579 86094",
    ):
        value, wrong = groups.replace(" ", sign), f"{groups[:-1]}{(int(groups[-1]) + 1) % 10}".replace(" ", sign)
        for frame in ("{}", "pay {} now", "卡{}元", "({})", "“{}”."):
            assert [span.text for span in find_personal_data(frame.format(value))] == [value]
        assert {span.kind for span in find_personal_data(f"pay {wrong} now")} <= {"phone"}


@pytest.mark.parametrize("digits", ["٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "০১২৩৪৫৬৭৮৯", "๐๑๒๓๔๕๖๗๘๙", "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"])
def test_digits_of_any_script_are_read(digits: str) -> None:
    there = str.maketrans("0123456789", digits)
    for value in ("4101 7018 8752 5155", "+44 20 7946 0958", "290.838.440-05"):
        text = f"x {value.translate(there)} y"
        assert [span.text for span in find_personal_data(text)] == [value.translate(there)]


def test_a_card_ends_where_its_number_ends() -> None:
    for text in ("4101 7018 8752 5155 123", "4101 7018 8752 5155 12/27", "1 4101 7018 8752 5155", "4101-7018-8752-5155-9"):
        assert "7018" not in Mask(b"k").text(text), text
    for first in range(100):  # a list of numbers is no card, whatever parts of it may look like
        assert find_personal_data(" ".join(map(str, range(first, first + 60)))) == []


@pytest.mark.parametrize("between", ["\u200b", "\\u200b", "\\u2060", "\\u00ad", "\\U0000200b"])
def test_data_is_hidden_whole_when_invisible_characters_were_written_out(between: str) -> None:
    text = f"write to jane.quarren{between}don@harbour-mail.org or +44\\xa020 7946\\u202f0958."
    masked = Mask(b"k").text(text)
    assert masked.startswith("write to ‹email:")
    assert masked.endswith("›.")
    assert not any(part in masked for part in ("jane", "don@", "harbour", "7946", "0958", "xa0"))


def test_an_account_ends_where_its_country_says() -> None:
    text = "Pay DE46 3982 5979 1907 4833 78 AND DE46 3982 5979 1907 4833 78 or else"
    assert [span.text for span in find_personal_data(text)] == ["DE46 3982 5979 1907 4833 78"] * 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("My PESEL is 04061482359", ["pl_pesel"]), ("It weighs 04061482359 g", ["phone"]), ("PESEL 04061482358", []),
        ("order 4157342291", []), ("ring 4157342291", ["phone"]), ("2147483647", []), ("0123456789", []),
        ("passport Q7654321", ["passport"]), ("flight Q7654321", []), ("SSN 536904399", ["us_ssn"]), ("mass 536904399", []),
    ],
)  # fmt: skip
def test_what_a_text_calls_a_number_counts(text: str, found: list[str]) -> None:
    assert [span.kind for span in find_personal_data(text)] == found


PUMPS = [
    "é@", "用@用.", "DE00 ", "de00.", "a1b2c3", "phone 1", "电话1", "ssn 1", "id number 1 2", "passport A", "a(at)b(dot)c",
    "(at)", "1234 5678 9", "13123456789 ", "4157342291 ", "8 912 ", "AB123456", "123.456.789-0", "RCCMNL83S18D969",
    "call 12345678 ", "12 34 56 78 ", "a@b.c,", "4 ", "4101 ", "4101701887525156 ",
]  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS)
def test_time_is_linear_on_pumped_texts(pump: str) -> None:
    find_personal_data(pump * 10)  # the libraries are imported

    def seconds(size: int) -> float:
        start = time.process_time()
        find_personal_data(pump * (size // len(pump)) + "!")
        return time.process_time() - start

    assert seconds(19_999) < 8 * max(seconds(5_000), 0.05)


KINDS = sorted(
    {kind for _, kinds in national_ids._FORMS for kind in kinds} | {k for ks in national_ids._CALLED.values() for k in ks}
)


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_makes_the_check_of_a_number_break(kind: str) -> None:
    """python-stdnum's own check of Chinese numbers raises KeyError for counties that it does not know."""
    assert kind == "passport" or national_ids._module(kind).is_valid
    source = random.Random(kind)
    for _ in range(200):
        signs = source.choice(("0123456789", "0123456789ABCXYZ", "0123456789 -./", "0123456789abcdef"))
        number = "".join(source.choice(signs) for _ in range(source.choice((7, 8, 9, 10, 11, 12, 13, 15, 16, 18))))
        assert national_ids._valid(kind, number) in (True, False)
    assert find_personal_data("\u8eab\u4efd\u8bc1 DE89pxERDE12345678, id number 1234567890ERDE5678") == []


def test_any_text_can_be_searched() -> None:
    source = random.Random(20261125)
    words = (
        "password=",
        "phone ",
        "id number ",
        "sk-",
        "ey",
        "DE89",
        "+44",
        "\\u200b",
        "\\U00110000",
        "://",
        "passport ",
        "call ",
    )
    for _ in range(1500):
        parts = (
            source.choice(words)
            if source.random() < 0.2
            else source.choice("ab9X0-./:@ \n\u200b\ud800\u7528\u0663\u4e09\u0130\xdf")
            for _ in range(60)
        )
        text = "".join(parts)
        for spot in [*((s.start, s.end) for s in find_personal_data(text)), *find_credentials(text)]:
            assert 0 <= spot[0] < spot[1] <= len(text)
