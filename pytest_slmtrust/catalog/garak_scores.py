"""garak's detectors over the replies of one case, and what they say of all."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..audit.model import Estimate, Finding, Measure
from ..escaping import one_line, said
from . import garak_host as host

Scores = Mapping[str, "Sequence[float | None]"]


@dataclass(slots=True)
class Panel:
    """The detectors of a probe. ``primary`` decide; ``extended`` are reported apart; ``absent`` are those that cannot be made.

    ``by_intent``: for a probe of many intents, the detectors of each.
    """

    threshold: float
    primary: Mapping[str, Any]
    extended: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    by_intent: Mapping[Any, Sequence[str]] | None = None

    @property
    def named(self) -> list[str]:
        return list(self.primary)

    def judging(self, scores: Scores) -> list[str]:
        """Return the names of the detectors whose scores decide."""
        return [name for name in scores if name in self.primary]

    def scores(self, attempt: Any) -> dict[str, list[float | None]]:
        """Return each detector's score of each reply of an attempt; from 0 to 1, or None.

        Raises:
            Exception: what a detector raises, or a score that is none.
        """
        wanted = self.primary if self.by_intent is None else {n: self.primary[n] for n in self.by_intent[attempt.intent]}
        return {
            name: _checked(name, detector.detect(attempt), len(attempt.outputs))
            for name, detector in {**wanted, **self.extended}.items()
            if not detector.skip
        }

    def of_all(self, attempts: Sequence[Any]) -> dict[str, list[float | None]]:
        """Return the scores of all replies of a conversation, by detector."""
        made: dict[str, list[float | None]] = {}
        for attempt in attempts:
            for name, own in self.scores(attempt).items():
                made.setdefault(name, []).extend(own)
        return made

    def measures(self, findings: Sequence[Finding]) -> Iterator[Measure]:
        """Yield garak's own number for each detector: the share of scored replies that it hits."""
        for name in (*self.primary, *self.extended):
            kind = "hits" if name in self.primary else "hits (apart)"
            yield from _share(f"{kind} of {name}, of all replies", self._hits(name, findings))

    def _hits(self, name: str, findings: Iterable[Finding]) -> dict[str, list[float]]:
        """Return by source item whether each scored reply is a hit."""
        made: dict[str, list[float]] = {}
        for found in findings:
            every = found.evidence.get("scores")
            own = every.get(name) if isinstance(every, Mapping) else None
            for score in own if isinstance(own, (list, tuple)) else [own]:
                if isinstance(score, (int, float)):
                    made.setdefault(found.source, []).append(float(score >= self.threshold))
        return made


def _share(name: str, items: Mapping[str, Sequence[float]]) -> Iterator[Measure]:
    """Yield a share of replies: exact where each item has one reply, else a betting interval over the items' shares."""
    from ..stats import exact_interval, mean_interval

    replies = [value for own in items.values() for value in own]
    if not replies:
        return
    share = sum(replies) / len(replies)
    if len(replies) == len(items):
        ends = exact_interval(round(sum(replies)), len(replies), 0.95)
        method = ends.method
    else:
        ends = mean_interval([sum(own) / len(own) for own in items.values()], 0.95, low=0.0, high=1.0)
        method = "betting interval over prompts, whose replies are not independent"
    yield Measure(name, Estimate(share, min(ends.lower, share), max(ends.upper, share), len(replies), method, 0.95))


def _checked(name: str, given: Any, count: int) -> list[float | None]:
    made = [None if one is None else float(one) for one in given]
    if len(made) != count:
        raise ValueError(f"garak's detector {name} gave {len(made)} scores for {count} replies")
    strange = next((one for one in made if one is not None and not math.isfinite(one)), None)
    if strange is not None:
        raise ValueError(f"garak's detector {name} gave the score {strange}")
    return made


def panel_of(probe: Any, attempts: Sequence[Any], key: str) -> Panel:
    """Make a probe's detectors, as garak's harness chooses them; inside ``hosted`` only. ``key`` is its configuration.

    Raises:
        LookupError: a deciding detector cannot be made; one line that names what it lacks.
    """
    config = host.part("_config")
    threshold = float(config.run.eval_threshold)
    intents: dict[Any, Sequence[str]] | None = None
    if isinstance(probe, host.part("probes.base").IntentProbe):
        service = host.part("services.intentservice")
        intents = {one.intent: sorted(service.get_detectors(one.intent) or ()) for one in attempts}
        names = sorted({name for own in intents.values() for name in own})
    else:
        names = [probe.primary_detector] if probe.primary_detector else []
    if not names or (intents and not all(intents.values())):
        raise LookupError("it names no detector")
    made = {name: _made(name, key) for name in names}
    lacking = next((one for one in made.values() if isinstance(one, str)), None)
    if lacking:
        raise LookupError(lacking)
    apart = sorted(set(probe.extended_detectors) - set(names)) if config.plugins.extended_detectors is True else []
    others = {name: _made(name, key) for name in apart}
    absent = tuple(name for name, one in others.items() if isinstance(one, str))
    panel = Panel(threshold, made, {n: one for n, one in others.items() if n not in absent}, absent, intents)
    if attempts:
        _try(panel, attempts[0])
    return panel


def _try(panel: Panel, attempt: Any) -> None:
    """Have each detector judge a reply: some download what they need at the first one, and give no score without it.

    Raises:
        LookupError: a deciding detector that cannot.
    """
    attempt = copy.deepcopy(attempt)
    attempt.outputs = [host.part("attempt").Message(text="No.", lang=attempt.lang)]
    for name, detector in {**panel.primary, **panel.extended}.items():
        lacks = _lacks(detector, attempt)
        if lacks and name in panel.primary:
            raise LookupError(f"its detector {name} needs {lacks}, which is not in the cache")
        if lacks:
            panel.extended = {n: one for n, one in panel.extended.items() if n != name}
            panel.absent = (*panel.absent, name)


def _lacks(detector: Any, attempt: Any) -> str:
    """Return what a detector cannot load; empty if it judges, or breaks by itself, which its cases show."""
    try:
        if detector.skip or len(list(detector.detect(copy.deepcopy(attempt)))) == len(attempt.outputs):
            return ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not isinstance(error, ConnectionError) and not host.without_network(error):
            return ""
    data = getattr(detector, "dataset_name", "") or getattr(detector, "detector_model_path", "")
    return f"{data} of the hub" if data else "a download"


@cache
def _made(name: str, key: str) -> Any:  # noqa: ARG001
    """Return the detector of a configuration, or what it lacks as a text."""
    import multiprocessing

    kind = _kind(name)
    defaults = getattr(kind, "DEFAULT_PARAMS", {})
    model = str(getattr(kind, "detector_model_path", "") or defaults.get("detector_model_path", ""))
    if model and kind.__init__ is host.part("detectors.base").HFDetector.__init__ and not _cached(model):
        return f"its detector {name} needs the model {model} of the hub, which is not in the cache"
    method = multiprocessing.get_start_method(allow_none=True)
    try:
        return host.made("detectors", name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if model:
            return f"its detector {name} cannot load its model {model}: {one_line(said(error))}"
        return f"its detector {name} cannot be made: {one_line(said(error))}"
    finally:
        # garak's detectors with a model set it for the whole process
        multiprocessing.set_start_method(method, force=True)


def _cached(model: str) -> bool:
    """Return whether a model of the hub is in its cache, or is a folder."""
    from huggingface_hub import try_to_load_from_cache

    return Path(model).is_dir() or isinstance(try_to_load_from_cache(model, "config.json"), str)


def _kind(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    try:
        return getattr(host.part(f"detectors.{module}"), kind, None)
    except Exception:
        return None
