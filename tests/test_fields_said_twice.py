"""Each pair of fields of an audit that say the same thing: one of them edited, and everything that follows made to fit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from runs import run
from test_edited_audits import consistent
from test_foreign_harness import results
from test_versus import CONFTEST, OPTIONS, PROBE

from pytest_slmtrust.archive import stated
from pytest_slmtrust.archive.twice import disagreeing
from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.counting import ByGate
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.cli import main
from pytest_slmtrust.plugin import options as of_pytest

Data = dict[str, Any]
RATE, PAIR = 0, 1


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    folder = tmp_path_factory.mktemp("twice")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "probe_polite.py").write_text(PROBE.format(n=40, extra=", tolerance=0.3"))
    runs = {
        "plain": ("--slm=conftest:child",), "pair": ("--slm=conftest:child", "--slm-vs=conftest:parent"),
        "late": ("--slm=conftest:child", "--slm-budget=0.001s"), "stopped": ("--slm=conftest:clean", "--slm-early-stop"),
    }  # fmt: skip
    for name, options in runs.items():
        run(folder, *options, f"--slm-report={name}", *OPTIONS, "-p", "no:cacheprovider")
    for name, samples in (("imported", True), ("summed up", False)):
        path = results(folder / f"from {name}", [1.0] * 25 + [0.0] * 5)
        if not samples:
            next(path.parent.glob("samples_*")).unlink()
        assert main(["import", str(path), "--report", str(folder / name), "--gate=spelling=0.4"]) == 0
    return {name: json.loads((folder / name / "audit.json").read_text()) for name in (*runs, "imported", "summed up")}


def finding(data: Data, place: int = 0) -> Data:
    found: Data = data["findings"][place]
    return found


def gate(data: Data, place: int = RATE) -> Data:
    found: Data = data["gates"][place]
    return found


def of_gate(data: Data, name: str) -> Data:
    found: Data = data["settings"][name][gate(data)["nodeid"]]
    return found


def measure(data: Data) -> Data:
    found: Data = gate(data)["measures"][0]["estimate"]
    return found


def _packed(data: Data) -> None:
    """Make a user's finding look like one of a pack that has no such gate."""
    data["findings"].append({**copy.deepcopy(finding(data)), "nodeid": "slm::toxicity::x[1]", "probe": "x", "case": "1"})


def _moved(data: Data, field: str, value: str) -> None:
    for one in [*data["gates"], *data["findings"]]:
        one[field] = one[field].replace("probe_polite.py", value) if field == "nodeid" else value


#: The two fields, the audit, and the edit of one of them.
PAIRS: dict[str, tuple[str, Callable[[Data], object]]] = {
    "finding's node id and probe": ("plain", lambda d: finding(d).update(probe="other")),
    "finding's probe and that of its gate": ("plain", lambda d: [one.update(probe="other") for one in d["findings"]]),
    "finding's node id and case": ("plain", lambda d: finding(d).update(case="other")),
    "finding's dimension and that of its gate": ("plain", lambda d: finding(d).update(dimension="privacy")),
    "dimension of all findings and of their gate": ("plain", lambda d: [
        one.update(dimension="privacy") for one in d["findings"]]),
    "gate's dimension and that of its findings": ("plain", lambda d: gate(d).update(dimension="privacy")),
    "finding's place and its dimension": ("plain", lambda d: _moved(d, "nodeid", "slm::privacy")),
    "finding and its gate": ("plain", _packed),
    "gate's node id and probe": ("plain", lambda d: gate(d).update(probe="other")),
    "gate's node id and limit": ("plain", lambda d: gate(d).update(tolerance=None)),
    "gate's node id and its want of a limit": ("plain", lambda d: gate(d).update(
        nodeid=gate(d)["nodeid"].replace("gate[", "measure["))),
    "baseline's node id and probe": ("pair", lambda d: d["baseline"]["findings"][0].update(probe="other")),
    "baseline's node id and case": ("pair", lambda d: d["baseline"]["findings"][0].update(case="other")),
    "item of a case in both models": ("pair", lambda d: d["baseline"]["findings"][0].update(source="other")),
    "parts of a case in both models": ("pair", lambda d: d["baseline"]["findings"][0].update(parts={"a": "b"})),
    "dimension of a case in both models": ("pair", lambda d: d["baseline"]["findings"][0].update(dimension="privacy")),
    "dimension of a gate and of its comparison": ("pair", lambda d: gate(d, PAIR).update(dimension="privacy")),
    "cases of the settings and of the findings": ("plain", lambda d: d["findings"].pop(0)),
    "one case more in the settings": ("plain", lambda d: of_gate(d, "asked").update(other="0" * 32)),
    "one case less in the settings": ("stopped", lambda d: of_gate(d, "asked").pop(finding(d)["case"])),
    "items asked in time and their findings": ("late", lambda d: of_gate(d, "unasked").update(asked=20)),
    "items planned in time and their findings": ("late", lambda d: of_gate(d, "unasked").update(planned=41)),
    "items that a gate asked and those of the settings": ("stopped", lambda d: d["settings"].update(
        unasked={gate(d)["nodeid"]: {"asked": 1, "planned": 40}}, options={**d["settings"]["options"], "budget": "1s"})),
    "what is spent and its dimension": ("plain", lambda d: d["provenance"]["spent"][0].update(dimension="privacy")),
    **{
        f"gates and those of settings.{name}": ("plain", lambda d, name=name, value=value: d["settings"][name].update(
            {"slm::toxicity::gate[other]": value}))  # type: ignore[misc]
        for name, value in (("rows_sha256", "0" * 64), ("asked", {}), ("judged", "0" * 32))
    },
    "limit of a gate and of the settings": ("plain", lambda d: d["settings"].update(tolerances={"stays_polite": 0.2})),
    "limit of an import and of the settings": ("imported", lambda d: d["settings"]["tolerances"].update(spelling=0.36)),
    "limit of an import that nobody set": ("imported", lambda d: d["settings"]["tolerances"].clear()),
    "limit of a sum and of the settings": ("summed up", lambda d: d["settings"].pop("tolerances")),
    "test of an import and its identity": ("imported", lambda d: d["settings"]["rows_sha256"].clear()),
    "input of the profile and its option": ("plain", lambda d: d["settings"]["options"].update(members="documents.txt")),
    "option and its input of the profile": ("plain", lambda d: d["settings"]["profile"]["inputs"].update(data="folder")),
    "other model and its option": ("pair", lambda d: d["settings"]["options"].update(vs="conftest:stranger")),
    "option and the other model": ("pair", lambda d: d["settings"]["profile"]["inputs"].clear()),
    "number and why there is none": ("summed up", lambda d: gate(d)["reading"].update(broken="it broke")),
    "number and the end of its interval": ("imported", lambda d: measure(d).update(lower=0.7)),
    "number and its interval": ("summed up", lambda d: measure(d).update(value=0.9)),
    "interval and its items": ("summed up", lambda d: measure(d).update(n=1000)),
    "interval and its confidence": ("imported", lambda d: measure(d).update(confidence=0.5)),
    "a number outside its interval": ("summed up", lambda d: gate(d)["reading"]["estimate"].update(
        value=0.999, method="mine")),
    "what is missing and its kind": ("plain", lambda d: gate(d).update(
        missing={"kind": "answer", "names": ["sing"], "said": "child"})),
    "a module and its extra": ("plain", lambda d: gate(d).update(missing={"kind": "module", "names": ["m"], "said": "none"})),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_one_of_two_fields_that_say_the_same_cannot_be_edited(pair: str, audits: dict[str, Data]) -> None:
    name, change = PAIRS[pair]
    data = copy.deepcopy(audits[name])
    change(data)
    edited = Audit.from_json(json.dumps(data))
    assert problems(edited)
    assert problems(consistent(data, audits[name])), "by somebody who has our code"


def test_the_inputs_are_those_of_the_options() -> None:
    assert (*of_pytest.INPUTS, "vs") == stated.INPUTS


@pytest.mark.parametrize("name", ["plain", "pair", "late", "stopped", "imported", "summed up"])
def test_fields_of_a_run_agree(name: str, audits: dict[str, Data]) -> None:
    audit = Audit.from_json(json.dumps(audits[name]))
    assert problems(audit) == []
    assert list(disagreeing(audit, ByGate(audit.findings))) == []
