"""The labelled texts that train the network which reads replies.

Refusals, open questions and confidences are three tasks. FOLDER holds checkouts as ``real_replies.py`` wants them,
XSTest's completions under ``xstest``, and ``replies.jsonl`` with the published replies that the label files name, each as
{"digest": ..., "reply": ..., "asked": ...}. Nothing that ``detectors.toml`` calls held out is among these texts.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors import OUTSIDE, SETS, TUNED_WHOLE, UNREAD, XSTEST, _csv, _even
from later_replies import LABELS, texts
from public_data import DATA
from real_replies import HELD, READINGS, _harmful, _question_and_answer, digest, read_rows, rows_of, text_of

from pytest_slmtrust.detectors.reply_network import KINDS as SHIPPED

#: What a text may be, by task. The third is trained with the others and not shipped: see the network's card.
KINDS = {**SHIPPED, "disclosure": ("told", "kept")}
#: Labels of the readers. In a study of refusals F refuses in full and P in part; all else is neither.
REFUSALS = {"F": "full", "P": "partial"}
#: In a study of questions A leaves one open, C corrects it and N answers it; U is left out.
QUESTIONS = {"A": "abstained", "C": "corrected", "N": "answered"}
#: Sources without a licence that allows it.
UNLICENSED = {"refusal-quant-multiturn", "genglinliu/UnknownBench"}
WRITTEN = ("", "_second", "_third", "_fourth", "_sixth", "_seventh", "_eighth")
#: Hateful sentences of HateCheck that are no refusals, each with half the weight of a reply.
HATEFUL = 400


@dataclass(frozen=True, slots=True)
class Labelled:
    """A reply, its prompt, its label, and how much it counts in training."""

    task: str
    source: str
    asked: str
    text: str
    kind: str
    weight: float = 1.0


def training(folder: Path) -> list[Labelled]:
    """The labelled texts, each once for a task; a text that is measured as held out is none of them."""
    found: dict[tuple[str, str, str], Labelled] = {}
    held = set(_held(folder))
    for one in (*_refusals(folder), *_questions(folder), *_disclosures(folder)):
        if one.text not in held:
            found.setdefault((one.task, "" if one.task == "refusal" else one.asked, one.text), one)
    return list(found.values())


def _refusals(folder: Path) -> Iterator[Labelled]:
    yield from _published(folder)
    for name in WRITTEN:
        for row in tomllib.loads((OUTSIDE / f"refusal{name}.toml").read_text(encoding="utf-8"))["row"]:
            yield _refusal("written sets", "", row["reply"], row["kind"])
    for row in _lines(OUTSIDE / "refusal_training.jsonl"):
        yield _refusal(row["source"], row.get("request", ""), row["reply"], row["kind"])
    for source, label, (text, asked) in _read(folder, "refusals_training"):
        yield _refusal(source, asked, text, REFUSALS.get(label, "none"))
    rows = rows_of(folder / "hatecheck" / "test_suite_cases.csv")
    hateful = [row["test_case"] for row in rows if row["label_gold"] == "hateful"]
    for text in sorted(filter(_even, hateful), key=digest)[:HATEFUL]:
        yield Labelled("refusal", "HateCheck", "", text, "none", 0.5)


def _refusal(source: str, asked: str, text: str, kind: str) -> Labelled:
    return Labelled("refusal", source, asked, text, kind if kind in KINDS["refusal"] else "none")


def _published(folder: Path) -> Iterator[Labelled]:
    """The parts of labelled sets of refusals that the rules were tuned on."""
    for name in XSTEST:
        for row in _xstest(folder, name):
            if name in TUNED_WHOLE or _even(row["id"]):
                kind = {"2": "full", "3": "partial"}.get(row["final_label"][0], "none")
                yield _refusal("XSTest", row["prompt"], row["completion"], kind)
    for label, row in read_rows(folder, "refusals"):
        if label.first == label.second and label.model not in HELD and label.source not in UNLICENSED:
            yield _refusal("replies of 13 models", _asked(row), text_of(row), REFUSALS.get(label.first, "none"))
    yield from (one for one in _pyrit(folder) if _even(one.text))
    seen = set((READINGS / "seen.txt").read_text(encoding="utf-8").split())
    for row in _quora(folder):
        if _even(row["prompt"]) or digest(row["prompt"]) in seen:
            yield _refusal("ChatGPT", row["prompt"], row["response"], "full" if row["tone"] == "rejected" else "none")


def _questions(folder: Path) -> Iterator[Labelled]:
    yield from _truthful(folder)
    for name in ("", *(f"_{one}" for one in ("second", *SETS))):
        file = OUTSIDE / f"abstention{name}.toml"
        rows = tomllib.loads(file.read_text(encoding="utf-8"))["row"] if file.is_file() else []
        for row in rows:
            if not _unread(name.removeprefix("_"), row["reply"]):
                kind = "open" if row["abstains"] else "answered"  # the label does not say which kind of open
                yield Labelled("question", "written sets", row.get("question", ""), row["reply"], kind)
    for row in _lines(OUTSIDE / "abstention_training.jsonl"):
        yield Labelled("question", row["source"], row["question"], row["reply"], row["kind"])
    for source, label, (text, asked) in (*_read(folder, "abstentions_training"), *_found_later(folder)):
        if label in QUESTIONS and source not in UNLICENSED:
            yield Labelled("question", source, asked, text, QUESTIONS[label])
    for source, label, (text, asked) in _read(folder, "refusals_training"):
        if label == "K" or (label == "N" and int(digest(text), 16) % 3 == 0):
            yield Labelled("question", source, asked, text, "abstained" if label == "K" else "answered", 0.5)


def _unread(name: str, reply: str) -> bool:
    if name in ("", "second"):
        return not _even(reply)
    return ("abstention", name, _even(reply)) in UNREAD


def _truthful(folder: Path) -> Iterator[Labelled]:
    """Answers of people and models to TruthfulQA's questions whose SHA-256 is even."""
    for label, row in read_rows(folder, "abstentions"):
        question, answer = _question_and_answer(row)
        if label.first == label.second and label.first in QUESTIONS and _even(question):
            yield Labelled("question", "TruthfulQA", question, answer, QUESTIONS[label.first])
    rows = rows_of(folder / "truthfulqa_reeval" / "data" / "finetune_info.jsonl")
    with (READINGS / "abstentions_drawn.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["first"] == row["second"] and row["first"] in QUESTIONS and row["part"] == "tuned on":
                question, answer = _question_and_answer(rows[int(row["item"])])
                yield Labelled("question", "TruthfulQA", question, answer, QUESTIONS[row["first"]])


def _disclosures(folder: Path) -> Iterator[Labelled]:
    stories = rows_of(folder / "confAIde" / "annotations" / "tier_3_input.csv")
    with (READINGS / "disclosures.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            fact = fact_of([row["subject"]], row["keys"].split(";"))
            for side, kind in (("revealing", "told"), ("generic", "kept")) if row["part"] == "tuned on" else ():
                yield Labelled("disclosure", "ConfAIde", fact, stories[int(row["story"])][side].strip().strip('"'), kind)
    for name in ("second", "third"):
        rows = tomllib.loads((OUTSIDE / f"disclosure_{name}.toml").read_text(encoding="utf-8"))["row"]
        for row in rows:
            if name == "third" and not _even(row["reply"]):
                continue
            yield _told("written sets", row)
    yield from (_told("written for training", row) for row in _lines(OUTSIDE / "disclosure_training.jsonl"))


def fact_of(names: Sequence[str], keys: Sequence[str]) -> str:
    """Return a person's fact in the place of a prompt: "Maren: epilepsy, seizures"."""
    return f"{' '.join(names)}: {', '.join(keys)}"


def _told(source: str, row: dict[str, Any]) -> Labelled:
    fact = fact_of(row["person"].split(), row["keys"])
    return Labelled("disclosure", source, fact, row["reply"], "told" if row["discloses"] else "kept")


def _found_later(folder: Path) -> Iterator[tuple[str, str, tuple[str, str]]]:
    known = texts(folder)
    with LABELS.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["detector"] == "abstention" and row["part"].startswith("tuned on") and row["first"] == row["second"]:
                yield row["source"], row["first"], known[row["digest"]]


def _read(folder: Path, name: str) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Published replies of real models that one reader labelled: source, label, and the reply with its prompt."""
    known = texts(folder)
    with (READINGS / f"{name}.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            yield row["source"], row["first"], known[row["digest"]]


def _held(folder: Path) -> Iterator[str]:
    """Texts that are measured as held out, from sources that also train."""
    for name in XSTEST:
        yield from (row["completion"] for row in _xstest(folder, name) if name not in TUNED_WHOLE and not _even(row["id"]))
    yield from (text_of(row) for label, row in read_rows(folder, "refusals") if label.model in HELD)
    yield from (one.text for one in _pyrit(folder) if not _even(one.text))
    seen = set((READINGS / "seen.txt").read_text(encoding="utf-8").split())
    yield from (row["response"] for row in _quora(folder) if not _even(row["prompt"]) and digest(row["prompt"]) not in seen)


def _xstest(folder: Path, name: str) -> list[dict[str, str]]:
    path = DATA / "xstest" / f"xstest_v2_completions_{name}.csv"
    return _csv(path if path.is_file() else folder / "xstest" / path.name)


def _asked(row: dict[str, Any]) -> str:
    return next((str(row[name]) for name in ("prompt", "goal", "final_user") if row.get(name)), "")


def _pyrit(folder: Path) -> Iterator[Labelled]:
    kinds: dict[str, set[str]] = {}
    for label, row in read_rows(folder, "pyrit"):
        kinds.setdefault(text_of(row), set()).update(REFUSALS.get(said, "none") for said in (label.first, label.second))
    harmful = {text: {"none"} for text in _harmful(folder / "PyRIT" / "pyrit" / "datasets" / "scorer_evals")}
    yield from (_refusal("PyRIT", "", text, one.pop()) for text, one in (harmful | kinds).items() if len(one) == 1)


def _quora(folder: Path) -> Iterator[dict[str, Any]]:
    for file in ("quora_insincere_hand_labeled", "political_figures"):
        rows = rows_of(folder / "chatgpt-refusals" / "data" / f"{file}.json")
        yield from (row for row in rows if row["tone"] in ("complied", "rejected"))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)
