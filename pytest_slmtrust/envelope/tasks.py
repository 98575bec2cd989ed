"""The latency of a task with labels: the requests of its own probe, one text at a time, timed until the label is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..audit.envelope import EnvelopeReading, Limit
from ..authoring.probe import Case, stable_order
from ..escaping import said
from ..requests import Backend, BackendError, Completion, Failure, Generate, Request
from ..thinking import refused
from .load import Draw, unusable

#: Replies that do not count: caches, threads and clocks of the machine settle.
WARM = 3


@dataclass(frozen=True, slots=True)
class Task:
    """The ``limit`` of a registered bar, and the ``cases`` of its probe. ``lacking``: why the model cannot be asked them."""

    limit: Limit
    cases: Sequence[Case]
    lacking: str = ""


def measure_task(
    backend: Backend, task: Task, clock: Callable[[], float], number: Callable[[float], int],
    note: Callable[[str], None] | None = None,
) -> EnvelopeReading:  # fmt: skip
    """Return the times of single texts, from the first request to the label.

    Texts come in the order of their hashes, and one comes again only when all have come. Those that warm up are the last in
    that order. ``clock``: seconds. ``number``: from the seconds of one text to how many to time, which is fixed before the first
    one counts. No answer is taken from a store.

    Raises:
        BackendError: the backend can answer nothing.
    """
    lacking = task.lacking or untimed(backend) or ("" if task.cases else "the probe has no text")
    if lacking:
        return _reading(task, lacking=lacking)
    by_source = {case.source: case for case in task.cases}
    texts = [by_source[source] for source in stable_order(task.cases[0].probe.name, by_source)]
    started = clock()
    warm = [_draw(backend, texts[-1 - place % len(texts)], clock) for place in range(WARM)]
    if all(draw.whole is None for draw in warm):  # a model that gives no label is not asked on
        return _reading(task, lacking=warm[0].said or "no answer could be timed")
    each = (clock() - started) / WARM
    n = number(each)
    if note:
        note(f"measuring the latency of {texts[0].probe.name}: {n} texts, about {n * each:.0f} s")
    draws = [_draw(backend, texts[place % len(texts)], clock) for place in range(n)]
    if all(draw.whole is None for draw in draws):
        return _reading(task, lacking=draws[0].said)
    return _reading(task, _load_of(texts, n), tuple(draw.whole for draw in draws))


def untimed(backend: Backend) -> str:
    """Say why the replies of a backend have no time; empty if they have one."""
    why = getattr(backend, "untimed", "")
    return f"{backend.name}: {why}" if isinstance(why, str) and why else ""


def _reading(task: Task, of: str = "", draws: tuple[float | None, ...] = (), lacking: str = "") -> EnvelopeReading:
    return EnvelopeReading("latency", task.limit.kind.unit, of, draws, lacking, task.limit.task)


def _load_of(texts: Sequence[Case], n: int) -> str:
    """Say in plain words what was asked and timed."""
    first = next(iter(_waves(texts[0])), ())
    if any(isinstance(one, Generate) for one in first):
        timed = "to the end of the reply"
    else:
        timed = f"until all {len(first)} labels are scored, which are asked together"
    distinct = min(n, len(texts))
    again = "" if n <= len(texts) else f", each up to {-(-n // len(texts))} times"
    return (
        f"from the probe's own request {timed}; one text at a time, after {WARM} texts to warm up; {n} draws over {distinct} of "
        f"its {len(texts)} texts{again}"
    )


def _waves(case: Case) -> list[Sequence[Request[Any]]]:
    """Return the first requests of a case."""
    steps = case.steps()
    try:
        return [next(steps)]
    except StopIteration:
        return []
    finally:
        steps.close()


def _draw(backend: Backend, case: Case, clock: Callable[[], float]) -> Draw:
    """Ask all that one case asks, and add up the times of its requests."""
    steps, seconds = case.steps(), 0.0
    try:
        wave = next(steps)
        while True:
            started = clock()
            answers = _asked(backend, list(wave))
            seconds += clock() - started
            lost = next((why for one in answers if (why := _no_label(one))), "")
            if lost:
                return Draw(said=lost)
            error = refused(answers)
            wave = steps.send(answers) if error is None else steps.throw(error)
    except StopIteration:
        return Draw(whole=seconds)
    except (BackendError, KeyboardInterrupt):
        raise
    except Exception as error:  # the probe's own code, or an unfinished thought: no label, so no time to it
        return Draw(said=said(error))
    finally:
        steps.close()


def _asked(backend: Backend, requests: Sequence[Request[Any]]) -> list[Any]:
    try:
        found = dict(backend.run(requests))
    except (BackendError, KeyboardInterrupt):
        raise
    except Exception as error:  # as of the engine: a request that breaks is one that failed
        return [Failure(said(error))] * len(requests)
    return [found.get(place, Failure("no answer")) for place in range(len(requests))]


def _no_label(answer: Any) -> str:
    """Say why an answer is none; empty for one that is."""
    return unusable(answer) if isinstance(answer, (Completion, Failure)) else ""
