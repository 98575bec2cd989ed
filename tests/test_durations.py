"""Tokens and seconds by probe: booked once, added up, shown in the terminal and on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_audit import sample_audit

from pytest_slmtrust import Completion, Generate, Loglikelihood, Logprob, Verdict, ask, ask_all, probe
from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.sections import Spent
from pytest_slmtrust.authoring.probe import Case, Probe
from pytest_slmtrust.engine.costs import Ledger, added
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.plugin.commandline import joined
from pytest_slmtrust.report.durations import spent, table_lines
from pytest_slmtrust.report.html import render
from pytest_slmtrust.requests import Counters


class Counting:
    """A model that writes three tokens and reads a token for each word of a batch's distinct prompts."""

    def __init__(self) -> None:
        self.name, self.fingerprint, self.answers = "counting", "counting:1", (Generate, Loglikelihood)
        self.counters = Counters()

    def run(self, requests):
        self.counters.prefilled += sum(len(text.split()) for text in {_text(r) for r in requests})
        for index, one in enumerate(requests):
            yield index, Completion("a b c", 3) if isinstance(one, Generate) else Logprob(-1.0, True, 1)

    def describe(self):
        return {"name": self.name}


def _text(request: Any) -> str:
    return str(request.prompt) if isinstance(request, Generate) else f"{request.context}{request.continuation}"


def asks(name: str, texts: list[str]) -> Probe:
    @probe(dimension="privacy", rows=[{"text": text} for text in texts], name=name)
    def run(text):
        """Asks."""
        yield from ask(Generate(text))
        return Verdict(True)

    return run


def cases(*probes: Probe) -> list[Case]:
    from pytest_slmtrust.gates.policy import load_policy

    profile = load_policy("ci").profile
    return [case for one in probes for case in one.cases(profile)]


def row(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in rows if one["probe"] == name)


def test_a_request_of_two_probes_is_counted_once_and_totals_are_the_backends(tmp_path: Path) -> None:
    model = Counting()
    engine = Engine({("generate", "target"): model}, Store(tmp_path, "one"))
    first, second = asks("first", ["one two three", "shared by both"]), asks("second", ["shared by both", "four words are here"])
    engine.prefetch(cases(first, second))
    rows = engine.ledger.rows()
    assert (row(rows, "first")["asked"], row(rows, "second")["asked"]) == (2, 1)
    assert (row(rows, "first")["written"], row(rows, "second")["written"]) == (6, 3)
    assert sum(one["read"] for one in rows) == model.counters.prefilled == 10
    assert sum(one["seconds"] for one in rows) <= engine.counters.seconds
    # a case that is replayed costs nothing, and books nothing
    for case in cases(first):
        engine.run(case)
    assert engine.ledger.rows() == rows
    # the next run finds everything in the store
    again = Engine({("generate", "target"): Counting()}, Store(tmp_path, "two"))
    again.prefetch(cases(first, second))
    assert [(one["asked"], one["stored"], one["read"], one["written"]) for one in again.ledger.rows()] == [
        (0, 2, 0, 0),
        (0, 1, 0, 0),
    ]


def test_scored_texts_are_read_and_nothing_is_written(tmp_path: Path) -> None:
    @probe(dimension="fairness", rows=[{"n": n} for n in range(3)])
    def scores(n):
        """Scores."""
        yield from ask_all([Loglikelihood("a common beginning of many words ", f"end {n} {end}") for end in ("x", "y")])
        return Verdict(True)

    model = Counting()
    engine = Engine({("loglikelihood", "target"): model}, Store(tmp_path, "one"))
    engine.prefetch(cases(scores))
    (only,) = engine.ledger.rows()
    assert (only["asked"], only["written"], only["read"]) == (6, 0, model.counters.prefilled)


def test_what_nobody_counts_is_zero_and_failures_cost_time_only() -> None:
    ledger = Ledger()
    ledger.own(asks("one", ["x"]), ["k"])
    from pytest_slmtrust import Failure

    ledger.answered({"k": Generate("x")}, {"k": Failure("broke")}, {"k": 2.0}, 0, 1.5)
    (only,) = ledger.rows()
    assert (only["read"], only["written"], only["seconds"], only["asked"]) == (0, 0, 1.5, 1)


def test_workers_are_added_and_their_stores_are_one() -> None:
    made = [{"dimension": "privacy", "probe": "p", "asked": 5, "stored": 0, "read": 50, "written": 20, "seconds": 2.0}]
    idle = [{"dimension": "privacy", "probe": "p", "asked": 0, "stored": 5, "read": 0, "written": 0, "seconds": 0.0}]
    (total,) = added([made, idle])
    assert (total["asked"], total["stored"], total["read"]) == (5, 0, 50)
    (total,) = added([idle, idle])
    assert (total["asked"], total["stored"]) == (0, 5)


ROWS: list[Spent] = [
    {"dimension": "privacy", "probe": "slow", "asked": 180, "stored": 0, "read": 12345, "written": 999, "seconds": 61.25},
    {"dimension": "fairness", "probe": "quick", "asked": 3, "stored": 57, "read": 0, "written": 0, "seconds": 0.5},
    {"dimension": "", "probe": "", "asked": 1, "stored": 0, "read": 7, "written": 2, "seconds": 0.25},
]


@pytest.mark.parametrize(
    ("most", "names"), [(0, ["slow", "quick", "tests of your own", "in all"]), (1, ["slow", "2 more", "in all"])]
)
def test_the_table_adds_up(most: int, names: list[str]) -> None:
    _, head, *lines = table_lines(ROWS, most)
    assert head.split() == ["seconds", "tokens", "read", "written", "asked", "stored", "probe"]
    assert len(lines) == len(names)
    assert all(name in line for name, line in zip(names, lines, strict=True))
    assert lines[-1].split()[:5] == ["62.0", "12,352", "1,001", "184", "57"]
    assert table_lines([], 3) == ["tokens and seconds by probe: nothing was asked"]


def test_the_page_folds_the_table_and_an_old_audit_has_none() -> None:
    from dataclasses import replace

    audit = sample_audit()
    assert "Tokens and seconds by probe" not in render(audit)
    page = render(replace(audit, provenance={**audit.provenance, "spent": ROWS}))
    assert "<summary>Tokens and seconds by probe: 3 probes</summary>" in page
    assert spent(replace(audit, provenance={})) == []


def test_the_option_takes_no_word_that_follows_it() -> None:
    assert joined(["--slm-durations", "probe_x.py"]) == ["--slm-durations=10", "probe_x.py"]
    assert joined(["--slm-durations=3", "--slm-durations"]) == ["--slm-durations=3", "--slm-durations=10"]


def test_a_run_prints_it(project) -> None:
    made = project("return 'a b c'")
    done = made.runpytest_inprocess("--slm=fake", "--slm-packs=none", "--slm-durations", "-p", "no:randomly", "probe_support.py")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["tokens and seconds by probe*", "*seconds*probe", "* 15 * 6 *toxicity: stays_polite"])
    audit = read_verified(made.path / "slmtrust-report" / "audit.json")
    (only,) = spent(audit)
    assert (only["asked"], only["written"]) == (6, 15)  # five replies that are alike, so the scorer is asked once
    done = made.runpytest_inprocess("--slm=fake", "--slm-packs=none", "--slm-durations=many", "-p", "no:randomly")
    assert done.ret == 4
    assert "--slm-durations is 'many'; expected a whole number" in "\n".join(done.errlines)
