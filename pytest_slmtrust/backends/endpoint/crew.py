"""Many requests under way at once, in a thread of their own, read by a plain generator as they end."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

from .fault import Fault
from .wire import Wire

T = TypeVar("T")
Job = Callable[[Wire], Awaitable[Any]]
Opening = Callable[[], AbstractAsyncContextManager[Wire]]


def one(opening: Opening, job: Callable[[Wire], Awaitable[T]]) -> T:
    """Do one thing over a wire.

    Raises:
        Exception: whatever it raises.
    """

    async def main(put: Callable[[Any], None]) -> None:
        async with opening() as wire:
            put(await job(wire))

    found: list[T] = list(_in_background(main))
    return found[0]


def many(opening: Opening, jobs: Sequence[Job]) -> Iterator[tuple[int, Any]]:
    """Do many; yield the place of each and its result, or its :class:`Fault`, as they end.

    Raises:
        BackendError: no server is left.
    """

    async def main(put: Callable[[Any], None]) -> None:
        async with opening() as wire:
            async for pair in _ended(wire, jobs):
                put(pair)

    return _in_background(main)


async def _ended(wire: Wire, jobs: Sequence[Job]) -> AsyncIterator[tuple[int, Any]]:
    todo, pending = iter(enumerate(jobs)), set[asyncio.Task[tuple[int, Any]]]()
    wire.pace.begin()
    try:
        while True:
            while len(pending) < wire.pace.limit and (following := next(todo, None)) is not None:
                pending.add(asyncio.create_task(_done(wire, *following)))
            if not pending:
                return
            ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            failed = [task.exception() for task in ended]
            for task, error in zip(ended, failed, strict=True):
                if error is None:
                    yield task.result()
            for error in failed:
                if error is not None:
                    raise error
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _done(wire: Wire, place: int, job: Job) -> tuple[int, Any]:
    try:
        return place, await job(wire)
    except Fault as fault:
        return place, fault


def _in_background(main: Callable[[Callable[[Any], None]], Coroutine[Any, Any, None]]) -> Iterator[Any]:
    """Run a coroutine in a thread with a loop of its own, whatever loop runs here; yield what it puts. Closing ends it."""
    found: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
    started: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = queue.SimpleQueue()

    async def whole() -> None:
        started.put((asyncio.get_running_loop(), asyncio.current_task()))
        await main(lambda value: found.put((False, value)))

    def work() -> None:
        end: BaseException | None = None
        try:
            asyncio.run(whole())
        except BaseException as error:
            end = error
        found.put((True, end))

    thread = threading.Thread(target=work, name="slmtrust-endpoint", daemon=True)
    thread.start()
    loop, task = started.get()
    try:
        while True:
            ended, value = found.get()
            if not ended:
                yield value
            elif value is not None:
                raise value
            else:
                return
    finally:
        if thread.is_alive() and task is not None:
            with suppress(RuntimeError):  # the loop closed meanwhile
                loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=10)
