"""Each finding goes from its item to the audit once, and nothing is written into what is frozen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from conftest import FAKE_CONFTEST, PROBE_FILE
from test_gates import make

from pytest_slmtrust import Case
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.asked_rows import rows_sha256
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.plugin.wiring import Setup

LOG = """
import json, pathlib
def pytest_runtest_logreport(report):
    text = getattr(report, "slmtrust", None)
    if text:
        with pathlib.Path("payloads").open("a") as log:
            log.write(text + "\\n")
"""


@pytest.mark.parametrize(
    ("selected", "of_the_gate"),
    [((), 0), (("-k", "gate"), 12), (("-k", "gate or stays_polite"), 0), (("--deselect", "probe_it.py::CASE"), 1)],
)  # fmt: skip
def test_a_finding_is_handed_over_once(pytester: pytest.Pytester, selected: tuple[str, ...], of_the_gate: int) -> None:
    pytester.makeconftest(FAKE_CONFTEST.replace("{reply}", "return 'fine'") + LOG)
    pytester.makepyfile(probe_it=PROBE_FILE.format(n=12, extra=", tolerance=0.4"))
    options = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly", "-q")
    listed = pytester.runpytest(*options, "--co")
    case = next(line for line in listed.stdout.lines if "stays_polite[" in line).rpartition("::")[2]
    pytester.runpytest(*options, *(word.replace("CASE", case) for word in selected))
    payloads: list[dict[str, Any]] = [json.loads(line) for line in (pytester.path / "payloads").read_text().splitlines()]
    sent = Counter(f["nodeid"] for p in payloads for f in (*([p["finding"]] if "finding" in p else []), *p.get("findings", ())))
    assert len(sent) == 12
    assert set(sent.values()) == {1}
    assert [len(p["findings"]) for p in payloads if "gate" in p] == [of_the_gate]
    audit = json.loads((pytester.path / "slmtrust-report" / "audit.json").read_text())
    assert len(audit["findings"]) == audit["gates"][0]["cases"] == 12


def test_asking_a_case_leaves_it_as_it_was_made(tmp_path: Any) -> None:
    probe = make(4)
    cases = probe.cases(load_policy("ci").profile)
    before = [[getattr(case, f.name) for f in fields(case)] for case in cases]
    digest = rows_sha256(probe, cases)
    engine = Engine({("generate", "target"): FakeBackend("fine")}, Store(tmp_path, "run"))
    engine.prefetch(cases[:2])
    assert [[getattr(case, f.name) for f in fields(case)] for case in cases] == before
    assert set(engine.first) == set(cases[:2])
    assert rows_sha256(probe, cases, engine.first) == digest
    assert rows_sha256(probe, cases, {cases[3]: ["another question"]}) != digest


def test_what_is_frozen_holds_nothing_to_write_into() -> None:
    types = {f"{kind.__name__}.{f.name}": str(f.type) for kind in (Case, Setup) for f in fields(kind)}
    assert not [name for name, one in types.items() if one.startswith(("list", "dict", "set"))]
    with pytest.raises(FrozenInstanceError):
        Case("a", None, {}, "s").id = "b"  # type: ignore[arg-type, misc]
