"""Whose log-likelihoods are nearer to the model: the probes' and lm-evaluation-harness's beside the same weights in float64.

    python benchmarks/precision.py --rows 60      # so many rows of CrowS-Pairs and of TruthfulQA; 18 minutes of one core

The truth is the plain way: one text, one forward, eager attention, the log-softmax and its sum in float64 too (only the angles
of the rotary embedding stay in float32, as transformers computes them). Exits 1 if a score of the probes is 1e-4 from it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from parity import TASKS, Task, asked_and_scores, cases_of, reference
from public_data import DATA
from transformers import AutoModelForCausalLM, AutoTokenizer

from pytest_slmtrust import Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.requests import text_of

BAR = 1e-4
NAMES = ("crows_pairs_english", "truthfulqa_mc2")


class Truth:
    """The embedded model in float64."""

    def __init__(self) -> None:
        folder = ensure_embedded()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")

    def score(self, asked: Loglikelihood) -> float:
        """The log-likelihood in nats of a continuation, after its context or after the token that begins a text."""
        context = text_of(asked.context)
        ids = self.tokenizer(context + asked.continuation).input_ids
        before = len(self.tokenizer(context).input_ids) if context else 0
        if not context:
            ids, before = [self.tokenizer.bos_token_id, *ids], 1
        with torch.inference_mode():
            logp = torch.log_softmax(self.model(torch.tensor([ids])).logits[0], dim=-1)
        return sum(logp[place - 1, ids[place]].item() for place in range(before, len(ids)))


def differences(task: Task, rows: int, engine: Engine, truth: Truth) -> list[tuple[float, float]]:
    """For each text of so many rows, spread over the task: how far the probe's score and the harness's are from the truth."""
    run = min(reference(task), key=lambda one: int(one["every"]))
    both = list(zip(cases_of(task, run["every"], DATA), run["logp"], strict=True))
    found = []
    for case, theirs in both[:: max(1, len(both) // rows)]:
        for (asked, mine), other in zip(asked_and_scores(task, case, engine), theirs, strict=True):
            exact = truth.score(asked)
            found.append((abs(mine - exact), abs(other - exact)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20)
    rows = parser.parse_args(arguments).rows
    backend, truth, worst = load_backend(ModelSpec("smollm2-135m-instruct")), Truth(), 0.0
    print(f"{'distance from float64, in nats':32} {'texts':>6} {'median':>9} {'95 %':>9} {'largest':>9}")
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine({("loglikelihood", "target"): backend}, Store(Path(folder) / "store", "precision"))
        for task in (task for task in TASKS if task.name in NAMES):
            columns = zip(*differences(task, rows, engine, truth), strict=True)
            for who, column in zip(("probe", "harness"), map(sorted, columns), strict=True):
                middle, high, largest = column[len(column) // 2], column[int(0.95 * len(column))], column[-1]
                print(f"{f'{task.name}, {who}':32} {len(column):6} {middle:9.1e} {high:9.1e} {largest:9.1e}")
                worst = max(worst, largest) if who == "probe" else worst
    return int(worst > BAR)


if __name__ == "__main__":
    sys.exit(main())
