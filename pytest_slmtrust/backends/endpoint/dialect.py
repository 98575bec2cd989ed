"""What is sent and what is read: chats and completions as OpenAI-compatible servers take them, and Ollama's raw completion."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...requests import Completion, Generate, Message, text_of
from ...thinking import part
from ..transformers.template_trials import merged
from ..transformers.tokens import cut_at_stop
from .fault import Fault

CHAT, COMPLETIONS, OLLAMA = "/v1/chat/completions", "/v1/completions", "/api/generate"
#: Stop texts that any server takes in one request; more are looked for here.
_STOPS = 4
#: Why a reply ended, by whether the model ended it.
_ENDS: Mapping[str, bool] = {
    "stop": True, "eos": True, "eos_token": True, "stop_sequence": True, "end_turn": True, "length": False, "max_tokens": False,
}  # fmt: skip
#: Seeds are whole numbers of 31 bits everywhere.
_SEEDS = 2**31
#: A prompt has more tokens than one for so many characters, beyond these: else the server cut it.
_LONGEST_TOKEN, _ANYWAY = 24, 800
_DATED = re.compile(r"[-@:](\d{4}-?\d{2}-?\d{2}|latest)\Z")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server wrote: the text, a thought that it separated, tokens by its own count, and how it names its model."""

    text: str
    thought: str = ""
    finished: bool = True
    n_tokens: int = 0
    thought_tokens: int = 0
    prompt_tokens: int | None = None
    model: str = ""
    logprob: tuple[str, float] | None = None

    @property
    def whole(self) -> str:
        """Thought and text."""
        return f"{self.thought}\n{self.text}" if self.thought else self.text


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server is asked. ``raw``: the path of raw completions; ``merges``: system texts go before the user's first words.

    ``answers_as``: the name of the model in its replies, as it was at the start. ``thought``: tokens that a thought may have,
    0 where the model does not think. ``switch``: variables of the chat template for thinking on or off. ``inside``: a chat ends
    within a thought that its template opens, and the server does not tell the two apart. ``more``: further entries of a question.
    """

    model: str
    raw: str = COMPLETIONS
    merges: bool = False
    answers_as: str | None = None
    thought: int = 0
    switch: Mapping[str, Any] | None = None
    inside: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def question(self, request: Generate) -> tuple[str, dict[str, Any]]:
        """Path and body of a request."""
        most = request.max_new_tokens + self.thought
        body: dict[str, Any] = {"model": self.model, "max_tokens": most, "temperature": request.temperature, "stream": False}
        body |= self.more
        if request.temperature > 0:
            body |= {"seed": request.seed % _SEEDS, "top_p": request.top_p}
        if request.stop:
            body["stop"] = list(request.stop[:_STOPS])
        if isinstance(request.prompt, str):
            if self.raw == OLLAMA:
                return OLLAMA, _for_ollama(body, request.prompt)
            return self.raw, body | {"prompt": request.prompt}
        chat = (merged(request.prompt) or request.prompt) if self.merges else request.prompt
        if self.switch:
            body["chat_template_kwargs"] = dict(self.switch)
        return CHAT, body | {"messages": as_messages(chat)}

    def reader(self, request: Generate) -> Callable[[Any], Completion]:
        """Return what reads the reply to a request."""

        def read(data: Any) -> Completion:
            reply = read_reply(data)
            self.check(reply)
            check_whole_prompt(text_of(request.prompt), reply.prompt_tokens)
            return completion(request, reply, self.inside and not isinstance(request.prompt, str))

        return read

    def check(self, reply: Reply) -> None:
        """Refuse a reply of another model than at the start."""
        if self.answers_as is not None and reply.model != self.answers_as:
            said = f"as {reply.model[:60]!r}" if reply.model else "without naming its model"
            raise Fault(f"the server answers {said}; expected {self.answers_as[:60]!r}", again=True, status=200)


def as_messages(chat: Sequence[Message]) -> list[dict[str, str]]:
    """Return a chat as JSON data."""
    return [{"role": message.role, "content": message.content} for message in chat]


def completion(request: Generate, reply: Reply, inside: bool = False) -> Completion:
    """Return the answer: up to its first stop text, with the thought apart. ``inside``: it begins within a thought."""
    if inside and not reply.thought:
        parted = part(reply.text, inside=True)
        reply = replace(reply, text=parted.answer, thought=parted.thought or " ", finished=parted.finished and reply.finished)
    text, finished = reply.text, reply.finished
    cut = cut_at_stop(part(text).answer, request.stop) if request.stop else None
    if cut is not None:
        text, finished = cut, True
    unfinished = bool(reply.thought) and not text.strip() and not reply.finished
    n = (
        min(reply.n_tokens, request.max_new_tokens)
        if reply.thought or reply.n_tokens > 4 * request.max_new_tokens
        else reply.n_tokens
    )
    return Completion("" if unfinished else text, n, finished, reply.thought, not unfinished, reply.thought_tokens)


def check_whole_prompt(text: str, tokens: int | None) -> None:
    """Refuse an answer to a prompt that the server cut to its window, as Ollama does without a word."""
    if tokens is not None and len(text) > _LONGEST_TOKEN * tokens + _ANYWAY and not _is_monotonous(text):
        raise Fault(f"the server read {tokens} tokens of a prompt of {len(text)} characters: it cut the prompt", status=400)


def same_model(asked: str, found: str) -> bool:
    """Return whether a server's name of a model is the one that was asked for: a path, a date or ``latest`` may differ."""

    def bare(name: str) -> str:
        return _DATED.sub("", name.strip()).lower()

    a, b = bare(asked), bare(found)
    return a == b or a.rsplit("/", 1)[-1] == b or a == b.rsplit("/", 1)[-1]


def read_reply(data: Any) -> Reply:
    """Read a chat's reply, a completion, or Ollama's own.

    Raises:
        Fault: not the form of one, or a reply that was broken off.
    """
    try:
        return _reply(data)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # a list as a name, a number without a float
        raise _malformed("a text or a number where it has another value") from None


def _reply(data: Any) -> Reply:
    if isinstance(data, dict) and "choices" not in data and isinstance(data.get("response"), str):
        return _from_ollama(data)
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise _malformed("one entry in 'choices'")
    choice = choices[0]
    end = choice.get("finish_reason")
    if end == "content_filter":
        raise Fault("a filter of the server withheld the reply (finish_reason 'content_filter')", status=400)
    if not isinstance(end, str) or end not in _ENDS:
        raise Fault(f"the reply was broken off (finish_reason {str(end)[:40]!r})", again=True, status=200)
    text, thought = _texts(choice)
    usage = data.get("usage") if isinstance(data.get("usage"), dict) else {}
    written, thought_tokens = _count(usage, "completion_tokens") or 0, _thought_tokens(usage)
    name = data.get("model")
    return Reply(
        text, thought, _ENDS[end], max(0, written - thought_tokens), thought_tokens, _count(usage, "prompt_tokens"),
        name if isinstance(name, str) else "", _first_logprob(choice),
    )  # fmt: skip


def _texts(choice: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text of a choice and its thought."""
    message = choice.get("message")
    if isinstance(message, dict):
        text = message.get("content")
        if text is None:
            text = message.get("refusal") or ""
        thought = message.get("reasoning_content") or message.get("reasoning") or ""
    else:
        text, thought = choice.get("text"), choice.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(thought, str):
        raise _malformed("a text in 'message.content' or 'text'")
    return text, thought


def _malformed(expected: str) -> Fault:
    return Fault(f"the reply has not the form of an OpenAI-compatible server: expected {expected}", again=True, status=200)


def _count(usage: Any, name: str) -> int | None:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if type(found) is int and 0 <= found < 10**9 else None


def _thought_tokens(usage: Any) -> int:
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return _count(details, "reasoning_tokens") or 0


def _first_logprob(choice: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return the first token of a completion and its log-probability, where they were asked for."""
    found = choice.get("logprobs")
    if not isinstance(found, dict):
        return None
    content = found.get("content")
    if (
        isinstance(content, list) and content and isinstance(content[0], dict)
    ):  # the form of chats, which llama.cpp gives here too
        found = {"tokens": [content[0].get("token")], "token_logprobs": [content[0].get("logprob")]}
    tokens, values = found.get("tokens"), found.get("token_logprobs")
    if isinstance(tokens, list) and isinstance(values, list) and tokens and values:
        token, value = tokens[0], values[0]
        return (token, float(value)) if isinstance(token, str) and type(value) in (int, float) else None
    return None


def _for_ollama(body: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    options = {"temperature": body["temperature"], "num_predict": body["max_tokens"]}
    options |= {name: body[name] for name in ("seed", "top_p", "stop") if name in body}
    return {"model": body["model"], "prompt": prompt, "raw": True, "stream": False, "options": options}


def _from_ollama(data: Mapping[str, Any]) -> Reply:
    if data.get("done") is not True or data.get("done_reason") not in _ENDS:
        raise Fault(f"the reply was broken off (done_reason {str(data.get('done_reason'))[:40]!r})", again=True, status=200)
    name, thought = data.get("model"), data.get("thinking")
    return Reply(
        data["response"], thought if isinstance(thought, str) else "", _ENDS[data["done_reason"]],
        _count(data, "eval_count") or 0, 0, _count(data, "prompt_eval_count"), name if isinstance(name, str) else "",
    )  # fmt: skip


def _is_monotonous(text: str) -> bool:
    """Return whether a text is a run of few characters, of which one token may hold many."""
    return len(set(text)) < 8
