"""Tasks with labels: how a label is read, what the bounds are, and a bar that changes after the fact."""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_slmtrust import Bar, Finding, Generate, ProbeError, label_probe
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


def table(*labels: str) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]


@pytest.mark.parametrize(("labels", "said"), [
    (["Yes", "yes", "no"], "'yes' is written like the label 'Yes'"), (["not  ok", "Not ok"], "is written like the label"),
    (["caf\u00e9", "cafe\u0301"], "is written like the label"), (["(no label)", "yes"], "an answer without a label"),
    (["(NO  label)", "yes"], "an answer without a label"), (["x" * 201, "yes"], "more than 200 characters"),
    (["ann@example.org", "yes"], "looks like data that is masked"), (["", "yes"], "row 1 has no text, or no label"),
    (["a", "\u200b"], "row 2 has no text, or no label"),
])  # fmt: skip
def test_labels_that_no_reply_can_tell_apart_are_refused(labels: list[str], said: str) -> None:
    with pytest.raises(ProbeError, match=re.escape(said)):
        label_probe(table(*labels), Bar("2026-11-01", accuracy=0.8), name="p", task="t")


@pytest.mark.parametrize(("changes", "said"), [
    ({"name": "two::parts"}, "snake case"), ({"name": "a\nb"}, "snake case"), ({"by": "Likelihood"}, "by is 'Likelihood'"),
    ({"holds": "f1"}, "holds is 'f1'"), ({"dimension": "trust"}, "dimension is 'trust'"),
    ({"prompt": "Which of {labels}?"}, "has no {text}"), ({"prompt": "{text} {lables}"}, "KeyError"),
    ({"prompt": "{text} {"}, "cannot be filled in"), ({"prompt": "{text.nothing}"}, "cannot be filled in"),
])  # fmt: skip
def test_choices_that_cannot_be_are_refused(changes: dict[str, Any], said: str) -> None:
    bar = Bar("2026-11-01", accuracy=0.8, macro_f1=0.7)
    with pytest.raises(ProbeError, match=re.escape(said)):
        label_probe(table("a", "b"), bar, **{"name": "p", "task": "t", **changes})


@pytest.mark.parametrize("nothing", [None, math.nan, "  ", np.float64("nan")])
@pytest.mark.parametrize("column", ["text", "label"])
def test_what_a_table_has_for_nothing_is_no_label_and_no_text(nothing: Any, column: str) -> None:
    rows = [*table("a", "b"), {"text": "text 2", "label": "a", column: nothing}]
    with pytest.raises(ProbeError, match="row 3 has no text, or no label"):
        label_probe(rows, Bar("2026-11-01", accuracy=0.8), name="p", task="t")


@pytest.mark.parametrize(("content", "said"), [
    (b"\xef\xbb\xbftext,label\nhello,a\nbye,b\n", ""), (b"text,label\r\nhello,a\r\n\r\nbye,b\r\n", ""),
    (b"text,label\nhe\x00llo,a\nbye,b\n", ""), (b"text,label\nhello,a\n,\nbye,b\n", "row 2 has no text, or no label"),
    (b"text,label\nhello,a\nHELLO ,b\n", "occurs twice"), (b"text;label\nhello;a\n", "has no field 'text'"),
    (b"text,label,label\nhello,a,b\n", "names 'label' twice"), (b"text,label\nhello,a,b\n", "has 3 cells"),
    (b"text,label\nhello,\xff\n", "is not utf-8"), (b'text,label\n"hello,a\n', "unexpected end of data"),
    (b"text,label\n", "no rows"), (b"", "no rows"), (b"text,label\nhello,a\nbye,a\n", "two of them"),
])  # fmt: skip
def test_a_table_of_a_stranger_is_read_or_refused_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    if not said:
        assert label_probe(path, Bar("2026-11-01", accuracy=0.8), name="p", task="t")
        return
    with pytest.raises(ProbeError, match=re.escape(said)) as error:
        label_probe(path, Bar("2026-11-01", accuracy=0.8), name="p", task="t")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("longest", ["x", "card_payment_fee_charged_when_abroad", "\u6b63\u9762" * 20])
def test_the_longest_label_fits_into_a_reply(longest: str) -> None:
    probe = label_probe(table(longest, "no"), Bar("2026-11-01", accuracy=0.8), name="p", task="t")
    [request] = next(probe.run("text", "no"))
    assert isinstance(request, Generate)
    assert request.max_new_tokens == max(16, len(longest.encode()))


def test_thousands_of_labels_are_counted_in_seconds() -> None:
    labels = tuple(f"label {n}" for n in range(3000))
    found = [finding(label, labels[n - n % 3], n) for n, label in enumerate(labels)]
    started = time.process_time()
    assert named("It is label 2999.", labels) == "label 2999"
    made = list(measures(found, labels))
    assert len(made) == 2 + 3000  # accuracy, macro-F1 and the cells that are not empty
    assert made[0].estimate.value == pytest.approx(1 / 3)
    assert time.process_time() - started < 60


def test_macro_f1_does_not_depend_on_the_order_of_labels_or_texts() -> None:
    told = [("a", "a")] * 9 + [("b", "a")] * 4 + [("c", "c")] * 7 + [("c", NONE)] * 2
    found = [finding(true, said, n) for n, (true, said) in enumerate(told)]
    assert macro_f1(found, ("a", "b", "c")) == macro_f1(found[::-1], ("c", "a", "b"))


def test_a_text_without_an_answer_leaves_the_accuracy_and_no_macro_f1() -> None:
    lost = replace(finding("a", "a", 9), outcome="error", group=None, evidence={})
    found = [finding("a", "a", 0), finding("b", "b", 1), lost]
    [only] = measures(found, ("a", "b"))
    assert (only.name, only.estimate.value) == ("accuracy", pytest.approx(2 / 3))
    with pytest.raises(ValueError, match="1 of 3 texts could not be judged"):
        macro_f1(found, ("a", "b"))


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


def label_edits(audit: Any) -> Iterator[Any]:
    """Edits of outcomes, answers and numbers of tasks with labels, each of which another number contradicts."""
    gate, one = audit.gates[0], next(f for f in audit.findings if f.outcome == "failed")
    other = {**one.evidence, "answer": one.group}
    for changes in ({"evidence": other}, {"group": "product"}, {"evidence": {}}):
        findings = [replace(f, **changes) if f is one else f for f in audit.findings]
        yield replace(audit, findings=tuple(findings))
    for number, measure in enumerate(gate.measures[:4]):
        better = replace(measure, estimate=replace(measure.estimate, value=measure.estimate.upper))
        changed = replace(gate, measures=(*gate.measures[:number], better, *gate.measures[number + 1 :]))
        yield replace(audit, gates=(changed, *audit.gates[1:]))
    yield replace(audit, gates=(replace(gate, measures=gate.measures[:1]), *audit.gates[1:]))


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

    for edited in label_edits(audit):
        assert problems(edited)

    for change in ({"sha256": "0" * 64}, {"accuracy": 0.5}, {"registered": "2026-10-01"}, {"latency_p95": ""}):
        edited = {nodeid: {**bar, **change} for nodeid, bar in bars.items()}
        assert problems(replace(audit, settings={**audit.settings, "bars": edited})), change
    bare = replace(audit, settings={k: v for k, v in audit.settings.items() if k not in ("bars", "envelope")})
    assert sum("has no bar of it" in one for one in problems(bare)) == len(bars)

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
