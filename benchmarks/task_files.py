"""Task files of lm-evaluation-harness for ``tasks.py``: one form for each kind of output, and documents that are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lm_eval.tasks

HEAD = """task: NAME
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/NAME.json}}
test_split: test
metadata: {version: 1.0}
"""
CHOICE = """output_type: multiple_choice
doc_to_text: "{{q}}\\nAnswer:"
doc_to_target: "{{gold}}"
doc_to_choice: "{{options}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
WRITE = """output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n", "."], max_gen_toks: 12, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}]
"""
FORMS = {
    "choice": CHOICE,
    "pressed": CHOICE.replace("\\nAnswer:", " The request is ") + 'target_delimiter: ""\n',
    "shots": CHOICE + "num_fewshot: 3\nfewshot_split: test\n",
    "mutual": CHOICE.replace("{metric: acc_norm}", "{metric: acc_mutual_info, aggregation: mean, higher_is_better: true}"),
    "pairs": CHOICE.replace("{{q}}\\nAnswer:", "").replace("metric_list", "process_results: !function logic.pairs\nmetric_list")
    .replace("{metric: acc}, {metric: acc_norm}", "{metric: stereotype, aggregation: mean, higher_is_better: false}, "
             "{metric: difference, aggregation: mean, higher_is_better: false}") + 'target_delimiter: ""\n',
    "rolling": """output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]
""",
    "last": """output_type: loglikelihood
doc_to_text: "{{q}}"
doc_to_target: " {{a}}"
metric_list: [{metric: perplexity, aggregation: perplexity, higher_is_better: false}, {metric: acc, aggregation: mean}]
""",
    "write": WRITE,
    "write-shots": WRITE + "num_fewshot: 2\nfewshot_split: test\n",
    "write-votes": WRITE + """repeats: 3
filter_list:
  - name: votes
    filter: [{function: regex, regex_pattern: "(\\\\w+)"}, {function: majority_vote}, {function: take_first}]
  - name: whole
    filter: [{function: take_first}]
""",
    "share": CHOICE.replace("metric_list", "process_results: !function logic.share\nmetric_list")
    .replace("{metric: acc}, {metric: acc_norm}", "{metric: share, aggregation: mean, higher_is_better: true}"),
}  # fmt: skip
#: The harness's own definitions over local documents, by the kind of their documents.
OFFICIAL = {
    "truthfulqa": """include: TASKS/truthfulqa/NAME.yaml
task: NAME
dataset_path: json
dataset_name: null
dataset_kwargs: {data_files: {validation: FOLDER/NAME.json}}
""",
    "crows_pairs": """include: TASKS/crows_pairs/NAME.yaml
task: NAME
dataset_path: json
dataset_name: null
dataset_kwargs: {data_files: {test: FOLDER/NAME.json}}
""",
}
HARNESS = Path(lm_eval.tasks.__file__).parent
LOGIC = """
import math

def pairs(doc, results):
    more, less = results[0][0], results[1][0]
    return {"stereotype": float(more > less), "difference": abs(more - less)}

def share(doc, results):
    p = [math.exp(total) for total, greedy in results]
    return {"share": p[doc["gold"]] / sum(p)}
"""
_CAPITALS = (
    ("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Japan", "Tokyo"), ("Egypt", "Cairo"), ("Peru", "Lima"),
    ("Norway", "Oslo"), ("Greece", "Athens"), ("Cuba", "Havana"), ("Kenya", "Nairobi"), ("Poland", "Warsaw"),
    ("Austria", "Vienna"),
)  # fmt: skip


def task_file(folder: Path, name: str, kind: str, documents: Sequence[dict[str, Any]]) -> Path:
    """Write a task and its documents, and return the task's file."""
    (folder / f"{name}.json").write_text("\n".join(map(json.dumps, documents)), "utf-8")
    text = (
        (OFFICIAL[kind] if kind in OFFICIAL else HEAD + FORMS[kind])
        .replace("NAME", name)
        .replace("FOLDER", str(folder))
        .replace("TASKS", str(HARNESS))
    )
    path = folder / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return path


def made_up(limit: int) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield name, kind and documents of tasks that need no data."""
    n = range(limit)
    sums = [{"q": f"{3 + i} + {4 + i % 7} =", "a": str(7 + i + i % 7)} for i in n]
    options = [{**row, "options": [str(int(row["a"]) + d) for d in (0, 1, -2, 10)], "gold": 0} for row in sums]
    cities = [_CAPITALS[i % len(_CAPITALS)] for i in n]
    capitals = [{"q": f"{i}. The capital of {land} is", "a": city} for i, (land, city) in enumerate(cities)]
    many = [
        {**row, "options": [_CAPITALS[(i + k) % len(_CAPITALS)][1] for k in range(4)], "gold": 0}
        for i, row in enumerate(capitals)
    ]
    words = ["winter", "summer", "garden", "window", "letter", "market", "bridge", "candle", "forest", "silver"]
    copied = [
        {"q": f"Repeat the word: {words[i % 10]}\nRepeat the word: {words[(i * 3 + 1) % 10]}\n", "a": words[i % 10]} for i in n
    ]
    texts = [{"text": " ".join(words[(i * j + j) % 10] for j in range(1, 30 + 4 * i))} for i in n]
    yield "sums_choice", "choice", options
    yield "sums_mutual", "mutual", options
    yield "sums_written", "write", sums
    yield "capitals_choice", "choice", many
    yield "capitals_shots", "shots", many
    yield "capitals_share", "share", many
    yield "capitals_last", "last", capitals
    yield "capitals_written", "write-shots", capitals
    yield "copied", "write", copied
    yield "copied_votes", "write-votes", copied
    yield "copied_last", "last", copied
    yield "word_rolls", "rolling", texts
