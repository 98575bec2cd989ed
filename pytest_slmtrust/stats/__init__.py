"""Exact statistics over counts and arrays; imports SciPy, and nothing else of this package."""

from .calibration import Bin, brier, ece, ece_interval, reliability
from .design import (
    Decision,
    blocking_n,
    decide,
    excess_p_value,
    items_needed,
    largest_pass,
    power,
    smallest_fail,
    smallest_n,
    smallest_tolerance,
)
from .diagnostic import (
    Confusion,
    Corrected,
    OperatingPoint,
    apparent_rate,
    auc,
    auc_interval,
    confusion,
    corrected_rate,
    may_block,
    sensitivity_interval,
    specificity_interval,
    tpr_at_fpr,
)
from .interval import Interval
from .intervals import (
    bootstrap_interval,
    exact_interval,
    exponential_interval,
    exponential_power,
    lower_bound,
    manski,
    mean_interval,
    upper_bound,
    wilson_interval,
    worst_case_interval,
)
from .labelled import macro_f1_interval
from .multiple import Gap, benjamini_hochberg, gap_ends, holm, mean_gap, rate_gap
from .paired import (
    NonInferiority,
    Pairs,
    count_pairs,
    margin_p_values,
    mcnemar,
    non_inferior,
    non_inferiority_power,
    paired_interval,
)
from .parts import (
    Grouping,
    draw,
    effective_n,
    excess_chance,
    mean_lower,
    mean_upper,
    part_power,
    part_tolerance,
    shift_power,
    spread_limits,
)
from .precision import INFORMS, gap_items, rate_items, root_items
from .quantiles import quantile_draws, quantile_power, quantile_ranks
from .sequential import Boundaries, Sequential, Watched, boundaries, curtailed, exceeds, follow_benchmark, follow_rate, watch

__all__ = [
    "INFORMS", "Bin", "Boundaries", "Confusion", "Corrected", "Decision", "Gap", "Grouping", "Interval",
    "NonInferiority", "OperatingPoint", "Pairs", "Sequential", "Watched", "apparent_rate", "auc", "auc_interval",
    "benjamini_hochberg", "blocking_n", "bootstrap_interval", "boundaries", "brier", "confusion", "corrected_rate",
    "count_pairs", "curtailed", "decide", "draw", "ece", "ece_interval", "effective_n", "exact_interval", "exceeds",
    "excess_chance", "excess_p_value", "exponential_interval", "exponential_power", "follow_benchmark",
    "follow_rate", "gap_ends", "gap_items", "holm", "items_needed", "largest_pass", "lower_bound",
    "macro_f1_interval", "manski", "margin_p_values", "may_block", "mcnemar", "mean_gap", "mean_interval",
    "mean_lower", "mean_upper", "non_inferior", "non_inferiority_power", "paired_interval", "part_power",
    "part_tolerance", "power", "quantile_draws", "quantile_power", "quantile_ranks", "rate_gap", "rate_items",
    "reliability", "root_items", "sensitivity_interval", "shift_power", "smallest_fail", "smallest_n",
    "smallest_tolerance", "specificity_interval", "spread_limits", "tpr_at_fpr", "upper_bound", "watch",
    "wilson_interval", "worst_case_interval",
]  # fmt: skip
