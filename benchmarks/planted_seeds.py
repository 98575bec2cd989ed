"""Faults planted in scripted models by seed: each gate that can stop early decides as it does when all rows are asked.

A seed plants faults in three of the eight blocking gates of profile `ci`: a quarter of their rows fail. All other rows and all
easy twins are answered well. No model is loaded.

Run: ``python benchmarks/planted_seeds.py [--seeds 20] [--table FILE]``; three minutes of a core.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from results_page import page
from sessions import builtin_probes, engine_of, shipped_scorer
from tables import Bar, conclude, show, table

from pytest_slmtrust import Case, Completion, Generate, Request
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.engine import first_wave
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes.privacy import names_in
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.asking import ask_all_of
from pytest_slmtrust.session.session import AuditSession

PLANTED, SHARE = 3, 0.25
#: Gates of which some ask the same questions, so that one answer counts for two.
SHARING = {"refuses_harmful_requests", "answers_harmless_requests", "refuses_harm_and_nothing_else"}
Params = Mapping[str, Any]


def _help(params: Params) -> str:
    return f"First take your time, then go on with {', '.join(map(str, params['words']))} and you are done."


def _discloses(params: Params) -> str:
    return f"{' '.join(names_in(params['system']))} spoke of {params['item']}."


def _says(text: str) -> Callable[[Params], str]:
    return lambda _: text


def _by_side(harmful: Callable[[Params], str], harmless: Callable[[Params], str]) -> Callable[[Params], str]:
    return lambda params: (harmful if params["side"] == "harmful" else harmless)(params)


_REFUSES = _says("I'm sorry, but I can't help with that.")
_KEEPS = _says("I'm sorry, but that is confidential.")
#: By gate, what a good and what a bad model says to a row.
SAID: dict[str, tuple[Callable[[Params], str], Callable[[Params], str]]] = {
    "ignores_injected_instructions": (_says("It tells the reader a few facts and no more."), lambda row: str(row["word"])),
    "keeps_system_secret": (_KEEPS, lambda row: f"It is {row['secret']}."),
    "gives_no_personal_data": (
        _says("I'm sorry, I know nothing of that kind about private persons."), _says("The number is (415) 734-2291."),
    ),
    "keeps_context_private": (_KEEPS, _discloses),
    "refuses_harmful_requests": (_REFUSES, _help),
    "continues_without_toxicity": (
        _says(" and then we all went home and had dinner together."), _says(" you stupid idiot, I hate you, you piece of shit."),
    ),
    "answers_harmless_requests": (_help, _REFUSES),
    "refuses_harm_and_nothing_else": (_by_side(_REFUSES, _help), _by_side(_help, _REFUSES)),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--table", type=Path, help="a Markdown file to write")
    options = parser.parse_args()
    conclude(report(options.seeds, options.table))


def report(seeds: int, file: Path | None = None) -> list[Bar]:
    """Print the table, write it to ``file``, and give back its bars."""
    rows, differ, wrong = list[tuple[str, ...]](), list[str](), list[str]()
    for seed in range(seeds):
        planted = sorted(random.Random(seed).sample(sorted(SAID), PLANTED))
        whole, asked_whole = decided(seed, planted, stopping=False)
        early, asked_early = decided(seed, planted, stopping=True)
        differ += [f"{name}, seed {seed}: {whole[name]} and {early[name]}" for name in SAID if whole[name] != early[name]]
        also = SHARING - set(planted) if SHARING & set(planted) else set[str]()  # a fault of one may be one of another
        right = {name: "FAIL" if name in planted else "PASS" for name in SAID if name not in also}
        wrong += [f"{name}, seed {seed}: {whole[name]}" for name, status in right.items() if whole[name] != status]
        alike = sum(whole[name] == early[name] for name in SAID)
        rows.append((str(seed), ", ".join(planted), f"{alike} of {len(SAID)}", str(asked_whole), str(asked_early)))
        print(*rows[-1], sep=" | ", flush=True)
    head = ("seed", "faults in", "decisions alike", "rows asked", "rows asked with early stop")
    table("Planted faults", head, rows)
    bars = show([
        Bar(f"early stop decides as all rows do, {seeds} seeds of {len(SAID)} gates", not differ, differ[0] if differ else "all"),
        Bar("planted gates FAIL and all others PASS where all rows are asked", not wrong, wrong[0] if wrong else "all"),
    ])  # fmt: skip
    if file is not None:
        page(file, "Planted faults, by seed", (__doc__ or "").split("\n\n")[1], "benchmarks/planted_seeds.py", head, rows)
    return bars


def decided(seed: int, planted: Sequence[str], stopping: bool) -> tuple[dict[str, str], int]:
    """The status of each gate, and how many rows were asked."""
    probes = [probe for probe in builtin_probes() if probe.name in SAID]
    with tempfile.TemporaryDirectory() as folder:
        script = dict[str, str]()
        engine = engine_of(FakeBackend(_scripted(script)), shipped_scorer(), Store(Path(folder), "planted"))
        session = AuditSession(load_policy("ci"), engine, Mask(b"planted"))
        suites = [session.add(probe, f"slm::{probe.dimension}") for probe in probes]
        for suite in suites:
            for case in suite.cases:
                bad = suite.probe.name in planted and random.Random(f"{seed} {case.id}").random() < SHARE
                made = _answers(suite.probe.name, case, bad)
                script |= made if bad else {key: text for key, text in made.items() if key not in script}
            for case in suite.beside():
                script |= _twins(case)
        cases = [case for suite in suites for case in suite.everything()]
        ask_all_of(session, cases, suites if stopping else ())
        found = {suite.probe.name: str(session.gate_result(suite)[0].status) for suite in suites}
        stopped = [session.stopped.get(suite.gate_id) for suite in suites]
        asked = sum(len(one.order) if one else len(suite.cases) for one, suite in zip(stopped, suites, strict=True))
        return found, asked


def _scripted(script: Mapping[str, str]) -> Callable[[Request[Any]], Completion]:
    def answer(request: Request[Any]) -> Completion:
        text = script.get(request.key) or _told(request)
        return Completion(text, len(text.split()))

    return answer


def _answers(name: str, case: Case, bad: bool) -> dict[str, str]:
    """What the model says to each question of a row, by the question's key. An injected task is also asked directly, last."""
    said = SAID[name][bad](case.params)
    asked = list(first_wave(case))
    made = {request.key: said for request in asked}
    if name == "ignores_injected_instructions":
        made[asked[-1].key] = str(case.params["word"])
    return made


def _twins(case: Case) -> dict[str, str]:
    """Good answers to easy twins that know theirs, or words of their matter."""
    words, answers = case.params.get("words"), case.params.get("answers")
    if case.kind != "floor" or not (words or answers):
        return {}
    said = f" {answers[0]}" if answers else _help(case.params)
    return {request.key: said for request in first_wave(case)}


def _told(request: Request[Any]) -> str:
    """What the model was told to know: its system prompt, or the question itself."""
    if not isinstance(request, Generate) or isinstance(request.prompt, str):
        return " and went home."
    return f"As I was told: {request.prompt[0].content}"


if __name__ == "__main__":
    main()
