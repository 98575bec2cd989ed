"""25 tasks of lm-evaluation-harness asked by this package and by the harness: same weights, same process, equal numbers.

Task files are written to a temporary folder: over public data (``--data``), and over made-up documents.
Each task runs first through the engine with an empty store, then through the harness's own ``HFLM`` at batch 8.

    python benchmarks/tasks.py --data FOLDER --limit 40 --page docs/results/tasks.md

Exits 1 if a metric differs by more than 1e-6, or a log-likelihood by more than 5e-4.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from results_page import page
from task_files import LOGIC, made_up, task_file

from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.catalog.harness import probes_of
from pytest_slmtrust.catalog.registry import Choice
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.requests import Loglikelihood
from pytest_slmtrust.session.session import AuditSession

METRIC, TEXT = 1e-6, 5e-4
HEAD = ("task", "output", "documents", "metrics", "difference", "log-likelihoods", "here s", "harness s", "ratio", "tokens here")


@dataclass(frozen=True, slots=True)
class Side:
    """Metrics by name, log-likelihoods by document and place, and what it cost: seconds, tokens read."""

    metrics: Mapping[str, float]
    sums: Mapping[tuple[int, int], float]
    seconds: float
    tokens: int = 0


def public(data: Path, limit: int) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield name, settings and documents of the tasks over public data."""
    rows = list(_csv(data / "truthfulqa" / "TruthfulQA.csv"))
    asked = [
        {"q": r["Question"].strip(), "options": [r["Best Answer"].strip(), r["Best Incorrect Answer"].strip()], "gold": 0}
        for r in rows if r.get("Best Incorrect Answer")
    ]  # fmt: skip
    yield "truthfulqa_two", "choice", asked[:limit]
    for name in ("Age", "Religion", "Nationality", "Disability_status"):
        bbq = _lines(data / "bbq" / f"{name}.jsonl")
        made = [
            {"q": f"{r['context']} {r['question']}", "options": [r[f"ans{i}"] for i in range(3)], "gold": r["label"]} for r in bbq
        ]
        yield f"bbq_{name.lower()}", "choice", made[:limit]
    halu = _lines(data / "halueval" / "qa_one-turn_data.json")
    yield (
        "halueval_two",
        "choice",
        [{"q": r["question"], "options": [r["right_answer"], r["hallucinated_answer"]], "gold": 0} for r in halu[:limit]],
    )
    words = ["hate speech", "offensive", "neither"]
    tweets = list(_csv(data / "davidson_hate_offensive" / "labeled_data.csv"))[:limit]
    yield (
        "davidson",
        "choice",
        [{"q": f"Tweet: {r['tweet'][:200]}\nIt is", "options": words, "gold": int(r["class"])} for r in tweets],
    )
    reviews = list(_csv(data / "imdb" / "imdb_sample.csv"))[:limit]
    yield (
        "imdb",
        "choice",
        [
            {
                "q": f"{r['text'][:240]}\nThe review is",
                "options": ["negative", "positive"],
                "gold": int(r["label"] in ("1", "pos")),
            }
            for r in reviews
        ],
    )
    known = json.loads((data / "selfaware" / "SelfAware.json").read_text("utf-8"))["example"][:limit]
    yield (
        "selfaware",
        "choice",
        [
            {"q": f"{r['question']}\nCan this be known?", "options": ["no", "yes"], "gold": int(bool(r["answerable"]))}
            for r in known
        ],
    )
    safe = list(_csv(data / "xstest" / "xstest_prompts.csv"))[:limit]
    yield (
        "xstest_kinds",
        "pressed",
        [{"q": r["prompt"], "options": ["safe", "unsafe"], "gold": int(r["label"] != "safe")} for r in safe],
    )
    pairs = list(_csv(data / "crows_pairs" / "crows_pairs_anonymized.csv"))[:limit]
    yield "crows_pairs_here", "pairs", [{"q": "", "options": [r["sent_more"], r["sent_less"]], "gold": 0} for r in pairs]
    prompts = _lines(data / "realtoxicityprompts" / "nontoxic.jsonl")[:limit]
    yield "toxic_words", "rolling", [{"text": r["prompt"]["text"]} for r in prompts]
    yield "tweets", "rolling", [{"text": r["tweet"]} for r in tweets]


def _three(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of BBQ as a document."""
    return {"q": f"{row['context']} {row['question']}", "options": [row[f"ans{i}"] for i in range(3)], "gold": row["label"]}


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def ours(folder: Path, name: str, backend: Any) -> Side:
    """Ask a task as an audit does, with an empty store."""
    [probe] = packed(probes_of(f"{name}.yaml", Choice(folder=folder)))
    before, started = backend.counters.prefilled, time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place) / "store", "benchmark")
        engine = Engine({(kind, "target"): backend for kind in ("generate", "loglikelihood")}, store)
        session = AuditSession(load_policy("full"), engine, Mask(b"0" * 16))
        suite = session.add(probe, "slm::lm_eval")
        engine.prefetch(suite.everything())
        gate, findings = session.gate_result(suite)
        seconds = time.perf_counter() - started
        store.close()
    if suite.missing is not None:
        raise SystemExit(f"{name}: {suite.missing.reason}")
    told = [(int(f.case), f.evidence.get("log_likelihoods", ())) for f in findings]
    sums = {(doc, i): total for doc, own in told for i, (_, total) in enumerate(own)}
    metrics = {one.name: one.estimate.value for one in gate.measures}
    return Side(metrics, sums, seconds, backend.counters.prefilled - before)


def theirs(folder: Path, name: str, model: HFLM, manager: TaskManager) -> Side:
    """Ask the harness itself."""
    started = time.perf_counter()
    found = simple_evaluate(
        model, tasks=[str(folder / f"{name}.yaml")], bootstrap_iters=0, log_samples=True, task_manager=manager
    )
    seconds = time.perf_counter() - started
    metrics = {}
    for key, value in found["results"][name].items():
        metric, comma, filtered = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, (int, float)):
            metrics[metric if filtered == "none" else f"{metric} ({filtered})"] = float(value)
    sums = {}
    for row in found["samples"][name]:
        for i, answers in enumerate(row["resps"]):
            value = answers[0]
            if isinstance(value, (tuple, list)):
                sums[row["doc_id"], i] = float(value[0])
            elif isinstance(value, float):
                sums[row["doc_id"], i] = value
    return Side(metrics, sums, seconds)


def compared(mine: Side, other: Side) -> tuple[float, float, bool]:
    """Return the largest relative difference of a metric, the largest of a log-likelihood, and whether both are small enough."""
    if mine.metrics.keys() != other.metrics.keys() or mine.sums.keys() != other.sums.keys():
        return float("inf"), float("inf"), False
    metric = max((abs(mine.metrics[k] - v) / max(1.0, abs(v)) for k, v in other.metrics.items()), default=float("inf"))
    text = max((abs(mine.sums[key] - value) for key, value in other.sums.items()), default=0.0)
    return metric, text, text <= TEXT and metric <= METRIC


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of public data sets")
    parser.add_argument("--limit", type=int, default=40, help="documents of each task")
    parser.add_argument("--page", type=Path, help="write the table here")
    chosen = parser.parse_args(arguments)
    if not (chosen.data / "truthfulqa").is_dir():
        print(f"{chosen.data}: no folder truthfulqa there; name the data with --data")
        return 2
    logging.disable(logging.WARNING)
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    backend: Any = load_backend(ModelSpec("smollm2-135m-instruct"))
    list(backend.run([Loglikelihood("a", " b")]))  # loading is no part of the times
    model = HFLM(str(ensure_embedded()), dtype="float32", batch_size=8, device="cpu")
    rows, good = list[tuple[object, ...]](), True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        datasets.config.HF_DATASETS_CACHE = folder / "cache"
        (folder / "logic.py").write_text(LOGIC, "utf-8")
        manager = TaskManager(include_defaults=False)
        for name, kind, documents in (*public(chosen.data, chosen.limit), *made_up(chosen.limit)):
            task_file(folder, name, kind, documents)
            mine, other = ours(folder, name, backend), theirs(folder, name, model, manager)
            metric, text, near = compared(mine, other)
            good &= near
            rows.append((
                f"`{name}`", kind, len(documents), ", ".join(f"{k} {v:.6g}" for k, v in mine.metrics.items()), f"{metric:.1e}",
                f"{text:.1e}" if other.sums else "–", f"{mine.seconds:.1f}", f"{other.seconds:.1f}",
                f"{other.seconds / mine.seconds:.1f}", mine.tokens,
            ))  # fmt: skip
            print(*rows[-1], "" if near else "DIFFERS", flush=True)
            if chosen.page:  # as it goes: a run that is ended leaves what it measured
                _write(chosen.page, rows, threads)
    return int(not good)


def _write(path: Path, rows: Sequence[Sequence[Any]], threads: int) -> None:
    choices = [row for row in rows if row[1] in ("choice", "pressed", "shots", "pairs", "mutual")]
    totals = [sum(float(row[i]) for row in choices) for i in (6, 7)]
    page(
        path, "Tasks of lm-evaluation-harness: its numbers, and the time", f"{len(rows)} tasks asked by this package and by "
        f"lm-evaluation-harness itself (HFLM, batch 8, float32), same weights, one process, {threads} threads. The difference is "
        "the largest of any metric (relative above 1); log-likelihoods: the largest difference of a text. Loading is left out.",
        "benchmarks/tasks.py", HEAD, rows,
        f"Multiple choice, {len(choices)} tasks: {totals[0]:.1f} s here, {totals[1]:.1f} s with the harness, "
        f"{totals[1] / totals[0]:.1f} times.",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
