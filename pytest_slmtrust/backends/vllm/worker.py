"""What a child does: hold one ``vllm.LLM``, and answer token ids with token ids, or with log-probabilities.

Everything else is decided by the parent. The child ends itself, and what vLLM started for it, as soon as its input ends.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

CODE = "from pytest_slmtrust.backends.vllm.worker import serve; serve()"
#: What vLLM raises once its engine is gone; nothing can be asked any more.
_DEAD = ("EngineDeadError", "EngineGenerateError")


def serve() -> None:
    """Read the arguments of an engine, then batches, each one line; answer each with one line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what vLLM prints is no answer
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    arguments = json.loads(lines.get())
    try:
        llm, about = load(arguments)
    except BaseException as error:
        about = {"error": line_of(error)}
    _answer(answers, about)
    while "error" not in about:
        batch = json.loads(lines.get())
        _answer(answers, {"number": batch["number"], **answered(llm, batch["prompts"])})
    lines.get()  # the parent reads why, and ends this process


def load(arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the engine, and what only it knows: the most tokens that it takes, and where it runs."""
    import vllm
    from vllm.platforms import current_platform

    llm = vllm.LLM(**arguments)
    context = int(llm.llm_engine.model_config.max_model_len)
    return llm, {"context": context, "device": str(current_platform.device_type), "gpu": _gpu(current_platform)}


def answered(llm: Any, prompts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the answers of some prompts in their order; of a prompt that vLLM refuses, why.

    A prompt has ``ids``, ``params`` (of ``vllm.SamplingParams``), and ``scored``: the place from which on its own tokens are
    scored, None where it is continued.
    """
    from vllm import SamplingParams, TokensPrompt

    try:
        outputs = llm.generate(
            [TokensPrompt(prompt_token_ids=one["ids"]) for one in prompts],
            [SamplingParams(**one["params"]) for one in prompts],
            use_tqdm=False,
        )
        return {"answers": [_answer_of(output, one["scored"]) for output, one in zip(outputs, prompts, strict=True)]}
    except Exception as error:
        if type(error).__name__ in _DEAD:
            return {"error": line_of(error)}
        if len(prompts) == 1:
            return {"answers": [{"error": line_of(error)}]}
    parts = [answered(llm, [one]) for one in prompts]  # one of them is refused, and takes no other with it
    dead = next((part for part in parts if "error" in part), None)
    return dead or {"answers": [answer for part in parts for answer in part["answers"]]}


def line_of(error: BaseException) -> str:
    """Return an exception as one line: its kind and its first words."""
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _answer_of(output: Any, scored: int | None) -> dict[str, Any]:
    if scored is None:
        reply = output.outputs[0]
        return {"ids": [int(i) for i in reply.token_ids], "sound": math.isfinite(reply.cumulative_logprob)}
    places = zip(output.prompt_token_ids[scored:], output.prompt_logprobs[scored:], strict=True)
    found = [place[token] for token, place in places]
    return {"scores": [[float(one.logprob), int(one.rank)] for one in found]}


def _gpu(platform: Any) -> str:
    return "" if platform.is_cpu() else str(platform.get_device_name())


def _read(lines: queue.Queue[str]) -> None:
    """Pass on every line of the input; at its end, end this process with all that it started."""
    for line in sys.stdin:
        lines.put(line)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _answer(stream: Any, answer: Mapping[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()
