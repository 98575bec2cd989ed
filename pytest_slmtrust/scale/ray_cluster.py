"""A cluster of Ray: connected to, or started on this machine; and the places for engines in it."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..escaping import said
from ..requests import BackendError

LOCAL = re.compile(r"local(?::([1-9]\d{0,2}))?\Z")
#: ``auto`` finds a cluster of this machine, as Ray does.
REMOTE = re.compile(r"auto\Z|(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})\Z")
#: Engines of ``local`` on a machine without a GPU.
_USUAL = 2
#: Seconds that a cluster may take to answer.
_REACHED = 60.0
#: Seconds to knock at a port. Ray speaks HTTP/2: each side begins with a frame of settings (RFC 9113, 3.4).
_KNOCK = 10.0
_SETTINGS = b"\x04"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0" * 5
#: How often a start on this machine is tried: Ray itself gives up after 30 s on a machine that is busy.
_TRIES = 3
#: Ray keeps what is sent in shared memory: requests and answers are small.
_SHARED_BYTES = 80_000_000
#: Before Ray is imported: no statistics are sent, its start looks for no ``uv``, and GPUs stay as they are seen.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_DEDUP_LOGS": "0",
}  # fmt: skip

#: Searched first by the processes of a cluster on this machine, as long as this one lives.
_FOLDER: list[str] = []


@dataclass(frozen=True, slots=True)
class Place:
    """Room for one engine on a node: what it takes of it, and the threads that it computes with; None leaves these to it."""

    node: str
    cpus: float = 0.0
    gpus: float = 0.0
    threads: int | None = None

    def options(self) -> dict[str, Any]:
        """Return the resources and the node of an actor."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        at = NodeAffinitySchedulingStrategy(node_id=self.node, soft=False)
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "scheduling_strategy": at}


def check_address(address: str) -> str:
    """Say what is wrong with an address; empty if nothing is."""
    found = REMOTE.match(address)
    if LOCAL.match(address) or (found and int(found["port"] or 1) in range(1, 65536)):
        return ""
    return f"--slm-ray is {address[:60]!r}; expected local, local:N, auto, or HOST:PORT of a cluster's head"


def connect(address: str, say: Callable[[str], None]) -> bool:
    """Connect this process to a cluster, or start one on this machine; return whether it was started here.

    Raises:
        BackendError: it cannot be reached or started, or its versions are others; one line.
    """
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    import ray

    if ray.is_initialized():
        return False
    local = LOCAL.match(address)
    if not local:
        _reach(address)
        _init(address, {"address": address}, _REACHED)
        return False
    wanted = int(local[1] or 0)
    options = {
        "address": "local", "num_cpus": max(wanted, _USUAL), "object_store_memory": _SHARED_BYTES, "include_dashboard": False,
        "_system_config": {"worker_register_timeout_seconds": 180},
    }  # fmt: skip
    for attempt in range(1, _TRIES + 1):
        try:
            with _lean():
                _init(address, options)
            return True
        except BackendError as error:
            if attempt == _TRIES or "timed out" not in str(error):
                raise
            say(f"{error}; it is tried again")
            shut_down()
    return True


def shut_down() -> None:
    """Disconnect; end a cluster that this process started."""
    import ray

    with suppress(Exception), _as_it_was():
        ray.shutdown()


def is_there(place: Place) -> bool:
    """Return whether a place's node is alive, as far as Ray knows."""
    import ray

    return any(node["NodeID"] == place.node and node["Alive"] for node in ray.nodes())


def places_of(address: str, threads: int) -> list[Place]:
    """Return the places for engines. ``threads``: those that this machine has for all of them.

    A local cluster has as many as are asked for, else one a GPU, else two. In another, each GPU is a place; a node without GPUs
    is one, with all its CPUs.
    """
    import ray

    nodes = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))
    local = LOCAL.match(address)
    if local and nodes:
        gpus = int(nodes[0]["Resources"].get("GPU", 0))
        number = int(local[1] or gpus or _USUAL)
        return [_here(str(nodes[0]["NodeID"]), number, gpus, threads)] * number
    return [place for node in nodes for place in _on(str(node["NodeID"]), node["Resources"])]


def _here(node: str, number: int, gpus: int, threads: int) -> Place:
    if gpus:
        return Place(node, gpus=min(1.0, int(1000 * gpus / number) / 1000))
    return Place(node, cpus=1, threads=max(1, threads // number))


def _on(node: str, resources: dict[str, float]) -> list[Place]:
    if resources.get("GPU", 0) >= 1:
        return [Place(node, gpus=1)] * int(resources["GPU"])
    cpus = int(resources.get("CPU", 0))
    return [Place(node, cpus=cpus, threads=cpus)] if cpus else []


def _reach(address: str) -> None:
    """Knock at the port: Ray waits long for one where nobody answers, or somebody who is not the head of a cluster."""
    found = REMOTE.match(address)
    if found is None or found["host"] is None:
        return
    try:
        with socket.create_connection((found["host"].strip("[]"), int(found["port"])), timeout=_KNOCK) as knocked:
            if os.environ.get("RAY_USE_TLS") == "1":
                return
            knocked.settimeout(_KNOCK)
            knocked.sendall(_PREFACE)
            head = knocked.recv(9)
    except OSError as error:
        raise BackendError(f"--slm-ray={address}: nobody answers there ({said(error)})") from None
    if head[3:4] != _SETTINGS:
        raise BackendError(f"--slm-ray={address}: what answers there is not the head of a cluster; its usual port is 6379")


def _init(address: str, options: dict[str, Any], limit: float | None = None) -> None:
    """Call ``ray.init``; with a limit in a thread, which is left alone after so many seconds: Ray may wait without end.

    A cluster that Ray starts has limits, and its processes would end with the thread that started them.
    """
    import ray

    failed: list[BaseException] = []

    def start() -> None:
        try:
            ray.init(**options, ignore_reinit_error=True, configure_logging=False, log_to_driver=False)
            # a thread of Ray prints long tales of each process that died; there is no public switch
            ray._private.worker._worker_logs_enabled = False
        except (Exception, SystemExit) as error:  # Ray ends the process in some of its faults
            failed.append(error)

    with _as_it_was():
        if limit is None:
            start()
        else:
            thread = threading.Thread(target=start, name="slmtrust-ray", daemon=True)
            thread.start()
            thread.join(limit)
            if thread.is_alive():
                raise BackendError(f"--slm-ray={address}: no cluster within {limit:.0f} s")
    if failed:
        raise BackendError(f"--slm-ray={address}: no cluster ({said(failed[0])[:300]})")


@contextmanager
def _lean() -> Iterator[None]:
    """Have the processes of a cluster start fast: six of them import jsonschema, and Ray waits 15 s for two.

    Where rfc3987-syntax is installed, jsonschema imports it to check IRIs, and it builds a grammar for 4 s of processor time.
    """
    if not _FOLDER:
        _FOLDER.append(tempfile.mkdtemp(prefix="slmtrust-ray-"))
        atexit.register(shutil.rmtree, _FOLDER[0], ignore_errors=True)
        (Path(_FOLDER[0]) / "rfc3987_syntax.py").write_text("raise ImportError\n", encoding="utf-8")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([_FOLDER[0], *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Keep Ray's warnings in, and give back the handler of SIGTERM, if it takes it."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if main and before is not None:
            signal.signal(signal.SIGTERM, before)
