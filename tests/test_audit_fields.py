"""An audit says in fields, not in sentences, what another part of the package reads: a metric's note, a lack, a detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FAKE_CONFTEST

from pytest_slmtrust.archive.files import read_audit
from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.model import Audit, AuditError, Lack, Missing, canonical
from pytest_slmtrust.report.view import dimension_views

Data = dict[str, Any]
#: Metrics whose texts look like the parts of the sentence that a gate's reason is made of.
METRICS = {
    "method": "Criterion(lambda f: Estimate(0.5, 0.4, 0.6, len(f), 'bootstrap; 2000 draws', 0.9), at_most=0.8)",
    "limit": "Criterion(lambda f: Estimate(0.5, 0.4, 0.6, len(f), 'at most 0.8 is required; at least', 0.95), at_most=0.8)",
    "quotes": "Criterion(lambda f: Reading(Estimate(0.5, 0.4, 0.6, len(f), '\\'', 0.95), 'of \\'ci\\'; at most 3'), at_most=0.8)",
    "newline": "Criterion(lambda f: Reading(Estimate(0.5, 0.4, 0.6, len(f), 'a\\nb; c', 0.95), 'one\\ntwo; \\\\'), at_least=0.1)",
    "void": "Criterion(lambda f: Reading(Estimate(0.5, 0.4, 0.6, len(f), 'm', 0.95), 'n; n', 'void; of at most 1'), at_most=0.8)",
    "broken": "Criterion(lambda f: 1 / 0, at_most=0.8)",
    "nothing": "Criterion(lambda f: 'needs a data set: x', at_most=0.8)",
    "short": "Criterion(lambda f: Estimate(0.5, 0.4, 0.6, len(f), '; at most', 0.5), at_most=0.8)",
    "note": "Criterion(lambda f: Reading(Estimate(0.9, 0.85, 0.95, len(f), '', 0.95), ''), at_most=0.8)",
}
HEAD = """
from pytest_slmtrust import Control, Criterion, Estimate, Generate, Judge, Reading, Verdict, ask, probe
from pytest_slmtrust.authoring.declarations import Reading

"""
PROBE = '''
@probe(dimension="fairness", name="{name}", rows=[{{"n": n}} for n in range({rows})]{extra})
def run_{name}(n):
    """Claim {name}."""
    reply = yield from ask(Generate(f"row {{n}}"))
    return Verdict(passed="bad" not in reply.text, evidence={{"prompt": str(n), "reply": reply.text}})
'''


@pytest.fixture
def made(pytester: pytest.Pytester) -> Callable[..., Data]:
    """The audit of a probe file under a scripted model."""

    def run(source: str, *options: str) -> Data:
        pytester.makeconftest(FAKE_CONFTEST.replace("{reply}", "return 'fine'"))
        pytester.makepyfile(probe_own=HEAD + source)
        pytester.runpytest("--slm=fake", "--slm-packs=none", *options)
        data: Data = json.loads((pytester.path / "slmtrust-report" / "audit.json").read_text())
        return data

    return run


def test_a_metric_may_say_anything(made: Callable[..., Data]) -> None:
    source = "".join(PROBE.format(name=name, rows=6, extra=f", criterion={of}") for name, of in METRICS.items())
    data = made(source)
    assert {g["probe"]: g["status"] for g in data["gates"]} == {
        "method": "PASS", "limit": "PASS", "quotes": "PASS", "newline": "PASS", "void": "INCONCLUSIVE", "broken": "INCONCLUSIVE",
        "nothing": "INCONCLUSIVE", "short": "INCONCLUSIVE", "note": "FAIL",
    }  # fmt: skip
    assert problems(Audit.from_json(json.dumps(data))) == []


def test_gates_of_a_profile_that_decides_nothing_are_rebuilt_too(made: Callable[..., Data]) -> None:
    source = "".join(PROBE.format(name=name, rows=3, extra=f", criterion={of}") for name, of in METRICS.items())
    data = made(source, "--slm-profile=smoke")
    assert {g["status"] for g in data["gates"]} == {"NOT DECIDABLE"}
    assert problems(Audit.from_json(json.dumps(data))) == []
    for gate in data["gates"]:
        gate["reason"] = gate["reason"].replace("'smoke'", "'ci'")
    assert len(problems(Audit.from_json(json.dumps(data)))) == len(METRICS)


def test_a_reading_that_was_changed_is_found(made: Callable[..., Data]) -> None:
    data = made(PROBE.format(name="void", rows=3, extra=f", criterion={METRICS['void']}"))
    for change in ({"void": ""}, {"note": "all is well"}, {"broken": "b", "estimate": None}):
        (gate,) = copied = json.loads(json.dumps(data["gates"]))
        gate["reading"] |= change
        assert problems(Audit.from_json(json.dumps({**data, "gates": copied}))), change


@pytest.mark.parametrize(
    ("missing", "reason", "promised_nothing"),
    [
        (Missing(Lack.INPUT, ("members", "vs")), "needs --slm-members, --slm-vs", True),
        (Missing(Lack.DATA, said="bbq/x.jsonl is not there"), "needs a data set: bbq/x.jsonl is not there", True),
        (
            Missing(Lack.MODULE, ("m",), "all"),
            "m is not installed: reinstall this package with its extra [all]",
            False,
        ),
        (Missing(Lack.ANSWER, ("loglikelihood",), "needs a model"), "needs a model does not answer loglikelihood", False),
    ],
)
def test_what_a_probe_lacks(missing: Missing, reason: str, promised_nothing: bool) -> None:
    assert missing.reason == reason
    assert missing.promised_nothing is promised_nothing


def test_a_model_named_like_a_lack_promises_all_the_same(pytester: pytest.Pytester) -> None:
    """A model may be named so that its sentence begins as that of a missing file does."""
    text = FAKE_CONFTEST.replace("{reply}", "return 'fine'")
    pytester.makeconftest(text.replace("Logged(reply)", "Logged(reply, name='needs --slm-members', answers=(Loglikelihood,))"))
    pytester.makepyfile(probe_own=HEAD + PROBE.format(name="asks", rows=60, extra=", tolerance=0.1, needs=(Generate,)"))
    pytester.runpytest("--slm=fake", "--slm-packs=none")
    data = json.loads((pytester.path / "slmtrust-report" / "audit.json").read_text())
    (gate,) = data["gates"]
    assert gate["missing"] == {"kind": "answer", "names": ["generate"], "said": "needs --slm-members"}
    assert gate["blocking"]
    assert problems(Audit.from_json(json.dumps(data))) == []
    gate["blocking"] = False
    assert problems(Audit.from_json(json.dumps(data)))


def test_labelled_cases_stand_in_the_report(made: Callable[..., Data]) -> None:
    labels = "[Control({'n': n}, 'bad' if n < 30 else 'good', n >= 30) for n in range(200)]"
    data = made(PROBE.format(name="own", rows=60, extra=f", tolerance=0.1, labelled={labels}"))
    (gate,) = data["gates"]
    assert gate["measured"]["labelled"]
    audit = Audit.from_json(json.dumps(data))
    assert problems(audit) == []
    lines = [v.quality for d in dimension_views(audit) for v in d.gates]
    assert lines == [(
        "the probe's detector: failures found 30 of 30, others let through 170 of 170; on the probe's labelled cases",
    )]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, r"an audit of format 2 of pytest-slmtrust '[\w.]+'; this version reads format 6"),
        ({"format": 2, "provenance": {}}, r"an audit of format 2; this version reads format 6"),
        ({"format": 2, "provenance": {"versions": {"pytest-slmtrust": "\x1b[2J\n::error::x"}}}, r"an audit of format 2 of"),
        ({"format": 99}, "an audit of format 99"),
        ({"format": "3"}, "expected a number"), ({"format": True}, "expected a number"),
    ],
)  # fmt: skip
def test_an_older_format_is_refused_by_name(change: Data, said: str, made: Callable[..., Data], tmp_path: Path) -> None:
    data = {**made(PROBE.format(name="p", rows=2, extra="")), **change}
    (tmp_path / "old.json").write_text(canonical(data))
    with pytest.raises(AuditError, match=said) as caught:
        read_audit(tmp_path / "old.json")
    assert str(caught.value).isprintable()
