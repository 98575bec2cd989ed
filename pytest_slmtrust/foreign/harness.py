"""``results_*.json`` of lm-evaluation-harness, with the ``samples_*.jsonl`` next to it where they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..audit.model import AuditError, Estimate, Finding, Measure
from ..audit.nodeids import PACKS
from ..authoring.declarations import LARGEST_NUMBER, Criterion, Reading
from ..catalog.harness import dimension_of, probe_name
from ..catalog.registry import Choice
from .results import Foreign, Sample, Test, text_of, whole_object

#: Metrics that are 0 or 1 for each document, by the harness's own definitions: their mean over n documents is a count.
COUNTS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
#: How far a mean times n may be from a whole number, as files round.
_ROUNDING = 1e-6
CONFIDENCE = 0.95
#: Documents of the largest results.
_MOST = 10**12
#: What the sum over documents may differ by, as files round.
_CLOSE = 1e-4
#: The case of a test of which only a number is known.
TOGETHER = "all-documents"

#: Documents by filter.
Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]


def reads(text: str) -> bool:
    """Return whether a file is of the form that the harness gives its results."""
    return text[:100].lstrip().startswith("{") and '"results"' in text and ('"configs"' in text or '"n-shot"' in text)


def read(path: Path, text: str) -> Foreign:
    """Return the results of all tasks; groups are left out, since their numbers are made of these.

    Raises:
        AuditError: documents that are not those of the results; one line.
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: the file is broken.
    """
    data = json.loads(text, object_pairs_hook=whole_object)
    if not isinstance(data, dict) or not isinstance(data.get("results"), dict):
        raise ValueError("it has no results")
    groups = _groups(data["results"], data.get("group_subtasks") or {})
    tests = [_Task(path, data, name).test() for name in sorted(data["results"].keys() - groups)]
    config = data.get("config") or {}
    model = data.get("model_name") or config.get("model_args") or config.get("model") or "a model that the file does not name"
    started = str(data.get("date") or "")
    return Foreign("lm-evaluation-harness", str(data.get("lm_eval_version") or ""), str(model), started, tests, _notes(tests))


def _groups(results: Mapping[str, Any], subtasks: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the groups whose numbers are made of those of tasks in the file, at any depth; a name alone makes no group."""
    above: dict[str, list[str]] = {}
    for group, own in subtasks.items():
        for one in own or ():
            above.setdefault(one, []).append(group)
    found, reached = set[str](), [name for name in results if not subtasks.get(name)]
    while reached:
        new = set(above.get(reached.pop(), ())) - found
        found |= new
        reached += new
    return found


def _notes(tests: Sequence[Test]) -> list[str]:
    bare = [test.name for test in tests if [sample.id for sample in test.samples] == [TOGETHER]]
    if not bare:
        return []
    more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""
    return [f"NO SAMPLES: of {', '.join(bare[:3])}{more} the file has numbers only (--log_samples writes the documents)"]


@dataclass(frozen=True)
class _Task:
    """One task of a file. Values of its metrics are by ``metric,filter``."""

    path: Path
    data: Mapping[str, Any]
    name: str

    @property
    def values(self) -> dict[tuple[str, str], float]:
        """The metrics that are finite numbers, without their standard errors."""
        found = {}
        for key, value in self.data["results"][self.name].items():
            metric, comma, name = str(key).partition(",")
            plain = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if comma and plain and not metric.endswith("_stderr"):
                found[metric, name] = float(value)
        return found

    @property
    def n(self) -> int:
        """Documents, as the file says; 0 where it does not."""
        count = ((self.data.get("n-samples") or {}).get(self.name) or {}).get("effective")
        if count is not None and (type(count) is not int or not 0 < count <= _MOST):
            raise AuditError(f"{self.path}: task {self.name} has results of {str(count)[:40]} documents")
        return count or 0

    def higher(self, metric: str) -> bool:
        return (self.data.get("higher_is_better") or {}).get(self.name, {}).get(metric) is not False

    def test(self) -> Test:
        rows = self.rows()
        main = self.main(rows)
        if main is None:
            raise AuditError(f"{self.path}: task {self.name} has no metric that is a number")
        shown, dimension = _shown(main), dimension_of(self.name, Choice())
        samples, criterion = self.judged(rows, main)
        measures = [Measure(_shown(key), self.estimate(key, rows)) for key in self.values]
        claim = f"The model does the task {self.name} of lm-evaluation-harness"
        return Test(
            probe_name(self.name),
            dimension,
            claim,
            f"{PACKS}lm_eval",
            samples,
            measures,
            criterion,
            shown,
            verb=f"failed ({shown})",
        )

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return the documents under each filter; none without their file.

        Raises:
            AuditError: a line that is not a document, or fewer or more documents than the results are of.
        """
        stamp = self.path.stem.removeprefix("results")
        name = f"samples_{self.name}{stamp}.jsonl"
        file = self.path.parent / name
        if name != file.name or not file.is_file():  # a name with a slash leads elsewhere
            return {}
        found: dict[str, list[dict[str, Any]]] = {}
        for number, line in enumerate(text_of(file).split("\n"), start=1):  # a document may hold other ends of lines
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                found.setdefault(str(row.get("filter", "none")), []).append({**row, "doc_id": int(row["doc_id"])})
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
                raise AuditError(f"{file}: line {number} is not a document of lm-evaluation-harness") from None
        wrong = next((len(rows) for rows in found.values() if self.n and len(rows) != self.n), None)
        if wrong is not None or (self.n and not found):
            raise AuditError(f"{file}: {wrong or 'no'} documents; the results are of {str(self.n)[:40]}")
        return found

    def main(self, rows: Rows) -> tuple[str, str] | None:
        """Return the metric that the gate is about: the first that is 0 or 1 of each document, else a mean in [0, 1], else the
        first."""
        keys = list(self.values)
        for fits in (lambda v: v in (0.0, 1.0), lambda v: 0 <= v <= 1):
            for key in keys:
                scored = [one for one in _numbers(rows, key) if one is not None]
                if scored and all(map(fits, scored)) and _near(sum(scored) / len(scored), self.values[key]):
                    return key
        return next((key for key in keys if self.count(key) is not None), keys[0] if keys else None)

    def judged(self, rows: Rows, main: tuple[str, str]) -> tuple[list[Sample], Criterion | None]:
        """Return the cases, and what they are measured by: documents, or the number alone."""
        higher, own = self.higher(main[0]), list(zip(rows.get(main[1], ()), _numbers(rows, main), strict=True))
        values = [value for _, value in own if value is not None]
        total, lost = sum(values), len(own) - len(values)
        # where documents have no number, nobody knows what the tool made of them
        fits = bool(values) and (total - _CLOSE) / len(own) <= self.values[main] <= (total + lost + _CLOSE) / len(own)
        if fits and all(value in (0.0, 1.0) for value in values):
            return [_sample(row, value, "" if value is None else "passed" if (value == 1) is higher else "failed")
                    for row, value in own], None  # fmt: skip
        if values and all(0 <= value <= 1 for value in values) and _near(total / len(values), self.values[main]):
            return [_sample(row, value, "measured") for row, value in own], _limit("mean", higher)
        if self.counts(main) and (own or not 0 <= self.values[main] <= 1):
            given = f"its documents give {total / len(values):g}" if values else "a share of its documents lies between 0 and 1"
            raise AuditError(f"{self.path}: {_shown(main)} of {self.name} is {self.values[main]:g}; {given}")
        estimate, alone = self.estimate(main, rows), self.count(main) is None and not self.error(main)

        def of(findings: Sequence[Finding]) -> Reading:  # noqa: ARG001
            return Reading(estimate, void="the file gives no interval and no count" if alone else "")

        asked = f"{self.name} {self.n}"
        return [Sample(TOGETHER, "measured", self.values[main], asked=asked)], _limit(of, higher)

    def counts(self, key: tuple[str, str]) -> bool:
        """Return whether a metric is the mean of zeros and ones, by the harness's own definitions."""
        config = (self.data.get("configs") or {}).get(self.name) or {}
        return key[0] in COUNTS and config.get("process_results") is None

    def count(self, key: tuple[str, str]) -> int | None:
        """Return how many documents a mean of zeros and ones counts; None where nobody can say."""
        value = self.values[key]
        exact = value * self.n
        fits = 0 <= value <= 1 and abs(exact - round(exact)) <= _ROUNDING * max(1, self.n)
        return round(exact) if self.n and fits and self.counts(key) else None

    def error(self, key: tuple[str, str]) -> float:
        """Return the standard error that the file gives; 0 without one."""
        found = self.data["results"][self.name].get(f"{key[0]}_stderr,{key[1]}")
        least = _ROUNDING**2 * abs(self.values[key])  # less is no error of documents that differ
        return float(found) if isinstance(found, (int, float)) and least < found < math.inf else 0.0

    def estimate(self, key: tuple[str, str], rows: Rows) -> Estimate:
        """Return a metric with an exact interval where its documents or n tell the count, else by the file's standard error."""
        from ..stats import exact_interval

        own = _numbers(rows, key)
        value, n = self.values[key], self.n or len(own)
        of_documents = bool(own) and all(one in (0.0, 1.0) for one in own)
        count = sum(one == 1 for one in own) if of_documents else self.count(key)
        if count is not None and n and _near(count / n, value):
            ends = exact_interval(count, n, CONFIDENCE)
            return Estimate(value, min(value, ends.lower), max(value, ends.upper), n, "Clopper-Pearson", CONFIDENCE)
        half = 1.959964 * self.error(key)
        method = "normal, by the standard error in the file" if half else "no interval: the file gives none"
        return Estimate(value, value - half, value + half, n, method, CONFIDENCE)


def _numbers(rows: Rows, key: tuple[str, str]) -> list[float | None]:
    """Return the values of a metric, document by document under its filter."""
    return [_number(row.get(key[0])) for row in rows.get(key[1], ())]


def _limit(of: Any, higher: bool) -> Criterion:
    return Criterion(of, at_least=0.5, measured=True) if higher else Criterion(of, at_most=0.5, measured=True)


def _sample(row: Mapping[str, Any], value: float | None, outcome: str) -> Sample:
    """Return a document as a case; one without a value is unscored."""
    number = str(row["doc_id"])
    asked = "".join(str(row.get(name, "")) for name in ("doc_hash", "prompt_hash", "target_hash"))
    if value is None:
        return Sample(number, "unscored", None, "", "the file has no number for this document", asked)
    told: Any = {"passed": "passed", "failed": "failed"}.get(outcome, "measured")
    return Sample(number, told, value if told == "measured" else None, "", "", asked, _evidence(row))


def _evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first prompt and the first filtered answer, where they are texts."""
    arguments, made = row.get("arguments"), dict[str, Any]()
    first = next(iter(arguments.values()), {}) if isinstance(arguments, dict) else (arguments or [[]])[0]
    prompt = first.get("arg_0") if isinstance(first, dict) else next(iter(first), None)
    replies = row.get("filtered_resps") or []
    if isinstance(prompt, str):
        made["prompt"] = prompt
    if isinstance(replies, list) and replies and isinstance(replies[0], str):
        made["reply"] = replies[0]
    return made


def _number(value: Any) -> float | None:
    plain = isinstance(value, (int, float)) and abs(value) <= LARGEST_NUMBER
    return float(value) if plain else None


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)


def _shown(key: tuple[str, str]) -> str:
    metric, name = key
    return metric if name == "none" else f"{metric} ({name})"
