"""Whether a GPU gives the numbers of the CPU, and how fast the embedded model is asked there.

    python benchmarks/gpu.py --families --speed --table docs/results/gpu.md

Families: the tiny random models of the tests on the GPU are compared with plain unbatched float32 forwards on the CPU. Embedded
model: the same chats and log-likelihoods on the GPU, on the CPU, and by ``generate`` in batches of 32 on the GPU.
Exits 1 if a log-likelihood differs by more than 1e-4 (families) or a greedy text differs.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import lm_families  # type: ignore[import-not-found]  # of the tests
from results_page import page
from tables import Bar, conclude, show
from test_backend_families import SCORED, WRITTEN, plain_sum, plain_text  # type: ignore[import-not-found]

from pytest_slmtrust import BackendError, Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.requests import Message

BAR, NEW, BATCH = 1e-4, 48, 32
_THINGS = ("rivers", "bread", "a bicycle", "the moon", "old maps", "bees", "a lighthouse", "chess", "rain", "a violin")
_WAYS = (
    "What should a child know about {}?", "Write two sentences about {}.", "Name three facts about {}.", "Why do people like {}?",
    "How would you draw {}?", "What is the history of {}?", "Give advice to somebody who buys {}.", "Describe {} to a robot.",
    "Which questions would you ask about {}?", "Tell a short story with {} in it.",
)  # fmt: skip
ASKED = [way.format(thing) for way in _WAYS for thing in _THINGS]
CHATS = [Generate((Message("user", text),), max_new_tokens=NEW) for text in ASKED]
SCORES = [Loglikelihood(text, f" {option}.") for text in ASKED for option in ("Yes", "No, never")]


def families(device: str) -> Iterator[tuple[str, float, int]]:
    """Each family's name, the largest difference in nats, and how many texts differ."""
    for family in lm_families.FAMILIES:
        try:
            model = lm_families.model(family)
            there = wrap_loaded(copy.deepcopy(model).to(device), lm_families.tokenizer(), "tiny", Settings(threads=1))
            answers = [answer for _, answer in sorted(there.run([*SCORED, *WRITTEN]))]
        except LookupError:
            continue
        except BackendError as error:
            print(f"{family}: refused ({str(error)[:100]})", flush=True)
            continue
        failed = [a.message for a in answers if isinstance(a, Failure)]
        if failed:
            print(f"{family}: {len(failed)} failures ({failed[0][:160]})", flush=True)
            yield family, float("inf"), len(failed)
            continue
        scored = zip(SCORED, answers, strict=False)
        worst = max(abs(answer.sum - plain_sum(model, request)[0]) for request, answer in scored)
        texts = sum(a.text != plain_text(model, r) for a, r in zip(answers[len(SCORED) :], WRITTEN, strict=True))
        print(f"{family}: {worst:.1e} nats, {texts} texts differ", flush=True)
        yield family, worst, texts


def embedded(device: str) -> tuple[list[Any], list[Any], float, float]:
    """Texts and sums on a device, and the seconds for each."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ensure_embedded()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device)
    backend = wrap_loaded(model, AutoTokenizer.from_pretrained(folder), "embedded", Settings())
    list(backend.run([*CHATS[:1], *SCORES[:1]]))
    began = time.perf_counter()
    texts = [answer.text for _, answer in sorted(backend.run(CHATS))]
    between = time.perf_counter()
    sums = [answer.sum for _, answer in sorted(backend.run(SCORES))]
    return texts, sums, between - began, time.perf_counter() - between


def by_generate() -> tuple[list[str], float]:
    """The texts of ``generate`` in batches of 32 on the GPU, and its seconds."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ensure_embedded()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to("cuda")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    chats = [[{"role": m.role, "content": m.content} for m in c.prompt if isinstance(m, Message)] for c in CHATS]
    prompts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    model.generate(**tokenizer(prompts[:1], return_tensors="pt").to("cuda"), max_new_tokens=4, do_sample=False)
    began, texts = time.perf_counter(), []
    for start in range(0, len(prompts), BATCH):
        batch = tokenizer(prompts[start : start + BATCH], return_tensors="pt", padding=True).to("cuda")
        out = model.generate(**batch, max_new_tokens=NEW, do_sample=False)
        texts += tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts, time.perf_counter() - began


def speed() -> tuple[list[list[object]], list[Bar]]:
    """Rows and bars of the embedded model."""
    gpu, gpu_sums, gpu_s, gpu_score_s = embedded("cuda")
    cpu, cpu_sums, cpu_s, cpu_score_s = embedded("cpu")
    theirs, theirs_s = by_generate()
    worst = max(abs(a - b) for a, b in zip(gpu_sums, cpu_sums, strict=True))
    same = sum(a == b for a, b in zip(gpu, cpu, strict=True))
    alike = sum(a.strip() == b.strip() for a, b in zip(gpu, theirs, strict=True))
    name = torch.cuda.get_device_name(0)
    rows: list[list[object]] = [
        [
            f"{len(CHATS)} chats, {NEW} tokens",
            f"{gpu_s:.1f} s",
            f"{cpu_s:.1f} s",
            f"{theirs_s:.1f} s",
            f"{same} texts as on the CPU",
        ],
        [f"{len(SCORES)} log-likelihoods", f"{gpu_score_s:.2f} s", f"{cpu_score_s:.1f} s", "", f"at most {worst:.1e} nats apart"],
    ]
    return rows, [
        Bar(f"embedded model on {name}: log-likelihoods within 1e-3", worst < 1e-3, f"{worst:.1e}"),
        Bar("embedded model: same texts as on the CPU", same >= 0.98 * len(CHATS), f"{same} of {len(CHATS)}"),
        Bar("embedded model: same texts as generate", alike >= 0.98 * len(CHATS), f"{alike} of {len(CHATS)}"),
        Bar("faster than generate in batches of 32", gpu_s < theirs_s, f"{theirs_s / gpu_s:.2f} times"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--device", default="cuda", help="of the families (default: cuda)")
    parser.add_argument("--table", type=Path, help="page of docs/results/ to write")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device: nothing can be measured")
    warnings.simplefilter("ignore")
    rows, bars = speed() if asked.speed else ([], [])
    found = list(families(asked.device)) if asked.families else []
    if found:
        worst = max(found, key=lambda one: one[1])
        wrong = [name for name, difference, texts in found if difference > BAR or texts]
        bars.append(
            Bar(f"{len(found)} families as on the CPU", not wrong, ", ".join(wrong) or f"{worst[0]}: {worst[1]:.1e} nats")
        )
    if asked.table:
        about = f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}. " + " ".join(f"{b.claim}: {b.worst}." for b in bars)
        head = ["work", "GPU", "CPU", "generate on the GPU", "same"]
        page(asked.table, "On a GPU", about, "benchmarks/gpu.py", head, rows)
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    conclude(show(bars))


if __name__ == "__main__":
    main()
