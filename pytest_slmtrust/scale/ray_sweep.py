"""``slmtrust sweep --ray ADDRESS``: the tasks of a sweep on a cluster of Ray, one at a time in each place."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backends.transformers.runtime import choose_threads
from ..escaping import said
from .ray_cluster import LOCAL, Place, check_address, connect, is_there, places_of, shut_down
from .sweep import Job, SweepError

#: How often a task is begun whose node is lost.
_TRIES = 3
#: What comes back of a task that ran on another machine.
_FILES = ("output.txt", "report/audit.json", "report/audit.html")


@dataclass(frozen=True, slots=True)
class Done:
    """How a task ended, and its files where they are not on this machine."""

    status: str
    files: Mapping[str, bytes]


def run_there(address: str, jobs: Sequence[Job], say: Callable[[str], None]) -> Iterator[tuple[Job, str]]:
    """Run tasks on a cluster; yield each with how it ended, as they end. A task whose node is lost runs again elsewhere.

    Raises:
        SweepError: Ray is not installed, the address is none, or there is no place for a task.
        BackendError: there is no cluster; one line.
    """
    wrong = check_address(address).replace("--slm-ray", "--ray")
    if wrong or importlib.util.find_spec("ray") is None:
        raise SweepError(wrong or "--ray needs ray, which is not installed: reinstall this package with its extra [ray]")
    own = connect(address, say)
    try:
        places = places_of(address, choose_threads(None) if LOCAL.match(address) else 0)
        if not places:
            raise SweepError(f"--ray={address}: this cluster has no node with a GPU or a CPU for an audit")
        yield from _run(places, deque((job, 1) for job in jobs), say)
    finally:
        if own:
            shut_down()


def _run(places: Sequence[Place], left: deque[tuple[Job, int]], say: Callable[[str], None]) -> Iterator[tuple[Job, str]]:
    import ray

    here = ray.get_runtime_context().get_node_id()
    idle, running = list(places), dict[Any, tuple[Place, Job, int]]()
    while left or running:
        while left and idle:
            place, (job, attempt) = idle.pop(), left.popleft()
            say(f"{job.task.name}: begun on node {place.node[:8]}")
            whole = replace(job, folder=job.folder.resolve())
            remote = ray.remote(_there).options(**place.options(), max_retries=0)
            running[remote.remote(whole, here, place.threads)] = place, job, attempt
        if not running:
            yield from ((job, "no node is left") for job, _ in left)
            return
        ready, _ = ray.wait(list(running), num_returns=1, timeout=5.0)
        for call in ready:
            place, job, attempt = running.pop(call)
            try:
                done: Done = ray.get(call, timeout=60)
            except ray.exceptions.RayError as error:
                say(f"{job.task.name}: lost ({said(error)[:200]})")
                if attempt < _TRIES:
                    left.append((job, attempt + 1))
                else:
                    yield job, f"lost {_TRIES} times"
            else:
                _keep(job, done)
                yield job, done.status
            if is_there(place):
                idle.append(place)


def _there(job: Job, driver: str, threads: int | None) -> Done:
    """Run a task on a node: in its own folder where that is the driver's machine, else in one of the node."""
    import ray

    near = ray.get_runtime_context().get_node_id() == driver
    if not near:
        job = replace(job, folder=Path(tempfile.gettempdir()) / f"slmtrust-sweep-{job.task.identity[:16]}")
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    status = job.run(environment)
    paths = {} if near else {name: job.folder / name for name in _FILES}
    return Done(status, {name: path.read_bytes() for name, path in paths.items() if path.is_file()})


def _keep(job: Job, done: Done) -> None:
    """Write what came back from another machine."""
    for name, content in done.files.items():
        path = job.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
