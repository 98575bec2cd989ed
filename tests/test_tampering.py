"""An audit whose numbers, statuses or verdict do not follow from its findings is refused, however it was changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import run
from test_versus import CONFTEST, OPTIONS, PROBE

from pytest_slmtrust.archive.noted import left_out
from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.envelope import REPLY_TOKENS
from pytest_slmtrust.audit.model import Audit, AuditError, canonical
from pytest_slmtrust.audit.verdict import overall, sentence
from pytest_slmtrust.envelope.tasks import WARM

Data = dict[str, Any]


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    folder = tmp_path_factory.mktemp("audits")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "probe_polite.py").write_text(PROBE.format(n=200, extra=", tolerance=0.1"))
    runs = {
        "clean": ("--slm=conftest:child",), "broken": ("--slm=conftest:broken",),
        "pair": ("--slm=conftest:broken", "--slm-vs=conftest:parent"), "stopped": ("--slm=conftest:broken", "--slm-early-stop"),
    }  # fmt: skip
    for name, options in runs.items():
        run(folder, *options, f"--slm-report={name}", *OPTIONS)
    run(folder, "--slm=conftest:broken", "--slm-budget=0.001s", "--slm-report=late", *OPTIONS, "-p", "no:cacheprovider")
    runs["late"] = ()
    return {name: json.loads((folder / name / "audit.json").read_text()) for name in runs}


def gate(data: Data, kind: str = "rate") -> Data:
    found: Data = next(g for g in data["gates"] if g["quantity"] == kind)
    return found


def only(data: Data, kind: str) -> Data:
    data["gates"] = [gate(data, kind)]
    return gate(data, kind)


def options(data: Data) -> Data:
    found: Data = data["settings"]["options"]
    return found


def _waived(data: Data) -> None:
    waiver = {"probe": "something_else", "reason": "r", "owner": "o", "expires": "2001-01-01", "expired": False}
    data["waivers"] = [waiver]
    gate(data)["waiver"] = waiver


def _waived_by_nobody(data: Data, owner: str = "A. Person") -> None:
    waiver = {"probe": "stays_polite", "reason": "r", "owner": owner, "expires": "2099-01-01", "expired": False}
    data["waivers"] = [waiver]
    gate(data)["waiver"] = waiver


def _advised(data: Data) -> None:
    perfect = {
        "name": "x",
        "data": "y",
        "tp": 1000,
        "fn": 0,
        "tn": 1000,
        "fp": 0,
        "good": False,
        "single": True,
        "labelled": False,
        "outside": True,
    }
    gate(data).update(measured=perfect, advisory="weak", blocking=False)


def _passes_first(data: Data) -> None:
    found = {f["source"]: f["outcome"] for f in data["findings"]}
    order = sorted(found, key=lambda s: found[s] != "passed")
    gate(data).update(stopped={"planned": len(order), "order": order}, lower=0.2, upper=0.03, status="PASS")


def _one_item_often(data: Data) -> None:
    passed = next(f["source"] for f in data["findings"] if f["outcome"] == "passed")
    order = [passed] * 200 + gate(data)["stopped"]["order"]
    gate(data).update(stopped={"planned": len(order), "order": order}, status="PASS")


def _no_pairs(data: Data) -> None:
    none = {"both": 0, "worse": 0, "better": 0, "neither": 0}
    only(data, "paired")["paired"].update(judged=none, worst=none, best=none, mcnemar=None)
    gate(data, "paired")["status"] = "PASS"
    data["findings"], data["baseline"]["findings"] = [], []


def _baseline_twice(data: Data) -> None:
    worse = [{**f, "outcome": "failed"} for f in data["baseline"]["findings"]]
    data["baseline"]["findings"] += worse


ATTACKS: dict[str, tuple[str, Callable[[Data], object]]] = {
    "no cases": ("broken", lambda d: gate(d).update(cases=0, failures=0, lower=0.0, upper=0.015, status="PASS")),
    "other side": ("broken", lambda d: gate(d).update(side="at least", status="PASS")),
    "tolerance 1": ("broken", lambda d: gate(d).update(tolerance=1.0, status="PASS")),
    "tolerance": ("broken", lambda d: gate(d).update(tolerance=0.5, status="PASS")),
    "alpha": ("broken", lambda d: gate(d).update(alpha=0.4)),
    "a metric": ("broken", lambda d: gate(d).update(quantity="metric", lower=0.0, upper=0.0, status="PASS")),
    "a mean": ("broken", lambda d: gate(d).update(quantity="mean", tolerance=1.0, lower=0.0, upper=1.0, status="PASS")),
    "measured": ("broken", lambda d: gate(d).update(status="MEASURED", blocking=False)),
    "not tested": ("broken", lambda d: gate(d).update(status="NOT TESTED", blocking=False)),
    "not decidable": ("broken", lambda d: gate(d).update(status="NOT DECIDABLE", blocking=False)),
    "gate dropped": ("broken", lambda d: d["gates"].pop(0)),
    "waiver of another": ("broken", _waived),
    "waiver that nobody gave": ("broken", _waived_by_nobody),
    "waiver of a lock that is not there": ("broken", lambda d: _waived_by_nobody(d, "the lock")),
    "options dropped": ("clean", lambda d: d["settings"].pop("options")),
    "options emptied": ("clean", lambda d: options(d).clear()),
    "an option dropped": ("clean", lambda d: options(d).pop("gate")),
    "an option that is no list": ("clean", lambda d: options(d).update(gate="['stays_polite']")),
    "what was required": ("clean", lambda d: [options(d).update(require="privacy"), d["settings"].pop("required")]),
    "the only dimension": ("clean", lambda d: [options(d).update(dimensions="toxicity"), d["settings"].pop("dimensions")]),
    "packs dropped": ("clean", lambda d: [d["settings"].pop("packs"), d.update(notes=[])]),
    "an early end that nobody asked for": ("stopped", lambda d: options(d).update({"early-stop": "False"})),
    "a budget that nobody gave": ("late", lambda d: options(d).update(budget="")),
    "what was not asked in time": ("late", lambda d: [d["settings"].pop("unasked"), d.update(notes=d["notes"][:1])]),
    "weak detector": ("broken", _advised),
    "numbers": ("broken", lambda d: gate(d).update(worst=0.0, best=0.0, reason="0 of 200 items failed")),
    "estimate": ("broken", lambda d: gate(d)["estimate"].update(value=0.0, lower=0.0, upper=0.0)),
    "holm": ("broken", lambda d: gate(d).update(p_holm=1.0)),
    "floor": ("clean", lambda d: gate(d).update(
        floor={"claim": "answers", "passed": 0, "total": 30, "lower": 1.0, "at_least": 0.5})),
    "power": ("clean", lambda d: gate(d).update(power=1.0)),
    "finding twice": ("clean", lambda d: d["findings"].append(copy.deepcopy(d["findings"][0]))),
    "gate twice": ("clean", lambda d: d["gates"].append(copy.deepcopy(d["gates"][0]))),
    "nothing untested": ("clean", lambda d: d.update(not_tested=[])),
    "passes first": ("broken", _passes_first),
    "one item often": ("stopped", _one_item_often),
    "planned": ("stopped", lambda d: gate(d)["stopped"].update(planned=100)),
    "pair measured": ("pair", lambda d: only(d, "paired").update(status="MEASURED", blocking=False)),
    "no pairs": ("pair", _no_pairs),
    "margin": ("pair", lambda d: only(d, "paired").update(tolerance=0.5, status="PASS")),
    "difference": ("pair", lambda d: only(d, "paired")["estimate"].update(value=-0.2, lower=-0.3, upper=-0.1)),
    "items of a pair": ("pair", lambda d: only(d, "paired").update(items=9999)),
    "baseline twice": ("pair", _baseline_twice),
    "baseline's floor": ("pair", lambda d: only(d, "paired")["paired"].update(
        baseline_floor={"claim": "a", "passed": 30, "total": 30, "lower": 0.0, "at_least": 0.5})),
    "note of own probes alone": ("clean", lambda d: d.update(notes=[])),
    "note of own probes in part": ("pair", lambda d: d.update(notes=["NO BUILT-IN AUDIT"])),
    "packs that were not there": ("clean", lambda d: d.update(notes=[], settings={**d["settings"], "packs": ["builtin"]})),
    "note of what was excused": ("clean", lambda d: d["settings"]["options"].update(optional="stays_polite")),
    "cases changed over": ("clean", lambda d: [
        d["findings"][n].update(case=d["findings"][1 - n]["nodeid"][-7:-1]) for n in (0, 1)]),
    "case of the baseline": ("pair", lambda d: d["baseline"]["findings"][3].update(case="0")),
    "name of the baseline": ("pair", lambda d: gate(d, "paired")["paired"].update(baseline="gpt-9")),
    "model of the baseline": ("pair", lambda d: d["baseline"]["model"].update(name="gpt-9")),
    "comparison dropped": ("pair", lambda d: only(d, "rate")),
    "comparison and baseline dropped": ("pair", lambda d: [only(d, "rate"), d.update(baseline=None)]),
    "profile that was asked for": ("clean", lambda d: options(d).update(profile="smoke")),
    "packs that were asked for": ("clean", lambda d: options(d).update(packs="mine")),
    "packs": ("clean", lambda d: d["settings"].update(packs=["mine"])),
    "a dimension that was required": ("clean", lambda d: options(d).update(require="privacy, toxicity")),
    "a dimension that was asked for": ("clean", lambda d: options(d).update(dimensions="toxicity")),
    "a limit that was given": ("clean", lambda d: options(d).update(gate="['stays_polite=4%']")),
    "another limit than was given": ("clean", lambda d: [
        options(d).update(gate="['stays_polite=4%']"), d["settings"].update(tolerances={"stays_polite": 0.3})]),
    "a limit that nobody gave": ("clean", lambda d: d["settings"].update(tolerances={"something_else": None})),
    "a margin that nobody gave": ("pair", lambda d: d["settings"].update(margins={"stays_polite": 0.3})),
    "identity of rows": ("clean", lambda d: d["settings"].pop("rows_sha256")),
    "identity of what is asked": ("broken", lambda d: d["settings"]["asked"].clear()),
    "identity of how is judged": ("stopped", lambda d: d["settings"].pop("judged")),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_a_change_is_found(name: str, audits: dict[str, Data], tmp_path: Path) -> None:
    source, change = ATTACKS[name]
    data = copy.deepcopy(audits[source])
    change(data)
    made = Audit.from_json(json.dumps(data))
    data["verdict"] = str(overall(made.gates))  # whoever changes a file makes its verdict fit
    data["sentence"] = sentence(overall(made.gates), made.gates)
    path = tmp_path / "audit.json"
    path.write_text(canonical(data))
    with pytest.raises(AuditError):
        read_verified(path)
    assert problems(made)


@pytest.mark.parametrize("name", ["clean", "broken", "pair", "stopped", "late"])
def test_what_was_written_is_accepted(name: str, audits: dict[str, Data]) -> None:
    assert problems(Audit.from_json(json.dumps(audits[name]))) == []


def test_another_sentence_is_found(audits: dict[str, Data]) -> None:
    data = {**audits["broken"], "sentence": "FAIL: but really 99 of 99 blocking gates pass"}
    assert "sentence" in problems(Audit.from_json(json.dumps(data)))[0]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"rows_sha256": 0}}, {"settings": {"profile": 3}}, {"settings": {"profile": {"margin": "x"}}},
        {"settings": {"profile": {"alpha": 7}}}, {"provenance": {"versions": []}},
    ],
)  # fmt: skip
def test_wrong_types_are_one_line(change: Data, audits: dict[str, Data], tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_text(canonical({**audits["clean"], **change}))
    with pytest.raises(AuditError, match=r"\A[^\n]*\Z"):
        read_verified(path)


def test_what_a_file_says_acts_on_no_terminal(audits: dict[str, Data], tmp_path: Path) -> None:
    data = copy.deepcopy(audits["broken"])
    gate(data).update(nodeid="x::\x1b[2J\n::error::gate[y]", status="PASS")
    path = tmp_path / "audit.json"
    path.write_text(canonical(data))
    with pytest.raises(AuditError) as caught:
        read_verified(path)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "head"),
    [
        (lambda d: d["settings"].update(unasked={"a::gate[b]": {"asked": 3, "planned": 9}}), "OUT OF TIME"),
        (lambda d: d["model"].update(kind="endpoint", canaries={"unstable": 3, "asked": 8}), "NOISE"),
        (lambda d: d["model"].update(kind="endpoint", left_out=["http://b"]), "REPLICAS LEFT OUT"),
        (lambda d: d["resources"].update(thoughts=7, thoughts_unfinished=2), "THINKS"),
        (lambda d: d["settings"].update(required=["privacy"]), "REQUIRED AND NOT TESTED"),
        (
            lambda d: d.update(waivers=[{"probe": "p", "reason": "r", "owner": "o", "expires": "2001-01-01", "expired": True}]),
            "WAIVER EXPIRED",
        ),
    ],
)
def test_a_note_that_the_rest_of_an_audit_calls_for_may_not_be_left_out(
    change: Callable[[Data], object], head: str, audits: dict[str, Data]
) -> None:
    data = copy.deepcopy(audits["clean"])
    assert list(left_out(Audit.from_json(json.dumps(data)))) == []
    change(data)
    found = list(left_out(Audit.from_json(json.dumps(data))))
    assert len(found) == 1
    assert head in found[0]
    data["notes"].append(f"{head}: in other words")  # names in it may be masked
    assert list(left_out(Audit.from_json(json.dumps(data)))) == []


READING = {"quantity": "latency", "unit": "s", "of": "to the end", "draws": [1.0, None, 2.0], "lacking": "", "task": ""}
LOAD = {"device": "cpu", "batch": 1, "prompt_tokens": 9, "reply_tokens": REPLY_TOKENS, "warm": WARM, "seconds": 3.0}


@pytest.mark.parametrize(("part", "change", "found"), [
    ("load", {}, False), ("load", {"reply_tokens": 0}, False), ("load", {"batch": 64}, True), ("load", {"reply_tokens": 1}, True),
    ("load", {"warm": 0}, False), ("load", {"warm": 1}, True), ("reading", {"lacking": "no clock"}, True),
    ("reading", {"lacking": "no clock", "draws": [None, None]}, False), ("reading", {"lacking": "no clock", "draws": []}, False),
])  # fmt: skip
def test_what_an_envelope_says_of_itself(part: str, change: Data, found: bool, audits: dict[str, Data]) -> None:
    data = copy.deepcopy(audits["clean"])
    load, reading = (one | (change if part == name else {}) for name, one in (("load", LOAD), ("reading", READING)))
    data["settings"]["envelope"] = {"load": load, "readings": [reading], "limits": []}
    assert bool(problems(Audit.from_json(json.dumps(data)))) is found
