"""Ask engines of real Ray, some of which die: python ray_driver.py SCENARIO... prints a line of JSON for each.

It runs in a folder, where the scripted model logs each question that it is asked.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_slmtrust import BackendError, Completion, Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.scale.ray_backend import RayBackend
from pytest_slmtrust.scale.spread import spread

SCRIPTED = """
import os, pathlib, time
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend

def reply(request):
    with pathlib.Path(__file__).with_name("asked.log").open("a") as log:
        log.write(f"{os.getpid()} {request.prompt}" + chr(10))
    if "poison" in request.prompt:
        os._exit(1)
    time.sleep(0.02)
    return f"reply to {request.prompt}"

def model():
    return FakeBackend(reply, answers=(Generate,))
"""
COUNT = 120


def asked() -> list[list[str]]:
    return [line.split(" ", 1) for line in Path("asked.log").read_text().splitlines()]


def say(stream: Any, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def report(scenario: str, started: float, **found: Any) -> None:
    say(sys.stdout, json.dumps({"scenario": scenario, **found, "seconds": round(time.monotonic() - started, 1)}))


def made(address: str = "local:2", model: str = "scripted_engine:model") -> RayBackend:
    spec = ModelSpec(model)
    backend = spread(load_backend(spec), spec, address, lambda line: say(sys.stderr, line))
    assert isinstance(backend, RayBackend)
    return backend


def ask(backend: RayBackend, harm: Callable[[RayBackend], None] = lambda backend: None, poison: bool = False) -> dict[str, Any]:
    """Ask all, do harm once while both engines work, and say what came of it."""
    Path("asked.log").write_text("")
    requests = [Generate(f"question {i}{' poison' * (poison and i == 50)}", max_new_tokens=1 + i % 7) for i in range(COUNT)]
    found: dict[int, Any] = {}
    done, open_then = False, set[str]()
    for index, answer in backend.run(requests):
        assert index not in found
        found[index] = answer
        if not done and len({pid for pid, _ in asked()}) == 2 and len(asked()) > COUNT // 4:
            done = True
            open_then = {str(requests[i].prompt) for engine in backend.engines for i in engine.open}
            harm(backend)  # which may take a moment, in which more is asked
            open_then |= {str(requests[i].prompt) for engine in backend.engines for i in engine.open}
    right = sum(isinstance(a, Completion) and a.text == f"reply to {requests[i].prompt}" for i, a in found.items())
    times = Counter(prompt for _, prompt in asked())
    twice = {prompt for prompt, n in times.items() if n > 1}
    failed = [str(a.message) for a in found.values() if isinstance(a, Failure)]
    return {
        "right": right, "failed": failed, "harmed": done, "lost": backend.lost, "twice": len(twice),
        "not under way": sorted(twice - open_then) if done and not poison else [],
        "engines": len({pid for pid, _ in asked()}),
    }  # fmt: skip


def kill_actor(backend: RayBackend) -> None:
    import ray

    ray.kill(backend.engines[0].actor)


def kill_process(backend: RayBackend) -> None:
    os.kill(backend.engines[1].pid, signal.SIGKILL)


def stop_process(backend: RayBackend) -> None:
    backend.silence = 5.0
    os.kill(backend.engines[0].pid, signal.SIGSTOP)


def real(folder: str) -> dict[str, Any]:
    """A random model of two layers, in this process and on two engines."""
    import tiny

    tiny.save(Path(folder))
    requests: list[Any] = [Generate(f"question {i}: where does the river end?", 12) for i in range(20)]
    requests += [Loglikelihood(f"the quick brown fox {i}", f" jumps {word}") for i in range(12) for word in ("over", "under")]
    alone, many = dict(load_backend(ModelSpec(folder)).run(requests)), dict(made(model=folder).run(requests))
    texts = sum(alone[i].text == many[i].text for i in range(20))
    most = max(abs(alone[i].sum - many[i].sum) for i in range(20, len(requests)))
    return {"texts": texts, "largest difference": most}


def local(names: list[str]) -> None:
    """Scenarios on one cluster of this machine, which the first of them starts."""
    backend = made()
    for name in names:
        started = time.monotonic()
        if name == "real":
            said = real("tiny-model")
        else:
            harms = {"kill": kill_actor, "sigkill": kill_process, "sigstop": stop_process}
            said = ask(backend, harms.get(name, lambda backend: None), name == "poison")
        report(name, started, **said)
        if name != "real":  # the cluster stays: it is not this backend's any more
            backend._own = False
            backend.close()
        backend = made()


def lean() -> Path:
    """A folder without what makes each process of Ray import jsonschema for four seconds."""
    folder = Path.cwd() / "lean"
    folder.mkdir()
    (folder / "rfc3987_syntax.py").write_text("raise ImportError\n")
    return folder


def node() -> None:
    """Two raylets, the second of which is stopped in the middle."""
    from ray.cluster_utils import Cluster

    started = time.monotonic()
    os.environ["PYTHONPATH"] = f"{lean()}{os.pathsep}{os.environ['PYTHONPATH']}"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    backend = made(cluster.address)
    said = ask(backend, lambda backend: cluster.remove_node(second, allow_graceful=False))
    report("node", started, **said)


def refused() -> None:
    """Addresses where there is no cluster: nobody, and somebody who is none."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]
    listener = socket.create_server(("127.0.0.1", 0))
    for name, port in (("nobody", nobody), ("mute", listener.getsockname()[1])):
        started = time.monotonic()
        try:
            list(made(f"127.0.0.1:{port}").run([Generate("x")]))
        except BackendError as error:
            report(name, started, error=str(error))


if __name__ == "__main__":
    Path("scripted_engine.py").write_text(SCRIPTED)
    sys.path.insert(0, str(Path.cwd()))
    for scenario in sys.argv[1:]:
        if scenario == "node":
            node()
        elif scenario == "refused":
            refused()
        else:
            local(scenario.split(","))
