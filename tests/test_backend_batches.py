"""Which sequences share a forward: the cheapest way, counted in tokens and forwards."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slmtrust import Generate, Loglikelihood
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend
from pytest_slmtrust.backends.transformers.batches import first_run, overhead


def cost(widths: list[int], extra: int) -> int:
    """Padded tokens and dispatches of the runs that are chosen one after the other."""
    total = 0
    while widths:
        size = first_run(widths, extra)
        total += size * widths[0] + extra
        widths = widths[size:]
    return total


def least(widths: list[int], extra: int) -> int:
    """The same for the best of all partitions into runs."""
    best = [0] * (len(widths) + 1)
    for i in range(len(widths) - 1, -1, -1):
        best[i] = min((j - i) * widths[i] + extra + best[j] for j in range(i + 1, len(widths) + 1))
    return best[0]


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(0, 200))
@settings(deadline=None, max_examples=200, database=None)
def test_no_partition_is_cheaper(widths: list[int], extra: int) -> None:
    ordered = sorted(widths, reverse=True)
    assert cost(ordered, extra) == least(ordered, extra)


def test_a_gpu_takes_larger_batches() -> None:
    widths = [200, 100, 50, 25, 12]
    assert first_run(widths, overhead("cpu")) < first_run(widths, overhead("cuda")) == 5
    assert first_run([], 64) == 0


def backend() -> TransformersBackend:
    made = wrap_loaded(tiny.model(), tiny.tokenizer(), "tiny", Settings(threads=1))
    assert isinstance(made, TransformersBackend)
    return made


LONG = "the quick brown fox jumps over the lazy dog while seven wizards brew a potion " * 3


@pytest.mark.parametrize("kind", ["score", "generate"])
def test_one_long_text_does_not_pad_a_hundred_short_ones(kind: str) -> None:
    texts = [LONG, *(f"{n} small words" for n in range(100))]
    asked: list[Any] = [Loglikelihood(t, " and") if kind == "score" else Generate(t, max_new_tokens=1) for t in texts]
    made = backend()
    answers = dict(made.run(asked))
    assert len(answers) == len(asked)
    assert made.counters.padded < 0.4 * made.counters.prefilled
    assert made.counters.forwards <= 7  # a reply that begins with a blank goes on: it may be a thought
