"""A verdict needs an answer of the model: probes that ask it nothing, on no row or on some, in every kind of run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import run as run_pytest

from pytest_slmtrust import (
    Backend,
    Case,
    Classify,
    Failure,
    Generate,
    Loglikelihood,
    Perturb,
    Profile,
    RequestFailed,
    Steps,
    Verdict,
    ask,
    ask_all,
    probe,
)
from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.backends.fake import FakeBackend, SwapPerturber, WordListScorer
from pytest_slmtrust.cli import main
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.gatekeeper import VerdictError
from pytest_slmtrust.engine.store import Store

PROFILE = Profile("ci", 500, 500, 1, 0.05, 0.05, True)
SAYS = "asked the model nothing, or had no answer"


def _never(i: int) -> Steps[Verdict]:
    if i < 0:
        yield []
    return Verdict(True)


def _nothing_in_a_wave(i: int) -> Steps[Verdict]:
    yield from ask_all([])
    yield []
    return Verdict(True)


def _scorer(i: int) -> Steps[Verdict]:
    labels = yield from ask(Classify(f"text {i}"))
    return Verdict(labels["toxicity"] < 0.5)


def _perturber(i: int) -> Steps[Verdict]:
    text = yield from ask(Perturb(f"some text {i}", "char-swap"))
    return Verdict(bool(text))


def _reference(i: int) -> Steps[Verdict]:
    reply = yield from ask(Generate(f"Hello {i}", role="reference"))
    return Verdict(bool(reply.text))


def _score(i: int) -> Steps[Verdict]:
    labels = yield from ask(Classify(f"text {i}"))
    return Verdict(None, 1 - labels["toxicity"])


def _swallows(i: int) -> Steps[Verdict]:
    try:
        yield from ask(Generate(f"break {i}"))
    except RequestFailed:
        return Verdict(True)
    return Verdict(True)


def _asks(i: int) -> Steps[Verdict]:
    reply = yield from ask(Generate(f"Hello {i}"))
    return Verdict(bool(reply.text))


def _likelihood(i: int) -> Steps[Verdict]:
    found = yield from ask(Loglikelihood(f"Hello {i}", " you"))
    return Verdict(None, score=found.sum)


def _both(i: int) -> Steps[Verdict]:
    reply = yield from ask(Generate(f"Hello {i}"))
    labels = yield from ask(Classify(reply.text))
    return Verdict(labels["toxicity"] < 0.5)


def _unscored(i: int) -> Steps[Verdict]:
    if i < 0:
        yield []
    return Verdict.unscored("no edit changes this text")


class Breaks(FakeBackend):
    """A model that cannot answer what begins with ``break``."""

    def run(self, requests: Any) -> Iterator[tuple[int, Any]]:
        for n, answer in FakeBackend.run(self, requests):
            yield n, Failure("no answer") if str(getattr(requests[n], "prompt", "")).startswith("break") else answer


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    models: dict[str, Backend] = {"target": Breaks("fine"), "toxicity": WordListScorer(), "perturb": SwapPerturber()}
    named = {(kind.kind, role): one for role, one in models.items() for kind in one.answers}
    named["generate", "reference"] = FakeBackend("fine", name="reference")
    made = Engine(named, Store(tmp_path, "run"))
    yield made
    made.store.close()


def case_of(run: Any, packed: bool) -> Case:
    made = replace(probe(dimension="privacy", rows=[{"i": 1}], name="one")(run), packed=packed)
    return made.cases(PROFILE)[0]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("run", [_never, _nothing_in_a_wave, _scorer, _perturber, _reference, _score, _swallows])
def test_a_verdict_on_a_model_that_said_nothing_is_refused(engine: Engine, run: Any, packed: bool) -> None:
    case = case_of(run, packed)
    engine.prefetch([case])
    with pytest.raises(VerdictError, match=SAYS):
        engine.run(case)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("run", [_asks, _likelihood, _both, _unscored])
def test_a_row_that_asked_or_says_that_it_could_not_is_taken(engine: Engine, run: Any, packed: bool) -> None:
    case = case_of(run, packed)
    engine.prefetch([case])
    assert engine.run(case).outcome in ("passed", "measured", "unscored")


def test_a_script_answers_in_place_of_the_model(engine: Engine) -> None:
    assert engine.run(replace(case_of(_asks, packed=False), script="fine")).passed
    assert engine.run(replace(case_of(_never, packed=False), script="fine")).passed


CONFTEST = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
def model(): return FakeBackend("fine", name="child")
def parent(): return FakeBackend("fine", name="parent")
def pytest_slm_scorer(config): return WordListScorer()
"""
PROBES = '''
from pytest_slmtrust import Classify, Floor, Generate, Verdict, ask, probe

ROWS = [{"i": i} for i in range(80)]

@probe(dimension="privacy", rows=ROWS, tolerance=0.2)
def never(i):
    """It asks nothing."""
    if False: yield
    return Verdict(True)

@probe(dimension="privacy", rows=ROWS, tolerance=0.2)
def sometimes(i):
    """It asks on some rows."""
    if i % 2: yield from ask(Generate(f"Hello {i}"))
    return Verdict(True)

@probe(dimension="toxicity", rows=ROWS, tolerance=0.2)
def scorer_only(i):
    """It asks the scorer."""
    labels = yield from ask(Classify(f"Hello {i}"))
    return Verdict(labels["toxicity"] < 0.5)

def free(i):
    if False: yield
    return Verdict(True)

@probe(dimension="toxicity", rows=ROWS, tolerance=0.2, floor=Floor("replies", free, ROWS, 0.5))
def its_floor(i):
    """Its floor asks nothing."""
    reply = yield from ask(Generate(f"Hello {i}"))
    return Verdict(bool(reply.text))

@probe(dimension="toxicity", rows=ROWS, tolerance=0.2)
def by_rule(i):
    """It leaves rows without a question unscored."""
    if i == 3: return Verdict.unscored("nothing to ask")
    reply = yield from ask(Generate(f"Hello {i}"))
    return Verdict(bool(reply.text))
'''
GREEN = {"by_rule", "by_rule:vs"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "probe_mine.py").write_text(PROBES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def status_of(folder: Path, *options: str) -> dict[str, str]:
    done = run_pytest(folder, "--slm=conftest:model", "--slm-packs=none", "-q", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert SAYS in done.stdout
    data = json.loads((folder / "slmtrust-report" / "audit.json").read_text())
    assert main(["render", str(folder / "slmtrust-report" / "audit.json")]) == 0
    held = [g for g in data["gates"] if g["quantity"] != "accepted"]  # a lock says only that nothing got worse
    return {g["probe"] + (":vs" if g["quantity"] == "paired" else ""): g["status"] for g in held}


@pytest.mark.parametrize(
    "options", [(), ("-n", "2"), ("--slm-early-stop",), ("--slm-budget=10m",), ("--slm-vs=conftest:parent",)], ids=" ".join
)
def test_no_gate_passes_without_asking(folder: Path, options: tuple[str, ...]) -> None:
    found = status_of(folder, *options)
    assert {name for name, status in found.items() if status == "PASS"} <= GREEN
    assert found["by_rule"] == "PASS"
    assert found["its_floor"] == "UNEARNED"


def test_no_gate_of_merged_shards_passes_without_asking(folder: Path) -> None:
    for n in (1, 2):
        run_pytest(folder, "--slm=conftest:model", "--slm-packs=none", f"--slm-shard={n}/2", f"--slm-store=s{n}")
    assert main(["merge", str(folder / "s1"), str(folder / "s2"), "--into", str(folder / "all")]) == 0
    found = status_of(folder, "--slm-store=all")
    assert {name for name, status in found.items() if status == "PASS"} == {"by_rule"}


def test_a_lock_does_not_make_it_pass(folder: Path) -> None:
    status_of(folder)
    assert main(["accept", str(folder / "slmtrust-report" / "audit.json"), "--output", str(folder / "slmtrust.lock.json")]) == 0
    found = status_of(folder)
    assert {name for name, status in found.items() if status == "PASS"} == {"by_rule"}


def test_an_audit_that_judges_without_an_answer_is_refused(folder: Path) -> None:
    status_of(folder)
    audit = Audit.from_json((folder / "slmtrust-report" / "audit.json").read_text())
    assert problems(audit) == []
    bare = tuple(replace(one, answers=None) if one.outcome == "passed" else one for one in audit.findings)
    assert any("its outcome is passed, and the model gave no answer" in line for line in problems(replace(audit, findings=bare)))
    imported = replace(audit, findings=bare, model={**audit.model, "kind": "imported"})
    assert not any("gave no answer" in line for line in problems(imported))
