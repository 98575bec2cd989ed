"""How often the rules for abstention and for answer matching err on replies of the embedded model to SelfAware questions.

    python benchmarks/abstention.py              # ask again (some minutes), compare with the labels, print the tables
    python benchmarks/abstention.py --write      # and write the row into pytest_slmtrust/detectors.toml
    python benchmarks/abstention.py --replies FILE   # keep the replies there, or take them from there

150 answerable and 150 unanswerable questions, chosen by hash, each asked twice: plainly, and with the leave to say that nobody
can know. ``abstention_labels.csv`` holds for each reply the row's id, the sha256 of the reply and what one reader, the author,
called it: ``answers``, ``open`` (not known, undecided, declined), ``evades`` (speaks of itself instead) or ``corrects``; and for
an answerable question whether the reply is right. Neither questions nor replies stand there. Rules were tuned on the errors of
the half whose hash is even; while that half was read, six labels were changed so that like replies are labelled alike.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors import Measured, write
from public_data import DATA
from tables import table

from pytest_slmtrust import Completion, Generate, chat
from pytest_slmtrust.detectors import contains_answer, degenerate, reading

LABELS = Path(__file__).with_name("abstention_labels.csv")
EACH, NEW_TOKENS = 150, 32
FORMS = {"plain": "{}", "may": "{} If nobody can know the answer, say so."}
SET = "SelfAware questions, replies of SmolLM2-135M-Instruct"
HELD_OUT, TUNED = "held out: questions and forms with an odd sha256", "tuned on: questions and forms with an even sha256"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply with its label; ``right`` is None where nobody asked, or nobody could tell."""

    form: str
    question: int
    asked: str
    text: str
    aliases: tuple[str, ...]
    label: str
    right: bool | None

    @property
    def held_out(self) -> bool:
        return int(hashlib.sha256(f"{self.form}/{self.question}".encode()).hexdigest(), 16) % 2 == 1


def chosen(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """150 answerable and 150 unanswerable rows, by the hash of their id."""
    ordered = sorted(rows, key=lambda r: hashlib.sha256(f"abstention/{r['question_id']}".encode()).hexdigest())
    parts = [[r for r in ordered if r["answerable"] is answerable][:EACH] for answerable in (True, False)]
    return [row for part in parts for row in part]


def asked(rows: Sequence[dict[str, object]]) -> list[str]:
    """The replies of the embedded model, greedy, form by form."""
    from pytest_slmtrust.backends.load import ModelSpec, load_backend

    requests = [
        Generate(chat(form.format(row["question"])), max_new_tokens=NEW_TOKENS) for form in FORMS.values() for row in rows
    ]
    answers = dict(load_backend(ModelSpec("smollm2-135m-instruct")).run(requests))
    found = [answers[i] for i in range(len(requests))]
    lost = [answer for answer in found if not isinstance(answer, Completion)]
    if lost:
        raise SystemExit(f"{len(lost)} questions could not be asked: {lost[0]}")
    return [answer.text for answer in found]


def labelled(rows: Sequence[dict[str, object]], texts: Sequence[str]) -> list[Reply]:
    """The replies that are, word for word, those that were labelled."""
    with LABELS.open(encoding="utf-8", newline="") as stream:
        known = {(r["form"], int(r["question_id"])): r for r in csv.DictReader(stream)}
    pairs = [(form, row) for form in FORMS for row in rows]
    made = []
    for (form, row), text in zip(pairs, texts, strict=True):
        label = known[form, int(str(row["question_id"]))]
        if hashlib.sha256(text.encode()).hexdigest()[:12] == label["reply_sha256"]:
            answers = row["answer"] if isinstance(row["answer"], list) else []
            aliases = tuple(a for a in answers if any(map(str.isalnum, a)))
            right = bool(int(label["right"])) if label["right"] else None
            made.append(Reply(form, int(label["question_id"]), str(row["question"]), text, aliases, label["label"], right))
    return made


def counts(pairs: Iterable[tuple[bool, bool]]) -> tuple[int, int, int, int]:
    """``tp, fn, tn, fp`` of (label, found)."""
    every = list(pairs)
    return every.count((True, True)), every.count((True, False)), every.count((False, False)), every.count((False, True))


def abstention(replies: Iterable[Reply]) -> tuple[int, int, int, int]:
    """Does not answer as if known, by label and by the rules; replies that are none are not judged."""
    judged = [r for r in replies if not degenerate(r.text)]
    return counts((r.label != "answers", reading(r.text, r.asked) != "answered") for r in judged)


def matching(replies: Iterable[Reply]) -> tuple[int, int, int, int]:
    """States the answer of an answerable question, by label and by the match of an alias."""
    judged = [r for r in replies if r.right is not None and r.aliases and not degenerate(r.text)]
    return counts((bool(r.right), contains_answer(r.text, r.aliases)) for r in judged)


def measured(replies: Sequence[Reply], date: str) -> list[Measured]:
    """The rows for ``detectors.toml``."""
    from importlib.metadata import version

    made = []
    for split, held_out in ((HELD_OUT, True), (TUNED, False)):
        tp, fn, tn, fp = abstention([r for r in replies if r.held_out is held_out])
        auc = round((tp / (tp + fn) + tn / (tn + fp)) / 2, 4)
        accuracy = round((tp + tn) / (tp + fn + tn + fp), 4)
        versions = f"pytest-slmtrust {version('pytest-slmtrust')}"
        note = "one model, one reader; 32 tokens a reply"
        made.append(Measured("abstention", SET, split, tp, fn, tn, fp, 0.5, auc, date, versions, note, accuracy, outside=False))
    return made


def report(replies: Sequence[Reply]) -> None:
    """Print the tables of errors."""
    silent = sum(bool(degenerate(r.text)) for r in replies)
    head = ["", "open found", "open missed", "answers let through", "answers flagged"]
    parts = [(f"{form}, {half}", [r for r in replies if r.form == form and r.held_out is out])
             for form in FORMS for half, out in (("tuned on", False), ("held out", True))]  # fmt: skip
    parts += [("all held out", [r for r in replies if r.held_out])]
    table(
        "Abstention",
        head,
        [[name, *abstention(own)] for name, own in parts],
        f"{silent} of {len(replies)} are no replies: not judged",
    )
    head = ["", "right found", "right missed", "wrong not matched", "wrong matched"]
    rows = [[form, *matching([r for r in replies if r.form == form])] for form in FORMS]
    table("Answer matching", head, rows, "answerable questions; those that the reader could not decide are left out")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replies", type=Path, help="a JSON file of the replies: written if it is not there, else read")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="the date that the rows bear")
    parser.add_argument("--write", action="store_true", help="write the rows into detectors.toml")
    options = parser.parse_args()
    path = DATA / "selfaware" / "SelfAware.json"
    if not path.is_file():
        sys.exit(f"{path} is not there: the public data sets are not part of this project")
    rows = chosen(json.loads(path.read_text("utf-8"))["example"])
    if options.replies and options.replies.is_file():
        texts = json.loads(options.replies.read_text("utf-8"))
    else:
        texts = asked(rows)
        if options.replies:
            options.replies.write_text(json.dumps(texts), encoding="utf-8")
    replies = labelled(rows, texts)
    if len(replies) < len(texts):
        print(f"{len(texts) - len(replies)} of {len(texts)} replies differ from those that were labelled, and are left out")
    if not replies:
        sys.exit("no reply is one of those that were labelled: the model, its template or its settings differ")
    report(replies)
    if options.write:
        write(measured(replies, options.date))


if __name__ == "__main__":
    main()
