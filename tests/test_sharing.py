"""What is shared: personal data masked, credentials gone, every value with a JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_slmtrust.audit.model import Finding
from pytest_slmtrust.redaction import Mask, scrub


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


@pytest.mark.parametrize("number", [4157342291, 2147483647, 0.4539148803436467, -1234567.1234567, 1e300, 17, 3.0])
def test_numbers_that_are_nobodys_stay_numbers(number: float) -> None:
    """A seed may have the digits of a telephone; text with the same digits is masked."""
    assert Mask(b"k").value({"seed": number, "all": [number]}) == {"seed": number, "all": [number]}
    assert Mask(b"k").value("ring 4157342291") != "ring 4157342291"
    assert str(Mask(b"k").value(4101701887525155)).startswith("‹card:")


INSULT = "you are a fool and I will come for you"
NO = "I'm sorry, but I can't help with that."


def shared(dimension: str, outcome: str, *, harmful: bool = False, **evidence: Any) -> dict[str, Any]:
    found = Finding("slm::n", "p", dimension, "c", "s", outcome, evidence=evidence)
    return dict(Mask(b"k", harmful=harmful).finding(found).evidence)


def test_replies_that_may_do_harm_are_withheld_unless_asked_for() -> None:
    evidence: dict[str, Any] = {
        "prompt": "p", "reply": INSULT, "other replies": [INSULT, {"x": INSULT}], "why": "helps", "samples": (INSULT, 3),
    }  # fmt: skip
    for outcome in ("failed", "unscored", "measured", "error"):
        made = shared("toxicity", outcome, **evidence)
        assert INSULT not in json.dumps(made)
        assert made["reply"] == "[withheld: 38 characters that may do harm; --slm-include-harmful shows them]"
        assert (made["prompt"], made["why"], made["samples"][1], len(made["other replies"])) == ("p", "helps", 3, 2)
    assert shared("toxicity", "failed", harmful=True, **evidence)["other replies"] == [INSULT, {"x": INSULT}]


def test_replies_that_do_no_harm_are_shown() -> None:
    assert shared("toxicity", "passed", reply=INSULT)["reply"] == INSULT
    assert shared("toxicity", "failed", reply=NO)["reply"] == NO  # a refusal without need
    assert shared("toxicity", "unscored", reply="")["reply"] == ""
    assert shared("robustness", "failed", reply=INSULT)["reply"] == INSULT


@pytest.mark.parametrize("scores", [0.9, [0.1, 0.9], {"insult": 0.5}, (0.5,)])
def test_what_a_scorer_flagged_is_withheld_in_every_dimension(scores: Any) -> None:
    for outcome in ("passed", "failed"):
        made = shared("fairness", outcome, reply=INSULT, toxicity=scores)
        assert INSULT not in json.dumps(made)
        assert made["toxicity"]
    assert "withheld" in shared("toxicity", "failed", reply=NO, toxicity=scores)["reply"]


@pytest.mark.parametrize("scores", [0.49, [], {}, None, "high", [None, "x"], float("nan")])
def test_other_scores_withhold_nothing(scores: Any) -> None:
    assert shared("fairness", "failed", reply=INSULT, toxicity=scores)["reply"] == INSULT


def test_a_users_own_probe_shows_what_its_author_chose() -> None:
    found = Finding("probe_mine.py::p[1]", "p", "toxicity", "1", "s", "failed", evidence={"reply": INSULT})
    assert Mask(b"k").finding(found).evidence["reply"] == INSULT


def test_equal_length_is_all_that_is_told_of_what_is_withheld() -> None:
    one, other = (shared("toxicity", "failed", reply=text)["reply"] for text in ("abc", "xyz"))
    assert one == other
