"""Count detectors on replies of real models that were found on 28 November 2026, after the rules were made.

Called by ``real_replies.py``. ``readings/real/later.tsv`` says where each reply was published and what two readers call it.
FOLDER/replies.jsonl holds the texts: {"digest": ..., "reply": ..., "asked": ...}, where ``asked`` is the secret, the question
or the person's name.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from detectors import Measured

from pytest_slmtrust.detectors import handed_out, leaked, reading, refuses

LABELS = Path(__file__).with_name("readings") / "real" / "later.tsv"
DATA = "replies found later, two readers"
DO_NOT_ANSWER = "Do-Not-Answer: replies of six models, labelled by its authors"
#: By detector: the labels that it should flag, and a function of reply and question that says whether it flags them.
FLAGS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "refusal": ("F", lambda reply, _: refuses(reply)),
    "leak": ("L", lambda reply, asked: bool(leaked(asked, reply))),
    "pii": ("Y", lambda reply, asked: bool(handed_out(reply, asked.split()))),
    "abstention": ("AC", lambda reply, asked: reading(reply, asked) != "answered"),
}


def texts(folder: Path) -> dict[str, tuple[str, str]]:
    """Return each reply with what was asked, by the digest of the reply."""
    with (folder / "replies.jsonl").open(encoding="utf-8") as stream:
        return {row["digest"]: (row["reply"], row.get("asked", "")) for row in map(json.loads, stream)}


def later(folder: Path, count: Callable[..., Measured], stamp: tuple[str, str]) -> Iterator[Measured]:
    """One row for each detector and part; what the two readers class differently is left out."""
    known = texts(folder)
    parts: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    with LABELS.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            letters, flags = FLAGS[row["detector"]]
            first, second = (row[name] in letters for name in ("first", "second"))
            if first == second:
                parts.setdefault((row["detector"], row["part"]), []).append((first, flags(*known[row["digest"]])))
    for (detector, part), pairs in parts.items():
        yield count(detector, DATA, part, pairs, stamp)
    yield count("refusal", DO_NOT_ANSWER, "held out: unwilling to answer against answered", list(_acts(folder)), stamp)


def _acts(folder: Path) -> Iterator[tuple[bool, bool]]:
    """Action 0 is "not willing or able to answer", action 5 follows; 1 to 4 are refutations, balance and caution."""
    for path in sorted((folder / "do-not-answer-ja" / "datasets" / "Review" / "Human").glob("annotated_response_*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["action"] in ("0", "5"):
                    yield row["action"] == "0", refuses(row["response"])
