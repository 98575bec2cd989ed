"""Adversarial search beside TextAttack's own ``Attack``: the same recipes, model, texts and seeds; outcomes, time and tokens.

Run: ``python benchmarks/attack.py [--texts 9] [--budget 100] [--recipes deepwordbug pruthi input-reduction]``; some minutes.
Both attack the embedded model as a zero-shot classifier after a few-shot preamble. TextAttack asks through a model wrapper the
plain way: the whole prompts of a step's candidates in one padded forward, all options read off its last logits. Ours advances all
texts in one batch a step, and reads what prompts have in common once.
"""

from __future__ import annotations

import argparse
import importlib
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tables import Bar, conclude, show, table

from pytest_slmtrust import Backend, Case, Edits, Row, Steps, Verdict, probe
from pytest_slmtrust.authoring.attack_search import RECIPES, attack
from pytest_slmtrust.authoring.declarations import Profile
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.backends.textattack.attack_steps import build
from pytest_slmtrust.backends.textattack.perturb import TextAttackBackend, import_textattack, stop_words
from pytest_slmtrust.backends.transformers.backend import TransformersBackend
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store

robustness_search, robustness_tasks = (
    importlib.import_module(f"pytest_slmtrust.probes.{name}") for name in ("robustness_search", "robustness_tasks")
)

FASTER, TOKENS = 1.5, 1 / 3
PROFILE = Profile("benchmark", 1000, 1000, 25, 0.05, 0.05, True)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attack ended: outcome, text and queries; and the tokens and seconds of all of a kind."""

    outcome: str
    text: str
    queries: int


@dataclass(frozen=True, slots=True)
class Way:
    """All attacks of one recipe, one way."""

    ended: list[Ended]
    seconds: float
    tokens: int


def rows(texts: int) -> list[dict[str, Any]]:
    """The first texts of the built-in search, in the order of the probe's own draw."""
    cases = robustness_search.withstands_adversarial_edits.cases(PROFILE)
    return [{key: case.params[key] for key in ("text", "task", "gold")} for case in cases[:texts]]


def examples(task: str, shots: int) -> list[tuple[str, str]]:
    """Solved texts of a task for a preamble, classes in turn; the last of each, which the benchmark's few rows seldom reach."""
    known = [(text, gold) for _, gold, text in robustness_tasks.texts(task)]
    classes = list(dict.fromkeys(gold for _, gold in known))
    return [[one for one in known if one[1] == classes[i % len(classes)]][-1 - i // len(classes)] for i in range(shots)]


def prompt(row: dict[str, Any], shots: int) -> tuple[str, list[str]]:
    """The prompt of a task after a preamble of solved examples (those that are not attacked), and its options."""
    form, options = robustness_tasks.task_of(row["task"])
    solved = examples(row["task"], shots)
    return "".join(f"{form.format(text=text)} {gold}\n\n" for text, gold in solved) + form, options


# ------------------------------------------------------------------ our way


def ours(wanted: Sequence[dict[str, Any]], recipe: str, budget: int, shots: int, backend: TransformersBackend) -> Way:
    """All searches as cases of one probe, through an engine with an empty store."""
    found: dict[str, Ended] = {}

    @probe(dimension="robustness", rows=[Row(row) for row in wanted])
    def searched(text: str, task: str, gold: str) -> Steps[Verdict]:
        """Searched."""
        form, options = prompt({"task": task}, shots)
        classify = robustness_tasks.classifier(form, options)
        end = yield from attack(text, options.index(f" {gold}"), classify, recipe, budget=budget)
        found[text] = Ended(end.outcome, end.text, end.queries)
        return Verdict(end.outcome != "broken")

    perturber = TextAttackBackend()
    before = backend.counters.prefilled
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), "attack")
        models: dict[tuple[str, str], Backend] = {("loglikelihood", "target"): backend, ("edits", "perturb"): perturber}
        started = time.perf_counter()
        cases: list[Case] = searched.cases(PROFILE)
        Engine(models, store).prefetch(cases)
        seconds = time.perf_counter() - started
        store.close()
    return Way([found[row["text"]] for row in wanted], seconds, backend.counters.prefilled - before)


# ------------------------------------------------------------------ TextAttack's way


class Plain:
    """The model asked the plain way: every candidate's whole prompt in one padded forward, in TextAttack's batches of 32."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = str(ensure_embedded())
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
        self.tokens = 0
        self.form, self.options = "", [""]

    def probabilities(self, texts: Sequence[str]) -> list[list[float]]:
        """One row of probabilities a text, in double precision, from the logits after its prompt.

        Raises:
            ValueError: an option of several tokens; each would need a row of its own.
        """
        import torch

        ids = [self.tokenizer(self.form.format(text=text), add_special_tokens=False)["input_ids"] for text in texts]
        options = [self.tokenizer(option, add_special_tokens=False)["input_ids"] for option in self.options]
        if any(len(option) > 1 for option in options):
            raise ValueError(f"an option of {self.options} has several tokens")
        rows = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
        mask = torch.zeros_like(rows)
        for place, context in enumerate(ids):
            rows[place, : len(context)] = torch.tensor(context)
            mask[place, : len(context)] = 1
        self.tokens += int(mask.sum())
        with torch.inference_mode():
            logits = self.model(input_ids=rows, attention_mask=mask).logits
        wanted = torch.tensor([option[0] for option in options])
        last = torch.stack([logits[place, len(context) - 1] for place, context in enumerate(ids)])
        shares: list[list[float]] = last.double()[:, wanted].softmax(-1).tolist()
        return shares


def theirs(wanted: Sequence[dict[str, Any]], recipe: str, budget: int, shots: int, plain: Plain) -> Way:
    """TextAttack's own ``Attack``, text after text, seeded before each as our search of the text is."""
    textattack = import_textattack()

    class Wrapper(textattack.models.wrappers.ModelWrapper):  # type: ignore[misc, name-defined]
        model = plain.model

        def __init__(self) -> None:
            pass

        def __call__(self, texts: Sequence[str]) -> Any:
            return plain.probabilities(texts)

    with stop_words():
        own = build(recipe, Wrapper())
    own.goal_function.query_budget = budget
    ended, before, started = [], plain.tokens, time.perf_counter()
    for row in wanted:
        plain.form, plain.options = prompt(row, shots)
        seed = Edits(row["text"], recipe).search_seed
        random.seed(seed)
        np.random.seed(seed)
        gold = plain.options.index(f" {row['gold']}")
        ended.append(_ended(own.attack(row["text"], gold), recipe, gold))
    return Way(ended, time.perf_counter() - started, plain.tokens - before)


def _ended(result: Any, recipe: str, gold: int) -> Ended:
    last = result.perturbed_result
    if type(result).__name__ == "SkippedAttackResult":
        return Ended("skipped", result.original_result.attacked_text.text, last.num_queries)
    text = last.attacked_text.text
    broken = len(text.split()) <= 1 if RECIPES[recipe][1] == "reduce" else int(last.raw_output.argmax()) != gold
    return Ended("broken" if broken else "held", text, last.num_queries)


# ------------------------------------------------------------------ the table


def same(mine: Way, other: Way) -> int:
    """Texts on which both ended alike: outcome, final text and number of queries."""
    return sum(a == b for a, b in zip(mine.ended, other.ended, strict=True))


def report(texts: int, budget: int, shots: int, recipes: Sequence[str]) -> list[Bar]:
    backend = load_backend(ModelSpec("smollm2-135m-instruct"))
    assert isinstance(backend, TransformersBackend)
    wanted, plain, lines, alike = rows(texts), Plain(), [], 0
    import_textattack()
    ours(wanted[:1], recipes[0], 3, shots, backend)  # loads the model
    totals = np.zeros(4)
    for recipe in recipes:
        mine = ours(wanted, recipe, budget, shots, backend)
        other = theirs(wanted, recipe, budget, shots, plain)
        equal = same(mine, other)
        print(f"{recipe}: {mine.seconds:.1f} s, TextAttack {other.seconds:.1f} s", flush=True)
        alike += equal
        totals += (mine.seconds, other.seconds, mine.tokens, other.tokens)
        lines.append([recipe, *_line(mine), f"{equal} of {texts}", *_costs(mine, other)])
        for row, a, b in zip(wanted, mine.ended, other.ended, strict=True):
            if a != b:
                print(f"different: {recipe}: {row['text']!r}\n  ours   {a}\n  theirs {b}")
    head = ["recipe", "attacked", "success", "queries a success", "same end", "s", "s TextAttack", "faster", "tokens", "share"]
    note = f"{texts} texts, {budget} queries each, {shots} solved examples before each prompt, SmolLM2-135M-Instruct, float32."
    table("Adversarial search beside TextAttack's Attack", head, lines, note)
    faster, share = totals[1] / totals[0], totals[2] / totals[3]
    every = texts * len(recipes)
    return show(
        [
            Bar("same outcome, text and number of queries on every row", alike == every, f"{alike} of {every}"),
            Bar(f"at least {FASTER} x faster", faster >= FASTER, f"{faster:.2f} x"),
            Bar("at most a third of the prefilled tokens", share <= TOKENS, f"{share:.3f}"),
        ]
    )


def _line(way: Way) -> list[str]:
    attacked = [one for one in way.ended if one.outcome != "skipped"]
    broken = [one for one in attacked if one.outcome == "broken"]
    queries = f"{sum(one.queries for one in attacked) / len(broken):.1f}" if broken else "-"
    return [str(len(attacked)), f"{len(broken) / max(1, len(attacked)):.0%}", queries]


def _costs(mine: Way, other: Way) -> list[str]:
    return [
        f"{mine.seconds:.1f}", f"{other.seconds:.1f}", f"{other.seconds / mine.seconds:.2f} x",
        f"{mine.tokens}/{other.tokens}", f"{mine.tokens / other.tokens:.3f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=9)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    chosen = parser.parse_args()
    conclude(report(chosen.texts, chosen.budget, chosen.shots, chosen.recipes))


if __name__ == "__main__":
    main()
