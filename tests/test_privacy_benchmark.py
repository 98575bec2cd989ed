"""The benchmark of memorisation on a tiny model: it trains, asks and reads its tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from privacy import Task, documents, fine_tune, null_band, run


@pytest.mark.full  # each probe tells models that learned from models that did not: test_canaries, test_probes_memorisation
def test_a_tiny_model_that_is_trained_hard_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lm = tiny.model("llama", seed=1, context=512, spread=0.1)
    task = Task.make(tmp_path, count=40, sentences=2, each=3)
    bars = run(lm, tiny.tokenizer(), task, epochs=12, rate=1e-2, each=3)
    held = {bar.claim: bar.holds for bar in bars}
    assert held["two files of different style: CONFOUNDED"]
    assert held["untouched model: no canary alarm"]
    assert held["the same data never trained on: no alarm"]
    printed = capsys.readouterr().out
    assert "Attacks on membership, fine-tuned" in printed
    assert "Median exposure, untouched" in printed


def test_training_lowers_the_loss_and_is_reproducible() -> None:
    texts = documents(16, "x", 1)
    losses = [fine_tune(tiny.model(spread=0.1), tiny.tokenizer(), texts, 2, 1e-3) for _ in range(2)]
    assert losses[0] == losses[1]
    assert losses[0][1] < losses[0][0]


def test_the_band_of_what_was_not_learned() -> None:
    low, high = null_band(10, 1000, 4000)
    assert 0.2 < low < 1 < high < 3.5
