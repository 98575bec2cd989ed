"""The unsigned in-toto statement of an audit; ``slmtrust attest`` signs the same."""

from __future__ import annotations

from .source import Source, to_json
from .statement import statement


def write(source: Source) -> str:
    """Return the statement."""
    return to_json(statement(source))
