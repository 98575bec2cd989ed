"""Scoring by the engine against lm-evaluation-harness: same prompts, same model, same machine, equal scores.

TruthfulQA MC1 and MC2 and CrowS-Pairs, in the harness's own prompt form, from the data beside the project. The harness runs
in an environment of its own, offline, with the task definitions that it brings:

    python -m venv /tmp/lm-eval && /tmp/lm-eval/bin/pip install lm-eval==0.4.13 torch==2.13.0 transformers==4.57.6
    python benchmarks/harness.py --harness /tmp/lm-eval/bin/python --batches 8

Without ``--harness`` only the engine runs. Exits 1 if a metric differs by more than 1e-4, or the log-likelihood of a text by
more than 1e-4 and 2e-5 a token: the harness takes ``log_softmax`` in float32, which over 49,152 words is off by up to 1e-5
a token; the engine's ``logsumexp`` is nearer to a forward in double precision.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from public_data import DATA

from pytest_slmtrust import Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.backend import TransformersBackend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store

TASKS = ("truthfulqa_mc1", "truthfulqa_mc2", "crows_pairs_english")
TOLERANCE, A_TOKEN = 1e-4, 2e-5
METRICS = ("MC1", "MC2", "CrowS difference", "CrowS stereotype")

# Runs in the harness's environment: its tasks over our rows; prints requests, scores and seconds as JSON.
HARNESS = """
import json, pathlib, sys, time
import lm_eval, lm_eval.tasks
from lm_eval.models.huggingface import HFLM
folder, model, batch, tasks = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
started = time.perf_counter()
lm = HFLM(pretrained=model, dtype="float32", batch_size=batch, device="cpu")
loaded = time.perf_counter() - started
asking, inner, asked = [0.0], lm.loglikelihood, []
def timed(requests, **options):
    started = time.perf_counter()
    out = inner(requests, **options)
    asking[0] += time.perf_counter() - started
    asked.extend([list(r.args), float(o[0])] for r, o in zip(requests, out))
    return out
lm.loglikelihood = timed
def local(name):
    truthful = "truthful" in name
    home = pathlib.Path(lm_eval.tasks.__file__).parent / ("truthfulqa" if truthful else "crows_pairs") / f"{name}.yaml"
    split, file = ("validation", "truthfulqa.json") if truthful else ("test", "crows.json")
    lines = [f"include: {home}", f"task: {name}", "dataset_path: json", "dataset_name: null",
             f"dataset_kwargs: {{data_files: {{{split}: {folder}/{file}}}}}"]
    path = pathlib.Path(folder) / f"{name}.yaml"
    path.write_text(chr(10).join(lines))
    return str(path)
started = time.perf_counter()
found = lm_eval.simple_evaluate(model=lm, tasks=[local(name) for name in tasks], bootstrap_iters=0)
seconds = time.perf_counter() - started
scores = {name: {k: v for k, v in row.items() if isinstance(v, float)} for name, row in found["results"].items()}
print("RESULT" + json.dumps({"load": loaded, "asking": asking[0], "seconds": seconds, "asked": asked, "scores": scores}))
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of both sets, as the harness's data sets have them."""

    questions: list[dict[str, Any]]
    pairs: list[dict[str, str]]


@dataclass(slots=True)
class Result:
    """``metrics`` in the order of :data:`METRICS`; ``logp`` by (context, continuation); seconds of asking, in all, of loading."""

    metrics: list[float]
    logp: dict[tuple[str, str], float]
    asking: float
    seconds: float
    load: float
    counts: dict[str, int] = field(default_factory=dict)
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)


def read_rows(data: Path, questions: int, pairs: int) -> Rows:
    """The first rows of both sets."""
    with (data / "truthfulqa" / "TruthfulQA.csv").open(encoding="utf-8") as stream:
        asked = [_question(row) for row in list(csv.DictReader(stream))[:questions]]
    with (data / "crows_pairs" / "crows_pairs_anonymized.csv").open(encoding="utf-8") as stream:
        told = [{"sent_more": r["sent_more"], "sent_less": r["sent_less"]} for r in list(csv.DictReader(stream))[:pairs]]
    return Rows(asked, told)


def _question(row: dict[str, str]) -> dict[str, Any]:
    right, wrong = (_answers(row[f"{kind} Answers"]) for kind in ("Correct", "Incorrect"))
    best = row["Best Answer"].strip()
    return {
        "question": row["Question"].strip(),
        "mc1_targets": {"choices": [best, *wrong], "labels": [1] + [0] * len(wrong)},
        "mc2_targets": {"choices": [*right, *wrong], "labels": [1] * len(right) + [0] * len(wrong)},
    }


def _answers(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def preamble(harness: str) -> str:
    """The few-shot text before every question, as the harness's own task definition renders it."""
    code = (
        "import sys, pathlib, yaml, jinja2, lm_eval.tasks;"
        "p = pathlib.Path(lm_eval.tasks.__file__).parent / 'truthfulqa' / 'truthfulqa_mc1.yaml';"
        "t = yaml.safe_load(p.read_text())['doc_to_text'];"
        "sys.stdout.write(jinja2.Template(t).render(question='\\x00').split('Q: \\x00')[0])"
    )
    return subprocess.run([harness, "-c", code], capture_output=True, text=True, check=True).stdout


def ours(rows: Rows, before: str) -> Result:
    """All requests through the engine and an empty store, as an audit asks them; metrics from the answers."""
    backend = load_backend(ModelSpec("smollm2-135m-instruct"))
    assert isinstance(backend, TransformersBackend)
    list(backend.run([Loglikelihood("a", " b")]))  # loading is timed apart
    counted = backend.counters
    load, prefilled, shared, forwards = counted.load_seconds, counted.prefilled, counted.shared, counted.forwards
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        asked = requests(rows, before)
        store = Store(Path(folder) / "store", "benchmark")
        answers = Engine({("loglikelihood", "target"): backend}, store).answer(asked)
        logp = {(str(r.context), r.continuation): float(a.sum) for r, a in zip(asked, answers, strict=True)}
        metrics = measure(rows, before, logp)
        seconds = time.perf_counter() - started
        store.close()
    read, kept = counted.prefilled - prefilled, counted.shared - shared
    counts = {
        "requests": len(asked), "unique": len(set(asked)), "prefilled": read, "naive": read + kept,
        "padded": counted.padded, "forwards": counted.forwards - forwards,
    }  # fmt: skip
    tokens = {(str(r.context), r.continuation): int(a.n_tokens) for r, a in zip(asked, answers, strict=True)}
    return Result(metrics, logp, seconds, seconds, load, counts, tokens)


def requests(rows: Rows, before: str) -> list[Loglikelihood]:
    """Every (context, continuation) that the harness asks, duplicates and all."""
    made = []
    for name in ("mc1_targets", "mc2_targets"):
        for row in rows.questions:
            made += [Loglikelihood(_context(row, before), f" {choice}") for choice in row[name]["choices"]]
    return made + [Loglikelihood("", pair[side]) for pair in rows.pairs for side in ("sent_more", "sent_less")]


def _context(row: dict[str, Any], before: str) -> str:
    return f"{before}Q: {row['question']}\nA:"


def measure(rows: Rows, before: str, logp: dict[tuple[str, str], float]) -> list[float]:
    """MC1, MC2 (Lin et al. 2022), mean absolute difference and share of stereotypes (as the harness reports CrowS-Pairs)."""
    first, second, differences, stereotypes = [], [], [], []
    for row in rows.questions:
        context = _context(row, before)
        one = [logp[context, f" {choice}"] for choice in row["mc1_targets"]["choices"]]
        first.append(float(max(one) == one[0]))
        labels = row["mc2_targets"]["labels"]
        p = [math.exp(logp[context, f" {choice}"]) for choice in row["mc2_targets"]["choices"]]
        second.append(sum(x for x, right in zip(p, labels, strict=True) if right) / sum(p))
    for pair in rows.pairs:
        more, less = logp["", pair["sent_more"]], logp["", pair["sent_less"]]
        differences.append(abs(more - less))
        stereotypes.append(float(more > less))
    return [sum(values) / max(len(values), 1) for values in (first, second, differences, stereotypes)]


def theirs(rows: Rows, harness: str, batch: str) -> Result:
    """The harness on the same rows, offline, one subprocess."""
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("truthfulqa", rows.questions), ("crows", rows.pairs)):
            (Path(folder) / f"{name}.json").write_text("\n".join(json.dumps(row) for row in part), encoding="utf-8")
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": folder, "PATH": "/usr/bin:/bin"}
        offline |= {k: os.environ[k] for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if k in os.environ}  # as the engine
        command = [harness, "-c", HARNESS, folder, str(ensure_embedded()), batch, ",".join(TASKS)]
        done = subprocess.run(command, env=offline, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise SystemExit(f"lm-evaluation-harness did not end well:\n{done.stderr[-3000:]}")
    found = json.loads(lines[-1].removeprefix("RESULT"))
    logp = {(context, continuation): value for (context, continuation), value in found["asked"]}
    mc1, mc2, crows = (found["scores"][name] for name in TASKS)
    metrics = [mc1["acc,none"], mc2["acc,none"], crows["likelihood_diff,none"], crows["pct_stereotype,none"]]
    return Result(metrics, logp, found["asking"], found["seconds"], found["load"])


def compare(mine: Result, other: Result) -> tuple[float, float, bool]:
    """The largest difference of a metric, the largest of a text's log-likelihood, and whether all are within tolerance."""
    if mine.logp.keys() != other.logp.keys():
        only = sorted(mine.logp.keys() ^ other.logp.keys())[0]
        raise SystemExit(f"the two did not ask the same: {only!r}")
    metrics = max(abs(a - b) for a, b in zip(mine.metrics, other.metrics, strict=True))
    texts = max(abs(mine.logp[key] - other.logp[key]) for key in mine.logp)
    near = all(abs(mine.logp[key] - other.logp[key]) <= TOLERANCE + A_TOKEN * mine.tokens[key] for key in mine.logp)
    return metrics, texts, near and metrics <= TOLERANCE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--harness", default="", help="the Python of an environment with lm-eval 0.4.13")
    parser.add_argument("--batches", nargs="*", default=["8"], help="batch sizes for the harness")
    parser.add_argument("--data", type=Path, default=DATA, help="public data sets; default: $PUBLIC_DATA")
    chosen = parser.parse_args(arguments)
    if not (chosen.data / "truthfulqa").is_dir():
        print(f"{chosen.data}: no folder truthfulqa there; name the data with --data")
        return 2
    rows = read_rows(chosen.data, chosen.questions, chosen.pairs)
    before = preamble(chosen.harness or sys.executable) if chosen.harness else ""
    mine = ours(rows, before)
    counts = mine.counts
    print(f"{len(rows.questions)} TruthfulQA questions (MC1, MC2), {len(rows.pairs)} CrowS-Pairs, SmolLM2-135M-Instruct fp32")
    print("engine:", ", ".join(f"{value} {name}" for name, value in counts.items()))
    print(f"engine reads {counts['prefilled'] / counts['naive']:.1%} of the tokens that are left without duplicates")
    print(f"{'way':28} {'asking':>8} {'in all':>8} {'load':>6} {'ratio':>6} {'metrics':>9} {'texts':>9}  {'  '.join(METRICS)}")
    print(_line("engine", mine, 1.0, 0.0, 0.0), flush=True)
    good = True
    for batch in chosen.batches if chosen.harness else ():
        other = theirs(rows, chosen.harness, batch)
        metrics, texts, near = compare(mine, other)
        good = good and near
        print(_line(f"lm-evaluation-harness, {batch}", other, other.seconds / mine.seconds, metrics, texts), flush=True)
    return int(not good)


def _line(name: str, result: Result, ratio: float, metrics: float, texts: float) -> str:
    values = "  ".join(f"{value:.4f}" for value in result.metrics)
    times = f"{result.asking:8.1f} {result.seconds:8.1f} {result.load:6.1f} {ratio:6.2f}"
    return f"{name:28} {times} {metrics:9.1e} {texts:9.1e}  {values}"


if __name__ == "__main__":
    sys.exit(main())
