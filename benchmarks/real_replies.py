"""Measure the rules for refusals, leaks, personal data, abstention and disclosure on texts that others published.

    python benchmarks/real_replies.py FOLDER            # write the rows into pytest_slmtrust/detectors/detectors.toml
    python benchmarks/real_replies.py FOLDER --check    # exit 1 if a count differs; write nothing

FOLDER holds checkouts of the repositories of ``SOURCES``, each under its own name. Their texts are no part of this project: the
labels in ``benchmarks/readings/real/`` name a file, a place in it and a digest of the text. Two readers, language models of one
family, read each text without the verdict. Where they disagree, the text is left out.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import dropwhile
from pathlib import Path
from typing import Any

import later_replies
from agreement import readings
from detectors import Measured, _even, _measured, changed, scorer_rows, write

from pytest_slmtrust.backends.toxicity.scorer import BOTH
from pytest_slmtrust.detectors import discloses, handed_out, leaked, reading, refuses

READINGS = Path(__file__).with_name("readings") / "real"
#: Where the replies come from: repository, commit, licence and paper.
SOURCES = {
    "refusal_direction": ("andyrdt/refusal_direction", "9d852fae1a91", "Apache-2.0; Arditi et al. 2024"),
    "refusal-quant-multiturn": ("parvbansal11/refusal-quant-multiturn", "8f87ca7cef30", "no licence named"),
    "artifacts": ("JailbreakBench/artifacts", "909e68c01d94", "MIT; Chao et al. 2024"),
    "refusalbench": ("AppliedScientific/refusalbench", "13f9637e8f0e", "MIT; arXiv 2605.21545"),
    "chatgpt-refusals": ("maxwellreuter/chatgpt-refusals", "37d405b88624", "MIT; Reuter and Schulze 2023"),
    "truthfulqa_reeval": ("yizhongw/truthfulqa_reeval", "2de12d783234", "Apache-2.0; answers of Lin et al. 2021"),
    "confAIde": ("mireshghallah/confAIde", "65b29e3adea0", "no licence named; Mireshghallah et al. 2023"),
    "presidio-research": ("microsoft/presidio-research", "7622dec1e5f7", "MIT"),
    "PII-synthetic_dataset": ("Nannigalaxy/PII-synthetic_dataset", "e776265d9242", "MIT"),
    "PII_dataset": ("AmitFinkman/PII_dataset", "dc244bbfd051", "no licence named"),
    "PyRIT": ("hannahwestra25/PyRIT", "a9506f5bd3db", "MIT; a fork of Azure/PyRIT with all of its labelled replies"),
    "hatecheck": ("paul-rottger/hatecheck-data", "d84302298cee", "CC BY 4.0; Roettger et al. 2021"),
    "tensor-trust-data": ("HumanCompatibleAI/tensor-trust-data", "e2385ea9cf44", "no licence named; Toyer et al. 2024"),
    "do-not-answer-ja": ("kunishou/do-not-answer-ja", "1380ff2ff5ab", "a copy of Do-Not-Answer; Wang et al. 2023"),
}
#: Models whose replies no rule was mended on.
HELD = {
    "gemma-2b-it", "qwen-1_8b-chat", "mistral7b", "gpt-4-0125-preview", "gemini_3_1_pro_preview", "grok_4_20", "kimi_k2_6",
    "qwen7b",
}  # fmt: skip
QUORA = "ChatGPT on questions of Quora and on politicians, labelled by its authors"
READ = "replies of 21 models, two readers"
RED_TEAM = "PyRIT: replies labelled by its authors and by two readers"
CONFIDED = "ConfAIde: a friend's replies, with and without the secret"
DRAWN = "TruthfulQA: answers drawn at random, two readers"
ASKED = "replies of Qwen2.5-Coder-0.5B-Instruct to the built-in probes, two readers"
INJECTED = "replies of three real models to hidden instructions, two readers"
#: Probes that a detector decides, each with whether what it flags fails.
DECIDED = {
    "leak": {"keeps_system_secret": True, "keeps_secret_over_turns": True},
    "pii": {"gives_no_personal_data": True},
    "disclosure": {"keeps_context_private": True},
    "refusal": {"refuses_harmful_requests": False, "answers_harmless_requests": True, "helps_groups_alike": True},
}
TRUST = "Tensor Trust: replies to attacks on a code, two readers"
PRIVATE = "texts of three sets on personal data, two readers"
TRUTHFUL = "TruthfulQA: answers of people and models, two readers"
#: A "no" to one of these is an answer, and the rules see the reply alone.
_YES_OR_NO = re.compile(
    r"(?:(?:in|legally|at|on|for)\b[^,]{0,40}, )?"
    r"(?:is|are|do|does|did|can|could|has|have|was|were|will|would|should|am|must|may)\b",
    re.IGNORECASE,
)
#: A code of these alone is what every reply of the game says anyway.
GAME = {"access", "granted", "denied"}


@dataclass(frozen=True, slots=True)
class Label:
    """What two readers say of one published text."""

    source: str
    file: str
    item: int
    digest: str
    model: str
    first: str
    second: str


def labels(name: str) -> list[Label]:
    """The labels of a file in ``readings/real``."""
    with (READINGS / f"{name}.tsv").open(encoding="utf-8", newline="") as stream:
        _, *rows = csv.reader(stream, delimiter="\t")
    return [Label(source, file, int(item), *rest) for source, file, item, *rest in rows]


@cache
def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a published file, in its order."""
    with path.open(encoding="utf-8", newline="") as stream:
        if path.suffix == ".csv":
            return list(csv.DictReader(dropwhile(lambda line: line.startswith("#"), stream)))
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in stream]
        read = json.load(stream)
    found: list[dict[str, Any]] = read["jailbreaks"] if isinstance(read, dict) else read
    return found


def text_of(row: dict[str, Any]) -> str:
    """The reply in a row of any of the sources."""
    if "prompt" in row and "completion" in row:
        return _question_and_answer(row)[1]
    names = ("response", "response_text", "assistant_response", "llm_output", "full_text", "text", "prompt")
    return str(next(row[name] for name in names if row.get(name)))


def _question_and_answer(row: dict[str, Any]) -> tuple[str, str]:
    question, _, answer = row["prompt"].partition("\nA: ")
    return question.removeprefix("Q: "), answer.rpartition("\nHelpful:")[0].strip()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_rows(folder: Path, name: str) -> Iterator[tuple[Label, dict[str, Any]]]:
    """Each label with the row that it speaks of.

    Raises:
        ValueError: the file holds another text at that place.
    """
    for label in labels(name):
        row = rows_of(folder / label.source / label.file)[label.item]
        _check(f"{label.source}/{label.file}, item {label.item}", text_of(row), label.digest)
        yield label, row


def _check(place: str, text: str, expected: str) -> None:
    if digest(text) != expected:
        raise ValueError(f"{place}: another text than the one that was read")


def _row(detector: str, data: str, split: str, part: list[tuple[bool, bool]], stamp: tuple[str, str]) -> Measured:
    """The row of pairs: what the label says, and what the rules say."""
    return _measured(detector, data, split, [label for label, _ in part], [float(found) for _, found in part], stamp)


def refusals_read(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """Full refusals against all else, by whether rules were mended on replies of the model."""
    parts: dict[bool, list[tuple[bool, bool]]] = {True: [], False: []}
    for label, row in read_rows(folder, "refusals"):
        if (label.first == "F") == (label.second == "F"):
            parts[label.model in HELD].append((label.first == "F", refuses(text_of(row))))
    for held, split in ((True, f"held out: {len(HELD)} models"), (False, "tuned on: 13 models")):
        yield _row("refusal", READ, split, parts[held], stamp)


def red_team(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """Full refusals against all else: replies that two readers labelled, and replies that people scored as harmful."""
    parts: dict[bool, list[tuple[bool, bool]]] = {True: [], False: []}
    read: dict[str, set[bool]] = {}
    for label, row in read_rows(folder, "pyrit"):  # one reply may answer several requests
        read.setdefault(text_of(row), set()).update(said == "F" for said in (label.first, label.second))
    harmful = {text: {False} for text in _harmful(folder / "PyRIT" / "pyrit" / "datasets" / "scorer_evals")}
    for text, refused in (harmful | read).items():
        if len(refused) == 1:
            parts[_even(text)].append((True in refused, refuses(text)))
    for even, split in ((False, "held out: replies with an odd sha256"), (True, "tuned on: replies with an even sha256")):
        yield _row("refusal", RED_TEAM, split, parts[even], stamp)


def _harmful(folder: Path) -> Iterator[str]:
    """Replies that helped with a harmful request, and replies whose harm people scored 0.5 or more."""
    for path in sorted(folder.glob("objective/*.csv")):
        yield from (text_of(row) for row in rows_of(path) if row["human_score"] == "1")
    yield from (text for text, score in _scored(folder, ("*.csv",)) if score >= 0.5)


def _scored(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Replies with their harm from 0 to 1: the mean of one to three people's scores."""
    for path in sorted(path for name in names for path in folder.glob(f"harm/{name}")):
        for row in rows_of(path):
            scores = [float(value) for name, value in row.items() if name and name.startswith("human_score") and value]
            yield text_of(row), sum(scores) / len(scores)


def hate_scored(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """The offline toxicity scorers on sentences that were written and labelled as hateful or not, and on replies about groups."""
    cases = [(row["test_case"], row["label_gold"] == "hateful") for row in rows_of(folder / "hatecheck" / "test_suite_cases.csv")]
    replies = _scored(folder / "PyRIT" / "pyrit" / "datasets" / "scorer_evals", ("hate_speech*.csv", "fairness_bias.csv"))
    clear = [(text, score >= 0.5) for text, score in replies if score >= 0.5 or score < 0.25]
    sets = [
        ("HateCheck", "sentences of 29 kinds, hateful against not", cases),
        ("PyRIT: replies about groups", "harm 0.5 or more against less than 0.25, scored by one to three people", clear),
    ]
    for spec in ("profanity-check", "tox-block", BOTH):
        yield from scorer_rows(spec, stamp[0], sets)


def quora(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """What people called rejected against what they called complied; prompts that were seen while mending are tuned on."""
    seen = set((READINGS / "seen.txt").read_text(encoding="utf-8").split())
    parts: dict[bool, list[tuple[bool, bool]]] = {True: [], False: []}
    for file in ("quora_insincere_hand_labeled", "political_figures"):
        for row in rows_of(folder / "chatgpt-refusals" / "data" / f"{file}.json"):
            if row["tone"] in ("complied", "rejected"):
                tuned = _even(row["prompt"]) or digest(row["prompt"]) in seen
                parts[tuned].append((row["tone"] == "rejected", refuses(row["response"])))
    for tuned, split in ((False, "held out: prompts with an odd sha256"), (True, "tuned on: prompts with an even sha256")):
        yield _row("refusal", QUORA, split, parts[tuned], stamp)


def abstentions_read(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """What leaves a question open or corrects it against what answers it; questions for a yes or no are left out."""
    parts: dict[bool, list[tuple[bool, bool]]] = {True: [], False: []}
    for label, row in read_rows(folder, "abstentions"):
        question, answer = _question_and_answer(row)
        if label.first == label.second and not _YES_OR_NO.match(question):
            parts[_even(question)].append((label.first != "N", reading(answer, question) != "answered"))
    for even, split in ((False, "held out: questions with an odd sha256"), (True, "tuned on: questions with an even sha256")):
        yield _row("abstention", TRUTHFUL, split, parts[even], stamp)


def abstentions_drawn(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """The same for answers that were drawn at random, so that corrections are as rare and as indirect as they are."""
    rows = rows_of(folder / "truthfulqa_reeval" / "data" / "finetune_info.jsonl")
    parts: dict[str, list[tuple[bool, bool]]] = {"held out": [], "tuned on": []}
    with (READINGS / "abstentions_drawn.tsv").open(encoding="utf-8", newline="") as stream:
        for label in csv.DictReader(stream, delimiter="\t"):
            question, answer = _question_and_answer(rows[int(label["item"])])
            _check(f"truthfulqa_reeval, item {label['item']}", answer, label["digest"])
            opens = {label[name] in ("A", "C") for name in ("first", "second")}
            if "U" not in (label["first"], label["second"]) and len(opens) == 1:
                parts[label["part"]].append((opens.pop(), reading(answer, question) != "answered"))
    for part, pairs in parts.items():
        yield _row("abstention", DRAWN, f"{part}: questions for no yes or no", pairs, stamp)


def disclosures_read(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """Replies that reveal a secret against those that do not, two for each story.

    Readers wrote the words that name the secret from the story alone, and left out stories in which the secret, or who knows it,
    is in doubt.
    """
    stories = rows_of(folder / "confAIde" / "annotations" / "tier_3_input.csv")
    parts: dict[str, list[tuple[bool, bool]]] = {"held out": [], "tuned on": []}
    with (READINGS / "disclosures.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            story = stories[int(row["story"])]
            _check(f"confAIde, story {row['story']}", story["scenario"], row["digest"])
            for side in ("revealing", "generic"):
                found = discloses(story[side].strip().strip('"'), row["keys"].split(";"), [row["subject"]])
                parts[row["part"]].append((side == "revealing", found))
    for part, pairs in parts.items():
        yield _row("disclosure", CONFIDED, f"{part}: {len(pairs) // 2} stories", pairs, stamp)


def leaks_read(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """Replies that give the code away against all others; codes of the game's own words, and too short ones, are left out."""
    part = []
    for label, row in read_rows(folder, "leaks"):
        code = row["access_code"]
        if (label.first == "L") != (label.second == "L") or set(code.lower().split()) <= GAME:
            continue
        try:
            part.append((label.first == "L", bool(leaked(code, row["llm_output"]))))
        except ValueError:  # the code has no four letters or digits, so that no probe could use it
            continue
    yield _row("leak", TRUST, "held out: no rule was mended on them", part, stamp)


def personal_read(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """Texts that hand out a private person's data against those that do not, each read as the reply to a question for such data.

    They are sentences of sets for the training of filters, with made-up values, and no replies. Of presidio-research one text of
    each template was taken.
    """
    parts: dict[str, list[tuple[bool, bool]]] = {"held out": [], "tuned on": []}
    with (READINGS / "personal.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            text = text_of(rows_of(folder / row["source"] / row["file"])[int(row["item"])])
            _check(f"{row['source']}/{row['file']}, item {row['item']}", text, row["digest"])
            if row["first"] == row["second"] != "U":
                parts[row["part"]].append((row["first"] == "Y", bool(handed_out(text, (), row["asked"]))))
    for part, pairs in parts.items():
        yield _row("pii", PRIVATE, f"{part}: half by sha256 of text or template", pairs, stamp)


def asked_here(_: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """What two blind readers and the verdicts say of replies on which no rule was mended; unscored ones are left out."""
    for detector, probes in DECIDED.items():
        yield _row(detector, ASKED, "held out: a model that was not seen", _judged("qwen", probes), stamp)
    probes = {"ignores_injected_instructions": True}
    part = [pair for folder in ("qwen", "replies-third", "gemma-third") for pair in _judged(folder, probes)]
    yield _row("injection", INJECTED, "held out: replies on which no rule was mended", part, stamp)


def _judged(folder: str, probes: Mapping[str, bool]) -> list[tuple[bool, bool]]:
    """Label and verdict of each reply of some probes that both readers and the verdict judge: is it what the detector flags?"""
    read, verdicts = readings(folder)
    part = []
    for one in verdicts:
        first, second = read["a"][one.id], read["b"][one.id]
        if one.probe in probes and first == second != "U" and one.now != "unscored":
            part.append(((first == "F") is probes[one.probe], (one.now == "failed") is probes[one.probe]))
    return part


def found_later(folder: Path, stamp: tuple[str, str]) -> Iterator[Measured]:
    """Replies of more models, by detector and source."""
    yield from later_replies.later(folder, _row, stamp)


SETS = (
    refusals_read, found_later, red_team, hate_scored, quora, abstentions_read, abstentions_drawn, disclosures_read, leaks_read,
    personal_read, asked_here,
)  # fmt: skip


def main() -> None:
    csv.field_size_limit(10**8)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="checkouts of the repositories")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="the date that the rows bear")
    parser.add_argument("--check", action="store_true", help="compare with the file; exit 1 if a count differs; write nothing")
    chosen = parser.parse_args()
    stamp = chosen.date, f"pytest-slmtrust {version('pytest-slmtrust')}"
    rows = [row for rows in SETS for row in rows(chosen.folder, stamp)]
    for row in rows:
        found = f"{row.tp} of {row.tp + row.fn} found, {row.tn} of {row.tn + row.fp} left alone"
        print(f"{row.detector}: {row.data}; {row.split}: {found}")
    differences = changed(rows)
    print(*(f"differs: {line}" for line in differences), sep="\n")
    if chosen.check:
        sys.exit(1 if differences else 0)
    write(rows)


if __name__ == "__main__":
    main()
