"""A stand-in for Ray with one process: actors are objects with a thread each, which a test can kill or make hang."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest


class RayError(Exception):
    pass


class Died(RayError):
    pass


@dataclass(eq=False)
class Ref:
    actor: Actor
    future: Future[Any]

    @property
    def over(self) -> bool:
        return self.actor.dead or (self.future.done() and not self.actor.hangs)


@dataclass(eq=False)
class Call:
    actor: Actor
    name: str

    def remote(self, *arguments: Any) -> Ref:
        work = getattr(self.actor.worker, self.name)
        return Ref(self.actor, self.actor.pool.submit(work, *arguments))


@dataclass(eq=False)
class Actor:
    worker: Any
    options: dict[str, Any]
    dead: bool = False
    hangs: bool = False
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __getattr__(self, name: str) -> Call:
        return Call(self, name)


@dataclass(eq=False)
class Function:
    """A task: a function that runs at once, on the node of its options."""

    work: Callable[..., Any]
    options: dict[str, Any]
    fake: Fake
    arguments: tuple[Any, ...] = ()

    def remote(self, *arguments: Any) -> Ref:
        self.arguments = arguments
        self.fake.node = self.options["scheduling_strategy"]
        actor, future = Actor(None, self.options, dead=self.fake.breaks(self)), Future[Any]()
        if not actor.dead:
            future.set_result(self.work(*arguments))
        return Ref(actor, future)


@dataclass
class Fake:
    """What a test sees: all actors that ever were, and the nodes. ``breaks``: whether a task dies."""

    actors: list[Actor] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    breaks: Callable[[Function], bool] = lambda call: False
    node: str = "here"

    def actor_of(self, backend: object) -> Actor:
        """The actor whose backend this is."""
        return next(a for a in self.actors if getattr(a.worker.backend, "made", a.worker.backend) is backend)


def get(ref: Ref, timeout: float | None = None) -> Any:
    if ref.actor.dead:
        raise Died("the actor died\nwith a long story")
    return ref.future.result(timeout)


def wait_for(refs: list[Ref], num_returns: int, timeout: float) -> tuple[list[Ref], list[Ref]]:
    over = [ref for ref in refs if ref.over]
    if not over:
        wait([ref.future for ref in refs if not ref.actor.hangs], min(timeout, 0.05), FIRST_COMPLETED)
        over = [ref for ref in refs if ref.over]
    return over[:1], [ref for ref in refs if ref not in over[:1]]


def kill(actor: Actor) -> None:
    actor.dead = True


@contextmanager
def faked(patch: pytest.MonkeyPatch, nodes: list[dict[str, Any]]) -> Iterator[Fake]:
    """Inside, ``import ray`` gives the stand-in, with nodes as ``ray.nodes()`` lists them."""
    fake, module = Fake(nodes=nodes), types.ModuleType("ray")

    def started(kind: Any, options: dict[str, Any]) -> Actor:
        fake.actors.append(Actor(kind(), options))
        return fake.actors[-1]

    def remote(kind: Any) -> Any:
        if not isinstance(kind, type):
            return SimpleNamespace(options=lambda **options: Function(kind, options, fake))
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda: started(kind, options)))

    strategies: Any = types.ModuleType("ray.util.scheduling_strategies")
    strategies.NodeAffinitySchedulingStrategy = lambda node_id, soft: node_id
    exceptions: Any = types.ModuleType("ray.exceptions")
    exceptions.RayError = RayError
    parts = {
        "remote": remote, "get": get, "wait": wait_for, "kill": kill, "nodes": lambda: fake.nodes, "exceptions": exceptions,
        "get_runtime_context": lambda: SimpleNamespace(get_node_id=lambda: fake.node),
        "is_initialized": lambda: True, "shutdown": lambda: None,
    }  # fmt: skip
    for name, part in parts.items():
        setattr(module, name, part)
    util = types.ModuleType("ray.util")
    for name, one in (("", module), (".exceptions", exceptions), (".util", util), (".util.scheduling_strategies", strategies)):
        patch.setitem(sys.modules, f"ray{name}", one)
    yield fake
    for actor in fake.actors:
        actor.pool.shutdown(wait=False, cancel_futures=True)
