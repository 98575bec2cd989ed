"""Quantities of gates: each has one class, and a new one needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_gates import make

import pytest_slmtrust
from pytest_slmtrust import Criterion, Estimate, Finding, ProbeError
from pytest_slmtrust.audit.bounds import Bounds
from pytest_slmtrust.audit.counting import Items
from pytest_slmtrust.audit.model import GateResult, MetricReading, Status
from pytest_slmtrust.audit.quantities import AT_LEAST, QUANTITIES, Quantity, Shown, of_estimate
from pytest_slmtrust.gates.gate import Checks, ControlCheck, Gate
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.plugin.terminal import numbers
from pytest_slmtrust.report.view import gate_view
from pytest_slmtrust.report.words import outcome

SEEN = Estimate(0.3, 0.2, 0.45, 40, "exact", 0.9)


class Lowest(Quantity):
    """The lowest score, for these tests."""

    name, title, chosen, sides = "lowest", "lowest score", True, (AT_LEAST,)

    def bounds(self, findings: Sequence[Finding], items: Items, alpha: float, reading: MetricReading | None) -> Bounds:
        low = min(f.score for f in findings if f.score is not None)
        return Bounds(Estimate(low, low, low, items.total, "as seen", 0.9), low, low)


@pytest.fixture
def lowest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUANTITIES, "lowest", Lowest())


def scored(*scores: float) -> list[Finding]:
    return [Finding(f"n{i}", "p", "privacy", str(i), str(i), "measured", score) for i, score in enumerate(scores)]


def check(criterion: Criterion, found: Sequence[Finding]) -> GateResult:
    gate = Gate(make(1, criterion=criterion), load_policy("ci").profile, len(found), criterion.value)
    return gate.assess("slm::privacy::gate[p]", found, Checks(ControlCheck(0)))


@pytest.mark.usefixtures("lowest")
def test_a_new_quantity_is_one_class() -> None:
    good, bad = (check(Criterion("lowest", at_least=0.4), scored(0.9, low, 0.7)) for low in (0.45, 0.31))
    assert (good.status, bad.status) == (Status.PASS, Status.FAIL)
    assert bad.quantity == "lowest"
    assert bad.reason.startswith("lowest score 0.31 [0.31, 0.31], each end 95% sure, as seen; at least 0.4 is required")
    shown = gate_view(bad, {}, ())
    assert (shown.observed, shown.kind) == ("0.31", "lowest; bounds each 95\u00a0%")


@pytest.mark.usefixtures("lowest")
@pytest.mark.parametrize(
    ("of", "side", "said"),
    [
        ("lowest", "at_most", "of 'lowest' takes at_least=... only"), ("gap", "at_least", "of 'gap' takes at_most=... only"),
        ("rate", "at_most", "of 'mean', 'gap', 'lowest' or a function"), ("paired", "at_most", "not 'paired'"),
        (None, "at_most", "not None"), (3, "at_least", "not 3"),
    ],
)  # fmt: skip
def test_a_criterion_names_a_quantity_that_an_author_may_choose(of: str, side: str, said: str) -> None:
    with pytest.raises(ProbeError, match=re.escape(said)):
        Criterion(of, **{side: 0.1})  # type: ignore[arg-type]


def result(quantity: str, **fields: object) -> GateResult:
    blank = GateResult("slm::privacy::gate[p]", "p", "privacy", "claim", Status.INCONCLUSIVE, True, "why", quantity=quantity)
    return replace(blank, **fields)  # type: ignore[arg-type]


def test_each_is_shown_in_its_unit() -> None:
    counted = {"best": 0.2, "worst": 0.3, "lower": 0.15, "upper": 0.4, "estimate": SEEN, "items": 40}
    exact = "exact one-sided bounds, each 95\u00a0%"
    shown = {name: QUANTITIES[name].shown(result(name, **counted)) for name in QUANTITIES}
    assert shown["rate"] == Shown(0.2, 0.15, 0.4, "share", exact, (0.2, 0.3))
    assert shown["mean"] == Shown(0.3, 0.15, 0.4, "number", "mean; bounds each 95\u00a0%")
    assert shown["paired"] == Shown(0.3, 0.2, 0.45, "number", "difference, exact, 90\u00a0%")
    assert [QUANTITIES[name].shown(result(name)) for name in QUANTITIES] == [None] * len(QUANTITIES)
    scores = {name: QUANTITIES[name].shown(result(name, mean_score=SEEN)) for name in ("rate", "mean", "gap", "metric")}
    assert scores == {"rate": of_estimate(SEEN), "mean": of_estimate(SEEN), "gap": None, "metric": None}
    assert QUANTITIES["paired"].shown(result("paired", mean_score=SEEN)) is None


def test_only_a_rate_says_what_would_decide() -> None:
    few, many = Items(60, 3, 0, 0), Items(60, 3, 30, 0)
    assert QUANTITIES["rate"].needed(few, 0.1, 0.05)
    assert QUANTITIES["rate"].needed(many, 0.1, 0.05) is None  # what was not judged decides
    assert all(QUANTITIES[name].needed(few, 0.1, 0.05) is None for name in QUANTITIES if name != "rate")


def test_no_other_module_asks_which_quantity_it_is() -> None:
    package = Path(pytest_slmtrust.__file__).parent
    names = "|".join(QUANTITIES)
    compared = re.compile(rf"""(?:quantity|\bof)\s*[!=]=|(?:quantity|\bof) (?:not )?in \(|[!=]= ["'](?:{names})["']""")
    found = [
        f"{path.name}: {line.strip()}"
        for path in [*package.rglob("*.py"), *(package / "reports").glob("*.j2")]
        for line in path.read_text(encoding="utf-8").splitlines()
        if path.name != "quantities.py" and "envelope" not in str(path) and compared.search(line)  # a limit's quantity is another
    ]
    assert found == [
        "model.py: return self.quantity == PAIRED or self.against_lock",
        "model.py: return self.quantity == ACCEPTED",
    ]


def _breaks(_: object) -> Estimate:
    raise ValueError("no finite number")


@pytest.mark.parametrize("criterion", [Criterion(_breaks, at_least=0.4), Criterion(_breaks, at_most=0.9)])
def test_a_metric_that_broke_shows_no_other_number(criterion: Criterion) -> None:
    gate = check(criterion, scored(*[1.0] * 60))
    assert gate.status is Status.INCONCLUSIVE
    assert gate.mean_score is not None
    for broken in (gate, replace(gate, tolerance=None, status=Status.MEASURED)):
        assert QUANTITIES["metric"].shown(broken) is None
        assert QUANTITIES["metric"].plainly(broken) == ""
        assert outcome(broken) == broken.reason
        assert broken.reason.startswith("metric unknown; ")
        assert numbers(broken) == broken.reason
    mean = check(Criterion("mean", at_least=0.4), scored(*[1.0] * 60))
    assert QUANTITIES["mean"].plainly(mean).startswith("mean score 1, between")
