"""The documents of one task: what each asks, and what the task's own code says of the answers."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import is_dataclass
from importlib import metadata
from typing import Any

from ...requests import Completion, Generate, Loglikelihood, Logprob, Message, Prompt, Request
from .tasks import quietly

#: Seed of the harness's draws of examples.
FEWSHOT_SEED = 1234
#: Tokens of a reply where a task does not say, as in the harness.
REPLY_TOKENS = 256
#: Around a chat that stands in a context as text.
_BEGIN, _END = "\x00chat\x00", "\x00end\x00"

#: Entries of a task's configuration that say where its data are, not what is made of them.
_NOT_JUDGING = ("task", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset", "metadata")
#: Characters of a configuration: references in YAML may repeat each other without end.
_LONGEST = 1_000_000

#: Values of one document by metric and filter.
Scores = dict[tuple[str, str], Any]


class Documents:
    """One task with its documents by number. ``scores`` holds what its code said of each document that was judged.

    Contexts with examples are made in the order of the documents: which examples a document has depends on those before it.
    """

    def __init__(self, name: str, task: Any, template: bool) -> None:
        self.name, self.task, self.template = name, task, template
        with quietly():
            task.set_fewshot_seed(seed=FEWSHOT_SEED)
            self.docs = task.eval_docs
            self.shots = int(task.config.num_fewshot or 0)
        self.scores: dict[int, Scores] = {}
        self._made: dict[int, list[Any]] = {}

    @property
    def version(self) -> str:
        return str(getattr(self.task, "VERSION", ""))

    def __len__(self) -> int:
        return len(self.docs)

    @property
    def judge_sha256(self) -> str:
        """Identity of how the task asks and judges: its configuration and its functions, but not what these call elsewhere.

        Raises:
            ValueError: a configuration without end.
        """
        config = {name: value for name, value in vars(self.task.config).items() if name not in _NOT_JUDGING}
        own = type(self.task)
        code = own if own.__module__.partition(".")[0] != "lm_eval" else self.version
        return _digest([_bounded(config), code, metadata.version("lm_eval")])

    def digests(self) -> list[str]:
        """Return an identity of each document: with other gold answers the same questions are judged otherwise."""
        with quietly():
            return [_digest(doc) for doc in self.docs]

    def instances(self, number: int) -> list[Any]:
        """Return the questions of a document, without answers, in their order."""
        with quietly():
            if not self.shots and number not in self._made:
                self._made[number] = self._build(number)
            while number not in self._made:
                self._made[len(self._made)] = self._build(len(self._made))
        return [self._blank(one) for one in self._made[number]]

    def _build(self, number: int) -> list[Any]:
        task, doc = self.task, self.docs[number]
        options: dict[str, Any] = {"apply_chat_template": self.template, "chat_template": _as_text if self.template else None}
        context = task.fewshot_context(
            doc, num_fewshot=self.shots, system_instruction=None, fewshot_as_multiturn=self.template,
            gen_prefix=task.doc_to_prefix(doc), **options,
        )  # fmt: skip
        about = (self.name, number, task.config.repeats)
        made = task.construct_requests(doc=doc, ctx=context, metadata=about, **options)
        return sorted(made if isinstance(made, list) else [made], key=lambda one: one.idx)

    @staticmethod
    def _blank(instance: Any) -> Any:
        made = copy.copy(instance)
        made.resps, made.filtered_resps = [], {}
        return made

    def judge(self, number: int, instances: Sequence[Any], answers: Sequence[Sequence[Any]]) -> Scores:
        """Return the values of a document: the answers through the task's filters, then its ``process_results``.

        Raises:
            Exception: whatever the task's own code raises.
        """
        self.scores.pop(number, None)
        for instance, own in zip(instances, answers, strict=True):
            instance.resps = [response(instance, one) for one in own]
        with quietly():
            for ensemble in self.task._filters:
                ensemble.apply(list(instances))
            found: Scores = {}
            for name in instances[0].filtered_resps:
                results = self.task.process_results(self.docs[number], [one.filtered_resps[name] for one in instances])
                found |= {(str(metric), str(name)): value for metric, value in results.items()}
        self.scores[number] = found
        return found


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, default=_as_data, skipkeys=True).encode()).hexdigest()[:16]


def _bounded(content: Any) -> Any:
    """Return the same as long as its text has an end.

    Raises:
        ValueError: it has none, or one that is too far.
    """
    size = 0
    for part in json.JSONEncoder(default=_as_data, skipkeys=True).iterencode(content):
        size += len(part)
        if size > _LONGEST:
            raise ValueError(f"its configuration has more than {_LONGEST} characters")
    return content


def _as_data(value: Any) -> Any:
    """Return what JSON has no form for: the source of code, the values of arrays, dates as text."""
    if callable(value):
        with contextlib.suppress(OSError, TypeError):
            return inspect.getsource(value)
        return getattr(value, "__qualname__", type(value).__name__)
    if hasattr(value, "tolist"):
        return value.tolist()
    if is_dataclass(value):
        return vars(value)
    return str(value) if hasattr(value, "isoformat") or isinstance(value, (bytes, set, frozenset)) else type(value).__name__


def questions(instance: Any) -> list[Request[Any]]:
    """Return one question for each repeat of an instance.

    Raises:
        ValueError: one that cannot be put to a model here.
    """
    kind, arguments, repeats = instance.request_type, instance.args, int(instance.repeats or 1)
    if kind == "loglikelihood":
        return [Loglikelihood(_prompt(arguments[0]), arguments[1], split="length")] * repeats
    if kind == "loglikelihood_rolling":
        return [Loglikelihood("", arguments[0], split="rolling")] * repeats
    if kind != "generate_until":
        raise ValueError(f"a task asks {kind}, which is no kind of question here")
    return _generations(_prompt(arguments[0]), dict(arguments[1]), repeats)


def _generations(prompt: Prompt, given: dict[str, Any], repeats: int) -> list[Request[Any]]:
    from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs

    settings = normalize_gen_kwargs(given, REPLY_TOKENS)
    stop = tuple(text for text in handle_stop_sequences(settings.get("until"), eos=None) if text)
    temperature = float(settings.get("temperature") or 0.0)
    if settings.get("do_sample") and not temperature:
        raise ValueError("its generation_kwargs ask for draws at temperature 0")
    most, top_p = int(settings["max_gen_toks"]), float(settings.get("top_p") or 1.0)
    if not temperature:
        return [Generate(prompt, most, stop)] * repeats
    return [Generate(prompt, most, stop, temperature, top_p, sample) for sample in range(repeats)]


def response(instance: Any, answer: Any) -> Any:
    """Return an answer as the harness's own models give it."""
    if instance.request_type == "generate_until":
        assert isinstance(answer, Completion)
        return answer.text
    assert isinstance(answer, Logprob)
    return answer.sum if instance.request_type == "loglikelihood_rolling" else (answer.sum, answer.greedy)


def _as_text(history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    """Take the place of the harness's rendering: the engine renders the chat."""
    if not add_generation_prompt:
        raise ValueError("a reply with a given beginning cannot be put through the model's chat template")
    return f"{_BEGIN}{json.dumps([[turn['role'], turn['content']] for turn in history])}{_END}"


def _prompt(text: str) -> Prompt:
    """Return a context as a text, or as the chat that it holds."""
    if not text.startswith(_BEGIN):
        return text
    chat, _, rest = text.removeprefix(_BEGIN).partition(_END)
    if rest:
        raise ValueError("a task adds text to a chat after it was put together")
    return tuple(Message(role, content) for role, content in json.loads(chat))


def shown(prompt: Prompt) -> str:
    """Return a prompt for a reader."""
    return prompt if isinstance(prompt, str) else "\n".join(f"{turn.role}: {turn.content}" for turn in prompt)
