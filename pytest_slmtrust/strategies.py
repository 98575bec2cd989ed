"""Rows drawn from a Hypothesis strategy: the same ones in every process."""

from __future__ import annotations

from typing import Any


def draw(strategy: Any, n: int) -> list[Any]:
    """Up to ``n`` distinct examples, in a reproducible order (derandomised, no database)."""
    from hypothesis import HealthCheck, Phase, given, settings

    rows: list[Any] = []

    once = settings(derandomize=True, database=None, max_examples=n, phases=[Phase.generate], deadline=None)

    @settings(once, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(row: Any) -> None:
        if row not in rows:
            rows.append(row)

    collect()
    return rows
