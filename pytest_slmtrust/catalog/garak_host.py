"""garak in this process: imported without its traces, configured by one file, and run quietly without a network.

garak makes folders and opens a log file as it is imported, reads a global configuration, draws from Python's own random numbers,
prints, and downloads what it lacks. All of this ends with a call of :func:`hosted`.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import importlib
import io
import logging
import os
import random
import re
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ..authoring.declarations import ProbeError
from ..escaping import said

_FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
_LOG = "GARAK_LOG_FILE"
_LOOPBACK = re.compile(r"127\.|::1\Z|localhost\Z")
_NEEDS_TRANSFORMERS = re.compile(r"transformers(?![\w-])\s*([^;]*)")


class NoNetwork(OSError):
    """What code gets that asks for a host while garak runs."""


def without_network(error: BaseException) -> bool:
    """Return whether an error comes of a connection that was refused here."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NoNetwork):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def refusal() -> str:
    """Say why the installed packages do not fit garak; empty if they do. garak names the transformers that it needs."""
    wanted = next(filter(None, map(_NEEDS_TRANSFORMERS.match, metadata.requires("garak") or ())), None)
    if wanted is None:
        return ""
    needs, found = wanted[1].strip(" ()"), metadata.version("transformers")
    if _within(found, needs):
        return ""
    return (
        f"garak {metadata.version('garak')} needs transformers {needs}, and {found} is installed, below 5 for TextAttack's sake: "
        "install this package with its extra [garak] and without [attack] in another environment"
    )


def _within(version: str, bounds: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(bounds).contains(version, prereleases=True)


@dataclass(slots=True)
class Heard:
    """What garak logged as an error while it ran: it swallows what its own parts raise and goes on with fewer attempts."""

    errors: list[str] = field(default_factory=list)


class _Ear(logging.Handler):
    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.ERROR)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if not record.pathname.startswith(f"{_garak().transient.package_dir}{os.sep}"):
            return
        cause = record.exc_info[1] if record.exc_info else None
        self.heard.errors.append(f"{record.getMessage()} ({said(cause)})" if cause else record.getMessage())


@contextlib.contextmanager
def hosted(config: str = "", seed: str = "") -> Iterator[Heard]:
    """Run garak's code: under a configuration file, drawing from ``seed``, unheard, and with no network but this machine's.

    ``config``: the path of a file that garak reads as its own run configuration; empty for garak's defaults.

    Raises:
        ProbeError: the file cannot be read.
    """
    heard, state = Heard(), random.getstate()
    ear = _Ear(heard)
    with warnings.catch_warnings(), _no_network(), contextlib.ExitStack() as kept:
        warnings.simplefilter("ignore")
        for stream in (contextlib.redirect_stdout, contextlib.redirect_stderr):
            kept.enter_context(stream(io.StringIO()))
        _load(config)
        logging.getLogger().addHandler(ear)
        random.seed(seed)
        try:
            yield heard
        finally:
            logging.getLogger().removeHandler(ear)
            random.setstate(state)


class _Loaded:
    """The configuration that garak holds now."""

    config: str | None = None


def _load(config: str) -> None:
    module = _garak()
    if _Loaded.config == config:
        return
    module.config_files.clear()
    for kind in ("probes", "generators", "detectors", "buffs", "harnesses"):
        setattr(module.plugins, kind, module.nested_dict())
    module.run.spec = module.run.seed = module.run.system_prompt = None
    try:
        module.load_config(site_config_filename="none", run_config_filename=config or None)
    except Exception as error:
        _Loaded.config = None
        raise ProbeError(f"--slm-tasks garak:{config[:200]}: garak cannot read it: {said(error)}") from None
    if module.run.seed is None:  # without one, some probes shuffle their prompts anew in each process
        module.run.seed = 0
    module.buffmanager.buffs = []
    module.transient.reportfile = _Sink()
    _Loaded.config = config
    # the first probe would load both, and draw other random numbers than the next
    _part("services.langservice").load()
    _part("services.intentservice").load()


class _Sink(io.TextIOBase):
    """Where garak's report goes that it writes as it runs."""

    def write(self, text: str) -> int:
        return len(text)


@cache
def _garak() -> Any:
    """Import garak with its folders in a place that goes away with this process; return its configuration."""
    folder = tempfile.mkdtemp(prefix="slmtrust-garak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    moved = {name: str(Path(folder, name)) for name in _FOLDERS} | {_LOG: str(Path(folder, "garak.log"))}
    before = {name: os.environ.get(name) for name in moved}
    os.environ.update(moved)
    try:
        return importlib.import_module("garak._config")
    finally:
        for name, value in before.items():
            _restore(name, value)
        for handler in set(root.handlers) - set(handlers):
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _part(name: str) -> Any:
    return importlib.import_module(f"garak.{name}")


def part(name: str) -> Any:
    """Return a module of garak, such as ``attempt``; inside :func:`hosted` only."""
    _garak()
    return _part(name)


def made(category: str, name: str) -> Any:
    """Make a plugin anew, such as ``("probes", "dan.STAN")``; inside :func:`hosted` only.

    Raises:
        Exception: whatever its module or its constructor raises.
    """
    module, _, kind = name.rpartition(".")
    state = random.getstate()
    plugins = part(f"{category}.{module}")
    random.setstate(state)  # the first import draws, later ones do not
    made_of = getattr(plugins, kind)
    with _classes_kept(made_of):
        return made_of(config_root=_garak())


@contextlib.contextmanager
def _classes_kept(kind: type) -> Iterator[None]:
    """Undo what a constructor does to lists and mappings of its classes: the next one would give other prompts."""
    kept = [
        (one, name, value, copy.deepcopy(value))
        for one in kind.__mro__
        if one.__module__.startswith("garak.")
        for name, value in vars(one).items()
        if isinstance(value, (list, dict, set)) and not name.startswith("__")
    ]
    try:
        yield
    finally:
        for one, name, value, before in kept:
            if value != before:
                setattr(one, name, before)


@cache
def catalogue() -> Mapping[str, Mapping[str, Any]]:
    """Return what garak knows of its probes by name, without loading any: active, tags, goal, detectors, modality."""
    with hosted():
        known: Mapping[str, Mapping[str, Any]] = part("_plugins").PluginCache.instance()["probes"]
    return {name.removeprefix("probes."): about for name, about in sorted(known.items()) if ".base." not in name}


@cache
def tag_titles() -> Mapping[str, tuple[str, str]]:
    """Return title and description of garak's tags, from its own table."""
    with hosted():
        path = part("data").path / "tags.misp.tsv"
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.count("\t") >= 1]
    return {row[0]: (row[1], row[2] if len(row) > 2 else "") for row in rows}


@contextlib.contextmanager
def _no_network() -> Iterator[None]:
    """Refuse connections to other machines, and tell the hub's client that there is none."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connects(self: socket.socket, address: Any) -> None:
        host = str(address[0]) if isinstance(address, tuple) else ""
        if host and not _LOOPBACK.match(host):
            raise NoNetwork(f"no network while garak's code runs: {host}")
        connect(self, address)

    def looks_up(host: Any, *rest: Any, **more: Any) -> Any:
        if host and not _LOOPBACK.match(host.decode() if isinstance(host, bytes) else str(host)):
            raise NoNetwork(f"no network while garak's code runs: {host}")
        return look_up(host, *rest, **more)

    hub: Any = sys.modules.get("huggingface_hub.constants") or _optional("huggingface_hub.constants")
    offline = getattr(hub, "HF_HUB_OFFLINE", None)
    socket.socket.connect, socket.getaddrinfo = connects, looks_up  # type: ignore[method-assign,assignment]
    if hub is not None:
        hub.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, look_up  # type: ignore[method-assign]
        if hub is not None:
            hub.HF_HUB_OFFLINE = offline


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
