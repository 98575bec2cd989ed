"""Two models on items that share parts: the parts are the units of the difference, as they are those of a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..audit.model import Estimate
from ..audit.units import grouping_of

if TYPE_CHECKING:
    from ..stats import Grouping


@dataclass(frozen=True)
class SharedPairs:
    """Pairs of items by reading: 1 where the target alone fails, -1 where its baseline alone does, else 0."""

    shifts: Mapping[str, Mapping[str, float]]
    parts: Mapping[str, Mapping[str, str]]

    def _of(self, reading: str) -> tuple[Any, Grouping]:
        import numpy as np

        shifts = self.shifts[reading]
        return np.array([shifts[s] for s in sorted(shifts)]), grouping_of({s: self.parts[s] for s in shifts})

    def test(self, margin: float, _alpha: float) -> tuple[float, float, float | None]:
        """``p_pass``, ``p_fail`` and the two-sided p-value of no difference, which takes the place of McNemar's."""
        p_pass, p_fail = self._worse("worst", margin), self._within("best", margin)
        both = min(self._worse("judged", 0.0), self._within("judged", 0.0)) if self.shifts["judged"] else None
        return p_pass, p_fail, None if both is None else min(1.0, 2 * both)

    def _worse(self, reading: str, margin: float) -> float:
        from ..stats import excess_chance

        values, grouping = self._of(reading)
        return float(excess_chance(values, grouping, margin)[0])

    def _within(self, reading: str, margin: float) -> float:
        from ..stats import excess_chance

        values, grouping = self._of(reading)
        return float(excess_chance(-values, grouping, -margin)[0])

    def ends(self, alpha: float) -> tuple[float, float]:
        from ..stats import mean_lower, mean_upper

        return mean_lower(*self._of("best"), alpha, -1.0), mean_upper(*self._of("worst"), alpha, -1.0)

    def difference(self) -> Estimate | None:
        from ..stats import mean_lower, mean_upper

        if not self.shifts["judged"]:
            return None
        values, grouping = self._of("judged")
        ends = mean_lower(values, grouping, 0.025, -1.0), mean_upper(values, grouping, 0.025, -1.0)
        return Estimate(float(values.mean()), *ends, len(values), "Gaffke's bounds over parts, paired, two-sided")
