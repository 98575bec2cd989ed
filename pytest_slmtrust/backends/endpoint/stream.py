"""A reply that comes piece by piece, as server-sent events, put together into the form of a whole reply."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: What a question says so that its reply comes in pieces, with the counts of tokens at the end.
STREAMED: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
KIND = "text/event-stream"
_END = b"[DONE]"
_THOUGHTS = ("reasoning_content", "reasoning")


class BrokenStream(Exception):
    """A stream that is no whole reply. ``status``: that of HTTP that the server names in it, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Pieces:
    """Events as they come in. ``first``: clock time (seconds) of the first piece of text or thought, None before it."""

    first: float | None = None
    _line: bytearray = field(default_factory=bytearray)
    _texts: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _said: dict[str, Any] = field(default_factory=dict)
    _chat: bool = False
    _finish: Any = None
    _ended: bool = False

    def feed(self, data: bytes) -> None:
        """Take bytes in, cut anywhere.

        Raises:
            BrokenStream: an event that has not the form of a reply, or in which the server reports an error.
        """
        self._line += data
        if b"\n" not in data:
            return  # a long line is not searched again for each of its pieces
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            self._take(bytes(line).strip())

    def whole(self) -> dict[str, Any]:
        """Return the reply as one that was not streamed.

        Raises:
            BrokenStream: the stream ended before its last event.
        """
        self._take(bytes(self._line).strip())
        self._line.clear()
        if not self._ended:
            raise BrokenStream("the stream broke off before its end")
        text, thought = "".join(self._texts), "".join(self._thoughts)
        named = {"reasoning_content": thought} if thought else {}
        choice = {"message": {"content": text, **named}} if self._chat else {"text": text, **named}
        return {**self._said, "choices": [{**choice, "finish_reason": self._finish}], "streamed": True}

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"data:") or self._ended:
            return  # a comment, a name of an event, or an empty line
        data = line.removeprefix(b"data:").strip()
        if data == _END:
            self._ended = True
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise BrokenStream("a piece of the stream is not JSON") from None
        if not isinstance(event, dict):
            raise BrokenStream("a piece of the stream is not a JSON object")
        if event.get("error") is not None:
            raise _reported(event["error"])
        self._said |= {name: event[name] for name in ("model", "usage") if event.get(name) is not None}
        choices = event.get("choices") or []
        if not isinstance(choices, list):
            raise BrokenStream("a piece of the stream has no list of choices")
        for choice in choices:
            self._choice(choice)

    def _choice(self, choice: Any) -> None:
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            raise BrokenStream("a piece of the stream belongs to another reply")
        delta = choice.get("delta")
        self._chat = self._chat or isinstance(delta, dict)
        held = delta if isinstance(delta, dict) else choice
        text = held.get("content" if self._chat else "text")
        thought = next((held[name] for name in _THOUGHTS if held.get(name)), None)
        for kept, piece in ((self._texts, text), (self._thoughts, thought)):
            if piece is not None and not isinstance(piece, str):
                raise BrokenStream("a piece of the stream holds no text")
            if piece:
                kept.append(piece)
                self.first = time.monotonic() if self.first is None else self.first
        self._finish = choice.get("finish_reason") or self._finish


def _reported(error: Any) -> BrokenStream:
    said, code = (error.get("message"), error.get("code")) if isinstance(error, dict) else (error, 0)
    words = f" ({said})" if isinstance(said, str) else ""
    return BrokenStream(f"the server reports an error within the reply{words}", code if type(code) is int else 0)
