"""Equal answers for every batch size and padding side, in five families: the text and the scores of one sequence alone."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import tiny

from pytest_slmtrust import Completion, Generate, Loglikelihood, Logprob
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings

FAMILIES = ("llama", "gpt2", "gpt_neox", "qwen2", "gemma")
NEW = 8
PROMPTS = tuple(f"{'the quick brown fox jumps over the lazy dog while ' * (n % 3)}{n} small words and" for n in range(9))
PAIRS = tuple((p, o) for p in PROMPTS[::2] for o in (" over the hills", " so", " a potion of honey and thyme"))


@cache
def alone(family: str) -> tuple[list[str], list[float]]:
    """What transformers writes, and how it scores, one sequence at a time and without padding."""
    import torch

    model, tokenizer = tiny.model(family), tiny.tokenizer()
    texts, sums = [], []
    for prompt in PROMPTS:
        ids = torch.tensor([tokenizer.encode(prompt)])
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, pad_token_id=2)
        texts.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    for context, continuation in PAIRS:
        head, ids = tokenizer.encode(context), tokenizer.encode(context + continuation)
        with torch.inference_mode():
            logp = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        sums.append(float(sum(logp[place - 1, ids[place]] for place in range(len(head), len(ids)))))
    return texts, sums


WAYS = ((1, "left", True), (3, "right", True), (8, "right", False), (32, "left", False))


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_and_padding_change_nothing(family: str) -> None:
    asked: list[Any] = [Generate(p, max_new_tokens=NEW) for p in PROMPTS]
    asked += [Loglikelihood(context, continuation) for context, continuation in PAIRS]
    texts, sums = alone(family)
    for rows, side, has_pad in WAYS:
        tokenizer = copy.deepcopy(tiny.tokenizer())
        tokenizer.padding_side = side
        if not has_pad:
            tokenizer.pad_token = None
        made = wrap_loaded(tiny.model(family), tokenizer, "tiny", Settings(batch_rows=rows, threads=1))
        answers = dict(made.run(asked))
        written = [answers[i] for i in range(len(PROMPTS))]
        scored = [answers[i] for i in range(len(PROMPTS), len(asked))]
        assert all(isinstance(a, Completion) for a in written)
        assert all(isinstance(a, Logprob) for a in scored)
        assert [a.text for a in written] == texts
        assert [a.sum for a in scored] == pytest.approx(sums, abs=1e-4)
