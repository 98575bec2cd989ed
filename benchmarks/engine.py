"""Generation by the engine against plain ``generate``: same prompts, same model, one run. ``make bench`` prints the table.

Times are wall seconds on this machine; the ratios are what may be compared, and the counts are the same everywhere.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import decode
import overhead

from pytest_slmtrust import Completion, Generate, Message, chat
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded

TOPICS = (
    "rivers", "cats", "bread", "trains", "chess", "winter", "maps", "violins", "bees", "glass", "deserts", "boats", "tea",
    "castles", "whales", "clouds", "paper", "clocks", "gardens", "bridges", "salt", "wool", "lamps", "ferns", "moons",
)  # fmt: skip
FORMS = (
    "Tell me about {}.",
    "Write a short poem on {}.",
    "Why do people like {}?",
    "Give three facts about {} and say which of them would surprise a child of ten years most, and why that may be so.",
    "What are {}?",
    "List five words that go with {}.",
    "How would you explain {} to somebody who has never heard of such a thing and does not much care for it either?",
    "Which book is about {}?",
)
LENGTHS = (8, 24, 48, 96)


def requests(count: int) -> list[Generate]:
    """Chat prompts of mixed length that ask for mixed lengths, in a fixed order that no way of batching likes."""
    pairs = itertools.product(TOPICS, enumerate(FORMS))
    made = [Generate(chat(form.format(topic)), max_new_tokens=LENGTHS[(i + k) % 4]) for i, (topic, (k, form)) in enumerate(pairs)]
    return made[:count]


def plain(asked: Sequence[Generate], model: Any, tokenizer: Any, batch: int) -> list[str]:
    """transformers' own ``generate`` in fixed batches, in the order of the prompts."""
    import torch

    replies: list[str] = []
    for start in range(0, len(asked), batch):
        part = asked[start : start + batch]
        texts = [tokenizer.apply_chat_template(_dicts(r), tokenize=False, add_generation_prompt=True) for r in part]
        encoded = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            made = model.generate(**encoded, max_new_tokens=max(r.max_new_tokens for r in part), do_sample=False)
        width = encoded["input_ids"].shape[1]
        rows = zip(part, made, strict=True)
        replies += [tokenizer.decode(row[width : width + r.max_new_tokens], skip_special_tokens=True) for r, row in rows]
    return replies


def _dicts(request: Generate) -> list[dict[str, str]]:
    assert not isinstance(request.prompt, str)
    return [{"role": m.role, "content": m.content} for m in request.prompt if isinstance(m, Message)]


def timed(work: Callable[[], list[str]]) -> tuple[list[str], float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=200)
    count = parser.parse_args().prompts
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ensure_embedded()
    backend: Any = load_backend(ModelSpec("smollm2-135m-instruct"))
    list(backend.run([Generate("warm", max_new_tokens=1)]))
    asked = requests(count)

    def ours() -> list[str]:
        answers: dict[int, Completion] = dict(backend.run(asked))
        return [answers[i].text for i in range(len(asked))]

    texts, seconds = timed(ours)
    tokens, peak = backend.counters.generated, backend.counters.peak_bytes
    backend.close()
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    print(f"{count} chat prompts, 8 to 96 new tokens, SmolLM2-135M-Instruct fp32")
    print(f"{'way':32} {'seconds':>8} {'tok/s':>7} {'ratio':>6}  same text")
    print(f"{'engine':32} {seconds:8.1f} {tokens / seconds:7.1f} {1.0:6.2f}")
    for name, batch in (("generate, batches of 32", 32), ("generate, one at a time", 1)):
        others, spent = timed(partial(plain, asked, model, tokenizer, batch))
        same = sum(a == b for a, b in zip(texts, others, strict=True))
        print(f"{name:32} {spent:8.1f} {tokens / spent:7.1f} {spent / seconds:6.2f}  {same} of {count}")
    c = backend.counters
    counts = {"forwards": c.forwards, "prefilled": c.prefilled, "shared": c.shared, "padded": c.padded, "generated": c.generated}
    print("engine:", ", ".join(f"{value} {name}" for name, value in counts.items()))
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    print(f"peak memory of the process with the engine: {peak / 2**30:.2f} GiB, of it the model {weights / 2**30:.2f} GiB")
    del model
    decode.main()
    overhead.main()


if __name__ == "__main__":
    main()
