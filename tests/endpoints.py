"""A scripted server of a toy language model that speaks the dialects of vLLM, SGLang, Ollama and llama.cpp, and makes faults."""

from __future__ import annotations

import json
import math
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from toy_model import BOS, PIECES, ids_of, logprob, logprobs_after, remember

__all__ = ["FAULTS", "Toy", "events", "ids_of", "logprob", "logprobs_after", "serving"]


@dataclass
class Toy:
    """What a server is. ``dialect``: vllm, sglang, ollama, llama.cpp, echo or chat. ``fault``: from a path and the number of the
    request to the name of a fault, or nothing. ``seed``: another one is another model. ``about``: more of what it says.
    ``streams``: yes, no, or uncounted (without tokens at the end); ``between``: seconds between the pieces of a stream.
    ``lost``: by how much log-probabilities are too high that llama.cpp gives before sampling; ``rounding``: by how much more
    where the prompt's last token is computed by itself; ``names``: tokens named after sampling;
    ``parts``: tokens that are parts of characters, of which it says nothing."""

    dialect: str = "vllm"
    model: str = "toy"
    seed: str = ""
    fault: Callable[[str, int], str] = lambda path, n: ""
    reply: Callable[[list[dict[str, str]]], str] | None = None
    thought: str = ""
    usage: bool = True
    system: str = "own"
    key: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, Any, float]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    goal: str = ""
    noise: int = 0
    delay: float = 0.0
    streams: str = "yes"
    between: float = 0.0
    lost: float = 0.0
    rounding: float = 0.0
    names: int = 5
    parts: tuple[int, ...] = ()
    count: int = 0
    url: str = ""
    root: str = ""

    @property
    def asked(self) -> list[str]:
        return [path for path, _, _ in self.seen]

    # -- the model --------------------------------------------------------------------------------------------

    def write(self, prompt: list[int], body: dict[str, Any]) -> tuple[list[int], str]:
        draw = random.Random(body.get("seed", time.time())) if body.get("temperature", 1.0) > 0 else None
        made: list[int] = []
        for _ in range(int(body.get("max_tokens", 8))):
            table = logprobs_after(prompt + made, self.seed)
            chosen = max(table, key=lambda i: table[i])
            if draw is not None:
                chosen = draw.choices(list(table), [math.exp(v) for v in table.values()])[0]
            made.append(chosen)
            for stop in body.get("stop") or []:
                text = "".join(PIECES[i] for i in made)
                if stop in text:
                    return remember(text[: text.index(stop)]), "stop"
        return made, "length"

    def rendered(self, messages: list[dict[str, str]]) -> str:
        if self.system == "dropped":
            messages = [m for m in messages if m["role"] != "system"]
        return BOS + "".join(f"[{m['role']}]{m['content']}\n" for m in messages) + "[assistant]"

    # -- the paths --------------------------------------------------------------------------------------------

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        found = getattr(self, "_" + path.strip("/").replace("/", "_").replace("-", "_"), None)
        if found is None or (body is None) != (path in _GETS):
            return 404, {"error": {"message": f"no {path} here"}}
        made: tuple[int, Any] = found(body)
        return made

    def _v1_models(self, _: Any) -> tuple[int, Any]:
        return 200, {
            "object": "list",
            "data": [{"id": self.model, "created": time.time(), "root": self.root or None, **self.about}],
        }

    def _v1_chat_completions(self, body: Any) -> tuple[int, Any]:
        if body["model"] != self.model:
            return 404, {"error": {"message": f"no model {body['model']}"}}
        if self.system == "refused" and body["messages"][0]["role"] == "system":
            return 400, {"error": {"message": "system role not supported"}}
        prompt = remember(self.rendered(body["messages"]))
        made, end = self.write(prompt, body)
        text = "".join(PIECES[i] for i in made)
        if self.noise and body["temperature"] == 0:
            self.noise += 1
            text += str(self.noise)
        if self.reply is not None:
            text, end = self.reply(body["messages"]), "stop"
        message = {"role": "assistant", "content": text}
        if self.thought:
            message["reasoning_content"] = self.thought
        return 200, self._whole({"index": 0, "message": message, "finish_reason": end}, len(prompt), len(made))

    def _v1_completions(self, body: Any) -> tuple[int, Any]:
        if self.dialect == "chat":
            return 404, {"error": {"message": "no completions"}}
        raw = isinstance(body["prompt"], str)
        text = body["prompt"] if raw else ""
        if self.dialect == "ollama":
            text = self.rendered([{"role": "user", "content": text}])
        ids = [0] * raw * (self.dialect != "ollama") + remember(text) if raw else list(body["prompt"])
        made, end = self.write(ids, body)
        choice: dict[str, Any] = {"index": 0, "text": "".join(PIECES[i] for i in made), "finish_reason": end}
        shown = ids + made if body.get("echo") and self.dialect in ("vllm", "echo") else made
        if body.get("logprobs") and self.dialect != "ollama":
            first = len(ids) + len(made) - len(shown)
            values = [
                logprob((ids + made)[:i], (ids + made)[i], self.seed) if i else None for i in range(first, first + len(shown))
            ]
            tops = [logprobs_after((ids + made)[:i], self.seed) if i else {} for i in range(first, first + len(shown))]
            best = [{"x": max(top.values())} if top else None for top in tops]
            choice["logprobs"] = {"tokens": [PIECES.get(i, BOS) for i in shown], "token_logprobs": values, "top_logprobs": best}
        if "prompt_logprobs" in body and self.dialect == "vllm":
            choice["prompt_logprobs"] = [None if not i else self._ranked(ids[:i], ids[i]) for i in range(len(ids))]
        return 200, self._whole(choice, len(ids), len(made))

    def _ranked(self, before: list[int], token: int) -> dict[str, Any]:
        table = logprobs_after(before, self.seed)
        value = table.get(token, -14.0)
        return {str(token): {"logprob": value, "rank": 1 + sum(v > value for v in table.values())}}

    def _whole(self, choice: dict[str, Any], prompt: int, made: int) -> dict[str, Any]:
        usage = {"prompt_tokens": prompt, "completion_tokens": made} if self.usage else None
        return {"id": "x", "object": "o", "model": self.model, "choices": [choice], "usage": usage}

    def _tokenize(self, body: Any) -> tuple[int, Any]:
        if self.dialect == "vllm":
            if "messages" in body:
                return 200, {"tokens": remember(self.rendered(body["messages"]))}
            return 200, {"tokens": [0] * body["add_special_tokens"] + remember(body["prompt"])}
        if self.dialect == "llama.cpp":
            return 200, {"tokens": [0] * body["add_special"] + remember(body["content"])}
        return 404, {"error": "no"}

    def _detokenize(self, body: Any) -> tuple[int, Any]:
        return (200, {"prompt": "".join(PIECES[i] for i in body["tokens"])}) if self.dialect == "vllm" else (404, {})

    def _apply_template(self, body: Any) -> tuple[int, Any]:
        return (200, {"prompt": self.rendered(body["messages"])}) if self.dialect == "llama.cpp" else (404, {})

    def _props(self, _: Any) -> tuple[int, Any]:
        about = {
            "model_path": "/home/somebody/toy.gguf",
            "chat_template": "{{ x }}",
            "default_generation_settings": {"id": time.time()},
        }
        return (200, about) if self.dialect == "llama.cpp" else (404, {})

    def _completion(self, body: Any) -> tuple[int, Any]:
        if self.dialect != "llama.cpp":
            return 404, {}
        table = logprobs_after(body["prompt"], self.seed)
        ranked = sorted(table, key=lambda i: -table[i])
        drawn = ranked[0] if body["post_sampling_probs"] else body["logit_bias"][0][0]
        if drawn in self.parts:
            return 200, {"content": "\ufffd"}
        if not body["post_sampling_probs"]:
            every = sorted(PIECES, key=lambda i: -logprob(body["prompt"], i, self.seed))[: body["n_probs"]]
            off = self.lost + self.rounding * body["cache_prompt"]
            tops = [{"id": i, "logprob": logprob(body["prompt"], i, self.seed) + off} for i in every]
            entry = {"id": drawn, "logprob": logprob(body["prompt"], drawn, self.seed) + off, "top_logprobs": tops}
        elif self.names:
            named = [{"id": i, "prob": math.exp(table[i])} for i in ranked[: min(self.names, body["n_probs"])]]
            entry = {**named[0], "top_probs": named}
        else:
            entry = {"id": drawn, "logprob": table[drawn], "top_logprobs": []}
        return 200, {"content": "x", "completion_probabilities": [entry]}

    def _generate(self, body: Any) -> tuple[int, Any]:
        if self.dialect != "sglang":
            return 404, {}
        ids = [0, *remember(body["text"])] if "text" in body else body["input_ids"]
        entries = [[logprob(ids[:i], ids[i], self.seed) if i else None, ids[i], None] for i in range(len(ids))]
        tops = [[[max(logprobs_after(ids[:i], self.seed).values()), 2, None]] if i else None for i in range(len(ids))]
        return 200, {
            "text": "",
            "meta_info": {"prompt_tokens": len(ids), "input_token_logprobs": entries, "input_top_logprobs": tops},
        }

    def _api_generate(self, body: Any) -> tuple[int, Any]:
        if self.dialect != "ollama" or not body["raw"]:
            return 404, {}
        ids = [0, *remember(body["prompt"])]
        options = body["options"]
        made, end = self.write(ids, {**options, "max_tokens": options["num_predict"]})
        about = {"model": self.model, "done": True, "done_reason": end, "prompt_eval_count": len(ids), "eval_count": len(made)}
        return 200, {"response": "".join(PIECES[i] for i in made), **about}

    def _api_tags(self, _: Any) -> tuple[int, Any]:
        return (200, {"models": [{"name": f"{self.model}:latest", "digest": "d1"}]}) if self.dialect == "ollama" else (404, {})


def events(said: dict[str, Any], counted: bool = True) -> list[bytes]:
    """The events of a streamed reply: one for each word, as vLLM and llama.cpp write them."""
    [choice] = said["choices"]
    message = choice.get("message")

    def event(piece: dict[str, Any], finish: str | None = None) -> bytes:
        held = {"delta": piece} if message else {"text": piece.get("content", "")}
        about = {"id": "x", "model": said["model"], "choices": [{"index": 0, **held, "finish_reason": finish}]}
        return b"data: " + json.dumps(about).encode() + b"\n\n"

    made = [event({"role": "assistant", "content": None})] if message else []
    made += [event({"reasoning_content": w}) for w in re.findall(r"\s*\S+|\s+", (message or {}).get("reasoning_content", ""))]
    made += [event({"content": word}) for word in re.findall(r"\s*\S+|\s+", message["content"] if message else choice["text"])]
    made += [b": ping\r\n\r\n", event({}, choice["finish_reason"])]
    if counted:
        usage = {"id": "x", "model": said["model"], "choices": [], "usage": said["usage"]}
        made.append(b"data: " + json.dumps(usage).encode() + b"\n\n")
    return [*made, b"data: [DONE]\n\n"]


_GETS = ("/v1/models", "/props", "/api/tags", "/version", "/get_model_info", "/info", "/tokenizer_info")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    toy: Toy
    asked: Any = None
    streamed: bool = False

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._do(None)

    def do_POST(self) -> None:
        self._do(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _do(self, body: Any) -> None:
        toy, self.asked = self.toy, body
        toy.count += 1
        toy.seen.append((self.path, body, time.monotonic()))
        toy.headers.append(dict(self.headers))
        time.sleep(toy.delay)
        if toy.key and self.headers.get("Authorization") != f"Bearer {toy.key}":
            self._send(401, json.dumps({"error": f"bad {self.headers.get('Authorization')}"}).encode())
            return
        fault = toy.fault(self.path, toy.count)
        status, said = toy.answer(self.path, body)
        self.streamed = bool(body and body.get("stream") and status == 200 and "choices" in said and toy.streams != "no")
        if fault == "wrong model" and isinstance(said, dict):
            said = {**said, "model": "another-model"}
        if fault in FAULTS and fault != "wrong model":
            FAULTS[fault](self, status, said)
        elif self.streamed and toy.between:
            self._send_slowly(said)
        else:
            self.send(status, said)

    def encoded(self, said: Any) -> bytes:
        """What an answer is on the wire."""
        return b"".join(events(said, self.toy.streams == "yes")) if self.streamed else json.dumps(said).encode()

    def send(self, status: int, said: Any, cut: int = 0, length: int | None = None) -> None:
        """Send an answer, as a stream where one was asked for; ``cut``: bytes that are left out at its end."""
        data = self.encoded(said)
        self._send(status, data[: len(data) - cut], "text/event-stream" if self.streamed else "application/json", length)

    def _send_slowly(self, said: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events(said):
            for half in (event[: len(event) // 2], event[len(event) // 2 :]):
                self.wfile.write(half)
                self.wfile.flush()
            time.sleep(self.toy.between)
        self.close_connection = True

    def _send(self, status: int, data: bytes, kind: str = "application/json", length: int | None = None, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def cut(self) -> None:
        """End the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _truncated(handler: _Handler, status: int, said: Any) -> None:
    size = len(handler.encoded(said))
    handler.send(status, said, cut=size // 2, length=size)
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_WR)
    handler.close_connection = True


def _slow(handler: _Handler, status: int, said: Any) -> None:
    time.sleep(1.2)
    handler.send(status, said)


def _edited(change: Callable[[dict[str, Any]], None]) -> Callable[[_Handler, int, Any], None]:
    def send(handler: _Handler, status: int, said: Any) -> None:
        for choice in said.get("choices", []) if isinstance(said, dict) else []:
            change(choice)
        handler.send(status, said)

    return send


_HTML = b"<html><body>502 Bad Gateway</body></html>"
#: Faults by name; each is made in the server.
FAULTS: dict[str, Callable[[_Handler, int, Any], None]] = {
    "429": lambda h, s, d: h._send(429, b'{"error": {"message": "slow down"}}', Retry_After="0"),
    "500": lambda h, s, d: h._send(500, b'{"error": "broken"}'),
    "503": lambda h, s, d: h._send(503, b"busy", "text/plain"),
    "timeout": _slow,
    "cut": lambda h, s, d: h.cut(),
    "html": lambda h, s, d: h._send(200, _HTML, "text/html"),
    "truncated": _truncated,
    "half json": lambda h, s, d: h.send(200, d, cut=9),
    "gone": lambda h, s, d: h._send(404, b'{"error": {"message": "model not found"}}'),
    "wrong model": lambda h, s, d: None,
    "no choices": lambda h, s, d: h._send(200, b'{"model": "toy", "choices": []}'),
    "aborted": _edited(lambda choice: choice.update(finish_reason="abort")),
    "redirect": lambda h, s, d: h._send(307, b"", Location=h.toy.goal or "http://elsewhere.example/v1/chat/completions"),
    "huge": lambda h, s, d: h._send(200, b'"' + b"x" * 3_000_000 + b'"'),
}


@contextmanager
def serving(toy: Toy, port: int = 0) -> Iterator[Toy]:
    """Serve a toy on loopback; ``toy.url`` is its address."""
    handler = type("Handler", (_Handler,), {"toy": toy})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    toy.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    toy.stop = lambda: (server.shutdown(), server.server_close())  # type: ignore[attr-defined]
    try:
        yield toy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
