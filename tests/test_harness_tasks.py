"""Tasks of lm-evaluation-harness: our engine's answers give the harness's own numbers, over every type of output."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval")

import tiny

from pytest_slmtrust.audit.dimension import Dimension
from pytest_slmtrust.audit.model import Finding, GateResult, Status
from pytest_slmtrust.authoring.probe import Probe, packed
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend
from pytest_slmtrust.catalog.harness import dimension_of, probe_name, probes_of
from pytest_slmtrust.catalog.harness.tasks import quietly
from pytest_slmtrust.catalog.registry import Choice
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.asked_rows import judged_sha256, rows_sha256
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.session import AuditSession

#: Positions of the model, and the deviation of its weights: at a wide one a perplexity is a number of nine digits.
CONTEXT, SPREAD = 96, 0.1
WORDS = tuple(tiny.TEXT[0].split())

CHOICES = """
task: choices
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choices.json}}
test_split: test
output_type: multiple_choice
doc_to_text: "question: {{q}}\\nanswer:"
doc_to_target: "{{gold}}"
doc_to_choice: "{{options}}"
metric_list:
  - {metric: acc}
  - {metric: acc_norm}
  - {metric: brier_score}
  - {metric: mcc}
metadata: {version: 3.0}
"""
TASKS = {
    "choices": CHOICES,
    # no blank between context and choice, blanks and line ends at its end: merges cross the boundary
    "boundary": CHOICES.replace("task: choices", "task: boundary\ntarget_delimiter: ''").replace("answer:", "ans "),
    "glued": CHOICES.replace("task: choices", "task: glued\ntarget_delimiter: ''").replace("\\nanswer:", ""),
    "shots": CHOICES.replace("task: choices", "task: shots\nnum_fewshot: 2\nfewshot_split: test"),
    "mutual": CHOICES.replace("task: choices", "task: mutual").replace(
        "  - {metric: acc_norm}", "  - {metric: acc_mutual_info, aggregation: mean, higher_is_better: true}"
    ),
    "words": """
task: words
dataset_path: json
dataset_kwargs: {data_files: {validation: FOLDER/texts.json}}
validation_split: validation
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: word_perplexity}
  - {metric: byte_perplexity}
  - {metric: bits_per_byte}
""",
    "last": """
task: last
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choices.json}}
test_split: test
output_type: loglikelihood
doc_to_text: "question: {{q}}"
doc_to_target: " {{options[gold]}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    "write": """
task: write
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choices.json}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}} \\n"
doc_to_target: "{{options[gold]}}"
generation_kwargs: {until: ["e", "\\n\\n"], max_gen_toks: 9, do_sample: false}
repeats: 2
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
filter_list:
  - name: first-word
    filter: [{function: regex, regex_pattern: "(\\\\w+)"}, {function: take_first}]
  - name: whole
    filter: [{function: majority_vote}, {function: take_first}]
""",
    "mine": CHOICES.replace("task: choices", "task: mine\nprocess_results: !function mine.judge").split("metric_list")[0]
    + "metric_list:\n  - {metric: share, aggregation: mean, higher_is_better: false}\n",
}
CODE = """
import math

def judge(doc, results):
    p = [math.exp(total / 20) for total, greedy in results]
    if doc.get("broken"):
        raise KeyError("gold")
    return {"share": p[0] / sum(p)}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tasks' files, with their data."""
    made: Path = tmp_path_factory.mktemp("tasks")
    rows = [
        {
            "q": " ".join(WORDS[i : i + 4 + i % 3]),
            "options": [WORDS[(i * 7 + k) % len(WORDS)] + "s" * (k % 2) for k in range(3)],
            "gold": i % 3,
        }
        for i in range(12)
    ]
    texts = [
        {"text": " ".join(WORDS[(i * j) % len(WORDS)] for j in range(1, size))}
        for i, size in ((1, 4), (2, 30), (5, 160), (7, 99))
    ]
    (made / "choices.json").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (made / "texts.json").write_text("\n".join(map(json.dumps, texts)), "utf-8")
    (made / "mine.py").write_text(CODE, "utf-8")
    for name, text in TASKS.items():
        (made / f"{name}.yaml").write_text(text.replace("FOLDER", str(made)), "utf-8")
    return made


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Data sets are kept in a folder of the tests."""
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        yield


@dataclass(frozen=True)
class Ran:
    """What our run of one task gave."""

    probe: Probe
    gate: GateResult
    findings: list[Finding]

    @property
    def measures(self) -> dict[str, float]:
        return {one.name: one.estimate.value for one in self.gate.measures}


Runner = Callable[..., Ran]


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Runs a task on the tiny model as an audit does; ``bos``: its tokenizer puts a token before each text."""

    @cache
    def backend(bos: bool) -> TransformersBackend:
        pair = tiny.model("llama", context=CONTEXT, spread=SPREAD), tiny.tokenizer(bos)
        return TransformersBackend("tiny", Settings(threads=1), pair=pair)

    @cache
    def ran(name: str, bos: bool, template: bool, gates: tuple[str, ...]) -> Ran:
        store = Store(tmp_path_factory.mktemp("store") / "store", "test")
        engine = Engine({(kind, "target"): backend(bos) for kind in ("generate", "loglikelihood")}, store)
        session = AuditSession(load_policy("full", gates), engine, Mask(b"0" * 16))
        [probe] = packed(probes_of(f"{name}.yaml", Choice(None, template, folder)))
        suite = session.add(probe, "slm::lm_eval")
        engine.prefetch(suite.everything())
        gate, findings = session.gate_result(suite)
        store.close()
        return Ran(probe, gate, findings)

    return lambda name, bos=False, template=False, gates=(): ran(name, bos, template, gates)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Callable[..., dict[str, Any]]:
    """Runs the harness itself on the same weights."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    @cache
    def ran(bos: bool, template: bool) -> dict[str, Any]:
        names = ["shots", "write"] if template else list(TASKS)
        model, tokenizer = tiny.model("llama", context=CONTEXT, spread=SPREAD), copy.deepcopy(tiny.tokenizer(bos))
        found: dict[str, Any] = simple_evaluate(
            HFLM(model, tokenizer=tokenizer, batch_size=8), tasks=[str(folder / f"{name}.yaml") for name in names],
            bootstrap_iters=0, log_samples=True, apply_chat_template=template, task_manager=TaskManager(include_defaults=False),
        )  # fmt: skip
        return found

    return lambda bos=False, template=False: ran(bos, template)


def metrics(found: Mapping[str, Any], name: str) -> dict[str, float]:
    """The harness's metrics under our names."""
    made = {}
    for key, value in found["results"][name].items():
        metric, comma, filtered = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, (int, float)):
            made[metric if filtered == "none" else f"{metric} ({filtered})"] = float(value)
    return made


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("name", list(TASKS))
def test_numbers_are_those_of_the_harness(name: str, bos: bool, run: Runner, theirs: Callable[..., dict[str, Any]]) -> None:
    mine, other = run(name, bos), theirs(bos)
    assert mine.measures == pytest.approx(metrics(other, name), abs=1e-6, rel=1e-6)
    samples = {(s["doc_id"], s["filter"]): s for s in other["samples"][name]}
    for found in mine.findings:
        sample = next(s for (doc, _), s in samples.items() if doc == int(found.case))
        resps = [r[0] for r in sample["resps"]]
        if "log_likelihoods" in found.evidence:
            sums = [float(r[0]) if isinstance(r, (tuple, list)) else float(r) for r in resps]
            assert [total for _, total in found.evidence["log_likelihoods"]] == pytest.approx(sums, abs=5e-4)
        else:
            assert found.evidence["replies"] == [r for [r, *_] in [sample["resps"]] for r in sample["resps"][0]]


def test_chats_go_through_the_template_as_in_the_harness(run: Runner, theirs: Callable[..., dict[str, Any]]) -> None:
    for name in ("shots", "write"):
        mine, other = run(name, template=True), theirs(template=True)
        assert mine.measures == pytest.approx(metrics(other, name), abs=1e-6, rel=1e-6)


def test_kinds_of_gates(run: Runner) -> None:
    assert (run("choices").gate.quantity, run("choices").probe.metric) == ("rate", "acc")
    assert (run("last").gate.quantity, run("last").probe.metric) == ("rate", "acc")
    words, share = run("words").gate, run("mine").gate
    assert (words.quantity, words.side, share.quantity, share.side) == ("metric", "at most", "mean", "at most")
    assert words.estimate is not None
    assert words.estimate.lower < words.estimate.value < words.estimate.upper
    assert all(gate.status is Status.MEASURED and not gate.blocking for gate in (words, share))


def test_a_limit_of_the_user_blocks(run: Runner) -> None:
    gate = run("choices", gates=("choices=0.9",)).gate
    assert gate.blocking
    assert gate.nodeid == "slm::lm_eval::gate[choices]"
    assert gate.status in (Status.PASS, Status.INCONCLUSIVE, Status.FAIL)


def test_a_document_that_breaks_is_an_error_and_not_left_out(folder: Path, run: Runner) -> None:
    rows = [json.loads(line) for line in (folder / "choices.json").read_text("utf-8").splitlines()]
    (folder / "broken.json").write_text("\n".join(json.dumps(row | {"broken": i == 7}) for i, row in enumerate(rows)), "utf-8")
    text = TASKS["mine"].replace("FOLDER/choices.json", f"{folder}/broken.json").replace("task: mine", "task: broken")
    (folder / "broken.yaml").write_text(text, "utf-8")
    ran = run("broken")
    assert [f.case for f in ran.findings if f.outcome == "error"] == ["7"]
    assert (ran.gate.items, ran.gate.cases, ran.gate.errors, ran.gate.unscored) == (12, 12, 1, 1)
    assert ran.gate.measures == ()  # the task's number is of all documents or of none


def test_a_text_beyond_the_model_is_an_error_where_its_number_would_be_cut(folder: Path, run: Runner) -> None:
    rows = [{"q": "the river " * (60 if i == 2 else 1), "options": ["a", "b"], "gold": 0} for i in range(4)]
    (folder / "long.json").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (folder / "long.yaml").write_text(
        CHOICES.replace("FOLDER/choices.json", f"{folder}/long.json").replace("choices\n", "long\n")
    )
    ran = run("long")
    assert [f.case for f in ran.findings if f.outcome == "error"] == ["2"]
    assert ran.gate.measures == ()


def test_what_cannot_be_loaded_is_not_tested_by_name(folder: Path, run: Runner) -> None:
    for name, text in (
        (
            "remote",
            CHOICES.replace("dataset_path: json", "dataset_path: no-such-org/no-such-data").replace("choices\n", "remote\n"),
        ),
        ("unsafe", CHOICES.replace("task: choices", "task: unsafe\nunsafe_code: true")),
    ):
        (folder / f"{name}.yaml").write_text(text.replace("FOLDER", str(folder)), "utf-8")
        gate = run(name).gate
        assert (gate.probe, gate.status, gate.blocking) == (name, Status.NOT_TESTED, False)
        assert gate.reason.endswith("; put its data on this machine (the hub's cache, or local files)") is (name == "remote")
        assert gate.reason.startswith("cannot be asked here: ")
        assert "\n" not in gate.reason
        assert run(name, gates=(f"{name}=0.5",)).gate.blocking  # a limit that the user set is not met


def test_other_gold_answers_or_another_metric_are_other_tests(folder: Path) -> None:
    """The questions are the same, and so is our own code: a baseline or a lock must not take one for the other."""
    own = folder / "same"
    own.mkdir()
    rows = [json.loads(line) for line in (folder / "choices.json").read_text("utf-8").splitlines()]

    def made(gold: int, change: Callable[[str], str] = str) -> tuple[str, str]:
        (own / "rows.json").write_text("\n".join(json.dumps(row | {"gold": gold}) for row in rows), "utf-8")
        (own / "choices.yaml").write_text(change(CHOICES.replace("FOLDER/choices.json", f"{own}/rows.json")), "utf-8")
        [probe] = [replace(one, foreign=True) for one in probes_of("choices.yaml", Choice(folder=own))]
        return rows_sha256(probe, probe.cases(load_policy("full").profile)), judged_sha256(probe, [])

    first, again, gold = made(0), made(0), made(1)
    metric = made(0, lambda text: text.replace("  - {metric: acc}\n", "  - {metric: acc, higher_is_better: false}\n"))
    assert first == again
    assert gold[0] != first[0]
    assert gold[1] == first[1]
    assert metric[1] != first[1]


def test_dimensions_and_names() -> None:
    chosen = Choice(Dimension.PRIVACY)
    names = ("crows_pairs_english", "truthfulqa_mc2", "toxigen", "hellaswag", "winogender_all")
    assert [str(dimension_of(name, Choice())) for name in names] == [
        "fairness", "hallucination", "toxicity", "capability", "fairness",
    ]  # fmt: skip
    assert dimension_of("hellaswag", chosen) is Dimension.PRIVACY
    assert [probe_name(name) for name in ("arabicMMLU::a-b", "2wiki")] == ["arabicmmlu_a_b", "task_2wiki"]


def test_each_template_is_compiled_once_and_the_harness_is_left_as_it_was() -> None:
    from lm_eval import utils

    with quietly():
        first = utils.env.from_string("{{ word }} of one test")
        with quietly():
            assert utils.env.from_string("{{ word }} of one test") is first
        assert utils.env.from_string("{{ word }} of one test") is first
        assert utils.apply_template("{{ word }} of one test", {"word": "said"}) == "said of one test"
    assert utils.env.from_string("{{ word }} of one test") is not first
