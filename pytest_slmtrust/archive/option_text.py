"""The options of a run as an audit keeps them: lists as the text of a Python list."""

from __future__ import annotations

import ast


def listed_option(text: str) -> list[str]:
    """Return the entries of an option that may be given several times; none of a text that is not such a list."""
    try:
        return [str(one) for one in ast.literal_eval(text)] if text else []
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return []
