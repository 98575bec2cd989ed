"""A budget of time: what is asked within it, and that a gate that was cut short never says more than a full run could."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slmtrust import Floor, Generate, Verdict, ask, probe
from pytest_slmtrust.archive.accept import accept
from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.audit.model import AuditError, Finding, Status
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.authoring.probe import Probe
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.gate import Gate
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.asking import Budget, ask_all_of, duration, late_items, late_note
from pytest_slmtrust.session.session import AuditSession, selected_cases

MASK = Mask(b"0" * 16)


class Ticking(FakeBackend):
    """A model that takes a second for each request, by a clock of its own."""

    now = 0.0

    def run(self, requests: Any) -> Any:
        for index, one in enumerate(requests):
            self.now += 1.0
            yield from ((index, answer) for _, answer in FakeBackend.run(self, [one]))


def asks(name: str, n: int, tolerance: float | None = None, floor: int = 0, bad: int = 0) -> Probe:
    def twin(i: int) -> Any:
        reply = yield from ask(Generate(f"floor {name} {i}"))
        return Verdict(bool(reply.text))

    twins = Floor("replies", twin, [{"i": i} for i in range(floor)], 0.5) if floor else None

    @probe(dimension="privacy", rows=[{"i": i} for i in range(n)], name=name, tolerance=tolerance, floor=twins)
    def run(i: int) -> Any:
        """Holds."""
        yield from ask(Generate(f"{name} {i}"))
        return Verdict(i >= bad)

    return run


def session_of(tmp_path: Path, *probes: Probe, run: str = "one") -> tuple[AuditSession, Ticking]:
    model = Ticking("yes")
    engine = Engine({("generate", "target"): model, ("classify", "toxicity"): WordListScorer()}, Store(tmp_path, run))
    made = AuditSession(load_policy("ci"), engine, MASK)
    for one in probes:
        made.add(one, "probe_x.py")
    return made, model


def asked(made: AuditSession, model: Ticking, seconds: float, watched: bool = False) -> dict[str, Status]:
    suites = list(made.suites.values())
    cases = selected_cases((s, None) for s in suites)
    ask_all_of(made, cases, suites if watched else (), Budget(seconds, clock=lambda: model.now))
    return {s.probe.name: made.gate_result(s)[0].status for s in suites}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2m ", 120)])
def test_a_time(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["10", "m", "0s", "-5m", "10 m", "1e3s", "٣m", "5d", "9999999h", "nan s", ""])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ProbeError, match="expected a time such as 90s"):
        duration(text)


def test_whole_gates_first_and_the_rest_is_inconclusive(tmp_path: Path) -> None:
    made, model = session_of(tmp_path, asks("big", 180, 0.1), asks("small", 60, 0.1, floor=20), asks("free", 40))
    found = asked(made, model, 130)
    assert found["small"] is Status.PASS  # the cheaper gate is decided, rather than both begun
    assert found["big"] is Status.INCONCLUSIVE
    late = late_items(made)
    big, small = (next(s for s in made.suites.values() if s.probe.name == name) for name in ("big", "small"))
    assert small.gate_id not in late
    assert late[big.gate_id]["planned"] == 180
    assert 0 < late[big.gate_id]["asked"] < 60
    assert model.now < 130 * 1.2  # a round may end after the time
    result, rows = made.gate_result(big)
    assert len(rows) == result.items == 180
    assert result.unscored == 180 - late[big.gate_id]["asked"]
    before = model.now
    assert all(made.judge(s, c) is not None for s in made.suites.values() for c in s.cases)
    assert model.now == before  # nothing is asked after the time
    assert "big (" in late_note(late, "2m")[0]


def test_a_run_goes_on_from_the_store_and_comes_to_the_same_end(tmp_path: Path) -> None:
    probes = asks("one", 60, 0.1, floor=20), asks("two", 60, 0.1, bad=40)
    told = []
    for number in range(12):
        made, model = session_of(tmp_path, *probes, run=str(number))
        told.append(asked(made, model, 30))
        if not made.late:
            break
    assert 3 <= number < 12
    assert told[-1] == {"one": Status.PASS, "two": Status.FAIL}
    full, model = session_of(tmp_path / "full", *probes)
    assert asked(full, model, 1e6) == told[-1]
    ends = [(before[name], told[-1][name]) for before in told for name in before]
    assert all(now in (end, Status.INCONCLUSIVE) for now, end in ends)


def test_a_gate_that_was_not_begun_asks_nothing_and_says_nothing(tmp_path: Path) -> None:
    made, model = session_of(tmp_path, asks("first", 60, 0.1), asks("never", 300, 0.1, floor=30))
    found = asked(made, model, 20)
    assert found == {"first": Status.INCONCLUSIVE, "never": Status.INCONCLUSIVE}
    never = next(s for s in made.suites.values() if s.probe.name == "never")
    assert late_items(made)[never.gate_id] == {"asked": 0, "planned": 300}
    assert made.gate_result(never)[0].floor is None
    assert not any("never" in str(request.payload()) for call in model.calls for request in call)


def test_the_order_does_not_depend_on_outcomes(tmp_path: Path) -> None:
    orders = []
    for bad in (0, 60):
        made, model = session_of(tmp_path / str(bad), asks("one", 120, 0.1, bad=bad))
        asked(made, model, 40)
        orders.append([str(r.payload()) for call in model.calls for r in call])
    assert orders[0] == orders[1]


def test_with_early_stop_a_gate_is_decided_by_its_rounds(tmp_path: Path) -> None:
    made, model = session_of(tmp_path, asks("fails", 180, 0.1, bad=180), asks("later", 200, 0.1))
    found = asked(made, model, 50, watched=True)
    assert found["fails"] is Status.FAIL  # decided within two rounds, and stopped
    assert found["later"] is Status.INCONCLUSIVE
    late = late_items(made)
    later = next(s for s in made.suites.values() if s.probe.name == "later")
    assert list(late) == [later.gate_id]
    assert len(made.gate_result(later)[1]) == late[later.gate_id]["asked"]


@settings(max_examples=40)
@given(st.integers(30, 200), st.data())
def test_never_more_than_a_full_run_supports(n: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, n))
    late = data.draw(st.integers(0, n))
    outcomes = data.draw(st.permutations(["failed"] * failed + ["passed"] * (n - failed)))
    gate = Gate.over(asks("one", 1, 0.1), load_policy("ci"), n)

    def status(of: list[str]) -> Status:
        rows = [Finding(f"p::one[{i}]", "one", "privacy", str(i), str(i), out) for i, out in enumerate(of)]  # type: ignore[arg-type]
        return gate.check("p::gate[one]", rows, [], []).status

    short = status([*outcomes[: n - late], *itertools.repeat("unscored", late)])
    assert short in (status(list(outcomes)), Status.INCONCLUSIVE)


CONFTEST = """
import time
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
class Slow(FakeBackend):
    def run(self, requests):
        for i, r in enumerate(requests):
            time.sleep(0.01)
            yield from ((i, a) for _, a in FakeBackend.run(self, [r]))
def model():
    return Slow("yes", name="slow")
def pytest_slm_scorer(config):
    return WordListScorer()
"""
FILE = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"i": i} for i in range(90)], tolerance=0.2, unit="questions", verb="were wrong")
def holds(i):
    """Holds."""
    yield from ask(Generate(f"say {i}"))
    return Verdict(True)

@probe(dimension="toxicity", rows=[{"i": i} for i in range(3)])
def ordinary(i):
    """Ordinary tests."""
    yield from ask(Generate(f"tell {i}"))
    return Verdict(True)
'''


def test_a_run_says_what_it_had_no_time_for(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(probe_a=FILE)

    def run(*options: str) -> tuple[int, str]:
        done = pytester.runpytest_inprocess("--slm=conftest:model", "--slm-packs=none", "-p", "no:randomly", "-q", *options)
        return int(done.ret), "\n".join([*done.outlines, *done.errlines])

    status, said = run("--slm-budget=0.3s")
    assert status == 1
    assert "OUT OF TIME (--slm-budget=0.3s): 1 probe was not asked whole: holds (" in said
    assert " of 90 asked, 0 of these were wrong; allowed: at most 20 %" in said
    assert "INCONCLUSIVE: the blocking gate did not pass (holds)" in said
    path = pytester.path / "slmtrust-report" / "audit.json"
    audit = read_verified(path)
    assert problems(audit) == []
    assert list(audit.settings["unasked"]) == ["probe_a.py::gate[holds]"]
    from datetime import date

    with pytest.raises(AuditError, match="ran out of time"):
        accept(audit, date(2026, 1, 1))
    status, said = run("--slm-budget=1h")
    assert status == 0
    assert "OUT OF TIME" not in said
    assert read_verified(path).settings["unasked"] == {}
    for options, why in (
        (("--slm-budget=1m", "--slm-update-lock"), "these need all items"),
        (("--slm-budget=1m", "-n2"), "runs in one process"),
    ):
        status, said = run(*options)
        assert status == 4
        assert why in said
    assert "blocking gates first; at that pace not asked, or not asked whole: holds" in run("--slm-plan", "--slm-budget=1s")[1]
