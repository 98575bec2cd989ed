"""Decoding against the bound of the model's matrix products alone, timed in the same process."""

from __future__ import annotations

import time
from statistics import mean
from typing import Any

from pytest_slmtrust import Completion, Generate
from pytest_slmtrust.backends.load import ModelSpec, load_backend

ROWS = 64
STEPS = 64


def products(model: Any, rows: int, repeats: int) -> list[float]:
    """Seconds of each of ``repeats`` steps that are nothing but their matrix products: every linear layer and the head."""
    import torch

    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    inputs = {m.in_features: torch.randn(rows, m.in_features) for m in layers}
    spent = []
    with torch.inference_mode():
        for _ in range(repeats):
            started = time.perf_counter()
            for layer in layers:
                layer(inputs[layer.in_features])
            spent.append(time.perf_counter() - started)
    return spent


def engine(rows: int, steps: int, **how: Any) -> float:
    """Tokens a second of the engine, prefill taken off: long replies less one-token replies to the same prompts.

    ``how``: the temperature and ``top_p`` of the replies; greedy without.
    """
    backend: Any = load_backend(ModelSpec("smollm2-135m-instruct"))
    prompts = [f"Once upon a time number {i} there was a house by the sea, and in it lived" for i in range(rows)]
    spent, written = [], []
    for tokens in (1, 1 + steps, 1, 1 + steps):
        before, started = backend.counters.generated, time.perf_counter()
        done: dict[int, Completion] = dict(backend.run([Generate(p, max_new_tokens=tokens, **how) for p in prompts]))
        assert len(done) == rows
        spent.append(time.perf_counter() - started)
        written.append(backend.counters.generated - before)
    speed: float = (written[3] - written[2]) / (spent[3] - spent[2])  # the first two warmed up
    return speed


def main() -> None:
    """Print the share of the bound that decoding reaches, of means, as both meet the same noise; and of the fastest step."""
    from transformers import AutoModelForCausalLM

    from pytest_slmtrust.backends.transformers.embedded import ensure_embedded

    model = AutoModelForCausalLM.from_pretrained(ensure_embedded()).eval()
    products(model, ROWS, 4)
    before, reached, after = products(model, ROWS, STEPS), engine(ROWS, STEPS), products(model, ROWS, STEPS)
    limit, fastest = ROWS / mean([*before, *after]), ROWS / min(*before, *after)
    print(f"\ndecoding {ROWS} rows: {reached:.0f} tok/s of {limit:.0f} tok/s by matrix products alone: {reached / limit:.0%}")
    print(f"of the fastest of {2 * STEPS} such steps ({fastest:.0f} tok/s): {reached / fastest:.0%}")
    drawn = engine(ROWS, STEPS, temperature=1.0, top_p=0.9)
    print(f"drawn from the nucleus of 0.9: {drawn:.0f} tok/s, {drawn / reached:.0%} of greedy")


if __name__ == "__main__":
    main()
