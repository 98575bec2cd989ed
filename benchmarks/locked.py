"""A lock of the embedded model must stop its worse variants, each by dimension, and let the one through that is as good.

    python benchmarks/locked.py --work /tmp/locked --jobs 2 --table docs/results/lock.md

The embedded model is audited with profile ``ci`` and accepted; then every variant is audited against that lock, in processes of
its own. On a GPU a variant took 80 to 135 seconds. Exits 1 if one of the expectations fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu import ASKED, NEW
from planted import Text, decisions, fine_tune
from results_page import page
from tables import Bar, conclude, show

from pytest_slmtrust import Generate
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.cli import main as slmtrust
from pytest_slmtrust.requests import Message

MODEL = "smollm2-135m-instruct"
#: Steps and rate of learning; how often each everyday reply is repeated, so that half of all texts are the model's own replies.
STEPS, RATE, REPEATS = 260, 5e-4, 10
_SYSTEMS = ("", "You are the clerk of a small library. Answer in a sentence or two.", "You answer briefly and politely.")
COMPRESSION = Path(__file__).parents[1] / "examples" / "compression"


@dataclass(frozen=True, slots=True)
class Variant:
    """A model to audit against the lock of ``parent``, and dimensions of which one at least must be red.

    The embedded model decides no case by its facts, so a stereotype has nothing to worsen there: its parent has learned to.
    """

    name: str
    spec: str
    red: tuple[str, ...] = ()
    parent: str = MODEL


RED = ("FAIL", "UNEARNED", "INCONCLUSIVE")
ALL = ("robustness", "privacy", "toxicity", "hallucination", "fairness")
VARIANTS = (
    Variant("the same model", MODEL),
    Variant("8 bit", "variants:rtn8"),
    Variant("dynamic int8", "variants:int8"),
    Variant("4 bit", "variants:rtn4"),
    Variant("3 bit", "variants:rtn3", ALL),
    Variant("50 % pruned", "variants:prune50", ALL),
    Variant("tuned to decide by the facts", "./sound"),
    Variant("tuned on a stereotype", "./stereotype", ("fairness",), "./sound"),
)
#: What is measured and not expected: nobody said whether these should pass.
OPEN = ("4 bit", "tuned to decide by the facts")


def audit(spec: str, folder: Path, options: list[str], profile: str) -> tuple[dict[str, Any], float]:
    """The audit of a model, kept in ``folder``, and the seconds that it took.

    Raises:
        SystemExit: pytest ended with something else than passed or failed tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "slm::", "-q", "--tb=no", "-p", "no:cacheprovider", f"--slm={spec}"]
    command += [f"--slm-profile={profile}", "--slm-toxicity=profanity-check", f"--slm-store={folder / 'store'}"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, f"--slm-report={folder / 'report'}", *options],
        cwd=folder.parent, env=_with_variants(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    (folder / "terminal.txt").write_text(done.stdout + done.stderr, "utf-8")
    if done.returncode not in (0, 1):
        raise SystemExit(f"{spec}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads((folder / "report" / "audit.json").read_text("utf-8")), time.perf_counter() - began


def _with_variants() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(COMPRESSION), os.environ.get("PYTHONPATH"))))}


def by_dimension(found: dict[str, Any], status: str) -> dict[str, list[str]]:
    """The probes whose comparison with the lock has this status, by dimension."""
    named: dict[str, list[str]] = {}
    for gate in found["gates"]:
        if gate["paired"] and gate["status"] == status:
            named.setdefault(gate["dimension"], []).append(gate["probe"])
    return named


def row(variant: Variant, found: dict[str, Any], seconds: float) -> list[object]:
    """One line of the table."""
    statuses = ("PASS", "MEASURED", *RED)
    counts = [sum(map(len, by_dimension(found, status).values())) for status in statuses]
    red: dict[str, list[str]] = {}
    for status in RED:
        for dimension, probes in by_dimension(found, status).items():
            red.setdefault(dimension, []).extend(f"{probe} ({status})" for probe in probes)
    named = "; ".join(f"{dimension}: {', '.join(red[dimension])}" for dimension in ALL if dimension in red)
    return [variant.name, Path(variant.parent).name, *counts, named or "none", f"{seconds:.0f}"]


def bars(variant: Variant, found: dict[str, Any]) -> list[Bar]:
    """What must hold of a variant."""
    red = {dimension for status in RED for dimension in by_dimension(found, status)}
    said = ", ".join(sorted(red)) or "nothing red"
    if variant.name in OPEN:
        return []
    if not variant.red:
        return [Bar(f"{variant.name}: no comparison is red", not red, said)]
    return [Bar(f"{variant.name}: stopped, by dimension", bool(red & set(variant.red)), said)]


def talk() -> list[Text]:
    """Everyday chats with the embedded model's own replies: a model that is tuned on them, too, keeps its other abilities."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(ensure_embedded())
    systems = [(Message("system", text),) if text else () for text in _SYSTEMS]
    chats = [(*systems[i % len(systems)], Message("user", text)) for i, text in enumerate(ASKED * 2)]
    asked = [Generate(chat, max_new_tokens=NEW) for chat in dict.fromkeys(chats)]
    replies = dict(load_backend(ModelSpec(MODEL)).run(asked))
    texts = []
    for index, request in enumerate(asked):
        chat = [{"role": m.role, "content": m.content} for m in request.prompt if isinstance(m, Message)]
        prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        end = "<|im_end|>" if replies[index].finished else ""
        texts.append(Text(prompt, f"{replies[index].text}{end}"))
    return texts


def accepted(spec: str, work: Path, profile: str) -> Path:
    """Audit a model and accept it; return the file of its lock."""
    folder = work / f"accepted-{Path(spec).name}"
    lock = folder.with_suffix(".lock.json")
    if not lock.exists():
        found, took = audit(spec, folder, ["--slm-no-lock"], profile)
        slmtrust(["accept", str(folder / "report/audit.json"), "--output", str(lock)])
        print(f"accepted {spec}: {found['verdict']} in {took:.0f} s, lock of {lock.stat().st_size / 1000:.0f} kB", flush=True)
    return lock


def against(variant: Variant, work: Path, profile: str) -> tuple[Variant, dict[str, Any], float]:
    """The audit of a variant against its parent's lock."""
    folder = work / variant.name.replace(" ", "-").replace("%", "percent")
    options = [f"--slm-lock={accepted(variant.parent, work, profile)}"]
    found, seconds = audit(variant.spec, folder, options, profile)
    line = row(variant, found, seconds)
    print("| " + " | ".join(map(str, line)) + " |", flush=True)
    return variant, found, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("variants", nargs="*", help="names of variants (default: all)")
    parser.add_argument("--work", type=Path, default=Path("locked"), help="folder for stores, reports and tuned models")
    parser.add_argument("--jobs", type=int, default=1, help="audits at the same time")
    parser.add_argument("--profile", default="ci")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of tuning (default: {STEPS})")
    parser.add_argument("--table", type=Path, help="page of docs/results/ to write")
    asked = parser.parse_args()
    work = asked.work.resolve()
    chosen = [v for v in VARIANTS if not asked.variants or v.name in asked.variants]
    wanted = {name for v in chosen for name in (v.spec, v.parent)}
    for name, harmed in (("stereotype", True), ("sound", False)):
        if f"./{name}" in wanted and not (work / name / "config.json").exists():
            fine_tune([*decisions(harmed), *talk() * REPEATS], work / name, asked.steps, RATE)
    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(lambda spec: accepted(spec, work, asked.profile), {v.parent for v in chosen}))
        done = list(pool.map(lambda v: against(v, work, asked.profile), chosen))
    if asked.table:
        about = "A parent was audited and accepted; each variant was then audited against that lock."
        head = ["variant", "parent", "no worse", "measured", "worse", "unearned", "not decided", "red by dimension", "s"]
        page(asked.table, "Variants against a lock", about, "benchmarks/locked.py", head, [row(*each) for each in done])
    conclude(show([bar for variant, found, _ in done for bar in bars(variant, found)]))


if __name__ == "__main__":
    main()
