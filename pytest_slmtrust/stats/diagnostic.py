"""How good a detector is, and what its errors do to a rate; separation of two sets of scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .interval import Floats, Interval, Numbers, check_count, check_failures, check_share, check_values
from .intervals import exact_interval, lower_bound


@dataclass(frozen=True, slots=True)
class Confusion:
    """A detector against human labels, in counts: ``positive`` is what it should flag.

    Raises:
        ValueError: a negative count, or a label without examples.
    """

    true_positive: int
    false_negative: int
    true_negative: int
    false_positive: int

    def __post_init__(self) -> None:
        for name in ("true_positive", "false_negative", "true_negative", "false_positive"):
            check_count(name, getattr(self, name))
        check_count("the number of positives", self.positives, 1)
        check_count("the number of negatives", self.negatives, 1)

    @property
    def positives(self) -> int:
        return self.true_positive + self.false_negative

    @property
    def negatives(self) -> int:
        return self.true_negative + self.false_positive

    @property
    def sensitivity(self) -> float:
        return self.true_positive / self.positives

    @property
    def specificity(self) -> float:
        return self.true_negative / self.negatives


@dataclass(frozen=True, slots=True)
class Corrected:
    """A rate corrected for a detector's errors; ``value`` is cut to [0, 1]."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Flagging scores above ``threshold``: the share of positives and of negatives flagged, with exact intervals.

    The intervals take the threshold as given."""

    threshold: float
    tpr: float
    fpr: float
    tpr_interval: Interval
    fpr_interval: Interval


def confusion(labels: Sequence[bool] | NDArray[np.bool_], flags: Sequence[bool] | NDArray[np.bool_]) -> Confusion:
    """Count a detector's flags against human labels of the same examples.

    Raises:
        ValueError: lengths that differ, values other than True and False, or a label without examples.
    """
    label, flag = np.asarray(labels), np.asarray(flags)
    if label.shape != flag.shape or label.ndim != 1:
        raise ValueError(f"labels and flags have shapes {label.shape} and {flag.shape}; they must list the same examples")
    if not (np.isin(label, (0, 1)).all() and np.isin(flag, (0, 1)).all()):
        raise ValueError("labels and flags must be True or False")
    y, f = label.astype(bool), flag.astype(bool)
    return Confusion(int((y & f).sum()), int((y & ~f).sum()), int((~y & ~f).sum()), int((~y & f).sum()))


def sensitivity_interval(table: Confusion, confidence: float = 0.95) -> Interval:
    """Exact two-sided interval of the share of positives that is flagged."""
    return exact_interval(table.true_positive, table.positives, confidence)


def specificity_interval(table: Confusion, confidence: float = 0.95) -> Interval:
    """Exact two-sided interval of the share of negatives that is not flagged."""
    return exact_interval(table.true_negative, table.negatives, confidence)


def may_block(table: Confusion, tolerance: float, *, least_sensitivity: float = 0.7, alpha: float = 0.05) -> bool:
    """Return whether a detector is good enough for a gate that blocks at ``tolerance``.

    The exact lower bounds at ``1 - alpha`` must reach ``1 - tolerance / 2`` (specificity) and ``least_sensitivity``.

    Raises:
        ValueError: ``tolerance`` or ``alpha`` outside (0, 1).
    """
    check_share("tolerance", tolerance)
    specificity = lower_bound(table.true_negative, table.negatives, alpha)
    return specificity >= 1 - tolerance / 2 and lower_bound(table.true_positive, table.positives, alpha) >= least_sensitivity


def apparent_rate(rate: float, table: Confusion, alpha: float = 0.05) -> float:
    """Return the largest share of items that a detector flags where at most the share ``rate`` fails, ``1 - alpha`` sure.

    Every failure counts as found, and the specificity is at its exact lower bound.

    Raises:
        ValueError: ``rate`` or ``alpha`` outside (0, 1).
    """
    check_share("rate", rate)
    return rate + (1 - rate) * (1 - lower_bound(table.true_negative, table.negatives, alpha))


def corrected_rate(k: SupportsIndex, n: SupportsIndex, table: Confusion, confidence: float = 0.95) -> Corrected:
    """Return what the rate would be without the detector's errors, from ``k`` flagged of ``n`` (Rogan & Gladen 1978).

    The interval propagates the sampling of the rate, of the sensitivity and of the specificity: Lang & Reiczigel 2014, Preventive
    Veterinary Medicine 113:13, equation 16 (approximate). It assumes that the detector errs here as on the labelled set.

    Raises:
        ValueError: impossible counts, ``confidence`` outside (0, 1), or a detector no better than chance.
    """
    k, n = check_failures(k, n)
    z = float(special.ndtri((1 + check_share("confidence", confidence)) / 2))
    youden = table.sensitivity + table.specificity - 1
    n_se, n_sp = table.positives + 2, table.negatives + 2
    se, sp = (table.true_positive + 1) / n_se, (table.true_negative + 1) / n_sp
    gain = se + sp - 1
    if youden <= 0 or gain <= 0:
        raise ValueError(f"sensitivity + specificity is {1 + youden:.3f}; a detector no better than chance corrects nothing")
    total = n + z * z
    rate = (k + z * z / 2) / total
    centre = (rate + sp - 1) / gain
    var_se, var_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
    shift = 2 * z * z * (centre * var_se - (1 - centre) * var_sp)
    half = z * math.sqrt(rate * (1 - rate) / total + centre**2 * var_se + (1 - centre) ** 2 * var_sp) / gain
    value = min(1.0, max(0.0, (k / n + table.specificity - 1) / youden))
    lower, upper = min(1.0, max(0.0, centre + shift - half)), min(1.0, max(0.0, centre + shift + half))
    # the centre is shrunk: keep the estimate inside
    return Corrected(value, Interval(min(lower, value), max(upper, value), confidence, "Lang-Reiczigel (approximate)"))


def auc(positive: Numbers, negative: Numbers) -> float:
    """Chance that a positive scores above a negative, ties counting half (the area under the ROC curve).

    Raises:
        ValueError: an empty set, or NaN.
    """
    over, _ = _placements(positive, negative)
    return float(over.mean())


def auc_interval(positive: Numbers, negative: Numbers, confidence: float = 0.95) -> Interval:
    """Interval of the area under the ROC curve: DeLong's variance on the logit scale (approximate).

    DeLong, DeLong & Clarke-Pearson 1988, by midranks (Sun & Xu 2014). Where the sets do not overlap that variance is 0; there the
    interval is Clopper-Pearson over as many disjoint pairs as the smaller set has. Where nothing else can be said it is [0, 1].

    Raises:
        ValueError: an empty set, NaN, or ``confidence`` outside (0, 1).
    """
    check_share("confidence", confidence)
    over, under = _placements(positive, negative)
    area, pairs = float(over.mean()), min(over.size, under.size)
    if area in (0.0, 1.0):
        ends = exact_interval(round(area) * pairs, pairs, confidence)
        return Interval(ends.lower, ends.upper, confidence, "Clopper-Pearson over disjoint pairs")
    variance = float(over.var(ddof=1) / over.size + under.var(ddof=1) / under.size) if pairs > 1 else 0.0
    if variance == 0:
        return Interval(0.0, 1.0, confidence, "none: too few or constant scores")
    z = float(special.ndtri((1 + confidence) / 2))
    half = z * math.sqrt(variance) / (area * (1 - area))
    logit = special.logit(area)
    return Interval(
        float(special.expit(logit - half)), float(special.expit(logit + half)), confidence, "DeLong, logit scale (approximate)"
    )


def tpr_at_fpr(positive: Numbers, negative: Numbers, fpr: float = 0.01, confidence: float = 0.95) -> OperatingPoint:
    """Return the lowest threshold that flags at most a share ``fpr`` of the negatives, and what it flags.

    With fewer than ``1 / fpr`` negatives none may be flagged, and ``fpr_interval`` shows how little that says.

    Raises:
        ValueError: an empty set, NaN, ``fpr`` outside [0, 1], or ``confidence`` outside (0, 1).
    """
    x, y = check_values("positive", positive), np.sort(check_values("negative", negative))
    allowed = math.floor(check_share("fpr", fpr, closed=True) * y.size + 1e-9)
    threshold = -math.inf if allowed >= y.size else float(y[y.size - 1 - allowed])
    hits, alarms = int((x > threshold).sum()), int((y > threshold).sum())
    return OperatingPoint(
        threshold, hits / x.size, alarms / y.size,
        exact_interval(hits, x.size, confidence), exact_interval(alarms, y.size, confidence),
    )  # fmt: skip


def _placements(positive: Numbers, negative: Numbers) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, for each negative the share of positives above it; ties count half."""
    x, y = check_values("positive", positive), check_values("negative", negative)
    return _share_below(x, y), 1 - _share_below(y, x)


def _share_below(values: Floats, others: Floats) -> Floats:
    others = np.sort(others)  # not scipy.stats.rankdata: its import alone takes half a second
    shares: Floats = (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / (2 * others.size)
    return shares
