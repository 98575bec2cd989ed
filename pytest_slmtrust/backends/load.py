"""From a spec, the text after ``--slm``, to a backend. Imports nothing heavy and loads no weights."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_path
from traceback import extract_tb
from typing import Any, cast

from ..detectors.spec_secrets import spec_secrets
from ..requests import Backend, BackendError, Counters, Generate, Loglikelihood, Request
from ..thinking import LIMIT as THOUGHT_TOKENS
from .batch import PREFIX as BATCH
from .endpoint.address import FORM, AddressError, is_address, read_address
from .naming import SpecError as SpecError
from .naming import adapted_source, source_of
from .transformers.backend import Settings, TransformersBackend
from .transformers.embedded import ALIAS
from .transformers.files import ModelError
from .transformers.quantisers import check_quantiser
from .transformers.source import Source, check_hub
from .untrusted.verdict import inspect_files
from .vllm.arguments import read_arguments, vllm_refusal

THINKING = ("auto", "on", "off")
DTYPES = ("float32", "bfloat16", "float16")
ENGINES = ("fast", "plain", "llamacpp", "vllm")
FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
DEVICE = re.compile(r"(auto|cpu|mps|cuda(:\d+)?)\Z")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, and how it is asked.

    ``text``: ``smollm2-135m-instruct`` (embedded), a folder, a ``.gguf`` file, a hub id with optional ``@revision``,
    ``BASE+ADAPTER`` (a LoRA adapter), ``http://HOST/v1[#MODEL]`` (a server; replicas separated by commas), ``batch:MODEL`` (files
    of requests), or ``module:factory`` (a function of no arguments that gives a Backend or a (model, tokenizer) pair).
    ``key``: the server's; it is written nowhere. ``template``: None takes the model's own chat template if it has one, False
    the plain form, True insists on its own. ``threads``: None divides the physical cores among workers.
    ``batch_rows`` and ``batch_tokens`` bound one forward; answers do not depend on them.
    ``allow_unused``: weights of the files that the model does not use are named instead of refused. ``thinking``: whether a
    reasoning model thinks before it answers (auto, on, off), in at most ``thought_tokens``. ``engine``: ``fast``, ``plain``
    for one text at a time without a cache, ``llamacpp`` for GGUF files as llama.cpp runs them, or ``vllm`` with the arguments of
    its engine in ``vllm`` (KEY=VALUE). ``signer``: file of the public key that must have signed a model's folder (OMS).
    """

    text: str
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
    vllm: tuple[str, ...] = ()
    key: str = field(default="", repr=False)

    def settings(self) -> Settings:
        """Return all that a model on this machine is loaded and asked with."""
        return Settings(
            self.dtype, self.device, self.template, self.allow_pickle, self.threads,
            self.batch_rows, self.batch_tokens, self.rehash, self.allow_unused, self.thinking, self.thought_tokens, self.engine,
            self.signer,
        )  # fmt: skip


def load_backend(spec: ModelSpec, progress: Callable[[str], None] | None = None) -> Backend:
    """Return the backend that a spec names; weights are loaded at its first question.

    ``progress`` gets one line as a model is fetched or converted.

    Raises:
        SpecError: one line with what was wrong and what to do.
    """
    _check_address(spec.text)
    _check_settings(spec)
    text = spec.text.strip()
    if unfit := vllm_refusal(spec.engine, text, runs_here(text), spec.device, spec.vllm):
        raise SpecError(unfit)
    if is_address(text) or text.startswith(BATCH):
        return _endpoint(spec, progress) if is_address(text) else _batch(spec)
    try:
        source = None if FACTORY.match(text) and not Path(text).exists() else adapted_source(text) or source_of(text)
    except SpecError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # an unknown user after ~, a name too long, a zero byte
        why = getattr(error, "strerror", None) or error
        raise SpecError(f"{text[:80]!r}: not a usable path ({why}); give a model folder, or {ALIAS!r}") from None
    if source is None:
        return FactoryBackend(text, _factory(text), spec.settings())
    _inspect(spec, source)
    if spec.engine == "llamacpp":
        return _llamacpp(spec, source, progress)
    if spec.engine == "vllm":
        return _vllm(spec, source, _name(source, text), progress)
    return TransformersBackend(_name(source, text), spec.settings(), source, progress=progress)


def _check_address(text: str) -> None:
    """Refuse an address without a scheme that holds a credential, before any message names it."""
    if spec_secrets(text) and not is_address(text) and not os.path.exists(text):
        raise SpecError(
            "the model looks like an address that holds a user, a password or a key; put a key into SLMTRUST_API_KEY instead, "
            f"and write the address as {FORM}"
        )


def runs_here(text: str) -> bool:
    """Return whether a spec names a model of files: no server, no batch and no factory."""
    return not (is_address(text) or text.startswith(BATCH) or (FACTORY.match(text) and not os.path.exists(text)))


def takes_plain(text: str) -> bool:
    """Return whether a model can be asked without its chat template (``--slm-chat-template=off``)."""
    text = text.strip()
    return not text.startswith(BATCH) and (is_address(text) or runs_here(text))


def _inspect(spec: ModelSpec, source: Source) -> None:
    """Refuse files that may not be read, and names that the hub does not have."""
    try:
        if source.kind == "folder":
            inspect_files(Path(source.text), "model", spec.allow_pickle)
            if spec.engine != "vllm":  # which runs what transformers needs other packages for
                check_quantiser(Path(source.text))
        elif source.kind == "hub":
            check_hub(source.text, source.revision)
    except ModelError as error:
        hint = f"; give a local folder, or the embedded {ALIAS!r}" if source.kind == "hub" else ""
        raise SpecError(f"{error}{hint}") from None
    except OSError as error:
        raise SpecError(f"{spec.text.strip()[:80]}: cannot be read ({_one_line(error)})") from None


def _name(source: Source, text: str) -> str:
    """Return what a reader calls a model."""
    name = ALIAS if source.kind == "embedded" else Path(source.text).name if source.kind != "hub" else text
    if source.adapter:
        name = f"{text.rpartition('+')[0] if source.kind == 'hub' else name}+{Path(source.adapter).name}"
    return name


def _endpoint(spec: ModelSpec, progress: Callable[[str], None] | None) -> Backend:
    if importlib.util.find_spec("httpx") is None:
        raise SpecError("a server is asked with httpx, which is not installed: reinstall this package with its extra [serve]")
    from .endpoint.backend import EndpointBackend

    try:
        address = read_address(spec.text.strip())
    except AddressError as error:
        raise SpecError(str(error)) from None
    plain = spec.template is False
    return EndpointBackend(address, spec.key, spec.thinking, spec.thought_tokens, progress=progress, plain=plain)


def _batch(spec: ModelSpec) -> Backend:
    name = spec.text.strip().removeprefix(BATCH)
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", name):
        raise SpecError(f"{spec.text[:80]!r}: expected batch:MODEL, with the name that the requests of a batch bear")
    if spec.template is False:
        raise SpecError("whoever runs a batch puts its chats by the model's template: leave --slm-chat-template=off out")
    from .batch.backend import BatchBackend

    return BatchBackend(name, spec.thinking, spec.thought_tokens)


def _llamacpp(spec: ModelSpec, source: Source, progress: Callable[[str], None] | None) -> Backend:
    if source.kind != "gguf":
        raise SpecError(f"{spec.text[:80]}: llama.cpp runs GGUF files; name a .gguf file, or leave the engine out")
    missing = [name for name in ("httpx", "xllamacpp") if importlib.util.find_spec(name) is None]
    if missing:
        raise SpecError(f"llama.cpp needs {missing[0]}, which is not installed: reinstall this package with its extra [llamacpp]")
    if spec.dtype != "float32":
        raise SpecError("llama.cpp takes the file's own number types: leave --slm-dtype out")
    from .llamacpp.backend import LlamaCppBackend

    path = Path(source.text)
    return LlamaCppBackend(
        path, spec.thinking, spec.thought_tokens, spec.threads, spec.device, spec.rehash, progress, spec.template is False
    )


def _vllm(spec: ModelSpec, source: Source, name: str, progress: Callable[[str], None] | None) -> Backend:
    if source.adapter:
        raise SpecError(f"{spec.text[:80]}: vLLM is given whole models here; merge the adapter into its base and save that")
    from .vllm.backend import VllmBackend

    return VllmBackend(name, spec.settings(), source, progress=progress, arguments=read_arguments(spec.vllm))


def wrap_loaded(model: Any, tokenizer: Any, name: str = "", settings: Settings | None = None) -> Backend:
    """Return a backend around a model and a tokenizer that are in memory already.

    Raises:
        SpecError: the pair is not what transformers makes.
    """
    if not hasattr(model, "get_input_embeddings") or not hasattr(tokenizer, "get_vocab"):
        kinds = f"({type(model).__name__}, {type(tokenizer).__name__})"
        raise SpecError(f"expected a (model, tokenizer) pair of transformers, got {kinds}")
    given = str(getattr(model, "name_or_path", "") or type(model).__name__)
    return TransformersBackend(name or Path(given).name, settings or Settings(), pair=(model, tokenizer))


def _check_settings(spec: ModelSpec) -> None:
    text = spec.text.strip()
    if spec.signer and (is_address(text) or text.startswith(BATCH) or FACTORY.match(text) or spec.engine == "llamacpp"):
        raise SpecError(f"{text[:80]}: a model's signature is checked for a folder that is loaded here; leave the key out")
    if spec.dtype not in DTYPES:
        near = get_close_matches(spec.dtype, DTYPES, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(DTYPES)}."
        raise SpecError(f"Unknown dtype {spec.dtype!r}. {hint}")
    if not DEVICE.match(spec.device):
        raise SpecError(f"Unknown device {spec.device!r}. Known: auto, cpu, cuda, cuda:0, mps.")
    if spec.thinking not in THINKING:
        raise SpecError(f"Unknown thinking {spec.thinking!r}. Known: {', '.join(THINKING)}.")
    if spec.engine not in ENGINES:
        raise SpecError(f"Unknown engine {spec.engine!r}. Known: {', '.join(ENGINES)}.")
    for name in ("batch_rows", "batch_tokens", "threads", "thought_tokens"):
        number = getattr(spec, name)
        if number is not None and number < 1:
            raise SpecError(f"{name} is {number}; it must be at least 1")


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200] or 'no message'}"


def _broke(error: BaseException) -> str:
    """Return what broke in a user's code, and its last line there; of an installed factory the last line in any package."""
    if isinstance(error, SyntaxError) and error.lineno and os.path.isfile(error.filename or ""):
        return f"{type(error).__name__}: {error.msg[:200]}, at {_shown(str(error.filename))}:{error.lineno}"
    ours, stdlib = str(Path(__file__).parents[1]), get_path("stdlib")
    packages = (get_path("purelib"), get_path("platlib"))
    frames = [one for one in extract_tb(error.__traceback__) if not one.filename.startswith((ours, "<"))]
    installed = [one for one in frames if one.filename.startswith(packages)]
    own = [one for one in frames if one not in installed and not one.filename.startswith(stdlib)] or installed
    return _one_line(error) + (f", at {_shown(own[-1].filename)}:{own[-1].lineno}" if own else "")


def _shown(file: str) -> str:
    """Return a path as seen from the current folder, if it is below that."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return file


def _factory(text: str) -> Callable[[], Any]:
    module_name, _, function = text.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and a skip, too
        raise SpecError(f"{text}: the module {module_name!r} cannot be imported ({_broke(error)})") from None
    made = getattr(module, function, None)
    if not callable(made):
        near = get_close_matches(function, [n for n in dir(module) if not n.startswith("_")], n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        raise SpecError(f"{text}: {module_name!r} has no function {function!r}{hint}")
    return cast("Callable[[], Any]", made)


#: Methods and words that a backend may have.
_OF_SOME = ("refusal", "lacks", "timed", "untimed", "child_peak_bytes")


@dataclass(slots=True)
class FactoryBackend:
    """What ``module:factory`` names; the factory is called when it is first needed."""

    spec: str
    factory: Callable[[], Any]
    settings: Settings
    made: Backend | None = None
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)

    @property
    def name(self) -> str:
        return self.make().name

    @property
    def fingerprint(self) -> str:
        return self.make().fingerprint

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`."""
        return self.make().run(requests)

    def describe(self) -> dict[str, Any]:
        """Return what the made backend says of itself, and the spec."""
        return {**self.make().describe(), "spec": self.spec}

    @property
    def counters(self) -> Counters:
        """Those of the made backend; empty ones before it is made, or if it has none."""
        found = getattr(self.made, "counters", None)
        return found if isinstance(found, Counters) else Counters()

    def disk_bytes(self) -> int | None:
        """Return what the made backend says of the size of its files; None where it says nothing."""
        ask = getattr(self.make(), "disk_bytes", None)
        return ask() if callable(ask) else None

    def __getattr__(self, name: str) -> Any:
        """Return what only some backends have, once the backend is made."""
        made = self.made if name in _OF_SOME else None
        if made is None:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return getattr(made, name)

    def close(self) -> None:
        """Let go what the made backend can."""
        close = getattr(self.made, "close", None)
        if callable(close):
            close()

    def make(self) -> Backend:
        """Call the factory, once; ``answers`` is what was made from then on.

        Raises:
            BackendError: it broke, or gave no backend; one line.
        """
        if self.made is None:
            try:
                made = self._make()
                self.answers = made.answers
            except (BackendError, KeyboardInterrupt):
                raise
            except BaseException as error:  # SystemExit and a skip, too
                raise BackendError(f"{self.spec}: the factory failed ({_broke(error)})") from error
            self.made = made
        return self.made

    def _make(self) -> Backend:
        made = self.factory()
        if isinstance(made, tuple) and len(made) == 2:
            return wrap_loaded(*made, name=self.spec.partition(":")[2], settings=self.settings)
        kind = f"the class {made.__name__}" if isinstance(made, type) else type(made).__name__
        missing = [part for part in ("name", "answers", "fingerprint", "run", "describe") if not hasattr(made, part)]
        if missing:
            raise BackendError(f"{self.spec}: gave {kind}, which is neither a Backend (no {missing[0]!r}) nor a pair")
        if isinstance(made, type) or not isinstance(made.name, str) or not isinstance(made.answers, tuple):
            raise BackendError(f"{self.spec}: gave {kind}, which is not a Backend (name: a text; answers: a tuple of kinds)")
        return cast("Backend", made)
