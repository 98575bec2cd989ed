"""A real audit of the whole built-in pack, edited by somebody who has our code: what is found, what only a signature shows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import run

from pytest_slmtrust.archive.verify import _BROKEN, _Check, problems, verify
from pytest_slmtrust.audit.merkle import answers_root
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.audit.verdict import adjusted, overall, sentence

pytest.importorskip("profanity_check", reason="the scorer of the extra 'offline' is not installed")

Data = dict[str, Any]
Edit = Callable[[Data], object]
CONFTEST = """
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend, SwapPerturber
from pytest_slmtrust.backends.textattack import perturb

perturb.TextAttackBackend = SwapPerturber  # the import of TextAttack takes longer than the audit

def pytest_slm_backend(config):
    return FakeBackend(lambda r: "I'm sorry, but I can't help with that." if isinstance(r, Generate) else "unknown")
"""
SECRET, TOXIC, FORMAT = "keeps_system_secret", "continues_without_toxicity", "ignores_format_and_option_order"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = run(folder, "--slm=fake", "--slm-toxicity=profanity-check", "--slm-profile=smoke", "-q")
    assert done.returncode == 0, done.stdout[-2000:]
    data: Data = json.loads((folder / "slmtrust-report" / "audit.json").read_text())
    return data


def gate(data: Data, probe: str = SECRET) -> Data:
    found: Data = next(g for g in data["gates"] if g["probe"] == probe)
    return found


def findings(data: Data, probe: str = SECRET) -> list[Data]:
    return [f for f in data["findings"] if f["probe"] == probe]


def consistent(data: Data, whole: Data) -> Audit:
    """The audit as our own code makes it of the edited file: every changed gate decided anew by what the file says of it."""
    audit = Audit.from_json(json.dumps(data))
    check = _Check(audit)
    untouched = {json.dumps(g, sort_keys=True) for g in whole["gates"]}
    moved = {f["probe"] for f in data["findings"] if f not in whole["findings"]}
    moved |= {f["probe"] for f in whole["findings"] if f not in data["findings"]}
    gates = []
    for one, raw in zip(audit.gates, data["gates"], strict=True):
        made = one
        if json.dumps(raw, sort_keys=True) not in untouched or one.probe in moved:
            own = check.mine.of(one)
            with suppress(Exception):  # an edit that our own code cannot follow stays as it is
                made = check._silent(one, None) or check._rebuilt(replace(one, items=len({f.source for f in own})), own, None)
        gates.append(replace(made, waiver=one.waiver, beside=one.beside))
    gates = adjusted(gates)
    whole_again = replace(audit, gates=tuple(gates), verdict=overall(gates), sentence=sentence(overall(gates), gates))
    return replace(whole_again, answers_root=answers_root(whole_again))


def _drop(data: Data, probe: str) -> None:
    data["gates"] = [g for g in data["gates"] if g["probe"] != probe]
    data["findings"] = [f for f in data["findings"] if f["probe"] != probe]
    data["settings"]["rows_sha256"] = {k: v for k, v in data["settings"]["rows_sha256"].items() if f"[{probe}]" not in k}


def _elsewhere(data: Data, probe: str) -> None:
    """Make a built-in gate look like a user's."""
    for one in (gate(data, probe), *findings(data, probe)):
        one["nodeid"] = one["nodeid"].replace("slm::privacy", "probe_own.py")


def _untested(data: Data, missing: Data, reason: str, probe: str = SECRET) -> None:
    data["findings"] = [f for f in data["findings"] if f["probe"] != probe]
    gate(data, probe).update(status="NOT TESTED", missing=missing, reason=reason, items=0, blocking=False)
    row = {"what": probe, "dimension": gate(data, probe)["dimension"], "reason": reason}
    data["not_tested"].insert(0, row)


def _renamed_source(data: Data) -> None:
    for one in findings(data)[:2]:
        one["source"] = "one item"


def _another_case(data: Data) -> None:
    one = copy.deepcopy(findings(data)[0])
    data["findings"].append({**one, "nodeid": one["nodeid"].replace("[", "[x"), "case": "x", "source": "x", "outcome": "passed"})


def _scorer(data: Data, role: str) -> Data:
    found: Data = next(s for s in data["scorers"] if role in (s.get("role"), s.get("detector")))
    return found


EDITS: dict[str, Edit] = {
    "claim": lambda d: gate(d).update(claim="The model is safe."),
    "claim of a probe that was not asked": lambda d: gate(d, "crows_pairs").update(claim="The model is fair."),
    "detector": lambda d: gate(d).update(detector="an expert"),
    "detector of the last gate": lambda d: d["gates"][-1].update(detector="human raters"),
    "estimand": lambda d: gate(d).update(estimand="all prompts of the world"),
    "metric": lambda d: gate(d).update(metric="accuracy"),
    "paper": lambda d: gate(d).update(paper="Nature, 2026"),
    "note": lambda d: gate(d).update(note="reviewed by a notary"),
    "judge": lambda d: gate(d).update(judge="refusal"),
    "judge dropped": lambda d: gate(d).update(judge="", measured=None),
    "quantity": lambda d: gate(d).update(quantity="mean", tolerance=0.9),
    "side": lambda d: gate(d).update(quantity="mean", side="at least"),
    "tolerance": lambda d: gate(d).update(tolerance=0.5),
    "tolerance by an option that nobody gave": lambda d: gate(d, FORMAT).update(tolerance=0.3),
    "tolerance dropped": lambda d: gate(d).update(tolerance=None),
    "tolerance of the settings": lambda d: d["settings"]["tolerances"].update({SECRET: 0.9}),
    "tolerance of the settings, no number": lambda d: d["settings"]["tolerances"].update({SECRET: 7}),
    "where the limit was set": lambda d: d["settings"]["limits_from"].update({gate(d)["nodeid"]: "pack"}),
    "where no limit was set": lambda d: d["settings"]["limits_from"].update({gate(d)["nodeid"]: "ini file"}),
    "alpha of a gate": lambda d: gate(d).update(alpha=0.3),
    "alpha of all": lambda d: [d["settings"]["profile"].update(alpha=0.2), *(g.update(alpha=0.2) for g in d["gates"])],
    "a profile that decides": lambda d: d["settings"]["profile"].update(decides=True),
    "items of the profile": lambda d: d["settings"]["profile"].update(blocking_items=361),
    "draws": lambda d: d["settings"]["profile"].update(samples=25),
    "margin": lambda d: d["settings"]["profile"].update(margin=0.01),
    "name of the profile": lambda d: d.update(profile="audit"),
    "the whole profile": lambda d: [d.update(profile="ci"), d["settings"]["profile"].update(name="ci", decides=True)],
    "floor's least": lambda d: gate(d)["floor"].update(at_least=0.01),
    "floor's claim": lambda d: gate(d)["floor"].update(claim="answers anything"),
    "floor's rows": lambda d: gate(d)["floor"].update(total=1000, passed=1000),
    "floor dropped": lambda d: gate(d).update(floor=None),
    "floor made up": lambda d: gate(d, "survives_formatting").update(
        floor={"claim": "c", "passed": 30, "total": 30, "lower": 0.9, "at_least": 0.5}),
    "controls dropped": lambda d: gate(d).update(controls={"total": 0, "wrong": []}),
    "more controls": lambda d: gate(d).update(controls={"total": 500, "wrong": []}),
    "no controls": lambda d: gate(d).update(controls=None),
    "a control came out wrong": lambda d: gate(d)["controls"].update(wrong=["control-0 is labelled failed, came out as passed"]),
    "counts of the detector": lambda d: gate(d, "refuses_harmful_requests")["measured"].update(fn=0, fp=0),
    "counts of the scorer behind a gate": lambda d: gate(d, TOXIC)["measured"].update(tp=9999),
    "texts of the detector": lambda d: gate(d)["measured"].update(data="a million replies"),
    "counts of a detector dropped": lambda d: gate(d, TOXIC).update(measured=None),
    "counts of the rules": lambda d: _scorer(d, "refusal")["measured"][0].update(fn=0),
    "rules dropped": lambda d: d["scorers"].pop(),
    "counts of the toxicity scorer": lambda d: _scorer(d, "toxicity")["measured"][0].update(fp=0),
    "not tested, needs members": lambda d: _untested(
        d, {"kind": "input", "names": ["members"], "said": ""}, "needs --slm-members"),
    "not tested, needs data": lambda d: _untested(d, {"kind": "data", "names": [], "said": "x"}, "needs a data set: x"),
    "not tested, needs a module": lambda d: _untested(
        d, {"kind": "module", "names": ["m"], "said": "all"}, "m is not installed: reinstall this package with its extra [all]"),
    "not tested, does not answer": lambda d: _untested(
        d, {"kind": "answer", "names": ["classify"], "said": "fake"}, "fake does not answer classify"),
    "not tested, without a word": lambda d: _untested(d, None, "later", FORMAT),  # type: ignore[arg-type]
    "another need": lambda d: gate(d, "learned_no_canary").update(
        missing={"kind": "input", "names": ["members"], "said": ""}, reason="needs --slm-members"),
    "a probe dropped": lambda d: _drop(d, SECRET),
    "an unasked probe dropped": lambda d: _drop(d, "bbq"),
    "a probe of a user's": lambda d: _elsewhere(d, SECRET),
    "digest of the rows": lambda d: d["settings"]["rows_sha256"].update({gate(d)["nodeid"]: "0" * 64}),
    "digest of unasked rows": lambda d: d["settings"]["rows_sha256"].update({gate(d, "bbq")["nodeid"]: "0" * 64}),
    "digest dropped": lambda d: d["settings"]["rows_sha256"].pop(gate(d)["nodeid"]),
    "a case dropped": lambda d: d["findings"].remove(findings(d)[0]),
    "a case more": _another_case,
    "a case with another name": lambda d: findings(d)[0].update(case="x"),
    "items joined": _renamed_source,
    "reading of a built-in metric": lambda d: gate(d, "prefers_no_stereotype")["reading"]["estimate"].update(value=0.41),
    "method of a built-in metric": lambda d: gate(d, "prefers_no_stereotype")["reading"]["estimate"].update(method="exact"),
    "another number": lambda d: gate(d, "decides_alike_for_all_groups")["measures"][0]["estimate"].update(upper=0.1),
    "another number more": lambda d: gate(d).update(measures=[{**gate(d, "decides_alike_for_all_groups")["measures"][0]}]),
    "it blocks": lambda d: gate(d, FORMAT).update(blocking=True),
    "nothing untested": lambda d: d.update(not_tested=[]),
    "what has no probe": lambda d: d["not_tested"].pop(),
    "more that was not tested": lambda d: d["not_tested"].append({"what": "w", "dimension": "privacy", "reason": "r"}),
}  # fmt: skip

#: Edits that no reader can see: who wrote the file is shown by a signature alone.
SIGNED: dict[str, Edit] = {
    "name of the model": lambda d: d["model"].update(name="another-model"),
    "hash of its weights": lambda d: d["model"].update(fingerprint="fake:other:1"),
    "a reply": lambda d: findings(d)[0]["evidence"].update(reply="Of course not."),
    "every finding": lambda d: [f.update(outcome="failed") for f in findings(d)],
    "rows of a floor that passed": lambda d: gate(d)["floor"].update(passed=gate(d)["floor"]["total"]),
    "the date": lambda d: d["provenance"].update(started="2020-01-01T00:00:00+00:00"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_found(name: str, whole: Data) -> None:
    data = copy.deepcopy(whole)
    EDITS[name](data)
    try:
        edited = consistent(data, whole)
        if json.loads(edited.to_json()) == whole:  # our own code undoes it
            edited = Audit.from_json(json.dumps(data))
        first = next(_Check(edited).all(), None)
    except _BROKEN as error:
        first = str(error)
    assert first, name


@pytest.mark.parametrize("name", SIGNED)
def test_an_edit_that_only_a_signature_shows(name: str, whole: Data) -> None:
    data = copy.deepcopy(whole)
    SIGNED[name](data)
    assert data != whole
    assert problems(consistent(data, whole)) == []


def test_the_audit_itself_is_accepted(whole: Data) -> None:
    audit = Audit.from_json(json.dumps(whole))
    found = verify(audit)
    assert found.problems == ()
    assert found.known == len(audit.gates)
    assert found.other == ""
    assert json.loads(consistent(whole, whole).to_json()) == whole


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d["provenance"]["versions"].update({"pytest-slmtrust": "9.9"}), "provenance.versions"),
        (lambda d: d["provenance"]["versions"].pop("pytest-slmtrust"), "provenance.versions"),
        (lambda d: d["provenance"].update(probes_sha256="0" * 64), "provenance.probes_sha256"),
        (lambda d: d["provenance"].pop("probes_sha256"), "provenance.probes_sha256"),
    ],
)  # fmt: skip
def test_another_version_is_never_passed_over_in_silence(
    change: Edit, field: str, whole: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pytest_slmtrust.cli import main

    data = copy.deepcopy(whole)
    change(data)
    path = tmp_path / "audit.json"
    path.write_text(Audit.from_json(json.dumps(data)).to_json())
    assert main(["render", str(path)]) == 0
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "could not be checked by this version" in x]
    assert line.startswith(f"not checked: {field}: ")
    assert "could not be checked by this version" in (tmp_path / "audit.html").read_text()


def test_the_report_shows_the_errors_of_every_detector_that_was_measured(whole: Data, tmp_path: Path) -> None:
    from pytest_slmtrust.report.html import render

    page = render(Audit.from_json(json.dumps(whole)))
    for probe, counts in ((SECRET, "160 of 160"), ("gives_no_personal_data", "200 of 200")):
        part = page.partition(f'id="probe-privacy-{probe}"')[2].partition("</article>")[0]
        assert "no measured sensitivity" not in part
        assert counts in part
