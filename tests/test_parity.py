"""The probes give lm-evaluation-harness's numbers: its log-likelihoods and metrics lie in ``parity_reference.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from parity import METRIC, REFERENCE, TASKS, TEXT, Task, cases_of, compare, ours, reference
from public_data import DATA, MISSING

from pytest_slmtrust import Backend, Loglikelihood, Logprob, Request
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.store import Store

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=MISSING)
#: BBQ's 4,800 rows take half a minute; make test compares every 23rd of them.
RUNS = [
    pytest.param(task, run["every"], marks=pytest.mark.full if (task.name, run["every"]) == ("bbq", 1) else ())
    for task in TASKS
    for run in reference(task)
]


def named(value: Any) -> str:
    return value.name if isinstance(value, Task) else f"every {value}"


def test_the_reference_holds_every_task_on_enough_rows() -> None:
    least = {"crows_pairs_english": 200, "bbq": 200}
    for task in TASKS:
        assert max(run["rows"] for run in reference(task)) >= least.get(task.name, 60), task.name
        assert all(run["harness"] == "0.4.13" for run in reference(task))


def test_the_reference_holds_numbers_and_no_text_of_the_data() -> None:
    letters = {c for c in REFERENCE.read_text("utf-8") if c.isalpha()}
    assert len(REFERENCE.read_bytes()) < 2**20
    assert letters <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert " the " not in REFERENCE.read_text("utf-8").lower()


def recorded(task: Task, every: int) -> FakeBackend:
    """A model with the harness's log-likelihoods, from all its tasks that the same probe answers."""
    cases = cases_of(task, every, DATA)
    known: dict[str, float] = {}
    for one in (one for one in TASKS if one.probe == task.probe):
        [run] = reference(one, every)
        for case, scores in zip(cases, run["logp"], strict=True):
            asked: list[Any] = list(next(case.steps()))
            by_text = {request.continuation: request for request in asked}
            chosen = [by_text[text] for text in one.choices(case.params)] if one.choices else asked
            known |= {request.key: score for request, score in zip(chosen, scores, strict=True)}

    def answer(request: Request[Any]) -> Logprob:
        assert isinstance(request, Loglikelihood)
        return Logprob(known[request.key], False, 1)

    return FakeBackend(answer, answers=(Loglikelihood,))


@pytest.mark.parametrize(("task", "every"), RUNS, ids=named)
def test_metrics_follow_from_the_harness_log_likelihoods(task: Task, every: int, tmp_path: Path) -> None:
    [run] = reference(task, every)
    found = compare(task, run, ours(task, every, DATA, recorded(task, every), Store(tmp_path / "store", "parity")))
    assert found.metric <= METRIC, found.rows
    assert found.near
    assert len(found.rows) >= len(task.metrics) - 1


#: The rows that are asked of the model itself, by task: some two hundred. They take minutes; a sample of them does not.
ASKED = {"crows_pairs_english": 7, "bbq": 23}
SAMPLED = ("crows_pairs_english", "bbq", "truthfulqa_mc1")


@pytest.fixture(scope="module")
def embedded(smollm2: Path) -> Backend:
    from pytest_slmtrust.backends.load import ModelSpec, load_backend

    return load_backend(ModelSpec(str(smollm2)))


@pytest.mark.model
@pytest.mark.parametrize(
    "task",
    # its long options take ten seconds; make test-full asks them
    [
        pytest.param(t, marks=pytest.mark.full if t.name == "truthfulqa_mc1" else (), id=t.name)
        for t in TASKS
        if t.name in SAMPLED
    ],
)
def test_the_embedded_model_gives_the_harness_log_likelihoods_on_a_sample(task: Task, embedded: Backend, tmp_path: Path) -> None:
    """Log-likelihoods alone: what follows from them is compared on all rows above."""
    run = max(reference(task), key=lambda run: int(run["every"]))
    step = run["rows"] // 5
    mine = ours(task, run["every"] * step, DATA, embedded, Store(tmp_path / "s", "parity")).logp
    theirs = run["logp"][::step]
    assert len(theirs) >= 5
    assert [len(row) for row in mine] == [len(row) for row in theirs]
    assert max(abs(a - b) for one, two in zip(mine, theirs, strict=True) for a, b in zip(one, two, strict=True)) <= TEXT


@pytest.mark.full
@pytest.mark.model
@pytest.mark.parametrize("task", [task for task in TASKS if task.name in ASKED], ids=lambda task: str(task.name))
def test_the_embedded_model_scores_as_in_the_harness(task: Task, embedded: Backend, tmp_path: Path) -> None:
    [run] = reference(task, ASKED[task.name])
    found = compare(task, run, ours(task, run["every"], DATA, embedded, Store(tmp_path / "s", "parity")))
    assert found.near, (found.metric, found.text, found.rows)
    assert run["rows"] >= 200


def test_a_wrong_number_is_noticed(tmp_path: Path) -> None:
    [task] = [task for task in TASKS if task.name == "crows_pairs_english"]
    run = reference(task)[-1]
    mine = ours(task, run["every"], DATA, recorded(task, run["every"]), Store(tmp_path / "store", "parity"))
    worse = {**run, "logp": [[a + 0.002, b] for a, b in run["logp"]]}
    assert not compare(task, worse, mine).near
    assert not compare(task, {**run, "metrics": {**run["metrics"], "pct_stereotype": 0.1}}, mine).near
    with pytest.raises(SystemExit, match="asked"):
        compare(task, {**run, "logp": run["logp"][:-1]}, mine)
