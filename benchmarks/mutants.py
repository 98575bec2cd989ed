"""Do the controls of a probe notice a broken detector? Every built-in probe, one fault at a time.

Run: ``python benchmarks/mutants.py``; some seconds. A mutant is caught if a control no longer comes out as labelled: the gate is
then INVALID. Only the detector is broken; controls, rows and the gate are the shipped ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mutants_probes import mutants
from mutants_ways import Mutant
from sessions import BentScorer, builtin_probes, engine_of, shipped_scorer
from tables import Bar, conclude, percent, show, table

from pytest_slmtrust import Backend, Failure, Labels, Probe, Steps, Verdict
from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.detectors import refusal, text
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.session import AuditSession

#: Share of mutants that the controls must catch.
BAR = 0.95


@dataclass(frozen=True, slots=True)
class Result:
    """How many mutants of one probe there are, and the names of those that its controls do not catch.

    A probe that only measures has no verdict that a control could label: ``decides`` is False, and the bar leaves it out.
    """

    probe: str
    mutants: int
    survivors: tuple[str, ...]
    decides: bool = True


def _bent(change: Callable[[float], float]) -> Callable[[str, Any], Any]:
    """The scores of every answer changed by a function."""
    return lambda _, answer: answer if isinstance(answer, Failure) else Labels({k: change(v) for k, v in answer.items()})


def _changed(probe: Probe, change: Callable[[Verdict], Verdict]) -> Callable[..., Steps[Verdict]]:
    def run(**params: Any) -> Steps[Verdict]:
        verdict = yield from probe.run(**params)
        return change(verdict)

    return run


def caught(probe: Probe, mutant: Mutant | None, scorer: Backend, store: Store) -> bool:
    """Whether the gate of this probe is INVALID with this mutant (with none: with the shipped detector)."""
    if mutant and mutant.score:
        scorer = BentScorer(scorer, _bent(mutant.score), f"{scorer.fingerprint}/{mutant.name}")
    # no rows, no floor and no files: what the controls say is all that is wanted
    bare = replace(probe, rows=(), floor=None, packed=True, inputs=())
    if mutant and mutant.verdict:
        bare = replace(bare, run=_changed(probe, mutant.verdict))
    engine = engine_of(FakeBackend("no control asks the model"), scorer, store)
    with ExitStack() as stack:
        for place, name, value in mutant.patches if mutant else ():
            stack.enter_context(patch.object(place, name, value, create=name in ("max", "min")))
        stack.callback(_forget)
        _forget()
        session = AuditSession(load_policy("ci"), engine, Mask(b"mutants"))
        result, _ = session.gate_result(session.add(bare, "mutants"))
    return result.status is Status.INVALID


def _forget() -> None:
    """Readings that are kept were made by the detector before it was broken, or while it was."""
    for one in (*vars(text).values(), *vars(refusal).values()):
        getattr(one, "cache_clear", list)()


def run() -> list[Result]:
    """Every mutant of every built-in probe.

    Raises:
        RuntimeError: a probe whose controls are wrong with its shipped detector: nothing could be said of its mutants.
    """
    scorer, left, made = shipped_scorer(), [], mutants()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), "mutants")
        for probe in builtin_probes():
            if caught(probe, None, scorer, store):
                raise RuntimeError(f"{probe.name}: a control does not come out as labelled with the shipped detector")
            own = [mutant for mutant in made if mutant.probe == probe.name]
            alive = tuple(mutant.name for mutant in own if not caught(probe, mutant, scorer, store))
            left.append(Result(probe.name, len(own), alive, bool(probe.controls)))
    return left


def bars(results: Sequence[Result]) -> list[Bar]:
    made, share = _share([r for r in results if r.decides])
    claim = f"controls catch at least {percent(BAR)} of {made} mutants of detectors that decide"
    return [Bar(claim, share >= BAR, f"{100 * share:.2f} %")]


def _share(results: Sequence[Result]) -> tuple[int, float]:
    made = sum(r.mutants for r in results)
    return made, 1 - sum(len(r.survivors) for r in results) / made


def report() -> list[Bar]:
    """Print the table, and give back its bars."""
    results = run()
    rows = [[r.probe, r.mutants, r.mutants - len(r.survivors), percent(1 - len(r.survivors) / r.mutants)] for r in results]
    note = [f"Scorer: {shipped_scorer().name}. Caught: a control does not come out as labelled, and the gate is INVALID."]
    note += [f"{r.probe} only measures: there is no verdict that a control could label." for r in results if not r.decides]
    made, share = _share(results)
    note += [f"with those: {percent(share)} of {made}"]
    note += [f"not caught: {r.probe}: {'; '.join(r.survivors)}" for r in results if r.survivors]
    table("Broken detectors and the controls", ["probe", "mutants", "caught", "share"], rows, "\n".join(note))
    return show(bars(results))


if __name__ == "__main__":
    conclude(report())
