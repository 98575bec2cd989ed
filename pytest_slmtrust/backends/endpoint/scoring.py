"""Log-likelihoods over the wire: the dialects of vLLM and SGLang, and ``echo`` with ``logprobs``; known values check each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...requests import Logprob, Prompt, Split
from ...thinking import closing
from .dialect import COMPLETIONS, read_reply, same_model
from .fault import Fault
from .forced import Forced
from .replicas import Replica
from .scored import NONE, Scored
from .texts import Texts
from .wire import Wire

SGLANG = "/generate"
_CONTEXT = "The capital of France is"
_CHOICES = (" Paris", " banana soup")
#: Nats by which two ways to the same log-probability may differ: servers round in bfloat16.
_SAME = 0.15
_TIE = 1e-6


@dataclass(slots=True)
class Scorer:
    """How one server scores: ``name`` is the dialect. Contexts and continuations are cut as in the transformers backend."""

    name: str
    wire: Wire
    model: str
    texts: Texts
    only: Replica | None = None
    forced: Forced = field(default_factory=Forced)
    _heads: dict[str, list[int | str]] = field(default_factory=dict)

    def over(self, wire: Wire) -> Scorer:
        """Return the same over another wire."""
        self.wire = self.texts.wire = wire
        return self

    @property
    def start(self) -> tuple[int, ...]:
        """What an empty context is."""
        return self.texts.start

    async def score(self, context: Prompt, continuation: str, split: Split = "common") -> Logprob:
        """Return the log-likelihood of a continuation; for ``split`` see :class:`~pytest_slmtrust.requests.Loglikelihood`.

        Raises:
            Fault: the server does not give it.
        """
        rendered = not isinstance(context, str)
        text = context if isinstance(context, str) else await self._rendered(context)
        if not rendered or split == "length":
            kept = text.rstrip()
            text, continuation = kept, text[len(kept) :] + continuation
        elif text[-1:].isspace():  # the reply begins where the chat's form leaves off
            continuation = continuation.lstrip(" ") or continuation
        prompt, begins = await self._pair(text, continuation, rendered, split)
        if self.name == "llama.cpp" and begins is not None and isinstance(prompt, list):
            places = range(begins, len(prompt))
            return _sum([await self.forced.score(self.wire, self.only, prompt[:place], prompt[place]) for place in places])
        found = await self.wire.ask(*self._question(prompt), self._reader(prompt, begins), self.only)
        if begins is None:
            head, whole = await self._head(text), [one.token for one in found]
            begins = min(_common(head, whole), len(found) - 1)
            if split == "length" and begins < len(head):
                raise Fault("the server joins context and continuation to one token and lends no tokenizer", status=400)
        return _sum(found[begins:])

    async def _rendered(self, talk: Any) -> str:
        text = await self.texts.rendered(talk)
        if text is None:
            raise Fault("the server does not render this chat", status=400)
        return text + closing(text)

    async def _pair(
        self, context: str, continuation: str, rendered: bool, split: Split
    ) -> tuple[list[int] | str, int | None]:  # fmt: skip
        """Return the joint prompt, and how many of its tokens are context: None where only the server's reply tells."""
        if not self.texts.name:
            if not context:
                raise Fault("the server names no token for the beginning of a text", status=400)
            return context + continuation, None
        if not context:
            if not self.texts.start:
                raise Fault("the server names no token for the beginning of a text", status=400)
            own = await self.texts.ids(continuation, special=split == "rolling")
            return [*self.texts.start, *own], len(self.texts.start)
        special = not rendered or self.texts.strips
        head = await self.texts.ids(context, special)
        whole = await self.texts.ids(context + continuation, special)
        if split == "length":
            if len(whole) <= len(head):
                raise Fault("the continuation has no token after as many as the context has alone", status=400)
            return head + whole[len(head) :], len(head)
        return whole, min(_common(head, whole), len(whole) - 1)

    async def _head(self, context: str) -> list[int | str]:
        """Return the tokens of a context as the server cuts them."""
        if context not in self._heads:
            if len(self._heads) > 10_000:
                self._heads.clear()
            found = await self.wire.ask(*self._question(context), self._reader(context, None), self.only)
            self._heads[context] = [one.token for one in found]
        return self._heads[context]

    def _question(self, prompt: list[int] | str) -> tuple[str, dict[str, Any]]:
        if self.name == "sglang":
            put = {"text": prompt} if isinstance(prompt, str) else {"input_ids": prompt}
            sampling = {"max_new_tokens": 1, "temperature": 0.0}
            more = {"return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 1, "sampling_params": sampling}
            return SGLANG, put | more
        body = {"model": self.model, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, "stream": False}
        return COMPLETIONS, body | ({"prompt_logprobs": 1} if self.name == "vllm" else {"echo": True, "logprobs": 1})

    def _reader(self, prompt: list[int] | str, begins: int | None) -> Callable[[Any], list[Scored]]:
        ids = prompt if isinstance(prompt, list) else None

        def read(data: Any) -> list[Scored]:
            name = data.get("model") if isinstance(data, dict) else None
            if isinstance(name, str) and not same_model(self.model, name):
                raise Fault(f"the server answers as {name[:60]!r}; expected {self.model[:60]!r}", again=True, status=200)
            try:
                found = _READERS[self.name](data, ids)
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
                raise Fault(NONE, status=400) from None
            if not found or (ids is not None and len(found) != len(ids)):
                raise Fault(f"{NONE}: {len(found)} for {len(ids or ())} tokens", status=400)
            if any(one.logp is None for one in found[max(1, begins or 0) :]):
                raise Fault(NONE, status=400)
            return found

        return read


def _sum(found: Sequence[Scored]) -> Logprob:
    """Return the log-likelihood of a continuation's tokens."""
    if not found or any(one.logp is None for one in found):
        raise Fault("the server leaves out log-probabilities of the continuation", status=400)
    return Logprob(math.fsum(one.logp or 0.0 for one in found), all(one.greedy for one in found), len(found))


def _common(a: Sequence[int | str], b: Sequence[int | str]) -> int:
    """Length of the longest common prefix."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _from_vllm(data: Any, ids: Sequence[int] | None) -> list[Scored]:
    entries = data["choices"][0]["prompt_logprobs"]
    if ids is None or len(entries) != len(ids):
        raise ValueError("another number of tokens")
    found = []
    for token, entry in zip(ids, entries, strict=True):
        own = None if entry is None else entry[str(token)]
        found.append(Scored(None if own is None else float(own["logprob"]), own is not None and own["rank"] == 1, token))
    return found


def _from_echo(data: Any, ids: Sequence[int] | None) -> list[Scored]:
    """``echo``: the tokens of the prompt, then those that were generated, as the server's count of them tells."""
    about = data["choices"][0]["logprobs"]
    tokens, values, tops = about["tokens"], about["token_logprobs"], about.get("top_logprobs") or []
    count = len(ids) if ids is not None else int(data["usage"]["prompt_tokens"])
    if not 0 < count <= len(values) or len(tokens) != len(values) or values[0] is not None:
        raise ValueError("not those of the prompt")
    found = []
    for i in range(count):
        top = max(map(float, tops[i].values())) if i < len(tops) and tops[i] else None
        value = None if values[i] is None else float(values[i])
        found.append(
            Scored(value, value is not None and top is not None and value >= top - _TIE, ids[i] if ids else str(tokens[i]))
        )
    return found


def _from_sglang(data: Any, ids: Sequence[int] | None) -> list[Scored]:
    about = data["meta_info"]
    entries, tops = about["input_token_logprobs"], about["input_top_logprobs"]
    if len(entries) != int(about["prompt_tokens"]) or (ids is not None and [e[1] for e in entries] != list(ids)):
        raise ValueError("not those of the prompt")
    found = []
    for i, (value, token, *_) in enumerate(entries):
        top = float(tops[i][0][0]) if i < len(tops) and tops[i] else None
        greedy = value is not None and top is not None and float(value) >= top - _TIE
        found.append(Scored(None if value is None or i == 0 else float(value), greedy, int(token)))
    return found


_READERS: dict[str, Callable[[Any, Sequence[int] | None], list[Scored]]] = {
    "vllm": _from_vllm, "echo": _from_echo, "sglang": _from_sglang,
}  # fmt: skip


async def find_scorer(wire: Wire, replica: Replica, model: str, texts: Texts) -> tuple[Scorer | None, str]:
    """Return the dialect in which a server scores known texts rightly, or why there is none."""
    why = NONE
    for name in ("vllm", "sglang", "echo", "llama.cpp"):
        if name in ("vllm", "llama.cpp") and texts.name != name:
            continue
        scorer = Scorer(name, wire, model, texts, replica)
        try:
            if name == "llama.cpp":
                scorer.forced.whole = (await texts.ids("a", special=False))[-1]
            why = await _wrong(scorer)
        except Fault:
            continue
        if not why:
            scorer.only = None
            return scorer, ""
    return None, why


async def _wrong(scorer: Scorer) -> str:
    """Score what the server itself continues with: it must be greedy, with the log-probability that it had as it was written."""
    body = {"model": scorer.model, "prompt": _CONTEXT, "max_tokens": 1, "temperature": 0.0, "logprobs": 1, "stream": False}
    try:
        reply = await scorer.wire.ask(COMPLETIONS, body, read_reply, scorer.only)
    except Fault:
        reply = None
    likely, unlikely = [await scorer.score(_CONTEXT, text) for text in _CHOICES]
    if reply is None or reply.logprob is None:
        return "" if likely.sum > unlikely.sum else f"{NONE} that can be believed"
    token, value = reply.logprob
    if not reply.text.strip():
        return "" if likely.sum != unlikely.sum else f"{NONE} that can be believed"
    scored = await scorer.score(_CONTEXT, reply.text)
    if scored.n_tokens == 1 and not (scored.greedy and abs(scored.sum - value) <= _SAME):  # of NaN, too
        return f"{NONE} that can be believed: {scored.sum:.2f} for {token[:20]!r}, written with {value:.2f}"
    return ""
