"""Credentials: what is hidden and what is left alone, counted by kind, and hostile input."""

from __future__ import annotations

import random
import string
import time
from collections import Counter

import pytest
from sensitive import Sample, credentials, hidden

from pytest_slmtrust.detectors import find_credentials
from pytest_slmtrust.detectors.credentials import raw_rules, vendor_rule
from pytest_slmtrust.redaction import Mask, scrub

POSITIVES, LOOK_ALIKES = list(credentials("positives")), list(credentials("look_alikes"))


def wrong(samples: list[Sample]) -> list[Sample]:
    """Samples of which a part that must be hidden is shown, or of which something is hidden that need not be."""
    return [
        s for s in samples
        if not all(hidden(find_credentials(s.text), spot) for spot in s.spots) or (not s.spots and find_credentials(s.text))
    ]  # fmt: skip


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(POSITIVES) >= 200
    assert len(LOOK_ALIKES) >= 200
    missed, false = wrong(POSITIVES), wrong(LOOK_ALIKES)
    with capsys.disabled():
        for name, samples, bad in (("credentials", POSITIVES, missed), ("look-alikes", LOOK_ALIKES, false)):
            total, errors = Counter(s.kind for s in samples), Counter(s.kind for s in bad)
            print(f"\n{name}: {len(bad)} of {len(samples)} wrong;", *(f"{k} {errors[k]}/{n}," for k, n in total.items()))  # noqa: T201
    assert len(missed) <= 0.02 * len(POSITIVES), [s.text for s in missed]
    assert len(false) <= 0.01 * len(LOOK_ALIKES), [s.text for s in false]


def test_other_draws_of_tokens_fare_alike() -> None:
    """Rules that know only the tokens of one seed would know few of another."""
    samples = list(credentials("positives", 6, "another seed"))
    assert len(wrong(samples)) <= 0.02 * len(samples)


BROKEN_UP = {
    "Google's secret of a client": ("GOC" + "SPX-", 28, "-_"), "a token of Docker": ("dckr" + "_pat_", 27, "-_"),
    "a token of Google": ("ya" + "29.", 30, "-_"), "AWS's secret key, bare": ("", 40, "+/"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN_UP)
def test_a_token_is_hidden_whatever_breaks_it_up_or_begins_it(kind: str) -> None:
    """Alphabets with hyphens draw tokens whose runs of letters are all short, or that begin with a sign."""
    (start, size, signs), source = BROKEN_UP[kind], random.Random(kind)
    tokens = [start + "".join(source.choices(string.ascii_letters + string.digits + signs, k=size)) for _ in range(400)]
    assert len([token for token in tokens if token in scrub(f"Here: {token} .")]) <= 2


@pytest.mark.parametrize("text", [
    "sk-Windows-11-Pro-23H2-x64-DE", "pul-Over-Size-XL-2-Blue-Cotton", "v1.0-RC1-Linux-x86_64-Py3", "ops_Team_2024_Q3_Plan_B",
    "pat-of-the-Back-4-You", "npm_config_registry_V2_Url", "/usr/local/lib/python3.11/site-packages/Torch2Utils/X",
    "/API/v2/Users/4A/Items/B7/XyZ", "+Plus/Minus+4A",
])  # fmt: skip
def test_names_with_hyphens_and_paths_are_left_alone(text: str) -> None:
    assert scrub(f"Here: {text} .") == f"Here: {text} ."


@pytest.mark.parametrize(
    "frame", ["{}", "她说：{}。", "「{}」を使う", "({})", "\u202a{}\u202c", '"{}"', "ключ {}", "{}\n", "*{}*"]
)
def test_tokens_are_found_in_any_script_and_punctuation(frame: str) -> None:
    for token in (
        "gh" + "p_" + "aB3dE6gH9" * 4,
        "AK" + "IA" + "Q3EXAMPLE7TOKEN2",
        "s" + "k-proj-" + "x7Kq" * 12,
        "xo" + "xb-123456789012-aB3dE6gH9jK2",
    ):
        text = frame.format(token)
        assert token[6:] not in scrub(text), text
        assert scrub(text) == frame.format("[credential]")


def test_a_token_with_invisible_characters_in_it_is_hidden() -> None:
    token = "gl" + "pat-aB3d\u200bE6gH9jK2mN5pQ8r"
    assert scrub(f"use {token} now") == "use [credential] now"
    assert scrub("ｐａｓｓｗｏｒｄ：ｈｕｎｔｅｒ２") == "ｐａｓｓｗｏｒｄ：[credential]"


def test_a_key_in_escaped_text_is_hidden() -> None:
    begin, end = "-----BEGIN PRIV" + "ATE KEY-----", "-----END PRIV" + "ATE KEY-----"
    for gap in ("\\x0a", "\\u000a", "\\n", "\\r\\n", "\n  "):
        assert scrub(f"{begin}{gap}{'aB3dE6gH' * 8}{gap}{end}") == "[credential]"
        assert "aB3dE6gH" not in scrub(f"{begin}{gap}{'aB3dE6gH' * 8}{gap}{'aB3dE6gH' * 8}")
    assert scrub("password=hun\\u200bter2 next") == "password=[credential] next"


def test_a_private_key_that_is_cut_off_anywhere_is_hidden() -> None:
    begin, line = "-----BEGIN RSA PRIV" + "ATE KEY-----", "aB3dE6gH9jK2mN5p" * 4
    whole = f"{begin}\n" + f"{line}\n" * 3 + "aB3dE6==\n-----END RSA PRIV" + "ATE KEY-----"
    for size in range(len(begin), len(whole), 7):
        shown = scrub(f"Here: {whole[:size]}")
        assert "aB3dE6gH" not in shown, size
        assert shown.startswith("Here: [credential]")
    assert scrub(f"{whole}\nGood night.") == "[credential]\nGood night."
    assert scrub(f"{begin}\n{line}\n{line}\n\nGood night, my friend.").endswith("Good night, my friend.")


def test_names_and_addresses_stay_when_their_secret_goes() -> None:
    assert scrub("DB_PASSWORD=hunter2 next") == "DB_PASSWORD=[credential] next"
    assert scrub("postgres://bob:s3cr3t@db.example.org/x") == "postgres://[credential]@db.example.org/x"
    assert scrub("The password is hunter2.") == "The password is [credential]."


def test_secrets_are_taken_out_where_personal_data_is_shown() -> None:
    assert Mask(b"k", reveal=True).text("jane@x.org has password=hunter2") == "jane@x.org has password=[credential]"


PUMPS = [
    "a", "A1", "password=", "pass ", "pwd='", "api_key=", "token:", "-", "sk-a1", "eyJ.", "-----BEGIN RSA PRIV" + "ATE KEY-----",
    "-----BEGIN PRIV" + "ATE KEY-----\n" + "A" * 64 + "\n", "1:A", "Bearer ", "basic YTpi", "://a:", "--token ", "$2b$", '"d":"',
    "aB3" * 13 + " ", "curl -u a:", "auth=", "密码是", "\u200b", "https:", "'",
    "+", "/aB3",
]  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS, ids=lambda pump: repr(pump[:12]))
def test_time_is_linear_on_pumped_texts(pump: str) -> None:
    """Four times as much text takes no sixteen times as long."""

    def seconds(size: int) -> float:
        start = time.process_time()
        find_credentials(pump * (size // len(pump)) + "!")
        return time.process_time() - start

    assert seconds(40_000) < 8 * max(seconds(10_000), 0.05)


@pytest.mark.parametrize("number", range(0, len(raw_rules()), 20))
def test_every_rule_of_gitleaks_is_quick_on_pumped_texts(number: int) -> None:
    for each in range(number, min(number + 20, len(raw_rules()))):
        for keyword in raw_rules()[each]["keywords"][:2]:
            for unit in (keyword, f"{keyword}="):
                start = time.process_time()
                list(vendor_rule(each).spots(unit * (20_000 // len(unit))))
                assert time.process_time() - start < 0.2, raw_rules()[each]["id"]


def test_the_rules_of_gitleaks_are_there_with_their_licence() -> None:
    ids = {rule["id"] for rule in raw_rules()}
    assert len(ids) == len(raw_rules()) > 150
    assert {"github-pat", "slack-bot-token", "stripe-access-token", "gcp-api-key", "npm-access-token"} <= ids


def test_text_beyond_any_limit_is_searched_too() -> None:
    token = "gh" + "p_" + "aB3dE6gH9" * 4
    assert token not in scrub("word " * 50_000 + token)
