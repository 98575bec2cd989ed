"""A server's tokenizer and chat template, where it lends them: vLLM and llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...requests import Message
from .fault import Fault
from .replicas import Replica
from .wire import Wire

TOKENIZE, DETOKENIZE, APPLY = "/tokenize", "/detokenize", "/apply-template"
_KNOWN = "The capital of France is Paris."
#: Tokens of a text at most: these, and so many for each of its bytes.
_SPARE, _EACH = 64, 16
#: An answer is scored without a thought before it.
_NO_THOUGHT = {"enable_thinking": False}


@dataclass(slots=True)
class Texts:
    """``name``: whose dialect, empty without a tokenizer. ``prefix``: what it puts before every text; ``start``: the token for an
    empty context. ``renders``: whether the server shows chats as text."""

    wire: Wire
    model: str
    name: str = ""
    prefix: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    renders: bool = False
    only: Replica | None = None
    _seen: dict[tuple[str, bool], list[int]] = field(default_factory=dict)

    @property
    def strips(self) -> bool:
        """Whether a rendered chat comes without the token that begins every text, as llama.cpp gives it."""
        return self.name == "llama.cpp"

    async def ids(self, text: str, special: bool = True) -> list[int]:
        """Token ids of a text; ``special``: with what the tokenizer puts before it.

        Raises:
            Fault: the server does not say.
        """
        key = (text, special)
        if key not in self._seen:
            if len(self._seen) > 50_000:
                self._seen.clear()
            found = await self.wire.ask(TOKENIZE, self._question(text, special), _ids, self.only)
            if len(found) > _SPARE + _EACH * len(text.encode("utf-8", "replace")):
                raise Fault(f"the server makes {len(found)} tokens of a text of {len(text)} characters", status=400)
            self._seen[key] = found
        return list(self._seen[key])

    def _question(self, text: str, special: bool) -> dict[str, Any]:
        if self.name == "llama.cpp":
            return {"content": text, "add_special": special, "parse_special": True}
        return {"model": self.model, "prompt": text, "add_special_tokens": special}

    async def rendered(self, talk: Sequence[Message]) -> str | None:
        """Return a chat as the text that its template makes of it, up to where the answer begins; None where the server does not
        say."""
        messages = [{"role": m.role, "content": m.content} for m in talk]
        more: dict[str, Any] = {"add_generation_prompt": True, "chat_template_kwargs": _NO_THOUGHT}
        try:
            if self.name == "llama.cpp":
                return await self.wire.ask(APPLY, {"messages": messages, **more}, _prompt, self.only)
            if self.name == "vllm":
                ids = await self.wire.ask(TOKENIZE, {"model": self.model, "messages": messages, **more}, _ids, self.only)
                text = await self.wire.ask(DETOKENIZE, {"model": self.model, "tokens": ids}, _prompt, self.only)
                return text if await self.ids(text, special=False) == ids else None
        except Fault:
            return None
        return None


async def find_texts(wire: Wire, replica: Replica, model: str) -> Texts:
    """Return the tokenizer that a server lends, tried with a known text."""
    for name in ("vllm", "llama.cpp"):
        texts = Texts(wire, model, name, only=replica)
        try:
            whole, head = await texts.ids(_KNOWN), await texts.ids("The capital of France is")
            bare = await texts.ids(_KNOWN, special=False)
        except Fault:
            continue
        if len(whole) <= len(head) or not bare or whole[len(whole) - len(bare) :] != bare:
            continue
        texts.prefix = tuple(whole[: len(whole) - len(bare)])
        texts.start = texts.prefix or await _start(texts, replica)
        rendered = await texts.rendered((Message("user", _KNOWN),))
        texts.renders = bool(rendered and _KNOWN in rendered)
        texts.only = None
        return texts
    return Texts(wire, model)


async def _start(texts: Texts, replica: Replica) -> tuple[int, ...]:
    """Return the token that stands for an empty context: the one for a text's beginning, else for its end."""
    about: list[Any] = [await texts.wire.get("/tokenizer_info", replica), await texts.wire.get("/props", replica)]
    listed = await texts.wire.get("/v1/models", replica)
    for entry in listed.get("data") or [] if isinstance(listed, dict) else []:
        if isinstance(entry, dict) and entry.get("id") == texts.model and isinstance(entry.get("root"), str):
            about.append(_on_disk(entry["root"]))
    for name in ("bos_token", "eos_token"):
        for one in about:
            token = one.get(name) if isinstance(one, dict) else None
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str) and 0 < len(token) < 100:
                ids = await texts.ids(token, special=False)
                if len(ids) == 1:
                    return (ids[0],)
    return ()


def _on_disk(root: str) -> Any:
    """Return the settings of a tokenizer in a folder of this machine, which a local server names as its model's root."""
    try:
        path = Path(root) / "tokenizer_config.json"
        return json.loads(path.read_bytes()) if path.is_file() and path.stat().st_size < 2**25 else None
    except (OSError, ValueError, RecursionError):
        return None


def _ids(data: Any) -> list[int]:
    found = data.get("tokens") if isinstance(data, dict) else None
    if not isinstance(found, list) or not all(type(one) is int and 0 <= one < 2**31 for one in found):
        raise Fault("the server gives no token ids", status=400)
    return found


def _prompt(data: Any) -> str:
    found = data.get("prompt") if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise Fault("the server gives no text", status=400)
    return found
