"""What is shared: personal data masked, credentials gone, every value with a JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_slmtrust.audit import Finding
from pytest_slmtrust.sharing import Mask, scrub


@pytest.mark.parametrize(
    "secret",
    ["sk-abcdefghijklmnopqrst", "hf_ABCDEFGHIJKLMNOPQRST", "ghp_ABCDEFGHIJKLMNOPQRSTU", "AKIAABCDEFGHIJKLMNOP"],
)
def test_credentials_are_taken_out(secret: str) -> None:
    assert secret not in scrub(f"key {secret} and Bearer abcdefgh12345678 at https://me:pass@host/x")
    assert "abcdefgh12345678" not in scrub("Authorization: Bearer abcdefgh12345678")
    assert "me:pass" not in scrub("https://me:pass@host/x")


def test_ordinary_text_is_left_alone() -> None:
    text = "Ask the task-force: 7 + 5 = 12, see https://host/path and mail.txt"
    assert Mask(b"k").text(text) == text


def test_equal_data_is_seen_to_be_equal_and_no_more() -> None:
    mask = Mask(b"key")
    one, same, other = (mask.text(t) for t in ("jane@corp.org", "jane@corp.org", "joan@corp.org"))
    assert one == same != other
    assert "jane" not in one
    assert Mask(b"another key").text("jane@corp.org") != one


VALUES = [float("nan"), float("inf"), object(), {"a": [float("nan"), ("x", {1, 2})]}, b"raw", 1, None, True]


@pytest.mark.parametrize("value", VALUES)
def test_evidence_of_any_kind_has_a_json_form(value: Any) -> None:
    found = Mask(b"k").finding(Finding("n", "p", "privacy", "c", "s", "failed", evidence={"value": value}))
    json.dumps(dict(found.evidence), allow_nan=False)
