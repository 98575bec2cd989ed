"""The probes beside lm-evaluation-harness 0.4.13 on public data: the same rows, the same model, two columns of numbers.

    python benchmarks/parity.py                              # both columns, from the reference file and a run of the probes
    python benchmarks/parity.py --task bbq --every 23        # one task, every 23rd row

The harness's column lies in ``tests/parity_reference.json``: log-likelihoods and metrics of SmolLM2-135M-Instruct in float32,
without a word of the data. It is made once, by the harness in an environment of its own, offline, from the rows beside the
project:

    python -m venv /tmp/lm-eval && /tmp/lm-eval/bin/pip install lm-eval==0.4.13 torch==2.13.0 transformers==4.57.6
    python benchmarks/parity.py --harness /tmp/lm-eval/bin/python --task crows_pairs_english --every 1
    python benchmarks/parity.py --harness /tmp/lm-eval/bin/python --task bbq --every 1 --answers /tmp/answers   # hours

Exits 1 if a metric differs by more than 1e-4 or a log-likelihood by more than 1e-3.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from public_data import DATA
from sessions import builtin_probes

from pytest_slmtrust import Backend, Case, Row
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.backend import TransformersBackend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.session import AuditSession

REFERENCE = Path(__file__).resolve().parents[1] / "tests" / "parity_reference.json"
METRIC, TEXT = 1e-4, 1e-3

# Runs in the harness's environment: one of its tasks over our rows; prints log-likelihoods by row and its metrics as JSON.
HARNESS = """
import json, math, pathlib, sys
import lm_eval, lm_eval.tasks
from lm_eval.models.huggingface import HFLM
folder, model, name, home, split, answers = sys.argv[1:7]
lm = HFLM(pretrained=model, dtype="float32", batch_size=16, device="cpu")
home = pathlib.Path(lm_eval.tasks.__file__).parent / home
lines = [f"include: {home}", f"task: {name}", "dataset_path: json", "dataset_name: null",
         f"dataset_kwargs: {{data_files: {{{split}: {folder}/rows.json}}}}"]
path = pathlib.Path(folder) / f"{name}.yaml"
path.write_text(chr(10).join(lines))
found = lm_eval.simple_evaluate(model=lm, tasks=[str(path)], bootstrap_iters=0, use_cache=answers or None)
[row], [samples] = found["results"].values(), found["samples"].values()
logp = [[float(o[0]) for o in s["filtered_resps"]] for s in sorted(samples, key=lambda s: s["doc_id"])]
metrics = {k.partition(",")[0]: float(v) for k, v in row.items() if isinstance(v, float) and math.isfinite(v)}
print("RESULT" + json.dumps({"logp": logp, "metrics": metrics, "version": lm_eval.__version__}))
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the harness and the probe that gives the same numbers.

    ``home`` is its definition below the harness's tasks, ``split`` the part that it reads; ``rows`` gives all records of the data
    in the form of the harness's data set, in the order of the probe's rows. ``metrics``: the harness's name of a metric to the
    probe's name of the measure and its group (``""``: all). ``choices``: the harness's continuations of a row of the probe, in
    its order, where they are not all that the probe asks.
    """

    name: str
    home: str
    split: str
    probe: str
    rows: Callable[[Path], list[dict[str, Any]]]
    metrics: Mapping[str, tuple[str, str]]
    choices: Callable[[Mapping[str, Any]], list[str]] | None = None


def crows_rows(data: Path) -> list[dict[str, Any]]:
    with (data / "crows_pairs" / "crows_pairs_anonymized.csv").open(encoding="utf-8", newline="") as stream:
        return [{key: row[key] for key in ("sent_more", "sent_less", "bias_type")} for row in csv.DictReader(stream)]


BBQ = ("Age", "Disability_status", "Nationality", "Physical_appearance", "Religion", "Sexual_orientation")
_BBQ_FIELDS = (
    "example_id", "question_polarity", "context_condition", "category", "answer_info", "context", "question", "ans0", "ans1",
    "ans2", "label",
)  # fmt: skip


def bbq_rows(data: Path) -> list[dict[str, Any]]:
    made = []
    for category in BBQ:
        for line in (data / "bbq" / f"{category}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            groups = {"stereotyped_groups": row["additional_metadata"]["stereotyped_groups"]}
            made.append({key: row[key] for key in _BBQ_FIELDS} | {"additional_metadata": groups})
    return made


def truthful_rows(data: Path) -> list[dict[str, Any]]:
    """MC1 of the best and the incorrect answers, MC2 of the correct and the incorrect ones, as the set's authors made them."""
    with (data / "truthfulqa" / "TruthfulQA.csv").open(encoding="utf-8", newline="") as stream:
        return [_truthful_row(row) for row in csv.DictReader(stream)]


def _truthful_row(row: Mapping[str, str]) -> dict[str, Any]:
    right, wrong = ([a.strip() for a in row[f"{kind} Answers"].split(";") if a.strip()] for kind in ("Correct", "Incorrect"))
    firsts = {"mc1_targets": [row["Best Answer"].strip()], "mc2_targets": right}
    targets = {
        name: {"choices": [*first, *wrong], "labels": [1] * len(first) + [0] * len(wrong)} for name, first in firsts.items()
    }
    return {"question": row["Question"].strip(), **targets}


TASKS = (
    Task(
        "truthfulqa_mc1", "truthfulqa/truthfulqa_mc1.yaml", "validation", "truthfulqa", truthful_rows, {"acc": ("MC1", "")},
        lambda row: [f" {text}" for text in (row["best"], *row["wrong"])],
    ),
    Task(
        "truthfulqa_mc2", "truthfulqa/truthfulqa_mc2.yaml", "validation", "truthfulqa", truthful_rows, {"acc": ("MC2", "")},
        lambda row: [f" {text}" for text in (*row["right"], *row["wrong"])],
    ),
    Task(
        "crows_pairs_english", "crows_pairs/crows_pairs_english.yaml", "test", "crows_pairs", crows_rows,
        {"pct_stereotype": ("percent stereotype", ""), "likelihood_diff": ("likelihood difference", "")},
    ),
    Task(
        "bbq", "bbq/bbq_multiple_choice.yaml", "test", "bbq", bbq_rows,
        {
            "acc": ("accuracy", ""),
            "accuracy_amb": ("accuracy, ambiguous", ""),
            "accuracy_disamb": ("accuracy, disambiguated", ""),
            "amb_bias_score": ("bias, ambiguous", ""),
            "disamb_bias_score": ("bias, disambiguated", ""),
            **{f"amb_bias_score_{c}": ("bias, ambiguous", c) for c in BBQ},
            **{f"disamb_bias_score_{c}": ("bias, disambiguated", c) for c in BBQ},
        },
    ),
)  # fmt: skip


# ------------------------------------------------------------------ the harness's column


def theirs(task: Task, every: int, data: Path, harness: str, answers: str = "") -> dict[str, Any]:
    """The harness on every n-th row: its metrics, and its log-likelihoods row by row, in the order of the choices.

    ``answers`` is the harness's own cache, if one is wanted: a run that was ended goes on from there.

    Raises:
        SystemExit: the harness did not end well.
    """
    rows = task.rows(data)[::every]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rows.json").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": folder, "PATH": "/usr/bin:/bin"}
        offline |= {k: os.environ[k] for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if k in os.environ}
        command = [harness, "-c", HARNESS, folder, str(ensure_embedded()), task.name, task.home, task.split, answers]
        done = subprocess.run(command, env=offline, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise SystemExit(f"lm-evaluation-harness did not end well:\n{done.stderr[-3000:]}")
    found = json.loads(lines[-1].removeprefix("RESULT"))
    scores = [[round(value, 5) for value in row] for row in found["logp"]]
    return {"every": every, "rows": len(rows), "harness": found["version"], "metrics": found["metrics"], "logp": scores}


def keep(task: Task, run: dict[str, Any]) -> None:
    """Put one run into the reference file, in place of one with the same rows."""
    known = json.loads(REFERENCE.read_text("utf-8")) if REFERENCE.exists() else {}
    runs = [r for r in known.get(task.name, []) if r["every"] != run["every"]]
    known[task.name] = sorted([*runs, run], key=lambda r: int(r["every"]))
    text = json.dumps(known, sort_keys=True)
    REFERENCE.write_text(text.replace('{"every"', '\n{"every"').replace('"logp": [[', '"logp":\n[[') + "\n", "utf-8")


# ------------------------------------------------------------------ the probes' column


@dataclass(frozen=True, slots=True)
class Column:
    """The probe's numbers: metrics by the harness's names, log-likelihoods row by row."""

    metrics: dict[str, float]
    logp: list[list[float]]


def ours(task: Task, every: int, data: Path, backend: Backend, store: Store) -> Column:
    """The task's probe on every n-th row, asked and counted as an audit does it.

    Raises:
        KeyError: the probe lacks a measure that the task names, and the rows hold what it is of.
    """
    policy, cases = load_policy("full", inputs={"data": str(data)}), cases_of(task, every, data)
    shipped, rows = cases[0].probe, [Row(c.params, c.id, c.source) for c in cases]
    engine = Engine({("loglikelihood", "target"): backend}, store)
    session = AuditSession(policy, engine, Mask(b"parity"))
    suite = session.add(replace(shipped, rows=rows, controls=(), floor=None, inputs=(), packed=True), "slm::parity")
    engine.prefetch(suite.everything())
    measures = {(m.name, m.group): m.estimate.value for m in session.gate_result(suite)[0].measures}
    scores = [[score for _, score in asked_and_scores(task, case, engine)] for case in suite.cases]
    return Column({name: measures[key] for name, key in task.metrics.items() if key in measures}, scores)


def cases_of(task: Task, every: int, data: Path) -> list[Case]:
    """The cases of the task's probe, every n-th row."""
    [probe] = [probe for probe in builtin_probes() if probe.name == task.probe]
    return list(probe.cases(load_policy("full", inputs={"data": str(data)}).profile))[:: max(1, every)]


def asked_and_scores(task: Task, case: Case, engine: Engine) -> list[tuple[Any, float]]:
    """What a row asks with its log-likelihood, in the order of the harness's choices."""
    asked: list[Any] = list(next(case.steps()))
    pairs = list(zip(asked, (answer.sum for answer in engine.answer(asked)), strict=True))
    if task.choices is None:
        return pairs
    known = {request.continuation: (request, score) for request, score in pairs}
    return [known[text] for text in task.choices(case.params)]


@dataclass(frozen=True, slots=True)
class Compared:
    """Both columns of one task on one choice of rows: the largest differences, and whether all are within tolerance."""

    rows: list[tuple[str, float, float]]
    metric: float
    text: float

    @property
    def near(self) -> bool:
        return bool(self.rows) and self.metric <= METRIC and self.text <= TEXT


def compare(task: Task, run: Mapping[str, Any], mine: Column) -> Compared:
    """Raises:
    SystemExit: the two did not ask the same.
    """
    theirs = run["logp"]
    if [len(row) for row in mine.logp] != [len(row) for row in theirs]:
        raise SystemExit(f"{task.name}: the probe asked {len(mine.logp)} rows, the harness {len(theirs)}, or other choices")
    rows = [(name, mine.metrics[name], run["metrics"][name]) for name in task.metrics if name in run["metrics"]]
    text = max(abs(a - b) for one, two in zip(mine.logp, theirs, strict=True) for a, b in zip(one, two, strict=True))
    return Compared(rows, max(abs(a - b) for _, a, b in rows), text)


def reference(task: Task, every: int | None = None) -> list[dict[str, Any]]:
    """The runs of a task in the reference file; those of every n-th row only, if that is given."""
    known = json.loads(REFERENCE.read_text("utf-8")) if REFERENCE.exists() else {}
    return [run for run in known.get(task.name, []) if every in (None, run["every"])]


def show(task: Task, run: Mapping[str, Any], found: Compared) -> None:
    print(f"\n{task.name}: {run['rows']} rows (every {run['every']}), lm-evaluation-harness {run['harness']}")
    print(f"{'metric':40} {'probe':>12} {'harness':>12} {'difference':>11}")
    for name, mine, theirs in found.rows:
        print(f"{name:40} {mine:12.6f} {theirs:12.6f} {mine - theirs:11.1e}")
    print(f"largest difference of a log-likelihood: {found.text:.1e}  {'within tolerance' if found.near else 'TOO FAR APART'}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=[task.name for task in TASKS], help="one task only")
    parser.add_argument("--every", type=int, help="every n-th row only")
    parser.add_argument(
        "--harness", default="", help="the Python of an environment with lm-eval 0.4.13: makes the reference file"
    )
    parser.add_argument("--answers", default="", help="a file where the harness keeps its answers, to go on from after an end")
    parser.add_argument("--data", type=Path, default=DATA, help="public data sets; default: $PUBLIC_DATA")
    chosen = parser.parse_args(arguments)
    tasks = [task for task in TASKS if chosen.task in (None, task.name)]
    if chosen.harness:
        for task in tasks:
            keep(task, theirs(task, chosen.every or 1, chosen.data, chosen.harness, chosen.answers))
        return 0
    runs = [(task, run) for task in tasks for run in reference(task, chosen.every)]
    if not runs:
        print(f"{REFERENCE}: no such rows there; make them with --harness")
        return 2
    backend, near = load_backend(ModelSpec("smollm2-135m-instruct")), True
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store", "parity")
        for task, run in runs:
            found = compare(task, run, ours(task, run["every"], chosen.data, backend, store))
            show(task, run, found)
            near = near and found.near
    if isinstance(backend, TransformersBackend):
        read, shared = backend.counters.prefilled, backend.counters.shared
        print(f"\ntokens read: {read}; {shared} more would have been without shared beginnings ({read / (read + shared):.1%})")
    return int(not near)


if __name__ == "__main__":
    sys.exit(main())
