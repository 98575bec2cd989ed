"""The backend for local models: what it is, without loading it; and its answers, loading it at the first question."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ...requests import BackendError, Counters, Failure, Generate, Loglikelihood, Request
from ...thinking import LIMIT as THOUGHT_TOKENS
from ..untrusted.verdict import Inspection, inspect_files
from .adapter import Adapter, read_adapter
from .files import ModelError, Progress
from .fingerprint import digest_folder, fingerprint_of, installed
from .identity import describe_model, describe_place, digest_loaded, light_device
from .memory import widest
from .runtime import energy, joules
from .signature import OPTION, read_signature
from .source import Place, Source, locate, own_special_tokens, own_template, template_text
from .template import Renderer

T = TypeVar("T")
#: Number types so coarse that a text would depend on what else is in its batch: each text is answered alone.
HALF = ("bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is loaded and asked. ``template``: None takes the model's own if it has one, False never, True insists.

    ``batch_rows`` and ``batch_tokens`` bound one forward (on a CPU 2,048 tokens at most); ``threads`` None is chosen from cores
    and workers. ``allow_unused``: weights of the files that the model does not use are named instead of refused. ``thinking``:
    ``auto`` leaves it to the template whether the model thinks before it answers, ``on`` and ``off`` set the template's switch;
    a thought has ``thought_tokens`` at most. ``engine``: ``fast``, or ``plain`` for one text at a time without a cache.
    ``signer``: file of the public key that must have signed the model's folder.
    """

    dtype: str = "float32"
    device: str = "auto"
    template: bool | None = None
    allow_pickle: bool = False
    threads: int | None = None
    batch_rows: int = 64
    batch_tokens: int = 4096
    rehash: bool = False
    allow_unused: bool = False
    thinking: str = "auto"
    thought_tokens: int = THOUGHT_TOKENS
    engine: str = "fast"
    signer: str = ""


@dataclass(slots=True)
class TransformersBackend:
    """Answers :class:`Generate` and :class:`Loglikelihood` with a causal language model on this machine.

    Made from a ``source`` (nothing is read until it must be) or from a ``pair`` of model and tokenizer in memory.
    """

    name: str
    settings: Settings = field(default_factory=Settings)
    source: Source | None = None
    pair: tuple[Any, Any] | None = None
    progress: Progress | None = None
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    #: What kind of backend its description names.
    KIND: ClassVar[str] = "transformers"
    counters: Counters = field(default_factory=Counters)
    _place: Place | None = None
    _digests: dict[str, str] | None = None
    _fingerprint: str = ""
    #: What answers: an :class:`Engine`, or that of a class below.
    _engine: Any = None
    _unused: tuple[str, ...] | None = None
    _adapter: Adapter | None = None
    _signature: dict[str, str] | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 over weights, tokenizer, template and configs, dtype, device, template mode and library versions.

        Raises:
            BackendError: the model cannot be fetched, or may not be loaded.
        """
        if not self._fingerprint:
            self._fingerprint = fingerprint_of({"settings": self._answering(), "files": _or_stop(self._identity)})
        return self._fingerprint

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`. What is too long for the model is a Failure, never cut."""
        engine = _or_stop(lambda: self._ready(widest(requests)))
        strange = [i for i, request in enumerate(requests) if not isinstance(request, self.answers)]
        yield from ((i, Failure(f"a language model cannot answer {type(requests[i]).__name__}")) for i in strange)
        batches = engine.run(requests, self.counters)
        before = energy()
        while True:
            started = time.perf_counter()
            with _quietly():
                done = next(batches, None)
            self.counters.seconds += time.perf_counter() - started
            if done is None:
                break
            self.counters.failed += sum(isinstance(answer, Failure) for _, answer in done)
            yield from done
        self.counters.peak_bytes = max(self.counters.peak_bytes, engine.peak_bytes())
        if before:
            self.counters.extra["joules"] = self.counters.extra.get("joules", 0.0) + joules(before, energy())

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance; without loaded weights, what the files tell.

        Raises:
            BackendError: the model cannot be fetched, or may not be loaded.
        """
        about: dict[str, Any] = {"name": self.name, "kind": self.KIND, "fingerprint": self.fingerprint}
        about |= {"torch": installed("torch"), "transformers": installed("transformers"), "engine": self.settings.engine}
        about |= self._answering()
        if self.source is not None:
            about |= {"spec": self._spec_text(), "source": self.source.kind}
            place = _or_stop(self._located)
            adapter = _or_stop(self._adapted)
            about |= {"adapter": adapter.describe(), "peft": installed("peft")} if adapter is not None else {}
            about |= {"revision": place.revision, **_or_stop(lambda: describe_place(place, self._digests or {}))}
            about |= {"signature": self._signature} if self._signature else {}
            if self.settings.allow_unused:
                about["unused_weights"] = _or_stop(self._unused_weights)
        else:
            about |= {"spec": self.name, "source": "loaded", "revision": None}
        if self._engine is not None:
            about |= self._engine.describe()
        elif self.pair is not None:
            about |= describe_model(self.pair[0])
        return about | {"template_sha256": _or_stop(self._template_digest)}

    def disk_bytes(self) -> int | None:
        """Return the bytes of the model's files, of a GGUF file its own; None for a model in memory.

        Raises:
            BackendError: the model cannot be fetched, or may not be loaded.
        """
        if self.source is None:
            return None
        if self.source.kind == "gguf":
            return Path(self.source.text).stat().st_size
        place = _or_stop(self._located)
        digests = place.conversion.files if place.conversion is not None else _or_stop(self._identity)
        folder, adapter = place.folder, Path(self.source.adapter or place.folder)
        own = [adapter / n.removeprefix("adapter/") if n.startswith("adapter/") else folder / n for n in digests]
        return sum(path.stat().st_size for path in own)

    def _spec_text(self) -> str:
        assert self.source is not None
        return self.source.text + (f"+{self.source.adapter}" if self.source.adapter else "")

    def close(self) -> None:
        """Let the weights go; the next question loads them again."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def _answering(self) -> dict[str, Any]:
        """Return the settings that change answers."""
        if self.pair is not None:
            model = self.pair[0]
            dtype, device = str(model.dtype).removeprefix("torch."), model.device.type
        else:
            dtype, device = self.settings.dtype, light_device(self.settings.device)
        about: dict[str, Any] = {"dtype": dtype, "device": device, "chat_template": _or_stop(self._template_mode)}
        about |= {"thinking": self.settings.thinking, "thought_tokens": self.settings.thought_tokens}
        if dtype in HALF:  # answers that batches made, or the other engine, are not these
            about |= {"batched": False, "engine": self.settings.engine}
        # in the fingerprint: answers of a model that is not whole are never taken for those of one that is
        return about | ({"allow_unused_weights": True} if self.settings.allow_unused and self.pair is None else {})

    def _template_mode(self) -> str:
        """``own`` or ``plain``."""
        own = bool(self._template())
        if self.settings.template and not own:
            raise ModelError(f"{self.name}: has no chat template; leave the option off to use the plain form")
        return "own" if own and self.settings.template is not False else "plain"

    def _template(self) -> Any:
        return self.pair[1].chat_template if self.pair is not None else own_template(self._located().folder)

    def _template_digest(self) -> str:
        """Identity of the form in which chats are put: two models are compared only where it is the same."""
        used = self._template() if self._template_mode() == "own" else None
        return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()

    def _located(self) -> Place:
        """Return the linted folder; a converted one is hashed whole."""
        if self._place is None:
            assert self.source is not None
            settings = self.settings
            place = locate(self.source, settings.allow_pickle, self.progress, settings.allow_unused, settings.template)
            inspect_files(place.folder, "model", self.settings.allow_pickle)
            self._place = place
        return self._place

    def _identity(self) -> dict[str, str]:
        if self._digests is None:
            if self.settings.signer and (self.pair is not None or self._located().conversion is not None):
                raise ModelError(f"{OPTION} checks a model folder; this model is a single file, or in memory")
            if self.pair is not None:
                self._digests = digest_loaded(*self.pair)
            elif (made := self._located().conversion) is not None:
                self._digests = {**made.files, **made.given}
            else:
                self._signature = read_signature(self._located().folder, self.settings.signer)
                self._digests = digest_folder(self._located().folder, self.settings.allow_pickle, self.settings.rehash)
            adapter = self._adapted()
            if adapter is not None:
                self._digests = {**self._digests, **adapter.digests(self.settings.rehash)}
        return self._digests

    def _adapted(self) -> Adapter | None:
        """Return the adapter of the spec, checked once."""
        if self._adapter is None and self.source is not None and self.source.adapter:
            self._adapter = read_adapter(Path(self.source.adapter))
        return self._adapter

    def _unused_weights(self) -> list[str]:
        """Names of the weights of the files that the model does not use; known once it was loaded."""
        made = self._located().conversion
        if made is None and self._unused is None:
            self._ready(0)
        return list(made.unused if made is not None else self._unused or ())

    def _ready(self, width: int) -> Any:
        """Return the loaded model; ``width``: tokens of the longest row to come."""
        if self._engine is None:
            started = time.perf_counter()
            folder = None if self.pair is not None else self._located().folder
            mode = self._template_mode()
            tried = self._tried(folder, mode) if folder is not None else None
            with _quietly():
                from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

                with self._held(folder):
                    self._engine = self._start(folder, mode, width, tried)
                if self._adapter is not None and not self._adapter.digests(rehash=True).items() <= self._identity().items():
                    raise ModelError(f"{self._adapter.folder}: changed while it was being read; start again once it is at rest")
                self._unused = self._engine.unused
            self.counters.load_seconds += time.perf_counter() - started
        return self._engine

    def _start(self, folder: Path | None, mode: str, width: int, tried: Renderer | None) -> Any:
        """Load the model of an inspected folder, or take the one in memory."""
        from .engine import start

        return start(folder, self.pair, self.settings, mode, width, self._adapted(), tried)

    def _tried(self, folder: Path, mode: str) -> Renderer | None:
        """Wait for the trial of the tokenizer, and try the own template meanwhile: a hostile one costs no imports, no weights."""
        renderer = None
        if mode == "own":
            renderer = Renderer.of(template_text(self._template()), own_special_tokens(folder))
            renderer.begin()
        self._inspected(folder).finish()
        if renderer is not None:
            renderer.check_early()
        return renderer

    def _held(self, folder: Path | None) -> AbstractContextManager[None]:
        """Inside, the files of a folder are those that were inspected; a model in memory has none."""
        return self._inspected(folder).held() if folder is not None else nullcontext()

    def _inspected(self, folder: Path) -> Inspection:
        return inspect_files(folder, "model", self.settings.allow_pickle)


def _or_stop(step: Callable[[], T]) -> T:
    try:
        return step()
    except ModelError as error:
        raise BackendError(str(error)) from error
    except BackendError:
        raise
    except Exception as error:  # whatever a damaged file makes a library raise
        detail = " ".join(str(error).split())[:200] or "no message"
        raise BackendError(f"the model cannot be loaded ({type(error).__name__}: {detail})") from error


def _quietly() -> Any:
    from .runtime import quiet

    return quiet()
