"""``results_*.json`` of lm-evaluation-harness, with the samples next to it."""

from __future__ import annotations

from pathlib import Path

from ..audit.model import AuditError
from .results import Foreign


def reads(head: str) -> bool:
    """Return whether a file begins as results of the harness do."""
    return head.lstrip().startswith("{") and '"results"' in head and ('"configs"' in head or '"n-shot"' in head)


def read(path: Path) -> Foreign:
    """Return the results.

    Raises:
        AuditError: always, for now.
    """
    raise AuditError(f"{path}: results of lm-evaluation-harness cannot be read yet")
