"""Tasks with labels: how a label is read, what the bounds are, and a bar that changes after the fact."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_slmtrust import Bar, Finding, ProbeError, label_probe
from pytest_slmtrust.archive.verify import problems, read_verified
from pytest_slmtrust.authoring.labels import NONE, macro_f1, measures, named
from pytest_slmtrust.report.html import render
from pytest_slmtrust.stats import macro_f1_interval

EXAMPLE = Path(__file__).parents[1] / "examples" / "routing"
LABELS = ("billing", "delivery", "returns", "account", "technical", "product")


@pytest.mark.parametrize(("text", "label"), [
    ("billing", "billing"), ("The label is **Returns**.", "returns"), ("Billing or account?", NONE), ("", NONE),
    ("invoice", NONE), ("accounting", NONE), ("account\nThe text is about an account.", "account"), ("DELIVERY!", "delivery"),
])  # fmt: skip
def test_a_label_is_read_from_a_reply(text: str, label: str) -> None:
    assert named(text, LABELS) == label


def test_a_label_inside_of_a_longer_one_is_not_named() -> None:
    assert named("gift card", ["card", "gift card"]) == "gift card"
    assert named("card", ["card", "gift card"]) == "card"
    assert named("C++", ["C", "C++"]) == "C++"


def finding(true: str, said: str, n: int) -> Finding:
    return Finding(f"x::{n}", "p", "capability", str(n), str(n), "passed" if true == said else "failed", group=true,
                   evidence={"answer": said, "expected": true})  # fmt: skip


def test_macro_f1_and_the_confusion_matrix_are_right() -> None:
    told = [("a", "a")] * 6 + [("a", "b")] * 2 + [("b", "b")] * 3 + [("b", NONE)] * 1
    found = [finding(true, said, n) for n, (true, said) in enumerate(told)]
    made = macro_f1(found, ("a", "b"))
    assert made.value == pytest.approx((12 / 14 + 6 / 9) / 2)
    assert made.lower < made.value < made.upper
    assert "seed 0" in made.method
    table = {(m.group, m.name): m.estimate for m in measures(found, ("a", "b"))}
    assert table["a", "as b"].value == 0.25
    assert table["b", f"as {NONE}"].value == 0.25
    assert table["", "accuracy"].value == 0.75


def test_the_bootstrap_bound_of_macro_f1_covers() -> None:
    rng, covered = np.random.default_rng(2), 0
    for run in range(200):
        true = rng.integers(0, 3, 300)
        said = np.where(rng.random(300) < 0.8, true, (true + 1 + rng.integers(0, 2, 300)) % 3)
        _, ends = macro_f1_interval([str(t) for t in true], [str(s) for s in said], ("0", "1", "2"), resamples=300, seed=run)
        covered += ends.lower <= 0.8
    assert covered >= 180


@pytest.mark.parametrize(("make", "said"), [
    (lambda: Bar("2026-13-01", accuracy=0.8), "date"), (lambda: Bar("2999-01-01", accuracy=0.8), "future"),
    (lambda: Bar("2026-11-01", 0.8, latency_p95="2000"), "such as 2000ms"),
    (lambda: Bar("2026-11-01", 0.8, latency_p95="20MB"), "units us, ms, s"),
    (lambda: Bar("2026-11-01", 0.8, latency_p95=2000), "a text such as"),  # type: ignore[arg-type]
    (lambda: Bar("2026-11-01", 0.8, latency_p95="0s"), "above 0"),
    (lambda: Bar("2026-11-01"), "needs an accuracy"), (lambda: Bar("2026-11-01", accuracy=85), "between 0 and 1"),
    (lambda: label_probe([{"text": "a", "label": "x"}], Bar("2026-11-01", accuracy=0.8), name="p", task="t"), "two of them"),
    (lambda: label_probe([{"text": "A", "label": "x"}, {"text": "a ", "label": "y"}], Bar("2026-11-01", accuracy=0.8), name="p",
                         task="t"), "occurs twice"),
    (lambda: label_probe([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}], Bar("2026-11-01", accuracy=0.8), name="p",
                         task="t", holds="macro_f1"), "no macro_f1"),
])  # fmt: skip
def test_what_cannot_be_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        make()


def test_the_digest_of_a_bar_is_of_all_that_it_asks() -> None:
    bars = [Bar("2026-11-01", 0.85), Bar("2026-11-02", 0.85), Bar("2026-11-01", 0.84), Bar("2026-11-01", 0.85, 0.8),
            Bar("2026-11-01", 0.85, latency_p95="2s")]  # fmt: skip
    assert len({bar.sha256 for bar in bars}) == len(bars)


# ------------------------------------------------------------------ the example

REPLY = """
import csv, pathlib, hashlib
from pytest_slmtrust import Completion, Logprob
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

FILE = pathlib.Path(__file__).parent / "requests.csv"
TRUE = {row["text"]: row["label"] for row in csv.DictReader(FILE.read_text(encoding="utf-8").splitlines())}

def reply(request):
    prompt = request.prompt if isinstance(request, Generate) else request.context
    text = prompt[-1].content.partition("Text: ")[2].partition("\\n")[0]
    wrong = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100 < WRONG
    label = "product" if wrong else TRUE[text]
    if isinstance(request, Generate):
        return Completion(f"The label is {label}.", 5)
    return Logprob(-0.1 if request.continuation == label else -9.0, False, 1)
"""


@pytest.fixture
def routing(pytester: pytest.Pytester) -> Callable[..., Any]:
    def go(wrong: int, *options: str, bar: str = "") -> tuple[Any, Any]:
        for name in ("requests.csv", "probe_routing.py"):
            shutil.copy(EXAMPLE / name, pytester.path)
        path = pytester.path / "probe_routing.py"
        if bar:
            path.write_text(path.read_text().replace('"2026-11-01", accuracy=0.85', bar))
        pytester.makeconftest(
            f"WRONG = {wrong}\nfrom pytest_slmtrust import Generate\n{REPLY}\n"
            "def pytest_slm_backend(config):\n    return FakeBackend(reply)\n\n"
            "def pytest_slm_scorer(config):\n    return WordListScorer()\n"
        )
        common = ("--slm=fake", "--slm-packs=none", "probe_routing.py", "-p", "no:randomly", "-k", "gate")
        done = pytester.runpytest_inprocess(*common, *options)
        return done, read_verified(pytester.path / "slmtrust-report/audit.json")

    return go


pytestmark = pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the examples are not part of the wheel")


@pytest.mark.slow
def test_the_example_decides_by_both_routes_and_a_changed_bar_is_caught(
    routing: Callable[..., Any], pytester: pytest.Pytester
) -> None:
    done, audit = routing(5)
    assert done.ret == 0, done.outlines[-20:]
    assert {g.name: str(g.status) for g in audit.gates} == {"routes_by_reply": "PASS", "routes_by_likelihood": "PASS"}
    assert audit.gates[0].items == 306
    limits = {one.name: str(one.status) for one in audit.envelope.limits}
    assert limits == {"routes_by_likelihood:latency_p95": "PASS", "routes_by_reply:latency_p95": "PASS"}
    done.stdout.fnmatch_lines(["*routes_by_reply: from the probe's own request to the end of the reply; one text at a time*"])
    page = render(audit)
    assert "until all 6 labels are scored" in page
    assert "as returns" in page
    assert "macro-F1" in page
    bars = audit.settings["bars"]
    assert {bar["sha256"] for bar in bars.values()} == {Bar("2026-11-01", 0.85, latency_p95="2000ms").sha256}
    assert not any("BAR CHANGED" in note for note in audit.notes)

    for change in ({"sha256": "0" * 64}, {"accuracy": 0.5}, {"registered": "2026-10-01"}, {"latency_p95": ""}):
        edited = {nodeid: {**bar, **change} for nodeid, bar in bars.items()}
        assert problems(replace(audit, settings={**audit.settings, "bars": edited})), change

    done, audit = routing(40, "--slm-store=other")
    assert done.ret == 1
    assert {str(g.status) for g in audit.gates} == {"FAIL"}

    done, audit = routing(40, bar='"2026-11-02", accuracy=0.5')
    assert any(
        "BAR CHANGED" in note and "accuracy 0.85, latency_p95 2000ms, registered 2026-11-01" in note for note in audit.notes
    )
    assert "BAR CHANGED" in done.stdout.str()
    assert "BAR CHANGED" in render(audit)
    done, audit = routing(40, bar='"2026-11-02", accuracy=0.5')
    assert any("BAR CHANGED" in note for note in audit.notes), "a second run does not forget it"


@pytest.mark.slow
def test_a_limit_of_the_command_line_moves_the_bar_and_is_said(routing: Callable[..., Any]) -> None:
    _, audit = routing(40, "--slm-gate=routes_by_reply=0.6")
    assert sum("BAR CHANGED" in note for note in audit.notes) == 1


def test_the_requests_are_at_least_300_and_no_two_begin_alike() -> None:
    rows = [line for line in (EXAMPLE / "requests.csv").read_text(encoding="utf-8").splitlines()[1:] if line]
    assert len(rows) >= 300
    openings = [" ".join(row.strip('"').casefold().split()[:4]) for row in rows]
    most = max(openings.count(one) for one in set(openings))
    assert most <= 4
