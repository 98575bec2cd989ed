"""Numbers of a task: the one that its gate is about, and all of them by the task's own aggregation, with intervals."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ...audit.model import Estimate
from ...requests import Completion, Logprob
from .documents import Documents, Scores


class Kind(StrEnum):
    """What a task's main number is: 0 or 1 for each document, a mean in [0, 1], or anything else."""

    RATE = "rate"
    MEAN = "mean"
    METRIC = "metric"


#: Documents, and made-up answers to each, on which a metric shows what values it takes.
_TRIED, _TRIES = 4, 6
#: Groups of documents that the jackknife leaves out one after the other.
GROUPS = 50
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Main:
    """The number that a task's gate is about: its metric and filter, whether more is better, and its kind.

    ``rate``: 0 or 1 of each document, and their mean; ``mean``: in [0, 1] of each, and their mean; ``metric``: anything else.
    """

    key: tuple[str, str]
    higher: bool
    kind: Kind

    @property
    def title(self) -> str:
        metric, name = self.key
        return metric if name == "none" else f"{metric} ({name})"


def main_of(documents: Documents) -> Main:
    """Return the first metric that is a rate, else the first that is a mean in [0, 1], else the first.

    What a metric is shows on made-up answers: no metric says it of itself, and a task's code may give ``acc`` any value.

    Raises:
        Exception: what the task's code raises on each of them.
    """
    tried = _tried(documents)
    keys = list(dict.fromkeys(key for scores in tried for key in scores))
    declared = list(documents.task.aggregation())
    keys.sort(key=lambda key: declared.index(key[0]) if key[0] in declared else len(declared))  # stable: filters stay in order
    kinds = {key: _kind(documents, key, tried) for key in keys}
    for kind in Kind:
        first = next((key for key in keys if kinds[key] is kind), None)
        if first is not None:
            return Main(first, _is_higher_better(documents, first[0]), kinds[first])
    raise ValueError("its code gives no metric")


def _is_higher_better(documents: Documents, metric: str) -> bool:
    given = documents.task.higher_is_better().get(metric)
    return True if given is None else bool(given)


def _kind(documents: Documents, key: tuple[str, str], tried: Sequence[Scores]) -> Kind:
    values = [_number(scores.get(key)) for scores in tried]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values) or not all(0 <= value <= 1 for value in numbers):
        return Kind.METRIC
    try:
        whole = float(_aggregation(documents, key[0])([scores[key] for scores in tried]))
    except Exception:
        return Kind.METRIC
    if not math.isclose(whole, sum(numbers) / len(numbers), rel_tol=1e-9, abs_tol=1e-9):
        return Kind.METRIC
    return Kind.RATE if set(numbers) <= {0.0, 1.0} else Kind.MEAN


def _tried(documents: Documents) -> list[Scores]:
    """Return what the task says of made-up answers to its first documents; its scores are as before."""
    found, broken = list[Scores](), ValueError("it has no document")
    for number in range(min(_TRIED, len(documents))):
        for attempt in range(_TRIES):
            try:
                instances = documents.instances(number)
                made = [[_made_up(documents, one, attempt)] * int(one.repeats or 1) for one in instances]
                found.append(documents.judge(number, instances, made))
            except Exception as error:  # answers like these may be none that it can read
                broken = error if isinstance(error, ValueError) else ValueError(f"{type(error).__name__}: {error}")
            finally:
                documents.scores.clear()
    if not found:
        raise broken
    return found


def _made_up(documents: Documents, instance: Any, attempt: int) -> Any:
    if instance.request_type == "generate_until":
        return Completion(_replies(documents, instance, attempt), 1)
    text = f"{attempt}{instance.args}".encode("utf-8", "surrogatepass")
    drawn = int.from_bytes(hashlib.sha256(text).digest()[:4]) / 2**32
    return Logprob(-1 - 20 * drawn, drawn < 0.5, 1)


def _replies(documents: Documents, instance: Any, attempt: int) -> str:
    if attempt == 1:
        target = documents.task.doc_to_target(instance.doc)
        if isinstance(target, list):
            target = target[0] if target else ""
        return str(target)
    return ("", "", "1", "a word", "yes, of course\nno", "The answer is (A) 12.")[attempt]


def _number(value: Any) -> float | None:
    if isinstance(value, (str, bytes, tuple, list, dict)) or value is None:
        return None
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return None


def _aggregation(documents: Documents, metric: str) -> Callable[[Sequence[Any]], Any]:
    """Return how the harness sums a metric up: as the task says, else by the mean."""
    from lm_eval.api.metrics import mean

    found: Callable[[Sequence[Any]], Any] = documents.task.aggregation().get(metric) or mean
    return found


def estimates(documents: Documents, numbers: Sequence[int]) -> Iterator[tuple[tuple[str, str], Estimate]]:
    """Yield each metric of the documents by the task's own aggregation, with an interval. What is not a number is left out."""
    keys = dict.fromkeys(key for number in numbers for key in documents.scores[number])
    for key in keys:
        values = [documents.scores[number][key] for number in numbers if key in documents.scores[number]]
        made = estimate(values, _aggregation(documents, key[0]))
        if made is not None:
            yield key, made


def estimate(values: Sequence[Any], aggregate: Callable[[Sequence[Any]], Any]) -> Estimate | None:
    """Return what an aggregation makes of values; None if that is no finite number.

    The interval is exact for a mean of zeros and ones (Clopper & Pearson 1934), else by the delete-a-group jackknife with
    Student's t (Kott 2001): no draws, and it holds for any smooth aggregation.
    """
    from ...stats import exact_interval

    value = _finite(aggregate, values)
    if value is None:
        return None
    plain, n = [_number(one) for one in values], len(values)
    if n and all(one in (0.0, 1.0) for one in plain) and math.isclose(value, sum(map(float, plain)) / n, abs_tol=1e-12):  # type: ignore[arg-type]
        ends = exact_interval(round(value * n), n, CONFIDENCE)
        return Estimate(value, min(value, ends.lower), max(value, ends.upper), n, "Clopper-Pearson", CONFIDENCE)
    groups = min(GROUPS, n)
    without = [_finite(aggregate, [one for i, one in enumerate(values) if i % groups != g]) for g in range(groups)]
    if n < 2 or any(one is None for one in without):
        return Estimate(value, value, value, n, "no interval: too few documents", CONFIDENCE)
    half = _half_width([float(one) for one in without if one is not None], groups)
    return Estimate(value, value - half, value + half, n, f"jackknife over {groups} groups", CONFIDENCE)


def _half_width(without: Sequence[float], groups: int) -> float:
    from scipy import stats

    middle = sum(without) / groups
    variance = (groups - 1) / groups * sum((one - middle) ** 2 for one in without)
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * math.sqrt(variance)


def _finite(aggregate: Callable[[Sequence[Any]], Any], values: Sequence[Any]) -> float | None:
    try:
        made = float(aggregate(list(values)))
    except Exception:
        return None
    return made if math.isfinite(made) else None
