"""Shrinking counterexamples of a property against a real model: our ddmin in waves, and Hypothesis's own shrinker.

Run: ``python benchmarks/shrink.py [--texts 60] [--no-hypothesis]``; some minutes. The property is the built-in one, "an edit
that a reader does not notice does not change the answer", on the embedded model. Both shrink against the same model from edits
of the same strategy; each from the first counterexample that it finds itself. The corpus is then asked anew with an empty
store, alone, in batches of another size.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tables import Bar, conclude, percent, show, table

from pytest_slmtrust import Backend, Case, Probe, Row, Verdict, holds_under
from pytest_slmtrust.authoring.declarations import Profile
from pytest_slmtrust.authoring.edits import changes, difference, size
from pytest_slmtrust.authoring.strategies import unnoticed
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.session.corpus import Corpus

robustness_properties = importlib.import_module("pytest_slmtrust.probes.robustness_properties")
#: Median size of the shrunk edit over that first found, at most; share of the corpus that reproduces, at least.
SMALLER, REPRODUCES = 0.40, 0.95
PROFILE = Profile("benchmark", 10**6, 10**6, 5, 0.05, 0.05, True)


@dataclass(frozen=True, slots=True)
class Shrunk:
    """One counterexample: the text, the edits in characters, and the texts asked about to find and shrink it."""

    text: str
    first: int
    least: int
    asked: int
    difference: str

    @property
    def ratio(self) -> float:
        return self.least / self.first


def property_cases(texts: int, corpus: Corpus) -> list[Case]:
    probe: Probe = corpus.attach(robustness_properties.keeps_its_answer_under_unnoticed_edits)
    return probe.cases(replace(PROFILE, items=4 * texts))


def ask(cases: Sequence[Case], backend: Backend) -> tuple[list[Verdict], float]:
    """The verdicts of all cases in waves, with an empty store, and the seconds that they took."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), "shrink")
        engine = Engine({("loglikelihood", "target"): backend}, store)
        started = time.perf_counter()
        engine.prefetch(cases)
        verdicts = [engine.run(case) for case in cases]
        seconds = time.perf_counter() - started
        store.close()
    return verdicts, seconds


def measured(verdict: Verdict) -> Shrunk:
    about = verdict.evidence
    first, least = changes(about["original"], about["first found"]), changes(about["original"], about["perturbed"])
    return Shrunk(about["original"], size(first), size(least), about["texts asked"], about["difference"])


def hypothesis_shrinks(case: Case, engine: Engine) -> Shrunk | None:
    """The same text by Hypothesis: its generation, its shrinker, one question after the other."""
    from hypothesis import HealthCheck, Phase, given, settings

    text, seen = str(case.params["text"]), []
    answer = case.probe.run.__wrapped__  # type: ignore[attr-defined]
    asked = [0]

    def reply(edited: str) -> Any:
        asked[0] += 1
        steps = answer(**{**case.params, "text": edited})
        try:
            wave = next(steps)
            while True:
                wave = steps.send(engine.answer(wave))
        except StopIteration as stop:
            return stop.value

    was = reply(text)

    @settings(
        derandomize=True, database=None, max_examples=8, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(unnoticed(text))
    def stays(edited: str) -> None:
        if edited != text and reply(edited) != was:
            seen.append(edited)
            raise AssertionError

    try:
        stays()
    except AssertionError:
        first, least = changes(text, seen[0]), changes(text, seen[-1])
        return Shrunk(text, size(first), size(least), asked[0], difference(text, seen[-1]))
    return None


def report(texts: int, hypothesis: bool) -> list[Bar]:
    backend = load_backend(ModelSpec("smollm2-135m-instruct", template=False))
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder))
        cases = property_cases(texts, corpus)
        ask(cases[:1], backend)  # loads the model
        verdicts, seconds = ask(cases, backend)
        for case, verdict in zip(cases, verdicts, strict=True):
            corpus.keep(case, verdict)
        broken = [(case, verdict) for case, verdict in zip(cases, verdicts, strict=True) if verdict.passed is False]
        ours = [measured(verdict) for _, verdict in broken]
        print(f"{len(broken)} counterexamples in {seconds:.0f} s", flush=True)
        again, kept = replay([case for case, _ in broken], corpus) if broken else (0, 0)
    lines = [_line("ddmin in waves", ours, seconds)]
    if hypothesis:
        lines.append(_line("Hypothesis's shrinker", *by_hypothesis([case for case, _ in broken], backend)))
    note = f"{len(cases)} texts, {len(broken)} with a counterexample. Seconds: ours for all texts, its for those alone.\n"
    note += "\n".join(f"{one.first:3d} -> {one.least}  {one.text!r}: {one.difference}" for one in ours[:12])
    head = ["shrinker", "found", "first, median", "shrunk, median", "ratio, median", "texts asked", "s"]
    table("Shrunk counterexamples on SmolLM2-135M-Instruct (sizes in characters)", head, lines, note)
    ratio = statistics.median(one.ratio for one in ours) if ours else 1.0
    share = again / kept if kept else 0.0
    return show(
        [
            Bar(f"median shrunk edit at most {percent(SMALLER)} of the first found", ratio <= SMALLER, percent(ratio)),
            Bar(f"at least {percent(REPRODUCES)} of the corpus reproduces", share >= REPRODUCES, f"{again} of {kept}"),
        ]
    )


def replay(broken: Sequence[Case], corpus: Corpus) -> tuple[int, int]:
    """How many kept counterexamples still break, asked anew by a model in batches of 7 rows, and how many there are."""
    other = load_backend(ModelSpec("smollm2-135m-instruct", template=False, batch_rows=7))

    def nothing(_: str) -> Any:
        from hypothesis import strategies

        return strategies.just("")

    bare = holds_under(nothing, tries=1)(broken[0].probe.run.__wrapped__)  # type: ignore[attr-defined]
    probe = corpus.attach(replace(broken[0].probe, run=bare, rows=[Row(case.params, source=case.source) for case in broken]))
    verdicts, _ = ask(probe.cases(PROFILE), other)
    found = [str(v.evidence.get("kept by earlier runs", "0 of 0")).split() for v in verdicts]
    return sum(int(words[0]) for words in found), sum(int(words[2]) for words in found)


def by_hypothesis(cases: Sequence[Case], backend: Backend) -> tuple[list[Shrunk], float]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), "hypothesis")
        engine = Engine({("loglikelihood", "target"): backend}, store)
        started = time.perf_counter()
        found = [hypothesis_shrinks(case, engine) for case in cases]
        seconds = time.perf_counter() - started
        store.close()
    return [one for one in found if one is not None], seconds


def _line(name: str, found: Sequence[Shrunk], seconds: float) -> list[str]:
    if not found:
        return [name, "0", "-", "-", "-", "-", f"{seconds:.1f}"]
    middle = [statistics.median(values) for values in zip(*((o.first, o.least, o.ratio) for o in found), strict=True)]
    asked = sum(one.asked for one in found)
    return [name, str(len(found)), f"{middle[0]:g}", f"{middle[1]:g}", percent(middle[2]), str(asked), f"{seconds:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=60)
    parser.add_argument("--no-hypothesis", action="store_true", help="leave Hypothesis's own shrinker out")
    chosen = parser.parse_args()
    conclude(report(chosen.texts, not chosen.no_hypothesis))


if __name__ == "__main__":
    main()
