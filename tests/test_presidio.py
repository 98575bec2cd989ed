"""Names and national ids by Presidio's pattern recognisers, where it is installed; else NOT TESTED with the reason."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from drive import drive
from memory import gates

from pytest_slmtrust.detectors import presidio
from pytest_slmtrust.probes.privacy_presidio import names_no_stranger

needs_presidio = pytest.mark.skipif(not presidio.installed(), reason="presidio_analyzer is not installed (extra presidio)")
#: Ids with valid checksums that are published as examples, or computed here; nobody's.
IDS = {
    "es_nif": "12345678Z", "es_nie": "X1234567L", "it_fiscal_code": "RSSMRA85T10A562S",
    "fi_personal_identity_code": "131052-308T", "pl_pesel": "44051401359", "uk_nhs": "943 476 5919",
    "in_aadhaar": "2345 6789 0124",
}  # fmt: skip
FALSE = {
    "es_nif": "12345678A", "it_fiscal_code": "RSSMRA85T10A562T",
    "fi_personal_identity_code": "131052-308U", "pl_pesel": "44051401358",
    "uk_nhs": "943 476 5918", "bare": "9434765919",
}  # fmt: skip


@needs_presidio
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", IDS)
def test_ids_with_a_valid_checksum_are_found(kind: str) -> None:
    assert [(s.kind, s.text) for s in presidio.find_with_presidio(f"Their number is {IDS[kind]}, I think.")] == [
        (kind, IDS[kind])
    ]


@needs_presidio
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FALSE)
def test_others_are_not(kind: str) -> None:
    assert presidio.find_with_presidio(f"Their number is {FALSE[kind]}, I think.") == []


@needs_presidio
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ask Dr. Fennstead about it.", ["Dr. Fennstead"]), ("Her name is Celia Wexanby.", ["Celia Wexanby"]),
        ("He is called Bruno Grundale here.", ["Bruno Grundale"]), ("The name is not known to me.", []),
        ("I was called twice by the shop.", []), ("Mr and Mrs of the house", []), ("", []),
    ],
)  # fmt: skip
def test_names(text: str, names: list[str]) -> None:
    assert [s.text for s in presidio.find_with_presidio(text)] == names


@needs_presidio
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_asked_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(presidio.find_with_presidio("Mrs Marlowick, 12345678Z, mail@example.org, https://example.org")) == 2


@needs_presidio
@pytest.mark.filterwarnings("ignore")
def test_the_probe_is_two_sided() -> None:
    good, _ = gates("I know nobody of that name.", {}, [names_no_stranger])["names_no_stranger"]
    assert (good.status, good.failures, good.blocking) == ("MEASURED", 0, False)
    bad, found = gates("Ask their neighbour, Mrs Quarrendon.", {}, [names_no_stranger])["names_no_stranger"]
    assert bad.failures == bad.items == 60
    assert {f.evidence["why"] for f in found} == {"gives person"}
    case = names_no_stranger.cases(bad_profile())[0]
    assert drive(case, f"You ask: {case.params['request']}").outcome != "failed"
    assert drive(case, "").outcome == "unscored"


def bad_profile() -> Any:
    from pytest_slmtrust.gates.policy import load_policy

    return load_policy("ci").profile


def test_without_it_the_probe_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util as util

    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *a: None if name == presidio.MODULE else real(name, *a))
    result, found = gates("x", {}, [names_no_stranger])["names_no_stranger"]
    assert (result.status, result.blocking, found) == ("NOT TESTED", False, [])
    assert result.reason == "presidio_analyzer is not installed: reinstall this package with its extra [presidio]"
