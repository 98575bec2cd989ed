"""garak's own harness over scripted replies, and our probes over the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_slmtrust import Completion
from pytest_slmtrust.authoring.declarations import Profile, Verdict
from pytest_slmtrust.authoring.probe import Case, Probe
from pytest_slmtrust.catalog import garak_host as host
from pytest_slmtrust.catalog.garak_generator import prompt_of

FULL = Profile("full", 10**6, 10**6, 25, 0.05, 0.05, True)
#: A reply by prompt (its last turn) and number of the draw.
Replies = Callable[[str, int], str]
#: Scores by detector of each reply, in the order of prompts and draws.
Scores = dict[str, list[float | None]]


def configured(folder: Path, **run: Any) -> str:
    """Write a configuration of garak and return its path."""
    spec = run.pop("spec", None)
    generator = {key: run.pop(key) for key in ("max_tokens", "temperature") if key in run}
    data: dict[str, Any] = {"run": run, "plugins": {"generators": {"slmtrust": generator}}}
    if spec:
        data["run"]["spec"] = {"include": spec}
    path = folder / "garak.json"
    path.write_text(json.dumps(data))
    return str(path)


def garak_scores(name: str, config: str, replies: Replies) -> tuple[Scores, dict[str, dict[str, int]]]:
    """Run garak's own harness and evaluator: its scores, and its counts by detector, of the same prompts as ours."""
    with host.hosted(config, f"{name} prompts"):
        probe = host.made("probes", name)
        evaluator = host.part("evaluators.base").ThresholdEvaluator(host.part("_config").run.eval_threshold)
        harness, transient = host.part("harnesses.base").Harness(), host.part("_config").transient
        names = [probe.primary_detector, *sorted(probe.extended_detectors)] if probe.primary_detector else []
        detectors = [one for one in (_detector(n) for n in names) if one is not None]
        written, kept = _Lines(), transient.reportfile
        transient.reportfile, transient.hitlogfile = written, _Lines()
        try:
            harness.run(_scripted(replies), [probe], detectors, evaluator)
        finally:
            transient.reportfile, transient.hitlogfile = kept, None
    lines = [json.loads(line) for line in "".join(written.lines).split("\n") if line]
    scores: Scores = {}
    for line in lines:
        if line["entry_type"] == "attempt" and line["status"] == 2:
            for detector, own in line["detector_results"].items():
                scores.setdefault(detector, []).extend(own)
    counts = {
        line["detector"]: {k: line[k] for k in ("passed", "fails", "nones")} for line in lines if line["entry_type"] == "eval"
    }
    return scores, counts


def our_cases(probe: Probe, replies: Replies) -> Iterator[tuple[Case, Verdict]]:
    """Yield each case in the order of prompts and draws, with what our probe says of it."""
    for case in probe.cases(FULL):
        yield case, answered(case, lambda request: replies(_last(request), request.sample))


def answered(case: Case, reply: Callable[[Any], str]) -> Verdict:
    """Drive a case with replies."""
    steps = case.steps()
    try:
        wave = next(steps)
        while True:
            wave = steps.send([Completion(reply(request)) for request in wave])
    except StopIteration as stop:
        verdict: Verdict = stop.value
        return verdict


def our_scores(probe: Probe, replies: Replies) -> Scores:
    scores: Scores = {}
    for _, verdict in our_cases(probe, replies):
        for detector, own in verdict.evidence["scores"].items():
            scores.setdefault(detector, []).extend(own if isinstance(own, list) else [own])
    return scores


def _last(request: Any) -> str:
    return str(request.prompt[-1].content)


def _detector(name: str) -> Any:
    try:
        return host.made("detectors", name)
    except Exception:  # as garak's own harness goes on without it
        return None


class _Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = False

    def write(self, text: str) -> int:
        self.lines.append(text)
        return len(text)


def _scripted(replies: Replies) -> Any:
    base, message = host.part("generators.base").Generator, host.part("attempt").Message

    class Scripted(base):  # type: ignore[misc,valid-type]
        """Scripted replies."""

        generator_family_name = "scripted"
        parallel_capable = False
        supports_multiple_generations = True

        def __init__(self) -> None:
            self.name, self.drawn = "target", Counter[Any]()
            super().__init__("target")

        def _call_model(self, prompt: Any, generations_this_call: int = 1) -> list[Any]:
            text = prompt_of(prompt)
            first = self.drawn[text]
            self.drawn[text] += generations_this_call
            greedy = self.temperature == 0  # some probes say so for a prompt: the same reply each time
            draws = [0 if greedy else first + n for n in range(generations_this_call)]
            return [message(text=replies(text[-1].content, draw)) for draw in draws]

    # garak looks up what it knows of the class
    Scripted.__module__ = "garak.generators.base"
    Scripted.__name__ = Scripted.__qualname__ = "Generator"
    return Scripted()
