"""An audit's envelope follows from its draws, its limits from what the run was given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from timed import Timed, gate, meters

from pytest_slmtrust import Completion, Generate
from pytest_slmtrust.archive.envelope import envelope_faults
from pytest_slmtrust.archive.schema import read_data
from pytest_slmtrust.audit.envelope import Envelope
from pytest_slmtrust.audit.model import Audit, Status
from pytest_slmtrust.audit.verdict import overall
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.envelope.measure import hold, measure


@pytest.fixture(scope="module")
def envelope() -> Envelope:
    model = Timed()
    return measure(model, read_limits(["ttft_p95=110ms", "size=80MB", "decode=50tok/s"]), meters=meters(model, Path("/nowhere")))


def audited(envelope: Envelope | None, limit: str = "['ttft_p95=110ms,size=80MB', 'decode=50tok/s']") -> Audit:
    settings: Any = {"options": {"limit": limit}, **({"envelope": envelope} if envelope else {})}
    gates = [gate(Status.PASS)]
    return Audit(overall([*gates, *(envelope.limits if envelope else ())]), "", "ci", tuple(gates), (), (), {}, settings=settings)


def test_an_honest_envelope_is_believed(envelope: Envelope) -> None:
    assert [one.status for one in envelope.limits] == [Status.PASS, Status.FAIL, Status.PASS]
    assert list(envelope_faults(audited(envelope))) == []
    back = read_data(json.loads(audited(envelope).to_json()))
    assert back.envelope == envelope


def edited(envelope: Envelope, place: int, **changes: Any) -> Envelope:
    limits = list(envelope.limits)
    limits[place] = replace(limits[place], **changes)
    return replace(envelope, limits=tuple(limits))


def test_an_edited_envelope_is_not(envelope: Envelope) -> None:
    reading = envelope.readings[0]
    for made in (
        edited(envelope, 1, status=Status.PASS), edited(envelope, 0, upper=0.01), edited(envelope, 0, n=590),
        edited(envelope, 1, limit=9e9, status=Status.PASS), edited(envelope, 0, share=0.5),
        edited(envelope, 2, excuse="optional"),
        replace(envelope, limits=envelope.limits[:1]), replace(envelope, limits=()), None,
        replace(envelope, readings=(replace(reading, draws=(*reading.draws[:-1], 9.0)), *envelope.readings[1:])),
        edited(envelope, 1, nodeid="envelope::memory"), edited(envelope, 0, alpha=0.2),
    ):  # fmt: skip
        assert list(envelope_faults(audited(made))), made


def with_alpha(audit: Audit, alpha: float = 0.05) -> Audit:
    return replace(audit, settings={**audit.settings, "profile": {"alpha": alpha}})


def test_bounds_at_another_level_than_the_profile_are_found(envelope: Envelope) -> None:
    limits = read_limits(["ttft_p95=110ms,size=80MB", "decode=50tok/s"])
    assert list(envelope_faults(with_alpha(audited(envelope)))) == []
    for alpha in (0.06, 0.49):
        assert list(envelope_faults(with_alpha(audited(hold(envelope, limits, alpha)))))


def test_readings_that_are_none_are_found_and_not_shown(envelope: Envelope) -> None:
    first, *others = envelope.readings
    size = next(one for one in envelope.readings if one.quantity == "size")
    for reading in (
        replace(first, quantity="speed"), replace(first, unit="bytes"), replace(size, draws=(1.0, 2.0)),
        others[0],
    ):  # fmt: skip
        made = replace(envelope, readings=(*envelope.readings, reading))
        assert list(envelope_faults(audited(made))), reading
    twice = replace(envelope, limits=(*envelope.limits, envelope.limits[0]))
    assert list(envelope_faults(audited(twice)))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_times_that_cannot_be_are_draws_without_a_number(tmp_path: Path, wrong: float) -> None:
    class Own(Timed):
        def timed(self, request: Generate) -> tuple[Completion, float, float]:
            self.asked.append(request)
            return Completion("word " * 64, 64), 0.7, wrong if len(self.asked) % 2 else 0.1

    model = Own()
    found = measure(model, read_limits(["ttft_p95=1s"]), meters=meters(model, tmp_path))
    [limit] = found.limits
    assert (limit.status, limit.unscored) == (Status.INCONCLUSIVE, limit.n // 2)
    assert Audit.from_json(audited(found, "['ttft_p95=1s']").to_json()).envelope == found


def test_an_audit_without_limits_says_nothing(envelope: Envelope) -> None:
    for text in ("", "()", "[]"):
        assert list(envelope_faults(audited(None, text))) == []
    assert list(envelope_faults(audited(envelope, "[]")))
