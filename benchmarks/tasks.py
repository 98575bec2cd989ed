"""28 tasks of lm-evaluation-harness asked by this package and by the harness: same weights, same process, equal numbers.

Task files are written to a temporary folder: over public data (``--data``), and over made-up documents.
Each task runs first through the engine with an empty store, then through the harness's own ``HFLM`` at batch 8.

    python benchmarks/tasks.py --data FOLDER --limit 40 --page docs/results/tasks.md

Exits 1 if a metric differs by more than 1e-6, or a log-likelihood by more than 5e-4 from the harness and from float64. In
float32 the relative difference of a perplexity is held to 5e-4 too: it is computed from log-likelihoods.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from results_page import page
from task_files import LOGIC, made_up, task_file
from transformers import AutoModelForCausalLM

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
HEAD = (
    "task", "output", "documents", "metrics", "difference", "log-likelihoods", "here s", "harness s", "times", "tokens here",
    "harness tokens", "times",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """Metrics by name, log-likelihoods by document and place, and what it cost: seconds, tokens fed, padding among them.

    ``texts`` of the harness's side: context and continuation of each log-likelihood.
    """

    metrics: Mapping[str, float]
    sums: Mapping[tuple[int, int], float]
    seconds: float
    tokens: int
    texts: Mapping[tuple[int, int], tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Fed:
    """Counts the tokens that go into a model, padding among them."""

    tokens: int = 0

    def watch(self, model: Any) -> None:
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = named.get("input_ids", given[0] if given else None)
        self.tokens += 0 if ids is None else ids.numel()


def public(data: Path, limit: int) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield name, settings and documents of the tasks over public data."""
    rows = list(_csv(data / "truthfulqa" / "TruthfulQA.csv"))
    asked = [
        {"q": r["Question"].strip(), "options": [r["Best Answer"].strip(), r["Best Incorrect Answer"].strip()], "gold": 0}
        for r in rows if r.get("Best Incorrect Answer")
    ]  # fmt: skip
    yield "truthfulqa_two", "choice", asked[:limit]
    own = [
        {
            "question": r["Question"].strip(),
            "mc1_targets": {"choices": [r["Best Answer"].strip(), *wrong], "labels": [1] + [0] * len(wrong)},
            "mc2_targets": {"choices": [*right, *wrong], "labels": [1] * len(right) + [0] * len(wrong)},
        }
        for r in rows[:limit]
        for right, wrong in [(_answers(r["Correct Answers"]), _answers(r["Incorrect Answers"]))]
    ]
    yield "truthfulqa_mc1", "truthfulqa", own
    yield "truthfulqa_mc2", "truthfulqa", own
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
    yield "crows_pairs_english", "crows_pairs", [{"sent_more": r["sent_more"], "sent_less": r["sent_less"]} for r in pairs]
    yield "crows_pairs_here", "pairs", [{"q": "", "options": [r["sent_more"], r["sent_less"]], "gold": 0} for r in pairs]
    prompts = _lines(data / "realtoxicityprompts" / "nontoxic.jsonl")[:limit]
    yield "toxic_words", "rolling", [{"text": r["prompt"]["text"]} for r in prompts]
    yield "tweets", "rolling", [{"text": r["tweet"]} for r in tweets]


def _answers(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def ours(folder: Path, name: str, backend: Any, fed: Fed) -> Side:
    """Ask a task as an audit does, with an empty store."""
    [probe] = packed(probes_of(f"{name}.yaml", Choice(folder=folder)))
    before, started = fed.tokens, time.perf_counter()
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
    return Side(metrics, sums, seconds, fed.tokens - before)


def theirs(folder: Path, name: str, model: HFLM, manager: TaskManager, fed: Fed) -> Side:
    """Ask the harness itself."""
    before, started = fed.tokens, time.perf_counter()
    found = simple_evaluate(
        model, tasks=[str(folder / f"{name}.yaml")], bootstrap_iters=0, log_samples=True, task_manager=manager
    )
    seconds = time.perf_counter() - started
    metrics = {}
    for key, value in found["results"][name].items():
        metric, comma, filtered = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, (int, float)):
            metrics[metric if filtered == "none" else f"{metric} ({filtered})"] = float(value)
    sums, texts = {}, {}
    for row in found["samples"][name]:
        for i, answers in enumerate(row["resps"]):
            value = answers[0]
            if isinstance(value, (tuple, list)):
                sums[row["doc_id"], i] = float(value[0])
                texts[row["doc_id"], i] = tuple(row["arguments"][i][:2])
            elif isinstance(value, float):
                sums[row["doc_id"], i] = value
                texts[row["doc_id"], i] = "", row["arguments"][i][0]
    return Side(metrics, sums, seconds, fed.tokens - before, texts)


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one task: the largest difference of a metric and of a log-likelihood; ``exact``: how far both sides are from float64."""

    metric: float
    text: float
    near: bool
    exact: tuple[float, float] | None = None


def compared(mine: Side, other: Side, judge: Judge) -> Difference:
    """Compare two sides. Where a log-likelihood differs by more than :data:`TEXT`, float64 says which side is off.

    A perplexity is an exponential of the mean log-likelihood, so in float32 its logarithm is held to the texts' tolerance.
    """
    if mine.metrics.keys() != other.metrics.keys() or mine.sums.keys() != other.sums.keys():
        return Difference(math.inf, math.inf, False)
    apart = {k: abs(mine.metrics[k] - v) / max(1.0, abs(v)) for k, v in other.metrics.items()}
    metric = max(apart.values(), default=math.inf)
    near = all(value <= (TEXT if _of_texts(k) and judge.dtype == "float32" else METRIC) for k, value in apart.items())
    off = {key: abs(mine.sums[key] - value) for key, value in other.sums.items()}
    wide = [key for key, value in off.items() if value > TEXT]
    text = max(off.values(), default=0.0)
    if not wide or not all(key in other.texts for key in wide):
        return Difference(metric, text, near and not wide)
    true = {key: judge.of(*other.texts[key]) for key in wide}
    ours_off, theirs_off = (max(abs(side.sums[key] - true[key]) for key in wide) for side in (mine, other))
    return Difference(metric, text, near and ours_off <= TEXT, (ours_off, theirs_off))


def _of_texts(metric: str) -> bool:
    return "perplexity" in metric or "bits_per_byte" in metric


@dataclass(slots=True)
class Judge:
    """Plain forwards in float64 of the same weights, one text at a time, over the harness's own tokens."""

    harness: HFLM
    dtype: str = "float32"
    model: Any = None

    def of(self, context: str, continuation: str) -> float:
        """Return the log-likelihood of a continuation in nats."""
        if self.model is None:
            self.model = AutoModelForCausalLM.from_pretrained(str(ensure_embedded()), dtype=torch.float64)
        before, after = [self.harness.prefix_token_id], self.harness.tok_encode(continuation)
        if context:
            before, after = self.harness._encode_pair(context, continuation)
        with torch.inference_mode():
            logits = self.model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
        return float(logits.log_softmax(-1)[range(len(after)), after].sum())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of public data sets")
    parser.add_argument("--limit", type=int, default=40, help="documents of each task")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="float64: both sides without rounding; slower"
    )
    parser.add_argument("--only", default="", help="these tasks alone, separated by commas")
    parser.add_argument("--page", type=Path, help="write the table here")
    chosen = parser.parse_args(arguments)
    if not (chosen.data / "truthfulqa").is_dir():
        print(f"{chosen.data}: no folder truthfulqa there; name the data with --data")
        return 2
    logging.disable(logging.WARNING)
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    backend: Any = load_backend(ModelSpec("smollm2-135m-instruct"))
    list(backend.run([Loglikelihood("a", " b")]))  # loading is no part of the times
    if chosen.dtype == "float64":
        backend._engine.loaded.model.double()
    model = HFLM(str(ensure_embedded()), dtype=chosen.dtype, batch_size=8, device="cpu")
    rows, good, fed, judge = list[tuple[object, ...]](), True, Fed(), Judge(model, chosen.dtype)
    fed.watch(model.model)
    fed.watch(backend._engine.loaded.model)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        datasets.config.HF_DATASETS_CACHE = folder / "cache"
        (folder / "logic.py").write_text(LOGIC, "utf-8")
        manager = TaskManager(include_defaults=False)
        for name, kind, documents in (*public(chosen.data, chosen.limit), *made_up(chosen.limit)):
            if chosen.only and name not in chosen.only.split(","):
                continue
            task_file(folder, name, kind, documents)
            mine, other = ours(folder, name, backend, fed), theirs(folder, name, model, manager, fed)
            found = compared(mine, other, judge)
            good &= found.near
            rows.append((
                f"`{name}`", kind, len(documents), ", ".join(f"{k} {v:.6g}" for k, v in mine.metrics.items()),
                f"{found.metric:.1e}", _texts(found) if other.sums else "–", f"{mine.seconds:.1f}",
                f"{other.seconds:.1f}", f"{other.seconds / mine.seconds:.1f}", mine.tokens, other.tokens,
                f"{other.tokens / mine.tokens:.1f}",
            ))  # fmt: skip
            print(*rows[-1], "" if found.near else "DIFFERS", flush=True)
            if chosen.page:  # as it goes: a run that is ended leaves what it measured
                _write(chosen.page, rows, threads, chosen.dtype)
    return int(not good)


def _texts(found: Difference) -> str:
    """Return the largest difference of a log-likelihood, and where that is wide, how far each side is from float64."""
    if found.exact is None:
        return f"{found.text:.1e}"
    return f"{found.text:.1e} (from float64: {found.exact[0]:.1e} here, {found.exact[1]:.1e} the harness)"


def _write(path: Path, rows: Sequence[Sequence[Any]], threads: int, dtype: str) -> None:
    choices = [row for row in rows if row[1] in ("choice", "pressed", "shots", "pairs", "mutual", "truthfulqa", "crows_pairs")]
    here, there, fed, fed_there = (sum(float(row[i]) for row in choices) for i in (6, 7, 9, 10))
    page(
        path, "Tasks of lm-evaluation-harness: its numbers, and the time", f"{len(rows)} tasks asked by this package and by "
        f"lm-evaluation-harness itself (HFLM, batch 8, {dtype}), same weights, one process, {threads} threads. The difference is "
        "the largest of any metric (relative above 1); log-likelihoods: the largest difference of a text. Loading is left out.",
        "benchmarks/tasks.py", HEAD, rows,
        f"Multiple choice, {len(choices)} tasks: {here:.1f} s here, {there:.1f} s with the harness, {there / here:.1f} times; "
        f"{fed:.0f} and {fed_there:.0f} tokens fed, padding among them, {fed_there / fed:.1f} times. Time follows the tokens: "
        "what documents and options share is read once here. Where they share little, little is saved.",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
