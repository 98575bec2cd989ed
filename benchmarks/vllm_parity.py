"""The embedded model in vLLM on this machine's CPU, next to transformers: the same answers, and tokens a second.

    make vllm                                                                    # makes the environment
    .venv-vllm/bin/python benchmarks/vllm_parity.py docs/results/vllm.md         # about ten minutes on two cores

All engines run in one process, one after the other, in float32, with as many threads. Exits 1 if a text differs, or a
log-likelihood by more than 1e-3 and than 2e-5 for each token.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from results_page import origin
from test_vllm_real import EACH, EMBEDDED, NATS, SCORED, TOPICS, WRITTEN  # type: ignore[import-not-found]

from pytest_slmtrust import Completion, Generate, Logprob, chat
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.backends.vllm.backend import version
from pytest_slmtrust.engine.admission import admitted

PROMPTS, TOKENS, ROWS, SHORT = 64, 64, 32, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    ours = load_backend(ModelSpec(EMBEDDED, threads=given.threads))
    vllm = load_backend(ModelSpec(EMBEDDED, threads=given.threads, engine="vllm", vllm=("max_model_len=4096",)))
    rows, wrong = parity(ours, vllm)
    speeds = throughput(ours, vllm, given.threads, given.repeats)
    about = (
        f"The embedded model (SmolLM2-135M-Instruct) in float32 on the CPU, with vLLM {version()}, torch {installed('torch')} "
        f"and transformers {installed('transformers')}, {given.threads} threads. vLLM runs with `enforce_eager`, as "
        "`--slm-engine=vllm` does on a CPU."
    )
    command = f"{origin()} Command: `python benchmarks/vllm_parity.py {' '.join(sys.argv[1:])}`."
    texts = ["# vLLM and transformers", "", about, "", command, "", "## The same answers", ""]
    texts += table(("questions", "number", "the same texts", "largest difference, nats", "the same greedy token"), rows)
    texts += ["", "## Tokens a second", "", f"{PROMPTS} chats, at most {TOKENS} new tokens, greedy; the model is loaded before. "
              f"Median of {given.repeats} runs in turns; `generate` of transformers in batches of {ROWS}.", ""]  # fmt: skip
    texts += table(("engine", "tokens", "tokens a second", "each run"), speeds)
    given.page.write_text("\n".join(texts) + "\n", encoding="utf-8")
    sys.exit(wrong)


def parity(ours: Any, vllm: Any) -> tuple[list[list[Any]], bool]:
    """Rows of the first table, and whether an answer differs by more than it may."""
    left, right = (answers(one, [*WRITTEN, *SCORED]) for one in (vllm, ours))
    pairs = list(zip(left, right, strict=True))
    texts = [(a, b) for a, b in pairs if isinstance(b, Completion)]
    scores = [(a, b) for a, b in pairs if isinstance(b, Logprob)]
    same = sum(a == b for a, b in texts)
    rows: list[list[Any]] = [["greedy replies", len(texts), f"{same} of {len(texts)}", "", ""]]
    wrong = same < len(texts)
    for name, some in (
        ("log-likelihoods of up to 20 tokens", [pair for pair in scores if pair[1].n_tokens <= SHORT]),
        ("log-likelihoods of whole texts", [pair for pair in scores if pair[1].n_tokens > SHORT]),
    ):
        nats = max(abs(a.sum - b.sum) for a, b in some)
        greedy = sum(a.greedy == b.greedy for a, b in some)
        rows.append([name, len(some), "", f"{nats:.1e}", f"{greedy} of {len(some)}"])
        wrong |= any(abs(a.sum - b.sum) > max(NATS, EACH * b.n_tokens) for a, b in some)
    return rows, wrong


def throughput(ours: Any, vllm: Any, threads: int, repeats: int) -> list[list[Any]]:
    """Rows of the second table."""
    ways: dict[str, Callable[[Sequence[Generate]], int]] = {
        "vLLM (`--slm-engine=vllm`)": lambda asked: sum(one.n_tokens for one in answers(vllm, asked)),
        "this package's own engine": lambda asked: sum(one.n_tokens for one in answers(ours, asked)),
        "`generate` of transformers": plain_generate(threads),
    }
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in ways}
    for repeat in range(repeats):  # new prompts each time: an engine may keep what it read of old ones
        asked = [Generate(chat(f"Story {repeat}-{n}: tell me of {TOPICS[n % len(TOPICS)]}."), TOKENS) for n in range(PROMPTS)]
        for name, way in ways.items():
            began = time.perf_counter()
            tokens = way(asked)
            found[name].append((tokens, tokens / (time.perf_counter() - began)))
    return [
        [name, runs[0][0], f"{statistics.median(pace for _, pace in runs):.1f}", ", ".join(f"{pace:.1f}" for _, pace in runs)]
        for name, runs in found.items()
    ]


def plain_generate(threads: int) -> Callable[[Sequence[Generate]], int]:
    """``generate`` as transformers has it, over padded batches; it returns the tokens that were written."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    folder = str(ensure_embedded())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")

    def write(asked: Sequence[Generate]) -> int:
        tokens = 0
        for start in range(0, len(asked), ROWS):
            chats = [[{"role": m.role, "content": m.content} for m in one.prompt] for one in asked[start : start + ROWS]]  # type: ignore[union-attr]
            texts = [tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True) for one in chats]
            batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                out = model.generate(**batch, max_new_tokens=TOKENS, do_sample=False)[:, batch["input_ids"].shape[1] :]
            for row in out.tolist():
                ends = [row.index(i) for i in {tokenizer.eos_token_id} if i in row]
                tokens += min([*ends, len(row)])
        return tokens

    return write


def answers(one: Any, asked: Sequence[Any]) -> list[Any]:
    found = dict(admitted(one).run(asked))
    return [found[i] for i in range(len(asked))]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, *rows)]
    return [lines[0], "|" + "-|" * len(head), *lines[1:]]


if __name__ == "__main__":
    main()
