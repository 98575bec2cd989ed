"""Measure the detectors on public human labels and write pytest_slmtrust/detectors.toml.

    python benchmarks/detectors.py                              # refusal rules and profanity-check
    python benchmarks/detectors.py --scorer detoxify:unbiased   # another scorer's rows are added, the rest stays
    python benchmarks/detectors.py --xstest FOLDER              # the completions of all five models
    python benchmarks/detectors.py --check                      # measure, and compare with the file instead of writing it

The data are read from the folder of public data (XSTest, RealToxicityPrompts, ToxiGen, Davidson et al. 2017) and never copied.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from public_data import DATA, MISSING
from scipy.stats import beta, rankdata
from tables import Bar, conclude, show

from pytest_slmtrust import Classify, Labels
from pytest_slmtrust.backends.toxicity.scorer import BOTH, THRESHOLD, load_scorer
from pytest_slmtrust.backends.toxicity.tox_block import WHEEL
from pytest_slmtrust.detectors import discloses, handed_out, leaked, reading, refuses

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = Path(__file__).with_name("outside")
TABLE = ROOT / "pytest_slmtrust" / "detectors" / "detectors.toml"
#: Where a row says less than it seems to.
NOTES = {
    ("leak", "replies of a second writer, against the rules"): "odd half before it was read: 21 of 26 found, 8 of 10 let through",
    ("pii", "replies of a second writer, against the rules"): "odd half before it was read: 14 of 17 found, 15 of 15 let through",
    (
        "refusal",
        "replies of a second writer, against the rules",
    ): "accuracy of its four sets before each was read: 0.76, 0.96, 0.58, 0.57",
    ("toxicity:profanity-check", "Davidson et al. 2017"): "these tweets are among its training data",
    ("toxicity:profanity-check+tox-block", "Davidson et al. 2017"): "these tweets are among the training data of profanity-check",
    (
        "refusal",
        "replies in models' styles",
    ): "third set, odd half, by rules mended on the even half: 32 of 37 found, 49 of 54 let"
    " through; fourth set, by rules mended on the even half of the third: 11 of 25 found, 31 of 35 let through",
    ("abstention", "replies in models' styles"): "third set, odd half, by rules mended on the even half: 16 of 20 found, 9 of 10"
    " let through",
    (
        "abstention",
        "TruthfulQA: answers of people and models, two readers",
    ): "two readers, language models of one family, agree on 416 of 420; questions for a yes or no are left out",
    (
        "abstention",
        "TruthfulQA: answers drawn at random, two readers",
    ): "two readers, language models of one family, agree on 1527 of 1560; answers that say nothing to the question are left out",
    ("refusal", "replies of 21 models, two readers"): "two readers, language models of one family, agree on 591 of 593",
    ("refusal", "replies found later, two readers"): "two readers, language models of one family, agree on 563 of 570; half of"
    " each part served to choose the two thresholds",
    (
        "leak",
        "Tensor Trust: replies to attacks on a code, two readers",
    ): "two readers, language models of one family, agree on 226 of 230; left out are codes of the game's own words (6 replies,"
    " of which 5 are flagged) and codes below four letters (23)",
    ("pii", "texts of three sets on personal data, two readers"): "sentences with made-up values, read as if they were replies",
    ("refusal", "XSTest v2 completions"): "a refusal of a harmless request about what does not exist is labelled now as one,"
    " now as none",
}
#: The row of each detector that speaks for it: labels that its rules or its training have not seen.
PRIMARY = {
    "abstention": "held out: questions for no yes or no",
    "refusal": "held out: Llama 2 (two prompts) and Mistral-guard, prompts with an odd sha256",
    "leak": "held out: no rule was mended on them",
    "pii": "held out: half by sha256 of text or template",
    "disclosure": "held out: 81 stories",
    "injection": "held out: replies on which no rule was mended",
}
#: XSTest's labelled completions: the first two are in the folder of public data, the others in the repository of the paper.
XSTEST = ("gpt4", "mistralinstruct", "llama2new", "llama2orig", "mistralguard")
TUNED_WHOLE = ("gpt4", "mistralinstruct")
OWN = "replies written before the rules"  # by their author, in ``benchmarks/outside``
#: Replies of a second writer, who attacked the rules; they were mended on them afterwards.
SECOND = "replies of a second writer, against the rules"
#: Replies of further writers in the styles of models.
STYLES = "replies in models' styles"
SETS = ("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh")
#: Halves of these that no rule was mended on, and that the network has not read.
UNREAD = {
    *(("abstention", name, False) for name in ("fourth", "fifth", "eighth")), ("abstention", "eighth", True),
    ("disclosure", "third", False),
    *(("disclosure", name, even) for name in ("fourth", "sixth", "ninth") for even in (True, False)),
    *((detector, "ninth", False) for detector in ("refusal", "abstention", "leak", "pii")),
    *(("refusal", "tenth", even) for even in (True, False)),
    *((detector, "eleventh", even) for detector in ("refusal", "abstention", "disclosure") for even in (True, False)),
}  # fmt: skip
PRIMARY_OF_SCORERS = "RealToxicityPrompts (sample)"
TUNED_BOTH = (PRIMARY_OF_SCORERS, "ToxiGen prompts")  # their even half gave the mean of two scorers its threshold
HEAD = """\
# What the detectors found on labelled texts, most of them public or of real models, some written for the purpose:
# tp and fn are labelled positives found and missed, tn and fp labelled negatives passed and flagged; accuracy is
# (tp + tn) / all. The row with primary = true speaks for its detector. outside = false: the authors of the rules wrote or
# labelled the texts, so that a gate that rests on the detector does not block.
# Written by benchmarks/detectors.py, leaks.py, personal.py, abstention.py and real_replies.py; the texts are not in this file.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One detector on one data set: counts at its threshold, and the area under the ROC curve where it gives scores.

    ``primary``: this row speaks for the detector. ``outside``: others than the authors of the rules wrote and labelled the texts.
    """

    detector: str
    data: str
    split: str
    tp: int
    fn: int
    tn: int
    fp: int
    threshold: float
    auc: float
    date: str
    versions: str
    note: str = ""
    accuracy: float = 0.0
    primary: bool = False
    outside: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        return self.detector, self.data, self.split


def refusal_rows(date: str, folder: Path) -> Iterator[Measured]:
    """Full refusals against full compliance, by model and by whether the rules were tuned on that part."""
    stamp = date, f"pytest-slmtrust {version('pytest-slmtrust')}"
    files = {name: DATA / "xstest" / f"xstest_v2_completions_{name}.csv" for name in XSTEST}
    paths = {name: path if path.is_file() else folder / path.name for name, path in files.items()}
    rows = {name: _labelled(path) for name, path in paths.items() if path.is_file()}
    for name, found in rows.items():
        for even, prompts in ((True, "even"), (False, "odd")):
            part = [row for row in found if _even(row["id"]) == even]
            role = "tuned on" if even or name in TUNED_WHOLE else "held out"
            yield _refusals("XSTest v2 completions", f"{role}: {name}, prompts with an {prompts} sha256", part, stamp)
    held = [row for name in XSTEST if name not in TUNED_WHOLE for row in rows.get(name, []) if not _even(row["id"])]
    if all(name in rows for name in XSTEST):
        yield _refusals("XSTest v2 completions", PRIMARY["refusal"], held, stamp)
    own = tomllib.loads((OUTSIDE / "refusal.toml").read_text(encoding="utf-8"))["row"]
    labelled = [{"completion": r["reply"], "final_label": "2" if r["kind"] == "full" else "1"} for r in own]
    for even in (True, False):
        part = [row for row in labelled if _even(row["completion"]) == even]
        yield _refusals(OWN, f"tuned on{'' if even else ' by the network'}: half by sha256", part, stamp)


def own_rows(date: str) -> Iterator[Measured]:
    """The other rules on the replies that were written before them, by half."""
    stamp = date, f"pytest-slmtrust {version('pytest-slmtrust')}"
    name = tomllib.loads((OUTSIDE / "personal.toml").read_text(encoding="utf-8"))["person"].split()
    found: dict[str, tuple[str, str, Callable[[dict[str, str]], bool]]] = {
        "leak": ("leak", "leaks", lambda row: bool(leaked(row["secret"], row["reply"]))),
        "pii": ("personal", "gives", lambda row: bool(handed_out(row["reply"], name))),
        "abstention": ("abstention", "abstains", lambda row: reading(row["reply"]) != "answered"),
    }
    for detector, (file, label, finds) in found.items():
        rows = tomllib.loads((OUTSIDE / f"{file}.toml").read_text(encoding="utf-8"))["row"]
        for even in (True, False):
            part = [row for row in rows if _even(row["reply"]) == even]
            split = f"{'tuned on' if even else 'held out'}: half by sha256"
            yield _measured(detector, OWN, split, [row[label] for row in part], [float(finds(row)) for row in part], stamp)


def second_rows(date: str) -> Iterator[Measured]:
    """The rules on the replies of a second writer: of abstention and disclosure one half was not read."""
    stamp = date, f"pytest-slmtrust {version('pytest-slmtrust')}"
    refusals = _second("refusal")
    labels = [row["kind"] == "full" for row in refusals]
    found = [float(refuses(row["reply"])) for row in refusals]
    yield _measured("refusal", SECOND, "tuned on: full against partial, compliant and off topic", labels, found, stamp)
    for detector, (file, label, finds) in _kinds("Tilda Brenhold").items():
        for even in (True, False):
            part = [row for row in _second(file) if _even(row["reply"]) == even]
            held = not even and detector in ("abstention", "disclosure")
            split = f"{'held out' if held else 'tuned on'}: {'even' if even else 'odd'} half by sha256"
            yield _measured(detector, SECOND, split, [row[label] for row in part], [float(finds(row)) for row in part], stamp)


def style_rows(date: str) -> Iterator[Measured]:
    """The rules on replies in the styles of small models, each set by half."""
    stamp = date, f"pytest-slmtrust {version('pytest-slmtrust')}"
    kinds = _kinds("Marisol Tennant") | {"refusal": ("refusal", "kind", lambda row: refuses(row["reply"]))}
    for detector, (file, label, finds) in kinds.items():
        for name in (one for one in SETS if (OUTSIDE / f"{file}_{one}.toml").is_file()):
            for even in (True, False):
                part = [row for row in _second(file, name) if _even(row["reply"]) == even]
                role = "held out" if (detector, name, even) in UNREAD else "tuned on"
                split = f"{role}: {name} set, {'even' if even else 'odd'} half by sha256"
                labels = [row[label] in (True, "full") for row in part]
                yield _measured(detector, STYLES, split, labels, [float(finds(row)) for row in part], stamp)


def _kinds(name: str) -> dict[str, tuple[str, str, Callable[[dict[str, Any]], bool]]]:
    """For each detector of the written replies: their file, their label, and what it finds. ``name``: the private person's."""
    return {
        "leak": ("leak", "leaks", lambda row: bool(leaked(row["secret"], row["reply"]))),
        "pii": ("personal", "gives", lambda row: bool(handed_out(row["reply"], row.get("person", name).split(), row["asked"]))),
        "abstention": ("abstention", "abstains", lambda row: reading(row["reply"], row.get("question", "")) != "answered"),
        "disclosure": ("disclosure", "discloses", lambda row: discloses(row["reply"], row["keys"], row["person"].split())),
    }


def _second(file: str, name: str = "second") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads((OUTSIDE / f"{file}_{name}.toml").read_text(encoding="utf-8"))["row"]
    return rows


def _labelled(path: Path) -> list[dict[str, str]]:
    return [row for row in _csv(path) if row["final_label"][0] in "12"]


def _refusals(data: str, split: str, rows: Sequence[Mapping[str, str]], stamp: tuple[str, str]) -> Measured:
    labels = [row["final_label"][0] == "2" for row in rows]
    return _measured("refusal", data, split, labels, [float(refuses(row["completion"])) for row in rows], stamp)


def scorer_rows(spec: str, date: str, sets: Iterable[tuple[str, str, Iterable[tuple[str, bool]]]]) -> Iterator[Measured]:
    """One scorer on sets of labelled texts, each distinct text once."""
    scorer = load_scorer(spec, say=lambda line: print(line, file=sys.stderr))
    for data, split, labelled in sets:
        pairs = _distinct(labelled)
        answers = dict(scorer.run([Classify(text) for text, _ in pairs]))
        scored = [(toxic, answers[i]["toxicity"]) for i, (_, toxic) in enumerate(pairs) if isinstance(answers[i], Labels)]
        if len(scored) < len(pairs):
            print(f"{spec} on {data}: {len(pairs) - len(scored)} texts without a score, left out", file=sys.stderr)
        parts = [(split, scored)]
        if spec == BOTH and data in TUNED_BOTH:
            even = [_even(text) for i, (text, _) in enumerate(pairs) if isinstance(answers[i], Labels)]
            parts = [
                (f"{role} half by sha256: {split}", [one for one, is_even in zip(scored, even, strict=True) if is_even == wanted])
                for role, wanted in (("tuned on: even", True), ("held out: odd", False))
            ]
        for part, found in parts:
            toxic, scores = zip(*found, strict=True)
            yield _measured(f"toxicity:{spec}", data, part, toxic, scores, (date, _versions(spec)))


def _versions(spec: str) -> str:
    words = f"alt-profanity-check {version('alt-profanity-check')}, scikit-learn {version('scikit-learn')}"
    network = WHEEL.requirement.replace("==", " ")
    offline = {"profanity-check": words, "tox-block": network, BOTH: f"{words}, {network}"}
    return offline.get(spec) or ", ".join(f"{name} {version(name)}" for name in ("detoxify", "torch", "transformers"))


def _toxicity_sets() -> Iterator[tuple[str, str, Iterable[tuple[str, bool]]]]:
    parts = [_jsonl(DATA / "realtoxicityprompts" / f"{name}.jsonl") for name in ("toxic", "nontoxic")]
    texts = [row[side] for rows in parts for row in rows for side in ("prompt", "continuation")]
    scored = [(row["text"], row["toxicity"] >= 0.5) for row in texts if row.get("toxicity") is not None]
    yield "RealToxicityPrompts (sample)", "prompts and continuations, Perspective toxicity >= 0.5", scored
    yield SECOND, "sentences, insults and hate against harmless ones", [(r["text"], r["toxic"]) for r in _second("toxicity")]
    folder = DATA / "toxigen" / "prompts"
    files = [(path.name.startswith("hate"), path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.txt"))]
    sentences = [(part.strip(" -"), hate) for hate, text in files for line in text.splitlines() for part in line.split("\\n")]
    yield "ToxiGen prompts", "sentences of the prompts, hateful against neutral, 13 groups", [s for s in sentences if s[0]]
    tweets = [(row["tweet"], row["class"] != "2") for row in _csv(DATA / "davidson_hate_offensive" / "labeled_data.csv")]
    yield "Davidson et al. 2017", "tweets, hate or offensive against neither (known dialect bias)", tweets


def _distinct(rows: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Each text once; one that stands under both labels is left out."""
    labels: dict[str, set[bool]] = {}
    for text, toxic in rows:
        labels.setdefault(text, set()).add(toxic)
    return [(text, toxic.pop()) for text, toxic in labels.items() if len(toxic) == 1]


def _measured(
    detector: str, data: str, split: str, labels: Sequence[bool], scores: Sequence[float], stamp: tuple[str, str]
) -> Measured:
    """Counts at the threshold, and the area under the ROC curve by ranks. ``stamp``: date and versions."""
    found = [score >= THRESHOLD for score in scores]
    pairs = list(zip(labels, found, strict=True))
    tp, fn, tn, fp = (pairs.count(pair) for pair in ((True, True), (True, False), (False, False), (False, True)))
    ranks = rankdata(scores)
    above = sum(rank for rank, label in zip(ranks, labels, strict=True) if label) - (tp + fn) * (tp + fn + 1) / 2
    auc = round(float(above / ((tp + fn) * (tn + fp))), 4)
    accuracy = round((tp + tn) / len(pairs), 4)
    scorer = detector.startswith("toxicity:") and data == PRIMARY_OF_SCORERS and not split.startswith("tuned on")
    primary = scorer or PRIMARY.get(detector) == split
    note = NOTES.get((detector, data), "")
    outside = data not in (OWN, SECOND, STYLES)
    return Measured(detector, data, split, tp, fn, tn, fp, THRESHOLD, auc, *stamp, note, accuracy, primary, outside)


def _even(id_: str) -> bool:
    return int(hashlib.sha256(id_.encode()).hexdigest(), 16) % 2 == 0


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _jsonl(path: Path) -> list[dict[str, dict[str, Any]]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stored() -> list[Measured]:
    """The rows of the file."""
    return [Measured(**row) for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["measured"]] if TABLE.is_file() else []


def changed(rows: Sequence[Measured]) -> list[str]:
    """What is not counted as the file says."""
    old = {row.key: row for row in stored()}
    return [
        f"{' / '.join(row.key)}: {_counts(row)}, stored {_counts(old[row.key]) if row.key in old else 'not at all'}"
        for row in rows
        if row.key not in old or _counts(row) != _counts(old[row.key])
    ]


def _counts(row: Measured) -> tuple[int, int, int, int]:
    return row.tp, row.fn, row.tn, row.fp


def write(rows: Sequence[Measured]) -> None:
    """The rows, in the place of older ones of the same detector and data."""
    old = stored()
    fresh = {(row.detector, row.data) for row in rows}
    kept = [row for row in old if (row.detector, row.data) not in fresh]
    blocks = []
    for row in sorted([*kept, *rows], key=lambda row: row.key):
        fields = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in asdict(row).items())
        blocks.append(f"[[measured]]\n{fields}\n")
    TABLE.write_text(HEAD + "\n" + "\n".join(blocks), encoding="utf-8")


def _rate(k: int, n: int) -> str:
    low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return f"{k / n:.3f} [{low:.3f}, {high:.3f}]"


def measured_bars(found: Measured, bar: float) -> list[Bar]:
    """Whether sensitivity and specificity of a row reach a bar, printed."""
    se, sp = found.tp / (found.tp + found.fn), found.tn / (found.tn + found.fp)
    return show([Bar(f"{name} at least {bar}", value >= bar, f"{value:.3f}") for name, value in (("Se", se), ("Sp", sp))])


def keep_or_check(
    about: str | None, report: Callable[[], list[Bar]], row: Callable[[str], Measured], arguments: Sequence[str] | None
) -> None:
    """Print a rule's table; write its row into the file, or with ``--check`` compare with what stands there."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="the date that the row bears")
    parser.add_argument("--check", action="store_true", help="compare with the file; write nothing")
    chosen = parser.parse_args(arguments)
    bars, found = report(), row(chosen.date)
    if chosen.check and changed([found]):
        sys.exit("\n".join(changed([found])))
    if not chosen.check:
        write([found])
    conclude(bars)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scorer", action="append", help="a toxicity scorer to measure (repeatable; default: profanity-check)")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="the date that the rows bear")
    parser.add_argument("--xstest", type=Path, default=DATA / "xstest", metavar="FOLDER", help="labelled completions of XSTest")
    parser.add_argument("--check", action="store_true", help="compare with the file; exit 1 if a count differs; write nothing")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(MISSING)
    rows = [*refusal_rows(options.date, options.xstest)]
    rows += [row for written in (own_rows, second_rows, style_rows) for row in written(options.date)]
    for spec in options.scorer or ["profanity-check"]:
        rows += scorer_rows(spec, options.date, _toxicity_sets())
    print("| detector | data | split | n | accuracy | sensitivity [95 %] | specificity [95 %] | AUC |\n|-|-|-|-|-|-|-|-|")
    for row in rows:
        n = row.tp + row.fn + row.tn + row.fp
        rates = f"{_rate(row.tp, row.tp + row.fn)} | {_rate(row.tn, row.tn + row.fp)}"
        name = f"**{row.detector}**" if row.primary else row.detector
        print(f"| {name} | {row.data} | {row.split} | {n} | {row.accuracy:.3f} | {rates} | {row.auc:.3f} |")
    differences = changed(rows)
    print("\n**bold**: the primary row of its detector.", *(f"\ndiffers: {line}" for line in differences))
    if options.check:
        sys.exit(1 if differences else 0)
    write(rows)
    print(f"\nwritten: {TABLE}")


if __name__ == "__main__":
    main()
