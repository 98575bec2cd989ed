"""Chats as text. A model's own template is somebody else's program: it runs in a child process, with limits.

The child uses transformers' sandboxed Jinja environment, no torch, no network, a bare environment, bounded memory and time.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...requests import Message
from .files import ModelError

START_SECONDS = 60.0
RENDER_SECONDS = 8.0
EACH_SECONDS = 0.02
MAX_TEXT = 2 * 10**6
MAX_REPLY = 256 * 2**20

#: Ends a reply in the plain form, where the model would begin to write the user's next turn.
PLAIN_STOP = "\nUser:"

#: Renders chats read as lines of JSON. Memory is bounded once the imports are done; the date is fixed, so that a
#: template which prints today's gives the same prompt tomorrow.
CHILD = r"""
import datetime, json, resource, sys
from transformers.utils.chat_template_utils import render_jinja_template

def used():
    try:
        return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**33

try:
    resource.setrlimit(resource.RLIMIT_AS, (used() + 768 * 2**20,) * 2)
except (ValueError, OSError):
    pass
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
setup = json.loads(sys.stdin.readline())

def fixed(form):
    return datetime.datetime(2026, 1, 1).strftime(form)

def one(messages):
    out, _ = render_jinja_template(conversations=[messages], chat_template=setup["template"],
                                   add_generation_prompt=True, strftime_now=fixed, **setup["special"])
    return out[0]

def render(messages):
    try:
        text, merged = one(messages), False
    except Exception:
        if len(messages) < 2 or messages[0]["role"] != "system":
            raise
        head, first, rest = messages[0], messages[1], messages[2:]
        text = one([{"role": first["role"], "content": head["content"] + "\n\n" + first["content"]}, *rest])
        merged = True
    if not isinstance(text, str) or len(text) > setup["limit"]:
        raise ValueError(f"it renders {len(text)} characters; at most {setup['limit']} are taken")
    return {"text": text, "merged": merged}

print("{}", flush=True)
for line in sys.stdin:
    replies = []
    for messages in json.loads(line):
        try:
            replies.append(render(messages))
        except BaseException as error:
            replies.append({"error": f"{type(error).__name__}: {str(error)[:200]}"})
    print(json.dumps(replies), flush=True)
"""

TRIALS: tuple[tuple[Message, ...], ...] = (
    (Message("user", "Hello."),),
    (Message("system", "Be brief."), Message("user", "Hello.")),
    (Message("user", "Hello."), Message("assistant", "Hi."), Message("user", "word " * 400)),
)


def plain_form(messages: Sequence[Message]) -> str:
    """``User: ...`` and ``Assistant:`` lines, for a model without a template; system text stands first."""
    lines = []
    for message in messages:
        name = {"system": "", "user": "User: ", "assistant": "Assistant: "}[message.role]
        lines.append(f"{name}{message.content}" + ("\n" if message.role == "system" else ""))
    return "\n".join([*lines, "Assistant:"])


@dataclass(slots=True)
class Rendered:
    """A chat as text, or why there is none; ``merged``: the template has no system role, its text went before the user's."""

    text: str = ""
    error: str = ""
    merged: bool = False


@dataclass(slots=True)
class Renderer:
    """Renders chats by one template in a child process that lives as long as this object."""

    template: str
    special: Mapping[str, str] = field(default_factory=dict)
    seconds: float = RENDER_SECONDS
    _child: subprocess.Popen[bytes] | None = None

    def check(self) -> bool:
        """Render trial chats; True if the template takes a system role.

        Raises:
            ModelError: it fails, reaches outside the sandbox, runs too long or writes too much.
        """
        plain, system, long = self.render(TRIALS)
        if plain.error:
            raise ModelError(f"the chat template cannot be used: {plain.error}")
        if TRIALS[0][0].content not in plain.text:
            raise ModelError("the chat template cannot be used: what the user says is not in the text that it renders")
        for reply in (system, long):
            if "SecurityError" in reply.error or "MemoryError" in reply.error or "at most" in reply.error:
                raise ModelError(f"the chat template cannot be used: {reply.error}")
        return not system.merged and not system.error

    def render(self, chats: Sequence[Sequence[Message]]) -> list[Rendered]:
        """Each chat with the generation prompt after it.

        Raises:
            ModelError: the child died, or took longer than its time.
        """
        if not chats:
            return []
        child = self._child or self._start()
        question = [[{"role": m.role, "content": m.content} for m in chat] for chat in chats]
        limit = self.seconds + EACH_SECONDS * len(chats)
        replies = self._exchange(child, question, limit)
        return [Rendered(r.get("text", ""), r.get("error", ""), r.get("merged", False)) for r in replies]

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()

    def __del__(self) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        kept = ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "SYSTEMROOT")
        bare = {name: os.environ[name] for name in kept if name in os.environ}
        # without torch transformers is imported in a second
        bare |= {"USE_TORCH": "0", "USE_TF": "0", "USE_FLAX": "0", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "critical"}
        # -P: nothing is imported from the current folder, which may be the model's
        self._child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-W", "ignore", "-c", CHILD],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=bare,
        )  # fmt: skip
        setup = {"template": self.template, "special": dict(self.special), "limit": MAX_TEXT}
        self._exchange(self._child, setup, START_SECONDS)
        return self._child

    def _exchange(self, child: subprocess.Popen[bytes], question: Any, seconds: float) -> Any:
        """One line of JSON to the child and one back."""
        try:
            return _converse(child, json.dumps(question).encode() + b"\n", seconds)
        except TimeoutError:
            self.close()
            raise ModelError(f"the chat template ran longer than {seconds:.0f} seconds; it cannot be used") from None
        except (OSError, EOFError, ValueError):
            self.close()
            raise ModelError("the chat template ended the process that rendered it (out of memory?); it cannot be used") from None


def _converse(child: subprocess.Popen[bytes], line: bytes, seconds: float) -> Any:
    assert child.stdin is not None
    assert child.stdout is not None
    end = time.monotonic() + seconds
    received = bytearray()
    out, back = child.stdin.fileno(), child.stdout.fileno()
    os.set_blocking(out, False)
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_WRITE)
        selector.register(back, selectors.EVENT_READ)
        while not received.endswith(b"\n"):
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fd == out:
                    line = line[os.write(out, line[: 2**16]) :]
                    if not line:
                        selector.unregister(out)
                else:
                    chunk = os.read(back, 2**20)
                    received += chunk
                    if not chunk or len(received) > MAX_REPLY:
                        raise EOFError
    return json.loads(received)
