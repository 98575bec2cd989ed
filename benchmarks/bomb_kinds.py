"""What ``bombs.py`` sets off: each makes its file in a project and returns the options of the run that reads it."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tiny  # type: ignore[import-not-found]

DEEP = 1_000_000
SPARSE = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Bomb:
    """``make``: put it into a project folder or its model's folder, and return further options. ``slmtrust`` as the first word
    runs that program instead."""

    make: Callable[[Path, Path], list[str]]


def _model(change: Callable[[Path], Any]) -> Bomb:
    def make(_folder: Path, model: Path) -> list[str]:
        change(model)
        return []

    return Bomb(make)


def _config(**changes: Any) -> Bomb:
    return _model(lambda model: tiny.edit(model / "config.json", **changes))


def _template(text: str) -> Bomb:
    return _model(lambda model: (model / "chat_template.jinja").write_text(text))


def _tokenizer(change: Callable[[dict[str, Any]], Any]) -> Bomb:
    def apply(model: Path) -> None:
        path = model / "tokenizer.json"
        data = json.loads(path.read_text("utf-8"))
        change(data)
        path.write_text(json.dumps(data), "utf-8")

    return _model(apply)


def _instead(name: str, make: Callable[[Path], Any]) -> Bomb:
    def apply(model: Path) -> None:
        (model / name).unlink(missing_ok=True)
        make(model / name)

    return _model(apply)


def sparse(path: Path, size: int = SPARSE) -> None:
    path.touch()
    os.truncate(path, size)


def _deep(name: str, mark: str = "[") -> Bomb:
    close = "]" if mark == "[" else "1" + "}" * DEEP
    text = mark * DEEP + (close if mark != "[" else close * DEEP)

    def write(path: Path) -> None:
        if name.endswith(".index.json"):  # it is read only where there is no single file
            (path.parent / "model.safetensors").unlink()
        path.write_text(text)

    return _instead(name, write)


def _link(name: str, goal: str) -> Bomb:
    return _instead(name, lambda path: path.symlink_to(goal))


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _split(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True, "trim_offsets": True}]}  # fmt: skip  # noqa: E501


def _many_added(data: dict[str, Any], count: int = 1_000_000) -> None:
    like = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    data["added_tokens"] += [{"id": 1000 + i, "content": f"<{i}>", **like} for i in range(count)]


def _header(model: Path, size: int, whole: int | None = None) -> None:
    (model / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b'{"w":')
    os.truncate(model / "model.safetensors", whole or size + 8)


def _crowd(model: Path, tensors: int) -> None:
    """Weights whose header names many tensors without a number in them."""
    whole = (model / "model.safetensors").read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    header |= {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(tensors)}
    text = json.dumps(header).encode()
    (model / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + size :])


def _index(model: Path, shards: int) -> None:
    names = {f"w{i}": f"model-{i:07d}.safetensors" for i in range(shards)}
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _gguf(tensors: int, pairs: int, body: bytes) -> Bomb:
    def make(folder: Path, _model: Path) -> list[str]:
        (folder / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + body)
        return [f"--slm={folder / 'm.gguf'}"]

    return Bomb(make)


def _gguf_file(make: Callable[[Path], Any]) -> Bomb:
    def apply(folder: Path, _model: Path) -> list[str]:
        make(folder / "m.gguf")
        return [f"--slm={folder / 'm.gguf'}"]

    return Bomb(apply)


def asks(url: str) -> Bomb:
    """A server as the model."""

    def apply(_folder: Path, _model: Path) -> list[str]:
        return [f"--slm={url}"]

    return Bomb(apply)


def _adapter(make: Callable[[Path], Any]) -> Bomb:
    def apply(folder: Path, model: Path) -> list[str]:
        adapter = folder / "adapter"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": 8}))
        (adapter / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        make(adapter)
        return [f"--slm={model}+{adapter}"]

    return Bomb(apply)


def _option(name: str, file: str, make: Callable[[Path], Any], *more: str) -> Bomb:
    def apply(folder: Path, _model: Path) -> list[str]:
        make(folder / file)
        return [f"--slm-{name}={folder / file}", *more]

    return Bomb(apply)


def _render(make: Callable[[Path], Any], *words: str) -> Bomb:
    def apply(folder: Path, _model: Path) -> list[str]:
        make(folder / "audit.json")
        return ["slmtrust", *words, str(folder / "audit.json")]

    return Bomb(apply)


def _checkpoint(path: Path) -> None:
    import zipfile

    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("archive/data.pkl", "w", force_zip64=True) as stream,
    ):
        for _ in range(64):
            stream.write(bytes(2**24))


def _pickled(_folder: Path, model: Path) -> list[str]:
    (model / "model.safetensors").unlink()
    _checkpoint(model / "pytorch_model.bin")
    return ["--slm-allow-pickle"]


LORA = {"peft_type": "LORA", "r": 8, "lora_alpha": 8}
#: Fields of a finding, as many as one has.
_FINDING = '{"case": "a::b[c]", "row": "0123456789", "outcome": "passed", "n": [1, 2, 3, 4, 5, 6, 7, 8], "t": "reply"},'
BOMBS: dict[str, Bomb] = {
    "config: a billion labels": _config(num_labels=10**9),
    "config: a billion labels, as a fraction": _config(num_labels=1e9),
    "config: 63 MB": _model(lambda m: os.truncate(m / "config.json", 63 * 2**20)),
    "config: a billion layers": _config(num_hidden_layers=10**9),
    "config: 100,000 layers": _config(num_hidden_layers=100_000),
    "config: layer types without end": _config(layer_types=["full_attention"] * 2 * 10**6),
    "config: a head of a billion": _config(head_dim=10**9),
    "config: a number of 10,000 digits": _model(lambda m: (m / "config.json").write_text('{"vocab_size": ' + "9" * 10_000 + "}")),
    "config: experts": _config(num_local_experts=10**8, num_experts=10**8),
    "quantised: a group of nothing": _config(quantization_config={"quant_method": "gptq", "bits": 10**9, "group_size": 0}),
    "tokenizer: a million added tokens": _tokenizer(_many_added),
    "tokenizer: forty normalisers that double": _tokenizer(
        lambda d: d.update(normalizer={"type": "Sequence", "normalizers": [_replace({"String": "a"}, "aa")] * 40})),
    "tokenizer: a decoder that writes 400,000 letters": _tokenizer(
        lambda d: d.update(decoder=_replace({"Regex": "[a-z]"}, "x" * 400_000))),
    "tokenizer: a pattern that panics": _tokenizer(lambda d: d.update(pre_tokenizer=_split("(a+)+$"))),
    "tokenizer: a pattern that goes back and forth": _tokenizer(
        lambda d: d.update(normalizer=_replace({"Regex": "(x|xx|xxx)*(y|yy)*\\1z"}, "a"))),
    "tokenizer: a class of a million alternatives": _tokenizer(
        lambda d: d.update(pre_tokenizer=_split("|".join(f"w{i}" for i in range(200_000))))),
    "tokenizer: 60 MB of merges": _tokenizer(lambda d: d["model"].update(merges=[["a", "b"]] * 4_000_000)),
    "safetensors: a header of 93 MB": _model(lambda m: _header(m, 93 * 2**20)),
    "safetensors: 100 GB, a header of 50 GB": _model(lambda m: _header(m, 50 * 2**30, 100 * 2**30)),
    "safetensors: 100 GB of nothing": _model(lambda m: os.truncate(m / "model.safetensors", 100 * 2**30)),
    "safetensors: 200,000 empty tensors": _model(lambda m: _crowd(m, 200_000)),
    "safetensors: an index of a million shards": _model(lambda m: _index(m, 1_000_000)),
    "safetensors: an index of 100,000 shards": _model(lambda m: _index(m, 100_000)),
    "checkpoint: a zip of 1 GB in 1 MB": Bomb(_pickled),
    "template: an endless device": _link("chat_template.jinja", "/dev/zero"),
    "template: a pipe": _instead("chat_template.jinja", os.mkfifo),
    "template: range(10**12)": _template("{% for i in range(10**12) %}x{% endfor %}"),
    "template: three loops": _template(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"),
    "template: 'x' * 10**10": _template("{{ 'x' * 10**10 }}"),
    "template: a list of 10**9": _template("{% set x = [0] * 10**9 %}{{ x|length }}"),
    "template: 9**9**9": _template("{{ 9**9**9 }}"),
    "template: doubling text": _template(
        "{% set n = namespace(t='x') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}"),
    "template: a macro that calls itself": _template("{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"),
    "template: a width of a billion": _template("{{ '%1000000000d' % 1 }}{{ 'x'.rjust(10**10) }}"),
    "template: center filter": _template("{{ 'x'|center(10**10) }}"),
    "template: a million brackets": _template("{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}"),
    "template: a million blocks": _template("{% if 1 %}" * 10_000 + "{% endif %}" * 10_000),
    "gguf: an array that needs 2.3 GB": _gguf(0, 1, _text("a") + struct.pack("<IIQ", 9, 0, 4 * 2**20) + bytes(4 * 2**20)),
    "gguf: a text of 2**62 bytes": _gguf(0, 1, _text("a") + struct.pack("<IQ", 8, 2**62) + b"x" * 64),
    "gguf: 2**40 fields": _gguf(0, 2**40, _text("a") + struct.pack("<IQ", 8, 1) + b"x"),
    "gguf: 2**63 tensors": _gguf(2**63, 0, bytes(64)),
    "gguf: arrays in arrays": _gguf(0, 1, _text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 50_000),
    "gguf: a tensor of 2**63 rows": _gguf(1, 0, _text("t") + struct.pack("<IQQIQ", 2, 2**63, 2**63, 0, 0) + bytes(64)),
    "gguf: an alignment of 2**31": _gguf(0, 1, _text("general.alignment") + struct.pack("<II", 4, 2**31)),
    "gguf: 100 GB of nothing": _gguf_file(lambda path: sparse(path, 100 * 2**30)),
    "gguf: a pipe": _gguf_file(os.mkfifo),
    "adapter: a million brackets": _adapter(lambda a: (a / "adapter_config.json").write_text("[" * DEEP)),
    "adapter: a rank of a billion": _adapter(lambda a: (a / "adapter_config.json").write_text(json.dumps({**LORA, "r": 10**9}))),
    "adapter: a header of 2**60": _adapter(
        lambda a: (a / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")),
    "adapter: a pattern without end": _adapter(
        lambda a: (a / "adapter_config.json").write_text(json.dumps({**LORA, "rank_pattern": {"(a+)+$": 8}}))),
    "waivers: 2 GB": _option("waivers", "w.toml", sparse),
    "waivers: a million brackets": _option("waivers", "w.toml", lambda p: p.write_text("a = " + "[" * DEEP)),
    "waivers: a pipe": _option("waivers", "w.toml", os.mkfifo),
    "baseline: 2 GB": _option("baseline", "b.json", sparse),
    "baseline: an endless device": _option("baseline", "b.json", lambda p: p.symlink_to("/dev/zero")),
    "baseline: a million brackets": _option("baseline", "b.json", lambda p: p.write_text("[" * DEEP)),
    "members: 2 GB": _option("members", "m.jsonl", sparse, "--slm-packs=builtin"),
    "members: one line of 60 MB": _option("members", "m.txt", lambda p: p.write_text("x" * 60_000_000), "--slm-packs=builtin"),
    "canaries: a million brackets": _option("canaries", "c.json", lambda p: p.write_text("[" * DEEP), "--slm-packs=builtin"),
    "canaries: a pipe": _option("canaries", "c.json", os.mkfifo, "--slm-packs=builtin"),
    "render: 2 GB": _render(sparse, "render"),
    "render: a pipe": _render(os.mkfifo, "render"),
    "render: a million brackets": _render(lambda p: p.write_text("[" * DEEP), "render"),
    "render: 250 MB of one list": _render(lambda p: p.write_text('{"findings": [' + "0," * 60_000_000 + "0]}"), "render"),
    "render: 200,000 findings": _render(lambda p: p.write_text('{"findings": [' + _FINDING * 200_000 + "{}]}"), "render"),
    "verify: an endless device": _render(lambda p: p.symlink_to("/dev/zero"), "verify"),
    **{f"{name}: a million brackets": _deep(name) for name in (
        "config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "tokenizer.json", "chat_template.json", "model.safetensors.index.json")},
    **{f"{name}: a million objects": _deep(name, '{"a":') for name in ("config.json", "tokenizer_config.json", "tokenizer.json")},
    **{f"{name}: an endless device": _link(name, "/dev/zero") for name in (
        "config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors",
        "tokenizer.model", "model.safetensors.index.json")},
    **{f"{name}: a pipe": _instead(name, os.mkfifo) for name in (
        "config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors", "vocab.txt")},
}  # fmt: skip


def _endless(connection: socket.socket, start: bytes, chunk: bytes, pause: float = 0.0) -> None:
    connection.sendall(start)
    while True:
        connection.sendall(chunk)
        time.sleep(pause)


def _squeezed(connection: socket.socket, size: int = 10**9, times: int = 1) -> None:
    coding = ", ".join(["gzip"] * times)
    body = _packed(size, times)
    head = f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(_OK + head.encode() + body)


@cache
def _packed(size: int, times: int) -> bytes:
    made = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    body = made.compress(b'{"data": [') + b"".join(made.compress(b" " * 10**7) for _ in range(size // 10**7)) + made.flush()
    for _ in range(times - 1):
        body = gzip.compress(body)
    return body


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#: What a server does with each connection once it has read something.
SERVERS: dict[str, Callable[[socket.socket], None]] = {
    "server: a body without end": lambda c: _endless(c, _OK + b'\r\n{"data": [', b" " * 2**16),
    "server: chunks without end": lambda c: _endless(
        c, _OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 2**16 + b"\r\n"
    ),
    "server: a header line of 1 GB": lambda c: _endless(c, b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 2**16),
    "server: headers without end": lambda c: _endless(c, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 4096),
    "server: early hints without end": lambda c: _endless(c, b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1024),
    "server: a body of 1 GB in 1 MB": _squeezed,
    "server: a body of 1 GB, packed twice": lambda c: _squeezed(c, 10**9, 2),
    "server: a body of 1 GB, packed three times": lambda c: _squeezed(c, 10**9, 3),
    "server: a packing that nobody knows": lambda c: c.sendall(_OK + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\n{}  "),
    "server: a body of 10**18 bytes": lambda c: c.sendall(_OK + b"Content-Length: 1000000000000000000\r\n\r\n{"),
    "server: a million brackets": lambda c: c.sendall(_OK + b"Content-Length: 1000000\r\n\r\n" + b"[" * 10**6),
    "server: a redirect to itself": lambda c: c.sendall(b"HTTP/1.1 307 x\r\nLocation: /v1/models\r\nContent-Length: 0\r\n\r\n"),
    "server: nonsense": lambda c: c.sendall(os.urandom(2**20)),
}


@contextmanager
def dripping(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve on loopback: read one request of each connection, then do this to it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(2**16)
            act(connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.close()
