"""What a server can do, found by asking it known texts: nothing is believed that was not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...requests import BackendError, Message, chat
from ...thinking import opens, part
from .dialect import CHAT, COMPLETIONS, OLLAMA, Dialect, Reply, as_messages, read_reply, same_model
from .fault import Fault
from .replicas import Replica
from .scoring import Scorer, find_scorer
from .stream import STREAMED
from .texts import Texts, find_texts
from .wire import Wire

_USER = "Say one word."
_SYSTEM = "You are a careful helper. " + "The sky was grey over the old harbour and the boats lay still in the rain. " * 4
#: Tokens that a system text of that length adds at least.
_ADDED = 30
#: Tokens of a raw prompt of one letter, at most: the letter and the mark of a beginning.
_BARE = 4
_SHORT, _LONGER = 8, 16


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do. ``lacks``: why it cannot answer a form of request, by the form; ``found``: for the report.

    The forms: ``chat`` and ``raw`` of a reply; ``scores``, ``scores_chat``, ``scores_empty`` and ``scores_detail`` of a
    log-likelihood. ``streams``: the paths at which a reply may come in pieces.
    """

    dialect: Dialect
    scorer: Scorer | None
    lacks: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    streams: tuple[str, ...] = ()


@dataclass(slots=True)
class Trials:
    """The trials of one server. ``thinking``: auto, on or off; ``limit``: tokens of a thought."""

    wire: Wire
    replica: Replica
    model: str
    thinking: str = "auto"
    limit: int = 0

    async def abilities(self) -> Abilities:
        """Try everything.

        Raises:
            BackendError: the server answers neither chats nor raw texts, or as another model, or takes the first question and
                says nothing: the others would be waited for as long.
        """
        dialect = Dialect(self.model, switch=self._switch())
        first, why_chat = await self._try(CHAT, self._chat(dialect, chat(_USER)), first=True)
        texts = await find_texts(self.wire, self.replica, self.model)
        system, merges = await self._system(dialect, first) if first else ("none", False)
        raw, bare, why_raw = await self._raw()
        told = first or bare
        if told is None:
            raise BackendError(f"the server answers neither chats nor raw texts: {why_chat or why_raw}")
        inside = bool(first) and not told.thought and opens(await texts.rendered(chat(_USER)) or "")
        thinks = bool(told.thought) or part(told.text).thinks or inside
        dialect = replace(
            dialect,
            raw=raw or COMPLETIONS,
            merges=merges,
            answers_as=told.model,
            thought=self.limit if thinks else 0,
            inside=inside,
        )
        streams = await self._streams(dialect, first, bare if raw == COMPLETIONS else None)
        scorer, why_scores = (await find_scorer(self.wire, self.replica, self.model, texts)) if raw else (None, why_raw)
        found = {
            "chat": first is not None, "system_role": system, "raw": raw or "none",
            "log_probabilities": scorer.name if scorer else "none", "tokenisation": texts.name or "none", "thinks": thinks,
            "streams": "yes" if streams else "no",
            **await self._draws(dialect, first is not None), "stop": await self._stop(dialect, first is not None),
        }  # fmt: skip
        lacks = {} if first else {"chat": f"its server answers no chats ({why_chat})"}
        lacks |= {} if raw else {"raw": f"its server continues no raw texts ({why_raw})"}
        return Abilities(dialect, scorer, lacks | _unscored(scorer, why_scores, texts), found, streams)

    def _switch(self) -> dict[str, Any] | None:
        return None if self.thinking == "auto" else {"enable_thinking": self.thinking == "on"}

    def _chat(self, dialect: Dialect, talk: tuple[Message, ...], **more: Any) -> dict[str, Any]:
        body = {"model": self.model, "messages": as_messages(talk), "max_tokens": _SHORT, "temperature": 0.0, "stream": False}
        return body | ({"chat_template_kwargs": dict(dialect.switch)} if dialect.switch else {}) | more

    def _text(self, prompt: str, **more: Any) -> dict[str, Any]:
        return {"model": self.model, "prompt": prompt, "max_tokens": _SHORT, "temperature": 0.0, "stream": False} | more

    async def _try(self, path: str, body: Mapping[str, Any], first: bool = False) -> tuple[Reply | None, str]:
        """Return the reply, or why there is none; the ``first`` question must be answered in time."""

        def read(data: Any) -> Reply:
            reply = read_reply(data)
            if reply.model and not same_model(self.model, reply.model):
                said = f"the server answers as {reply.model[:60]!r}; expected {self.model[:60]!r}"
                raise Fault(f"{said} (name it: #{reply.model[:60]})", again=True, status=200)
            return reply

        try:
            return await self.wire.ask(path, body, read, self.replica), ""
        except Fault as fault:
            if first and fault.late:
                raise BackendError(f"the server cannot be audited: {fault}") from None
            return None, str(fault)

    async def _system(self, dialect: Dialect, plain: Reply) -> tuple[str, bool]:
        """Return how system texts are put, and whether they are merged: a refused or lost one goes before the user's words."""
        reply, _ = await self._try(CHAT, self._chat(dialect, chat(_USER, system=_SYSTEM)))
        if reply is None:
            return "merged: the server refuses it", True
        if reply.prompt_tokens is None or plain.prompt_tokens is None:
            return "merged: the server counts no tokens of prompts, so that its loss would not be seen", True
        if reply.prompt_tokens - plain.prompt_tokens < _ADDED:
            return "merged: the server drops it", True
        return "own", False

    async def _raw(self) -> tuple[str, Reply | None, str]:
        """Return the path of raw completions, a reply, and why there is none. A server that puts a template around a text is
        none."""
        reply, why = await self._try(COMPLETIONS, self._text("a"))
        if reply is not None:
            if reply.prompt_tokens is None:
                return COMPLETIONS, reply, ""
            if reply.prompt_tokens <= _BARE:
                return COMPLETIONS, reply, ""
            why = f"it puts a template around them: {reply.prompt_tokens} tokens for one letter"
        own = {
            "model": self.model,
            "prompt": "a",
            "raw": True,
            "stream": False,
            "options": {"temperature": 0.0, "num_predict": _SHORT},
        }
        native, _ = await self._try(OLLAMA, own)
        if native is not None and (native.prompt_tokens is None or native.prompt_tokens <= _BARE):
            return OLLAMA, native, ""
        return "", None, why

    async def _streams(self, dialect: Dialect, in_chat: Reply | None, raw: Reply | None) -> tuple[str, ...]:
        """Return the paths at which a reply that comes in pieces is the whole reply, with its counts of tokens."""
        known = ((CHAT, self._chat(dialect, chat(_USER)), in_chat), (COMPLETIONS, self._text("a"), raw))
        return tuple([path for path, body, whole in known if whole is not None and await self._pieced(path, body) == whole])

    async def _pieced(self, path: str, body: Mapping[str, Any]) -> Reply | None:
        """Return a streamed reply; None if there is none, or the server does not stream."""

        def read(data: Any) -> Reply | None:
            return read_reply(data) if isinstance(data, dict) and data.get("streamed") else None

        try:
            return await self.wire.ask(path, {**body, **STREAMED}, read, self.replica)
        except Fault:
            return None

    async def _draws(self, dialect: Dialect, chats: bool) -> dict[str, Any]:
        """Return whether a seed makes a draw again, and another seed another draw."""
        said = []
        for seed in (11, 11, 12):
            reply = await self._any(
                dialect, chats, "Tell me something about the sea.", temperature=1.0, seed=seed, max_tokens=_LONGER
            )
            said.append(reply.whole if reply else None)
        if None in said:
            return {"seed": "not taken"}
        if said[0] != said[1]:
            return {"seed": "ignored"}
        return {"seed": "honoured" if said[1] != said[2] else "not seen to matter"}

    async def _stop(self, dialect: Dialect, chats: bool) -> str:
        """Return whether a stop text ends a reply. It is looked for here too, so nothing depends on it."""
        prompt = "Count from one to ten in words."
        whole = await self._any(dialect, chats, prompt, max_tokens=_LONGER)
        words = whole.text.split() if whole else []
        if len(words) < 3:
            return "not seen"
        cut = await self._any(dialect, chats, prompt, max_tokens=_LONGER, stop=[words[1]])
        return "not taken" if cut is None else "ignored" if words[1] in cut.text else "honoured"

    async def _any(self, dialect: Dialect, chats: bool, text: str, **more: Any) -> Reply | None:
        if chats:
            return (await self._try(CHAT, self._chat(dialect, chat(text), **more)))[0]
        if dialect.raw == OLLAMA:
            return None
        return (await self._try(COMPLETIONS, self._text(text, **more)))[0]


def _unscored(scorer: Scorer | None, why: str, texts: Texts) -> dict[str, str]:
    """Return the forms of log-likelihoods that a server does not give."""
    if scorer is None:
        return dict.fromkeys(("scores", "scores_chat", "scores_empty", "scores_detail"), why)
    lacks = {"scores_detail": "its server gives no numbers of the whole vocabulary"}
    if not texts.renders:
        lacks["scores_chat"] = "its server does not say how it renders a chat, so no answer in one can be scored"
    if not scorer.start:
        lacks["scores_empty"] = "its server names no token for the beginning of a text"
    return lacks
