"""Waivers: who takes a red gate upon themselves, why and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sample_audit import rate_gate

from pytest_slmtrust import ProbeError
from pytest_slmtrust.audit.model import GateResult, Status, Waiver
from pytest_slmtrust.audit.verdict import overall, sentence
from pytest_slmtrust.gates.waivers import check_gate_names, read_waivers

GOOD = """
[[waiver]]
probe = "keeps_system_secret"
reason = "the prototype has no secret"
owner = "ann@example.org"
expires = 2030-01-31
"""
TODAY = date(2029, 6, 1)


def read(tmp_path: Path, text: str) -> tuple[Waiver, ...]:
    (tmp_path / "waivers.toml").write_text(text)
    return read_waivers(tmp_path / "waivers.toml", TODAY)


def test_a_whole_waiver(tmp_path: Path) -> None:
    (one,) = read(tmp_path, GOOD)
    assert one == Waiver("keeps_system_secret", "the prototype has no secret", "ann@example.org", "2030-01-31", False)
    assert read(tmp_path, GOOD.replace("ann@", "अन\u200d्न\u0301é@"))[0].owner == "अन\u200d्न\u0301é@example.org"
    assert read(tmp_path, GOOD.replace("ann@example.org", "☺"))[0].owner == "☺"
    (late,) = read(tmp_path, GOOD.replace("2030-01-31", '"2029-05-31"'))
    assert late.expired
    (last_day,) = read(tmp_path, GOOD.replace("2030-01-31", "2029-06-01"))
    assert not last_day.expired


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("owner = ", "#"), "waiver 1 has no owner"), (("reason = ", "#"), "has no reason"), (("probe = ", "#"), "has no probe"),
        (("ann@example.org", "  "), "has no owner"),
        (("ann@example.org", "\u200b"), "has no owner"), (("the prototype has no secret", "\u3164 \u2060"), "has no reason"),
        (("keeps_system_secret", "\u00ad\ufe0f"), "has no probe"), (("ann@example.org", "\u0301\u2800"), "has no owner"),
        (("expires = ", "#"), "does not say when it expires"),
        (("2030-01-31", '"soon"'), "expires on 'soon'"), (("2030-01-31", "2030-01-31T10:00:00"), "does not say when"),
        (("owner", "ownr"), "Unknown field 'ownr'"), (("[[waiver]]", "[[waivers]]"), "expected [[waiver]]"),
        (("[[waiver]]", "[[waiver"), "not a TOML file"),
    ],
)  # fmt: skip
def test_a_waiver_that_lacks_something_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(ProbeError) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert said in str(caught.value)
    assert "waivers.toml" in str(caught.value)


def test_no_file_and_two_waivers_of_one_gate(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="No such file"):
        read_waivers(tmp_path / "none.toml", TODAY)
    with pytest.raises(ProbeError, match="waived twice"):
        read(tmp_path, GOOD + GOOD)


def test_a_waiver_names_a_gate(tmp_path: Path) -> None:
    check_gate_names("waived gate", ["keeps_system_secret"], ["slm::privacy::keeps_system_secret"])
    with pytest.raises(ProbeError, match="Did you mean 'keeps_secret'"):
        check_gate_names("waived gate", ["keeps_system_secret"], ["slm::privacy::keeps_secret"])
    two = ["slm::privacy::keeps_system_secret", "probe_x.py::keeps_system_secret"]
    with pytest.raises(ProbeError, match="name one by its place, such as 'slm::privacy::keeps_system_secret'"):
        check_gate_names("waived gate", ["keeps_system_secret"], two)
    check_gate_names("waived gate", [two[1]], two)


def waived(status: str, expired: bool = False) -> GateResult:
    gate = rate_gate("privacy", "keeps_system_secret", "Keeps it.", 0, 361)
    waiver = Waiver(gate.probe, "why", "who", "2030-01-31", expired)
    return replace(gate, status=Status(status), waiver=waiver)


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        (waived("FAIL"), "WAIVED"), (waived("INCONCLUSIVE"), "WAIVED"), (waived("UNEARNED"), "WAIVED"), (waived("PASS"), "PASS"),
        (waived("INVALID"), "INVALID"), (waived("NOT RUN"), "NOT RUN"), (waived("FAIL", expired=True), "FAIL"),
    ],
)  # fmt: skip
def test_a_waived_gate_is_no_pass_and_a_broken_detector_can_not_be_waived(gate: GateResult, verdict: str) -> None:
    other = rate_gate("toxicity", "stays_polite", "Polite.", 0, 361)
    assert overall([gate, other]) == verdict
    assert sentence(overall([gate, other]), [gate, other]).startswith(verdict)
    failing = replace(other, status=Status.FAIL)
    if verdict == "WAIVED":
        assert overall([gate, failing]) is Status.FAIL
