"""Requests through vLLM: we render chats, make token ids and read replies; vLLM continues ids, or scores them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...requests import Completion, Counters, Failure, Logprob, Request
from ..transformers.generate import Row, extend
from ..transformers.identity import describe_asking
from ..transformers.model import codec_and_limits
from ..transformers.questions import Questions, renderer_of
from ..transformers.reply import MARK, thinking_of
from ..transformers.runtime import choose_threads
from ..transformers.template import Form, Renderer
from ..transformers.tokens import Unreadable
from ..transformers.trie import Item
from .crew import Crew
from .paper import on_paper

if TYPE_CHECKING:
    from ..transformers.backend import Settings

T = TypeVar("T")

#: Prompts that one engine is given at once on a CPU and elsewhere: its answers come, and are stored, together.
TOGETHER = {"cpu": 128}
TOGETHER_GPU = 1024
#: The same for a model that is compared with itself.
AGAIN = 16
#: Tokens of a thought that are asked for at once: where its answer begins, the answer's own limit counts.
PIECE = 256
#: Tokens that vLLM wants room for as it scores a text: the last one of the text, and one that it writes.
SPARE = 2
#: Scoring a token makes vLLM write one more, which nobody reads.
SCORING: Mapping[str, Any] = {
    "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1, "detokenize": False, "ignore_eos": True,
}  # fmt: skip


@dataclass(slots=True)
class VllmEngine:
    """A model in vLLM. ``form``: how its chat template renders; None where chats take the plain form.

    ``architecture``: the class that transformers has for it; ``unused``: weights of its files that the model does not use.
    ``together``: prompts that one engine is given at once; 0 for the usual number.
    """

    questions: Questions
    crew: Crew
    form: Form | None
    architecture: str
    unused: tuple[str, ...] = ()
    together: int = 0

    def run(self, requests: Sequence[Request[Any]], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
        """Lists of ``(index, answer or Failure)``: first what cannot be asked, then scores, then completions."""
        asked = self.questions.of(requests)
        if asked.refused:
            yield asked.refused
        yield from asked.joined.whole(self._scores(asked.items, counters))
        yield from self._texts(asked.rows, counters)

    def describe(self) -> dict[str, Any]:
        """Return what only the loaded model tells for certain."""
        asked, about = self.questions, self.crew.about
        return {
            "architecture": self.architecture, "context_length": asked.context, "vocabulary": asked.vocabulary,
            "device": about["device"], **({"gpu": about["gpu"]} if about["gpu"] else {}), "replicas": self.crew.replicas,
            "threads": self.crew.threads, **describe_asking(asked.codec, self.form, asked.thinking),
        }  # fmt: skip

    def close(self) -> None:
        """End the children: vLLM's, and the template's."""
        self.crew.close()
        if self.questions.renderer is not None:
            self.questions.renderer.close()

    def peak_bytes(self) -> int:
        """Return the largest resident size of the children."""
        return self.crew.peak_bytes()

    def _parts(self, texts: Sequence[T]) -> list[Sequence[T]]:
        """Return texts in the portions that engines are given, so that each replica has one."""
        most = self.together or TOGETHER.get(str(self.crew.about["device"]), TOGETHER_GPU)
        size = max(1, min(most, -(-len(texts) // self.crew.replicas)))
        return [texts[start : start + size] for start in range(0, len(texts), size)]

    def _scores(self, items: Sequence[Item], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
        parts = self._parts(sorted(items, key=lambda item: (-len(item.ids), item.ids, item.index)))
        prompts = [[{"ids": item.ids, "params": SCORING, "scored": item.context} for item in part] for part in parts]
        for number, answers in self.crew.answered(prompts):
            counters.prefilled += sum(len(item.ids) for item in parts[number])
            yield [(item.index, _scored(item, one)) for item, one in zip(parts[number], answers, strict=True)]

    def _texts(self, rows: Sequence[Row], counters: Counters) -> Iterator[list[tuple[int, Any]]]:
        """Replies, in several rounds where a thought is written in pieces, or vLLM saw a stop text that ends no reply."""
        open_rows = sorted(rows, key=lambda row: (-row.max_new, row.prompt, row.index))
        while open_rows:
            parts, again = self._parts(open_rows), list[Row]()
            prompts = [[{"ids": (*row.prompt, *row.out), "params": self.params(row), "scored": None} for row in part]
                       for part in parts]  # fmt: skip
            for number, answers in self.crew.answered(prompts):
                done: list[tuple[int, Any]] = []
                for row, one in zip(parts[number], answers, strict=True):
                    counters.prefilled += len(row.prompt) + len(row.out)
                    counters.generated += len(one.get("ids", ()))
                    answer = self._grown(row, one)
                    if answer is None:
                        again.append(row)
                    else:
                        done.append((row.index, answer))
                if done:
                    yield done
            open_rows = sorted(again, key=lambda row: (-row.max_new, row.prompt, row.index))

    def params(self, row: Row) -> dict[str, Any]:
        """Return the fields of ``vllm.SamplingParams`` for what a row writes next.

        vLLM's own stop texts only spare tokens: where a reply ends is decided here, as for every other engine. A draw that goes
        on from some tokens takes another seed than the one that wrote them.
        """
        codec, written = self.questions.codec, len(row.out)
        inside = row.reply.thinks and row.reply.begins is None
        stops = [] if inside else [stop for stop in row.stops if stop]
        return {
            "max_tokens": self._wanted(row), "temperature": row.temperature, "top_p": row.top_p,
            "seed": (row.seed + written) % 2**63 if row.temperature > 0 else None,
            "stop": stops, "detokenize": bool(stops), "skip_special_tokens": not any(map(codec.is_special, stops)),
            "spaces_between_special_tokens": False, "stop_token_ids": list(codec.eos), "ignore_eos": True, "logprobs": 0,
        }  # fmt: skip

    def _wanted(self, row: Row) -> int:
        """Return the most tokens to ask for next."""
        reply, written = row.reply, len(row.out)
        if reply.begins is not None:
            wanted = row.max_new - (written - reply.begins)
        elif reply.thinks:
            wanted = min(PIECE, reply.limit - written)
        else:
            wanted = row.max_new if not written else MARK
        return max(1, min(wanted, self.questions.context - len(row.prompt) - written))

    def _grown(self, row: Row, answer: Mapping[str, Any]) -> Completion | Failure | None:
        """Return the completion of a row with these tokens; None where it goes on."""
        if "error" in answer:
            return Failure(f"vLLM refuses this prompt ({answer['error']})")
        if not answer["sound"]:
            return Failure("the model's logits are not finite (NaN or infinite) for this prompt")
        if not answer["ids"]:
            return Failure("vLLM wrote no token")
        try:
            for token in answer["ids"]:
                found = extend(self.questions.codec, row, token)
                if found is not None:
                    return found
        except Unreadable as error:
            return Failure(str(error))
        return None


def _scored(item: Item, answer: Mapping[str, Any]) -> Logprob | Failure:
    if "error" in answer:
        return Failure(f"vLLM refuses this text ({answer['error']})")
    rows = answer["scores"]
    if len(rows) != len(item.ids) - item.context:
        return Failure(f"vLLM scored {len(rows)} tokens of {len(item.ids) - item.context}")
    if not all(math.isfinite(logp) for logp, _ in rows):
        return Failure("the model's logits are not finite (NaN or infinite) for this text")
    return Logprob(sum(logp for logp, _ in rows), all(rank == 1 for _, rank in rows), len(rows))


def start(
    folder: Path, name: str, arguments: Mapping[str, Any], replicas: int, settings: Settings, mode: str, tried: Renderer | None
) -> VllmEngine:
    """Check a linted folder without its numbers, and load the same files in vLLM.

    ``arguments``: of ``vllm.LLM``; ``tried``: what renders chats by the folder's own template, after an early trial.

    Raises:
        ModelError: it is not whole, no causal decoder, or its chat template is not safe to use.
        BackendError: vLLM cannot load it.
    """
    from transformers import AutoTokenizer

    model, unused = on_paper(folder, settings.allow_pickle, settings.allow_unused)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    codec, rows, context = codec_and_limits(model, tokenizer)
    renderer, form = renderer_of(tokenizer, tried) if mode == "own" else (None, None)
    thinking = thinking_of(tokenizer, renderer.template if renderer else "", form, settings)
    crew = Crew(name, arguments, replicas, choose_threads(settings.threads))
    crew.start()
    takes = int(crew.about["context"])
    questions = Questions(codec, min(context, takes), min(context, takes - SPARE), rows, renderer, thinking)
    # another number than the usual one is wanted where a model is asked twice, to see what batches change
    together = AGAIN if settings.batch_rows != type(settings)().batch_rows else 0
    return VllmEngine(questions, crew, form, type(model).__name__, unused, together)
