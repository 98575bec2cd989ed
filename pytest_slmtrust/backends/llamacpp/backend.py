"""A GGUF file as llama.cpp runs it: its own kernels, its own quantisation, its own template engine."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...requests import BackendError, Counters, Generate, Loglikelihood, Request
from ...thinking import LIMIT
from .. import hosting
from ..endpoint.address import read_address
from ..endpoint.backend import EndpointBackend, Known
from ..transformers.fingerprint import digest_file, installed
from ..transformers.runtime import physical_cores
from ..untrusted.verdict import inspect_files
from .child import CODE

PACKAGE = "xllamacpp"
#: Tokens of prompt and reply together, at most; a model that was trained with fewer takes fewer.
CONTEXT = 4096
#: Seconds for a model to be loaded.
LOADS = 900.0
#: Counted into the fingerprint: a change to how llama.cpp is asked bumps it.
FORMAT = 3


@dataclass(slots=True, weakref_slot=True)
class LlamaCppBackend:
    """Answers with llama.cpp, one text at a time, so that no reply depends on what else is asked.

    ``plain``: chats are put as plain texts. Else llama.cpp takes the file's template, or ChatML where the file has none.
    """

    path: Path
    thinking: str = "auto"
    thought_tokens: int = LIMIT
    threads: int | None = None
    device: str = "auto"
    rehash: bool = False
    progress: Callable[[str], None] | None = None
    plain: bool = False
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    _inner: EndpointBackend | None = None
    _digest: str = ""
    _end: Any = field(default=None, repr=False)
    _pid: int = 0

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def fingerprint(self) -> str:
        """sha256 over the file, the version of llama.cpp and the settings that change answers; nothing is loaded for it.

        Raises:
            BackendError: the file cannot be read.
        """
        told = {"format": FORMAT, "file": self._file(), PACKAGE: installed(PACKAGE), "context": CONTEXT, "device": self.device}
        told |= {"thinking": [self.thinking, self.thought_tokens]}
        told |= {"chat_template": "plain"} if self.plain else {}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def counters(self) -> Counters:
        """Those of the connection to the child."""
        return self._inner.counters if self._inner is not None else Counters()

    @property
    def lacks(self) -> Mapping[str, str]:
        """Why forms of requests cannot be answered; empty before the model is loaded."""
        return self._inner.lacks if self._inner is not None else {}

    def refusal(self, request: Request[Any]) -> str:
        """Say why a request cannot be answered; empty if it can."""
        return self._inner.refusal(request) if self._inner is not None else ""

    def make(self) -> Known:
        """Load the model and find out what it can do, once.

        Raises:
            BackendError: llama.cpp cannot load it; one line.
        """
        if self._inner is None:
            key = secrets.token_hex(24)
            url = self._started(key)
            inner = EndpointBackend(
                read_address(f"{url}/v1#{_alias(self.name)}"), key, self.thinking, self.thought_tokens, alone=True,
                more={"cache_prompt": False}, plain=self.plain,
            )  # fmt: skip
            inner.make()
            self._inner, self.answers = inner, inner.answers
        return self._inner.make()

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`."""
        self.make()
        assert self._inner is not None
        yield from self._inner.run(requests)

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance: the file's hash, llama.cpp's version, and what the model can do.

        Raises:
            BackendError: llama.cpp cannot load it.
        """
        self.make()
        assert self._inner is not None
        about = self._inner.describe()
        template = None if self.plain else self._inner.make().identity.about.get("/props", {}).get("chat_template")
        mode = "plain" if self.plain else "own"
        meta = (about["server"].get("listed") or {}).get("meta") or {}
        return {
            "name": self.name, "kind": "llama.cpp", "spec": self.name, "source": "gguf", "fingerprint": self.fingerprint,
            "engine": "llamacpp", PACKAGE: installed(PACKAGE), "files": {self.name: self._file()}, "device": self.device,
            "parameters": meta.get("n_params"), "vocabulary": meta.get("n_vocab"), "context_length": meta.get("n_ctx"),
            "quantisation": meta.get("ftype"), "batched": False, "keys_and_values": "float32", "chat_template": mode,
            "template_sha256": hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest(),
            **{name: about[name] for name in ("thinking", "thought_tokens", "thoughts", "abilities", "lacks")},
        }  # fmt: skip

    def timed(self, request: Generate) -> tuple[Any, float, float | None]:
        """See :meth:`~pytest_slmtrust.backends.endpoint.backend.EndpointBackend.timed`."""
        self.make()
        assert self._inner is not None
        return self._inner.timed(request)

    def disk_bytes(self) -> int:
        """Return the bytes of the file."""
        return self.path.stat().st_size

    def child_peak_bytes(self) -> int | None:
        """Return the largest resident size of the child so far; None where the system does not say it."""
        return hosting.peak_bytes(self._pid)

    def close(self) -> None:
        """End the child; the next question starts another one."""
        if self._end is not None:
            self._end()
        self._inner = self._end = None

    def _file(self) -> str:
        if not self._digest:
            try:
                inspect_files(self.path, "gguf")
                self._digest = digest_file(self.path, self.rehash)
            except (ValueError, OSError) as error:
                raise BackendError(str(error)) from None
        return self._digest

    def _started(self, key: str) -> str:
        """Start the child and wait for its address."""
        before = self._file()
        if self.progress:
            self.progress(f"loading {self.name} with llama.cpp")
        child, log = hosting.start(CODE)
        self._end = weakref.finalize(self, hosting.end, child, log)
        self._pid = child.pid
        question = {
            "path": str(self.path), "name": _alias(self.name), "threads": self._threads(), "context": CONTEXT, "key": key,
            "gpu_layers": 0 if self.device == "cpu" else -1,
        }  # fmt: skip
        said = hosting.hear(child, LOADS) if hosting.tell(child, question) else {}
        if "address" not in said:
            why = said.get("error") or hosting.last_error(log) or f"it ended with {child.poll()}"
            self._end()
            raise BackendError(f"{self.name}: llama.cpp cannot load it ({why})")
        if digest_file(self.path, self.rehash) != before:
            self._end()
            raise BackendError(f"{self.name}: changed while it was being loaded; start again once it is at rest")
        return str(said["address"])

    def _threads(self) -> int:
        workers = max(1, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1") or 1))
        asked = os.environ.get("OMP_NUM_THREADS", "")
        return self.threads or (int(asked) if asked.isdigit() and int(asked) else max(1, physical_cores() // workers))


def _alias(name: str) -> str:
    """Return a file's name as the name of a model in an address."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
