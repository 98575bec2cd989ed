"""Probes of garak by the engine against garak itself: the same prompts, model, machine and length of a reply; equal scores.

Thirty active probes of garak, on the embedded model. The engine asks the first prompts of each, and garak's own harness and
evaluator judge the engine's replies again. Then garak asks some of the same prompts itself, one at a time, by its huggingface
generator. Run it in an environment of garak (``make garak`` makes one), offline:

    .venv-garak/bin/python benchmarks/garak_probes.py

Exits 1 if a score or a count of hits differs, a probe has no replies, or the engine is not five times as fast.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from garak_own import Scores, configured, garak_scores  # type: ignore[import-not-found]
from results_page import page

from pytest_slmtrust.authoring.declarations import Profile
from pytest_slmtrust.authoring.probe import Case, Probe
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.catalog import garak_host as host
from pytest_slmtrust.catalog.garak_probes import gate_name, probes_of
from pytest_slmtrust.catalog.registry import Choice
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.gate import finding

#: Probes of garak, of as many modules as there are without a download.
NAMES = (
    "adaptive_attacks.AdaptiveAttacks", "ansiescape.AnsiEscaped", "ansiescape.AnsiRaw", "apikey.CompleteKey", "apikey.GetKey",
    "badchars.BadCharacters", "continuation.ContinueSlursReclaimedSlurs", "dan.AutoDANCached", "dan.DanInTheWild",
    "dra.DRA", "encoding.InjectBase64", "encoding.InjectHex", "encoding.InjectMorse", "encoding.InjectROT13",
    "exploitation.JinjaTemplatePythonInjection", "exploitation.SQLInjectionEcho", "goodside.ThreatenJSON", "goodside.WhoIsRiley",
    "grandma.Slurs", "grandma.Win10", "latentinjection.LatentInjectionFactSnippetEiffel", "latentinjection.LatentWhois",
    "leakreplay.GuardianCloze", "leakreplay.LiteratureComplete", "lmrc.Profanity", "malwaregen.Payload", "phrasing.PastTense",
    "promptinject.HijackKillHumans", "snowball.GraphConnectivity", "web_injection.MarkdownImageExfil",
)  # fmt: skip
FULL = Profile("full", 10**6, 10**6, 25, 0.05, 0.05, True)
BAR = 5.0


@dataclass(slots=True)
class Row:
    """One probe: replies, hits of its deciding detectors here and by garak's evaluator, and whether each score is equal."""

    name: str
    replies: int
    hits: int
    theirs: int
    equal: bool
    scores: int
    engine: float = 0.0


@dataclass(slots=True)
class Ours:
    """What the engine's run gave: replies by probe, prompt and draw, with scores."""

    seconds: float
    load: float
    probes: dict[str, Probe] = field(default_factory=dict)
    replies: dict[str, dict[tuple[str, int], str]] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)


@contextlib.contextmanager
def first_prompts(count: int) -> Iterator[None]:
    """Make each probe of garak with its first ``count`` prompts: some ignore garak's own cap."""
    made = host.made

    def capped(category: str, name: str) -> Any:
        part = made(category, name)
        prompts = getattr(part, "prompts", None)
        if category == "probes" and isinstance(prompts, list) and len(prompts) > count:
            if len(getattr(part, "triggers", None) or ()) == len(prompts):
                part.triggers = part.triggers[:count]
            part.prompts = prompts[:count]
        return part

    host.made = capped
    try:
        yield
    finally:
        host.made = made


def ours(config: str, names: Sequence[str]) -> Ours:
    """Ask all cases of all probes through the engine and an empty store, as an audit does."""
    started = time.perf_counter()
    backend = load_backend(ModelSpec("smollm2-135m-instruct"))
    list(backend.run([]))
    made = {probe.name: probe for probe in probes_of(config, Choice())}
    probes = {name: made[gate_name(name)] for name in names}
    cases = {name: probe.cases(FULL) for name, probe in probes.items()}
    load = time.perf_counter() - started
    found = Ours(0.0, load, probes)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store", "benchmark")
        engine = Engine({("generate", "target"): backend}, store)
        started = time.perf_counter()
        engine.prefetch([case for own in cases.values() for case in own])
        for name, own in cases.items():
            found.replies[name], found.scores[name] = _judged(engine, own)
        found.seconds = time.perf_counter() - started
        store.close()
    return found


def _judged(engine: Engine, cases: Sequence[Case]) -> tuple[dict[tuple[str, int], str], Scores]:
    replies: dict[tuple[str, int], str] = {}
    scores: Scores = {}
    for case in cases:
        request: Any = next(case.steps())[0]
        verdict = engine.run(case)
        one = finding(case, case.id, verdict)
        replies[request.prompt[-1].content, request.sample] = one.evidence["reply"]
        for detector, score in one.evidence["scores"].items():
            scores.setdefault(detector, []).append(score)
    return replies, scores


def theirs(config: str, names: Sequence[str], model: Path, tokens: int) -> tuple[float, float, int]:
    """Run garak's own harness with its huggingface generator: seconds, seconds of loading, replies."""
    with host.hosted(config):
        started = time.perf_counter()
        settings = host.part("_config")
        own = {"hf_args": {"device": "cpu", "dtype": "float32"}, "max_tokens": tokens}
        settings.plugins.generators["huggingface"] = {"Pipeline": own}
        generator = host.part("generators.huggingface").Pipeline(name=str(model), config_root=settings)
        load = time.perf_counter() - started
    seconds, replies = 0.0, 0
    for name in names:
        with host.hosted(config, f"{name} prompts"):
            probe = host.made("probes", name)
            detector = host.made("detectors", probe.primary_detector)
            evaluator = host.part("evaluators.base").ThresholdEvaluator(settings.run.eval_threshold)
            settings.transient.hitlogfile = host._Sink()
            started = time.perf_counter()
            host.part("harnesses.base").Harness().run(generator, [probe], [detector], evaluator)
            seconds += time.perf_counter() - started
            replies += len(probe.prompts) * int(probe.generations)
    return seconds, load, replies


def compared(found: Ours, config: str, names: Sequence[str]) -> list[Row]:
    """Give the engine's replies to garak's own harness and evaluator, and compare score by score."""
    rows = []
    for name in names:
        replies, scores = found.replies[name], found.scores[name]
        again, counts = garak_scores(name, config, lambda text, draw, own=replies: own[text, draw])
        threshold = 0.5
        hits = {key: sum(score is not None and score >= threshold for score in own) for key, own in scores.items()}
        equal = scores == again and hits == {key: count["fails"] for key, count in counts.items()}
        first = next(iter(scores))
        total = sum(len(own) for own in scores.values())
        rows.append(Row(name, len(scores[first]), hits[first], counts[first]["fails"], equal, total))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=6, help="prompts of each probe")
    parser.add_argument("--tokens", type=int, default=150, help="tokens of a reply (150 is garak's own default)")
    parser.add_argument("--probes", type=int, default=len(NAMES), help="the first so many of the thirty")
    parser.add_argument("--beside", type=int, default=6, help="probes that garak asks itself, spread over the list")
    parser.add_argument("--page", type=Path, default=Path("docs/results/garak.md"))
    chosen = parser.parse_args(arguments)
    names = NAMES[: chosen.probes]
    beside = names[:: max(1, len(names) // max(1, chosen.beside))][: chosen.beside]
    model = ensure_embedded()
    with tempfile.TemporaryDirectory() as folder, first_prompts(chosen.prompts):
        given = {"generations": 1, "max_tokens": chosen.tokens, "temperature": 1.0}
        config = configured(Path(folder), **given, spec=[f"probes.{name}" for name in names])
        print(f"{len(names)} probes by the engine", flush=True)
        found = ours(config, names)
        rows = compared(found, config, names)
        few = found if list(beside) == list(names) else ours(config, beside)
        asked = sum(len(own) for own in few.replies.values())
        print(f"{len(beside)} probes by garak", flush=True)
        seconds, load, replies = theirs(config, beside, model, chosen.tokens)
    here, there = 60 * asked / few.seconds, 60 * replies / seconds
    whole = sum(row.replies for row in rows)
    wrong = [row.name for row in rows if not row.equal or not row.replies]
    said = (
        f"Beside garak on {len(beside)} of the {len(names)}, {replies} prompts: {here:.0f} a minute here ({few.seconds:.1f} s), "
        f"{there:.1f} by garak with its huggingface.Pipeline ({seconds:.1f} s): {here / there:.1f} times; the bar is {BAR:g}. "
        f"Loading is apart: {few.load:.1f} s with the probes here, {load:.1f} s there. "
        f"All {whole} prompts took {found.seconds:.1f} s."
    )
    print(said)
    for row in rows:
        print(f"{row.name:50} {row.replies:4} {row.hits:4} {row.theirs:4} {'equal' if row.equal else 'DIFFERENT'}")
    about = (
        f"`benchmarks/garak_probes.py` asks {len(names)} active probes of garak 0.17.1 on SmolLM2-135M-Instruct: the first "
        f"{chosen.prompts} prompts of each, {chosen.tokens} new tokens, temperature 1, one generation. The engine's replies then "
        "go through garak's own harness and evaluator, and each score of each detector is compared."
    )
    table = [(row.name, row.replies, row.hits, row.theirs, row.scores, "yes" if row.equal else "NO") for row in rows]
    head = ("probe", "replies", "hits", "by garak's evaluator", "scores compared", "equal")
    page(chosen.page, "Probes of garak", about, "benchmarks/garak_probes.py", head, table, said)
    return int(bool(wrong) or here < BAR * there)


if __name__ == "__main__":
    sys.exit(main())
